// The input of a batch, and the arrays that its passes through the layers fill.
#pragma once

#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "core/data/samples.h"
#include "core/products/gemm.h"
#include "core/products/sparse.h"

namespace fastnet {

enum class Use { prediction, evaluation, training };

// The arrays that a batch fills: one array of rows per layer.
template <class T> struct Arena {
    Buffer<T> input, target, weight, logits;
    CompressedBatch<T> compressed;
    Buffer<T> sums;  // of the first layer, one array per stretch of its inputs
    std::vector<Buffer<T>> outputs, gradients, slopes, memories;
    Buffer<double> loss, metric;
};

// One pass of `rows` samples from `begin`.
template <class T> struct Batch {
    const Samples& samples;
    Arena<T>& arena;
    Index begin, rows;
    Index of;                // rows of the whole batch, of which these may be a part
    double divisor;          // divides the sum of their losses; 0 where all weights are 0 and there is nothing to learn
    Input<T> input;          // in the arena, or in place in the data
    const T* target;         // likewise
    T* output;               // of the last layer
    std::int64_t step = 0;   // of training, counted from 1; 0 outside of training
    Index first_row = 0;     // index of these rows in the batch, if they are a part of it
    bool announced = false;  // whether other processes get the gradients of large layers as soon as they are complete
    Index derivatives = 0;   // rows of derivatives per sample, where a prediction is differentiated

    bool goes_back() const { return step != 0 || derivatives != 0; }
    Index gradients() const { return derivatives > 1 ? derivatives : 1; }  // rows of gradients per sample
};

// A thread team, its GEMM workspace, and the range of a batch's rows that it runs through the layers. `fresh` where the
// parameters may have changed since the last share in this workspace.
template <class T> struct Share {
    Team team;
    GemmWorkspace<T>& workspace;
    Range rows;
    bool fresh = true;
};

}  // namespace fastnet
