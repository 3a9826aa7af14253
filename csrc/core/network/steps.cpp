// A step of training: the gradients of one batch, in one of three ways that differ in what the threads share, and the
// update of the parameters.
#include <algorithm>
#include <chrono>

#include "network.h"

namespace fastnet {

// The loss of a batch and the gradient of every parameter and, if asked for, the optimizer's step, complete for all
// members when it returns. Parameters are updated as soon as their gradients are there, but for what needs complete
// gradients: penalties, the options of updates.cpp, and steps that take long, which can be broken off until the first
// parameter changes. False where that happened, or the hook said no.
template <class T>
bool Network<T>::step(Team& team, const Batch& batch, bool parted, T* gradients, const Optimization<T>* optimization) {
    const bool penalized = !penalties_.empty(), penalties_fused = optimization && fuses_penalties(parted);
    const bool gradients_first = (penalized && !penalties_fused) || (optimization && options_.gradients_first());
    if (penalized)
        sum_penalties(team);
    if (team.leads() && may_take_long(batch.rows))
        step_began_ = Clock::now();
    const bool updated = gradients_of(team, batch, parted, gradients, gradients_first ? nullptr : optimization);
    if (!proceeds_ || team.was_broken_off())
        return false;
    if (penalized && team.leads())
        batch.arena.loss.data()[0] += penalty_sum_ * penalty_factor(batch.divisor) * static_cast<double>(batch.of);
    if (penalized && !penalties_fused)
        add_slopes_of_penalties(team, batch, gradients);
    if (optimization && !updated && !update_all(team, batch.step, gradients, *optimization))
        return false;
    if (!updated)
        team.barrier();
    if (statistic_count_ > 0 && optimization)
        learn_statistics(team, batch);
    const index overwrite = options_.ema_overwrite_frequency;
    if (optimization && overwrite > 0 && batch.step % overwrite == 0) {
        team.barrier();
        overwrite_by_average(team.share(parameter_count_, 64));
        team.barrier();
    }
    return true;
}

// The gradients, unless it returns false and the step was broken off. True if the parameters are updated, too.
template <class T>
bool Network<T>::gradients_of(Team& team, const Batch& batch, bool parted, T* gradients,
                              const Optimization<T>* optimization) {
    if (hook_)
        return step_together(team, batch, gradients, optimization);
    if (parted)
        return step_in_parts(team, batch, gradients, optimization);
    if (by_stretches(batch, team.size()))
        return step_by_stretches(team, batch, gradients, optimization);
    return step_together(team, batch, gradients, optimization);
}

template <class T> bool Network<T>::may_take_long(index rows) const {
    constexpr double operations = 5e8;  // 5 ms of a fast processor; a step takes three times as many
    return interruption_ && operations_ * static_cast<double>(rows) > operations;
}

// Before the barrier that every member passes before anything changes that is kept from step to step, unless the step
// was broken off: from here on it cannot be, and forks wait. `end_update` is for when all members are done.
template <class T> void Network<T>::begin_update(Team& team) {
    if (!team.leads() || (interruption_ && interruption_->broken_off()))
        return;
    if (interruption_)
        interruption_->hold(true);
    update_.emplace();
}

template <class T> void Network<T>::end_update() {
    update_.reset();  // before handlers of signals may run again, which may fork
    if (interruption_)
        interruption_->hold(false);
}

// For all members, when the gradients by the layers' outputs are there: the optimization that updates parameters from
// now on, as their gradients are computed. The rest of the step takes up to as long as it has taken so far. Where that
// is long, null: the update waits until all gradients are there, so that the step can be broken off until then. It
// costs a pass over the parameters, and changes no bit.
template <class T>
const Optimization<T>* Network<T>::at_once(Team& team, const Batch& batch, const Optimization<T>* optimization) {
    constexpr auto long_time = std::chrono::milliseconds(150);
    if (team.leads())
        updates_last_ = may_take_long(batch.rows) && Clock::now() - step_began_ > long_time;
    if (team.leads() && optimization && !updates_last_)
        begin_update(team);
    team.barrier();
    return updates_last_ ? nullptr : optimization;
}

// Whether the optimizer adds the slopes of the penalties where it updates weights, array by array, which it does in the
// steps that do not wait for all gradients.
template <class T> bool Network<T>::fuses_penalties(bool parted) const {
    return !penalties_.empty() && !parted && !options_.gradients_first();
}

template <class T> double Network<T>::penalty_factor(double divisor) const {
    if (!divides_penalties_)
        return 1;
    return divisor != 0 ? 1 / divisor : 0;
}

// The sum of the penalties of the weights as they are, for the leader, before anybody changes one.
template <class T> void Network<T>::sum_penalties(Team& team) {
    constexpr index block = penalty_block;
    index blocks = 0;
    for (const Penalty& p : penalties_)
        blocks += (p.size + block - 1) / block;
    const Range mine = team.share(blocks);
    index number = 0;  // of blocks, no two penalties sharing one
    for (const Penalty& p : penalties_)
        for (index first = p.offset; first < p.offset + p.size; first += block, ++number)
            if (number >= mine.begin && number < mine.end)
                penalty_sums_.data()[number] =
                    kernels<T>().penalty(std::min(block, p.offset + p.size - first), parameters_.data() + first,
                                         static_cast<T>(p.l1), static_cast<T>(p.l2));
    team.barrier();
    if (!team.leads())
        return;
    penalty_sum_ = 0;
    for (index i = 0; i < blocks; ++i)
        penalty_sum_ += penalty_sums_.data()[i];
}

// To a member's share of the gradients.
template <class T> void Network<T>::add_slopes_of_penalties(Team& team, const Batch& batch, T* gradients) {
    const Range mine = team.share(parameter_count_, 64);
    const double factor = penalty_factor(batch.divisor);
    for (const Penalty& p : penalties_) {
        const index begin = std::max(mine.begin, p.offset), end = std::min(mine.end, p.offset + p.size);
        if (begin < end)
            kernels<T>().add_penalty(end - begin, parameters_.data() + begin, static_cast<T>(factor * p.l1),
                                     static_cast<T>(factor * p.l2), gradients + begin);
    }
}

template <class T> void Network<T>::learn_statistics(Team& team, const Batch& batch) {
    Pass<T> pass = this->pass({team, workspaces_[0]}, batch, {0, batch.rows});
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        if (layers_[i]->frozen)
            continue;
        enter(pass, batch, i, 0);
        layers_[i]->learn_statistics(pass, parameters_.data() + parameter_count_ + statistic_offsets_[i]);
    }
}

// The gradients of the parameters that are trained of the layers from `first` on, for rows whose inputs and gradients
// are there.
template <class T>
void Network<T>::parameter_gradients(const Crew<T>& crew, const Batch& batch, std::size_t first, T* gradients,
                                     bool accumulate, const Optimization<T>* optimization) const {
    Pass<T> pass = this->pass(crew, batch, {0, batch.rows});
    for (std::size_t i = first; i < layers_.size(); ++i) {
        if (layers_[i]->frozen)
            continue;
        enter(pass, batch, i, 0);
        layers_[i]->parameter_gradients(pass, {0, layers_[i]->input_size}, input_of(batch, i),
                                        batch.arena.gradients[i].data(), gradients + offsets_[i], accumulate,
                                        optimization);
    }
}

template <class T>
bool Network<T>::step_together(Team& team, const Batch& batch, T* gradients, const Optimization<T>* optimization) {
    Share share = needs_whole_batch_ ? Share{team, workspaces_[0], {0, batch.rows}} : share_of(team, batch.rows);
    const Range mine = share.team.size() < team.size() ? share.rows : team.share(batch.rows);
    gather(share.team, batch, mine);
    share.team.barrier();
    forward(share, batch, fused_);
    const double per_row = 30.0 * static_cast<double>(output_size());
    in_pieces(share.team, mine, per_row, [&](Range rows) {
        if (custom_loss_)
            metric(batch, rows);
        else
            loss(batch, rows, true);
    });
    if (hook_) {
        if (!call_hook(team, batch))
            return false;
        if (custom_loss_)
            in_pieces(share.team, mine, per_row, [&](Range rows) { slope_of_last(batch, rows); });
    }
    share.team.barrier();
    backward(share, batch, lowest_trained_);
    optimization = at_once(team, batch, optimization);
    if (team.was_broken_off())
        return false;
    // The update of few parameters takes less time than the calls that would make it layer by layer.
    constexpr index few_parameters = 1024;
    const bool together = optimization && penalties_.empty() && team.size() == 1 && parameter_count_ <= few_parameters;
    parameter_gradients({team, workspaces_[0]}, batch, 0, gradients, false, together ? nullptr : optimization);
    if (together)
        for_trained({0, parameter_count_},
                    [&](Range r) { optimization->kernels.update(optimization->arguments, r.begin, r.size()); });
    team.barrier();
    return optimization;
}

// With all outputs of the batch there, and for all members before they go on, if they are to.
template <class T> bool Network<T>::call_hook(Team& team, const Batch& batch) {
    team.barrier();
    if (team.was_broken_off())
        return false;
    if (team.leads()) {
        double loss = 0;
        T* gradient = custom_loss_ ? batch.arena.gradients.back().data() : nullptr;
        proceeds_ = (*hook_)(batch.begin, batch.rows, batch.output, custom_loss_ ? &loss : nullptr, gradient);
        if (custom_loss_)
            std::fill_n(batch.arena.loss.data(), batch.rows, loss);
    }
    team.barrier();
    return proceeds_;
}

// Threads that share the rows of a batch read the whole first kernel, half of which others have just updated, and for
// its gradient the rows that others gathered: with few rows the time goes into moving them from cache to cache. Threads
// that share the inputs keep their columns of the batch and their rows of the kernel to themselves, and exchange sums.
template <class T> bool Network<T>::by_stretches(const Batch& batch, int threads) const {
    const Layer<T>& first = *layers_.front();
    const bool copies =
        batch.input.compressed ? !batch.samples.x.compressed() : batch.input.rows == batch.arena.input.data();
    return copies && threads > 1 && threads <= first.stretches().count && layers_.size() > 1 && !needs_whole_batch_ &&
           batch.rows >= row_grain * threads && 2 * first.stretches().count * batch.rows <= first.input_size &&
           !first.activation->rowwise;
}

template <class T>
bool Network<T>::step_by_stretches(Team& team, Batch batch, T* gradients, const Optimization<T>* optimization) {
    const Layer<T>& first = *layers_.front();
    const index rows = batch.rows, out = first.output_size;
    Share share{team.alone(), workspaces_[static_cast<std::size_t>(team.rank())], team.share(rows, row_grain)};
    const Panels stretches = first.stretches();
    const Range mine = team.share(stretches.count);
    const Range inputs{stretches.start(mine.begin), stretches.start(mine.end)};
    T* const sums = batch.arena.sums.data();
    batch.input.segments = &stretches;
    Pass<T> pass = this->pass({share.team, share.workspace}, batch, {0, rows});
    enter(pass, batch, 0, 0);

    for (index i = mine.begin; i < mine.end; ++i) {
        gather_input(share.team, batch, {0, rows}, i);
        first.forward_stretch(pass, i, batch.input, sums + i * rows * out);
    }
    gather_targets(batch, share.rows);
    team.barrier();
    first.finish_sum(sums + share.rows.begin * out, rows * out, batch.arena.outputs[0].data() + share.rows.begin * out,
                     share.rows.size(), elementwise(batch, 0, share.rows.begin, false));
    forward(share, batch, fused_, 1);
    loss(batch, share.rows, true);
    backward(share, batch, lowest_trained_);
    optimization = at_once(team, batch, optimization);
    if (team.was_broken_off())
        return false;
    if (!first.frozen)
        first.parameter_gradients(pass, inputs, batch.input, batch.arena.gradients[0].data(), gradients, false,
                                  optimization);
    parameter_gradients({team, workspaces_[0]}, batch, 1, gradients, false, optimization);
    team.barrier();
    return optimization;
}

template <class T>
bool Network<T>::step_in_parts(Team& team, const Batch& whole, T* gradients, const Optimization<T>* optimization) {
    const std::size_t rank = static_cast<std::size_t>(team.rank());
    Arena& arena = arenas_[rank];
    Team own = team.alone();
    const Range mine = team.share(parts);
    for (index part = mine.begin; part < mine.end; ++part) {
        const Range rows = fastnet::share(whole.rows, 1, static_cast<int>(part), static_cast<int>(parts));
        T* sums = part_gradients_.data() + part * parameter_count_;
        if (rows.size() == 0)
            std::fill_n(sums, parameter_count_, T(0));
        for (index begin = rows.begin; begin < rows.end && own.goes_on(0); begin += block_rows) {
            Batch block = batch(whole.samples, arena, whole.begin + begin, std::min(block_rows, rows.end - begin));
            block.of = whole.rows;
            block.divisor = whole.divisor;
            block.step = whole.step;
            block.first_row = begin;
            Share all{own, workspaces_[rank], {0, block.rows}};
            gather(own, block, all.rows);
            forward(all, block, fused_);
            loss(block, all.rows, true);
            backward(all, block, lowest_trained_);
            parameter_gradients({all.team, all.workspace}, block, 0, sums, begin > rows.begin, nullptr);
            std::copy_n(arena.loss.data(), block.rows, whole.arena.loss.data() + begin);
            std::copy_n(arena.metric.data(), block.rows, whole.arena.metric.data() + begin);
        }
    }
    if (optimization)
        begin_update(team);
    team.barrier();
    if (team.was_broken_off())
        return false;
    for_trained(team.share(parameter_count_, 64), [&](Range r) {
        kernels<T>().add_rows(parts, r.size(), part_gradients_.data() + r.begin, parameter_count_, gradients + r.begin,
                              false);
        if (optimization)
            optimization->kernels.update(optimization->arguments, r.begin, r.size());
    });
    team.barrier();
    return optimization;
}

template bool Network<float>::step(Team&, const Batch&, bool, float*, const Optimization<float>*);
template bool Network<double>::step(Team&, const Batch&, bool, double*, const Optimization<double>*);
template void Network<float>::begin_update(Team&);
template void Network<double>::begin_update(Team&);
template void Network<float>::end_update();
template void Network<double>::end_update();
template bool Network<float>::fuses_penalties(bool) const;
template bool Network<double>::fuses_penalties(bool) const;
template double Network<float>::penalty_factor(double) const;
template double Network<double>::penalty_factor(double) const;
template void Network<float>::sum_penalties(Team&);
template void Network<double>::sum_penalties(Team&);

}  // namespace fastnet
