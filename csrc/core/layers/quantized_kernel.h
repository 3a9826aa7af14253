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

// The factors of y = x W for quantized rows of x: see int8_kernels.h. The inputs come in segments of the same size.
class Int8Weights {
  public:
    Int8Weights(const Int8Kernels& kernels, Index segments, Index segment, Index units, const QuantizedKernel& w)
        : kernels_(kernels), segments_(segments), segment_(segment), units_(units), zero_point_(w.zero_point),
          inverse_(1 / w.input_scale),
          columns_(Panels::of((units + kernels.lanes - 1) / kernels.lanes, kernels.panel_vectors)),
          weights_(columns_.total * kernels.lanes * segments * steps() * kernels.terms),
          correction_(columns_.total * kernels.lanes), scale_(columns_.total * kernels.lanes) {
        std::fill_n(weights_.data(), weights_.size(), std::int8_t(0));
        for (Index j = 0; j < columns_.total * kernels.lanes; ++j) {
            std::int32_t sum = 0;
            for (Index i = 0; j < units && i < inputs(); ++i)
                sum += weights_.data()[place(i, j)] = w.kernel[static_cast<std::size_t>(i * units + j)];
            correction_.data()[j] = (kernels.shift - zero_point_) * sum;
            scale_.data()[j] = j < units ? w.input_scale * w.scale[static_cast<std::size_t>(j)] : 0;
        }
    }

    Index inputs() const { return segments_ * segment_; }
    Index units() const { return units_; }

    // The weights as given, of shape (inputs, units).
    void unpack(std::int8_t* kernel) const {
        for (Index i = 0; i < inputs(); ++i)
            for (Index j = 0; j < units_; ++j)
                kernel[i * units_ + j] = weights_.data()[place(i, j)];
    }

    // A quantized row of n values is a float, and the values. In bytes, of which a value has value_bytes(). A product
    // reads whole groups of 4 bytes.
    Index value_bytes() const { return 4 / kernels_.terms; }
    Index row_bytes(Index n) const {
        const Index terms = kernels_.terms * kernels_.depth_step;
        return static_cast<Index>(sizeof(float)) + (n + terms - 1) / terms * kernels_.depth_step * 4;
    }
    void quantize(Index n, const float* x, char* row) const { kernels_.quantize(n, x, inverse_, zero_point_, row); }
    // Fills values with the integer that stands for zero.
    void fill_with_zero(Index n, char* values) const {
        const std::int32_t zero = zero_point_ - kernels_.shift;  // its lowest byte comes first
        for (Index i = 0; i < n; ++i)
            std::memcpy(values + i * value_bytes(), &zero, static_cast<std::size_t>(value_bytes()));
    }

    // Panels of units, which a team shares.
    Index panels() const { return columns_.count; }
    // The product, for the units of these panels. `product` has what is not of the weights.
    void multiply(Int8Product product, Range panels) const {
        product.n = units_;
        product.steps = steps();
        product.segments = segments_;
        product.weights = weights_.data();
        product.correction = correction_.data();
        product.scale = scale_.data();
        kernels_.multiply(product, panels.begin, panels.end);
    }

  private:
    // Of a segment.
    Index steps() const {
        const Index terms = kernels_.terms * kernels_.depth_step;
        return (segment_ + terms - 1) / terms * kernels_.depth_step;
    }

    // Position of a weight. Panels of vectors of units; in each panel, step after step along the inputs. In each step,
    // the units of every vector; for each unit, the weights of all inputs of the step.
    Index place(Index input, Index unit) const {
        const Index vector = unit / kernels_.lanes;
        const Index wide = columns_.wider * (columns_.width + 1);
        const Index panel =
            vector < wide ? vector / (columns_.width + 1) : columns_.wider + (vector - wide) / columns_.width;
        const Index start = columns_.start(panel), size = columns_.size(panel);
        const Index step = input / segment_ * steps() + input % segment_ / kernels_.terms;
        const Index lane =
            (start * segments_ * steps() + step * size + vector - start) * kernels_.lanes + unit % kernels_.lanes;
        return lane * kernels_.terms + input % segment_ % kernels_.terms;
    }

    const Int8Kernels& kernels_;
    const Index segments_, segment_, units_;
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
