// Updates that wait for all gradients of a batch: clipping by norms, accumulation over batches, Muon. What they have in
// common is here; the rules themselves are in optimizers.h and muon.cpp.
#include <algorithm>
#include <cmath>

#include "network.h"

namespace fastnet {
namespace {

constexpr index block = 4096;  // of a sum of squares, whatever the number of threads

}  // namespace

// What a step does beside its rule.
template <class T>
OptimizerExtras<T> Network<T>::extras(const Batch& batch, bool fuses_penalties, double learning_rate) {
    OptimizerExtras<T> extras;
    if (fuses_penalties) {
        extras.penalties = penalty_ranges_.data();
        extras.penalty_count = static_cast<index>(penalty_ranges_.size());
        extras.penalty_factor = static_cast<T>(penalty_factor(batch.divisor));
    }
    const bool by_norm = options_.clipnorm > 0 || options_.global_clipnorm > 0;
    extras.clip_value = by_norm ? T(0) : static_cast<T>(options_.clipvalue);
    extras.decay = static_cast<T>(learning_rate * options_.weight_decay);
    if (options_.use_ema) {
        extras.average = state_.data() + optimizer_->slots * parameter_count_;
        extras.average_momentum = batch.step == 1 ? T(0) : static_cast<T>(options_.ema_momentum);
    }
    return extras;
}

template <class T> void Network<T>::overwrite_by_average(Range range) {
    const T* const average = state_.data() + optimizer_->slots * parameter_count_;
    for_trained(range, [&](Range r) { std::copy(average + r.begin, average + r.end, parameters_.data() + r.begin); });
}

template <class T> void Network<T>::use_average() {
    if (options_.use_ema && steps_ > 0)
        overwrite_by_average({0, parameter_count_});
}

// The update of all parameters that are trained, whose gradients are complete but for what this member has just added
// to its share.
template <class T>
void Network<T>::update_all(Team& team, std::int64_t step, T* gradients, const Optimization<T>& optimization) {
    const Range mine = team.share(parameter_count_, 64);
    if (!options_.gradients_first())
        return for_trained(mine, [&](Range r) { optimization.update(gradients + r.begin, r.size()); });
    if (!accumulate(team, step, gradients)) {
        // Keras moves the average of the weights in every batch, also where they stay.
        if (const OptimizerExtras<T>* extras = optimization.arguments.extras; extras->average)
            for_trained(mine, [&](Range r) {
                kernels<T>().layers.move_average(r.size(), parameters_.data() + r.begin, extras->average_momentum,
                                                 extras->average + r.begin);
            });
        return;
    }
    team.barrier();
    if (options_.clipnorm > 0 || options_.global_clipnorm > 0)
        measure(team, gradients);
    update_slots(team, optimization);
}

// Adds a member's share of the gradients to those of the batches before; true when it is time for a step, with the mean
// in their place.
template <class T> bool Network<T>::accumulate(Team& team, std::int64_t step, T* gradients) {
    const index every = options_.accumulation_steps;
    if (every == 1)
        return true;
    const Range mine = team.share(parameter_count_, 64);
    T* const all_sums = state_.data() + (optimizer_->slots + options_.use_ema) * parameter_count_;
    const bool due = step % every == 0;
    for_trained(mine, [&](Range r) {
        T *const sums = all_sums + r.begin, *const own = gradients + r.begin;
        kernels<T>().layers.add(r.size(), sums, own, due ? own : sums);
        if (due) {
            kernels<T>().scale(r.size(), own, T(1) / static_cast<T>(every));
            std::fill_n(sums, r.size(), T(0));
        }
    });
    return due;
}

// The squared norms of the gradients of all arrays that are trained, for every member.
template <class T> void Network<T>::measure(Team& team, const T* gradients) {
    const Range mine = team.share((parameter_count_ + block - 1) / block + static_cast<index>(trained_slots_.size()));
    index number = 0;  // of blocks, no two arrays sharing one
    for (const ParameterSlot& slot : trained_slots_) {
        const index size = slot.size();
        for (index begin = 0; begin < size; begin += block, ++number)
            if (number >= mine.begin && number < mine.end)
                block_sums_.data()[number] =
                    kernels<T>().penalty(std::min(block, size - begin), gradients + slot.offset + begin, T(0), T(1));
    }
    team.barrier();
    if (team.leads()) {
        number = 0;
        for (std::size_t i = 0; i < trained_slots_.size(); ++i) {
            norms_[i] = 0;
            for (index begin = 0; begin < trained_slots_[i].size(); begin += block)
                norms_[i] += block_sums_.data()[number++];
        }
    }
    team.barrier();
}

// What the gradients of an array are multiplied by, so that no norm is above its limit.
template <class T> T Network<T>::scale_of(std::size_t i) const {
    const double limit = options_.clipnorm > 0 ? options_.clipnorm : options_.global_clipnorm;
    if (limit <= 0)
        return T(1);
    double squares = norms_[i];
    if (options_.clipnorm <= 0) {
        squares = 0;
        for (double some : norms_)
            squares += some;
    }
    const double norm = std::sqrt(squares);
    return norm > limit ? static_cast<T>(limit / norm) : T(1);
}

// Array by array, each member its share of the whole.
template <class T> void Network<T>::update_slots(Team& team, const Optimization<T>& optimization) {
    const Range mine = team.share(parameter_count_, 64);
    Optimization<T> own = optimization;
    OptimizerExtras<T> extras = *optimization.arguments.extras;
    own.arguments.extras = &extras;
    for (std::size_t i = 0; i < trained_slots_.size(); ++i) {
        const ParameterSlot& slot = trained_slots_[i];
        const auto matrix = std::find_if(options_.matrices.begin(), options_.matrices.end(),
                                         [&](const Matrix& m) { return m.offset == slot.offset; });
        extras.gradient_scale = scale_of(i);
        if (matrix != options_.matrices.end()) {
            muon_.step({team, workspaces_[0]}, *matrix, own.arguments.hyperparameters, extras,
                       optimization.arguments.gradients, parameters_.data(), state_.data());
            continue;
        }
        const index begin = std::max(mine.begin, slot.offset), end = std::min(mine.end, slot.offset + slot.size());
        if (begin < end)
            own.update(own.arguments.gradients + begin, end - begin);
    }
}

template OptimizerExtras<float> Network<float>::extras(const Batch&, bool, double);
template OptimizerExtras<double> Network<double>::extras(const Batch&, bool, double);
template void Network<float>::overwrite_by_average(Range);
template void Network<double>::overwrite_by_average(Range);
template void Network<float>::use_average();
template void Network<double>::use_average();
template void Network<float>::update_all(Team&, std::int64_t, float*, const Optimization<float>&);
template void Network<double>::update_all(Team&, std::int64_t, double*, const Optimization<double>&);

}  // namespace fastnet
