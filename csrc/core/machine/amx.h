// AMX's tiles: whether they are available, and the permission that Linux requires.
#pragma once

namespace fastnet {

// Whether the processor multiplies tiles of bfloat16 and of 8-bit integers, and the system would allow it. Requests
// nothing.
bool has_amx();

// Requests the tiles for the whole process, on the first call. They enlarge the state that the system keeps for each
// thread by 8 KiB, so a process without a use for them should not request them. Returns false if they are refused,
// which happens where the signal stack of a thread is too small for that.
bool request_amx();

// Whether they were requested and refused.
bool amx_is_refused();

}  // namespace fastnet
