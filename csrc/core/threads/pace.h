// Whether a team or one thread is faster at similar steps. TeamWatch sees when members wait for each other. It does not
// see that they work more slowly together, as they do where each step's parameters move from cache to cache.
#pragma once

#include <algorithm>

#include "parallel.h"

namespace fastnet {

// Segments of steps run in the way that has been faster so far. Now and then one segment runs the other way, between
// two of the usual way. If it is faster than both, the other way becomes the usual one. Trials become rare as they
// fail.
class Pace {
  public:
    // Resets the measurements where the steps differ from those before.
    void begin(Index rows, int threads) {
        if (rows != rows_ || threads != threads_)
            *this = {};
        rows_ = rows, threads_ = threads;
    }

    // The number of threads for the next segment, out of those available.
    int threads(int most) const { return most > 1 && alone() ? 1 : most; }

    // Records the result of a segment. Where a segment has few steps there is no trial: long steps gain from threads,
    // and a trial of them would take long.
    void record(Index steps, Clock::duration elapsed) {
        constexpr Index few = 4;
        constexpr double better = 1.05;
        if (steps == 0 || elapsed <= Clock::duration::zero())
            return;
        const double rate = static_cast<double>(steps) / std::chrono::duration<double>(elapsed).count();
        if (state_ == State::trying) {
            tried_ = rate;
            state_ = State::after;
            return;
        }
        if (state_ == State::after) {
            const bool switches = tried_ > better * std::max(before_, rate);
            usually_alone_ = usually_alone_ != switches;
            pause_ = switches ? shortest : std::min(2 * pause_, longest);
            left_ = pause_;
            state_ = State::usual;
        }
        before_ = rate;
        left_ = std::max(left_ - 1, 0);
        if (left_ == 0 && steps >= few)
            state_ = State::trying;
    }

  private:
    enum class State { usual, trying, after };
    static constexpr int shortest = 4, longest = 512;  // segments between trials: 8 ms to 1 s

    bool alone() const { return usually_alone_ != (state_ == State::trying); }

    Index rows_ = 0;
    int threads_ = 0;
    State state_ = State::usual;
    bool usually_alone_ = false;
    int pause_ = shortest, left_ = shortest;
    double before_ = 0, tried_ = 0;
};

}  // namespace fastnet
