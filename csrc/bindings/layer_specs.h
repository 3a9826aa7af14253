// Layers as Python describes them.
#pragma once

#include <vector>

#include "arrays.h"
#include "core/layers/specs.h"

namespace fastnet {

// Reads dicts of a "type" and of what layers of that type take. Throws for what they do not take.
std::vector<LayerSpec> layer_specs(const std::vector<py::dict>& descriptions);

}  // namespace fastnet
