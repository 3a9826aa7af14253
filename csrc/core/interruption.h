// How long work is broken off: by Ctrl-C, say, of which the core knows nothing. Whoever starts work hands in a
// question, whether it is to go on. The thread that leads the work asks it every 60 ms, between two pieces of its share
// and while it waits for others.
//
// When work is broken off, everybody leaves out what is left of it and still meets the others at every barrier. Nobody
// reads what was left half done: the one who left it will not, because work that is broken off stays so, and the others
// learn of it at the barrier that they have to pass before they may read.
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
    // How long the leading thread may sleep between two looks.
    static constexpr Clock::duration nap = interval / 4;

    explicit Interruption(std::function<bool()> goes_on) : goes_on_(std::move(goes_on)) {}

    bool broken_off() const { return broken_off_.load(std::memory_order_relaxed); }

    // What follows is for the leading thread alone.

    // Tells of work of so many operations.
    void work(double operations) {
        constexpr double operations_between_looks = 1e6;  // a look at the clock takes as long as some 1,000
        operations_ += operations;
        if (operations_ >= operations_between_looks)
            look();
    }
    // Asks, if it is time to.
    void look() {
        operations_ = 0;
        if (held_ || broken_off() || Clock::now() - asked_ < interval)
            return;
        if (!goes_on_())
            broken_off_.store(true, std::memory_order_relaxed);
        asked_ = Clock::now();
    }
    // The question was just asked by other means.
    void was_asked() { asked_ = Clock::now(); }
    // Whether something is in work that has to be completed: nobody is asked meanwhile.
    void hold(bool held) { held_ = held; }

  private:
    const std::function<bool()> goes_on_;
    Clock::time_point asked_ = Clock::now();
    double operations_ = 0;
    bool held_ = false;
    std::atomic<bool> broken_off_{false};
};

}  // namespace fastnet
