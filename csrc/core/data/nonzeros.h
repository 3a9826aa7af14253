// The values of a table that are not zero, row by row, as compressed rows (CSR) hold them.
#pragma once

#include <cstdint>

#include "core/interruption.h"
#include "core/kernels/kernels.h"

namespace fastnet {

// Numbers in rows that follow each other.
template <class T> struct DenseRows {
    const T* values = nullptr;
    Index rows = 0, columns = 0;
};

// Writes how many there are in each row.
template <class T> void count_nonzeros(const DenseRows<T>& table, std::int64_t* counts, Interruption* interruption);

// Writes them and their columns; those of row r from starts[r] up to starts[r + 1], as many as were counted. Returns
// whether there were as many: another thread may have changed the table since.
template <class T>
bool copy_nonzeros(const DenseRows<T>& table, const std::int64_t* starts, T* values, std::int32_t* columns,
                   Interruption* interruption);

}  // namespace fastnet
