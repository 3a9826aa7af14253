// Quantized layers as Python sees them.
#pragma once

#include "core/layers/layers.h"
#include "arrays.h"

namespace fastnet {

// Reads "kernel", "kernel_scale", "input_scale" and "zero_point" of a quantized_dense layer into its description.
void read_quantized(const py::dict& dict, LayerSpec& spec);

// The kernel of a quantized layer, int8 of shape (inputs, units), a copy.
py::array quantized_kernel(const QuantizedDense& layer);

}  // namespace fastnet
