// The update of the parameters: the optimizer with its state, and its options: penalties, clipping, accumulation over
// batches, the moving average of the weights, Muon.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "block_sums.h"
#include "chain.h"
#include "commit.h"
#include "muon.h"
#include "penalties.h"
#include "training.h"

namespace fastnet {

using Hyperparameters = std::array<double, max_hyperparameters>;

template <class T> class Updater {
  public:
    explicit Updater(Chain<T>& chain) : chain_(chain), penalties_(chain) { update_layers({}); }

    // Sets the optimizer. Its state starts from zero.
    void compile(const Training& training);
    // Called when the set of frozen layers changes. These parameters are trained again.
    void update_layers(const std::vector<Range>& thawed);

    const OptimizerOptions& options() const { return options_; }
    std::int64_t finished_steps() const { return steps_; }
    void set_finished_steps(std::int64_t steps) { steps_ = steps; }
    // The slots of the optimizer, followed by the moving average of the weights and the accumulated gradients, if any.
    Index state_size() const { return optimizer_ ? slots() * chain_.parameter_count() : 0; }
    T* state() { return state_.data(); }
    T* gradients() { return gradients_.data(); }
    // Sets the parameters to their moving average, if there is one and a step was taken.
    void use_average();

    // The default learning rate, and the hyperparameters of a step, counted from 1, with a given learning rate.
    double learning_rate() const { return hyperparameters_[0]; }
    void prepare(std::int64_t step, double learning_rate, Hyperparameters& values) const {
        values = hyperparameters_;
        values[0] = learning_rate;
        const std::int64_t every = options_.accumulation_steps;
        optimizer_->prepare(values.data(), (every == 1 ? step - 1 : (step - 1) / every) + 1);
    }
    Optimization<T> optimization(const double* hyperparameters);
    Penalties<T>& penalties() { return penalties_; }
    const Penalties<T>& penalties() const { return penalties_; }
    // Whether the optimizer adds the slopes of the penalties as it updates weights, array by array. It does so in steps
    // that do not wait for all gradients.
    bool fuses_penalties(bool parted) const { return penalties_.any() && !parted && !options_.gradients_first(); }
    // The options of a step in addition to the optimizer's update rule.
    OptimizerExtras<T> extras(const Batch<T>& batch, bool fuses_penalties, double learning_rate);

    // Updates all trained parameters. Their gradients are complete, except for what this member has just added to its
    // share. Returns false if the step was broken off before anything changed.
    bool update_all(const Crew<T>& crew, Commit& commit, std::int64_t step, T* gradients,
                    const Optimization<T>& optimization);
    // Called by all members after a step, when all parameters are updated.
    void finish_step(Team& team, std::int64_t step);

  private:
    int slots() const { return optimizer_->slots + options_.extra_slots(); }
    T* average() { return state_.data() + optimizer_->slots * chain_.parameter_count(); }
    void overwrite_by_average(Range range);
    void finish_gradients(const Crew<T>& crew, T* gradients, const Optimization<T>& optimization);
    void measure(Team& team, const T* gradients);
    T scale_of(std::size_t slot) const;
    Hyperparameters without_decay(const double* hyperparameters) const;
    template <class OfMatrix, class OfOthers>
    void for_slots(const Optimization<T>& optimization, OfMatrix of_matrix, OfOthers of_others);
    void update_slots(Team& team, const Optimization<T>& optimization);

    Chain<T>& chain_;
    Penalties<T> penalties_;
    const OptimizerKernels<T>* optimizer_ = nullptr;
    Hyperparameters hyperparameters_{};
    OptimizerOptions options_;
    std::int64_t steps_ = 0;
    Buffer<T> gradients_, state_;
    Muon<T> muon_;
    BlockSums<T> sums_;          // of the squares of gradients
    std::vector<double> norms_;  // squared, of the gradients of the trained arrays
};

}  // namespace fastnet
