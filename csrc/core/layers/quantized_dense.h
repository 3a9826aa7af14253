// The fully connected layer of a quantized network, in 8-bit integers. It supports prediction only, not training.
#pragma once

#include "layers.h"
#include "quantized_kernel.h"

namespace fastnet {

// y = x W + b: rows are quantized, multiplied exactly, and scaled back to float. Values outside of the quantized range
// are clipped to it. A row with a value that is not finite gives NaN.
class QuantizedDense final : public Layer<float>, public QuantizedLayer {
  public:
    QuantizedDense(Index input_size, Index units, bool use_bias, const QuantizedKernel& w)
        : Layer<float>(input_size, units), use_bias_(use_bias), kernel_(kernels_of_int8(), 1, input_size, units, w) {}

    const Int8Weights& kernel() const override { return kernel_; }
    std::vector<ParameterSlot> slots() const override {
        if (!use_bias_)
            return {};
        return {{"bias", 0, {output_size}}};
    }
    Index parameter_count() const override { return use_bias_ ? output_size : 0; }
    const float* bias(const float* parameters) const override { return use_bias_ ? parameters : nullptr; }
    double operations_per_row() const override {
        return 2.0 * static_cast<double>(input_size) * static_cast<double>(output_size);
    }
    bool has_backward() const override { return false; }
    Index memory_per_row() const override { return row_bytes() / static_cast<Index>(sizeof(float)); }

    // A thread with rows of its own multiplies all of them. A team shares the units.
    void forward(const Pass<float>& pass, const Input<float>& x, float* y,
                 const Epilogue<float>& epilogue) const override {
        Team& team = pass.crew.team;
        char* const rows = reinterpret_cast<char*>(pass.memory);
        in_pieces(team, team.share(pass.rows), operations_per_move * static_cast<double>(input_size), [&](Range mine) {
            for (Index i = mine.begin; i < mine.end; ++i)
                kernel_.quantize(input_size, x.rows + i * input_size, rows + i * row_bytes());
        });
        team.barrier();
        const double per_panel =
            operations_per_row() * static_cast<double>(pass.rows) / static_cast<double>(kernel_.panels());
        Int8Product product{};
        product.rows = pass.rows;
        product.x = rows, product.x_row = row_bytes();
        product.y = y, product.epilogue = &epilogue;
        in_pieces(team, team.share(kernel_.panels()), per_panel,
                  [&](Range panels) { kernel_.multiply(product, panels); });
    }
    void backward(const Pass<float>&, const Input<float>&, const float*, float*,
                  const Epilogue<float>*) const override {}

  private:
    Index row_bytes() const { return kernel_.row_bytes(input_size); }

    const bool use_bias_;
    const Int8Weights kernel_;
};

}  // namespace fastnet
