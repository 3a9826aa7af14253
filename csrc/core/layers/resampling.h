// Layers that move the values of images by parts of a pixel in training. Prediction leaves them out.
//
// A sample is copied with margins, which go on beyond its edges as the fill mode says. So the kernels find every pixel
// that surrounds a position, and know no fill mode. The backward pass is the transpose: it adds shares of gradients to
// an image with margins, whose pixels are then added to those that they were copied from.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "augmentation_specs.h"
#include "image_layer.h"
#include "row_layers.h"

namespace fastnet {

enum class Fill { reflect, constant, nearest, wrap };

// The pixels of an axis with its margins, as those of the axis without; -1 for a constant.
inline std::vector<Index> filled_axis(Index size, Index margin, Fill fill) {
    std::vector<Index> result;
    for (Index at = -margin; at < size + margin; ++at) {
        const auto within = [&](Index period) { return (at % period + period) % period; };
        const bool inside = at >= 0 && at < size;
        switch (fill) {
        case Fill::constant:
            result.push_back(inside ? at : -1);
            break;
        case Fill::nearest:
            result.push_back(std::clamp<Index>(at, 0, size - 1));
            break;
        case Fill::wrap:
            result.push_back(within(size));
            break;
        case Fill::reflect:
            result.push_back(std::min(within(2 * size), 2 * size - 1 - within(2 * size)));
            break;
        }
    }
    return result;
}

// Where the pixels of a sample lie in the sample that it is made of: pixel (r, c) at y[0] + y[1] r + y[2] c and x[0] +
// x[1] r + x[2] c, moved by arrays of the sample's size, unless they are null.
template <class T> struct Placement {
    std::array<double, 3> y{0, 1, 0}, x{0, 0, 1};
    const T *down = nullptr, *right = nullptr;
};

template <class T> class Resampling : public ImageLayer<T> {
  public:
    // `reach` is how far positions lie beyond the edges, at the top and the bottom and at the left and the right.
    Resampling(const ResamplingSpec& spec, Fill fill, Index reach_height, Index reach_width, RandomStream random)
        : ImageLayer<T>(spec.height * spec.width * spec.channels, spec.height * spec.width * spec.channels),
          random_(random), height_(spec.height), width_(spec.width), channels_(spec.channels),
          rows_(filled_axis(spec.height, margin(fill, reach_height), fill)),
          columns_(filled_axis(spec.width, margin(fill, reach_width), fill)),
          fill_value_(static_cast<T>(spec.fill_value)), nearest_(spec.nearest) {}

    // Positions further out than these margins have the value of the margin if that is the same everywhere.
    static Index margin(Fill fill, Index reach) {
        constexpr Index neighbors = 2;
        return fill == Fill::reflect || fill == Fill::wrap ? reach + neighbors : neighbors;
    }

    bool only_in_training() const override { return true; }
    std::uint64_t* seed() override { return &random_.seed; }
    Index scratch_size() const override { return size_with_margins() + height_; }
    double operations_per_row() const override { return 30.0 * static_cast<double>(this->output_size); }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_images(pass, this->output_size, y, &epilogue, [&](Index image, T* result) {
            const T* const from = x.rows + image * this->input_size;
            if (pass.training())
                resample(pass, image, from, result);
            else
                std::copy_n(from, this->input_size, result);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>& x, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_images(pass, this->input_size, dx, epilogue, [&](Index image, T* result) {
            const T* const from = dy + image * this->output_size;
            if (pass.training())
                resample_backward(pass, image, x.rows + image * this->input_size, from, result);
            else
                std::copy_n(from, this->output_size, result);
        });
    }

  protected:
    virtual void resample(const Pass<T>& pass, Index image, const T* x, T* y) const = 0;
    virtual void resample_backward(const Pass<T>& pass, Index image, const T* x, const T* dy, T* dx) const = 0;

    void sample(const Pass<T>& pass, const Placement<T>& placement, const T* x, T* y) const {
        T* const to = copy_with_margins(x, pass.scratch());
        const T* const source = pass.scratch() + first_pixel();
        if (channels_ == 1 && placement.y[2] == 0 && placement.x[1] == 0 && !placement.down) {
            for (Index r = 0; r < height_; ++r)
                to[r] = static_cast<T>(placement.y[0] + placement.y[1] * static_cast<double>(r));
            SampledLine<T> line = placed_line(placement, 0);
            line.source = source, line.result = y;
            return kernels<T>().images.sample_level(line, height_, to);
        }
        for (Index r = 0; r < height_; ++r) {
            SampledLine<T> line = placed_line(placement, r);
            line.source = source, line.result = y + r * width_ * channels_;
            kernels<T>().images.sample(line);
        }
    }
    void sample_backward(const Pass<T>& pass, const Placement<T>& placement, const T* dy, T* dx) const {
        T* const whole = pass.scratch();
        std::fill_n(whole, size_with_margins(), T(0));
        for (Index r = 0; r < height_; ++r) {
            SampledLine<T> line = placed_line(placement, r);
            line.gradient = whole + first_pixel(), line.slopes = dy + r * width_ * channels_;
            kernels<T>().images.sample_backward(line);
        }
        std::fill_n(dx, this->input_size, T(0));
        const T* from = whole;
        for (const Index row : rows_)
            for (const Index column : columns_) {
                T* const to = dx + (row * width_ + column) * channels_;
                for (Index c = 0; c < channels_ && row >= 0 && column >= 0; ++c)
                    to[c] += from[c];
                from += channels_;
            }
    }
    Index size_with_margins() const { return static_cast<Index>(rows_.size()) * source_line(); }
    // The first numbers of a sample's row of random numbers, in [0, 1).
    template <std::size_t count> std::array<T, count> draw(const Pass<T>& pass, Index image) const {
        std::array<T, count> numbers;
        kernels<T>().layers.uniform(random_.row(pass, image), count, numbers.data());
        return numbers;
    }
    static double between(double lower, double upper, T share) {
        return lower + (upper - lower) * static_cast<double>(share);
    }

    RandomStream random_;
    const Index height_, width_, channels_;

  private:
    Index source_line() const { return static_cast<Index>(columns_.size()) * channels_; }
    Index first_pixel() const {
        return (margin_of(rows_, height_) * static_cast<Index>(columns_.size()) + margin_of(columns_, width_)) *
               channels_;
    }
    static Index margin_of(const std::vector<Index>& axis, Index size) {
        return (static_cast<Index>(axis.size()) - size) / 2;
    }

    // Copies an image and its margins, and returns their end. Lines beyond the edges are copies of lines of the result.
    T* copy_with_margins(const T* image, T* to) const {
        const Index above = margin_of(rows_, height_), line = source_line();
        for (Index r = 0; r < height_; ++r)
            copy_line(image + r * width_ * channels_, to + (above + r) * line);
        for (Index at = 0; at < static_cast<Index>(rows_.size()); ++at)
            if (rows_[at] < 0)
                std::fill_n(to + at * line, line, fill_value_);
            else if (rows_[at] != at - above)
                std::copy_n(to + (above + rows_[at]) * line, line, to + at * line);
        return to + size_with_margins();
    }
    void copy_line(const T* line, T* to) const {
        const Index before = margin_of(columns_, width_);
        std::copy_n(line, width_ * channels_, to + before * channels_);
        copy_pixels(line, 0, before, to);
        copy_pixels(line, before + width_, before, to);
    }
    // Copies pixels of a margin of a line. Images of one channel are so common that their loop is written out.
    void copy_pixels(const T* line, Index first, Index count, T* to) const {
        const Index* const from = columns_.data() + first;
        to += first * channels_;
        if (count > 0 && *from < 0)
            std::fill_n(to, count * channels_, fill_value_);
        else if (channels_ == 1)
            for (Index at = 0; at < count; ++at)
                to[at] = line[from[at]];
        else
            for (Index at = 0; at < count; ++at)
                std::copy_n(line + from[at] * channels_, channels_, to + at * channels_);
    }

    // Line r with the positions of its pixels.
    SampledLine<T> placed_line(const Placement<T>& placement, Index r) const {
        const auto axis = [&](const std::array<double, 3>& at, const T* moved, Index size, Index margin) {
            return SampledAxis<T>{static_cast<T>(at[0] + at[1] * static_cast<double>(r)), static_cast<T>(at[2]),
                                  moved ? moved + r * width_ : nullptr, static_cast<T>(-margin),
                                  static_cast<T>(size + margin - 2)};
        };
        SampledLine<T> line{};
        line.pixels = width_, line.channels = channels_, line.nearest = nearest_;
        line.y = axis(placement.y, placement.down, height_, margin_of(rows_, height_));
        line.x = axis(placement.x, placement.right, width_, margin_of(columns_, width_));
        line.source_line = source_line();
        return line;
    }

    const std::vector<Index> rows_, columns_;  // of the image with margins
    const T fill_value_;
    const bool nearest_;
};

// The cosine and the sine of an angle in turns, by the series around the nearest quarter: libraries differ in the last
// bit.
inline std::array<double, 2> cosine_and_sine(double turns) {
    constexpr double full = 6.283185307179586476925;
    const double quarters = std::floor(4 * turns + 0.5), t = (turns - quarters / 4) * full;
    double cosine = 0, sine = 0;
    for (int n = 18; n >= 0; n -= 2) {
        cosine = 1 - cosine * t * t / ((n + 1) * (n + 2));
        sine = 1 - sine * t * t / ((n + 2) * (n + 3));
    }
    sine *= t;
    switch ((static_cast<int>(quarters) % 4 + 4) % 4) {
    case 0:
        return {cosine, sine};
    case 1:
        return {-sine, cosine};
    case 2:
        return {-cosine, -sine};
    default:
        return {sine, -cosine};
    }
}

enum class Transformation { translation, rotation, zoom };

// Moves, turns or scales images. The formulas are Keras's.
template <class T> class RandomAffine final : public Resampling<T> {
  public:
    RandomAffine(const RandomAffineSpec& spec, Fill fill, Transformation transformation, RandomStream random)
        : Resampling<T>(spec, fill, reach(spec, transformation, true), reach(spec, transformation, false), random),
          spec_(spec), transformation_(transformation) {}

    // How far positions lie beyond the edges at most, at the top and the bottom or at the left and the right.
    static Index reach(const RandomAffineSpec& spec, Transformation transformation, bool vertical) {
        const bool first = vertical || spec.proportional || transformation == Transformation::rotation;
        const double lower = first ? spec.lower : spec.width_lower, upper = first ? spec.upper : spec.width_upper;
        const double largest = std::max(std::abs(lower), std::abs(upper));
        const double size = static_cast<double>(vertical ? spec.height : spec.width);
        const double other = static_cast<double>(vertical ? spec.width : spec.height);
        switch (transformation) {
        case Transformation::translation:
            return static_cast<Index>(std::ceil(largest * size));
        case Transformation::rotation:
            return static_cast<Index>(std::ceil((largest < 0.25 ? cosine_and_sine(largest)[1] : 1.0) * other / 2));
        default:
            return static_cast<Index>(std::ceil(std::max(upper, 0.0) * size / 2));
        }
    }

  protected:
    void resample(const Pass<T>& pass, Index image, const T* x, T* y) const override {
        this->sample(pass, placement(pass, image), x, y);
    }
    void resample_backward(const Pass<T>& pass, Index image, const T*, const T* dy, T* dx) const override {
        this->sample_backward(pass, placement(pass, image), dy, dx);
    }

  private:
    Placement<T> placement(const Pass<T>& pass, Index image) const {
        const std::array<T, 2> shares = this->template draw<2>(pass, image);
        const double first = this->between(spec_.lower, spec_.upper, shares[0]);
        const double second =
            spec_.proportional ? first : this->between(spec_.width_lower, spec_.width_upper, shares[1]);
        const double cy = static_cast<double>(this->height_ - 1) / 2, cx = static_cast<double>(this->width_ - 1) / 2;
        Placement<T> result;
        if (transformation_ == Transformation::translation) {
            result.y[0] = -first * static_cast<double>(this->height_);
            result.x[0] = -second * static_cast<double>(this->width_);
        } else if (transformation_ == Transformation::zoom) {
            result.y = {-cy * first, 1 + first, 0};
            result.x = {-cx * second, 0, 1 + second};
        } else {
            const auto [cosine, sine] = cosine_and_sine(first);
            result.y = {cy - cx * sine - cy * cosine, cosine, sine};
            result.x = {cx - cx * cosine + cy * sine, -sine, cosine};
        }
        return result;
    }

    const RandomAffineSpec spec_;
    const Transformation transformation_;
};

}  // namespace fastnet
