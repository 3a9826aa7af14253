// Descriptions of layers from Python.
#pragma once

#include <vector>

#include "arrays.h"
#include "core/layers/specs.h"

namespace fastnet {

// Reads dicts of a "type" and the settings of layers of that type. Throws for settings that they do not have.
std::vector<LayerSpec> layer_specs(const std::vector<py::dict>& descriptions);

}  // namespace fastnet
