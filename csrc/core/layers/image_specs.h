// Descriptions of layers that compute images: see specs.h. Sizes of kernels, strides and paddings are of the vertical
// and of the horizontal axis. `top` and `left` count the zeros before the image; those behind it follow from the size
// of the output.
#pragma once

#include <vector>

#include "activation_spec.h"

namespace fastnet {

// The image that a layer gets, and that it gives.
struct ImageSizes {
    Index height = 0, width = 0, channels = 0;
    Index output_height = 0, output_width = 0;

    template <class Read> void keys(Read read) {
        read("height", height);
        read("width", width);
        read("channels", channels);
        read("output_height", output_height);
        read("output_width", output_width);
    }
};

// How windows lie on an image.
struct WindowSizes {
    Index stride_height = 1, stride_width = 1, top = 0, left = 0;

    template <class Read> void keys(Read read) {
        read("stride_height", stride_height);
        read("stride_width", stride_width);
        read("top", top);
        read("left", left);
    }
};

// The common part of a convolution and its transpose. Transposed, `top` and `left` are cut from the output.
struct KernelSpec {
    ImageSizes sizes;
    WindowSizes windows;
    Index filters = 0, kernel_height = 0, kernel_width = 0, dilation_height = 1, dilation_width = 1;
    bool use_bias = true;
    ActivationSpec activation;

    template <class Read> void keys(Read read) {
        sizes.keys(read);
        windows.keys(read);
        read("filters", filters);
        read("kernel_height", kernel_height);
        read("kernel_width", kernel_width);
        read("dilation_height", dilation_height);
        read("dilation_width", dilation_width);
        read("use_bias", use_bias);
        activation.keys(read);
    }
};

struct Conv2DSpec : KernelSpec {
    static constexpr const char* type = "conv2d";
    Index groups = 1;

    template <class Read> void keys(Read read) {
        KernelSpec::keys(read);
        read("groups", groups);
    }
};

struct Conv2DTransposeSpec : KernelSpec {
    static constexpr const char* type = "conv2d_transpose";
};

struct PoolingSpec {
    ImageSizes sizes;
    WindowSizes windows;
    Index pool_height = 0, pool_width = 0;

    template <class Read> void keys(Read read) {
        sizes.keys(read);
        windows.keys(read);
        read("pool_height", pool_height);
        read("pool_width", pool_width);
    }
};

struct MaxPooling2DSpec : PoolingSpec {
    static constexpr const char* type = "max_pooling2d";
};

struct AveragePooling2DSpec : PoolingSpec {
    static constexpr const char* type = "average_pooling2d";
};

// Zeros around an image or, where `top` and `left` are negative, a part of it.
struct Padding2DSpec {
    static constexpr const char* type = "padding2d";
    ImageSizes sizes;
    Index top = 0, left = 0;

    template <class Read> void keys(Read read) {
        sizes.keys(read);
        read("top", top);
        read("left", left);
    }
};

struct UpSampling2DSpec {
    static constexpr const char* type = "upsampling2d";
    Index height = 0, width = 0, channels = 0, factor_height = 1, factor_width = 1;
    bool bilinear = false;

    template <class Read> void keys(Read read) {
        read("height", height);
        read("width", width);
        read("channels", channels);
        read("factor_height", factor_height);
        read("factor_width", factor_width);
        read("bilinear", bilinear);
    }
};

// Axis i of the output is axis axes[i] of the input.
struct PermutationSpec {
    static constexpr const char* type = "permutation";
    std::vector<Index> shape, axes;

    template <class Read> void keys(Read read) {
        read("shape", shape);
        read("axes", axes);
    }
};

struct SpatialDropoutSpec {
    static constexpr const char* type = "spatial_dropout";
    Index channels = 0, repeats = 1;
    bool shared = false;  // whether all samples of a batch have one mask
    double rate = 0;
    std::uint64_t seed = 0;

    template <class Read> void keys(Read read) {
        read("channels", channels);
        read("repeats", repeats);
        read("shared", shared);
        read("rate", rate);
        read("seed", seed);
    }
};

}  // namespace fastnet
