// Convolution and transposed convolution of images.
#pragma once

#include "core/products/windows.h"
#include "image_layer.h"

namespace fastnet {

// A convolution maps the image of its geometry to the map. Transposed, it maps the map to the image, by the product
// that the other one has in its backward pass.
template <class T> class Convolution final : public ImageLayer<T> {
  public:
    Convolution(const Geometry& geometry, bool transposed, bool use_bias)
        : ImageLayer<T>(transposed ? geometry.map_size() : geometry.image_size(),
                        transposed ? geometry.image_size() : geometry.map_size()),
          geometry_(geometry), transposed_(transposed), use_bias_(use_bias), forward_(geometry, transposed),
          backward_(geometry, !transposed), gradients_(geometry) {}

    std::vector<ParameterSlot> slots() const override {
        const Geometry& g = geometry_;
        std::vector<ParameterSlot> result{{"kernel", 0, {g.y.kernel, g.x.kernel, g.channels / g.groups, g.filters}}};
        if (use_bias_)
            result.push_back({"bias", g.kernel_size(), {features()}});
        return result;
    }
    Index parameter_count() const override { return geometry_.kernel_size() + (use_bias_ ? features() : 0); }
    double operations_per_row() const override { return geometry_.operations(); }
    Index kept_size() const override { return forward_.packed_size() + backward_.packed_size(); }
    Index scratch_size() const override {
        const Index copy = transposed_ ? this->input_size : 0;  // see parameter_gradients
        return std::max({forward_.scratch_size(), backward_.scratch_size(), gradients_.scratch_size() + copy});
    }

    // The sums begin with the bias.
    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        const T* const bias = use_bias_ ? pass.parameters + geometry_.kernel_size() : nullptr;
        multiply(forward_, pass, pass.kept(), this->input_size, x.rows, bias, y, &epilogue);
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        multiply(backward_, pass, pass.kept() + forward_.packed_size(), this->output_size, dy, nullptr, dx, epilogue);
    }
    void parameter_gradients(const Pass<T>& pass, Range, const Input<T>& x, const T* dy, T* gradients, bool accumulate,
                             const Optimization<T>*) const override {
        if (!accumulate)
            std::fill_n(gradients, parameter_count(), T(0));
        T* const bias = gradients + geometry_.kernel_size();
        for (Index i = 0; i < pass.rows && pass.crew.team.goes_on(geometry_.operations()); ++i) {
            const T* image = x.rows + i * this->input_size;
            const T* const slopes = dy + i * this->output_size;
            // A vector behind a map is read as well. The memory of a user may end there.
            if (transposed_)
                image =
                    std::copy_n(image, this->input_size, pass.scratch() + gradients_.scratch_size()) - this->input_size;
            gradients_.add(transposed_ ? slopes : image, transposed_ ? image : slopes, gradients, pass.scratch());
            if (use_bias_)
                kernels<T>().images.add_pixels(this->output_size / features(), features(), slopes, bias);
        }
    }

  private:
    Index features() const { return transposed_ ? geometry_.channels : geometry_.filters; }
    void multiply(const Windows<T>& windows, const Pass<T>& pass, T* packed, Index source_size, const T* source,
                  const T* bias, T* result, const Epilogue<T>* epilogue) const {
        if (pass.fresh)
            windows.pack(pass.parameters, packed);
        const Index line = windows.line_size(), size = windows.lines() * line;
        this->for_lines(pass, windows.lines(), geometry_.operations(), [&](Index image, Range lines) {
            const T* const from = windows.prepare(source + image * source_size, lines, pass.scratch());
            T* const to = result + image * size;
            for (Index first = lines.begin; first < lines.end; first += windows.lines_at_once()) {
                const Range some{first, std::min(first + windows.lines_at_once(), lines.end)};
                windows.multiply(from, pass.parameters, packed, bias, some, to + first * line, pass.scratch());
                this->apply(epilogue, image, size, some.begin * line, some.end * line, result);
            }
        });
    }

    const Geometry geometry_;
    const bool transposed_, use_bias_;
    const Windows<T> forward_, backward_;
    const WindowGradients<T> gradients_;
};

}  // namespace fastnet
