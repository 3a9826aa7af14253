// Compressed rows (CSR) from Python: checked once, when they are passed in.
#pragma once

#include "arrays.h"

namespace fastnet {

// A range of rows of one matrix. Slices share the matrix.
class SparseRows {
  public:
    SparseRows(const py::array& data, const py::array& indices, const py::array& starts, Index columns);

    // Whether the columns of every row ascend, so that none occurs twice. The input of a network must be canonical.
    bool canonical() const { return canonical_; }
    // -1 if all are finite. as_float32 counts numbers beyond the range of float32 as infinite.
    Index first_nonfinite_row(bool as_float32) const;
    SparseRows slice(const py::slice& slice) const;
    // Values, columns and a copy of the starts, of all rows of the matrix.
    py::tuple arrays() const { return py::make_tuple(data_, indices_, copy_of(starts_)); }
    const Rows& rows() const { return rows_; }

  private:
    void check_starts(Index values) const;
    void check_columns();

    Rows rows_;
    py::array data_, indices_;          // our own views, whose dtype and shape nobody else can change
    py::array_t<std::int64_t> starts_;  // a copy: checked data must not change
    bool canonical_ = true;
};

void register_sparse_rows(py::module_& module);

}  // namespace fastnet
