// The products of the windows of images with a kernel: a convolution, or its transpose.
#pragma once

#include <vector>

#include "core/kernels/kernels.h"
#include "geometry.h"

namespace fastnet {

// One of the two products of a convolution's kernel, which has the shape (kernel height, kernel width, channels /
// groups, filters). The forward product has an image as its source, and a map of filters as its result. The transposed
// product maps a map back to an image.
//
// Products with the windows of a pixel fill vectors with the channels of the result. In a transposed product with few
// channels these would be short. There the columns are all values of a line that a pixel of the source contributes to,
// and the contributions of neighboring pixels are added up afterward.
template <class T> class Windows {
  public:
    Windows(const Geometry& geometry, bool transposed);

    Index lines() const { return y_.result; }
    Index line_size() const { return line_size_; }
    // Lines of the result that stay in the first-level cache.
    Index lines_at_once() const { return lines_at_once_; }

    // A thread needs memory for the packed kernel, and further memory during a product.
    Index packed_size() const { return packed_size_; }
    Index scratch_size() const { return padded_size_ + sums_size_; }

    void pack(const T* kernel, T* packed) const;
    // The source of one image as `multiply` reads it for these lines of the result: padded in the scratch memory, or in
    // place.
    const T* prepare(const T* source, Range lines, T* scratch) const;
    // result = the product (+ bias) for these lines, at most lines_at_once() of them, the first of which is at
    // `result`.
    void multiply(const T* source, const T* kernel, const T* packed, const T* bias, Range lines, T* result,
                  T* scratch) const;

  private:
    // The taps of one phase along each axis, line after line of the kernel.
    struct Phase {
        std::vector<Tap> taps;
        Index per_line;  // taps in a line of the kernel
    };
    const Phase& phase(Index y, Index x) const { return phases_[static_cast<std::size_t>(y * x_.phases() + x)]; }
    void find_padding();
    void list_taps();
    void multiply_windows(const T* source, const T* kernel, const T* packed, const T* bias, Range lines,
                          T* result) const;
    void multiply_line(const T* source, WindowLine<T> line, Index number, T* result) const;
    void add_up(const T* products, T* sums, T* result) const;

    const Index channels_, stride_, left_, width_;  // of the image
    const bool by_channel_, adds_up_, merges_;      // merges_: the taps of a line of the kernel make one run of terms
    const Axis y_, x_;                              // of the products
    const Index groups_, source_channels_, result_channels_;
    const Index terms_, columns_;                                  // of a group
    const Index group_step_, tap_step_, term_step_, column_step_;  // distances in the kernel
    const Index run_;                                              // terms of a tap
    const Panels panels_;                                          // of the columns, in vectors
    const Index line_size_;
    Index lines_at_once_;
    Index padding_ = 0, padded_line_;  // pixels in front of a line of the source, and all of the padded line
    Index rows_ = 0;                   // of a packed panel
    Index packed_size_ = 0, padded_size_ = 0, sums_size_ = 0;
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
