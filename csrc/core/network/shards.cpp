// The gradients of a batch in shards, summed in a fixed order over all processes.
#include <algorithm>

#include "network.h"

namespace fastnet {
// Computes the gradients of the batch's shards one after the other. Each shard is a batch of its own except that masks,
// divisors and step numbers are those of the whole batch. Batch statistics are those of the shard.
template <class T>
void Network<T>::gradients_in_shards(Team& team, const Batch<T>& whole, bool parted, T* gradients) {
    const ShardTree& tree = sharding_->tree;
    const Index values = value_count();
    if (team.leads())
        announced_.clear();
    for (Index shard = tree.mine().begin; shard < tree.mine().end; ++shard) {
        const auto [place, additions] = tree.place(shard);
        if (!gradients_of_shard(team, whole, shard, parted, sharding_->sums + place * values))
            return;
        Index begin = 0;
        for (const Range& range : announced_) {
            add_up_shards(team, place, additions, {begin, range.begin});
            begin = range.end;
        }
        add_up_shards(team, place, additions, {begin, values});
        team.barrier();
    }
    if (team.leads() && after_step_ != AfterStep::fails)
        exchange(whole);
    if (team.leads() && after_step_ == AfterStep::fails)
        commit_.end();
    team.barrier();
    const Range mine = team.share(parameter_count(), 64);
    std::copy_n(sharding_->sums + mine.begin, mine.size(), gradients + mine.begin);
    team.barrier();
}

// Adds up the last sums, of which the last one is at this place, for some of their values.
template <class T>
void Network<T>::add_up_shards(const Team& team, Index place, Index additions, Range range) const {
    const Index values = value_count();
    T* sum = sharding_->sums + place * values + range.begin;
    const Range mine = team.share(range.size(), 64);
    for (Index i = 0; i < additions; ++i, sum -= values)
        kernels<T>().layers.add(mine.size(), sum - values + mine.begin, sum + mine.begin, sum - values + mine.begin);
}

// Calls f with the inputs of a large layer in pieces, and with their parameters. Returns false if the layer is not
// large. The pieces depend on the network alone, because all processes must have the same. Parameters that belong to no
// input are left out if there are several pieces: their gradients are computed with the first one.
template <class T> template <class F> bool Network<T>::for_pieces(std::size_t i, F f) const {
    const Layer<T>& layer = *chain_.layers()[i];
    const Index first = chain_.offset(i), end = chain_.offset(i + 1), least = sharding_->least;
    if (end - first < least || layer.frozen || chain_.sums_parts(i))
        return false;
    const Panels stretches = layer.stretches();
    const Index per_input = layer.output_size;
    Index begin = 0;
    for (Index stretch = 1; stretch < stretches.count; ++stretch) {
        const Index next = stretches.start(stretch);
        if ((next - begin) * per_input < least)
            continue;
        f(Range{begin, next}, Range{first + begin * per_input, first + next * per_input});
        begin = next;
    }
    if (begin == 0)
        f(Range{0, layer.input_size}, Range{first, end});
    else
        f(Range{begin, layer.input_size}, Range{first + begin * per_input, first + layer.input_size * per_input});
    return true;
}

// The gradients with respect to the parameters of the layers from `first` on that are not summed in parts of the batch.
// Those of large layers are announced as soon as they are there.
template <class T>
void Network<T>::announce_gradients(Team& team, const Batch<T>& batch, std::size_t first, T* gradients) {
    const Crew<T> crew{team, workspaces_[0]};
    for (std::size_t i = first; i < chain_.layers().size(); ++i) {
        const bool large = for_pieces(i, [&](Range inputs, Range parameters) {
            chain_.parameter_gradients_of(i, crew, batch, inputs, gradients);
            announce(team, parameters);
        });
        const Layer<T>& layer = *chain_.layers()[i];
        if (!large && !layer.frozen && !chain_.sums_parts(i))
            chain_.parameter_gradients_of(i, crew, batch, {0, layer.input_size}, gradients);
    }
}

// Announces the gradients of layers that are complete when all members are here.
template <class T> void Network<T>::announce_layers(Team& team, std::size_t first, std::size_t end) {
    for (std::size_t i = first; i < end; ++i)
        for_pieces(i, [&](Range, Range parameters) { announce(team, parameters); });
}

// Announces parameters whose gradients are complete when all members are here.
template <class T> void Network<T>::announce(Team& team, Range parameters) {
    const ShardTree& tree = sharding_->tree;
    const auto [place, additions] = tree.place(tree.mine().end - 1);
    team.barrier();
    add_up_shards(team, place, additions, parameters);
    team.barrier();
    if (!team.leads() || after_step_ == AfterStep::fails || team.was_broken_off())
        return;
    commit_.hold();
    announced_.push_back(parameters);
    if (!sharding_->begin(tree.blocks(), parameters))
        after_step_ = AfterStep::fails;
}

// Returns false if the step was broken off or a hook ends it.
template <class T>
bool Network<T>::gradients_of_shard(Team& team, const Batch<T>& whole, Index shard, bool parted, T* sum) {
    const Range rows = rows_of_part(whole.rows, shard, sharding_->tree.shards());
    const bool is_last = sharding_->begin && shard + 1 == sharding_->tree.mine().end;
    if (rows.size() == 0) {
        if (team.leads())
            std::fill_n(sum, value_count(), T(0));
        if (is_last)
            announce_layers(team, 0, chain_.layers().size());
        team.barrier();
        return true;
    }
    Batch<T> own = batch(whole.samples, whole.arena, whole.begin + rows.begin, rows.size());
    own.of = whole.rows;
    own.divisor = whole.divisor;
    own.step = whole.step;
    own.first_row = rows.begin;
    own.announced = is_last;
    gradients_of_rows(team, own, parted, sum, nullptr);
    if (!objective_.proceeds() || team.was_broken_off())
        return false;
    const T* const now = chain_.parameters() + parameter_count();
    T* const learned = sum + parameter_count();
    const Index statistics = value_count() - parameter_count();
    if (team.leads()) {
        for (Index i = 0; i < rows.size(); ++i) {
            double* const figures = sharding_->figures + 2 * (rows.begin + i);
            figures[0] = whole.arena.loss.data()[i];
            figures[1] = objective_.metric() == Metric::none ? 0 : whole.arena.metric.data()[i];
        }
        std::copy_n(now, statistics, learned);
    }
    team.barrier();
    chain_.learn_statistics({team, workspaces_[0]}, own, learned);
    team.barrier();
    if (team.leads()) {
        const T weight = static_cast<T>(rows.size()) / static_cast<T>(whole.rows);
        for (Index i = 0; i < statistics; ++i)
            learned[i] = (learned[i] - now[i]) * weight;
    }
    team.barrier();
    return true;
}

// Exchanges sums and figures with the other processes, on the leading thread.
template <class T> void Network<T>::exchange(const Batch<T>& whole) {
    after_step_ = AfterStep::goes_on;
    if (sharding_->exchange)
        after_step_ = sharding_->exchange(sharding_->tree.blocks(), whole.rows);
    for (Index i = 0; i < whole.rows; ++i) {
        whole.arena.loss.data()[i] = sharding_->figures[2 * i];
        whole.arena.metric.data()[i] = sharding_->figures[2 * i + 1];
    }
}

// The statistics after a step in shards: their mean over the shards.
template <class T> void Network<T>::learn_statistics_of_shards(Team& team) {
    const Range mine = team.share(value_count() - parameter_count(), 64);
    T* const now = chain_.parameters() + parameter_count() + mine.begin;
    kernels<T>().layers.add(mine.size(), now, sharding_->sums + parameter_count() + mine.begin, now);
}

template void Network<float>::gradients_in_shards(Team&, const Batch<float>&, bool, float*);
template void Network<double>::gradients_in_shards(Team&, const Batch<double>&, bool, double*);
template void Network<float>::announce_gradients(Team&, const Batch<float>&, std::size_t, float*);
template void Network<double>::announce_gradients(Team&, const Batch<double>&, std::size_t, double*);
template void Network<float>::announce_layers(Team&, std::size_t, std::size_t);
template void Network<double>::announce_layers(Team&, std::size_t, std::size_t);
template void Network<float>::learn_statistics_of_shards(Team&);
template void Network<double>::learn_statistics_of_shards(Team&);

}  // namespace fastnet
