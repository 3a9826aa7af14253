// Items of dicts from Python.
#pragma once

#include <pybind11/stl.h>

#include <string>

#include "arrays.h"

namespace fastnet {

template <class Value> Value item_or(const py::dict& dict, const char* key, Value otherwise) {
    if (!dict.contains(key))
        return otherwise;
    try {
        return dict[key].cast<Value>();
    } catch (const py::cast_error&) {
        throw py::type_error("'" + std::string(key) + "' cannot be " + py::repr(dict[key]).cast<std::string>());
    }
}

}  // namespace fastnet
