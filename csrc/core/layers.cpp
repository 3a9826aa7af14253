#include "layers.h"

#include <cstdint>
#include <stdexcept>

namespace fastnet {
namespace {

// y = x W + b, W being (input_size, output_size).
template <class T> class Dense final : public Layer<T> {
  public:
    Dense(index input_size, index units, bool use_bias, Precision precision)
        : Layer<T>(input_size, units), use_bias_(use_bias), precision_(precision) {}

    std::vector<ParameterSlot> slots() const override {
        std::vector<ParameterSlot> result{{"kernel", 0, {this->input_size, this->output_size}}};
        if (use_bias_)
            result.push_back({"bias", kernel_size(), {this->output_size}});
        return result;
    }
    index parameter_count() const override { return kernel_size() + (use_bias_ ? this->output_size : 0); }
    double operations_per_row() const override { return 2.0 * static_cast<double>(kernel_size()); }
    const T* bias(const T* parameters) const override { return use_bias_ ? parameters + kernel_size() : nullptr; }

    // Time of an epoch with compressed rows to that with rows as they are: 784 inputs, zeros anywhere, batches of 128,
    // momentum (AVX-512, float32, 1 thread). The numbers of 2 threads, of predictions, of float64 and of batches of 32
    // and 1,024 are like these.
    //     units   density 5%    10%    20%    30%    40%    50%
    //         1       0.95    1.13   1.48   1.88   2.22   2.66
    //        10       0.80    0.93   1.23   1.52   1.85   2.16
    //        64       0.39    0.49   0.69   0.88   1.08   1.29
    //       256       0.25    0.35   0.54   0.74   0.95   1.13
    //      1024       0.24    0.34   0.58   0.82   1.04   1.29
    double densest_compressed() const override {
        if (precision_ != Precision::full)
            return -1;
        const double units = static_cast<double>(this->output_size);
        return 0.3 * units / (units + 16);
    }

    void forward(Crew<T> crew, const T* parameters, const Input<T>& x, T* y, index rows,
                 const Epilogue<T>& epilogue) const override {
        const index in = this->input_size, out = this->output_size;
        if (x.compressed) {
            const SparseProduct<T> product{x.segment(0), gemm_passes(in), out, parameters, y, false};
            return multiply_compressed(product, crew.team.share(rows), &epilogue);
        }
        Gemm<T> product{rows, out, in, x.rows, in, 1, parameters, out, 1, y, out};
        product.epilogue = &epilogue;
        multiply(crew, product);
    }

    void backward(Crew<T> crew, const T* parameters, const T* dy, T* dx, index rows,
                  const Epilogue<T>* epilogue) const override {
        const index in = this->input_size, out = this->output_size;
        Gemm<T> product{rows, in, out, dy, out, 1, parameters, 1, out, dx, in};
        product.epilogue = epilogue;
        multiply(crew, product);
    }

    Panels stretches() const override { return gemm_passes(this->input_size); }

    void forward_stretch(Crew<T> crew, const T* parameters, index stretch, const Input<T>& x, T* sums,
                         index rows) const override {
        const index in = this->input_size, out = this->output_size;
        if (x.compressed) {
            const SparseProduct<T> product{x.segment(stretch), gemm_passes(in), out, parameters, sums, false};
            return multiply_compressed<T>(product, crew.team.share(rows), nullptr);
        }
        const index first = stretches().start(stretch), size = stretches().size(stretch);
        Gemm<T> product{rows, out, size, x.rows + first, in, 1, parameters + first * out, out, 1, sums, out};
        multiply(crew, product);
    }

    void finish_sum(const T* sums, index stride, T* y, index rows, const Epilogue<T>& epilogue) const override {
        const index out = this->output_size;
        kernels<T>().add_rows(stretches().count, rows * out, sums, stride, y, false);
        epilogue.function(rows, out, y, out, epilogue);
    }

    void parameter_gradients(Crew<T> crew, Range inputs, const Input<T>& x, const T* dy, T* gradients, index rows,
                             bool accumulate, const Optimization<T>* optimization) const override {
        const index in = this->input_size, out = this->output_size;
        T* const kernel = gradients + inputs.begin * out;
        Epilogue<T> update;
        if (optimization) {
            update.function = optimization->kernels.update_block;
            update.optimizer = &optimization->arguments;
            update.by_block = true;
        }
        const Epilogue<T>* const epilogue = optimization ? &update : nullptr;
        if (x.compressed) {
            const Range share = crew.team.share(inputs.size(), 16);
            const Range mine{inputs.begin + share.begin, inputs.begin + share.end};
            const CompressedRows<T> transposed = x.compressed->transpose(rows, mine, *x.segments);
            multiply_compressed({transposed, gemm_passes(rows), out, dy, gradients, accumulate}, mine, epilogue);
        } else {
            Gemm<T> product{inputs.size(), out, rows, x.rows + inputs.begin, 1, in, dy, out, 1, kernel, out};
            product.beta = accumulate ? T(1) : T(0);
            product.epilogue = epilogue;
            multiply(crew, product);
        }
        if (use_bias_ && inputs.begin == 0) {
            const Range mine = crew.team.share(out, 64);
            T* const bias = gradients + kernel_size() + mine.begin;
            kernels<T>().add_rows(rows, mine.size(), dy + mine.begin, out, bias, accumulate);
            if (optimization)
                optimization->kernels.update(optimization->arguments, bias - optimization->arguments.gradients,
                                             mine.size());
        }
    }

  private:
    void multiply(Crew<T> crew, Gemm<T>& product) const {
        product.precision = precision_;
        gemm(crew.team, crew.workspace, product);
    }
    index kernel_size() const { return this->input_size * this->output_size; }
    const bool use_bias_;
    const Precision precision_;
};

// y = scale x + offset. With scale 1 and offset 0 it carries an activation that follows another one.
template <class T> class Rescaling final : public Layer<T> {
  public:
    Rescaling(index size, T scale, T offset) : Layer<T>(size, size), scale_(scale), offset_(offset) {}

    void forward(Crew<T> crew, const T*, const Input<T>& x, T* y, index rows,
                 const Epilogue<T>& epilogue) const override {
        map(crew.team, x.rows, y, rows, offset_, &epilogue);
    }
    void backward(Crew<T> crew, const T*, const T* dy, T* dx, index rows, const Epilogue<T>* epilogue) const override {
        map(crew.team, dy, dx, rows, T(0), epilogue);
    }

  private:
    void map(Team& team, const T* x, T* y, index rows, T offset, const Epilogue<T>* epilogue) const {
        const index size = this->input_size;
        const Range mine = team.share(rows);
        for (index i = mine.begin; i < mine.end; ++i) {
            kernels<T>().affine(size, x + i * size, scale_, offset, y + i * size);
            if (epilogue)
                epilogue->function(1, size, y + i * size, size, epilogue->at(i, 0));
        }
    }
    const T scale_, offset_;
};

// Parameters, gradients and optimizer state must be addressable together.
void check_product(index a, index b) {
    if (b > PTRDIFF_MAX / 1024 / a)
        throw std::invalid_argument("a layer of " + std::to_string(a) + " x " + std::to_string(b) +
                                    " parameters is too large");
}

}  // namespace

template <class T> std::vector<std::unique_ptr<Layer<T>>> make_layers(index input_size,
                                                                      const std::vector<LayerSpec>& specs) {
    if (input_size < 1)
        throw std::invalid_argument("input_size must be at least 1, got " + std::to_string(input_size));
    const ActivationKernels<T>* identity = kernels<T>().activations;
    std::vector<std::unique_ptr<Layer<T>>> layers;
    index size = input_size;
    const auto append = [&](std::unique_ptr<Layer<T>> layer, const ActivationKernels<T>& activation,
                            const LayerSpec* spec) {
        layer->activation = &activation;
        layer->alpha = spec ? static_cast<T>(spec->alpha) : T(0);
        layer->spec = spec ? spec - specs.data() : 0;
        size = layer->output_size;
        layers.push_back(std::move(layer));
    };
    for (const LayerSpec& spec : specs) {
        const ActivationKernels<T>& activation = find_kernel(kernels<T>().activations, spec.activation, "activation");
        if (spec.type == "activation" && !layers.empty() && layers.back()->activation == identity) {
            layers.back()->activation = &activation;
            layers.back()->alpha = static_cast<T>(spec.alpha);
            continue;
        }
        if (spec.type == "dense") {
            if (spec.units < 1)
                throw std::invalid_argument("units must be at least 1, got " + std::to_string(spec.units));
            check_product(size, spec.units);
            if (spec.precision == Precision::bfloat16 && !kernels<T>().gemm_bfloat16)
                throw std::invalid_argument("a layer computes in bfloat16 in a network of float32 only");
            append(std::make_unique<Dense<T>>(size, spec.units, spec.use_bias, spec.precision), activation, &spec);
        } else if (spec.type == "rescaling") {
            append(std::make_unique<Rescaling<T>>(size, static_cast<T>(spec.scale), static_cast<T>(spec.offset)),
                   *identity, &spec);
        } else if (spec.type == "activation") {
            append(std::make_unique<Rescaling<T>>(size, T(1), T(0)), activation, &spec);
        } else {
            throw std::invalid_argument("layer type must be one of dense, activation, rescaling; got '" + spec.type +
                                        "'");
        }
    }
    if (layers.empty())
        append(std::make_unique<Rescaling<T>>(size, T(1), T(0)), *identity, nullptr);
    return layers;
}

template std::vector<std::unique_ptr<Layer<float>>> make_layers(index, const std::vector<LayerSpec>&);
template std::vector<std::unique_ptr<Layer<double>>> make_layers(index, const std::vector<LayerSpec>&);

}  // namespace fastnet
