// Elastic deformations: every pixel moves by a random amount, and neighbors by nearly the same. Simard, Steinkraus and
// Platt, "Best practices for convolutional neural networks applied to visual document analysis", ICDAR 2003.
#pragma once

#include <limits>

#include "levels.h"
#include "resampling.h"

namespace fastnet {

template <class T> class RandomElastic final : public Resampling<T> {
  public:
    RandomElastic(const RandomElasticSpec& spec, Fill fill, RandomStream random)
        : Resampling<T>(spec, fill, reach(spec), reach(spec), random), spec_(spec), pixels_(spec.height * spec.width),
          most_taps_(taps(spec.sigma * spec.scale_upper)) {}

    // Seven standard deviations of the distances that pixels move.
    static Index reach(const RandomElasticSpec& spec) {
        return static_cast<Index>(std::ceil(2 * spec.alpha * spec.scale_upper));
    }
    static Index taps(double sigma) { return static_cast<Index>(6 * sigma) | 1; }

    Index scratch_size() const override {
        return Resampling<T>::scratch_size() + this->input_size + random_block + 3 * pixels_ + this->width_ +
               2 * most_taps_;
    }

  protected:
    void resample(const Pass<T>& pass, Index image, const T* x, T* y) const override {
        Placement<T> placement;
        if (move(pass, image, placement)) {
            this->sample(pass, placement, x, y);
            x = y;
        }
        kernels<T>().images.adjust(limits().levels(), x, y);
    }
    void resample_backward(const Pass<T>& pass, Index image, const T* x, const T* dy, T* dx) const override {
        Placement<T> placement;
        if (!move(pass, image, placement))
            return kernels<T>().images.adjust_backward(limits().levels(), x, dy, dx);
        T* const y = pass.scratch() + Resampling<T>::scratch_size();
        this->sample(pass, placement, x, y);
        kernels<T>().images.adjust_backward(limits().levels(), y, dy, y);
        this->sample_backward(pass, placement, y, dx);
    }

  private:
    // The first block of random numbers is that of the factors.
    static constexpr Index random_block = 64;

    OneLevel<T> limits() const {
        return {this->input_size, 1, 0, static_cast<T>(spec_.low), static_cast<T>(spec_.high)};
    }

    // Finds where the pixels of a sample go. Returns false where they stay.
    bool move(const Pass<T>& pass, Index image, Placement<T>& placement) const {
        const std::array<T, 3> shares = this->template draw<3>(pass, image);
        if (static_cast<double>(shares[1]) >= this->between(spec_.lower, spec_.upper, shares[0]))
            return false;
        const double scale = this->between(spec_.scale_lower, spec_.scale_upper, shares[2]);
        T* const numbers = pass.scratch() + Resampling<T>::scratch_size() + this->input_size;
        const Index count = random_block + 2 * pixels_;
        std::fill_n(numbers, count, T(0));
        const double distance = spec_.alpha * scale * spec_.sigma * scale;
        kernels<T>().layers.add_noise(this->random_.row(pass, image), count, numbers, static_cast<T>(distance),
                                      numbers);
        T* const down = numbers + random_block;
        T* const rest = numbers + count;
        for (T* const field : {down, down + pixels_})
            smooth(field, spec_.sigma * scale, rest);
        placement.down = down, placement.right = down + pixels_;
        return true;
    }

    // Smooths a field by a Gaussian, with zeros beyond the edges.
    void smooth(T* field, double sigma, T* rest) const {
        const Index count = taps(sigma), half = count / 2, height = this->height_, width = this->width_;
        T *const smoothed = rest, *const line = rest + pixels_, *const weights = line + width + 2 * half;
        write_gaussian(sigma, count, weights);
        for (Index r = 0; r < height; ++r) {
            const Index first = std::max<Index>(r - half, 0), end = std::min(r + half + 1, height);
            kernels<T>().images.blur(width, end - first, weights + (first - r + half), field + first * width, width,
                                     smoothed + r * width);
        }
        std::fill_n(line, half, T(0)), std::fill_n(line + half + width, half, T(0));
        for (Index r = 0; r < height; ++r) {
            std::copy_n(smoothed + r * width, width, line + half);
            kernels<T>().images.blur(width, count, weights, line, 1, field + r * width);
        }
    }

    static void write_gaussian(double sigma, Index count, T* weights) {
        double sum = 0;
        const auto weight = [&](Index k) {
            const double at = static_cast<double>(k - count / 2) / sigma;
            return k == count / 2 ? 1.0 : std::exp(-at * at / 2);
        };
        for (Index k = 0; k < count; ++k)
            sum += weight(k);
        for (Index k = 0; k < count; ++k)
            weights[k] = static_cast<T>(weight(k) / sum);
    }

    const RandomElasticSpec spec_;
    const Index pixels_, most_taps_;
};

}  // namespace fastnet
