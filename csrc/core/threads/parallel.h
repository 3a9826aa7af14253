// Threads. Work runs in a team. Every member executes the same function with its own rank, as in MPI, takes its share
// of each loop and meets the others at barriers. One team lives for many training steps, so that a step costs a few
// barriers and no thread start.
#pragma once

#include "core/interruption.h"
#include "core/panels.h"
#include "thread_count.h"

namespace fastnet {

struct Range {
    Index begin, end;
    Index size() const { return end - begin; }
};

// The share of `rank` when n items are split among `size` members in multiples of `grain`.
inline Range share(Index n, Index grain, int rank, int size) {
    const Index grains = (n + grain - 1) / grain;
    const Index begin = grains * rank / size * grain, end = grains * (rank + 1) / size * grain;
    return {begin < n ? begin : n, end < n ? end : n};
}

// Sums over the rows of a batch that do not depend on the number of threads: the rows are cut into this many parts,
// each is added up by one thread, and then the sums of the parts in order.
inline constexpr Index parts = 16;
inline Range rows_of_part(Index rows, Index part, Index count = parts) {
    return share(rows, 1, static_cast<int>(part), static_cast<int>(count));
}

class TeamState;

class Team {
  public:
    Team(int rank, int size, TeamState* state, Interruption* interruption)
        : rank_(rank), size_(size), asks_(rank == 0), state_(state), interruption_(interruption) {}
    static Team solo() { return {0, 1, nullptr, nullptr}; }
    // This member as a team of its own, for work that it does alone.
    Team alone() const {
        Team team(0, 1, nullptr, interruption_);
        team.asks_ = asks_;
        return team;
    }

    int rank() const { return rank_; }
    int size() const { return size_; }
    bool leads() const { return rank_ == 0; }
    void barrier() {
        if (size_ > 1)
            meet();
    }
    Range share(Index n, Index grain = 1) const { return fastnet::share(n, grain, rank_, size_); }

    // Whether this member should do its next piece of work, of this many operations, or the work was broken off.
    // Members may get different answers: they skip work, but never a barrier.
    bool goes_on(double operations) const {
        if (!interruption_)
            return true;
        if (asks_)
            interruption_->work(operations);
        return !interruption_->broken_off();
    }
    // Whether the work was broken off before the last barrier. The answer is the same for all members until the next
    // one.
    bool was_broken_off() const { return interruption_ && (size_ > 1 ? agreed() : interruption_->broken_off()); }
    // Null where the work cannot be broken off.
    Interruption* interruption() const { return interruption_; }

  private:
    void meet();
    bool agreed() const;
    int rank_, size_;
    bool asks_;  // for the whole team
    TeamState* state_;
    Interruption* interruption_;
};

// Cost of loading a value from memory, or of allocating a cache line for it.
inline constexpr double operations_per_move = 10;

// Calls body(piece) for the pieces of a range in order, until the work is broken off. Pieces are multiples of `grain`
// and take milliseconds.
template <class Body>
void in_pieces(const Team& team, Range range, double operations_per_item, Body body, Index grain = 1) {
    constexpr double operations_per_piece = 1e7;
    Index size = range.size();
    if (team.interruption() && operations_per_item * static_cast<double>(size) > operations_per_piece) {
        const Index fitting = static_cast<Index>(operations_per_piece / operations_per_item);
        size = (fitting / grain + 1) * grain;
    }
    for (Index begin = range.begin; begin < range.end; begin += size) {
        const Index end = range.end - begin < size ? range.end : begin + size;
        if (!team.goes_on(operations_per_item * static_cast<double>(end - begin)))
            return;
        body(Range{begin, end});
    }
}

namespace detail {
using TeamFunction = void (*)(void* context, Team& team);
void run_team(int threads, TeamFunction function, void* context, Interruption* interruption);
}  // namespace detail

// Whether the teams below become smaller where a larger one does not pay off. Tests of many threads disable this.
void rest_teams(bool may_rest);
bool teams_may_rest();

// The barriers at which teams of this process have met, modulo 2^32.
unsigned team_barriers();

// Runs body(team) on at most `threads` threads, with the caller as rank 0. There are fewer where others need the
// processors: while another thread of this process leads a team, while other programs keep processors so busy that a
// team does not pay off, and inside of a team. body must not throw or call anything that might. The interruption may
// break it off. If the leader forks meanwhile, the child gets a std::runtime_error, because the other members do not
// exist there.
template <class Body> void run_team(int threads, Body body, Interruption* interruption = nullptr) {
    const auto call = [](void* context, Team& team) { (*static_cast<Body*>(context))(team); };
    detail::run_team(threads, call, &body, interruption);
}

}  // namespace fastnet
