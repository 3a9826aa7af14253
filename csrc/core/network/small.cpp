#include "small.h"

#include <algorithm>

namespace fastnet {

template <class T>
Small<T>::Small(const Chain<T>& chain, const Feed<T>& feed, const Objective<T>& objective)
    : chain_(chain), feed_(feed), objective_(objective), products_only_(chain.is_plain()), widest_(chain.input_size()) {
    for (const auto& layer : chain.layers()) {
        const bool rowwise =
            layer->activation->rowwise && (layer != chain.layers().back() || layer->activation_rows > 1);
        products_only_ = products_only_ && layer->is_full_product() && !rowwise;
        widest_ = std::max(widest_, layer->output_size);
    }
}

template <class T> typename Small<T>::Steps Small<T>::steps(const Batch<T>& first) const {
    return {first, feed_.direct(first.samples), first.samples.y.values.template direct<T>(),
            objective_.arguments(first, {0, first.rows}, true)};
}

// Predictions, which have no gradients, keep nothing for a backward pass. In training, logits are left in place where
// the loss takes them.
template <class T> void Small<T>::list(const Arena<T>& arena, T* gradients) {
    layers_.clear();
    for (std::size_t i = 0; i < chain_.layers().size(); ++i) {
        const Layer<T>& layer = *chain_.layers()[i];
        const bool last = i + 1 == chain_.layers().size();
        const bool leaves = layer.activation->rowwise || (last && gradients && objective_.takes_logits());
        const T* const parameters = chain_.parameters() + chain_.offset(i);
        T *const output = arena.outputs[i].data(), *kept = nullptr;
        if (gradients)
            kept = layer.activation->keeps_slope ? arena.slopes[i].data() : output;
        layers_.push_back({
            .inputs = layer.input_size,
            .units = layer.output_size,
            .passes = gemm_passes(layer.input_size),
            .kernel = parameters,
            .bias = layer.bias(parameters),
            .alpha = layer.alpha,
            .output = output,
            .kept = kept,
            .gradient = gradients ? arena.gradients[i].data() : nullptr,
            .kernel_gradient = gradients ? gradients + chain_.offset(i) : nullptr,
            .activation = leaves ? kernels<T>().activations : layer.activation,
        });
    }
}

template <class T> void Small<T>::forward(Index rows, const T* x, bool leave_logits) const {
    for (const SmallLayer<T>& layer : layers_) {
        layer.activation->small_forward(layer, rows, x);
        x = layer.output;
    }
    const Layer<T>& last = chain_.back();
    if (last.activation->rowwise && !leave_logits)
        last.activation->forward(rows, last.output_size, layers_.back().output, last.output_size, {});
}

template <class T> void Small<T>::predict(const Batch<T>& batch) {
    list(batch.arena, nullptr);
    feed_.gather_input(Team::solo(), batch, {0, batch.rows}, 0);
    forward(batch.rows, batch.input.rows, false);
}

// Rows are read in place if possible: all of them, or a single one.
template <class T> void Small<T>::gather(Steps& steps) const {
    Batch<T>& batch = steps.batch;
    const Samples& samples = batch.samples;
    const bool alone = batch.rows == 1, ordered = samples.order;
    const Index at = alone && ordered ? samples.order[batch.begin] : batch.begin;
    const auto find = [&](const Rows& rows, const DirectRows<T>& direct) -> const T* {
        if (!direct.first || !(alone || (!ordered && direct.stride == rows.columns)))
            return nullptr;
        if (ordered)
            rows.prefetch_ahead(batch.begin, samples.count, samples.order, {0, rows.columns});
        return direct.first + at * direct.stride;
    };
    const T *const x = find(samples.x, steps.x), *const y = find(samples.y.values, steps.y);
    batch.input.rows = x ? x : batch.arena.input.data();
    batch.target = y ? y : batch.arena.target.data();
    if (!x)
        feed_.gather_input(Team::solo(), batch, {0, batch.rows}, 0);
    if (!y || samples.weight)
        feed_.gather_targets(batch, {0, batch.rows});
}

template <class T>
void Small<T>::step(Steps& steps, Index begin, Index rows, const Optimization<T>& optimization) const {
    Batch<T>& batch = steps.batch;
    batch.begin = begin, batch.rows = batch.of = rows;
    batch.divisor = objective_.divisor(batch.samples, begin, rows);
    gather(steps);
    forward(rows, batch.input.rows, objective_.takes_logits());
    steps.loss.rows = rows, steps.loss.target = batch.target, steps.loss.scale = Objective<T>::scale(batch.divisor);
    objective_.apply(batch, {0, rows}, steps.loss);
    for (std::size_t i = layers_.size() - 1; i > 0; --i)
        layers_[i - 1].activation->small_backward(layers_[i], rows, layers_[i - 1]);
    kernels<T>().small_gradients(layers_.data(), layers_.data() + layers_.size(), rows, batch.input.rows);
    optimization.kernels.update(optimization.arguments, 0, chain_.parameter_count());
}

template class Small<float>;
template class Small<double>;

}  // namespace fastnet
