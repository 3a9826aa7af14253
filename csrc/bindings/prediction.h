// Predictions: `predict`, and `predict_rows` for arrays, which skips the checks for other kinds of x. There a small
// network answers in less time than pybind11 takes to sort arguments.
#pragma once

#include <exception>
#include <new>

#include "checked_samples.h"
#include "locked_network.h"

namespace fastnet {

// The outputs for checked samples, at most batch_size at a time.
template <class T> py::object outputs_for(LockedNetwork<T>& self, const Samples& samples, Index batch_size) {
    const auto& numpy = py::detail::npy_api::get();
    const py::ssize_t shape[] = {samples.count, self.shape().output_size()};
    const py::object result = checked_object([&] {
        PyObject* const dtype = py::dtype::of<T>().release().ptr();  // which the call takes over
        return numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, dtype, 2, shape, nullptr, nullptr, 0, nullptr);
    });
    T* const out = reinterpret_cast<T*>(py::detail::array_proxy(result.ptr())->data);
    const double operations = self.shape().operations_of_dense_row() * static_cast<double>(samples.count);
    if (samples.count > 0)
        self.with([&](Network<T>& network) { network.predict(samples, batch_size, out); },
                  operations < brief_operations);
    return result;
}

// predict_rows(x, batch_size), as CPython calls it.
template <class T> PyObject* predict_rows(PyObject* self, PyObject* const* arguments, Py_ssize_t count) noexcept {
    try {
        if (count != 2)
            throw py::type_error("predict_rows takes x and batch_size, got " + std::to_string(count) + " arguments");
        auto& network = py::handle(self).cast<LockedNetwork<T>&>();
        const Index batch_size = PyLong_AsSsize_t(arguments[1]);
        if (PyErr_Occurred())
            throw py::error_already_set();
        require_positive(batch_size, "batch_size");
        PyObject* const x = arguments[0];
        if (Py_TYPE(x) != reinterpret_cast<PyTypeObject*>(py::detail::npy_api::get().PyArray_Type_))
            return py::none().release().ptr();
        const py::array array = py::reinterpret_borrow<py::array>(x);
        const std::optional<DType> dtype = array.ndim() == 2 ? readable_dtype(array) : std::nullopt;
        if (!dtype || array.shape(1) != network.shape().input_size())
            return py::none().release().ptr();
        Samples samples;
        samples.x = rows_of(array, *dtype), samples.count = samples.x.count;
        return outputs_for(network, samples, batch_size).release().ptr();
    } catch (py::error_already_set& error) {
        error.restore();
    } catch (const py::builtin_exception& error) {
        error.set_error();
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    }
    return nullptr;
}

template <class T> void define_prediction(py::class_<LockedNetwork<T>>& network) {
    network.def(
        "predict",
        [](LockedNetwork<T>& self, const py::object& x, Index batch_size) {
            require_positive(batch_size, "batch_size");
            const CheckedSamples checked(self.shape().input_size(), self.shape().output_size(), x, {});
            return outputs_for(self, checked.samples, batch_size);
        },
        py::arg("x"), py::arg("batch_size"));
    static PyMethodDef rows{
        "predict_rows", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&predict_rows<T>)), METH_FASTCALL,
        "predict_rows($self, x, batch_size, /)\n--\n\nWhat predict returns, or None where x is not an array that it "
        "reads as it lies."};
    auto* const type = reinterpret_cast<PyTypeObject*>(network.ptr());
    network.attr("predict_rows") = checked_object([&] { return PyDescr_NewMethod(type, &rows); });
}

}  // namespace fastnet
