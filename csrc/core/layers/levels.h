// Layers that change the brightness or the contrast of images in training. Prediction leaves them out.
#pragma once

#include <algorithm>
#include <limits>

#include "augmentation_specs.h"
#include "image_layer.h"
#include "row_layers.h"

namespace fastnet {

// Values of one center and offset, as if all were of one channel.
template <class T> struct OneLevel {
    Index values;
    T factor, offset, low, high;
    T center = 0;

    Levels<T> levels() const { return {values, 1, &center, &offset, factor, low, high}; }
};

template <class T> class RandomLevels final : public ImageLayer<T> {
  public:
    RandomLevels(Index size, const RandomLevelsSpec& spec, RandomStream random)
        : ImageLayer<T>(size, size), spec_(spec), random_(random) {}

    bool only_in_training() const override { return true; }
    std::uint64_t* seed() override { return &random_.seed; }
    Index scratch_size() const override { return spec_.channels; }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_images(pass, this->output_size, y, &epilogue, [&](Index image, T* result) {
            const T* const from = x.rows + image * this->input_size;
            if (!pass.training())
                std::copy_n(from, this->input_size, result);
            else if (spec_.contrast)
                kernels<T>().images.adjust(contrast(pass, image, from), from, result);
            else
                kernels<T>().images.adjust(brightness(pass, image).levels(), from, result);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>& x, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_images(pass, this->input_size, dx, epilogue, [&](Index image, T* result) {
            const T *const from = x.rows + image * this->input_size, *const slopes = dy + image * this->output_size;
            if (!pass.training())
                return static_cast<void>(std::copy_n(slopes, this->input_size, result));
            if (!spec_.contrast)
                return kernels<T>().images.adjust_backward(brightness(pass, image).levels(), from, slopes, result);
            kernels<T>().images.adjust_backward(contrast(pass, image, from), from, slopes, result);
            // The gradient changes as the image does: its mean keeps its size.
            Levels<T> levels = contrast(pass, image, result);
            levels.high = std::numeric_limits<T>::infinity(), levels.low = -levels.high;
            kernels<T>().images.adjust(levels, result, result);
        });
    }

  private:
    T factor(const Pass<T>& pass, Index image) const {
        T share;
        kernels<T>().layers.uniform(random_.row(pass, image), 1, &share);
        return static_cast<T>(spec_.lower + (spec_.upper - spec_.lower) * static_cast<double>(share));
    }
    OneLevel<T> brightness(const Pass<T>& pass, Index image) const {
        return {this->input_size, 1, factor(pass, image), static_cast<T>(spec_.low), static_cast<T>(spec_.high)};
    }
    Levels<T> contrast(const Pass<T>& pass, Index image, const T* values) const {
        const Index pixels = this->input_size / spec_.channels;
        T* const means = pass.scratch();
        std::fill_n(means, spec_.channels, T(0));
        kernels<T>().images.add_pixels(pixels, spec_.channels, values, means);
        for (Index c = 0; c < spec_.channels; ++c)
            means[c] /= static_cast<T>(pixels);
        return {pixels,
                spec_.channels,
                means,
                means,
                factor(pass, image),
                static_cast<T>(spec_.low),
                static_cast<T>(spec_.high)};
    }

    const RandomLevelsSpec spec_;
    RandomStream random_;
};

}  // namespace fastnet
