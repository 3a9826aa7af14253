// Quantized layers as Python sees them.
#pragma once

#include <memory>

#include "arrays.h"
#include "core/layers/specs.h"

namespace fastnet {

class QuantizedDense;

// What "kernel", "kernel_scale", "input_scale" and "zero_point" of a quantized_dense layer's description say.
std::shared_ptr<const QuantizedKernel> quantized_kernel(const py::dict& dict);

// The kernel of a quantized layer, int8 of shape (inputs, units), a copy.
py::array quantized_kernel(const QuantizedDense& layer);

}  // namespace fastnet
