// Which instruction set runs.
#pragma once

#include <string>
#include <vector>

#include "core/kernels/kernels.h"

namespace fastnet {

// Those compiled in that this machine can run, baseline first.
std::vector<const InstructionSet*> available_instruction_sets();

// The one in use: the last of the available ones, or the one that the environment variable FASTNET_ISA names.
// Throws std::invalid_argument if that is not available.
const InstructionSet& instruction_set();

// The kernels for products of bfloat16 and of 8-bit integers: of those that the instruction set in use has, the ones
// that are fast on this processor. All give the same bits. The first call asks for the tiles of AMX where it has them.
const GemmKernels<float>& kernels_of_bfloat16();
const Int8Kernels& kernels_of_int8();

// What `show_config` tells, without asking for anything: whether bfloat16 is multiplied as such, and what becomes of
// AMX: "absent", "unused" by the instruction set, "used", or "refused" by the system.
bool multiplies_bfloat16();
const char* use_of_amx();

}  // namespace fastnet
