// Threads. Work runs in a team: every member executes the same function with its own rank, as in MPI, takes its
// share of each loop and meets the others at barriers. One team can live for a whole epoch, so that a training
// step costs a few barriers and no start of a thread.
#pragma once

#include "panels.h"
#include <atomic>

namespace fastnet {

struct Range {
    index begin, end;
    index size() const { return end - begin; }
};

// The share of `rank` when n items go to `size` members in runs of whole multiples of `grain`.
inline Range share(index n, index grain, int rank, int size) {
    const index grains = (n + grain - 1) / grain;
    const index begin = grains * rank / size * grain, end = grains * (rank + 1) / size * grain;
    return {begin < n ? begin : n, end < n ? end : n};
}

// What the members of a team share. The barrier spins for a moment and then sleeps in the kernel, so that a
// member that was descheduled, or a neighbour that keeps the core busy, does not make the others burn time.
class TeamState {
  public:
    explicit TeamState(int size) : size_(size) {}
    void barrier();
    int size() const { return size_; }

  private:
    const int size_;
    std::atomic<int> arrived_{0};
    std::atomic<unsigned> phase_{0};
};

class Team {
  public:
    Team(int rank, int size, TeamState* state) : rank_(rank), size_(size), state_(state) {}
    static Team solo() { return {0, 1, nullptr}; }

    int rank() const { return rank_; }
    int size() const { return size_; }
    bool leads() const { return rank_ == 0; }
    void barrier() {
        if (size_ > 1)
            state_->barrier();
    }
    Range share(index n, index grain = 1) const { return fastnet::share(n, grain, rank_, size_); }

  private:
    int rank_, size_;
    TeamState* state_;
};

// The number of threads that work may use: set_num_threads, else OMP_NUM_THREADS, and never more than
// the processors this process may run on (affinity, cgroup quota) unless set_num_threads asks for more.
int get_num_threads();
void set_num_threads(int n);
// What decided: "set_num_threads", "OMP_NUM_THREADS", "cgroup quota" or "affinity".
const char* num_threads_source();

// A team that is worth starting for so many floating-point operations.
int threads_for(double operations);

namespace detail {
using TeamFunction = void (*)(void* context, Team& team);
void run_team(int threads, TeamFunction function, void* context);
}  // namespace detail

// Runs body(team) on `threads` threads, the caller being rank 0. body must not throw.
template <class Body> void run_team(int threads, Body&& body) {
    detail::run_team(threads, [](void* context, Team& team) { (*static_cast<Body*>(context))(team); }, &body);
}

}  // namespace fastnet
