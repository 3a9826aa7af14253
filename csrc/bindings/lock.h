// One user at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "core/threads/fork.h"

namespace fastnet {

// A mutex for objects that Python calls into. A waiting thread has released the GIL, notices Ctrl-C, and does not wait
// for a thread that is gone. In a forked child the lock is free unless the forking thread has it.
class Lock {
  public:
    // `nested` is the error message when the thread that has the lock wants it again.
    explicit Lock(const char* nested) : nested_(nested) {}
    ~Lock();
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    // Does not wait. Throws std::runtime_error if the thread already has the lock.
    bool try_lock();
    // Called without the GIL, within a WithoutGil.
    void lock();
    void unlock();

  private:
    // The place where threads wait. A forked child makes a new one: the parent's may be in use by threads that do not
    // exist there.
    struct Room {
        const unsigned generation = fork_generation();
        std::mutex mutex;
        std::condition_variable freed;
    };
    bool free() const;
    Room& room();
    void wait_briefly();

    const char* const nested_;
    std::atomic<std::uint64_t> user_{0};  // the number of the thread that has the lock
    std::atomic<Room*> room_{nullptr};
};

}  // namespace fastnet
