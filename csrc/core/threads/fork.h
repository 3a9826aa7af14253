// Forks. A child has one thread, the one that forked, and a copy of the memory at that moment. Locks that other threads
// held stay locked forever. Data that they were changing stays half changed.
#pragma once

#include <cstdint>

namespace fastnet {

// The number of the calling thread. No two threads share one, not even after one has ended, nor across a forked child
// and its parent.
std::uint64_t thread_number();

// Whether a thread belongs to the parent and does not exist in this process.
bool left_behind(std::uint64_t thread);

// The number of forks between this process and the one that loaded the module.
unsigned fork_generation();

// While one exists, a fork waits, so that changes made meanwhile are complete in every child. Held for short work only,
// and never by a thread that waits for Python's GIL, which the forking thread holds.
class NoForks {
  public:
    NoForks();
    ~NoForks();
    NoForks(const NoForks&) = delete;
    NoForks& operator=(const NoForks&) = delete;
};

}  // namespace fastnet
