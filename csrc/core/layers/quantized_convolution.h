// The convolution of a quantized network, in 8-bit integers. It supports prediction only, not training.
#pragma once

#include <cstring>

#include "core/products/geometry.h"
#include "image_layer.h"
#include "quantized_kernel.h"

namespace fastnet {

// Images are quantized and framed by zeros. The windows of a line become rows of a product, which is exact, and scaled
// back to float. An image with a value that is not finite gives NaN.
class QuantizedConvolution final : public ImageLayer<float>, public QuantizedLayer {
  public:
    QuantizedConvolution(const Geometry& geometry, bool use_bias, const QuantizedKernel& w)
        : ImageLayer<float>(geometry.image_size(), geometry.map_size()), geometry_(geometry), use_bias_(use_bias),
          kernel_(geometry.y.kernel * geometry.x.kernel * geometry.channels, geometry.filters, w) {}

    const Int8Weights& kernel() const override { return kernel_; }
    std::vector<ParameterSlot> slots() const override {
        return use_bias_ ? std::vector<ParameterSlot>{{"bias", 0, {geometry_.filters}}} : std::vector<ParameterSlot>{};
    }
    Index parameter_count() const override { return use_bias_ ? geometry_.filters : 0; }
    double operations_per_row() const override { return geometry_.operations(); }
    bool has_backward() const override { return false; }
    Index scratch_size() const override {
        return floats(image_bytes()) + floats(framed_bytes()) + floats(geometry_.x.result * kernel_.row_bytes());
    }

    void forward(const Pass<float>& pass, const Input<float>& x, float* y,
                 const Epilogue<float>& epilogue) const override {
        char* const image = reinterpret_cast<char*>(pass.scratch());
        char* const framed = reinterpret_cast<char*>(pass.scratch() + floats(image_bytes()));
        char* const windows = framed + floats(framed_bytes()) * static_cast<Index>(sizeof(float));
        const Axis& across = geometry_.x;
        const Index line = across.result * geometry_.filters;
        Epilogue<float> add_bias;
        add_bias.function = kernels<float>().activations[0].forward;
        add_bias.bias = use_bias_ ? pass.parameters : nullptr;
        for_lines(pass, geometry_.y.result, geometry_.operations(), [&](Index number, Range lines) {
            kernel_.quantize(input_size, x.rows + number * input_size, image);
            frame(image + sizeof(float), framed);
            float* const result = y + number * output_size;
            for (Index i = lines.begin; i < lines.end; ++i) {
                gather(image, framed, i, windows);
                kernel_.multiply(across.result, windows, result + i * line, add_bias, {0, kernel_.panels()});
            }
            apply(&epilogue, number, output_size, lines.begin * line, lines.end * line, y);
        });
    }
    void backward(const Pass<float>&, const Input<float>&, const float*, float*,
                  const Epilogue<float>*) const override {}

  private:
    static Index floats(Index bytes) {
        constexpr Index each = static_cast<Index>(sizeof(float));
        return (bytes + each - 1) / each;
    }
    // The values from the first one that a window reads to the last one.
    static Index extent(const Axis& axis) {
        return (axis.result - 1) * axis.stride + (axis.kernel - 1) * axis.dilation + 1;
    }
    Index pixel_bytes() const { return geometry_.channels * kernel_.value_bytes(); }
    // A quantized row ends with a group of four bytes.
    Index image_bytes() const { return static_cast<Index>(sizeof(float)) + input_size * kernel_.value_bytes() + 4; }
    Index framed_bytes() const { return extent(geometry_.y) * extent(geometry_.x) * pixel_bytes(); }

    // Copies the part of the image that windows read, with zeros where they reach over its edges.
    void frame(const char* image, char* framed) const {
        const Axis &down = geometry_.y, &across = geometry_.x;
        const Index width = extent(across), first = std::max(-across.before, Index(0));
        const Index left = std::min(std::max(across.before, Index(0)), width);
        const Index copied = std::clamp(across.source - first, Index(0), width - left);
        for (Index i = 0; i < extent(down); ++i, framed += width * pixel_bytes()) {
            const Index from = i - down.before;
            if (from < 0 || from >= down.source) {
                kernel_.fill_with_zero(width * geometry_.channels, framed);
                continue;
            }
            kernel_.fill_with_zero(left * geometry_.channels, framed);
            std::memcpy(framed + left * pixel_bytes(), image + (from * across.source + first) * pixel_bytes(),
                        static_cast<std::size_t>(copied * pixel_bytes()));
            kernel_.fill_with_zero((width - left - copied) * geometry_.channels,
                                   framed + (left + copied) * pixel_bytes());
        }
    }

    // Writes the windows of a line of the result as quantized rows.
    void gather(const char* image, const char* framed, Index line, char* windows) const {
        const Axis &down = geometry_.y, &across = geometry_.x;
        const bool together = across.dilation == 1;
        const Index width = extent(across), pieces = together ? 1 : across.kernel;
        const auto piece = static_cast<std::size_t>((together ? across.kernel : 1) * pixel_bytes());
        const Index unused =
            kernel_.row_bytes() - static_cast<Index>(sizeof(float)) - down.kernel * pieces * static_cast<Index>(piece);
        for (Index j = 0; j < across.result; ++j) {
            char* to = static_cast<char*>(std::memcpy(windows, image, sizeof(float))) + sizeof(float);
            for (Index u = 0; u < down.kernel; ++u) {
                const Index row = line * down.stride + u * down.dilation;
                const char* from = framed + (row * width + j * across.stride) * pixel_bytes();
                for (Index v = 0; v < pieces; ++v, from += across.dilation * pixel_bytes(), to += piece)
                    std::memcpy(to, from, piece);
            }
            std::memset(to, 0, static_cast<std::size_t>(unused));
            windows += kernel_.row_bytes();
        }
    }

    const Geometry geometry_;
    const bool use_bias_;
    const Int8Weights kernel_;
};

}  // namespace fastnet
