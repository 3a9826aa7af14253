// A convolution and the max pooling behind it in one layer. The map exists line by line in the first-level cache, and
// for one image at a time in the backward pass: what is kept are the largest values and their places in their windows.
#pragma once

#include "convolution.h"
#include "pooling.h"

namespace fastnet {

// An activation that follows acts on the largest values. So it must be one that keeps their order, as ReLU does.
template <class T> class PooledConvolution final : public Convolution<T> {
  public:
    PooledConvolution(const Convolution<T>& convolution, const Pooling<T>& pooling)
        : Convolution<T>(convolution, pooling.output_size), pooling_(pooling.geometry(), Pool::largest),
          lines_(pooling.geometry().y.result), step_(pooling.geometry().y.stride) {}

    bool maps_to(const Geometry&) const override { return false; }
    double operations_per_row() const override {
        return Convolution<T>::operations_per_row() + pooling_.operations_per_row();
    }
    // The places are bytes.
    Index memory_per_row() const override {
        constexpr Index size = sizeof(T);
        return (this->output_size + size - 1) / size;
    }
    Index scratch_size() const override {
        constexpr Index behind = 64;  // values that may be read behind a map
        return this->products_scratch_size() + this->geometry_.map_size() + behind;
    }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        const Windows<T>& windows = this->forward_;
        T* const packed = this->packed_forward(pass);
        if (pass.fresh)
            windows.pack(pass.parameters, packed);
        const Index map_line = windows.line_size(), line = this->output_size / lines_;
        const Index together = std::max<Index>(windows.lines_at_once() / step_, 1);
        T* const map = map_of(pass);
        this->for_lines(pass, lines_, operations_per_row(), [&](Index image, Range mine) {
            const T* const from = windows.prepare(x.rows + image * this->input_size, map_lines(mine), pass.scratch());
            for (Index first = mine.begin; first < mine.end; first += together) {
                const Range some{first, std::min(first + together, mine.end)}, of_map = map_lines(some);
                for (Index at = of_map.begin; at < of_map.end; at += windows.lines_at_once()) {
                    const Range piece{at, std::min(at + windows.lines_at_once(), of_map.end)};
                    windows.multiply(from, pass.parameters, packed, this->bias_of(pass), piece,
                                     map + (at - of_map.begin) * map_line, pass.scratch());
                }
                for (Index i = some.begin; i < some.end; ++i)
                    pooling_.pool_line(i, map, of_map.begin * map_line, y + image * this->output_size + i * line,
                                       pass.goes_back ? places(pass, image) + i * line : nullptr);
            }
            this->apply(&epilogue, image, this->output_size, mine.begin * line, mine.end * line, y);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->multiply(this->backward_, pass, this->packed_backward(pass), nullptr, dx, epilogue,
                       [&](Index image) { return map_slopes(pass, dy, image); });
    }
    void parameter_gradients(const Pass<T>& pass, Range, const Input<T>& x, const T* dy, T* gradients, bool accumulate,
                             const Optimization<T>*) const override {
        this->add_gradients(pass, x, dy, gradients, accumulate,
                            [&](Index image) { return map_slopes(pass, dy, image); });
    }

  private:
    // The lines of the map that these lines of the result read.
    Range map_lines(Range lines) const {
        return {lines.begin * step_, std::min(lines.end * step_, this->geometry_.y.result)};
    }
    T* map_of(const Pass<T>& pass) const { return pass.scratch() + this->products_scratch_size(); }
    unsigned char* places(const Pass<T>& pass, Index image) const {
        return reinterpret_cast<unsigned char*>(pass.memory + image * memory_per_row());
    }
    // The gradients with respect to the map of an image.
    const T* map_slopes(const Pass<T>& pass, const T* dy, Index image) const {
        T* const map = map_of(pass);
        pooling_.by_places(dy + image * this->output_size, places(pass, pass.forward_row(image)), map);
        return map;
    }

    const Pooling<T> pooling_;
    const Index lines_, step_;  // of the result, and of the map for each of them
};

// The two layers in one, or null where they do not fit together.
template <class T> std::unique_ptr<Layer<T>> with_pooling(const Layer<T>& layer, const Layer<T>& pooling) {
    const auto* const convolution = dynamic_cast<const Convolution<T>*>(&layer);
    const auto& pool = static_cast<const Pooling<T>&>(pooling);
    const ActivationKernels<T>* const relu = &find_kernel(kernels<T>().activations, "relu", "activation");
    if (!convolution || !convolution->maps_to(pool.geometry()) || !pool.keeps_places() ||
        (layer.activation != kernels<T>().activations && layer.activation != relu))
        return nullptr;
    auto result = std::make_unique<PooledConvolution<T>>(*convolution, pool);
    result->activation = layer.activation, result->alpha = layer.alpha, result->spec = layer.spec;
    result->activation_rows = pool.geometry().y.result * pool.geometry().x.result;
    return result;
}

}  // namespace fastnet
