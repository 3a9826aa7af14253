// A step can be broken off until the first parameter changes. From then on it is completed, and forks wait.
#pragma once

#include <chrono>
#include <optional>

#include "core/interruption.h"
#include "core/threads/fork.h"
#include "core/threads/parallel.h"

namespace fastnet {

class Commit {
  public:
    // The interruption that may break off later work; null for none.
    void watch(Interruption* interruption) { interruption_ = interruption; }
    Interruption* interruption() const { return interruption_; }

    // Called by the leader at the beginning of a step. `operations` counts those of the forward pass.
    void step_begins(double operations) {
        constexpr double of_long_steps = 5e8;  // 5 ms of a fast processor; a step takes three times as many operations
        may_take_long_ = interruption_ && operations > of_long_steps;
        if (may_take_long_)
            step_began_ = Clock::now();
    }

    // Called by all members when the gradients with respect to the layers' outputs are ready. Returns whether
    // parameters are updated from now on, as soon as their gradients are computed. The rest of the step takes at most
    // about as long as it has taken so far. In a long step the update waits for all gradients, so that the step can be
    // broken off until then. This costs a pass over the parameters and changes no bit.
    bool at_once(Team& team, bool updates) {
        constexpr auto long_time = std::chrono::milliseconds(150);
        if (team.leads())
            waits_ = may_take_long_ && Clock::now() - step_began_ > long_time;
        if (team.leads() && updates && !waits_)
            begin(team);
        team.barrier();
        return updates && !waits_;
    }

    // Called before the barrier that every member passes before state that outlives the step changes. From here on the
    // step cannot be broken off, unless it already was. `end` is called when all members are done.
    void begin(Team& team) {
        if (!team.leads() || (interruption_ && interruption_->broken_off()))
            return;
        if (interruption_)
            interruption_->hold(true);
        update_.emplace();
    }
    // Called by the leader when others come to rely on the step's completion. Forks may go on.
    void hold() {
        if (interruption_)
            interruption_->hold(true);
    }
    void end() {
        update_.reset();  // before signal handlers, which may fork, can run again
        if (interruption_)
            interruption_->hold(false);
    }

  private:
    Interruption* interruption_ = nullptr;
    bool may_take_long_ = false;  // the current step
    Clock::time_point step_began_;
    bool waits_ = false;
    std::optional<NoForks> update_;
};

}  // namespace fastnet
