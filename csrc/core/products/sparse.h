// A batch of samples without their zeros, for a first layer that then has less to multiply. Image and text data are
// mostly zeros.
#pragma once

#include <cstdint>

#include "core/buffer.h"
#include "core/data/samples.h"
#include "core/kernels/kernels.h"
#include "core/threads/parallel.h"

namespace fastnet {

// The share of values that are not zero, of rows spread evenly over the data; exactly that of compressed rows.
template <class T> double density(const Rows& rows);

// The most values that a batch can have: `rows` samples that follow each other in their order.
Index most_values(const Samples& samples, Index rows);

// Each row lies in segments, which end at the same columns in all rows: one, or as many as there are stretches that the
// threads share. `segments` says which columns belong to each.
template <class T> class CompressedBatch {
  public:
    // Makes room, before the threads start, and for the transpose too if the batch is trained on.
    void reserve(Index rows, Index columns, Index segments, Index terms, bool with_transpose);

    // Brings a segment of these rows of the batch that begins at sample `begin` here, times scale. A sparse matrix has
    // one segment only.
    void gather(const Team& team, const Samples& samples, Index begin, Range rows, Panels segments, Index segment,
                T scale);
    CompressedRows<T> from(Index row, Index segment) const {
        const Index at = segment * rows_ + row;
        return {begin_.data() + at, end_.data() + at, terms_.data()};
    }

    // The transpose of the first `rows` rows: its rows are columns, of which each thread makes those that it uses.
    CompressedRows<T> transpose(const Team& team, Index rows, Range columns, Panels segments) const;

  private:
    Index rows_ = 0;  // that there is room for
    Buffer<Index> begin_, end_, transposed_begin_, transposed_end_;
    Buffer<Term<T>> terms_, transposed_;
};

// A member's rows of C = S B, finished by the epilogue if there is one.
template <class T>
void multiply_compressed(const Team& team, const SparseProduct<T>& product, Range rows, const Epilogue<T>* epilogue);

// What a layer reads: rows as they are, or compressed ones from `first` on.
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
