// The description of an activation.
#pragma once

#include <cstdint>
#include <string>

#include "core/panels.h"

namespace fastnet {

// An activation with its parameter.
struct ActivationSpec {
    std::string activation = "linear";
    double alpha = 0;

    template <class Read> void keys(Read read) {
        read("activation", activation);
        read("alpha", alpha);
    }
};

}  // namespace fastnet
