#include "chain.h"

#include "core/layers/quantized_dense.h"

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

template <class T> std::vector<std::pair<Index, const QuantizedDense*>> Chain<T>::quantized_layers() const {
    std::vector<std::pair<Index, const QuantizedDense*>> result;
    if constexpr (sizeof(T) == sizeof(float))
        for (const auto& layer : layers_)
            if (const auto* quantized = dynamic_cast<const QuantizedDense*>(layer.get()))
                result.emplace_back(layer->spec, quantized);
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

// Sets the parts of a pass that belong to layer i. The pass begins at `row` of the batch.
template <class T>
inline void Chain<T>::enter(Pass<T>& pass, const Batch<T>& batch, std::size_t i, Index row) const {
    pass.parameters = parameters_.data() + offsets_[i];
    pass.packed = packed_[i].counts ? packed_[i].memory.data() : nullptr;
    pass.kept_offset = kept_offsets_[i];
    if (plain_)
        return;
    const Layer<T>& layer = *layers_[i];
    pass.statistics = statistics(i);
    pass.memory = batch.arena.memories[i].data();
    if (pass.memory)
        pass.memory += row * layer.memory_per_row();
    if (layer.skip >= 0)
        pass.skip = skip_of(batch, layer, row);
}

template <class T>
inline Pass<T> Chain<T>::pass(const Crew<T>& crew, const Batch<T>& batch, Range rows, bool fresh) const {
    Pass<T> result{crew, rows.size(), batch.first_row + rows.begin, batch.step};
    result.fresh = fresh;
    result.gradients = batch.gradients();
    return result;
}

template <class T>
Pass<T> Chain<T>::pass_of(std::size_t i, const Crew<T>& crew, const Batch<T>& batch, Range rows) const {
    Pass<T> result = pass(crew, batch, rows);
    enter(result, batch, i, rows.begin);
    return result;
}

// The rows of an earlier layer's output that an addition adds, beginning with `row`.
template <class T> const T* Chain<T>::skip_of(const Batch<T>& batch, const Layer<T>& layer, Index row) const {
    std::size_t after = static_cast<std::size_t>(layer.skip) + 1;
    while (after > 0 && leaves_out(after - 1, batch.goes_back()))
        --after;
    return input_of(batch, after).rows + row * layer.input_size;
}

// Prediction skips a layer that would only copy, except the last one, which writes the output. If a backward pass
// follows, no layer is skipped, because it reads every layer's input.
template <class T> bool Chain<T>::leaves_out(std::size_t i, bool goes_back) const {
    return !goes_back && layers_[i]->only_in_training() && is_identity(*layers_[i]->activation) &&
           i + 1 < layers_.size();
}

template <class T>
Epilogue<T> Chain<T>::elementwise(const Batch<T>& batch, std::size_t i, Index row, bool leave_logits) const {
    const bool last = i + 1 == layers_.size();
    const ActivationKernels<T>& activation = *layers_[i]->activation;
    Epilogue<T> epilogue;
    epilogue.function =
        activation.rowwise || (last && leave_logits) ? kernels<T>().activations[0].forward : activation.forward;
    epilogue.bias = layers_[i]->bias(parameters_.data() + offsets_[i]);
    epilogue.alpha = layers_[i]->alpha;
    if (activation.keeps_slope && batch.goes_back()) {
        epilogue.kept_row = layers_[i]->output_size;
        epilogue.kept = kept_of(batch, i) + row * epilogue.kept_row;
    }
    return epilogue;
}

// The array that the activation of a layer needs in the backward pass.
template <class T> T* Chain<T>::kept_of(const Batch<T>& batch, std::size_t i) const {
    const bool last = i + 1 == layers_.size();
    if (layers_[i]->activation->keeps_slope)
        return batch.arena.slopes[i].data();
    return last ? batch.output : batch.arena.outputs[i].data();
}

template <class T>
void Chain<T>::forward(Share<T>& share, const Batch<T>& batch, bool leave_logits, std::size_t first) const {
    if (first < images_) {
        forward_images(share, batch, leave_logits, [](Range) {});
        first = images_;
    }
    forward_layers(share, batch, leave_logits, first, layers_.size());
}

template <class T>
void Chain<T>::forward_layers(Share<T>& share, const Batch<T>& batch, bool leave_logits, std::size_t first,
                              std::size_t end) const {
    if (first == end)
        return;
    const Index row = share.rows.begin;
    std::size_t before = first;
    while (before > 0 && leaves_out(before - 1, batch.goes_back()))
        --before;
    Input<T> x = input_of(batch, before).from(row, layers_[first]->input_size);
    Pass<T> pass = this->pass({share.team, share.workspace}, batch, share.rows, share.fresh);
    for (std::size_t i = first; i < end; ++i) {
        const Layer<T>& layer = *layers_[i];
        if (leaves_out(i, batch.goes_back()))
            continue;
        const bool last = i + 1 == layers_.size();
        T* y = (last ? batch.output : batch.arena.outputs[i].data()) + row * layer.output_size;
        enter(pass, batch, i, row);
        layer.forward(pass, x, y, elementwise(batch, i, row, leave_logits));
        share.team.barrier();
        if (layer.activation->rowwise && !(last && leave_logits)) {
            const Index size = layer.output_size / layer.activation_rows;
            in_pieces(share.team, share.team.share(share.rows.size() * layer.activation_rows),
                      operations_per_move * static_cast<double>(size), [&](Range mine) {
                          layer.activation->forward(mine.size(), size, y + mine.begin * size, size, {});
                      });
            share.team.barrier();
        }
        x = Input<T>{y};
    }
}

// The epilogue that multiplies gradients with respect to a layer's outputs by the slope of its activation, beginning
// with `row` of the batch.
template <class T> Epilogue<T> Chain<T>::slope_of(const Batch<T>& batch, std::size_t i, Index row) const {
    const Layer<T>& layer = *layers_[i];
    Epilogue<T> slope;
    slope.function = layer.activation->backward;
    slope.kept_row = layer.output_size;
    slope.kept = kept_of(batch, i) + row * slope.kept_row;
    slope.alpha = layer.alpha;
    return slope;
}

// Turns the gradients with respect to a layer's outputs into those with respect to its pre-activation, for these rows.
template <class T> void Chain<T>::apply_slope(const Batch<T>& batch, std::size_t i, Range rows) const {
    if (is_identity(*layers_[i]->activation))
        return;
    const Index size = layers_[i]->output_size, each = batch.gradients();
    T* const dy = batch.arena.gradients[i].data();
    // The activation acts on each of these rows.
    const Index count = layers_[i]->activation_rows, width = size / count;
    for (Index row = rows.begin; row < rows.end; row += each == 1 ? rows.size() : 1) {
        Epilogue<T> slope = slope_of(batch, i, row);
        slope.kept_row = width;
        for (Index k = 0; k < each; ++k)  // all gradients of a sample use the same slopes
            slope.function(each == 1 ? rows.size() * count : count, width, dy + (row * each + k) * size, width, slope);
    }
}

template <class T>
void Chain<T>::backward(Share<T>& share, const Batch<T>& batch, Index from, Index lowest) const {
    if (lowest < 0 || from < lowest)
        return;
    const Arena<T>& arena = batch.arena;
    const Index rows = share.rows.size(), row = share.rows.begin, each = batch.gradients();
    Pass<T> pass = this->pass({share.team, share.workspace}, batch, share.rows, share.fresh);
    pass.rows *= each;
    for (std::size_t i = static_cast<std::size_t>(from);; --i) {
        const Layer<T>& layer = *layers_[i];
        const Input<T> x = input_of(batch, i).from(row, layer.input_size);
        const T* dy = arena.gradients[i].data() + row * each * layer.output_size;
        enter(pass, batch, i, row);
        if (needs_whole_batch_ && pass.training() && layer.needs_whole_batch())
            layer.prepare_backward(pass, x, dy);
        if (static_cast<Index>(i) == lowest)
            return;
        const ActivationKernels<T>& activation = *layers_[i - 1]->activation;
        const Index size = layer.input_size;
        T* dx = arena.gradients[i - 1].data() + row * each * size;
        const bool added = !plain_ && !added_to_[i - 1].empty(), linear = is_identity(activation);
        const bool apart = added || activation.rowwise || (each > 1 && !linear);
        const Epilogue<T> slope = slope_of(batch, i - 1, row);
        layer.backward(pass, x, dy, dx, apart || linear ? nullptr : &slope);
        share.team.barrier();
        if (apart) {
            const double per_row = operations_per_move * static_cast<double>(each * size);
            in_pieces(share.team, share.team.share(rows), per_row, [&](Range mine) {
                const Index first = (row + mine.begin) * each * size;
                T* const mine_dx = arena.gradients[i - 1].data() + first;
                for (std::size_t addition : added_to_[i - 1])
                    kernels<T>().layers.add(mine.size() * each * size, mine_dx,
                                            arena.gradients[addition].data() + first, mine_dx);
                apply_slope(batch, i - 1, {row + mine.begin, row + mine.end});
            });
            share.team.barrier();
        }
    }
}

template <class T>
void Chain<T>::backward_to_input(Share<T>& share, const Batch<T>& batch, T* derivatives) const {
    backward(share, batch, 0);
    Pass<T> pass = pass_of(0, {share.team, share.workspace}, batch, share.rows);
    pass.rows *= batch.gradients();
    front().backward(pass, batch.input, batch.arena.gradients.front().data(), derivatives, nullptr);
    share.team.barrier();
}

template <class T>
void Chain<T>::part_gradients(Share<T>& share, const Batch<T>& batch, bool goes_back, T* sums, bool accumulate) const {
    for_blocks(share, [&](Share<T>& block) {
        const Index row = block.rows.begin;
        if (goes_back)
            backward(block, batch, static_cast<Index>(images_) - 1, lowest_trained_);
        Pass<T> pass = this->pass({block.team, block.workspace}, batch, block.rows);
        for (std::size_t i = 0; i < images_; ++i) {
            const Layer<T>& layer = *layers_[i];
            if (layer.frozen || !sums_parts(i))
                continue;
            enter(pass, batch, i, row);
            layer.parameter_gradients(pass, {0, layer.input_size}, input_of(batch, i).from(row, layer.input_size),
                                      batch.arena.gradients[i].data() + row * layer.output_size, sums + offsets_[i],
                                      accumulate || row > share.rows.begin, nullptr);
        }
    });
}

template <class T>
void Chain<T>::parameter_gradients(const Crew<T>& crew, const Batch<T>& batch, std::size_t first, T* gradients,
                                   bool accumulate, const Optimization<T>* optimization) const {
    Pass<T> pass = this->pass(crew, batch, {0, batch.rows});
    for (std::size_t i = first; i < layers_.size(); ++i) {
        if (layers_[i]->frozen || sums_parts(i))
            continue;
        enter(pass, batch, i, 0);
        layers_[i]->parameter_gradients(pass, {0, layers_[i]->input_size}, input_of(batch, i),
                                        batch.arena.gradients[i].data(), gradients + offsets_[i], accumulate,
                                        optimization);
    }
}

template <class T> void Chain<T>::learn_statistics(const Crew<T>& crew, const Batch<T>& batch) const {
    if (statistic_count_ == 0)
        return;
    Pass<T> pass = this->pass(crew, batch, {0, batch.rows});
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        if (layers_[i]->frozen)
            continue;
        enter(pass, batch, i, 0);
        layers_[i]->learn_statistics(pass, statistics(i));
    }
}

template class Chain<float>;
template class Chain<double>;

}  // namespace fastnet
