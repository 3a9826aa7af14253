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
    for (Index shard = tree.mine().begin; shard < tree.mine().end; ++shard) {
        const auto [place, additions] = tree.place(shard);
        T* sum = sharding_->sums + place * values;
        if (!gradients_of_shard(team, whole, shard, parted, sum))
            return;
        for (Index i = 0; i < additions; ++i, sum -= values) {
            const Range mine = team.share(values, 64);
            kernels<T>().layers.add(mine.size(), sum - values + mine.begin, sum + mine.begin,
                                    sum - values + mine.begin);
        }
        team.barrier();
    }
    if (team.leads())
        exchange(whole);
    team.barrier();
    const Range mine = team.share(parameter_count(), 64);
    std::copy_n(sharding_->sums + mine.begin, mine.size(), gradients + mine.begin);
    team.barrier();
}

// Returns false if the step was broken off or a hook ends it.
template <class T>
bool Network<T>::gradients_of_shard(Team& team, const Batch<T>& whole, Index shard, bool parted, T* sum) {
    const Range rows = rows_of_part(whole.rows, shard, sharding_->tree.shards());
    if (rows.size() == 0) {
        if (team.leads())
            std::fill_n(sum, value_count(), T(0));
        team.barrier();
        return true;
    }
    Batch<T> own = batch(whole.samples, whole.arena, whole.begin + rows.begin, rows.size());
    own.of = whole.rows;
    own.divisor = whole.divisor;
    own.step = whole.step;
    own.first_row = rows.begin;
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
template void Network<float>::learn_statistics_of_shards(Team&);
template void Network<double>::learn_statistics_of_shards(Team&);

}  // namespace fastnet
