// Layers that move the values of images: padding, cropping, upsampling, permutation; and dropout of whole channels.
#pragma once

#include <array>
#include <cmath>

#include "image_layer.h"
#include "row_layers.h"

namespace fastnet {

// Puts zeros around an image. Where `top` or `left` is negative, or the result ends before the image does, it cuts off.
template <class T> class Padding final : public ImageLayer<T> {
  public:
    explicit Padding(const Padding2DSpec& spec)
        : ImageLayer<T>(spec.sizes.height * spec.sizes.width * spec.sizes.channels,
                        spec.sizes.output_height * spec.sizes.output_width * spec.sizes.channels),
          sizes_(spec.sizes), top_(spec.top), left_(spec.left) {}

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_images(pass, this->output_size, y, &epilogue, [&](Index image, T* result) {
            move(x.rows + image * this->input_size, sizes_.height, sizes_.width, result, sizes_.output_height,
                 sizes_.output_width, top_, left_);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_images(pass, this->input_size, dx, epilogue, [&](Index image, T* result) {
            move(dy + image * this->output_size, sizes_.output_height, sizes_.output_width, result, sizes_.height,
                 sizes_.width, -top_, -left_);
        });
    }

  private:
    void move(const T* from, Index height, Index width, T* to, Index to_height, Index to_width, Index top,
              Index left) const {
        std::fill_n(to, to_height * to_width * sizes_.channels, T(0));
        const Index first = std::max<Index>(left, 0), last = std::min(left + width, to_width);
        for (Index line = std::max<Index>(top, 0); line < std::min(top + height, to_height) && first < last; ++line)
            std::copy_n(from + ((line - top) * width + first - left) * sizes_.channels,
                        (last - first) * sizes_.channels, to + (line * to_width + first) * sizes_.channels);
    }

    const ImageSizes sizes_;
    const Index top_, left_;
};

// Makes several pixels of one: copies, or by linear interpolation between the centers of pixels.
template <class T> class UpSampling final : public ImageLayer<T> {
  public:
    explicit UpSampling(const UpSampling2DSpec& spec)
        : ImageLayer<T>(spec.height * spec.width * spec.channels,
                        spec.height * spec.width * spec.channels * spec.factor_height * spec.factor_width),
          channels_(spec.channels), width_(spec.width),
          lines_(neighbors(spec.height, spec.factor_height, spec.bilinear)),
          pixels_(neighbors(spec.width, spec.factor_width, spec.bilinear)) {}

    double operations_per_row() const override { return 8.0 * static_cast<double>(this->output_size); }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_images(pass, this->output_size, y, &epilogue, [&](Index image, T* result) {
            const T* const from = x.rows + image * this->input_size;
            for_pixels([&](Index at, const std::array<Index, 4>& places, const std::array<T, 4>& shares) {
                for (Index c = 0; c < channels_; ++c) {
                    T sum = 0;
                    for (std::size_t i = 0; i < 4; ++i)
                        if (shares[i] != T(0))
                            sum += shares[i] * from[places[i] + c];
                    result[at + c] = sum;
                }
            });
        });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_images(pass, this->input_size, dx, epilogue, [&](Index image, T* result) {
            const T* const from = dy + image * this->output_size;
            std::fill_n(result, this->input_size, T(0));
            for_pixels([&](Index at, const std::array<Index, 4>& places, const std::array<T, 4>& shares) {
                for (std::size_t i = 0; i < 4; ++i)
                    for (Index c = 0; c < channels_ && shares[i] != T(0); ++c)
                        result[places[i] + c] += shares[i] * from[at + c];
            });
        });
    }

  private:
    // The two positions of the source that a position of the result is made of, and the share of the second one.
    struct Neighbors {
        Index first, second;
        T share;
    };
    static std::vector<Neighbors> neighbors(Index size, Index factor, bool bilinear) {
        std::vector<Neighbors> result;
        for (Index p = 0; p < size * factor; ++p) {
            const double at = (static_cast<double>(p) + 0.5) / static_cast<double>(factor) - 0.5;
            const Index below = static_cast<Index>(std::floor(at));
            if (bilinear)
                result.push_back({std::max<Index>(below, 0), std::min(below + 1, size - 1),
                                  static_cast<T>(at - static_cast<double>(below))});
            else
                result.push_back({p / factor, p / factor, T(0)});
        }
        return result;
    }
    // Calls visit(place in the result, the four places in the source, their shares) for every pixel of the result.
    template <class Visit> void for_pixels(Visit visit) const {
        Index at = 0;
        for (const Neighbors& y : lines_)
            for (const Neighbors& x : pixels_) {
                const auto place = [&](Index line, Index pixel) { return (line * width_ + pixel) * channels_; };
                visit(at,
                      {place(y.first, x.first), place(y.first, x.second), place(y.second, x.first),
                       place(y.second, x.second)},
                      {(1 - y.share) * (1 - x.share), (1 - y.share) * x.share, y.share * (1 - x.share),
                       y.share * x.share});
                at += channels_;
            }
    }

    const Index channels_, width_;
    const std::vector<Neighbors> lines_, pixels_;
};

// Reorders the three axes of an image.
template <class T> class Permutation final : public ImageLayer<T> {
  public:
    Permutation(const std::array<Index, 3>& shape, const std::array<Index, 3>& axes)
        : ImageLayer<T>(shape[0] * shape[1] * shape[2], shape[0] * shape[1] * shape[2]) {
        const std::array<Index, 3> strides{shape[1] * shape[2], shape[2], 1};
        for (std::size_t i = 0; i < 3; ++i)
            sizes_[i] = shape[static_cast<std::size_t>(axes[i])],
            steps_[i] = strides[static_cast<std::size_t>(axes[i])];
    }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_images(pass, this->output_size, y, &epilogue, [&](Index image, T* result) {
            const T* const from = x.rows + image * this->input_size;
            for_values([&](Index at, Index place) { result[at] = from[place]; });
        });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_images(pass, this->input_size, dx, epilogue, [&](Index image, T* result) {
            const T* const from = dy + image * this->output_size;
            for_values([&](Index at, Index place) { result[place] = from[at]; });
        });
    }

  private:
    template <class Visit> void for_values(Visit visit) const {
        Index at = 0;
        for (Index i = 0; i < sizes_[0]; ++i)
            for (Index j = 0; j < sizes_[1]; ++j)
                for (Index k = 0; k < sizes_[2]; ++k)
                    visit(at++, i * steps_[0] + j * steps_[1] + k * steps_[2]);
    }

    std::array<Index, 3> sizes_, steps_;  // of the result's axes: size, and step in the source
};

// Drops whole channels of a sample. Tompson et al., CVPR 2015. Its memory is the mask, one value per channel.
template <class T> class SpatialDropout final : public ImageLayer<T> {
  public:
    SpatialDropout(Index size, Index channels, Index repeats, bool shared, double rate, RandomStream random)
        : ImageLayer<T>(size, size), channels_(channels), repeats_(repeats), shared_(shared),
          rate_(static_cast<T>(checked_rate(rate))), random_(random) {}
    void adopt(const LayerKind& kind) override {
        rate_ = static_cast<T>(checked_rate(spec_of<SpatialDropoutSpec>(kind).rate));
    }

    bool only_in_training() const override { return true; }
    std::uint64_t* seed() override { return &random_.seed; }
    Index memory_per_row() const override { return channels_; }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_images(pass, this->output_size, y, &epilogue, [&](Index image, T* result) {
            const T* const from = x.rows + image * this->input_size;
            if (!pass.training()) {
                std::copy_n(from, this->input_size, result);
                return;
            }
            T* const mask = pass.memory + image * channels_;
            RandomRow row = random_.row(pass, image);
            if (shared_)
                row.row = 0;
            kernels<T>().layers.dropout(row, channels_, from, rate_, mask, result);
            multiply(from, mask, result);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_images(pass, this->input_size, dx, epilogue, [&](Index image, T* result) {
            const T* const from = dy + image * this->output_size;
            if (pass.training())
                multiply(from, pass.memory + image * channels_, result);
            else
                std::copy_n(from, this->input_size, result);
        });
    }

  private:
    void multiply(const T* from, const T* mask, T* result) const {
        if (repeats_ == 1)
            for (Index at = 0; at < this->input_size; at += channels_)
                kernels<T>().layers.multiply(channels_, from + at, mask, result + at);
        else
            for (Index at = 0; at < this->input_size; ++at)
                result[at] = from[at] * mask[at / repeats_ % channels_];
    }

    const Index channels_, repeats_;  // the length of the mask, and of the runs of values that share one of it
    const bool shared_;               // whether all samples of a batch have the mask of the first
    T rate_;
    RandomStream random_;
};

}  // namespace fastnet
