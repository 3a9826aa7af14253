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
    forget_packed_kernels();
    if (options_.use_ema && steps_ > 0)
        overwrite_by_average({0, parameter_count_});
}

// The update of all parameters that are trained, whose gradients are complete but for what this member has just added
// to its share. False where the step was broken off, before anything changed.
template <class T>
bool Network<T>::update_all(Team& team, std::int64_t step, T* gradients, const Optimization<T>& optimization) {
    const Range mine = team.share(parameter_count_, 64);
    const OptimizerExtras<T>* const extras = optimization.arguments.extras;
    // The gradients of the batches before, where several make a step: all of them when it is due.
    const index every = options_.accumulation_steps;
    T* const sums = every == 1 ? nullptr : state_.data() + (optimizer_->slots + options_.use_ema) * parameter_count_;
    const bool due = step % every == 0;
    if (sums && due)
        for_trained(mine, [&](Range r) {
            T* const own = gradients + r.begin;
            kernels<T>().layers.add(r.size(), sums + r.begin, own, own);
            kernels<T>().scale(r.size(), own, T(1) / static_cast<T>(every));
        });
    if (due)
        finish_gradients(team, gradients, optimization);
    begin_update(team);
    team.barrier();
    if (team.was_broken_off())
        return false;
    if (!due) {
        for_trained(mine, [&](Range r) {
            kernels<T>().layers.add(r.size(), sums + r.begin, gradients + r.begin, sums + r.begin);
            // Keras moves the average of the weights in every batch, also where they stay.
            if (extras->average)
                kernels<T>().layers.move_average(r.size(), parameters_.data() + r.begin, extras->average_momentum,
                                                 extras->average + r.begin);
        });
        return true;
    }
    if (options_.gradients_first() || (extras && extras->penalty_count > 0))
        update_slots(team, optimization);
    else
        for_trained(mine, [&](Range r) { optimization.update(gradients + r.begin, r.size()); });
    if (sums)
        for_trained(mine, [&](Range r) { std::fill_n(sums + r.begin, r.size(), T(0)); });
    return true;
}

// What a step takes from all gradients before it changes a parameter: their norms, and what Muon makes of its matrices.
template <class T>
void Network<T>::finish_gradients(Team& team, T* gradients, const Optimization<T>& optimization) {
    if (!options_.gradients_first())
        return;
    team.barrier();
    if (options_.clipnorm > 0 || options_.global_clipnorm > 0)
        measure(team, gradients);
    for_slots(
        optimization,
        [&](const Matrix& matrix, const MuonStep<T>& muon) {
            muon_.orthogonalize({team, workspaces_[0]}, matrix, muon);
        },
        [](const ParameterSlot&, const Optimization<T>&) {});
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

// Calls one or the other for every array, with what of the optimization is the array's own.
template <class T>
template <class OfMatrix, class OfOthers>
void Network<T>::for_slots(const Optimization<T>& optimization, OfMatrix of_matrix, OfOthers of_others) const {
    Optimization<T> own = optimization;
    OptimizerExtras<T> extras = *optimization.arguments.extras;
    own.arguments.extras = &extras;
    const MuonStep<T> muon{own.arguments.hyperparameters, extras, own.arguments.gradients, state_.data()};
    for (std::size_t i = 0; i < trained_slots_.size(); ++i) {
        extras.gradient_scale = scale_of(i);
        if (const Matrix* const matrix = muon_.find(trained_slots_[i].offset))
            of_matrix(*matrix, muon);
        else
            of_others(trained_slots_[i], own);
    }
}

// Array by array, each member its share of the whole.
template <class T> void Network<T>::update_slots(Team& team, const Optimization<T>& optimization) {
    const Range mine = team.share(parameter_count_, 64);
    for_slots(
        optimization,
        [&](const Matrix& matrix, const MuonStep<T>& muon) { muon_.update(team, matrix, muon, parameters_.data()); },
        [&](const ParameterSlot& slot, const Optimization<T>& own) {
            const index begin = std::max(mine.begin, slot.offset), end = std::min(mine.end, slot.offset + slot.size());
            if (begin < end)
                own.update(own.arguments.gradients + begin, end - begin);
        });
}

template OptimizerExtras<float> Network<float>::extras(const Batch&, bool, double);
template OptimizerExtras<double> Network<double>::extras(const Batch&, bool, double);
template void Network<float>::overwrite_by_average(Range);
template void Network<double>::overwrite_by_average(Range);
template void Network<float>::use_average();
template void Network<double>::use_average();
template bool Network<float>::update_all(Team&, std::int64_t, float*, const Optimization<float>&);
template bool Network<double>::update_all(Team&, std::int64_t, double*, const Optimization<double>&);

}  // namespace fastnet
