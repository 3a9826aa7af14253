// Forks. A child has one thread, the one that forked, and a copy of the memory as it was at that moment. What other
// threads held there is held for ever, and what they were changing stays half changed.
#pragma once

#include <cstdint>

namespace fastnet {

// The number of the calling thread. No two threads have the same one, not even when one has ended, and not those of a
// forked child and of its parent.
std::uint64_t thread_number();

// Whether a thread is one of the parent's that this process does not have.
bool left_behind(std::uint64_t thread);

// How many forks there are between this process and the one that loaded the module.
unsigned fork_generation();

// As long as one lives, a fork waits: what changes meanwhile is complete in every child. Held for short work alone, and
// never by a thread that waits for Python's GIL, which the thread that forks holds.
class NoForks {
  public:
    NoForks();
    ~NoForks();
    NoForks(const NoForks&) = delete;
    NoForks& operator=(const NoForks&) = delete;
};

}  // namespace fastnet
