#include "updater.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace fastnet {

template <class T> void Updater<T>::compile(const Training& training) {
    const OptimizerKernels<T>& optimizer = find_kernel(kernels<T>().optimizers, training.optimizer, "optimizer");
    const Index parameters = chain_.parameter_count();
    const Index own = optimizer.slots * parameters, all = own + training.options.extra_slots() * parameters;
    gradients_.reserve(parameters);
    state_.reserve(all);
    std::fill_n(state_.data(), own, static_cast<T>(optimizer.initial(training.hyperparameters.data())));
    std::fill_n(state_.data() + own, all - own, T(0));
    muon_.reserve(training.options.matrices);
    Index blocks = 0;
    for (const auto& [layer, slot] : chain_.slots())
        blocks += BlockSums<T>::blocks_of(slot.size());
    sums_.reserve(blocks);
    optimizer_ = &optimizer;
    options_ = training.options;
    std::copy(training.hyperparameters.begin(), training.hyperparameters.end(), hyperparameters_.begin());
    steps_ = 0;
}

template <class T> void Updater<T>::update_layers(const std::vector<Range>& thawed) {
    // The moving average of parameters that did not move.
    if (options_.use_ema && steps_ > 0)
        for (const Range& range : thawed)
            std::copy_n(chain_.parameters() + range.begin, range.size(), average() + range.begin);
    norms_.resize(chain_.trained_slots().size());
    penalties_.choose();
}

template <class T> void Updater<T>::overwrite_by_average(Range range) {
    chain_.for_trained(
        range, [&](Range r) { std::copy(average() + r.begin, average() + r.end, chain_.parameters() + r.begin); });
}

template <class T> void Updater<T>::use_average() {
    if (options_.use_ema && steps_ > 0)
        overwrite_by_average({0, chain_.parameter_count()});
}

template <class T> Optimization<T> Updater<T>::optimization(const double* hyperparameters) {
    return {*optimizer_,
            {chain_.parameters(), gradients_.data(), state_.data(), chain_.parameter_count(), optimizer_->slots,
             hyperparameters}};
}

template <class T>
OptimizerExtras<T> Updater<T>::extras(const Batch<T>& batch, bool fuses_penalties, double learning_rate) {
    OptimizerExtras<T> extras;
    if (fuses_penalties) {
        extras.penalties = penalties_.ranges().data();
        extras.penalty_count = static_cast<Index>(penalties_.ranges().size());
        extras.penalty_factor = static_cast<T>(penalties_.factor(batch.divisor));
    }
    const bool by_norm = options_.clipnorm > 0 || options_.global_clipnorm > 0;
    extras.clip_value = by_norm ? T(0) : static_cast<T>(options_.clipvalue);
    extras.decay = static_cast<T>(learning_rate * options_.weight_decay);
    if (options_.use_ema) {
        extras.average = average();
        extras.average_momentum = batch.step == 1 ? T(0) : static_cast<T>(options_.ema_momentum);
    }
    return extras;
}

template <class T>
bool Updater<T>::update_all(const Crew<T>& crew, Commit& commit, std::int64_t step, T* gradients,
                            const Optimization<T>& optimization) {
    Team& team = crew.team;
    const Range mine = team.share(chain_.parameter_count(), 64);
    const OptimizerExtras<T>* const extras = optimization.arguments.extras;
    // Sums of the previous batches' gradients, if several batches make a step. When the step is due, they become those
    // of all batches.
    const Index every = options_.accumulation_steps;
    T* const sums = every == 1 ? nullptr : average() + options_.use_ema * chain_.parameter_count();
    const bool due = step % every == 0;
    if (sums && due)
        chain_.for_trained(mine, [&](Range r) {
            T* const own = gradients + r.begin;
            kernels<T>().layers.add(r.size(), sums + r.begin, own, own);
            kernels<T>().scale(r.size(), own, T(1) / static_cast<T>(every));
        });
    if (due)
        finish_gradients(crew, gradients, optimization);
    commit.begin(team);
    team.barrier();
    if (team.was_broken_off())
        return false;
    if (!due) {
        chain_.for_trained(mine, [&](Range r) {
            kernels<T>().layers.add(r.size(), sums + r.begin, gradients + r.begin, sums + r.begin);
            // Keras updates the average of the weights in every batch, even where they stay the same.
            if (extras->average)
                kernels<T>().layers.move_average(r.size(), chain_.parameters() + r.begin, extras->average_momentum,
                                                 extras->average + r.begin);
        });
        return true;
    }
    if (options_.gradients_first() || (extras && extras->penalty_count > 0))
        update_slots(team, optimization);
    else
        chain_.for_trained(mine, [&](Range r) { optimization.update(gradients + r.begin, r.size()); });
    if (sums)
        chain_.for_trained(mine, [&](Range r) { std::fill_n(sums + r.begin, r.size(), T(0)); });
    return true;
}

template <class T> void Updater<T>::finish_step(Team& team, std::int64_t step) {
    const Index every = options_.ema_overwrite_frequency;
    if (every == 0 || step % every != 0)
        return;
    team.barrier();
    overwrite_by_average(team.share(chain_.parameter_count(), 64));
    team.barrier();
}

// Computes what a step needs of all gradients before it changes a parameter: their norms and Muon's orthogonalized
// matrices.
template <class T>
void Updater<T>::finish_gradients(const Crew<T>& crew, T* gradients, const Optimization<T>& optimization) {
    if (!options_.gradients_first())
        return;
    crew.team.barrier();
    if (options_.clipnorm > 0 || options_.global_clipnorm > 0)
        measure(crew.team, gradients);
    for_slots(
        optimization, [&](const Matrix& matrix, const MuonStep<T>& muon) { muon_.orthogonalize(crew, matrix, muon); },
        [](const ParameterSlot&, const Optimization<T>&) {});
}

// Computes the squared norms of the gradients of all trained arrays, for every member.
template <class T> void Updater<T>::measure(Team& team, const T* gradients) {
    const std::vector<ParameterSlot>& slots = chain_.trained_slots();
    Index blocks = 0, first = 0;
    for (const ParameterSlot& slot : slots)
        blocks += BlockSums<T>::blocks_of(slot.size());
    const Range mine = team.share(blocks);
    for (const ParameterSlot& slot : slots)
        first = sums_.add_up(mine, first, slot.size(), gradients + slot.offset, T(0), T(1));
    team.barrier();
    if (team.leads()) {
        Index begin = 0;
        for (std::size_t i = 0; i < slots.size(); ++i) {
            const Index end = begin + BlockSums<T>::blocks_of(slots[i].size());
            norms_[i] = sums_.total({begin, end});
            begin = end;
        }
    }
    team.barrier();
}

// The factor for the gradients of an array, so that no norm is above its limit.
template <class T> T Updater<T>::scale_of(std::size_t i) const {
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

// The hyperparameters of a step for arrays that do not decay: those of SGD have the decay among them.
template <class T> Hyperparameters Updater<T>::without_decay(const double* hyperparameters) const {
    Hyperparameters values{};
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = hyperparameters[i];
    for (std::size_t i = 0; optimizer_->hyperparameters[i]; ++i)
        if (std::string_view(optimizer_->hyperparameters[i]) == "weight_decay")
            values[i] = 0;
    return values;
}

// Calls one function or the other for every array, with the optimization settings of that array.
template <class T>
template <class OfMatrix, class OfOthers>
void Updater<T>::for_slots(const Optimization<T>& optimization, OfMatrix of_matrix, OfOthers of_others) {
    Optimization<T> own = optimization;
    OptimizerExtras<T> extras = *optimization.arguments.extras;
    own.arguments.extras = &extras;
    const MuonStep<T> muon{own.arguments.hyperparameters, extras, own.arguments.gradients, state_.data()};
    const Hyperparameters undecayed = without_decay(own.arguments.hyperparameters);
    const std::vector<ParameterSlot>& slots = chain_.trained_slots();
    for (std::size_t i = 0; i < slots.size(); ++i) {
        extras.gradient_scale = scale_of(i);
        const bool decays = std::count(options_.undecayed.begin(), options_.undecayed.end(), slots[i].offset) == 0;
        extras.decay = decays ? optimization.arguments.extras->decay : T(0);
        own.arguments.hyperparameters = decays ? optimization.arguments.hyperparameters : undecayed.data();
        if (const Matrix* const matrix = muon_.find(slots[i].offset))
            of_matrix(*matrix, muon);
        else
            of_others(slots[i], own);
    }
}

// Updates array by array. Each member updates its share of the whole.
template <class T> void Updater<T>::update_slots(Team& team, const Optimization<T>& optimization) {
    const Range mine = team.share(chain_.parameter_count(), 64);
    for_slots(
        optimization,
        [&](const Matrix& matrix, const MuonStep<T>& muon) { muon_.update(team, matrix, muon, chain_.parameters()); },
        [&](const ParameterSlot& slot, const Optimization<T>& own) {
            const Index begin = std::max(mine.begin, slot.offset), end = std::min(mine.end, slot.offset + slot.size());
            if (begin < end)
                own.update(own.arguments.gradients + begin, end - begin);
        });
}

template class Updater<float>;
template class Updater<double>;

}  // namespace fastnet
