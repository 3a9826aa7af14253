// The fully connected layer of a quantized network, in 8-bit integers. It supports prediction only, not training.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <vector>

#include "core/machine/cpu.h"
#include "layers.h"

namespace fastnet {

// w = scale * kernel with one scale per unit, and x = input_scale * (q - zero_point) with q from 0 to 255.
struct QuantizedKernel {
    std::vector<std::int8_t> kernel;  // (inputs, units)
    std::vector<float> scale;
    float input_scale = 1;
    int zero_point = 0;

    static constexpr Index most_inputs = 65536;  // with more inputs, sums might not fit into 32 bits
};

// y = x W + b: rows are quantized, multiplied exactly, and scaled back to float. Values outside of the quantized range
// are clipped to it. A row with a value that is not finite gives NaN.
class QuantizedDense final : public Layer<float> {
  public:
    QuantizedDense(Index input_size, Index units, bool use_bias, const QuantizedKernel& w)
        : Layer<float>(input_size, units), use_bias_(use_bias), zero_point_(w.zero_point), inverse_(1 / w.input_scale),
          columns_(Panels::of((units + int8_.lanes - 1) / int8_.lanes, int8_.panel_vectors)),
          weights_(columns_.total * int8_.lanes * steps() * int8_.terms), correction_(columns_.total * int8_.lanes),
          scale_(columns_.total * int8_.lanes) {
        std::fill_n(weights_.data(), weights_.size(), std::int8_t(0));
        for (Index j = 0; j < columns_.total * int8_.lanes; ++j) {
            std::int32_t sum = 0;
            for (Index i = 0; j < units && i < input_size; ++i)
                sum += weights_.data()[place(i, j)] = w.kernel[static_cast<std::size_t>(i * units + j)];
            correction_.data()[j] = (int8_.shift - zero_point_) * sum;
            scale_.data()[j] = j < units ? w.input_scale * w.scale[static_cast<std::size_t>(j)] : 0;
        }
    }

    // The weights as given, of shape (inputs, units).
    void unpack(std::int8_t* kernel) const {
        for (Index i = 0; i < input_size; ++i)
            for (Index j = 0; j < output_size; ++j)
                kernel[i * output_size + j] = weights_.data()[place(i, j)];
    }

    std::vector<ParameterSlot> slots() const override {
        return use_bias_ ? std::vector<ParameterSlot>{{"bias", 0, {output_size}}} : std::vector<ParameterSlot>{};
    }
    Index parameter_count() const override { return use_bias_ ? output_size : 0; }
    const float* bias(const float* parameters) const override { return use_bias_ ? parameters : nullptr; }
    double operations_per_row() const override {
        return 2.0 * static_cast<double>(input_size) * static_cast<double>(output_size);
    }
    bool has_backward() const override { return false; }
    // A quantized row: see int8_kernels.h.
    Index memory_per_row() const override { return 1 + steps(); }

    // A thread with rows of its own multiplies all of them. A team shares the units.
    void forward(const Pass<float>& pass, const Input<float>& x, float* y,
                 const Epilogue<float>& epilogue) const override {
        Team& team = pass.crew.team;
        in_pieces(team, team.share(pass.rows), operations_per_move * static_cast<double>(input_size), [&](Range rows) {
            for (Index i = rows.begin; i < rows.end; ++i)
                int8_.quantize(input_size, x.rows + i * input_size, inverse_, zero_point_,
                               reinterpret_cast<char*>(pass.memory + i * memory_per_row()));
        });
        team.barrier();
        const Int8Product product{pass.rows,
                                  output_size,
                                  steps(),
                                  reinterpret_cast<const char*>(pass.memory),
                                  memory_per_row() * static_cast<Index>(sizeof(float)),
                                  weights_.data(),
                                  correction_.data(),
                                  scale_.data(),
                                  y,
                                  &epilogue};
        const double per_panel =
            operations_per_row() * static_cast<double>(pass.rows) / static_cast<double>(columns_.count);
        in_pieces(team, team.share(columns_.count), per_panel,
                  [&](Range panels) { int8_.multiply(product, panels.begin, panels.end); });
    }
    void backward(const Pass<float>&, const Input<float>&, const float*, float*,
                  const Epilogue<float>*) const override {}

  private:
    Index steps() const {
        const Index terms = int8_.terms * int8_.depth_step;
        return (input_size + terms - 1) / terms * int8_.depth_step;
    }

    // Position of a weight. Panels of vectors of units; in each panel, step after step along the inputs. In each step,
    // the units of every vector; for each unit, the weights of all inputs of the step.
    Index place(Index input, Index unit) const {
        const Index vector = unit / int8_.lanes;
        const Index wide = columns_.wider * (columns_.width + 1);
        const Index panel =
            vector < wide ? vector / (columns_.width + 1) : columns_.wider + (vector - wide) / columns_.width;
        const Index start = columns_.start(panel), size = columns_.size(panel), step = input / int8_.terms;
        const Index lane = ((start * steps() + step * size + vector - start) * int8_.lanes) + unit % int8_.lanes;
        return lane * int8_.terms + input % int8_.terms;
    }

    const Int8Kernels& int8_ = kernels_of_int8();
    const bool use_bias_;
    const int zero_point_;
    const float inverse_;
    const Panels columns_;
    Buffer<std::int8_t> weights_;
    Buffer<std::int32_t> correction_;
    Buffer<float> scale_;
};

}  // namespace fastnet
