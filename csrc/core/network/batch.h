// What a batch reads, and what it leaves behind on its way through the layers.
#pragma once

#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "core/data/samples.h"
#include "core/products/gemm.h"
#include "core/products/sparse.h"

namespace fastnet {

enum class Use { prediction, evaluation, training };

// What a batch leaves behind: one array of rows a layer.
template <class T> struct Arena {
    Buffer<T> input, target, weight, logits;
    CompressedBatch<T> compressed;
    Buffer<T> sums;  // of the first layer, one array a stretch of its inputs
    std::vector<Buffer<T>> outputs, gradients, slopes, memories;
    Buffer<double> loss, metric;
};

// One pass of `rows` samples from `begin`.
template <class T> struct Batch {
    const Samples& samples;
    Arena<T>& arena;
    Index begin, rows;
    Index of;               // the rows of the batch, of which these may be a part
    double divisor;         // of the sum of their losses; 0 where all weights are 0, which leaves nothing to learn
    Input<T> input;         // in the arena, or in place in the data
    const T* target;        // likewise
    T* output;              // of the last layer
    std::int64_t step = 0;  // of training, counted from 1; 0 for none
    Index first_row = 0;    // where these rows are a part of a batch
    Index derivatives = 0;  // rows of them for each sample, where a prediction is differentiated

    bool goes_back() const { return step != 0 || derivatives != 0; }
    Index gradients() const { return derivatives > 1 ? derivatives : 1; }  // rows of them for each sample
};

// Who runs a range of a batch's rows through the layers.
template <class T> struct Share {
    Team team;
    GemmWorkspace<T>& workspace;
    Range rows;
};

}  // namespace fastnet
