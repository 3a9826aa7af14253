// Training data in the user's memory: rows of float32, float64 or integers, with any strides, or compressed rows (CSR).
// They are read in any order and converted one batch at a time. The data set itself is never copied.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/kernels/kernels.h"
#include "core/threads/parallel.h"

namespace fastnet {

// Rows of T that are read in place, `stride` values apart; null where they must be converted.
template <class T> struct DirectRows {
    const T* first = nullptr;
    Index stride = 0;
};

struct Rows {
    const char* data = nullptr;
    DType dtype = DType::float32;
    Index count = 0, columns = 0;
    Index row_stride = 0, column_stride = 0;  // in bytes
    // Compressed rows: row r has the values starts[r] to starts[r + 1] of data, in the columns given by indices.
    const std::int64_t* starts = nullptr;
    const void* indices = nullptr;
    bool wide_indices = false;  // int64, else int32

    template <class T> bool has_type() const { return dtype == (sizeof(T) == 4 ? DType::float32 : DType::float64); }
    bool compressed() const { return starts != nullptr; }
    Range values_of(Index r, const std::int64_t* order) const {
        const Index at = order ? order[r] : r;
        return {starts[at], starts[at + 1]};
    }
    Index column(Index value) const {
        return wide_indices ? static_cast<const std::int64_t*>(indices)[value]
                            : static_cast<const std::int32_t*>(indices)[value];
    }
    const char* row(Index r, const std::int64_t* order) const { return data + (order ? order[r] : r) * row_stride; }

    // out = the wanted columns of row order[r] (or r), converted to T, for one r after the other up to `end`. Later
    // rows are prefetched meanwhile. No hardware foresees a permutation, and even in order this is 2.5 times faster.
    template <class T> void gather_row(Index r, Index end, const std::int64_t* order, Range wanted, T* out) const {
        prefetch_ahead(r, end, order, wanted);
        if (compressed())
            return scatter_row(r, order, wanted, out);
        kernels<T>().convert(wanted.size(), row(r, order) + wanted.begin * column_stride, dtype, column_stride, out);
    }

    // The columns were checked, but another thread may have changed them since.
    template <class T> void scatter_row(Index r, const std::int64_t* order, Range wanted, T* out) const {
        std::fill(out, out + wanted.size(), T(0));
        const Range values = values_of(r, order);
        for (Index p = values.begin; p < values.end; ++p)
            if (const Index j = column(p); j >= wanted.begin && j < wanted.end)
                kernels<T>().convert(1, data + p * column_stride, dtype, column_stride, out + j - wanted.begin);
    }

    // Always inlined, because gcc treats a function that only prefetches as one without effects, and drops calls of it.
    __attribute__((always_inline)) void prefetch_ahead(Index r, Index end, const std::int64_t* order,
                                                       Range wanted) const {
        constexpr Index rows_ahead = 3;
        if (r + rows_ahead >= end)
            return;
        if (!compressed())
            return prefetch(row(r + rows_ahead, order) + wanted.begin * column_stride, wanted.size(), column_stride);
        const Index index_size = wide_indices ? 8 : 4;
        const Range values = values_of(r + rows_ahead, order);
        prefetch(data + values.begin * column_stride, values.size(), column_stride);
        prefetch(static_cast<const char*>(indices) + values.begin * index_size, values.size(), index_size);
    }
    __attribute__((always_inline)) static void prefetch(const char* from, Index count, Index stride) {
        constexpr Index line = 64;
        if (stride > line)  // values far apart, as in Fortran order, share their lines with other rows
            return;
        const Index bytes = count * stride;
        for (Index i = 0; i < bytes; i += line)
            __builtin_prefetch(from + i, 0, 2);
    }

    // The row itself if it can be read in place; null if it must be converted.
    template <class T> const T* row_in_place(Index r, const std::int64_t* order) const {
        const char* const at = row(r, order);
        const bool whole =
            column_stride == static_cast<Index>(sizeof(T)) && reinterpret_cast<std::uintptr_t>(at) % alignof(T) == 0;
        return has_type<T>() && whole ? reinterpret_cast<const T*>(at) : nullptr;
    }

    template <class T> DirectRows<T> direct() const {
        constexpr Index size = sizeof(T);
        if (!data || compressed() || row_stride % size != 0)
            return {};
        return {row_in_place<T>(0, nullptr), row_stride / size};
    }

    // The rows themselves if they can be read in place; null if they must be gathered.
    template <class T> const T* in_place(const std::int64_t* order) const {
        const bool dense = (column_stride == static_cast<Index>(sizeof(T)) || columns <= 1) &&
                           (row_stride == columns * static_cast<Index>(sizeof(T)) || count <= 1);
        const bool aligned = reinterpret_cast<std::uintptr_t>(data) % alignof(T) == 0;
        return has_type<T>() && dense && aligned && !order && !compressed() ? reinterpret_cast<const T*>(data)
                                                                            : nullptr;
    }
};

// Targets of the network: one row of values per sample, or a class label that stands for a one-hot row.
struct Targets {
    Rows values;
    const std::int64_t* labels = nullptr;

    bool present() const { return labels || values.data; }

    template <class T>
    void gather(Range range, Index end, const std::int64_t* order, Index classes, T* out) const {
        if (!labels) {
            for (Index r = range.begin; r < range.end; ++r, out += classes)
                values.gather_row(r, end, order, {0, values.columns}, out);
            return;
        }
        std::fill(out, out + range.size() * classes, T(0));
        for (Index r = range.begin; r < range.end; ++r, out += classes)
            out[labels[order ? order[r] : r]] = T(1);
    }
};

struct Samples {
    Rows x;
    Targets y;
    const double* weight = nullptr;       // one per sample, or null
    const std::int64_t* order = nullptr;  // the samples to take, or null for all in memory order
    Index count = 0;
};

}  // namespace fastnet
