// The geometry of a convolution: how the positions of its result read its source.
#pragma once

#include "core/threads/parallel.h"

namespace fastnet {

// One axis. The windows of a convolution begin at p * stride - before for position p of the result, and have `kernel`
// taps, `dilation` positions of the source apart. Transposed, source and result change places: what position p of the
// result gets is the sum over the windows in which it lies. Positions with the same remainder p + before mod stride
// read the same taps: they are a phase. Not both of stride and dilation are greater than 1.
struct Axis {
    Index source, result, kernel, stride, dilation, before;
    bool transposed = false;

    Axis transpose() const { return {result, source, kernel, stride, dilation, before, !transposed}; }

    Index phases() const { return transposed ? stride : 1; }
    Index phase_of(Index p) const { return transposed ? (p + before) % stride : 0; }
    // The first position of a phase.
    Index first_of(Index phase) const { return transposed ? ((phase - before) % stride + stride) % stride : 0; }
    Index positions_of(Index phase) const {
        const Index first = first_of(phase);
        return first < result ? (result - first + phases() - 1) / phases() : 0;
    }
    // The distance in the source between consecutive positions of a phase.
    Index step() const { return transposed ? 1 : stride; }

    // The taps of a phase, in the order of the kernel: tap t is number kernel_tap(phase, t) of the kernel and reads the
    // source at base(p) + offset(t).
    Index taps(Index phase) const {
        return !transposed ? kernel : kernel > phase ? (kernel - phase - 1) / stride + 1 : 0;
    }
    Index kernel_tap(Index phase, Index t) const { return transposed ? phase + t * stride : t; }
    Index base(Index p) const { return transposed ? (p + before) / stride : p * stride - before; }
    Index offset(Index t) const { return transposed ? -t * dilation : t * dilation; }
    // The taps that read inside of the source.
    Range taps_inside(Index p) const {
        const Index count = taps(phase_of(p)), from = base(p);
        // |offset| must be at least `low` and at most `high`.
        const Index low = transposed ? from - (source - 1) : -from;
        const Index high = transposed ? from : source - 1 - from;
        const Index begin = low > 0 ? (low + dilation - 1) / dilation : 0;
        const Index end = high < 0 ? 0 : high / dilation + 1;
        return {begin < count ? begin : count, end < begin   ? (begin < count ? begin : count)
                                               : end < count ? end
                                                             : count};
    }
};

// Two axes, and channels last. Group g of `groups` maps its share of the channels to its share of the filters.
struct Geometry {
    Axis y, x;
    Index channels, filters, groups = 1;

    Index image_size() const { return y.source * x.source * channels; }
    Index map_size() const { return y.result * x.result * filters; }
    Index kernel_size() const { return y.kernel * x.kernel * channels / groups * filters; }
    // Multiplications and additions of the values inside of the image.
    double operations() const {
        return 2.0 * static_cast<double>(kernel_size()) * static_cast<double>(y.result * x.result);
    }
};

}  // namespace fastnet
