// Convolution and transposed convolution of images.
#pragma once

#include "core/products/windows.h"
#include "image_layer.h"

namespace fastnet {

// A convolution maps the image of its geometry to the map. Transposed, it maps the map to the image, by the product
// that the other one has in its backward pass.
template <class T> class Convolution : public ImageLayer<T> {
  public:
    Convolution(const Geometry& geometry, bool transposed, bool use_bias)
        : Convolution(geometry, transposed, use_bias, transposed ? geometry.image_size() : geometry.map_size()) {}

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
        return products_scratch_size() + (transposed_ ? this->input_size : 0);  // see parameter_gradients
    }

    // The sums begin with the bias.
    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        multiply(forward_, pass, packed_forward(pass), bias_of(pass), y, &epilogue,
                 [&](Index image) { return x.rows + image * this->input_size; });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        multiply(backward_, pass, packed_backward(pass), nullptr, dx, epilogue,
                 [&](Index image) { return dy + image * this->output_size; });
    }
    void parameter_gradients(const Pass<T>& pass, Range, const Input<T>& x, const T* dy, T* gradients, bool accumulate,
                             const Optimization<T>*) const override {
        add_gradients(pass, x, dy, gradients, accumulate, [&](Index image) { return dy + image * this->output_size; });
    }

    // Whether the result is a map that is the image of this geometry.
    virtual bool maps_to(const Geometry& next) const {
        return !transposed_ && geometry_.y.result == next.y.source && geometry_.x.result == next.x.source &&
               geometry_.filters == next.channels;
    }

  protected:
    // The same convolution as the first part of a layer with further work.
    Convolution(const Convolution& convolution, Index output_size)
        : Convolution(convolution.geometry_, convolution.transposed_, convolution.use_bias_, output_size) {}
    Convolution(const Geometry& geometry, bool transposed, bool use_bias, Index output_size)
        : ImageLayer<T>(transposed ? geometry.map_size() : geometry.image_size(), output_size), geometry_(geometry),
          transposed_(transposed), use_bias_(use_bias), forward_(geometry, transposed),
          backward_(geometry, !transposed), gradients_(geometry) {}

    Index features() const { return transposed_ ? geometry_.channels : geometry_.filters; }
    Index products_scratch_size() const {
        return std::max({forward_.scratch_size(), backward_.scratch_size(), gradients_.scratch_size()});
    }
    T* packed_forward(const Pass<T>& pass) const { return pass.kept(); }
    T* packed_backward(const Pass<T>& pass) const { return pass.kept() + forward_.packed_size(); }
    const T* bias_of(const Pass<T>& pass) const {
        return use_bias_ ? pass.parameters + geometry_.kernel_size() : nullptr;
    }

    // The products of the images source_of(image).
    template <class Source>
    void multiply(const Windows<T>& windows, const Pass<T>& pass, T* packed, const T* bias, T* result,
                  const Epilogue<T>* epilogue, Source source_of) const {
        if (pass.fresh)
            windows.pack(pass.parameters, packed);
        const Index line = windows.line_size(), size = windows.lines() * line;
        this->for_lines(pass, windows.lines(), geometry_.operations(), [&](Index image, Range lines) {
            const T* const from = windows.prepare(source_of(image), lines, pass.scratch());
            T* const to = result + image * size;
            for (Index first = lines.begin; first < lines.end; first += windows.lines_at_once()) {
                const Range some{first, std::min(first + windows.lines_at_once(), lines.end)};
                windows.multiply(from, pass.parameters, packed, bias, some, to + first * line, pass.scratch());
                this->apply(epilogue, image, size, some.begin * line, some.end * line, result);
            }
        });
    }

    // The gradients of the parameters, where those with respect to the product are slopes_of(image). dy has the same
    // sums over pixels.
    template <class Slopes>
    void add_gradients(const Pass<T>& pass, const Input<T>& x, const T* dy, T* gradients, bool accumulate,
                       Slopes slopes_of) const {
        if (!accumulate)
            std::fill_n(gradients, parameter_count(), T(0));
        T* const bias = gradients + geometry_.kernel_size();
        for (Index i = 0; i < pass.rows && pass.crew.team.goes_on(geometry_.operations()); ++i) {
            const T* image = x.rows + i * this->input_size;
            const T* const slopes = slopes_of(i);
            // A vector behind a map is read as well. The memory of a user may end there.
            if (transposed_)
                image =
                    std::copy_n(image, this->input_size, pass.scratch() + products_scratch_size()) - this->input_size;
            gradients_.add(transposed_ ? slopes : image, transposed_ ? image : slopes, gradients, pass.scratch());
            if (use_bias_)
                kernels<T>().images.add_pixels(this->output_size / features(), features(), dy + i * this->output_size,
                                               bias);
        }
    }

    const Geometry geometry_;
    const bool transposed_, use_bias_;
    const Windows<T> forward_, backward_;
    const WindowGradients<T> gradients_;
};

}  // namespace fastnet
