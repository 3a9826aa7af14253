// Python's interface to quantized layers.
#pragma once

#include <memory>

#include "arrays.h"
#include "core/layers/specs.h"

namespace fastnet {

class Int8Weights;

// The kernel from "kernel", "kernel_scale", "input_scale" and "zero_point" of a quantized layer's description.
std::shared_ptr<const QuantizedKernel> quantized_kernel(const py::dict& dict);

// A copy of the kernel of a quantized layer, int8 of shape (inputs, units).
py::array quantized_kernel(const Int8Weights& kernel);

}  // namespace fastnet
