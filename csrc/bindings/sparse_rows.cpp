#include "sparse_rows.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "callbacks.h"
#include "core/data/nonzeros.h"

namespace fastnet {
namespace {

// A view, so that its dtype and shape stay, or a copy if the values are not contiguous.
py::array flat(const py::array& array, const char* name) {
    require_dimensions(array, name, 1);
    const bool plain =
        (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0 && (array.flags() & py::array::c_style) != 0;
    return plain ? py::array(array.attr("view")()) : copy_of(array);
}

// Calls visit(row, its values) for one row after the other until it returns false.
template <class Visit> void visit_rows(const Rows& rows, Visit visit) {
    const double values = static_cast<double>(rows.starts[rows.count] - rows.starts[0]);
    const double per_row = 1 + values / static_cast<double>(std::max<Index>(1, rows.count));
    bool more = true;
    const auto all = [&](Team& team) {
        in_pieces(team, {0, rows.count}, per_row, [&](Range piece) {
            for (Index r = piece.begin; r < piece.end && more; ++r)
                more = visit(r, rows.values_of(r, nullptr));
        });
    };
    interruptibly([&](Interruption* interruption) { run_team(1, all, interruption); });
}

template <class T> bool all_finite(const Rows& rows, Range values) {
    constexpr Index piece = 1024;
    T converted[piece];
    for (Index begin = values.begin; begin < values.end; begin += piece) {
        const Index n = std::min(piece, values.end - begin);
        kernels<T>().convert(n, rows.data + begin * rows.column_stride, rows.dtype, rows.column_stride, converted);
        if (!kernels<T>().all_finite(n, converted))
            return false;
    }
    return true;
}

// The first row with a value that is not finite as a T; -1 if all are.
template <class T> Index first_nonfinite(const Rows& rows) {
    Index found = -1;
    visit_rows(rows, [&](Index r, Range values) {
        if (!all_finite<T>(rows, values))
            found = r;
        return found < 0;
    });
    return found;
}

// The nonzero values of a table as (values, columns, starts), or None if there are more than `most`.
template <class T> py::object nonzeros_of(const py::array& x, Index most) {
    const DenseRows<T> table{static_cast<const T*>(x.data()), x.shape(0), x.shape(1)};
    const double values = static_cast<double>(x.size());
    py::array_t<std::int64_t> starts(table.rows + 1);
    std::int64_t* const ends = starts.mutable_data() + 1;
    interruptibly(values, [&](Interruption* interruption) { count_nonzeros(table, ends, interruption); });
    ends[-1] = 0;
    std::partial_sum(ends, ends + table.rows, ends);
    const Index count = ends[table.rows - 1];
    if (count > most)
        return py::none();
    py::array_t<T> data(count);
    py::array_t<std::int32_t> columns(count);
    T* const to_values = data.mutable_data();
    std::int32_t* const to_columns = columns.mutable_data();
    const bool complete = interruptibly(values, [&](Interruption* interruption) {
        return copy_nonzeros(table, ends - 1, to_values, to_columns, interruption);
    });
    return complete ? py::object(py::make_tuple(data, columns, starts)) : py::none();
}

py::object nonzeros(const py::array& x, Index most) {
    require_dimensions(x, "x", 2);
    const int wanted = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
    if ((x.flags() & wanted) != wanted || x.shape(0) < 1 || x.shape(1) > INT32_MAX)
        throw py::value_error("x must be aligned contiguous rows, at least one, got a " + describe(x));
    return dispatch_float(x, "x", [&](auto zero) { return nonzeros_of<decltype(zero)>(x, most); });
}

}  // namespace

SparseRows::SparseRows(const py::array& data, const py::array& indices, const py::array& indptr, Index columns)
    : data_(flat(data, "data")), indices_(flat(indices, "indices")) {
    require_dimensions(indptr, "indptr", 1);
    if (!has_dtype<std::int64_t>(indptr))
        throw py::type_error("indptr must be int64, got a " + describe(indptr));
    if (indptr.size() < 1)
        throw py::value_error("indptr must have one value more than there are rows, got none");
    starts_ = copy_of(indptr);
    rows_.dtype = dtype_of(data_, "data");
    rows_.wide_indices = has_dtype<std::int64_t>(indices_);
    if (!rows_.wide_indices && !has_dtype<std::int32_t>(indices_))
        throw py::type_error("indices must be int32 or int64, got a " + describe(indices_));
    rows_.data = static_cast<const char*>(data_.data());
    rows_.count = starts_.size() - 1, rows_.columns = columns;
    rows_.column_stride = data_.itemsize();
    rows_.starts = starts_.data();
    rows_.indices = indices_.data();
    check_starts(std::min(data_.size(), indices_.size()));
    check_columns();
}

void SparseRows::check_starts(Index values) const {
    for (Index r = 0, previous = 0; r <= rows_.count; ++r) {
        const Index start = rows_.starts[r];
        if (start < previous || start > values)
            throw py::value_error("indptr must ascend from 0 to at most " + std::to_string(values) +
                                  ", the number of values; got " + std::to_string(start) + " at position " +
                                  std::to_string(r));
        previous = start;
    }
}

void SparseRows::check_columns() {
    Index wrong = 0, row = -1;
    visit_rows(rows_, [&](Index r, Range values) {
        for (Index p = values.begin, previous = -1; p < values.end; ++p) {
            const Index column = rows_.column(p);
            if (column < 0 || column >= rows_.columns) {
                wrong = column, row = r;
                return false;
            }
            canonical_ = canonical_ && column > previous;
            previous = column;
        }
        return true;
    });
    if (row >= 0)
        throw py::value_error("indices must be in 0.." + std::to_string(rows_.columns - 1) + ", got " +
                              std::to_string(wrong) + " in row " + std::to_string(row));
}

Index SparseRows::first_nonfinite_row(bool as_float32) const {
    if (rows_.dtype != DType::float32 && rows_.dtype != DType::float64)
        return -1;
    const bool wide = rows_.dtype == DType::float64 && !as_float32;
    return wide ? first_nonfinite<double>(rows_) : first_nonfinite<float>(rows_);
}

SparseRows SparseRows::slice(const py::slice& slice) const {
    py::ssize_t start = 0, stop = 0, step = 0, length = 0;
    if (!slice.compute(rows_.count, &start, &stop, &step, &length))
        throw py::error_already_set();
    if (step != 1)
        throw py::value_error("rows can be sliced with step 1, got " + std::to_string(step));
    SparseRows part = *this;
    part.rows_.starts += start, part.rows_.count = length;
    return part;
}

void register_sparse_rows(py::module_& module) {
    py::class_<SparseRows>(module, "SparseRows")
        .def(py::init<const py::array&, const py::array&, const py::array&, Index>(), py::arg("data"),
             py::arg("indices"), py::arg("indptr"), py::arg("columns"))
        .def("__len__", [](const SparseRows& self) { return self.rows().count; })
        .def("__getitem__", &SparseRows::slice, py::arg("rows"))
        .def_property_readonly(
            "shape", [](const SparseRows& self) { return py::make_tuple(self.rows().count, self.rows().columns); })
        .def_property_readonly("canonical", &SparseRows::canonical)
        .def_property_readonly("arrays", &SparseRows::arrays)
        .def("first_nonfinite_row", &SparseRows::first_nonfinite_row, py::arg("as_float32"));
    module.def("nonzeros", &nonzeros, py::arg("x"), py::arg("most"));
}

}  // namespace fastnet
