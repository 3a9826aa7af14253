// The products of the windows of images with a kernel: a convolution, or its transpose.
#pragma once

#include <vector>

#include "core/kernels/kernels.h"
#include "geometry.h"

namespace fastnet {

// One of the two products of a convolution's kernel, which has the shape (kernel height, kernel width, channels /
// groups, filters). The forward product has an image as its source, and a map of filters as its result. The transposed
// product maps a map back to an image.
template <class T> class Windows {
  public:
    Windows(const Geometry& geometry, bool transposed);

    // The values that a thread needs: the packed kernel, followed by lines that are padded.
    Index scratch_size() const { return packed_size_ + padded_size_; }
    // Packs the kernel into the scratch memory, for any number of products.
    void pack(const T* kernel, T* scratch) const;
    // result = the product (+ bias) for these lines of the result of one image.
    void multiply(const T* source, const T* kernel, const T* bias, Range lines, T* result, T* scratch) const;

    Index lines() const { return y_.result; }
    Index line_size() const { return x_.result * result_channels_; }

  private:
    // The taps of one phase along each axis, line after line of the kernel.
    struct Phase {
        std::vector<Tap> taps;
        Index per_line;  // taps in a line of the kernel
    };
    const Phase& phase(Index y, Index x) const { return phases_[static_cast<std::size_t>(y * x_.phases() + x)]; }
    void find_padding();
    void list_taps();
    const T* pad(const T* source, Range lines, T* padded) const;
    void multiply_line(const T* source, WindowLine<T> line, Index number, T* result) const;

    const Axis y_, x_;
    const Index groups_, source_channels_, result_channels_;
    const Index terms_, columns_;  // of a group: the channels of the source, and of the result
    const Index group_step_, tap_step_, term_step_, column_step_;  // distances in the kernel
    const bool by_channel_, merges_;   // whether the taps of a line of the kernel make one run of terms
    const Index run_;                  // terms of a tap
    const Panels panels_;              // of the columns, in vectors
    Index padding_ = 0, padded_line_;  // pixels in front of a line of the source, and all of the padded line
    Index rows_ = 0;                   // of a packed panel
    Index packed_size_ = 0, padded_size_ = 0;
    std::vector<Phase> phases_;
};

// The gradient with respect to the kernel of a convolution.
template <class T> class WindowGradients {
  public:
    explicit WindowGradients(const Geometry& geometry);

    Index scratch_size() const { return padded_size_; }
    // Adds the gradient of one image and of the gradients with respect to its map.
    void add(const T* image, const T* by_map, T* gradient, T* scratch) const;

  private:
    WindowGradient<T> lines_of(const T* image, const T* by_map, T* gradient, Index kernel_column, Index group,
                               Index column) const;
    Range lines_inside(Index kernel_line) const;
    void add_run(const WindowGradient<T>& all, bool together) const;
    void add_by_channel(const T* image, const T* by_map, T* gradient) const;

    const Geometry g_;
    const bool by_channel_;
    Index padded_line_, padded_size_;
};

}  // namespace fastnet
