// Makes layers that compute images from their descriptions, with the checks on which they rely.
#pragma once

#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>

#include "pooled_convolution.h"
#include "rearranging.h"

namespace fastnet {

// The product of sizes that must be positive. Parameters, gradients and optimizer state together must be addressable.
inline Index checked_product(std::initializer_list<Index> sizes, const char* what) {
    Index product = 1;
    for (const Index size : sizes) {
        if (size < 1)
            throw std::invalid_argument(std::string(what) + " must have sizes of at least 1, got " +
                                        std::to_string(size));
        if (product > PTRDIFF_MAX / 1024 / size)
            throw std::invalid_argument(std::string(what) + " is too large");
        product *= size;
    }
    return product;
}

inline void require_size(Index size, Index expected) {
    if (size != expected)
        throw std::invalid_argument("a layer for images of " + std::to_string(expected) + " values gets " +
                                    std::to_string(size));
}

// Every window must have a value inside of the source.
inline Axis checked_axis(Index source, Index result, Index kernel, Index stride, Index dilation, Index before) {
    checked_product({source, result, kernel, stride, dilation}, "a window");
    checked_product({result, stride}, "a window"), checked_product({kernel, dilation}, "a window");
    if (stride > 1 && dilation > 1)
        throw std::invalid_argument("strides and dilations cannot both be greater than 1");
    // Lines are padded by as much as a kernel reaches beyond them.
    constexpr Index largest_extent = Index(1) << 20;
    const Index extent = (kernel - 1) * dilation + 1;
    if (extent > largest_extent && extent > source)
        throw std::invalid_argument("a kernel may reach over " + std::to_string(largest_extent) +
                                    " values of a smaller image, got " + std::to_string(extent));
    if (before < 0 || before >= extent || (result - 1) * stride - before >= source)
        throw std::invalid_argument(std::to_string(result) + " windows of " + std::to_string(extent) + " values, " +
                                    std::to_string(stride) + " apart, with " + std::to_string(before) +
                                    " zeros in front, do not fit on " + std::to_string(source));
    return {source, result, kernel, stride, dilation, before};
}

inline void check_images(const ImageSizes& s, Index size) {
    require_size(size, checked_product({s.height, s.width, s.channels}, "an image"));
    checked_product({s.output_height, s.output_width, s.channels}, "an image");
}

inline Geometry geometry_of(Index size, const KernelSpec& spec, Index groups) {
    const ImageSizes& s = spec.sizes;
    const WindowSizes& w = spec.windows;
    check_images(s, size);
    checked_product({s.output_height, s.output_width, spec.filters}, "an image");
    if (groups < 1 || s.channels % groups != 0 || spec.filters % groups != 0)
        throw std::invalid_argument("groups must divide channels and filters, got " + std::to_string(groups));
    checked_product({spec.kernel_height, spec.kernel_width, s.channels, spec.filters}, "a kernel");
    return {checked_axis(s.height, s.output_height, spec.kernel_height, w.stride_height, spec.dilation_height, w.top),
            checked_axis(s.width, s.output_width, spec.kernel_width, w.stride_width, spec.dilation_width, w.left),
            s.channels, spec.filters, groups};
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const Conv2DSpec& spec, Index) {
    return std::make_unique<Convolution<T>>(geometry_of(size, spec, spec.groups), false, spec.use_bias);
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const Conv2DTransposeSpec& spec, Index) {
    const ImageSizes& s = spec.sizes;
    const WindowSizes& w = spec.windows;
    check_images(s, size);
    checked_product({s.output_height, s.output_width, spec.filters}, "an image");
    checked_product({spec.kernel_height, spec.kernel_width, s.channels, spec.filters}, "a kernel");
    const Geometry geometry{
        checked_axis(s.output_height, s.height, spec.kernel_height, w.stride_height, spec.dilation_height, w.top),
        checked_axis(s.output_width, s.width, spec.kernel_width, w.stride_width, spec.dilation_width, w.left),
        spec.filters, s.channels};
    return std::make_unique<Convolution<T>>(geometry, true, spec.use_bias);
}

template <class T> std::unique_ptr<Layer<T>> make_pooling(Index size, const PoolingSpec& spec, Pool pool) {
    const ImageSizes& s = spec.sizes;
    const WindowSizes& w = spec.windows;
    check_images(s, size);
    const Geometry geometry{checked_axis(s.height, s.output_height, spec.pool_height, w.stride_height, 1, w.top),
                            checked_axis(s.width, s.output_width, spec.pool_width, w.stride_width, 1, w.left),
                            s.channels, s.channels, s.channels};
    return std::make_unique<Pooling<T>>(geometry, pool);
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const MaxPooling2DSpec& spec, Index) {
    return make_pooling<T>(size, spec, Pool::largest);
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const AveragePooling2DSpec& spec, Index) {
    return make_pooling<T>(size, spec, Pool::average);
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const Padding2DSpec& spec, Index) {
    check_images(spec.sizes, size);
    for (const Index before : {spec.top, spec.left})
        if (before > PTRDIFF_MAX / 1024 || before < -size)
            throw std::invalid_argument("padding must be from " + std::to_string(-size) + " on, got " +
                                        std::to_string(before));
    return std::make_unique<Padding<T>>(spec);
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const UpSampling2DSpec& spec, Index) {
    require_size(size, checked_product({spec.height, spec.width, spec.channels}, "an image"));
    checked_product({size, spec.factor_height, spec.factor_width}, "an image");
    return std::make_unique<UpSampling<T>>(spec);
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const PermutationSpec& spec, Index) {
    if (spec.shape.size() != 3 || spec.axes.size() != 3)
        throw std::invalid_argument("a permutation has three axes");
    std::array<Index, 3> shape{}, axes{}, count{};
    for (std::size_t i = 0; i < 3; ++i) {
        shape[i] = spec.shape[i], axes[i] = spec.axes[i];
        if (axes[i] < 0 || axes[i] > 2 || count[static_cast<std::size_t>(axes[i])]++ > 0)
            throw std::invalid_argument("axes must be 0, 1 and 2 in any order");
    }
    require_size(size, checked_product({shape[0], shape[1], shape[2]}, "an image"));
    return std::make_unique<Permutation<T>>(shape, axes);
}

template <class T> std::unique_ptr<Layer<T>> make(Index size, const SpatialDropoutSpec& spec, Index stream) {
    if (size % checked_product({spec.channels, spec.repeats}, "an image") != 0)
        throw std::invalid_argument(std::to_string(size) + " values cannot be divided into pixels of " +
                                    std::to_string(spec.channels) + " channels");
    return std::make_unique<SpatialDropout<T>>(size, spec.channels, spec.repeats, spec.shared, spec.rate,
                                               RandomStream{spec.seed, stream});
}

}  // namespace fastnet
