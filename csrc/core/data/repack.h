// Copies a table of numbers into contiguous rows, in a type that is fast to gather. This takes one pass over the
// memory, in tiles that fit into the first-level cache, so that every cache line is read and written once.
#pragma once

#include "core/interruption.h"
#include "core/kernels/kernels.h"

namespace fastnet {

// Numbers in memory, with any strides, or in columns at independent addresses.
struct Table {
    const char* data = nullptr;
    DType dtype = DType::float32;
    bool half = false;     // float16, in place of dtype
    bool swapped = false;  // in the opposite byte order of this machine
    Index rows = 0, columns = 0;
    Index row_stride = 0, column_stride = 0;   // in bytes
    const char* const* each_column = nullptr;  // start of each column, in place of data and column_stride

    const char* at(Index row, Index column) const {
        return (each_column ? each_column[column] : data + column * column_stride) + row * row_stride;
    }
};

// Writes the table to `out` in rows of `to`: its own type, float32 or float64, or uint8 from integers. Returns -1, or a
// row with a number that does not fit, after which the contents of `out` are undefined. For integers outside of 0..255
// it is any such row. With `must_be_finite` it is the first row with a number that is not finite as a `to`. Throws
// std::invalid_argument if `to` is not one of these types.
Index repack(const Table& table, DType to, void* out, bool must_be_finite, Interruption* interruption);

}  // namespace fastnet
