// The kernels of layers that compute images, with their arguments. An image is a contiguous array of lines, a line one
// of pixels, a pixel one of channels.
#pragma once

#include "core/panels.h"

namespace fastnet {

// A part of a window: where its values begin, and the row of weights that belongs to the first of them.
struct Tap {
    Index x, row;
};

// Pixels of one line of a convolution. Every tap of the window of pixel p has `run` values:
//     y[p * y_step + j] = bias[j] + the sum over taps and i < run of
//                         x[first + p * x_step + tap.x + i] weights[(tap.row + i) * width + j]        for j < columns,
// one chain of fused multiply-adds in this order. The width of packed weights is that of the whole vectors that hold
// the columns. A null bias counts as zero.
template <class T> struct WindowLine {
    Index pixels, columns;
    const Tap *taps, *taps_end;
    Index run;
    const T* x;
    Index first, x_step;
    const T *weights, *bias;
    T* y;
    Index y_step;
};

// A part of the gradient with respect to a convolution's kernel: rows of weights in groups. Row r of group g grows by
// the sum over lines l and pixels p, in this order, of
//     x[l * x_line + p * x_step + g * x_group + r] dy[l * dy_line + p * dy_step + j]        for j < columns.
template <class T> struct WindowGradient {
    Index lines, pixels, groups, rows, columns;
    const T* x;
    Index x_line, x_step, x_group;
    const T* dy;
    Index dy_line, dy_step;
    T* gradient;
    Index gradient_row, gradient_group;
};

// Neighboring pixels of a pooled line. The windows have `height` lines and `width` pixels of the image; that of pixel p
// begins at x[p * x_step].
template <class T> struct PoolLine {
    Index pixels, channels, height, width;
    const T* x;
    Index x_line, x_step;
    T* y;                   // of the forward pass
    const T* dy;            // of the backward pass, which writes to dx
    T* dx;                  // laid out like x
    unsigned char* places;  // laid out like y: the number of the largest value in its window
    bool overlap;           // whether windows may overlap: gradients are then added to dx
};

// Where the pixels of a line lie along one axis of the image that they are taken from: pixel p at first + p step +
// moved[p], or at the lowest or the highest position if it lies beyond. A null `moved` counts as zeros.
template <class T> struct SampledAxis {
    T first, step;
    const T* moved;
    T lowest, highest;
};

// A line of pixels that lie between those of another image, the source. Each is made of the four that surround it, by
// linear interpolation, or of the nearest one. Pixel (i, j) of the source begins at source[i * source_line + j *
// channels]. The source has all pixels that surround a position within the limits, also where i or j is negative.
template <class T> struct SampledLine {
    Index pixels, channels;
    bool nearest;
    SampledAxis<T> y, x;
    const T* source;
    Index source_line;
    T* result;        // of the forward pass
    const T* slopes;  // of the backward pass, laid out like the result
    T* gradient;      // laid out like the source; the backward pass adds to it
};

// y = (x - center) factor + offset between low and high, with a center and an offset for every channel.
template <class T> struct Levels {
    Index pixels, channels;
    const T *center, *offset;
    T factor, low, high;
};

inline constexpr int max_window_vectors = 2;

template <class T> struct ImageKernels {
    Index lanes;
    // The most pixels, or rows of a gradient, that a tile of 1 or 2 vectors holds in registers.
    Index tile_rows[max_window_vectors + 1];
    // packed[i * width + j] = kernel[i * row + j * column] for i < rows, j < columns; zero for the other j < width.
    void (*pack)(Index rows, Index columns, const T* kernel, Index row, Index column, T* packed, Index width);
    void (*multiply)(const WindowLine<T>&);
    void (*add_gradient)(const WindowGradient<T>&);
    // The same for convolutions whose channels do not mix. A tap has one row of weights,
    // with a value for every channel, and is not packed.
    void (*multiply_by_channel)(const WindowLine<T>&);
    void (*add_gradient_by_channel)(const WindowGradient<T>&);
    // sums += the sum of the pixels, in four interleaved chains
    void (*add_pixels)(Index pixels, Index channels, const T* x, T* sums);
    void (*add_overlapping)(Index pixels, Index columns, Index step, const T* x, T* y);
    void (*largest)(const PoolLine<T>&);
    // The same that writes the places as well, and the backward pass that reads them, for windows that do not overlap.
    void (*largest_with_places)(const PoolLine<T>&);
    void (*largest_backward_by_places)(const PoolLine<T>&);
    void (*largest_backward)(const PoolLine<T>&);
    void (*average)(const PoolLine<T>&);
    void (*average_backward)(const PoolLine<T>&);
    void (*sample)(const SampledLine<T>&);
    // The same for lines of one channel that follow each other, each at one height, with the same positions along it.
    void (*sample_level)(const SampledLine<T>&, Index lines, const T* heights);
    void (*sample_backward)(const SampledLine<T>&);
    // y[j] = the sum over k < taps of weights[k] x[k * step + j] for j < n
    void (*blur)(Index n, Index taps, const T* weights, const T* x, Index step, T* y);
    void (*adjust)(const Levels<T>&, const T* x, T* y);
    // dx = dy where y is between low and high, else 0
    void (*adjust_backward)(const Levels<T>&, const T* x, const T* dy, T* dx);
};

}  // namespace fastnet
