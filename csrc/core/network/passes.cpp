// The forward and backward passes of a batch through a chain of layers.
#include "chain.h"

namespace fastnet {

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
    result.goes_back = batch.goes_back();
    result.gradients = batch.gradients();
    return result;
}

template <class T>
Pass<T> Chain<T>::pass_of(std::size_t i, const Crew<T>& crew, const Batch<T>& batch, Range rows) const {
    Pass<T> result = pass(crew, batch, rows);
    enter(result, batch, i, rows.begin);
    return result;
}

// The rows of an earlier layer's output that an addition adds or a shortcut begins with, beginning with `row`.
template <class T> const T* Chain<T>::skip_of(const Batch<T>& batch, const Layer<T>& layer, Index row) const {
    std::size_t after = static_cast<std::size_t>(layer.skip) + 1;
    while (after > 0 && leaves_out(after - 1, batch.goes_back()))
        --after;
    return input_of(batch, after).rows + row * layer.output_size;
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
    const bool layer_by_layer = needs_whole_batch_ && batch.step != 0;  // which blocks of images would cut
    if (first < images_ && !layer_by_layer) {
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

template <class T>
void Chain<T>::learn_statistics(const Crew<T>& crew, const Batch<T>& batch, T* statistics) const {
    if (statistic_count_ == 0)
        return;
    Pass<T> pass = this->pass(crew, batch, {0, batch.rows});
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        if (layers_[i]->frozen)
            continue;
        enter(pass, batch, i, 0);
        layers_[i]->learn_statistics(pass, statistics + statistic_offsets_[i]);
    }
}

template Pass<float> Chain<float>::pass_of(std::size_t, const Crew<float>&, const Batch<float>&, Range) const;
template Epilogue<float> Chain<float>::elementwise(const Batch<float>&, std::size_t, Index, bool) const;
template void Chain<float>::forward(Share<float>&, const Batch<float>&, bool, std::size_t) const;
template void Chain<float>::forward_layers(Share<float>&, const Batch<float>&, bool, std::size_t, std::size_t) const;
template void Chain<float>::apply_slope(const Batch<float>&, std::size_t, Range) const;
template void Chain<float>::backward(Share<float>&, const Batch<float>&, Index, Index) const;
template void Chain<float>::backward_to_input(Share<float>&, const Batch<float>&, float*) const;
template void Chain<float>::part_gradients(Share<float>&, const Batch<float>&, bool, float*, bool) const;
template void Chain<float>::parameter_gradients(const Crew<float>&, const Batch<float>&, std::size_t, float*, bool,
                                                const Optimization<float>*) const;
template void Chain<float>::learn_statistics(const Crew<float>&, const Batch<float>&, float*) const;
template Pass<double> Chain<double>::pass_of(std::size_t, const Crew<double>&, const Batch<double>&, Range) const;
template Epilogue<double> Chain<double>::elementwise(const Batch<double>&, std::size_t, Index, bool) const;
template void Chain<double>::forward(Share<double>&, const Batch<double>&, bool, std::size_t) const;
template void Chain<double>::forward_layers(Share<double>&, const Batch<double>&, bool, std::size_t, std::size_t) const;
template void Chain<double>::apply_slope(const Batch<double>&, std::size_t, Range) const;
template void Chain<double>::backward(Share<double>&, const Batch<double>&, Index, Index) const;
template void Chain<double>::backward_to_input(Share<double>&, const Batch<double>&, double*) const;
template void Chain<double>::part_gradients(Share<double>&, const Batch<double>&, bool, double*, bool) const;
template void Chain<double>::parameter_gradients(const Crew<double>&, const Batch<double>&, std::size_t, double*, bool,
                                                 const Optimization<double>*) const;
template void Chain<double>::learn_statistics(const Crew<double>&, const Batch<double>&, double*) const;

}  // namespace fastnet
