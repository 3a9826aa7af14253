// The choice of the instruction set.
#pragma once

#include <string>
#include <vector>

#include "core/kernels/kernels.h"

namespace fastnet {

// The compiled instruction sets that this machine can run, baseline first.
std::vector<const InstructionSet*> available_instruction_sets();

// The one in use: the last of the available ones, or the one named by the environment variable FASTNET_ISA. Throws
// std::invalid_argument if that is not available.
const InstructionSet& instruction_set();

// The kernels for products of bfloat16 and of 8-bit integers: of those in the current instruction set, the ones that
// are fast on this processor. All give the same bits. The first call requests the tiles of AMX if the set uses them.
const GemmKernels<float>& kernels_of_bfloat16();
const Int8Kernels& kernels_of_int8();

// For `show_config`, without requesting anything: whether bfloat16 is multiplied natively, and the state of AMX:
// "absent", "unused" by the instruction set, "used", or "refused" by the system.
bool multiplies_bfloat16();
const char* use_of_amx();

}  // namespace fastnet
