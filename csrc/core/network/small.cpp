// Small dense networks: a step of training, and the prediction of a few rows, without what large ones need. The bits
// are the same.
#include <algorithm>

#include "core/threads/float_mode.h"
#include "network.h"

namespace fastnet {

// Whether all layers are of the kind that small_kernels.h computes.
template <class T> bool Network<T>::has_products_only() const {
    return plain_ && std::all_of(layers_.begin(), layers_.end(), [&](const auto& layer) {
               return layer->is_full_product() && (!layer->activation->rowwise || layer == layers_.back());
           });
}

// Whether a step on so many rows is a small one: the one place that says what such a step leaves out. Its products are
// a few vectors each, so one thread computes it, and nothing breaks it off.
template <class T> bool Network<T>::trains_small(const Samples& samples, index rows) const {
    constexpr index most_parameters = 1024, most_values = 64, most_rows = 16;
    index widest = input_size();
    for (const auto& layer : layers_)
        widest = std::max(widest, layer->output_size);
    const bool trains_all = trained_.size() == 1 && trained_[0].size() == parameter_count_;
    return parameter_count_ <= most_parameters && widest <= most_values && rows <= most_rows && products_only_ &&
           trains_all && !hook_ && !compresses_ && !samples.x.compressed() && penalties_.empty() && !options_.any();
}

// The layers for the rows of an arena; those of a prediction keep nothing. Where the loss takes logits, they are left.
template <class T> void Network<T>::list_small(const Arena& arena, Use use) {
    const bool trains = use == Use::training;
    small_.clear();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const Layer<T>& layer = *layers_[i];
        const bool last = i + 1 == layers_.size(), leaves = layer.activation->rowwise || (last && trains && fused_);
        const T* const parameters = parameters_.data() + offsets_[i];
        T *const output = arena.outputs[i].data(), *kept = nullptr;
        if (trains)
            kept = layer.activation->keeps_slope ? arena.slopes[i].data() : output;
        small_.push_back(
            {layer.input_size, layer.output_size, gemm_passes(layer.input_size), parameters, layer.bias(parameters),
             layer.alpha, output, kept, trains ? arena.gradients[i].data() : nullptr,
             trains ? gradients_.data() + offsets_[i] : nullptr, leaves ? kernels<T>().activations : layer.activation});
    }
}

template <class T> void Network<T>::small_forward(index rows, const T* x, bool leave_logits) const {
    for (const SmallLayer<T>& layer : small_) {
        layer.activation->small_forward(layer, rows, x);
        x = layer.output;
    }
    const ActivationKernels<T>& last = *layers_.back()->activation;
    if (last.rowwise && !leave_logits)
        last.forward(rows, output_size(), small_.back().output, output_size(), {});
}

// Rows are read where they lie, if they can be: all of them, or a single one.
template <class T> void Network<T>::gather_small(SmallSteps& steps) const {
    Batch& batch = steps.batch;
    const Samples& samples = batch.samples;
    const bool alone = batch.rows == 1, ordered = samples.order;
    const index at = alone && ordered ? samples.order[batch.begin] : batch.begin;
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
        gather_input(Team::solo(), batch, {0, batch.rows}, 0);
    if (!y || samples.weight)
        gather_targets(batch, {0, batch.rows});
}

template <class T>
void Network<T>::small_step(SmallSteps& steps, index begin, index rows, const Optimization<T>& optimization) {
    Batch& batch = steps.batch;
    batch.begin = begin, batch.rows = batch.of = rows;
    batch.divisor = divisor(batch.samples, begin, rows);
    gather_small(steps);
    small_forward(rows, batch.input.rows, fused_);
    steps.loss.rows = rows, steps.loss.target = batch.target, steps.loss.scale = loss_scale(batch.divisor);
    loss(batch, {0, rows}, steps.loss);
    for (std::size_t i = small_.size() - 1; i > 0; --i)
        small_[i - 1].activation->small_backward(small_[i], rows, small_[i - 1]);
    kernels<T>().small_gradients(small_.data(), small_.data() + small_.size(), rows, batch.input.rows);
    optimization.kernels.update(optimization.arguments, 0, parameter_count_);
}

// Whether these samples are predicted in one go: one, or a few where that is little work. More rows are better off with
// tiles, which read the weights once for all of them.
template <class T> bool Network<T>::predicts_small(const Samples& samples) const {
    constexpr index most_parameters = 1 << 16, most_rows = 16, most_of_rows = 1 << 12;
    const index n = samples.count;
    return products_only_ && parameter_count_ <= most_parameters &&
           (n == 1 || (n > 1 && n <= most_rows && n * parameter_count_ <= most_of_rows)) && !samples.x.compressed() &&
           input_form_ != InputForm::compressed;
}

template <class T> void Network<T>::predict_small(const Samples& samples, T* output) {
    compresses_ = false;
    if (predictable_rows_ < samples.count) {
        const NoForks no_forks;
        prepare(samples, samples.count, Use::prediction, 1, 1);
        arenas_[0].input.reserve(samples.count * input_size());
        predictable_rows_ = samples.count;
    }
    Arena& arena = arenas_[0];
    list_small(arena, Use::prediction);
    const FlushSubnormals flush;
    const Batch all = batch(samples, arena, 0, samples.count);
    gather_input(Team::solo(), all, {0, samples.count}, 0);
    small_forward(samples.count, all.input.rows, false);
    std::copy_n(all.output, samples.count * output_size(), output);
}

template bool Network<float>::has_products_only() const;
template bool Network<double>::has_products_only() const;
template bool Network<float>::trains_small(const Samples&, index) const;
template bool Network<double>::trains_small(const Samples&, index) const;
template void Network<float>::list_small(const Arena&, Use);
template void Network<double>::list_small(const Arena&, Use);
template void Network<float>::small_step(SmallSteps&, index, index, const Optimization<float>&);
template void Network<double>::small_step(SmallSteps&, index, index, const Optimization<double>&);
template bool Network<float>::predicts_small(const Samples&) const;
template bool Network<double>::predicts_small(const Samples&) const;
template void Network<float>::predict_small(const Samples&, float*);
template void Network<double>::predict_small(const Samples&, double*);

}  // namespace fastnet
