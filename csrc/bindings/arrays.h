// NumPy arrays as the core reads them: checks of shape, dtype and strides.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <optional>
#include <string>
#include <utility>

#include "core/data/samples.h"
#include "core/kernels/kernels.h"
#include "gil.h"

namespace fastnet {

void register_callbacks(py::module_& module);
void register_checksum(py::module_& module);
void register_config(py::module_& module);
void register_functional(py::module_& module);
void register_lock(py::module_& module);
void register_network(py::module_& module);
void register_repack(py::module_& module);

// About 10 us: work this brief keeps the GIL.
inline constexpr double brief_operations = 1e6;

inline std::string describe(const py::array& array) {
    return py::str(array.dtype()).cast<std::string>() + " array of shape " +
           py::str(array.attr("shape")).cast<std::string>();
}

inline void require_dimensions(const py::array& array, const char* name, py::ssize_t dimensions) {
    if (array.ndim() != dimensions)
        throw py::value_error(std::string(name) + " must have " + std::to_string(dimensions) + " dimensions, got a " +
                              describe(array));
}

inline void require_positive(Index value, const char* name) {
    if (value < 1)
        throw py::value_error(std::string(name) + " must be at least 1, got " + std::to_string(value));
}

// Mostly answered without calling Python, which would take longer than a small product.
template <class T> bool has_dtype(const py::array& array) {
    const py::dtype dtype = array.dtype();
    const bool native = dtype.byteorder() == '=' || dtype.byteorder() == '|';
    return (native && dtype.num() == py::dtype::num_of<T>()) || dtype.equal(py::dtype::of<T>());
}

// A copy in C order.
inline py::array copy_of(const py::array& array) {
    return checked_object([&] { return py::detail::npy_api::get().PyArray_NewCopy_(array.ptr(), 0); });
}

// The contents of an object as an array of T in C order; the same array if it already is one.
template <class T> py::array_t<T, py::array::c_style> converted(const py::object& object) {
    constexpr int plain = py::detail::npy_api::NPY_ARRAY_ENSUREARRAY_;
    constexpr int flags = plain | py::array::c_style | py::array::forcecast;
    PyObject* const dtype = py::dtype::of<T>().release().ptr();  // which the call takes over
    return checked_object(
        [&] { return py::detail::npy_api::get().PyArray_FromAny_(object.ptr(), dtype, 0, 0, flags, nullptr); });
}

// A view of the same memory if it can be read as T* with strides in elements, and a contiguous copy otherwise.
template <class T> py::array readable(const py::array& array, const char* name) {
    if (!has_dtype<T>(array))
        throw py::type_error(std::string(name) + " must be " + py::str(py::dtype::of<T>()).cast<std::string>() +
                             ", got a " + describe(array));
    bool whole = (array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_) != 0;
    for (py::ssize_t i = 0; i < array.ndim(); ++i)
        whole = whole && array.strides(i) % static_cast<py::ssize_t>(sizeof(T)) == 0;
    return whole ? array : copy_of(array);
}

// Whether two arrays overlap in the memory between their lowest and highest elements. This is the answer of
// numpy.may_share_memory, whose call from Python takes 0.25 us, a third of the time of a small product.
inline bool may_share_memory(const py::array& x, const py::array& y) {
    const auto extent = [](const py::array& array) {
        const char* low = static_cast<const char*>(array.data());
        const char* high = low + (array.size() > 0 ? array.itemsize() : 0);
        for (py::ssize_t i = 0; i < array.ndim() && array.size() > 0; ++i)
            (array.strides(i) < 0 ? low : high) += (array.shape(i) - 1) * array.strides(i);
        return std::pair{low, high};
    };
    const auto [x_low, x_high] = extent(x);
    const auto [y_low, y_high] = extent(y);
    return x_low < y_high && y_low < x_high;
}

// Calls f with a value of the array's element type, float or double.
template <class F> auto dispatch_float(const py::array& array, const char* name, F f) {
    if (has_dtype<float>(array))
        return f(float());
    if (has_dtype<double>(array))
        return f(double());
    throw py::type_error(std::string(name) + " must be float32 or float64, got a " + describe(array));
}

// The element type if the core can read it in place, or none.
inline std::optional<DType> readable_dtype(const py::array& array) {
    if (has_dtype<float>(array))
        return DType::float32;
    if (has_dtype<double>(array))
        return DType::float64;
    const py::dtype dtype = array.dtype();
    const bool native = dtype.byteorder() == '=' || dtype.byteorder() == '|', is_signed = dtype.kind() == 'i';
    if (native && (is_signed || dtype.kind() == 'u'))
        switch (dtype.itemsize()) {
        case 1:
            return is_signed ? DType::int8 : DType::uint8;
        case 2:
            return is_signed ? DType::int16 : DType::uint16;
        case 4:
            return is_signed ? DType::int32 : DType::uint32;
        case 8:
            return is_signed ? DType::int64 : DType::uint64;
        }
    return {};
}

inline DType dtype_of(const py::array& array, const char* name) {
    if (const std::optional<DType> dtype = readable_dtype(array))
        return *dtype;
    throw py::type_error(std::string(name) + " must hold float32, float64 or integers in the machine's byte order, " +
                         "got a " + describe(array));
}

// The rows of an array of two dimensions.
inline Rows rows_of(const py::array& array, DType dtype) {
    Rows rows;
    rows.dtype = dtype;
    rows.data = static_cast<const char*>(array.data());
    rows.count = array.shape(0), rows.columns = array.shape(1);
    rows.row_stride = array.strides(0), rows.column_stride = array.strides(1);
    return rows;
}

inline Rows rows_of(const py::array& array, const char* name) {
    require_dimensions(array, name, 2);
    return rows_of(array, dtype_of(array, name));
}

}  // namespace fastnet
