// The fully connected layer.
#pragma once

#include "layers.h"

namespace fastnet {

// y = x W + b with W of shape (inputs, units), for each of a sample's `positions` rows of inputs.
template <class T> class Dense final : public Layer<T> {
  public:
    Dense(Index inputs, Index units, Index positions, bool use_bias, Precision precision)
        : Layer<T>(positions * inputs, positions * units), inputs_(inputs), units_(units), positions_(positions),
          use_bias_(use_bias), precision_(precision) {}

    std::vector<ParameterSlot> slots() const override {
        std::vector<ParameterSlot> result{{"kernel", 0, {inputs_, units_}}};
        if (use_bias_)
            result.push_back({"bias", kernel_size(), {units_}});
        return result;
    }
    Index parameter_count() const override { return kernel_size() + (use_bias_ ? units_ : 0); }
    bool is_full_product() const override { return precision_ == Precision::full && positions_ == 1; }
    double operations_per_row() const override {
        return 2.0 * static_cast<double>(kernel_size()) * static_cast<double>(positions_);
    }
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
        if (!is_full_product())
            return -1;
        const double units = static_cast<double>(units_);
        return 0.3 * units / (units + 16);
    }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        const Index in = inputs_, out = units_;
        if (x.compressed) {
            const SparseProduct<T> product{x.segment(0), gemm_passes(in), out, pass.parameters, y, false};
            return multiply_compressed(pass.crew.team, product, pass.crew.team.share(rows(pass)), &epilogue);
        }
        Gemm<T> product = forward_product(rows(pass), pass.parameters);
        product.a = x.rows, product.c = y;
        product.b_packed = pass.packed;
        const Epilogue<T> of_rows = by_row(epilogue);
        product.epilogue = &of_rows;
        multiply(pass.crew, product);
    }

    Index packed_size(Index samples) const override {
        const Gemm<T> product = forward_product(samples * positions_, nullptr);
        return packs_factor(product) ? fastnet::packed_size(product) : 0;
    }
    void pack(const Team& team, const T* parameters, T* packed) const override {
        pack_factor(team, forward_product(2, parameters), packed);
    }

    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        const Index in = inputs_, out = units_;
        Gemm<T> product{rows(pass), in, out, dy, out, 1, pass.parameters, 1, out, dx, in};
        const Epilogue<T> of_rows = epilogue ? by_row(*epilogue) : Epilogue<T>{};
        product.epilogue = epilogue ? &of_rows : nullptr;
        multiply(pass.crew, product);
    }

    Panels stretches() const override {
        return positions_ == 1 ? gemm_passes(inputs_) : Panels::whole(this->input_size);
    }

    void forward_stretch(const Pass<T>& pass, Index stretch, const Input<T>& x, T* sums) const override {
        const Index in = inputs_, out = units_;
        if (x.compressed) {
            const SparseProduct<T> product{x.segment(stretch), gemm_passes(in), out, pass.parameters, sums, false};
            return multiply_compressed<T>(pass.crew.team, product, pass.crew.team.share(rows(pass)), nullptr);
        }
        const Index first = stretches().start(stretch), size = stretches().size(stretch);
        const T* kernel = pass.parameters + first * out;
        Gemm<T> product{rows(pass), out, size, x.rows + first, in, 1, kernel, out, 1, sums, out};
        multiply(pass.crew, product);
    }

    void finish_sum(const T* sums, Index stride, T* y, Index rows, const Epilogue<T>& epilogue) const override {
        const Index out = units_;
        kernels<T>().add_rows(stretches().count, rows * out, sums, stride, y, false);
        epilogue.function(rows, out, y, out, epilogue);
    }

    void parameter_gradients(const Pass<T>& pass, Range inputs, const Input<T>& x, const T* dy, T* gradients,
                             bool accumulate, const Optimization<T>* optimization) const override {
        const Index in = inputs_, out = units_, rows = this->rows(pass);
        if (positions_ > 1)
            inputs = {0, in};
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
    Index rows(const Pass<T>& pass) const { return pass.rows * positions_; }
    Epilogue<T> by_row(Epilogue<T> epilogue) const {
        epilogue.kept_row /= positions_;
        return epilogue;
    }
    Gemm<T> forward_product(Index rows, const T* kernel) const {
        const Index in = inputs_, out = units_;
        Gemm<T> product{rows, out, in, nullptr, in, 1, kernel, out, 1, nullptr, out};
        product.precision = precision_;
        return product;
    }
    void multiply(const Crew<T>& crew, Gemm<T>& product) const {
        product.precision = precision_;
        gemm(crew.team, crew.workspace, product);
    }
    Index kernel_size() const { return inputs_ * units_; }
    const Index inputs_, units_, positions_;
    const bool use_bias_;
    const Precision precision_;
};

}  // namespace fastnet
