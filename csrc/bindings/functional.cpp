// Matrix multiplication, activations and losses on NumPy arrays.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <vector>

#include "callbacks.h"
#include "core/layers/layers.h"
#include "core/products/gemm.h"

namespace fastnet {
namespace {

template <class Entry> py::list names_of(const Entry* list) {
    py::list names;
    for (; list->name; ++list)
        names.append(list->name);
    return names;
}

// The array for the product. Rows of C must be contiguous and must not overlap; any other layout goes through a copy.
template <class T> py::array result_for(const py::array& out, Index m, Index n) {
    require_dimensions(out, "out", 2);
    if (!has_dtype<T>(out) || out.shape(0) != m || out.shape(1) != n || !out.writeable())
        throw py::value_error("out must be a writeable " + describe(py::array_t<T>({m, n})) + ", got a " +
                              (out.writeable() ? "" : "read-only ") + describe(out));
    const bool aligned = (out.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
    const Index size = static_cast<Index>(sizeof(T)), row = out.strides(0);
    const bool direct = aligned && out.strides(1) == size && row % size == 0 && (row >= n * size || -row >= n * size);
    return direct ? out : copy_of(out);
}

template <class T>
py::array gemm_of(const py::array& a_in, const py::array& b_in, bool transpose_a, bool transpose_b, double alpha,
                  double beta, const std::optional<py::array>& out, bool bfloat16) {
    if (bfloat16 && sizeof(T) != sizeof(float))
        throw py::type_error("a must be float32 to be multiplied in bfloat16, got a " + describe(a_in));
    py::array a = readable<T>(a_in, "a"), b = readable<T>(b_in, "b");
    // Along an axis of length one, a stride has no meaning and may be so large that a pointer would overflow.
    const auto step = [](const py::array& x, int axis) {
        const Index in_rows = axis == 1 ? 1 : x.shape(1);
        return x.shape(axis) > 1 ? x.strides(axis) / static_cast<Index>(sizeof(T)) : in_rows;
    };
    const int a_rows = transpose_a ? 1 : 0, b_rows = transpose_b ? 1 : 0;
    const Index m = a.shape(a_rows), k = a.shape(1 - a_rows), n = b.shape(1 - b_rows);
    if (b.shape(b_rows) != k)
        throw py::value_error("a and b do not fit: op(a) has " + std::to_string(k) + " columns, op(b) has " +
                              std::to_string(b.shape(b_rows)) + " rows");
    py::array result = out ? result_for<T>(*out, m, n) : py::array_t<T>({m, n});
    for (py::array* factor : {&a, &b})
        if (out && may_share_memory(result, *factor))  // the core writes while it reads
            *factor = copy_of(*factor);
    Gemm<T> product{m,
                    n,
                    k,
                    static_cast<const T*>(a.data()),
                    step(a, a_rows),
                    step(a, 1 - a_rows),
                    static_cast<const T*>(b.data()),
                    step(b, b_rows),
                    step(b, 1 - b_rows),
                    static_cast<T*>(result.mutable_data()),
                    result.strides(0) / static_cast<Index>(sizeof(T))};
    product.alpha = static_cast<T>(alpha), product.beta = static_cast<T>(out ? beta : 0);
    product.precision = bfloat16 ? Precision::bfloat16 : Precision::full;
    interruptibly(product.operations(), [&](Interruption* interruption) { gemm(product, interruption); });
    if (!out || result.is(*out))
        return result;
    const py::ellipsis all;
    if (surviving([&] { return PyObject_SetItem(out->ptr(), all.ptr(), result.ptr()); }) != 0)
        throw py::error_already_set();
    return *out;
}

py::array gemm_array(const py::array& a, const py::array& b, bool transpose_a, bool transpose_b, double alpha,
                     double beta, const std::optional<py::array>& out, bool bfloat16) {
    require_dimensions(a, "a", 2);
    require_dimensions(b, "b", 2);
    return dispatch_float(a, "a", [&](auto zero) {
        return gemm_of<decltype(zero)>(a, b, transpose_a, transpose_b, alpha, beta, out, bfloat16);
    });
}

// Applies an activation's forward or backward function to a C-contiguous array. The threads share its rows or elements.
template <class T>
void apply(typename Epilogue<T>::Function function, bool rowwise, Index rows, Index columns, T* c,
           Epilogue<T> epilogue) {
    if (!rowwise)
        columns *= rows, rows = 1;
    if (rows == 0 || columns == 0)
        return;
    constexpr double operations_per_element = 30;
    const double operations_per_row = operations_per_element * static_cast<double>(columns);
    const auto in_rows = [&](Range r) {
        function(r.size(), columns, c + r.begin * columns, columns, epilogue.at(r.begin, 0));
    };
    const auto in_elements = [&](Range e) { function(1, e.size(), c + e.begin, columns, epilogue.at(0, e.begin)); };
    const auto share = [&](Team& team) {
        if (rowwise)
            in_pieces(team, team.share(rows), operations_per_row, in_rows);
        else
            in_pieces(team, team.share(columns, 64), operations_per_element, in_elements, 64);
    };
    const double operations = operations_per_row * static_cast<double>(rows);
    interruptibly(operations,
                  [&](Interruption* interruption) { run_team(threads_for(operations), share, interruption); });
}

template <class T> py::array_t<T> contiguous_copy(const py::array& x) { return py::array_t<T>(copy_of(x)); }

// The last axis is the row of a rowwise activation; a 0-dimensional array counts as one element.
py::array activation(const std::string& name, const py::array& x, double alpha) {
    return dispatch_float(x, "x", [&](auto zero) -> py::array {
        using T = decltype(zero);
        const auto& kernel = find_kernel(kernels<T>().activations, name, "activation");
        py::array_t<T> out = contiguous_copy<T>(x);
        const Index columns = x.ndim() ? x.shape(x.ndim() - 1) : 1;
        Epilogue<T> epilogue;
        epilogue.alpha = static_cast<T>(alpha);
        apply<T>(kernel.forward, kernel.rowwise, columns ? out.size() / columns : 0, columns, out.mutable_data(),
                 epilogue);
        return out;
    });
}

// `kept` is the activation's output or, if it keeps its slope, its input.
py::array activation_backward(const std::string& name, const py::array& grad_output, const py::array& kept,
                              double alpha) {
    return dispatch_float(kept, "kept", [&](auto zero) -> py::array {
        using T = decltype(zero);
        const auto& kernel = find_kernel(kernels<T>().activations, name, "activation");
        if (!has_dtype<T>(grad_output) || !grad_output.attr("shape").equal(kept.attr("shape")))
            throw py::value_error("grad_output must be a " + describe(kept) + ", got a " + describe(grad_output));
        py::array_t<T> gradient = contiguous_copy<T>(grad_output);
        py::array_t<T> y = contiguous_copy<T>(kept);
        const Index columns = y.ndim() ? y.shape(y.ndim() - 1) : 1;
        const Index rows = columns ? y.size() / columns : 0;
        Epilogue<T> epilogue{nullptr, nullptr, y.mutable_data(), columns, static_cast<T>(alpha)};
        if (kernel.keeps_slope) {  // forward writes the slope over a copy of the input
            py::array_t<T> output = contiguous_copy<T>(kept);
            apply<T>(kernel.forward, kernel.rowwise, rows, columns, output.mutable_data(), epilogue);
        }
        apply<T>(kernel.backward, kernel.rowwise, rows, columns, gradient.mutable_data(), epilogue);
        return gradient;
    });
}

using LossParameters = std::array<double, max_loss_parameters>;

// The loss of every row and, with `gradient`, d(mean loss)/d(y_pred).
template <class T>
py::array_t<double> row_losses(const std::string& name, const py::array& y_true, const py::array& y_pred,
                               const LossParameters& parameters, bool from_logits, py::array_t<T>* gradient) {
    const auto& kernel = find_kernel(kernels<T>().losses, name, "loss");
    if (from_logits && !kernel.fused)
        throw py::value_error("the loss '" + name + "' takes no logits");
    require_dimensions(y_pred, "y_pred", 2);
    if (!has_dtype<T>(y_true) || !y_true.attr("shape").equal(y_pred.attr("shape")))
        throw py::value_error("y_true must be a " + describe(y_pred) + " as y_pred is, got a " + describe(y_true));
    if (y_pred.size() == 0)
        throw py::value_error("y_pred must not be empty, got a " + describe(y_pred));
    const Index rows = y_pred.shape(0), columns = y_pred.shape(1);
    py::array_t<T> y = contiguous_copy<T>(y_pred);
    const py::array_t<T> target = contiguous_copy<T>(y_true);
    py::array_t<double> losses(rows);
    if (gradient)
        *gradient = py::array_t<T>({rows, columns});
    T *const out = y.mutable_data(), *const slopes = gradient ? gradient->mutable_data() : nullptr;
    const auto in_rows = [&, target = target.data(), of_rows = losses.mutable_data()](Range r) {
        const Index first = r.begin * columns;
        (from_logits ? kernel.fused : kernel.plain)(
            {r.size(), columns, out + first, target + first, nullptr, static_cast<T>(1.0 / static_cast<double>(rows)),
             slopes ? slopes + first : nullptr, of_rows + r.begin, parameters.data()});
    };
    const double operations_per_row = 30.0 * static_cast<double>(columns);
    interruptibly(operations_per_row * static_cast<double>(rows), [&](Interruption* interruption) {
        run_team(1, [&](Team& team) { in_pieces(team, {0, rows}, operations_per_row, in_rows); }, interruption);
    });
    return losses;
}

py::array loss(const std::string& name, const py::array& y_true, const py::array& y_pred,
               const LossParameters& parameters, bool from_logits) {
    return dispatch_float(y_pred, "y_pred", [&](auto zero) -> py::array {
        return row_losses<decltype(zero)>(name, y_true, y_pred, parameters, from_logits, nullptr);
    });
}

py::array loss_backward(const std::string& name, const py::array& y_true, const py::array& y_pred,
                        const LossParameters& parameters, bool from_logits) {
    return dispatch_float(y_pred, "y_pred", [&](auto zero) -> py::array {
        py::array_t<decltype(zero)> gradient;
        row_losses<decltype(zero)>(name, y_true, y_pred, parameters, from_logits, &gradient);
        return gradient;
    });
}

// The first row of a range for whose values fails(row) is true; the end of the range if there is none.
template <class T, class Fails>
Index first_that_fails(const Team& team, const Rows& rows, Range range, T* scratch, Fails fails) {
    Index found = range.end;
    in_pieces(team, range, operations_per_move * static_cast<double>(rows.columns), [&](Range piece) {
        for (Index i = piece.begin; i < piece.end && found == range.end; ++i) {
            rows.gather_row(i, range.end, nullptr, {0, rows.columns}, scratch);
            if (fails(scratch))
                found = i;
        }
    });
    return found;
}

// The first row of a range with a value that is not finite as a T; the end of the range if all are.
template <class T> Index first_nonfinite(const Team& team, const Rows& rows, Range range, T* scratch) {
    return first_that_fails(team, rows, range, scratch,
                            [&](const T* row) { return !kernels<T>().all_finite(rows.columns, row); });
}

// The first row with a value that is not finite as a T; -1 if all are. Short contiguous rows are checked many at a
// time.
template <class T> Index first_nonfinite(const Rows& rows) {
    constexpr double operations_per_value = 8;  // the time to load a value from memory
    constexpr Index values_at_a_time = 1024;
    const bool contiguous = rows.row_stride == rows.columns * rows.column_stride;
    const Index together = contiguous ? std::max<Index>(1, values_at_a_time / std::max<Index>(1, rows.columns)) : 1;
    Rows blocks = rows;
    blocks.count = rows.count / together, blocks.columns *= together, blocks.row_stride *= together;

    const int threads =
        threads_for(operations_per_value * static_cast<double>(rows.count) * static_cast<double>(rows.columns));
    Buffer<T> scratch(threads * blocks.columns);
    std::vector<Index> first(static_cast<std::size_t>(threads), blocks.count);
    const auto share = [&](Team& team) {
        const Range mine = team.share(blocks.count);
        const Index found = first_nonfinite(team, blocks, mine, scratch.data() + team.rank() * blocks.columns);
        if (found < mine.end)
            first[static_cast<std::size_t>(team.rank())] = found;
    };
    interruptibly([&](Interruption* interruption) { run_team(threads, share, interruption); });
    const Index block = *std::min_element(first.begin(), first.end());
    const Index found = first_nonfinite(Team::solo(), rows, {block * together, rows.count}, scratch.data());
    return found < rows.count ? found : -1;
}

py::ssize_t first_nonfinite_row(const py::array& x, bool as_float32) {
    if (x.ndim() != 1 && x.ndim() != 2)
        throw py::value_error("x must have 1 or 2 dimensions, got a " + describe(x));
    return dispatch_float(x, "x", [&](auto zero) -> py::ssize_t {
        using T = decltype(zero);
        Rows rows;
        rows.data = static_cast<const char*>(x.data());
        rows.dtype = sizeof(T) == 4 ? DType::float32 : DType::float64;
        rows.count = x.shape(0), rows.columns = x.ndim() == 2 ? x.shape(1) : 1;
        rows.row_stride = x.strides(0), rows.column_stride = x.ndim() == 2 ? x.strides(1) : x.itemsize();
        return as_float32 ? first_nonfinite<float>(rows) : first_nonfinite<T>(rows);
    });
}

// The first row with a value outside of [lowest, highest], NaN included; -1 if there is none. With `ends`, values
// strictly between the two are outside as well. With a `tolerance` of at least 0, a row whose sum differs from 1 by
// more is outside too.
py::ssize_t first_row_outside(const py::array& y, double lowest, double highest, bool ends, double tolerance) {
    const Rows rows = rows_of(y, "y");
    const auto is_outside = [&](const double* row) {
        double sum = 0.0;
        bool inside = true;
        for (Index j = 0; j < rows.columns; ++j) {
            const double value = row[j];
            inside = inside && (ends ? value == lowest || value == highest : value >= lowest && value <= highest);
            sum += value;
        }
        return !inside || (tolerance >= 0.0 && !(std::abs(sum - 1.0) <= tolerance));
    };
    Buffer<double> row(rows.columns);
    Index found = rows.count;
    const auto all = [&](Team& team) { found = first_that_fails(team, rows, {0, rows.count}, row.data(), is_outside); };
    interruptibly([&](Interruption* interruption) { run_team(1, all, interruption); });
    return found < rows.count ? found : -1;
}

}  // namespace

void register_functional(py::module_& module) {
    module.def("gemm", &gemm_array, py::arg("a"), py::arg("b"), py::arg("transpose_a"), py::arg("transpose_b"),
               py::arg("alpha"), py::arg("beta"), py::arg("out").none(true), py::arg("bfloat16") = false);
    module.def("activation_names", [] { return names_of(kernels<float>().activations); });
    module.def("activation", &activation, py::arg("name"), py::arg("x"), py::arg("alpha"));
    module.def("activation_backward", &activation_backward, py::arg("name"), py::arg("grad_output"), py::arg("kept"),
               py::arg("alpha"));
    module.def("loss_names", [] { return names_of(kernels<float>().losses); });
    module.def("loss", &loss, py::arg("name"), py::arg("y_true"), py::arg("y_pred"),
               py::arg("parameters") = LossParameters{}, py::arg("from_logits") = false);
    module.def("loss_backward", &loss_backward, py::arg("name"), py::arg("y_true"), py::arg("y_pred"),
               py::arg("parameters") = LossParameters{}, py::arg("from_logits") = false);
    module.def("optimizer_names", [] { return names_of(kernels<float>().optimizers); });
    module.def("first_nonfinite_row", &first_nonfinite_row, py::arg("x"), py::arg("as_float32"));
    module.def("first_row_outside", &first_row_outside, py::arg("y"), py::arg("lowest"), py::arg("highest"),
               py::arg("ends") = false, py::arg("tolerance") = -1.0);
}

}  // namespace fastnet
