// The fully connected layer.
#pragma once

#include "layers.h"

namespace fastnet {

// y = x W + b with W of shape (input_size, output_size).
template <class T> class Dense final : public Layer<T> {
  public:
    Dense(Index input_size, Index units, bool use_bias, Precision precision)
        : Layer<T>(input_size, units), use_bias_(use_bias), precision_(precision) {}

    std::vector<ParameterSlot> slots() const override {
        std::vector<ParameterSlot> result{{"kernel", 0, {this->input_size, this->output_size}}};
        if (use_bias_)
            result.push_back({"bias", kernel_size(), {this->output_size}});
        return result;
    }
    Index parameter_count() const override { return kernel_size() + (use_bias_ ? this->output_size : 0); }
    bool is_full_product() const override { return precision_ == Precision::full; }
    double operations_per_row() const override { return 2.0 * static_cast<double>(kernel_size()); }
    const T* bias(const T* parameters) const override { return use_bias_ ? parameters + kernel_size() : nullptr; }

    // Time of an epoch with compressed rows divided by that with dense rows: 784 inputs, random zeros, batches of 128,
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

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        const Index in = this->input_size, out = this->output_size;
        if (x.compressed) {
            const SparseProduct<T> product{x.segment(0), gemm_passes(in), out, pass.parameters, y, false};
            return multiply_compressed(pass.crew.team, product, pass.crew.team.share(pass.rows), &epilogue);
        }
        Gemm<T> product = forward_product(pass.rows, pass.parameters);
        product.a = x.rows, product.c = y;
        product.b_packed = pass.packed;
        product.epilogue = &epilogue;
        multiply(pass.crew, product);
    }

    Index packed_size(Index rows) const override {
        const Gemm<T> product = forward_product(rows, nullptr);
        return packs_factor(product) ? fastnet::packed_size(product) : 0;
    }
    void pack(const Team& team, const T* parameters, T* packed) const override {
        pack_factor(team, forward_product(2, parameters), packed);
    }

    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        const Index in = this->input_size, out = this->output_size;
        Gemm<T> product{pass.rows, in, out, dy, out, 1, pass.parameters, 1, out, dx, in};
        product.epilogue = epilogue;
        multiply(pass.crew, product);
    }

    Panels stretches() const override { return gemm_passes(this->input_size); }

    void forward_stretch(const Pass<T>& pass, Index stretch, const Input<T>& x, T* sums) const override {
        const Index in = this->input_size, out = this->output_size;
        if (x.compressed) {
            const SparseProduct<T> product{x.segment(stretch), gemm_passes(in), out, pass.parameters, sums, false};
            return multiply_compressed<T>(pass.crew.team, product, pass.crew.team.share(pass.rows), nullptr);
        }
        const Index first = stretches().start(stretch), size = stretches().size(stretch);
        const T* kernel = pass.parameters + first * out;
        Gemm<T> product{pass.rows, out, size, x.rows + first, in, 1, kernel, out, 1, sums, out};
        multiply(pass.crew, product);
    }

    void finish_sum(const T* sums, Index stride, T* y, Index rows, const Epilogue<T>& epilogue) const override {
        const Index out = this->output_size;
        kernels<T>().add_rows(stretches().count, rows * out, sums, stride, y, false);
        epilogue.function(rows, out, y, out, epilogue);
    }

    void parameter_gradients(const Pass<T>& pass, Range inputs, const Input<T>& x, const T* dy, T* gradients,
                             bool accumulate, const Optimization<T>* optimization) const override {
        const Index in = this->input_size, out = this->output_size, rows = pass.rows;
        Team& team = pass.crew.team;
        T* const kernel = gradients + inputs.begin * out;
        Epilogue<T> update;
        if (optimization) {
            update.function = optimization->kernels.update_block;
            update.optimizer = &optimization->arguments;
            update.by_block = true;
        }
        const Epilogue<T>* const epilogue = optimization ? &update : nullptr;
        if (x.compressed) {
            const Range share = team.share(inputs.size(), 16);
            const Range mine{inputs.begin + share.begin, inputs.begin + share.end};
            const CompressedRows<T> transposed = x.compressed->transpose(team, rows, mine, *x.segments);
            multiply_compressed(team, {transposed, gemm_passes(rows), out, dy, gradients, accumulate}, mine, epilogue);
        } else {
            Gemm<T> product{inputs.size(), out, rows, x.rows + inputs.begin, 1, in, dy, out, 1, kernel, out};
            product.beta = accumulate ? T(1) : T(0);
            product.epilogue = epilogue;
            multiply(pass.crew, product);
        }
        if (use_bias_ && inputs.begin == 0) {
            const Range mine = team.share(out, 64);
            T* const bias = gradients + kernel_size();
            const auto add_columns = [&](Range columns) {
                kernels<T>().add_rows(rows, columns.size(), dy + columns.begin, out, bias + columns.begin, accumulate);
            };
            in_pieces(team, mine, static_cast<double>(rows), add_columns, 16);
            if (optimization)
                optimization->update(bias + mine.begin, mine.size());
        }
    }

  private:
    Gemm<T> forward_product(Index rows, const T* kernel) const {
        const Index in = this->input_size, out = this->output_size;
        Gemm<T> product{rows, out, in, nullptr, in, 1, kernel, out, 1, nullptr, out};
        product.precision = precision_;
        return product;
    }
    void multiply(const Crew<T>& crew, Gemm<T>& product) const {
        product.precision = precision_;
        gemm(crew.team, crew.workspace, product);
    }
    Index kernel_size() const { return this->input_size * this->output_size; }
    const bool use_bias_;
    const Precision precision_;
};

}  // namespace fastnet
