#include "layers.h"

#include <algorithm>
#include <cstdint>
#include <stdexcept>

#include "dense.h"
#include "make_augmentation.h"
#include "make_image_layers.h"
#include "normalization.h"
#include "quantized_convolution.h"
#include "quantized_dense.h"
#include "row_layers.h"

namespace fastnet {
namespace {

// The values of a row, where a sample consists of this many.
Index row_size(Index size, Index positions) {
    if (positions < 1 || size % positions != 0)
        throw std::invalid_argument(std::to_string(size) + " values are not " + std::to_string(positions) + " rows");
    return size / positions;
}

// One function for each kind makes a layer for rows of `size` values from its description. The index of the description
// is the stream of the layer's random numbers.
template <class T> using Made = std::unique_ptr<Layer<T>>;

template <class T> Made<T> make(Index size, const DenseSpec& spec, Index) {
    if (spec.units < 1)
        throw std::invalid_argument("units must be at least 1, got " + std::to_string(spec.units));
    const Index inputs = row_size(size, spec.positions);
    checked_product({inputs, spec.units}, "a kernel");
    checked_product({spec.positions, spec.units}, "a layer");
    if (spec.bfloat16 && sizeof(T) != sizeof(float))
        throw std::invalid_argument("a layer computes in bfloat16 in a network of float32 only");
    return std::make_unique<Dense<T>>(inputs, spec.units, spec.positions, spec.use_bias,
                                      spec.bfloat16 ? Precision::bfloat16 : Precision::full);
}

template <class T> Made<T> make(Index size, const QuantizedDenseSpec& spec, Index) {
    if constexpr (sizeof(T) == sizeof(float)) {
        const std::size_t units = spec.weights ? spec.weights->scale.size() : 0;
        if (units < 1 || size > QuantizedKernel::most_inputs ||
            spec.weights->kernel.size() / units != static_cast<std::size_t>(size))
            throw std::invalid_argument("a quantized layer of " + std::to_string(units) + " units for " +
                                        std::to_string(size) + " inputs needs a kernel of that shape, of at most " +
                                        std::to_string(QuantizedKernel::most_inputs) + " inputs");
        return std::make_unique<QuantizedDense>(size, static_cast<Index>(units), spec.use_bias, *spec.weights);
    }
    throw std::invalid_argument("a quantized layer is for a network of float32 only");
}

template <class T> Made<T> make(Index size, const QuantizedConv2DSpec& spec, Index) {
    const Geometry geometry = geometry_of(size, spec, 1);
    if constexpr (sizeof(T) == sizeof(float)) {
        const Index inputs = geometry.kernel_size() / geometry.filters;
        if (!spec.weights || spec.weights->scale.size() != static_cast<std::size_t>(geometry.filters) ||
            inputs > QuantizedKernel::most_inputs ||
            spec.weights->kernel.size() != static_cast<std::size_t>(geometry.kernel_size()))
            throw std::invalid_argument("a quantized convolution of " + std::to_string(geometry.filters) +
                                        " filters for windows of " + std::to_string(inputs) +
                                        " values needs a kernel of that shape, of at most " +
                                        std::to_string(QuantizedKernel::most_inputs) + " values");
        if (!QuantizedConvolution::fits(geometry))
            throw std::invalid_argument("a quantized convolution may read from at most " +
                                        std::to_string(QuantizedConvolution::most_framed) +
                                        " values, zeros around the image included");
        return std::make_unique<QuantizedConvolution>(geometry, spec.use_bias, *spec.weights);
    }
    throw std::invalid_argument("a quantized layer is for a network of float32 only");
}

template <class T> Made<T> make(Index size, const RescalingSpec& spec, Index) {
    return std::make_unique<Rescaling<T>>(size, static_cast<T>(spec.scale), static_cast<T>(spec.offset));
}

template <class T> Made<T> make(Index size, const NormalizationSpec& spec, Index) {
    row_size(size, spec.positions);
    return std::make_unique<Normalization<T>>(size, spec.positions, static_cast<T>(spec.epsilon));
}

template <class T> Made<T> make(Index size, const DropoutSpec& spec, Index stream) {
    return std::make_unique<Dropout<T>>(size, spec.rate, RandomStream{spec.seed, stream});
}

template <class T> Made<T> make(Index size, const GaussianNoiseSpec& spec, Index stream) {
    return std::make_unique<GaussianNoise<T>>(size, static_cast<T>(spec.deviation), RandomStream{spec.seed, stream});
}

template <class T> Made<T> make(Index size, const PReluSpec& spec, Index) {
    row_size(size, spec.positions);
    return std::make_unique<PRelu<T>>(size, spec.positions);
}

template <class T> Made<T> make(Index size, const BatchNormalizationSpec& spec, Index) {
    row_size(size, spec.positions);
    return std::make_unique<BatchNormalization<T>>(size, spec.positions, static_cast<T>(spec.momentum),
                                                   static_cast<T>(spec.epsilon), spec.use_gamma, spec.use_beta);
}

template <class T> Made<T> make(Index size, const LayerNormalizationSpec& spec, Index) {
    row_size(size, spec.positions);
    return std::make_unique<LayerNormalization<T>>(size, spec.positions, static_cast<T>(spec.epsilon), spec.use_gamma,
                                                   spec.use_beta);
}

// A layer that only carries an activation.
template <class T> Made<T> make_identity(Index size) { return std::make_unique<Rescaling<T>>(size, T(1), T(0)); }

// Appends layers one by one.
template <class T> class Builder {
  public:
    Builder(Index input_size, const std::vector<LayerSpec>& specs, Index first) : first_(first), size_(input_size) {
        for (number_ = first; number_ < static_cast<Index>(specs.size()); ++number_)
            std::visit([&](const auto& kind) { append(kind); }, specs[static_cast<std::size_t>(number_)].kind);
        if (!open_.empty())
            throw std::invalid_argument("a residual_begin has no residual_end");
        if (layers.empty())
            append_layer(make_identity<T>(size_));
    }

    std::vector<Made<T>> layers;

  private:
    template <class Kind> void append(const Kind& kind) {
        append_layer(make<T>(size_, kind, number_ - first_));
        if constexpr (requires {
                          kind.sizes;
                          kind.activation;
                      })
            set_activation(kind.activation, kind.sizes.output_height * kind.sizes.output_width);
        else if constexpr (requires {
                               kind.positions;
                               kind.activation;
                           })
            set_activation(kind.activation, kind.positions);
        else if constexpr (requires { kind.activation; })
            set_activation(kind.activation, 1);
    }
    // Max pooling becomes a part of the convolution in front, unless a residual needs that one's output.
    void append(const MaxPooling2DSpec& kind) {
        Made<T> pooling = make<T>(size_, kind, number_ - first_);
        const bool alone = !layers.empty() && std::count(open_.begin(), open_.end(), last()) == 0;
        Made<T> both = alone ? with_pooling(*layers.back(), *pooling) : nullptr;
        if (!both)
            return append_layer(std::move(pooling));
        size_ = both->output_size;
        layers.back() = std::move(both);
    }
    void append(const ActivationLayerSpec& kind) {
        row_size(size_, kind.positions);
        if (!can_take_activation())
            append_layer(make_identity<T>(size_));
        set_activation(kind.activation, kind.positions);
    }
    // A residual begins at the output of a layer. An identity layer makes the network's input such an output.
    void append(const ResidualBeginSpec&) {
        if (layers.empty())
            append_layer(make_identity<T>(size_));
        open_.push_back(last());
    }
    // The output of the layers so far waits for the end. A layer brings the input of the residual back.
    void append(const ResidualShortcutSpec&) {
        if (open_.empty())
            throw std::invalid_argument("a residual_shortcut has no residual_begin");
        const Index begin = open_.back();
        open_.back() = last();
        append_layer(std::make_unique<Recall<T>>(size_, layers[static_cast<std::size_t>(begin)]->output_size));
        layers.back()->skip = begin;
    }
    void append(const ResidualEndSpec&) {
        if (open_.empty())
            throw std::invalid_argument("a residual_end has no residual_begin");
        const Index begin = open_.back();
        open_.pop_back();
        if (layers[static_cast<std::size_t>(begin)]->output_size != size_)
            throw std::invalid_argument("a residual adds " + std::to_string(size_) + " values to " +
                                        std::to_string(layers[static_cast<std::size_t>(begin)]->output_size));
        append_layer(std::make_unique<Addition<T>>(size_));
        layers.back()->skip = begin;
    }
    void append_layer(Made<T> layer) {
        layer->spec = number_;
        size_ = layer->output_size;
        layers.push_back(std::move(layer));
        set_activation({}, 1);
    }
    void set_activation(const ActivationSpec& spec, Index rows) {
        layers.back()->activation = &find_kernel(kernels<T>().activations, spec.activation, "activation");
        layers.back()->alpha = static_cast<T>(spec.alpha);
        layers.back()->activation_rows = rows;
    }
    Index last() const { return static_cast<Index>(layers.size()) - 1; }
    // Whether the previous layer has no activation yet, and no residual needs its output without one.
    bool can_take_activation() const {
        return !layers.empty() && layers.back()->activation == kernels<T>().activations &&
               (open_.empty() || open_.back() != last());
    }

    const Index first_;
    Index number_;  // of the current description
    Index size_;
    std::vector<Index> open_;  // the layers at which open residuals begin
};

}  // namespace

template <class T>
std::vector<std::unique_ptr<Layer<T>>> make_layers(Index input_size, const std::vector<LayerSpec>& specs, Index first) {
    if (input_size < 1)
        throw std::invalid_argument("input_size must be at least 1, got " + std::to_string(input_size));
    return std::move(Builder<T>(input_size, specs, first).layers);
}

template std::vector<std::unique_ptr<Layer<float>>> make_layers(Index, const std::vector<LayerSpec>&, Index);
template std::vector<std::unique_ptr<Layer<double>>> make_layers(Index, const std::vector<LayerSpec>&, Index);

}  // namespace fastnet
