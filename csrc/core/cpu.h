// Which instruction set runs.
#pragma once

#include <string>
#include <vector>

#include "kernels.h"

namespace fastnet {

// Those compiled in that this machine can run, baseline first.
std::vector<const InstructionSet*> available_instruction_sets();

// The one in use: the last of the available ones, or the one that the environment variable FASTNET_ISA names.
// Throws std::invalid_argument if that is not available.
const InstructionSet& instruction_set();

}  // namespace fastnet
