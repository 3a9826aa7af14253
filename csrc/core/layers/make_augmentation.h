// Makes layers that change images at random from their descriptions, with the checks on which they rely.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "elastic.h"
#include "flipping.h"
#include "levels.h"
#include "make_image_layers.h"

namespace fastnet {

// Factors are in a range, and no larger than what positions are computed with.
inline void check_range(double lower, double upper, double lowest, double highest, const char* what) {
    if (!(lowest <= lower && lower <= upper && upper <= highest))
        throw std::invalid_argument(std::string(what) + " must be a range in [" + std::to_string(lowest) + ", " +
                                    std::to_string(highest) + "], got " + std::to_string(lower) + " to " +
                                    std::to_string(upper));
}

inline void check_limits(double low, double high) {
    if (!std::isfinite(low) || !std::isfinite(high) || !(low <= high))
        throw std::invalid_argument("the limits of values must be a range, got " + std::to_string(low) + " to " +
                                    std::to_string(high));
}

struct NamedFill {
    const char* name;
    Fill fill;
};
struct NamedTransformation {
    const char* name;
    Transformation transformation;
};

// The fill mode of images of `size` values that reach this far beyond their edges. Kernels count their values in 32
// bits.
inline Fill checked_fill(const ResamplingSpec& spec, Index size) {
    constexpr NamedFill fills[] = {
        {"reflect", Fill::reflect}, {"constant", Fill::constant}, {"nearest", Fill::nearest}, {"wrap", Fill::wrap}, {}};
    require_size(size, checked_product({spec.height, spec.width, spec.channels}, "an image"));
    if (!std::isfinite(spec.fill_value))
        throw std::invalid_argument("fill_value must be finite");
    return find_kernel(fills, spec.fill_mode, "fill_mode").fill;
}
inline void check_reach(const ResamplingSpec& spec, Index height, Index width) {
    constexpr Index longest = Index(1) << 20, most = std::numeric_limits<std::int32_t>::max();
    const auto both = [](Index size, Index reach) { return size + 2 * reach + 4; };
    if (spec.height > longest || spec.width > longest || height > longest || width > longest ||
        both(spec.height, height) > most / both(spec.width, width) / spec.channels)
        throw std::invalid_argument("an image of " + std::to_string(spec.height) + " x " + std::to_string(spec.width) +
                                    " pixels with its margins is too large");
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const RandomAffineSpec& spec, Index stream) {
    constexpr NamedTransformation transformations[] = {{"translation", Transformation::translation},
                                                       {"rotation", Transformation::rotation},
                                                       {"zoom", Transformation::zoom},
                                                       {}};
    const Fill fill = checked_fill(spec, size);
    const Transformation transformation =
        find_kernel(transformations, spec.transformation, "transformation").transformation;
    check_range(spec.lower, spec.upper, -1, 1, "the factor");
    check_range(spec.width_lower, spec.width_upper, -1, 1, "the factor of the width");
    check_reach(spec, RandomAffine<T>::reach(spec, transformation, true),
                RandomAffine<T>::reach(spec, transformation, false));
    return std::make_unique<RandomAffine<T>>(spec, fill, transformation, RandomStream{spec.seed, stream});
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const RandomElasticSpec& spec, Index stream) {
    constexpr double most = 1e5;  // pixels
    const Fill fill = checked_fill(spec, size);
    check_range(spec.lower, spec.upper, 0, 1, "the factor");
    check_range(spec.scale_lower, spec.scale_upper, 0, 1, "the scale");
    check_range(0, spec.alpha, 0, most, "alpha");
    check_range(0, spec.sigma, 0, most, "sigma");
    check_limits(spec.low, spec.high);
    check_reach(spec, RandomElastic<T>::reach(spec), RandomElastic<T>::reach(spec));
    return std::make_unique<RandomElastic<T>>(spec, fill, RandomStream{spec.seed, stream});
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const RandomFlipSpec& spec, Index stream) {
    require_size(size, checked_product({spec.height, spec.width, spec.channels}, "an image"));
    return std::make_unique<RandomFlip<T>>(spec, RandomStream{spec.seed, stream});
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const RandomCropSpec& spec, Index stream) {
    const ImageSizes& s = spec.sizes;
    check_images(s, size);
    const auto fits = [](Index before, Index part, Index whole) {
        return part <= whole && before <= 0 && before >= part - whole;
    };
    if (!fits(spec.top, s.output_height, s.height) || !fits(spec.left, s.output_width, s.width))
        throw std::invalid_argument("a part of " + std::to_string(s.output_height) + " x " +
                                    std::to_string(s.output_width) + " pixels is not part of an image of " +
                                    std::to_string(s.height) + " x " + std::to_string(s.width));
    return std::make_unique<RandomCrop<T>>(spec, RandomStream{spec.seed, stream});
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const RandomLevelsSpec& spec, Index stream) {
    checked_product({spec.channels}, "an image");
    if (size % spec.channels != 0)
        throw std::invalid_argument(std::to_string(size) + " values cannot be divided into pixels of " +
                                    std::to_string(spec.channels) + " channels");
    constexpr double largest = std::numeric_limits<float>::max();
    check_range(spec.lower, spec.upper, -largest, largest, "the factor");
    check_limits(spec.low, spec.high);
    return std::make_unique<RandomLevels<T>>(size, spec, RandomStream{spec.seed, stream});
}

}  // namespace fastnet
