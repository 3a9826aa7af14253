// A training step: the gradients of one batch, computed in one of three ways that differ in what the threads share, and
// the update of the parameters.
#include <algorithm>

#include "network.h"

namespace fastnet {

// Computes the loss of a batch and the gradient with respect to every parameter and, with an optimizer, takes its step.
// All of it is complete for all members on return. Parameters are updated as soon as their gradients are ready, with
// three exceptions that need complete gradients: penalties, some options of the optimizer, and long steps, which can be
// broken off until the first parameter changes. Returns false if the step was broken off or the hook returned false.
template <class T>
bool Network<T>::step(Team& team, const Batch<T>& batch, bool parted, T* gradients,
                      const Optimization<T>* optimization) {
    Penalties<T>& penalties = updater_.penalties();
    const bool penalized = penalties.any(), penalties_fused = optimization && updater_.fuses_penalties(parted);
    const bool gradients_first =
        (penalized && !penalties_fused) || (optimization && updater_.options().gradients_first());
    if (penalized)
        penalties.add_up(team);
    if (team.leads())
        commit_.step_begins(chain_.operations() * static_cast<double>(batch.rows));
    const bool updated = gradients_of(team, batch, parted, gradients, gradients_first ? nullptr : optimization);
    if (!objective_.proceeds() || after_step_ == AfterStep::fails || team.was_broken_off())
        return false;
    if (penalized && team.leads())
        batch.arena.loss.data()[0] += penalties.sum() * penalties.factor(batch.divisor) * static_cast<double>(batch.of);
    if (penalized && !penalties_fused)
        penalties.add_slopes(team, batch.divisor, gradients);
    const Crew<T> crew{team, workspaces_[0]};
    if (optimization && !updated && !updater_.update_all(crew, commit_, batch.step, gradients, *optimization))
        return false;
    if (!updated)
        team.barrier();
    if (optimization) {
        if (sharding_)
            learn_statistics_of_shards(team);
        else
            chain_.learn_statistics(crew, batch, chain_.statistics());
        updater_.finish_step(team, batch.step);
    }
    return true;
}

// Computes the gradients. Returns true if the parameters are updated as well, false otherwise or if the step was broken
// off.
template <class T>
bool Network<T>::gradients_of(Team& team, const Batch<T>& batch, bool parted, T* gradients,
                              const Optimization<T>* optimization) {
    if (!sharding_)
        return gradients_of_rows(team, batch, parted, gradients, optimization);
    gradients_in_shards(team, batch, parted, gradients);
    return false;
}

template <class T>
bool Network<T>::gradients_of_rows(Team& team, const Batch<T>& batch, bool parted, T* gradients,
                                   const Optimization<T>* optimization) {
    if (objective_.has_hook())
        return step_together(team, batch, gradients, optimization);
    if (parted)
        return step_in_parts(team, batch, gradients, optimization);
    if (chain_.images() > 0 && !chain_.needs_whole_batch())
        return step_by_images(team, batch, gradients, optimization);
    if (by_stretches(batch, team.size()))
        return step_by_stretches(team, batch, gradients, optimization);
    return step_together(team, batch, gradients, optimization);
}

template <class T>
bool Network<T>::step_together(Team& team, const Batch<T>& batch, T* gradients, const Optimization<T>* optimization) {
    Share<T> share =
        chain_.needs_whole_batch() ? Share<T>{team, workspaces_[0], {0, batch.rows}} : share_of(team, batch.rows);
    const Range mine = share.team.size() < team.size() ? share.rows : team.share(batch.rows);
    feed_.gather(share.team, batch, mine);
    share.team.barrier();
    chain_.forward(share, batch, objective_.takes_logits());
    const double per_row = 30.0 * static_cast<double>(output_size());
    in_pieces(share.team, mine, per_row, [&](Range rows) {
        if (objective_.is_custom())
            objective_.measure(batch, rows);
        else
            objective_.apply(batch, rows, true);
    });
    if (objective_.has_hook()) {
        if (!objective_.call_hook(team, batch))
            return false;
        if (objective_.is_custom())
            in_pieces(share.team, mine, per_row, [&](Range rows) { chain_.slope_of_last(batch, rows); });
    }
    share.team.barrier();
    chain_.backward(share, batch, chain_.lowest_trained());
    if (chain_.images() > 0) {
        team.barrier();
        sum_parts(team, batch, false);
    }
    if (!commit_.at_once(team, optimization))
        optimization = nullptr;
    if (team.was_broken_off())
        return false;
    // Updating few parameters takes less time than the calls that would do it layer by layer.
    constexpr Index few_parameters = 1024;
    const bool together =
        optimization && !updater_.penalties().any() && team.size() == 1 && chain_.parameter_count() <= few_parameters;
    gradients_of_layers(team, batch, 0, gradients, together ? nullptr : optimization);
    add_parts(team, batch.rows, gradients, together ? nullptr : optimization);
    if (together)
        chain_.for_trained({0, chain_.parameter_count()},
                           [&](Range r) { optimization->kernels.update(optimization->arguments, r.begin, r.size()); });
    team.barrier();
    return optimization;
}

// Threads that share the rows of a batch read the whole first kernel, half of which others have just updated. For its
// gradient they read the rows that others gathered. With few rows the time goes into moving them from cache to cache.
// Threads that share the inputs keep their columns of the batch and their rows of the kernel to themselves, and
// exchange sums.
template <class T> bool Network<T>::by_stretches(const Batch<T>& batch, int threads) const {
    const Layer<T>& first = chain_.front();
    const bool copies =
        batch.input.compressed ? !batch.samples.x.compressed() : batch.input.rows == batch.arena.input.data();
    return copies && threads > 1 && threads <= first.stretches().count && chain_.layers().size() > 1 &&
           !chain_.needs_whole_batch() && batch.rows >= row_grain() * threads &&
           2 * first.stretches().count * batch.rows <= first.input_size && !first.activation->rowwise;
}

template <class T>
bool Network<T>::step_by_stretches(Team& team, Batch<T> batch, T* gradients, const Optimization<T>* optimization) {
    const Layer<T>& first = chain_.front();
    const Index rows = batch.rows, out = first.output_size;
    Share<T> share{team.alone(), workspaces_[static_cast<std::size_t>(team.rank())], team.share(rows, row_grain())};
    const Panels stretches = first.stretches();
    const Range mine = team.share(stretches.count);
    const Range inputs{stretches.start(mine.begin), stretches.start(mine.end)};
    T* const sums = batch.arena.sums.data();
    batch.input.segments = &stretches;
    const Pass<T> pass = chain_.pass_of(0, {share.team, share.workspace}, batch, {0, rows});

    for (Index i = mine.begin; i < mine.end; ++i) {
        feed_.gather_input(share.team, batch, {0, rows}, i);
        first.forward_stretch(pass, i, batch.input, sums + i * rows * out);
    }
    feed_.gather_targets(batch, share.rows);
    team.barrier();
    first.finish_sum(sums + share.rows.begin * out, rows * out, batch.arena.outputs[0].data() + share.rows.begin * out,
                     share.rows.size(), chain_.elementwise(batch, 0, share.rows.begin, false));
    chain_.forward(share, batch, objective_.takes_logits(), 1);
    objective_.apply(batch, share.rows, true);
    chain_.backward(share, batch, chain_.lowest_trained());
    if (!commit_.at_once(team, optimization))
        optimization = nullptr;
    if (team.was_broken_off())
        return false;
    if (!first.frozen)
        first.parameter_gradients(pass, inputs, batch.input, batch.arena.gradients[0].data(), gradients, false,
                                  optimization);
    if (batch.announced)
        announce_layers(team, 0, 1);
    gradients_of_layers(team, batch, 1, gradients, optimization);
    team.barrier();
    return optimization;
}

// Images go through the layers that compute images in blocks, in which the outputs of all these layers stay in cache,
// forward and backward. In between, the other layers take the whole batch.
template <class T>
bool Network<T>::step_by_images(Team& team, const Batch<T>& batch, T* gradients, const Optimization<T>* optimization) {
    const Index images = static_cast<Index>(chain_.images());
    Share<T> share = share_of(team, batch.rows);
    const Range mine = share.team.size() < team.size() ? share.rows : team.share(batch.rows);
    const auto gather = [&](Range rows) {
        feed_.gather(share.team, batch, share.team.size() > 1 ? mine : rows);
        share.team.barrier();
    };
    chain_.forward_images(share, batch, objective_.takes_logits(), gather);
    chain_.forward(share, batch, objective_.takes_logits(), chain_.images());
    in_pieces(share.team, mine, 30.0 * static_cast<double>(output_size()),
              [&](Range rows) { objective_.apply(batch, rows, true); });
    share.team.barrier();
    const bool goes_back = chain_.lowest_trained() >= 0 && chain_.lowest_trained() < images;
    chain_.backward(share, batch, goes_back ? images - 1 : chain_.lowest_trained());
    if (batch.announced) {
        // Other processes get these gradients while the images go back.
        team.barrier();
        if (team.was_broken_off())
            return false;
        gradients_of_layers(team, batch, chain_.images(), gradients, nullptr);
    }
    if (goes_back) {
        team.barrier();  // parts may contain rows of others
        sum_parts(team, batch, true);
    }
    if (!commit_.at_once(team, optimization))
        optimization = nullptr;
    if (team.was_broken_off())
        return false;
    if (!batch.announced)
        gradients_of_layers(team, batch, chain_.images(), gradients, optimization);
    add_parts(team, batch.rows, gradients, optimization);
    team.barrier();
    return optimization;
}

template <class T>
void Network<T>::gradients_of_layers(Team& team, const Batch<T>& batch, std::size_t first, T* gradients,
                                     const Optimization<T>* optimization) {
    if (batch.announced)
        announce_gradients(team, batch, first, gradients);
    else
        chain_.parameter_gradients({team, workspaces_[0]}, batch, first, gradients, false, optimization);
}

// The sums of the gradients in the parts of a batch, for the layers that compute images.
template <class T> void Network<T>::sum_parts(Team& team, const Batch<T>& batch, bool goes_back) {
    const Index stride = chain_.offset(chain_.images()), count = image_parts();
    const Range mine = team.share(count);
    bool fresh = true;
    for (Index part = mine.begin; part < mine.end && team.goes_on(0); ++part) {
        Share<T> rows{team.alone(), workspaces_[static_cast<std::size_t>(team.rank())],
                      rows_of_part(batch.rows, part, count), fresh};
        fresh = fresh && rows.rows.size() == 0;
        chain_.part_gradients(rows, batch, goes_back, part_gradients_.data() + part * stride, false);
    }
}

// The gradients from the sums of all parts that have rows.
template <class T>
void Network<T>::add_parts(Team& team, Index rows, T* gradients, const Optimization<T>* optimization) {
    const Index stride = chain_.offset(chain_.images()), count = image_parts();
    chain_.for_parts(team.share(stride, 64), [&](Range r) {
        bool accumulate = false;
        for (Index part = 0; part < count; ++part)
            if (rows_of_part(rows, part, count).size() > 0) {
                kernels<T>().add_rows(1, r.size(), part_gradients_.data() + part * stride + r.begin, stride,
                                      gradients + r.begin, accumulate);
                accumulate = true;
            }
        if (optimization)
            optimization->kernels.update(optimization->arguments, r.begin, r.size());
    });
}

template <class T>
bool Network<T>::step_in_parts(Team& team, const Batch<T>& whole, T* gradients, const Optimization<T>* optimization) {
    const std::size_t rank = static_cast<std::size_t>(team.rank());
    Arena<T>& arena = arenas_[rank];
    Team own = team.alone();
    const Range mine = team.share(parts);
    for (Index part = mine.begin; part < mine.end; ++part) {
        const Range rows = rows_of_part(whole.rows, part);
        const Index block_rows = this->block_rows();
        T* sums = part_gradients_.data() + part * chain_.parameter_count();
        if (rows.size() == 0)
            std::fill_n(sums, chain_.parameter_count(), T(0));
        for (Index begin = rows.begin; begin < rows.end && own.goes_on(0); begin += block_rows) {
            Batch<T> block = batch(whole.samples, arena, whole.begin + begin, std::min(block_rows, rows.end - begin));
            block.of = whole.of;
            block.divisor = whole.divisor;
            block.step = whole.step;
            block.first_row = whole.first_row + begin;
            Share<T> all{own, workspaces_[rank], {0, block.rows}};
            feed_.gather(own, block, all.rows);
            chain_.forward(all, block, objective_.takes_logits());
            objective_.apply(block, all.rows, true);
            chain_.backward(all, block, chain_.lowest_trained());
            chain_.part_gradients(all, block, false, sums, begin > rows.begin);
            chain_.parameter_gradients({all.team, all.workspace}, block, 0, sums, begin > rows.begin, nullptr);
            std::copy_n(arena.loss.data(), block.rows, whole.arena.loss.data() + begin);
            std::copy_n(arena.metric.data(), block.rows, whole.arena.metric.data() + begin);
        }
    }
    if (optimization)
        commit_.begin(team);
    team.barrier();
    if (team.was_broken_off())
        return false;
    chain_.for_trained(team.share(chain_.parameter_count(), 64), [&](Range r) {
        kernels<T>().add_rows(parts, r.size(), part_gradients_.data() + r.begin, chain_.parameter_count(),
                              gradients + r.begin, false);
        if (optimization)
            optimization->kernels.update(optimization->arguments, r.begin, r.size());
    });
    if (whole.announced)
        announce_layers(team, 0, chain_.layers().size());
    team.barrier();
    return optimization;
}

// Whether a step on this many rows is a small one. This is the one place that decides what such a step leaves out. Its
// products are a few vectors each, so one thread computes it, and nothing breaks it off.
template <class T> bool Network<T>::trains_small(const Samples& samples, Index rows) const {
    constexpr Index most_parameters = 1024, most_values = 64, most_rows = 16;
    return chain_.parameter_count() <= most_parameters && small_.widest() <= most_values && rows <= most_rows &&
           small_.is_possible() && chain_.trains_all() && !objective_.has_hook() && !feed_.compresses() &&
           !samples.x.compressed() && !updater_.penalties().any() && !updater_.options().any();
}

template bool Network<float>::step(Team&, const Batch<float>&, bool, float*, const Optimization<float>*);
template bool Network<double>::step(Team&, const Batch<double>&, bool, double*, const Optimization<double>*);
template bool Network<float>::gradients_of_rows(Team&, const Batch<float>&, bool, float*, const Optimization<float>*);
template bool Network<double>::gradients_of_rows(Team&, const Batch<double>&, bool, double*,
                                                 const Optimization<double>*);
template bool Network<float>::trains_small(const Samples&, Index) const;
template bool Network<double>::trains_small(const Samples&, Index) const;

}  // namespace fastnet
