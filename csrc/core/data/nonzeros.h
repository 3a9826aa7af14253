// The nonzero values of a table, row by row, in the form of compressed rows (CSR).
#pragma once

#include <cstdint>

#include "core/interruption.h"
#include "core/kernels/kernels.h"

namespace fastnet {

// Numbers in contiguous rows.
template <class T> struct DenseRows {
    const T* values = nullptr;
    Index rows = 0, columns = 0;
};

// Writes the number of nonzero values in each row.
template <class T> void count_nonzeros(const DenseRows<T>& table, std::int64_t* counts, Interruption* interruption);

// Writes the values and their columns. Those of row r go from starts[r] up to starts[r + 1], as many as were counted.
// Returns whether the numbers still match: another thread may have changed the table since.
template <class T>
bool copy_nonzeros(const DenseRows<T>& table, const std::int64_t* starts, T* values, std::int32_t* columns,
                   Interruption* interruption);

}  // namespace fastnet
