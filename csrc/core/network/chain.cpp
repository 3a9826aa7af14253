#include "chain.h"

#include "core/layers/quantized_kernel.h"

namespace fastnet {

template <class T>
Chain<T>::Chain(Index input_size, const std::vector<LayerSpec>& specs, Index first)
    : layers_(make_layers<T>(input_size, specs, first)) {
    added_to_.resize(layers_.size());
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const Layer<T>& layer = *layers_[i];
        offsets_.push_back(parameter_count_);
        statistic_offsets_.push_back(statistic_count_);
        parameter_count_ += layer.parameter_count();
        statistic_count_ += layer.statistic_count();
        operations_ += layer.operations_per_row();
        has_backward_ = has_backward_ && layer.has_backward();
        plain_ = plain_ && layer.skip < 0 &&
                 layer.statistic_count() + layer.memory_per_row() + layer.memory_per_batch() == 0;
        if (layer.skip >= 0)
            added_to_[static_cast<std::size_t>(layer.skip)].push_back(i);
    }
    find_images();
    packed_.resize(layers_.size());
    parameters_.reserve(value_count());
    std::fill_n(parameters_.data(), value_count(), T(0));
    update(specs);
}

// The size of a block depends on the layers alone, since the order of sums depends on it.
template <class T> void Chain<T>::find_images() {
    constexpr Index cached_values = Index(1) << 16;
    Index values = input_size();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        values_per_row_ += layers_[i]->output_size;
        scratch_size_ = std::max(scratch_size_, layers_[i]->scratch_size());
        if (layers_[i]->computes_images()) {
            images_ = i + 1;
            values = input_size() + values_per_row_;
        }
    }
    block_rows_ = std::max<Index>(cached_values / values, 1);
    for (const auto& layer : layers_) {  // behind the memory that all layers use
        kept_offsets_.push_back(scratch_size_);
        scratch_size_ += layer->kept_size();
    }
}

template <class T> std::vector<std::pair<Index, ParameterSlot>> Chain<T>::slots() const {
    std::vector<std::pair<Index, ParameterSlot>> result;
    for (std::size_t i = 0; i < layers_.size(); ++i)
        for (ParameterSlot slot : layers_[i]->slots()) {
            slot.offset += slot.trainable ? offsets_[i] : parameter_count_ + statistic_offsets_[i];
            result.emplace_back(layers_[i]->spec, std::move(slot));
        }
    return result;
}

template <class T> std::vector<std::uint64_t*> Chain<T>::seeds() {
    std::vector<std::uint64_t*> result;
    for (const auto& layer : layers_)
        if (std::uint64_t* const seed = layer->seed())
            result.push_back(seed);
    return result;
}

template <class T> std::vector<std::pair<Index, const Int8Weights*>> Chain<T>::quantized_kernels() const {
    std::vector<std::pair<Index, const Int8Weights*>> result;
    if constexpr (sizeof(T) == sizeof(float))
        for (const auto& layer : layers_)
            if (const auto* quantized = dynamic_cast<const QuantizedLayer*>(layer.get()))
                result.emplace_back(layer->spec, &quantized->kernel());
    return result;
}

template <class T> std::vector<Range> Chain<T>::update(const std::vector<LayerSpec>& specs) {
    std::vector<Range> thawed;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        Layer<T>& layer = *layers_[i];
        const std::size_t number = static_cast<std::size_t>(layer.spec);
        if (number >= specs.size())  // the layer has no description of its own
            continue;
        layer.adopt(specs[number].kind);
        if (layer.frozen && specs[number].trainable)
            thawed.push_back({offsets_[i], offsets_[i] + layer.parameter_count()});
        layer.frozen = !specs[number].trainable;
    }
    find_trained();
    return thawed;
}

template <class T> void Chain<T>::find_trained() {
    needs_whole_batch_ = false;
    lowest_trained_ = -1;
    trained_.clear();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const Layer<T>& layer = *layers_[i];
        needs_whole_batch_ = needs_whole_batch_ || layer.needs_whole_batch();
        if (layer.frozen || layer.parameter_count() == 0)
            continue;
        if (lowest_trained_ < 0)
            lowest_trained_ = static_cast<Index>(i);
        if (trained_.empty() || trained_.back().end != offsets_[i])
            trained_.push_back({offsets_[i], offsets_[i]});
        trained_.back().end += layer.parameter_count();
    }
    trained_slots_.clear();
    for (auto& [layer, slot] : slots())
        if (slot.trainable && trains(slot.offset))
            trained_slots_.push_back(std::move(slot));
    summed_in_parts_.clear();
    for (std::size_t i = 0; i < images_; ++i)
        for (const ParameterSlot& slot : layers_[i]->slots())
            if (slot.trainable && sums_parts(i) && trains(offsets_[i] + slot.offset))
                summed_in_parts_.push_back({offsets_[i] + slot.offset, offsets_[i] + slot.offset + slot.size()});
}

template <class T> bool Chain<T>::trains(Index offset) const {
    return std::any_of(trained_.begin(), trained_.end(),
                       [&](const Range& range) { return range.begin <= offset && offset < range.end; });
}

template <class T> void Chain<T>::forget_packed_kernels() {
    for (PackedKernel& kernel : packed_)
        kernel.counts = false;
}

template <class T> void Chain<T>::pack_kernels(Index rows, int threads) {
    // Upper limit for all packed kernels of a network, in bytes. Larger kernels are packed block by block during each
    // product.
    constexpr Index most_packed = Index(64) << 20;
    if (rows < 2 || live_)
        return;
    Index held = 0;
    for (const PackedKernel& kernel : packed_)
        held += kernel.memory.size();
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        Buffer<T>& memory = packed_[i].memory;
        const Index size = packed_[i].counts ? 0 : layers_[i]->packed_size(rows);
        const Index more = size - memory.size();
        if (size == 0 || (more > 0 && (held + more) * static_cast<Index>(sizeof(T)) > most_packed))
            continue;
        memory.reserve(size);
        held += more;
        missing.push_back(i);
    }
    if (missing.empty())
        return;
    run_team(threads, [&](Team& team) {
        for (const std::size_t i : missing)
            layers_[i]->pack(team, parameters_.data() + offsets_[i], packed_[i].memory.data());
    });
    for (const std::size_t i : missing)
        packed_[i].counts = true;
}

template <class T> void Chain<T>::reserve(Arena<T>& arena, Index rows, bool with_gradients) const {
    arena.outputs.resize(layers_.size());
    arena.gradients.resize(layers_.size());
    arena.slopes.resize(layers_.size());
    arena.memories.resize(layers_.size());
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const Layer<T>& layer = *layers_[i];
        arena.outputs[i].reserve(rows * layer.output_size);
        arena.memories[i].reserve(rows * layer.memory_per_row() + layer.memory_per_batch());
        layer.prepare(parameters_.data() + offsets_[i], statistics(i), arena.memories[i].data());
    }
    if (with_gradients)
        reserve_gradients(arena, rows, 1);
}

template <class T> void Chain<T>::reserve_gradients(Arena<T>& arena, Index rows, Index each) const {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        arena.gradients[i].reserve(rows * each * layers_[i]->output_size);
        if (layers_[i]->activation->keeps_slope)
            arena.slopes[i].reserve(rows * layers_[i]->output_size);
    }
}

template class Chain<float>;
template class Chain<double>;

}  // namespace fastnet
