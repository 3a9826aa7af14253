// Layers that flip images or take a part of them, at random in training.
#pragma once

#include <algorithm>
#include <array>

#include "augmentation_specs.h"
#include "image_layer.h"
#include "row_layers.h"

namespace fastnet {

// Reverses the rows or the lines of an image, each with a probability of 1/2. Prediction leaves it out.
template <class T> class RandomFlip final : public ImageLayer<T> {
  public:
    RandomFlip(const RandomFlipSpec& spec, RandomStream random)
        : ImageLayer<T>(spec.height * spec.width * spec.channels, spec.height * spec.width * spec.channels),
          spec_(spec), random_(random) {}

    bool only_in_training() const override { return true; }
    std::uint64_t* seed() override { return &random_.seed; }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_images(pass, this->output_size, y, &epilogue,
                         [&](Index image, T* result) { flip(pass, image, x.rows, result); });
    }
    // Flipping is its own transpose.
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_images(pass, this->input_size, dx, epilogue,
                         [&](Index image, T* result) { flip(pass, image, dy, result); });
    }

  private:
    void flip(const Pass<T>& pass, Index image, const T* images, T* to) const {
        const Index line = spec_.width * spec_.channels;
        const T* const from = images + image * this->input_size;
        std::array<T, 2> shares{1, 1};
        if (pass.training())
            kernels<T>().layers.uniform(random_.row(pass, image), 2, shares.data());
        const bool lines = spec_.vertical && shares[0] < T(0.5), pixels = spec_.horizontal && shares[1] < T(0.5);
        for (Index r = 0; r < spec_.height; ++r, to += line) {
            const T* const source = from + (lines ? spec_.height - 1 - r : r) * line;
            if (!pixels)
                std::copy_n(source, line, to);
            else if (spec_.channels == 1)
                std::reverse_copy(source, source + line, to);
            else
                for (Index p = 0; p < spec_.width; ++p)
                    std::copy_n(source + (spec_.width - 1 - p) * spec_.channels, spec_.channels,
                                to + p * spec_.channels);
        }
    }

    const RandomFlipSpec spec_;
    RandomStream random_;
};

// Takes a part of an image: anywhere in training, in prediction always the same.
template <class T> class RandomCrop final : public ImageLayer<T> {
  public:
    RandomCrop(const RandomCropSpec& spec, RandomStream random)
        : ImageLayer<T>(spec.sizes.height * spec.sizes.width * spec.sizes.channels,
                        spec.sizes.output_height * spec.sizes.output_width * spec.sizes.channels),
          spec_(spec), random_(random) {}

    std::uint64_t* seed() override { return &random_.seed; }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_images(pass, this->output_size, y, &epilogue, [&](Index image, T* result) {
            const T* const from = x.rows + image * this->input_size;
            for_lines_of(pass, image, [&](Index outer, Index inner, Index count) {
                std::copy_n(from + outer, count, result + inner);
            });
        });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_images(pass, this->input_size, dx, epilogue, [&](Index image, T* result) {
            const T* const from = dy + image * this->output_size;
            std::fill_n(result, this->input_size, T(0));
            for_lines_of(pass, image, [&](Index outer, Index inner, Index count) {
                std::copy_n(from + inner, count, result + outer);
            });
        });
    }

  private:
    // Calls visit(where a line begins in the image, where in the part, its size).
    template <class Visit> void for_lines_of(const Pass<T>& pass, Index image, Visit visit) const {
        const ImageSizes& s = spec_.sizes;
        Index top = -spec_.top, left = -spec_.left;
        if (pass.training()) {
            std::array<T, 2> shares;
            kernels<T>().layers.uniform(random_.row(pass, image), 2, shares.data());
            top = place(s.height - s.output_height, shares[0]), left = place(s.width - s.output_width, shares[1]);
        }
        const Index count = s.output_width * s.channels;
        for (Index r = 0; r < s.output_height; ++r)
            visit(((top + r) * s.width + left) * s.channels, r * count, count);
    }
    // One of the places from 0 to `last`.
    static Index place(Index last, T share) {
        return static_cast<Index>(static_cast<double>(last + 1) * static_cast<double>(share));
    }

    const RandomCropSpec spec_;
    RandomStream random_;
};

}  // namespace fastnet
