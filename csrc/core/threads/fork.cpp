#include "fork.h"

#include <atomic>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace fastnet {
namespace {

std::atomic<std::uint64_t> last_number{0};
// The threads of a forked child are the one that forked and those numbered later.
std::atomic<std::uint64_t> survivor{0}, first_of_process{0};
std::atomic<unsigned> generation{0};

// Changed and read in sequentially consistent order: a fork and a thread that would delay it see each other.
std::atomic<unsigned> holders{0}, forks{0};

void wait_for_zero(const std::atomic<unsigned>& word) {
    for (unsigned value; (value = word.load()) > 0;)
        word.wait(value);
}

// For a holder that is done or waits for a fork.
void give_way() {
    if (holders.fetch_sub(1) == 1 && forks.load() > 0)
        holders.notify_all();
}

[[maybe_unused]] void before_fork() {
    forks.fetch_add(1);
    wait_for_zero(holders);
}

[[maybe_unused]] void after_fork_in_parent() {
    forks.fetch_sub(1);
    forks.notify_all();
}

[[maybe_unused]] void after_fork_in_child() {
    survivor.store(thread_number());
    first_of_process.store(last_number.load() + 1);
    generation.fetch_add(1);
    holders.store(0);
    forks.store(0);
}

[[maybe_unused]] const bool fork_handlers_installed = [] {
#if defined(__unix__) || defined(__APPLE__)
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
#endif
    return true;
}();

}  // namespace

std::uint64_t thread_number() {
    thread_local std::uint64_t number = 0;
    if (number == 0)
        number = last_number.fetch_add(1) + 1;
    return number;
}

bool left_behind(std::uint64_t thread) { return thread < first_of_process.load() && thread != survivor.load(); }

unsigned fork_generation() { return generation.load(); }

NoForks::NoForks() {
    for (holders.fetch_add(1); forks.load() > 0; holders.fetch_add(1)) {
        give_way();
        wait_for_zero(forks);
    }
}

NoForks::~NoForks() { give_way(); }

}  // namespace fastnet
