#include "layers.h"

#include <cstdint>
#include <stdexcept>

#include "dense.h"
#include "normalization.h"
#include "quantized_dense.h"
#include "row_layers.h"

namespace fastnet {
namespace {

// Parameters, gradients and optimizer state must be addressable together.
void check_product(index a, index b) {
    if (b > PTRDIFF_MAX / 1024 / a)
        throw std::invalid_argument("a layer of " + std::to_string(a) + " x " + std::to_string(b) +
                                    " parameters is too large");
}

// A kind of layer: its name, and how one for rows of `size` values is made from its description, the number of which is
// the stream of its random numbers.
template <class T> struct LayerKind {
    const char* name;
    std::unique_ptr<Layer<T>> (*make)(index size, const LayerSpec& spec, index stream);
};

template <class T> std::unique_ptr<Layer<T>> make_dense(index size, const LayerSpec& spec, index) {
    if (spec.units < 1)
        throw std::invalid_argument("units must be at least 1, got " + std::to_string(spec.units));
    check_product(size, spec.units);
    if (spec.precision == Precision::bfloat16 && !kernels<T>().gemm_bfloat16)
        throw std::invalid_argument("a layer computes in bfloat16 in a network of float32 only");
    return std::make_unique<Dense<T>>(size, spec.units, spec.use_bias, spec.precision);
}

// What the binding has checked: the arrays have the sizes that units and the input say.
template <class T> std::unique_ptr<Layer<T>> make_quantized_dense(index size, const LayerSpec& spec, index) {
    if constexpr (sizeof(T) == sizeof(float)) {
        if (!spec.quantized || size > QuantizedKernel::most_inputs || spec.units < 1 ||
            spec.quantized->scale.size() != static_cast<std::size_t>(spec.units) ||
            spec.quantized->kernel.size() / static_cast<std::size_t>(spec.units) != static_cast<std::size_t>(size))
            throw std::invalid_argument("a quantized layer of " + std::to_string(spec.units) + " units for " +
                                        std::to_string(size) + " inputs needs a kernel of that shape, of at most " +
                                        std::to_string(QuantizedKernel::most_inputs) + " inputs");
        return std::make_unique<QuantizedDense>(size, spec.units, spec.use_bias, *spec.quantized);
    }
    throw std::invalid_argument("a quantized layer is for a network of float32 only");
}

template <class T> std::unique_ptr<Layer<T>> make_identity(index size, const LayerSpec&, index) {
    return std::make_unique<Rescaling<T>>(size, T(1), T(0));
}

template <class T> std::unique_ptr<Layer<T>> make_rescaling(index size, const LayerSpec& spec, index) {
    return std::make_unique<Rescaling<T>>(size, static_cast<T>(spec.scale), static_cast<T>(spec.offset));
}

template <class T> std::unique_ptr<Layer<T>> make_normalization(index size, const LayerSpec& spec, index) {
    return std::make_unique<Normalization<T>>(size, static_cast<T>(spec.epsilon));
}

template <class T> std::unique_ptr<Layer<T>> make_dropout(index size, const LayerSpec& spec, index stream) {
    return std::make_unique<Dropout<T>>(size, spec.rate, RandomStream{spec.seed, stream});
}

template <class T> std::unique_ptr<Layer<T>> make_gaussian_noise(index size, const LayerSpec& spec, index stream) {
    return std::make_unique<GaussianNoise<T>>(size, static_cast<T>(spec.deviation), RandomStream{spec.seed, stream});
}

template <class T> std::unique_ptr<Layer<T>> make_prelu(index size, const LayerSpec&, index) {
    return std::make_unique<PRelu<T>>(size);
}

template <class T> std::unique_ptr<Layer<T>> make_batch_normalization(index size, const LayerSpec& spec, index) {
    return std::make_unique<BatchNormalization<T>>(size, static_cast<T>(spec.momentum), static_cast<T>(spec.epsilon),
                                                   spec.use_gamma, spec.use_beta);
}

template <class T> std::unique_ptr<Layer<T>> make_layer_normalization(index size, const LayerSpec& spec, index) {
    return std::make_unique<LayerNormalization<T>>(size, static_cast<T>(spec.epsilon), spec.use_gamma, spec.use_beta);
}

template <class T>
inline constexpr LayerKind<T> layer_kinds[] = {
    {"dense", make_dense<T>},
    {"quantized_dense", make_quantized_dense<T>},
    {"activation", make_identity<T>},
    {"rescaling", make_rescaling<T>},
    {"normalization", make_normalization<T>},
    {"dropout", make_dropout<T>},
    {"gaussian_noise", make_gaussian_noise<T>},
    {"prelu", make_prelu<T>},
    {"batch_normalization", make_batch_normalization<T>},
    {"layer_normalization", make_layer_normalization<T>},
    {"residual_begin", nullptr},
    {"residual_end", nullptr},
    {nullptr, nullptr},
};

// Appends layers one after the other.
template <class T> class Chain {
  public:
    Chain(index input_size, const std::vector<LayerSpec>& specs) : specs_(specs), size_(input_size) {
        for (const LayerSpec& spec : specs)
            append(spec);
        if (!open_.empty())
            throw std::invalid_argument("a residual_begin has no residual_end");
        if (layers.empty())
            append_layer(make_identity<T>(size_, {}, 0), 0, {});
    }

    std::vector<std::unique_ptr<Layer<T>>> layers;

  private:
    void append(const LayerSpec& spec) {
        const index number = &spec - specs_.data();
        const LayerKind<T>& kind = find_kernel(layer_kinds<T>, spec.type, "layer type");
        if (spec.type == "residual_begin")
            begin_residual(number);
        else if (spec.type == "residual_end")
            end_residual(number);
        else if (spec.type == "activation" && can_take_activation())
            set_activation(spec);
        else
            append_layer(kind.make(size_, spec, number), number, spec);
    }
    void append_layer(std::unique_ptr<Layer<T>> layer, index number, const LayerSpec& spec) {
        layer->spec = number;
        size_ = layer->output_size;
        layers.push_back(std::move(layer));
        set_activation(spec);
    }
    void set_activation(const LayerSpec& spec) {
        layers.back()->activation = &find_kernel(kernels<T>().activations, spec.activation, "activation");
        layers.back()->alpha = static_cast<T>(spec.alpha);
    }
    index last() const { return static_cast<index>(layers.size()) - 1; }

    // A residual begins at the output of a layer; the input of the network becomes one.
    void begin_residual(index number) {
        if (layers.empty())
            append_layer(make_identity<T>(size_, {}, 0), number, {});
        open_.push_back(last());
    }
    void end_residual(index number) {
        if (open_.empty())
            throw std::invalid_argument("a residual_end has no residual_begin");
        const index begin = open_.back();
        open_.pop_back();
        if (layers[static_cast<std::size_t>(begin)]->output_size != size_)
            throw std::invalid_argument("a residual adds " + std::to_string(size_) + " values to " +
                                        std::to_string(layers[static_cast<std::size_t>(begin)]->output_size));
        append_layer(std::make_unique<Addition<T>>(size_), number, {});
        layers.back()->skip = begin;
    }
    // Whether the layer before has no activation yet, and no residual needs it without one.
    bool can_take_activation() const {
        return !layers.empty() && layers.back()->activation == kernels<T>().activations &&
               (open_.empty() || open_.back() != last());
    }

    const std::vector<LayerSpec>& specs_;
    index size_;
    std::vector<index> open_;  // the layers at which residuals begin that have not ended
};

}  // namespace

template <class T> std::vector<std::unique_ptr<Layer<T>>> make_layers(index input_size,
                                                                      const std::vector<LayerSpec>& specs) {
    if (input_size < 1)
        throw std::invalid_argument("input_size must be at least 1, got " + std::to_string(input_size));
    return std::move(Chain<T>(input_size, specs).layers);
}

template std::vector<std::unique_ptr<Layer<float>>> make_layers(index, const std::vector<LayerSpec>&);
template std::vector<std::unique_ptr<Layer<double>>> make_layers(index, const std::vector<LayerSpec>&);

}  // namespace fastnet
