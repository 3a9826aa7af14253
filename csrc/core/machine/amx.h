// AMX's tiles: whether they are there, and the permission that Linux wants to be asked for.
#pragma once

namespace fastnet {

// Whether the processor multiplies tiles of bfloat16 and of 8-bit integers, and the system would allow it. Asks for
// nothing.
bool has_amx();

// Asks for the tiles, the first time, for the whole process: they make what the system keeps for a thread 8 KiB larger,
// so a process that has no use for them should not. False if they are refused, which happens where a thread has a
// signal stack that is too small for that.
bool request_amx();

// Whether they were asked for and refused.
bool amx_is_refused();

}  // namespace fastnet
