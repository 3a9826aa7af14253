// How work is broken off, by Ctrl-C for example, of which the core knows nothing. The caller passes in a function that
// returns whether the work is to continue. The thread that leads the work calls it every 60 ms, between two pieces of
// its share and while it waits for others.
//
// When work is broken off, all members skip the rest of it and still meet the others at every barrier. Nobody reads
// half-finished results. The member that left them will not, because work that is broken off stays so. The others learn
// of it at the barrier that they must pass before they may read.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <utility>

namespace fastnet {

using Clock = std::chrono::steady_clock;

class Interruption {
  public:
    static constexpr Clock::duration interval = std::chrono::milliseconds(60);
    // The time that the leading thread may sleep between two checks.
    static constexpr Clock::duration nap = interval / 4;

    explicit Interruption(std::function<bool()> goes_on) : goes_on_(std::move(goes_on)) {}

    bool broken_off() const { return broken_off_.load(std::memory_order_relaxed); }

    // The following functions are for the leading thread alone.

    // Records work of this many operations.
    void work(double operations) {
        constexpr double operations_between_looks = 1e6;  // reading the clock takes as long as about 1,000
        operations_ += operations;
        if (operations_ >= operations_between_looks)
            look();
    }
    // Asks if it is time to.
    void look() {
        operations_ = 0;
        if (held_ || broken_off() || Clock::now() - asked_ < interval)
            return;
        if (!goes_on_())
            broken_off_.store(true, std::memory_order_relaxed);
        asked_ = Clock::now();
    }
    // Records that the question was just asked by other means.
    void was_asked() { asked_ = Clock::now(); }
    // Sets whether work is in progress that must be completed. Meanwhile the question is not asked.
    void hold(bool held) { held_ = held; }

  private:
    const std::function<bool()> goes_on_;
    Clock::time_point asked_ = Clock::now();
    double operations_ = 0;
    bool held_ = false;
    std::atomic<bool> broken_off_{false};
};

}  // namespace fastnet
