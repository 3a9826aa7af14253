// Until when a step may be broken off: until the first parameter changes. From there on it is completed, and forks
// wait.
#pragma once

#include <chrono>
#include <optional>

#include "core/interruption.h"
#include "core/threads/fork.h"
#include "core/threads/parallel.h"

namespace fastnet {

class Commit {
  public:
    // What may break off the work to come; null for nothing.
    void watch(Interruption* interruption) { interruption_ = interruption; }
    Interruption* interruption() const { return interruption_; }

    // For the leader, at the beginning of a step of so many operations forward.
    void step_begins(double operations) {
        constexpr double of_long_steps = 5e8;  // 5 ms of a fast processor; a step takes three times as many
        may_take_long_ = interruption_ && operations > of_long_steps;
        if (may_take_long_)
            step_began_ = Clock::now();
    }

    // For all members, when the gradients by the layers' outputs are there: whether parameters change from now on, as
    // their gradients are computed, if they are to. The rest of the step takes up to as long as it has taken so far.
    // Where that is long, the update waits until all gradients are there, so that the step can be broken off until
    // then. It costs a pass over the parameters, and changes no bit.
    bool at_once(Team& team, bool updates) {
        constexpr auto long_time = std::chrono::milliseconds(150);
        if (team.leads())
            waits_ = may_take_long_ && Clock::now() - step_began_ > long_time;
        if (team.leads() && updates && !waits_)
            begin(team);
        team.barrier();
        return updates && !waits_;
    }

    // Before the barrier that every member passes before anything changes that is kept from step to step, unless the
    // step was broken off: from here on it cannot be. `end` is for when all members are done.
    void begin(Team& team) {
        if (!team.leads() || (interruption_ && interruption_->broken_off()))
            return;
        if (interruption_)
            interruption_->hold(true);
        update_.emplace();
    }
    void end() {
        update_.reset();  // before handlers of signals may run again, which may fork
        if (interruption_)
            interruption_->hold(false);
    }

  private:
    Interruption* interruption_ = nullptr;
    bool may_take_long_ = false;  // the step in work
    Clock::time_point step_began_;
    bool waits_ = false;
    std::optional<NoForks> update_;
};

}  // namespace fastnet
