// Copies tables of numbers in any layout and byte order into rows that are fast to gather.
#include "core/data/repack.h"

#include <pybind11/stl.h>

#include <stdexcept>
#include <vector>

#include "callbacks.h"

namespace fastnet {
namespace {

// Any real numbers of up to 8 bytes. Booleans are read as bytes.
Table table_of(const py::array& x) {
    const py::dtype dtype = x.dtype();
    const char kind = dtype.kind() == 'b' ? 'u' : dtype.kind();
    const py::ssize_t size = dtype.itemsize();
    Table table;
    table.swapped = dtype.byteorder() == '<' || dtype.byteorder() == '>';  // NumPy writes the machine's own as '='
    table.half = kind == 'f' && size == 2;
    const auto is = [&](char of_kind, py::ssize_t of_size, DType type) {
        if (kind == of_kind && size == of_size)
            table.dtype = type;
        return kind == of_kind && size == of_size;
    };
    const bool known = table.half || is('u', 1, DType::uint8) || is('i', 1, DType::int8) || is('u', 2, DType::uint16) ||
                       is('i', 2, DType::int16) || is('u', 4, DType::uint32) || is('i', 4, DType::int32) ||
                       is('u', 8, DType::uint64) || is('i', 8, DType::int64) || is('f', 4, DType::float32) ||
                       is('f', 8, DType::float64);
    if (!known)
        throw py::type_error("x must hold real numbers of up to 8 bytes, got a " + describe(x));
    table.data = static_cast<const char*>(x.data());
    table.rows = x.shape(0), table.row_stride = x.strides(0);
    return table;
}

py::ssize_t repack_table(const Table& table, const py::array& x, const py::array& out, bool must_be_finite) {
    require_dimensions(out, "out", 2);
    const bool contiguous = (out.flags() & py::array::c_style) != 0;
    if (!contiguous || !out.writeable() || out.shape(0) != table.rows || out.shape(1) != table.columns)
        throw py::value_error("out must be a writeable contiguous array of the shape of x, got a " + describe(out));
    const DType to = dtype_of(out, "out");
    void* const to_data = const_cast<void*>(out.data());
    try {
        return interruptibly(
            [&](Interruption* interruption) { return repack(table, to, to_data, must_be_finite, interruption); });
    } catch (const std::invalid_argument&) {
        throw py::type_error("x must become float32, float64, what it is or, of integers, uint8; got " + describe(x) +
                             " and " + describe(out));
    }
}

void require_apart(const py::array& x, const py::array& out) {
    if (may_share_memory(x, out))
        throw py::value_error("out must not share memory with x");
}

py::ssize_t repack_array(const py::array& x, const py::array& out, bool must_be_finite) {
    require_dimensions(x, "x", 2);
    Table table = table_of(x);
    table.columns = x.shape(1), table.column_stride = x.strides(1);
    require_apart(x, out);
    return repack_table(table, x, out, must_be_finite);
}

py::ssize_t repack_columns(const std::vector<py::array>& columns, const py::array& out, bool must_be_finite) {
    if (columns.empty())
        throw py::value_error("columns must not be empty");
    const py::array& first = columns.front();
    require_dimensions(first, "columns[0]", 1);
    Table table = table_of(first);
    std::vector<const char*> places;
    for (const py::array& column : columns) {
        const bool alike = column.ndim() == 1 && column.dtype().equal(first.dtype()) && column.size() == first.size();
        if (!alike || (column.size() > 1 && column.strides(0) != table.row_stride))
            throw py::value_error("columns must have one dtype, size and stride, got a " + describe(first) + " and a " +
                                  describe(column));
        require_apart(column, out);
        places.push_back(static_cast<const char*>(column.data()));
    }
    table.columns = static_cast<Index>(places.size()), table.each_column = places.data();
    return repack_table(table, first, out, must_be_finite);
}

}  // namespace

void register_repack(py::module_& module) {
    module.def("repack", &repack_array, py::arg("x"), py::arg("out"), py::arg("must_be_finite"));
    module.def("repack_columns", &repack_columns, py::arg("columns"), py::arg("out"), py::arg("must_be_finite"));
}

}  // namespace fastnet
