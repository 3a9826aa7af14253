// Threads. Work runs in a team: every member executes the same function with its own rank, as in MPI, takes its
// share of each loop and meets the others at barriers. One team lives for many training steps, so that a step costs a
// few barriers and no start of a thread.
#pragma once

#include "panels.h"
#include "thread_count.h"

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

class TeamState;

class Team {
  public:
    Team(int rank, int size, TeamState* state) : rank_(rank), size_(size), state_(state) {}
    static Team solo() { return {0, 1, nullptr}; }

    int rank() const { return rank_; }
    int size() const { return size_; }
    bool leads() const { return rank_ == 0; }
    void barrier() {
        if (size_ > 1)
            meet();
    }
    Range share(index n, index grain = 1) const { return fastnet::share(n, grain, rank_, size_); }

  private:
    void meet();
    int rank_, size_;
    TeamState* state_;
};

namespace detail {
using TeamFunction = void (*)(void* context, Team& team);
void run_team(int threads, TeamFunction function, void* context);
}  // namespace detail

// Whether the teams below are smaller where a larger one does not pay. Tests of many threads say no.
void rest_teams(bool may_rest);

// Runs body(team) on at most `threads` threads, the caller being rank 0. There are fewer where others need the
// processors: while another thread of this process leads a team, while other programs keep processors so busy that a
// team does not pay, and inside of a team. body must not throw, fork or call anything that might.
template <class Body> void run_team(int threads, Body&& body) {
    detail::run_team(threads, [](void* context, Team& team) { (*static_cast<Body*>(context))(team); }, &body);
}

}  // namespace fastnet
