// A batch of samples without their zeros, so that the first layer has less to multiply. Image and text data are mostly
// zeros.
#pragma once

#include <cstdint>

#include "core/buffer.h"
#include "core/data/samples.h"
#include "core/kernels/kernels.h"
#include "core/threads/parallel.h"

namespace fastnet {

// The fraction of values that are not zero, estimated from rows spread evenly over the data; exact for compressed rows.
template <class T> double density(const Rows& rows);

// The largest number of values in a batch of `rows` consecutive samples in their order.
Index most_values(const Samples& samples, Index rows);

// Each row lies in segments, which end at the same columns in all rows: one segment, or one for each stretch that the
// threads share. `segments` gives the columns of each.
template <class T> class CompressedBatch {
  public:
    // Makes room before the threads start, also for the transpose if the batch is trained on.
    void reserve(Index rows, Index columns, Index segments, Index terms, bool with_transpose);

    // Copies a segment of these rows of the batch, times scale. The batch begins at sample `begin`. A sparse matrix has
    // one segment only.
    void gather(const Team& team, const Samples& samples, Index begin, Range rows, Panels segments, Index segment,
                T scale);
    CompressedRows<T> from(Index row, Index segment) const {
        const Index at = segment * rows_ + row;
        return {begin_.data() + at, end_.data() + at, terms_.data()};
    }

    // The transpose of the first `rows` rows. Its rows are columns, of which each thread makes those that it uses.
    CompressedRows<T> transpose(const Team& team, Index rows, Range columns, Panels segments) const;

  private:
    Index rows_ = 0;  // for which there is room
    Buffer<Index> begin_, end_, transposed_begin_, transposed_end_;
    Buffer<Term<T>> terms_, transposed_;
};

// A member's rows of C = S B, finished by the epilogue if there is one.
template <class T>
void multiply_compressed(const Team& team, const SparseProduct<T>& product, Range rows, const Epilogue<T>* epilogue);

// The input of a layer: dense rows, or compressed ones from `first` on.
template <class T> struct Input {
    const T* rows = nullptr;
    const CompressedBatch<T>* compressed = nullptr;
    const Panels* segments = nullptr;
    Index first = 0;

    Input from(Index row, Index columns) const {
        return {rows ? rows + row * columns : nullptr, compressed, segments, first + row};
    }
    CompressedRows<T> segment(Index i) const { return compressed->from(first, i); }
};

}  // namespace fastnet
