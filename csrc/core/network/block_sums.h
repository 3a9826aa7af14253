// Sums over the values of arrays, such as sums of squares. They are the same bit for bit for any number of threads.
#pragma once

#include <algorithm>

#include "core/buffer.h"
#include "core/kernels/kernels.h"
#include "core/threads/parallel.h"

namespace fastnet {

// Each array is cut into blocks. The blocks are numbered array after array, and the members of a team share them.
template <class T> class BlockSums {
  public:
    static Index blocks_of(Index size) { return (size + block - 1) / block; }

    void reserve(Index blocks) { sums_.reserve(blocks); }

    // Adds up l1 |x| + l2 x^2 in each block of an array that is in `mine`. `first` is the number of the array's first
    // block. Returns the number of the next array's first block.
    Index add_up(Range mine, Index first, Index size, const T* x, T l1, T l2) {
        const Index blocks = blocks_of(size);
        for (Index i = std::max<Index>(mine.begin - first, 0); i < std::min(mine.end - first, blocks); ++i)
            sums_.data()[first + i] = kernels<T>().penalty(std::min(block, size - i * block), x + i * block, l1, l2);
        return first + blocks;
    }
    // The sum of these blocks, once all members have added up theirs.
    double total(Range blocks) const {
        double total = 0;
        for (Index i = blocks.begin; i < blocks.end; ++i)
            total += sums_.data()[i];
        return total;
    }

  private:
    static constexpr Index block = 4096;  // sums of this many squares keep all their digits
    Buffer<double> sums_;
};

}  // namespace fastnet
