#include "network.h"

#include <stdexcept>

namespace fastnet {
namespace {

// A rescaling in front of other layers is applied as rows are gathered.
const RescalingSpec* rescaling_in_front(const std::vector<LayerSpec>& specs) {
    return specs.size() > 1 ? std::get_if<RescalingSpec>(&specs.front().kind) : nullptr;
}

}  // namespace

template <class T>
Network<T>::Network(Index input_size, const std::vector<LayerSpec>& specs)
    : chain_(input_size, specs, rescaling_in_front(specs) ? 1 : 0), feed_(chain_, rescaling_in_front(specs)),
      objective_(chain_), updater_(chain_), small_(chain_, feed_, objective_) {}

template <class T> T* Network<T>::values_to_change() {
    chain_.forget_packed_kernels();
    return chain_.parameters();
}

template <class T> T* Network<T>::live_values() {
    chain_.values_are_live();
    return values_to_change();
}

template <class T> void Network<T>::compile(const Training& training) {
    Objective<T> objective(chain_);
    objective.compile(training);  // throws for an unknown loss, before anything changes
    updater_.compile(training);
    objective_.compile(training);
}

template <class T> void Network<T>::use_average() {
    chain_.forget_packed_kernels();
    updater_.use_average();
}

template <class T> void Network<T>::require_compiled() const {
    if (!compiled())
        throw std::logic_error("the network has no loss: call compile first");
}

template <class T> void Network<T>::require_backward() const {
    if (!chain_.has_backward())
        throw std::logic_error("the network has layers that predict but do not learn");
}

template <class T> int Network<T>::threads_for_rows(Index rows, Use use) const {
    // A training step has three passes: forward, the inputs' gradients, the parameters' gradients. It counts as half of
    // them, because threads that exchange parameters after every step gain nothing below about 4 million operations.
    // There they reach 0.8 to 1.0 times the speed of one thread on an Intel Xeon, and 1.0 to 1.2 times at 10 million.
    const double passes = use == Use::training ? 1.5 : 1;
    // Each weight that comes from the third-level cache or memory takes as long as this many operations, however few
    // rows there are.
    constexpr double operations_per_weight = 14;
    return threads_for(passes * (feed_.operations_per_row() * static_cast<double>(rows) +
                                 operations_per_weight * static_cast<double>(chain_.parameter_count())));
}

// The sums of all parts together should fit into the cache. The outputs of all layers for a batch of images should fit
// into memory.
template <class T> bool Network<T>::in_parts(Index rows) const {
    constexpr Index many_rows = 4096, few_parameters = 1 << 16, few_of_images = 1 << 20, many_values = 1 << 26;
    if (chain_.needs_whole_batch())
        return false;
    if (chain_.images() > 0)
        return rows > many_values / chain_.values_per_row() && chain_.parameter_count() <= few_of_images;
    return rows >= many_rows && chain_.parameter_count() <= few_parameters;
}

template <class T> Index Network<T>::image_parts() const {
    constexpr Index most_values = 1 << 24;
    return std::clamp<Index>(most_values / std::max<Index>(chain_.offset(chain_.images()), 1), 2, parts);
}

template <class T> Index Network<T>::block_rows() const {
    constexpr Index most_rows = 256, most_values = 1 << 20;
    return chain_.images() > 0 ? std::clamp<Index>(most_values / chain_.values_per_row(), 1, most_rows) : most_rows;
}

// Two ways to share a batch. Either every thread takes rows of it through all layers alone, which needs no barrier
// between them. Or the team computes one layer after the other together. Alone, each thread packs the weights for
// itself, which pays off with few weights or many rows.
template <class T> bool Network<T>::splits_rows(Index rows, int threads) const {
    constexpr Index few_weights = 1 << 17;
    constexpr Index many_rows = 512;
    Index widest = 0;
    for (const auto& layer : chain_.layers())
        widest = std::max(widest, layer->parameter_count());
    return rows >= row_grain() * threads && (widest <= few_weights || rows >= many_rows * threads);
}

template <class T> Share<T> Network<T>::share_of(Team& team, Index rows) {
    if (splits_rows(rows, team.size()))
        return {team.alone(), workspaces_[static_cast<std::size_t>(team.rank())], team.share(rows, row_grain())};
    return {team, workspaces_[0], {0, rows}};
}

// Makes room for batches of this many rows in this many arenas. This happens before the threads start: nothing is
// allocated in them.
template <class T> void Network<T>::prepare(const Samples& samples, Index rows, Use use, int threads, int arenas) {
    const auto grow = [](auto& list, int size) {
        if (list.size() < static_cast<std::size_t>(size))
            list.resize(static_cast<std::size_t>(size));
    };
    grow(workspaces_, threads);
    for (std::size_t i = 0; i < workspaces_.size(); ++i) {
        workspaces_[i].reserve(threads);
        // The first one serves whole teams, the others a member alone.
        workspaces_[i].reserve_scratch(i == 0 ? threads : 1, chain_.scratch_size());
    }
    grow(arenas_, arenas);
    for (Arena<T>& arena : arenas_) {
        chain_.reserve(arena, rows, use == Use::training);
        if (use != Use::prediction)
            objective_.reserve(arena, rows);
    }
    feed_.reserve(arenas_, samples, rows, use);
}

// The most rows of a batch that are computed together: those of a shard, or all.
template <class T> Index Network<T>::rows_at_once(Index batch_size) const {
    return sharding_ ? (batch_size - 1) / sharding_->tree.shards() + 1 : batch_size;
}

// Makes room for training on batches of this many rows. Returns the arena that receives the losses of a whole batch.
template <class T> Arena<T>& Network<T>::prepare_training(const Samples& samples, Index batch_size, int threads) {
    const NoForks no_forks;
    const Index rows = rows_at_once(batch_size);
    if (objective_.has_hook() || !in_parts(rows)) {
        prepare(samples, rows, Use::training, threads, 1);
        part_gradients_.reserve(image_parts() * chain_.offset(chain_.images()));
        arenas_[0].loss.reserve(batch_size);
        arenas_[0].metric.reserve(batch_size);
        return arenas_[0];
    }
    prepare(samples, block_rows(), Use::training, threads, threads + 1);
    part_gradients_.reserve(parts * chain_.parameter_count());
    Arena<T>& whole = arenas_[static_cast<std::size_t>(threads)];
    whole.loss.reserve(batch_size);
    whole.metric.reserve(batch_size);
    return whole;
}

template <class T>
Batch<T> Network<T>::batch(const Samples& samples, Arena<T>& arena, Index begin, Index rows) const {
    return {.samples = samples,
            .arena = arena,
            .begin = begin,
            .rows = rows,
            .of = rows,
            .divisor = objective_.divisor(samples, begin, rows),
            .input = feed_.input(samples, arena, begin),
            .target = arena.target.data(),
            .output = arena.outputs.back().data()};
}

template class Network<float>;
template class Network<double>;

}  // namespace fastnet
