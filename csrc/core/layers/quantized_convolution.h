// The convolution of a quantized network, in 8-bit integers. It supports prediction only, not training.
#pragma once

#include <cstring>
#include <vector>

#include "core/products/geometry.h"
#include "image_layer.h"
#include "quantized_kernel.h"

namespace fastnet {

// An image is quantized and, where windows reach over its edges, framed by zeros. The values of a window lie in a few
// segments of it, one for each line of the kernel, so that the product reads them in place. It is exact, and scaled
// back to float. An image with a value that is not finite gives NaN.
class QuantizedConvolution final : public ImageLayer<float>, public QuantizedLayer {
  public:
    QuantizedConvolution(const Geometry& geometry, bool use_bias, const QuantizedKernel& w)
        : ImageLayer<float>(geometry.image_size(), geometry.map_size()), geometry_(geometry), use_bias_(use_bias),
          in_place_(geometry.y.before == 0 && geometry.x.before == 0 && extent(geometry.y) <= geometry.y.source &&
                    extent(geometry.x) <= geometry.x.source),
          width_(in_place_ ? geometry.x.source : extent(geometry.x)),
          kernel_(*instruction_set().low_precision->int8, geometry.y.kernel * taps(),
                  geometry.x.kernel / taps() * geometry.channels, geometry.filters, w) {
        for (Index u = 0; u < geometry.y.kernel; ++u)
            for (Index v = 0; v < taps(); ++v)
                offsets_.push_back((u * geometry.y.dilation * width_ + v * geometry.x.dilation) * pixel_bytes());
    }

    // The most values that an image and its frame may have.
    static constexpr Index most_framed = Index(1) << 26;
    static bool fits(const Geometry& g) { return extent(g.y) <= most_framed / extent(g.x) / g.channels; }

    const Int8Weights& kernel() const override { return kernel_; }
    std::vector<ParameterSlot> slots() const override {
        if (!use_bias_)
            return {};
        return {{"bias", 0, {geometry_.filters}}};
    }
    Index parameter_count() const override { return use_bias_ ? geometry_.filters : 0; }
    double operations_per_row() const override { return geometry_.operations(); }
    bool has_backward() const override { return false; }
    Index scratch_size() const override { return floats(image_bytes()) + (in_place_ ? 0 : floats(framed_bytes())); }

    void forward(const Pass<float>& pass, const Input<float>& x, float* y,
                 const Epilogue<float>& epilogue) const override {
        char* const image = reinterpret_cast<char*>(pass.scratch());
        char* const framed = reinterpret_cast<char*>(pass.scratch() + (in_place_ ? 0 : floats(image_bytes())));
        const Index line = geometry_.x.result * geometry_.filters;
        Int8Product product{};
        product.rows = geometry_.x.result;
        product.x_row = geometry_.x.stride * pixel_bytes();
        product.epilogue = nullptr;
        product.offsets = offsets_.data();
        product.flag = image;
        product.bias = use_bias_ ? pass.parameters : nullptr;
        for_lines(pass, geometry_.y.result, geometry_.operations(), [&](Index number, Range lines) {
            kernel_.quantize(input_size, x.rows + number * input_size, image);
            if (!in_place_)
                frame(image + sizeof(float), framed + sizeof(float));
            for (Index i = lines.begin; i < lines.end; ++i) {
                product.x = framed + i * geometry_.y.stride * width_ * pixel_bytes();
                product.y = y + number * output_size + i * line;
                kernel_.multiply(product, {0, kernel_.panels()});
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
    // The segments of a line of the kernel, whose pixels lie side by side unless they are dilated.
    Index taps() const { return geometry_.x.dilation == 1 ? 1 : geometry_.x.kernel; }
    Index pixel_bytes() const { return geometry_.channels * kernel_.value_bytes(); }
    // The product reads the last segment in groups of 4 bytes.
    Index image_bytes() const { return kernel_.row_bytes(input_size) + 4; }
    Index framed_bytes() const { return kernel_.row_bytes(extent(geometry_.y) * width_ * geometry_.channels) + 4; }

    // Copies the part of the image that windows read, with zeros where they reach over its edges.
    void frame(const char* image, char* framed) const {
        const Axis &down = geometry_.y, &across = geometry_.x;
        const Index left = std::min(across.before, width_), copied = std::min(across.source, width_ - left);
        for (Index i = 0; i < extent(down); ++i, framed += width_ * pixel_bytes()) {
            const Index from = i - down.before;
            if (from < 0 || from >= down.source) {
                kernel_.fill_with_zero(width_ * geometry_.channels, framed);
                continue;
            }
            kernel_.fill_with_zero(left * geometry_.channels, framed);
            std::memcpy(framed + left * pixel_bytes(), image + from * across.source * pixel_bytes(),
                        static_cast<std::size_t>(copied * pixel_bytes()));
            kernel_.fill_with_zero((width_ - left - copied) * geometry_.channels,
                                   framed + (left + copied) * pixel_bytes());
        }
    }

    const Geometry geometry_;
    const bool use_bias_;
    const bool in_place_;  // whether no window reaches over the edges
    const Index width_;    // of a line of the framed image
    const Int8Weights kernel_;
    std::vector<Index> offsets_;  // of the segments of a window, in bytes
};

}  // namespace fastnet
