// Samples from Python, checked and in the form that the core reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "arrays.h"
#include "core/data/samples.h"
#include "sparse_rows.h"

namespace fastnet {

using OptionalArray = std::optional<py::array>;
using Indices = py::array_t<std::int64_t, py::array::c_style>;

inline const std::int64_t* checked_indices(const py::array& array, const char* name, Index limit,
                                           std::optional<Indices>& keep) {
    require_dimensions(array, name, 1);
    if (!has_dtype<std::int64_t>(array))
        throw py::type_error(std::string(name) + " must be int64, got a " + describe(array));
    keep.emplace(copy_of(array));  // checked data must not change during an epoch
    const std::int64_t* const values = keep->data();
    for (py::ssize_t i = 0; i < keep->size(); ++i)
        if (values[i] < 0 || values[i] >= limit)
            throw py::value_error(std::string(name) + " must be in 0.." + std::to_string(limit - 1) + ", got " +
                                  std::to_string(values[i]) + " at position " + std::to_string(i));
    return values;
}

// x is an array or SparseRows, which have checks of their own.
inline Rows features_of(const py::object& x) {
    if (py::isinstance<py::array>(x))
        return rows_of(py::reinterpret_borrow<py::array>(x), "x");
    if (!py::isinstance<SparseRows>(x))
        throw py::type_error("x must be an array or SparseRows, got " + py::repr(py::type::of(x)).cast<std::string>());
    const SparseRows& sparse = x.cast<const SparseRows&>();
    if (!sparse.canonical())
        throw py::value_error("the columns of every row of x must ascend");
    return sparse.rows();
}

inline std::string shape_of(const Rows& rows) {
    return "shape (" + std::to_string(rows.count) + ", " + std::to_string(rows.columns) + ")";
}

// Samples as the core reads them, together with the arrays that own the memory. A missing array is an empty optional,
// because an empty NumPy array would take 0.1 us to make.
struct CheckedSamples {
    Samples samples;
    py::object x;
    OptionalArray y;
    std::optional<Indices> labels, order;
    std::optional<py::array_t<double, py::array::c_style>> weight;

    CheckedSamples(Index input_size, Index output_size, const py::object& x_in, const OptionalArray& y_in,
                   const OptionalArray& order_in = {}, const OptionalArray& weight_in = {})
        : x(x_in) {
        samples.x = features_of(x);
        const Index count = samples.x.count;
        if (samples.x.columns != input_size)
            throw py::value_error("x must have " + std::to_string(input_size) + " columns, got " + shape_of(samples.x));
        samples.count = count;
        if (y_in) {
            y = y_in;
            if (y->ndim() == 1) {
                samples.y.labels = checked_indices(*y, "y", output_size, labels);
            } else {
                samples.y.values = rows_of(*y, "y");
                if (samples.y.values.columns != output_size)
                    throw py::value_error("y must have " + std::to_string(output_size) + " columns, got a " +
                                          describe(*y));
            }
            if (y->shape(0) != count)
                throw py::value_error("x has " + std::to_string(count) + " rows, y has " + std::to_string(y->shape(0)));
            if (count == 0)
                throw py::value_error("x must have at least one row, got " + shape_of(samples.x));
        }
        if (order_in) {
            samples.order = checked_indices(*order_in, "order", count, order);
            samples.count = order->size();
            if (samples.count == 0)
                throw py::value_error("order must have at least one index");
        }
        if (weight_in) {
            if (std::string("fiub").find(weight_in->dtype().kind()) == std::string::npos)
                throw py::type_error("sample_weight must hold real numbers, got a " + describe(*weight_in));
            weight = converted<double>(*weight_in);
            if (weight->ndim() != 1 || weight->size() != count)
                throw py::value_error("sample_weight must have " + std::to_string(count) + " values, got a " +
                                      describe(*weight_in));
            samples.weight = weight->data();
        }
    }
};

}  // namespace fastnet
