// Training data as it lies in memory: rows of uint8, float32 or float64 with any strides, read in any order and
// converted a batch at a time. The data set itself is never copied.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels.h"
#include "parallel.h"

namespace fastnet {

struct Rows {
    const char* data = nullptr;
    DType dtype = DType::float32;
    index count = 0, columns = 0;
    index row_stride = 0, column_stride = 0;  // in bytes

    const char* row(index r, const std::int64_t* order) const { return data + (order ? order[r] : r) * row_stride; }

    // out = the wanted columns of row order[r] (or r), converted to T, for one r after the other up to `end`: the rows
    // to come are on their way from memory meanwhile. No hardware foresees a permutation, and in order too this is 2.5
    // times faster.
    template <class T> void gather_row(index r, index end, const std::int64_t* order, Range wanted, T* out) const {
        const index offset = wanted.begin * column_stride;
        if (r + rows_ahead < end)
            prefetch(row(r + rows_ahead, order) + offset, wanted.size());
        kernels<T>().convert(wanted.size(), row(r, order) + offset, dtype, column_stride, out);
    }

    static constexpr index rows_ahead = 3;
    void prefetch(const char* from, index count) const {
        constexpr index line = 64;
        if (column_stride > line)  // values far apart, as in Fortran order, have their lines in common with other rows
            return;
        const index bytes = count * column_stride;
        for (index i = 0; i < bytes; i += line)
            __builtin_prefetch(from + i, 0, 2);
    }

    // The rows themselves where they can be used as they lie; null where they must be gathered.
    template <class T> const T* in_place(const std::int64_t* order) const {
        const bool same = dtype == (sizeof(T) == 4 ? DType::float32 : DType::float64);
        const bool dense = (column_stride == static_cast<index>(sizeof(T)) || columns <= 1) &&
                           (row_stride == columns * static_cast<index>(sizeof(T)) || count <= 1);
        const bool aligned = reinterpret_cast<std::uintptr_t>(data) % alignof(T) == 0;
        return same && dense && aligned && !order ? reinterpret_cast<const T*>(data) : nullptr;
    }
};

// What the network should answer: a row of values a sample, or a class label that stands for a one-hot row.
struct Targets {
    Rows values;
    const std::int64_t* labels = nullptr;

    bool present() const { return labels || values.data; }

    template <class T>
    void gather(Range range, index end, const std::int64_t* order, index classes, T* out) const {
        if (!labels) {
            for (index r = range.begin; r < range.end; ++r, out += classes)
                values.gather_row(r, end, order, {0, values.columns}, out);
            return;
        }
        std::fill(out, out + range.size() * classes, T(0));
        for (index r = range.begin; r < range.end; ++r, out += classes)
            out[labels[order ? order[r] : r]] = T(1);
    }
};

struct Samples {
    Rows x;
    Targets y;
    const double* weight = nullptr;       // one a sample, or null
    const std::int64_t* order = nullptr;  // the samples to take, or null for all as they lie
    index count = 0;
};

}  // namespace fastnet
