// Descriptions of layers as the bindings pass them in. Each kind has exactly the settings that it reads, under the
// names given by `keys`.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>

#include "activation_spec.h"
#include "augmentation_specs.h"
#include "image_specs.h"

namespace fastnet {

struct QuantizedKernel;

// Where a sample consists of several rows of values, such as the pixels of an image, `positions` is their number, and
// the layer works on each row.

// An activation as a layer of its own.
struct ActivationLayerSpec {
    static constexpr const char* type = "activation";
    ActivationSpec activation;
    Index positions = 1;

    template <class Read> void keys(Read read) {
        activation.keys(read);
        read("positions", positions);
    }
};

struct DenseSpec {
    static constexpr const char* type = "dense";
    Index units = 0;
    bool use_bias = true;
    ActivationSpec activation;
    bool bfloat16 = false;  // whether the factors of the product are rounded to bfloat16
    Index positions = 1;

    template <class Read> void keys(Read read) {
        read("units", units);
        read("use_bias", use_bias);
        activation.keys(read);
        read("bfloat16", bfloat16);
        read("positions", positions);
    }
};

struct QuantizedDenseSpec {
    static constexpr const char* type = "quantized_dense";
    bool use_bias = true;
    ActivationSpec activation;
    std::shared_ptr<const QuantizedKernel> weights;  // from further keys, which hold arrays

    template <class Read> void keys(Read read) {
        read("use_bias", use_bias);
        activation.keys(read);
    }
};

struct QuantizedConv2DSpec : KernelSpec {
    static constexpr const char* type = "quantized_conv2d";
    std::shared_ptr<const QuantizedKernel> weights;  // likewise
};

struct RescalingSpec {
    static constexpr const char* type = "rescaling";
    double scale = 1, offset = 0;

    template <class Read> void keys(Read read) {
        read("scale", scale);
        read("offset", offset);
    }
};

struct NormalizationSpec {
    static constexpr const char* type = "normalization";
    double epsilon = 0;
    Index positions = 1;

    template <class Read> void keys(Read read) {
        read("epsilon", epsilon);
        read("positions", positions);
    }
};

struct DropoutSpec {
    static constexpr const char* type = "dropout";
    double rate = 0;
    std::uint64_t seed = 0;

    template <class Read> void keys(Read read) {
        read("rate", rate);
        read("seed", seed);
    }
};

struct GaussianNoiseSpec {
    static constexpr const char* type = "gaussian_noise";
    double deviation = 0;
    std::uint64_t seed = 0;

    template <class Read> void keys(Read read) {
        read("deviation", deviation);
        read("seed", seed);
    }
};

struct PReluSpec {
    static constexpr const char* type = "prelu";
    Index positions = 1;

    template <class Read> void keys(Read read) { read("positions", positions); }
};

struct LayerNormalizationSpec {
    static constexpr const char* type = "layer_normalization";
    double epsilon = 0;
    bool use_gamma = true, use_beta = true;
    Index positions = 1;

    template <class Read> void keys(Read read) {
        read("epsilon", epsilon);
        read("use_gamma", use_gamma);
        read("use_beta", use_beta);
        read("positions", positions);
    }
};

struct BatchNormalizationSpec {
    static constexpr const char* type = "batch_normalization";
    double momentum = 0, epsilon = 0;
    bool use_gamma = true, use_beta = true;
    Index positions = 1;

    template <class Read> void keys(Read read) {
        read("momentum", momentum);
        read("epsilon", epsilon);
        read("use_gamma", use_gamma);
        read("use_beta", use_beta);
        read("positions", positions);
    }
};

// A residual adds the input of its first layer to the output of its last one.
struct ResidualBeginSpec {
    static constexpr const char* type = "residual_begin";

    template <class Read> void keys(Read) {}
};

// What follows takes the input of the residual, up to its end: the output of the layers before is added to it there.
struct ResidualShortcutSpec {
    static constexpr const char* type = "residual_shortcut";

    template <class Read> void keys(Read) {}
};

struct ResidualEndSpec {
    static constexpr const char* type = "residual_end";

    template <class Read> void keys(Read) {}
};

using LayerKind = std::variant<DenseSpec, QuantizedDenseSpec, QuantizedConv2DSpec, ActivationLayerSpec, RescalingSpec,
                               NormalizationSpec, DropoutSpec, GaussianNoiseSpec, PReluSpec, BatchNormalizationSpec,
                               LayerNormalizationSpec, ResidualBeginSpec, ResidualShortcutSpec, ResidualEndSpec,
                               Conv2DSpec, Conv2DTransposeSpec, MaxPooling2DSpec, AveragePooling2DSpec, Padding2DSpec,
                               UpSampling2DSpec, PermutationSpec, SpatialDropoutSpec, RandomAffineSpec,
                               RandomElasticSpec, RandomFlipSpec, RandomCropSpec, RandomLevelsSpec>;

// The description of a layer of this kind. Throws std::invalid_argument for a different kind.
template <class Kind> const Kind& spec_of(const LayerKind& kind) {
    if (const Kind* const spec = std::get_if<Kind>(&kind))
        return *spec;
    throw std::invalid_argument(std::string("a layer of the type '") + Kind::type + "' keeps its type");
}

struct LayerSpec {
    LayerKind kind;
    bool trainable = true;  // whether training may change the layer
};

}  // namespace fastnet
