// Kernels of 8-bit integers, packed for the product of a quantized layer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/buffer.h"
#include "core/kernels/kernels.h"
#include "core/machine/cpu.h"
#include "core/panels.h"

namespace fastnet {

// w = scale * kernel with one scale per unit, and x = input_scale * (q - zero_point) with q from 0 to 255.
struct QuantizedKernel {
    std::vector<std::int8_t> kernel;  // (inputs, units)
    std::vector<float> scale;
    float input_scale = 1;
    int zero_point = 0;

    static constexpr Index most_inputs = 65536;  // with more inputs, sums might not fit into 32 bits
};

// The factors of y = x W for quantized rows of x: see int8_kernels.h.
class Int8Weights {
  public:
    Int8Weights(Index inputs, Index units, const QuantizedKernel& w)
        : inputs_(inputs), units_(units), zero_point_(w.zero_point), inverse_(1 / w.input_scale),
          columns_(Panels::of((units + int8_.lanes - 1) / int8_.lanes, int8_.panel_vectors)),
          weights_(columns_.total * int8_.lanes * steps() * int8_.terms), correction_(columns_.total * int8_.lanes),
          scale_(columns_.total * int8_.lanes) {
        std::fill_n(weights_.data(), weights_.size(), std::int8_t(0));
        for (Index j = 0; j < columns_.total * int8_.lanes; ++j) {
            std::int32_t sum = 0;
            for (Index i = 0; j < units && i < inputs; ++i)
                sum += weights_.data()[place(i, j)] = w.kernel[static_cast<std::size_t>(i * units + j)];
            correction_.data()[j] = (int8_.shift - zero_point_) * sum;
            scale_.data()[j] = j < units ? w.input_scale * w.scale[static_cast<std::size_t>(j)] : 0;
        }
    }

    Index inputs() const { return inputs_; }
    Index units() const { return units_; }

    // The weights as given, of shape (inputs, units).
    void unpack(std::int8_t* kernel) const {
        for (Index i = 0; i < inputs_; ++i)
            for (Index j = 0; j < units_; ++j)
                kernel[i * units_ + j] = weights_.data()[place(i, j)];
    }

    // A quantized row: a float, and the values. In bytes, of which a value has value_bytes().
    Index row_bytes() const { return static_cast<Index>(sizeof(float)) + 4 * steps(); }
    Index value_bytes() const { return 4 / int8_.terms; }
    void quantize(Index n, const float* x, char* row) const { int8_.quantize(n, x, inverse_, zero_point_, row); }
    // Fills values with the integer that stands for zero.
    void fill_with_zero(Index n, char* values) const {
        const std::int32_t zero =
            zero_point_ - int8_.shift;  // its lowest bytes, on machines with the lowest byte first
        for (Index i = 0; i < n; ++i)
            std::memcpy(values + i * value_bytes(), &zero, static_cast<std::size_t>(value_bytes()));
    }

    // Panels of units, which a team shares.
    Index panels() const { return columns_.count; }
    // y = epilogue(x W) for quantized rows and the units of these panels.
    void multiply(Index rows, const char* x, float* y, const Epilogue<float>& epilogue, Range panels) const {
        const Int8Product product{rows,          units_, steps(),  x, row_bytes(), weights_.data(), correction_.data(),
                                  scale_.data(), y,      &epilogue};
        int8_.multiply(product, panels.begin, panels.end);
    }

  private:
    Index steps() const {
        const Index terms = int8_.terms * int8_.depth_step;
        return (inputs_ + terms - 1) / terms * int8_.depth_step;
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
    const Index inputs_, units_;
    const int zero_point_;
    const float inverse_;
    const Panels columns_;
    Buffer<std::int8_t> weights_;
    Buffer<std::int32_t> correction_;
    Buffer<float> scale_;
};

// A layer with such a kernel.
class QuantizedLayer {
  public:
    virtual ~QuantizedLayer() = default;
    virtual const Int8Weights& kernel() const = 0;
};

}  // namespace fastnet
