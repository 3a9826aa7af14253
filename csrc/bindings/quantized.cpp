#include "quantized.h"

#include <cmath>

#include "core/layers/quantized_kernel.h"

namespace fastnet {

std::shared_ptr<const QuantizedKernel> quantized_kernel(const py::dict& dict) {
    const py::array kernel = readable<std::int8_t>(dict["kernel"].cast<py::array>(), "kernel");
    const py::array scale = readable<float>(dict["kernel_scale"].cast<py::array>(), "kernel_scale");
    require_dimensions(kernel, "kernel", 2);
    require_dimensions(scale, "kernel_scale", 1);
    auto quantized = std::make_shared<QuantizedKernel>();
    quantized->input_scale = dict["input_scale"].cast<float>();
    quantized->zero_point = dict["zero_point"].cast<int>();
    if (!(std::isnormal(quantized->input_scale) && quantized->input_scale > 0 &&
          std::isfinite(1 / quantized->input_scale)))
        throw py::value_error("input_scale must be a positive number with a reciprocal, got " +
                              std::to_string(quantized->input_scale));
    if (quantized->zero_point < 0 || quantized->zero_point > 255)
        throw py::value_error("zero_point must be in 0..255, got " + std::to_string(quantized->zero_point));
    if (kernel.shape(1) != scale.shape(0) || kernel.shape(0) > QuantizedKernel::most_inputs)
        throw py::value_error("kernel must have a column for each of the " + std::to_string(scale.shape(0)) +
                              " scales and at most " + std::to_string(QuantizedKernel::most_inputs) + " rows, got a " +
                              describe(kernel));
    const auto weights = converted<std::int8_t>(kernel);
    const auto scales = converted<float>(scale);
    quantized->kernel.assign(weights.data(), weights.data() + weights.size());
    quantized->scale.assign(scales.data(), scales.data() + scales.size());
    return quantized;
}

py::array quantized_kernel(const Int8Weights& kernel) {
    py::array_t<std::int8_t> result({kernel.inputs(), kernel.units()});
    kernel.unpack(result.mutable_data());
    return result;
}

}  // namespace fastnet
