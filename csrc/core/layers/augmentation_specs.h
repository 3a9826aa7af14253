// Descriptions of layers that change images at random in training: see specs.h. A factor is drawn for every sample,
// uniformly from `lower` to `upper`.
#pragma once

#include <cstdint>
#include <string>

#include "image_specs.h"

namespace fastnet {

// An image that is computed from values of another one, which lie between its pixels.
struct ResamplingSpec {
    Index height = 0, width = 0, channels = 0;
    std::string fill_mode = "reflect";  // how the image goes on beyond its edges
    double fill_value = 0;
    bool nearest = false;  // whether a value is that of the nearest pixel, without interpolation
    std::uint64_t seed = 0;

    template <class Read> void keys(Read read) {
        read("height", height);
        read("width", width);
        read("channels", channels);
        read("fill_mode", fill_mode);
        read("fill_value", fill_value);
        read("nearest", nearest);
        read("seed", seed);
    }
};

// A rotation by a share of a turn; or a translation by shares of the height and the width, or a zoom by 1 + shares.
struct RandomAffineSpec : ResamplingSpec {
    static constexpr const char* type = "random_affine";
    std::string transformation = "translation";
    double lower = 0, upper = 0, width_lower = 0, width_upper = 0;
    bool proportional = false;  // whether the factor of the height counts for the width, too

    template <class Read> void keys(Read read) {
        ResamplingSpec::keys(read);
        read("transformation", transformation);
        read("lower", lower);
        read("upper", upper);
        read("width_lower", width_lower);
        read("width_upper", width_upper);
        read("proportional", proportional);
    }
};

// An elastic deformation, which a sample gets with a probability that is drawn from `lower` to `upper`. Random numbers
// of a standard deviation `sigma` are smoothed by a Gaussian of that width and moved pixels by `alpha` times what they
// are then. Both are in pixels, and multiplied by a scale that is drawn.
struct RandomElasticSpec : ResamplingSpec {
    static constexpr const char* type = "random_elastic";
    double lower = 0, upper = 1, scale_lower = 0, scale_upper = 1, alpha = 0, sigma = 0;
    double low = 0, high = 0;  // limits of the result

    template <class Read> void keys(Read read) {
        ResamplingSpec::keys(read);
        read("lower", lower);
        read("upper", upper);
        read("scale_lower", scale_lower);
        read("scale_upper", scale_upper);
        read("alpha", alpha);
        read("sigma", sigma);
        read("low", low);
        read("high", high);
    }
};

struct RandomFlipSpec {
    static constexpr const char* type = "random_flip";
    Index height = 0, width = 0, channels = 0;
    bool horizontal = true, vertical = true;
    std::uint64_t seed = 0;

    template <class Read> void keys(Read read) {
        read("height", height);
        read("width", width);
        read("channels", channels);
        read("horizontal", horizontal);
        read("vertical", vertical);
        read("seed", seed);
    }
};

// A part of an image. In prediction it begins at -top, -left, as in Padding2DSpec.
struct RandomCropSpec : Padding2DSpec {
    static constexpr const char* type = "random_crop";
    std::uint64_t seed = 0;

    template <class Read> void keys(Read read) {
        Padding2DSpec::keys(read);
        read("seed", seed);
    }
};

// Levels between low and high: the factor is added or, for contrast, multiplies the distance from a channel's mean.
struct RandomLevelsSpec {
    static constexpr const char* type = "random_levels";
    Index channels = 0;
    bool contrast = false;
    double lower = 0, upper = 0, low = 0, high = 0;
    std::uint64_t seed = 0;

    template <class Read> void keys(Read read) {
        read("channels", channels);
        read("contrast", contrast);
        read("lower", lower);
        read("upper", upper);
        read("low", low);
        read("high", high);
        read("seed", seed);
    }
};

}  // namespace fastnet
