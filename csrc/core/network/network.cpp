// The network's structure and the passes of one batch through its layers. What a step of training makes of them is in
// steps.cpp, the loops over a data set are in epochs.cpp.
#include "network.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/layers/quantized_dense.h"

namespace fastnet {
namespace {

template <class T> index argmax(const T* x, index n) { return std::max_element(x, x + n) - x; }

template <class T> double row_metric(Metric metric, const T* output, const T* target, index n) {
    if (metric == Metric::categorical_accuracy)
        return argmax(output, n) == argmax(target, n) ? 1 : 0;
    index hits = 0;
    for (index j = 0; j < n; ++j)
        hits += target[j] == (output[j] > T(0.5) ? T(1) : T(0));
    return static_cast<double>(hits) / static_cast<double>(n);
}

template <class T> bool is_identity(const ActivationKernels<T>& activation) {
    return &activation == kernels<T>().activations;
}

}  // namespace

template <class T>
Network<T>::Network(index input_size, const std::vector<LayerSpec>& specs)
    : rescales_(specs.size() > 1 && specs.front().type == "rescaling"), whole_input_(Panels::whole(input_size)),
      layers_(make_layers<T>(input_size, {specs.begin() + (rescales_ ? 1 : 0), specs.end()})) {
    if (rescales_) {
        input_scale_ = static_cast<T>(specs.front().scale);
        input_offset_ = static_cast<T>(specs.front().offset);
    }
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
    products_only_ = has_products_only();
    update_layers(specs);
    packed_.resize(layers_.size());
    parameters_.reserve(value_count());
    std::fill_n(parameters_.data(), value_count(), T(0));
}

template <class T> std::vector<std::pair<index, ParameterSlot>> Network<T>::slots() const {
    std::vector<std::pair<index, ParameterSlot>> result;
    for (std::size_t i = 0; i < layers_.size(); ++i)
        for (ParameterSlot slot : layers_[i]->slots()) {
            slot.offset += slot.trainable ? offsets_[i] : parameter_count_ + statistic_offsets_[i];
            result.emplace_back(layers_[i]->spec + (rescales_ ? 1 : 0), std::move(slot));
        }
    return result;
}

template <class T> std::vector<std::uint64_t*> Network<T>::seeds() {
    std::vector<std::uint64_t*> result;
    for (const auto& layer : layers_)
        if (std::uint64_t* const seed = layer->seed())
            result.push_back(seed);
    return result;
}

template <class T> std::vector<std::pair<index, const QuantizedDense*>> Network<T>::quantized_layers() const {
    std::vector<std::pair<index, const QuantizedDense*>> result;
    if constexpr (sizeof(T) == sizeof(float))
        for (const auto& layer : layers_)
            if (const auto* quantized = dynamic_cast<const QuantizedDense*>(layer.get()))
                result.emplace_back(layer->spec + (rescales_ ? 1 : 0), quantized);
    return result;
}

template <class T> void Network<T>::compile(const Training& training) {
    const bool custom = training.loss == custom_loss;
    const LossKernels<T>& loss =
        custom ? kernels<T>().losses[0] : find_kernel(kernels<T>().losses, training.loss, "loss");
    const OptimizerKernels<T>& optimizer = find_kernel(kernels<T>().optimizers, training.optimizer, "optimizer");
    gradients_.reserve(parameter_count_);
    const index state_size = (optimizer.slots + training.options.extra_slots()) * parameter_count_;
    state_.reserve(state_size);
    std::fill_n(state_.data(), state_size, T(0));
    std::fill_n(state_.data(), optimizer.slots * parameter_count_,
                static_cast<T>(optimizer.initial(training.hyperparameters.data())));
    options_ = training.options;
    muon_.reserve(options_.matrices);
    block_sums_.reserve(parameter_count_ / 4096 + 1 + static_cast<index>(slots().size()));
    loss_ = &loss, optimizer_ = &optimizer;
    custom_loss_ = custom;
    from_logits_ = training.from_logits, reduction_ = training.reduction;
    loss_parameters_ = training.loss_parameters;
    fused_ = !custom && loss.fused_activation &&
             ((from_logits_ && is_identity(*layers_.back()->activation)) ||
              std::string(loss.fused_activation) == layers_.back()->activation->name);
    metric_ = training.metric;
    hyperparameters_ = training.hyperparameters;
    steps_ = 0;
}

template <class T> void Network<T>::require_compiled() const {
    if (!compiled())
        throw std::logic_error("the network has no loss: call compile first");
}

template <class T> void Network<T>::require_hook(const BatchHook<T>& hook) {
    if (custom_loss_ && !hook)
        throw std::logic_error("the network's loss is a custom one: a hook must compute it");
    hook_ = hook ? &hook : nullptr;
    proceeds_ = true;
}

template <class T> void Network<T>::require_backward() const {
    if (!has_backward_)
        throw std::logic_error("the network has layers that predict but do not learn");
}

// The sums of all parts together should not outgrow the cache.
template <class T> bool Network<T>::in_parts(index rows) const {
    constexpr index many_rows = 4096, few_parameters = 1 << 16;
    return rows >= many_rows && parameter_count_ <= few_parameters && !needs_whole_batch_;
}

// Two ways to share a batch. Either every thread takes rows of it through all layers alone, which needs no barrier
// between them, or the team computes one layer after the other together. Alone, each thread packs the weights for
// itself, which pays as long as there are few of them or many rows.
template <class T> bool Network<T>::splits_rows(index rows, int threads) const {
    constexpr index few_weights = 1 << 17;
    constexpr index many_rows = 512;
    index widest = 0;
    for (const auto& layer : layers_)
        widest = std::max(widest, layer->parameter_count());
    return rows >= row_grain * threads && (widest <= few_weights || rows >= many_rows * threads);
}

template <class T> typename Network<T>::Share Network<T>::share_of(Team& team, index rows) {
    if (splits_rows(rows, team.size()))
        return {team.alone(), workspaces_[static_cast<std::size_t>(team.rank())], team.share(rows, row_grain)};
    return {team, workspaces_[0], {0, rows}};
}

// The rows of an earlier layer's output that an addition adds, from this one on.
template <class T> const T* Network<T>::skip_of(const Batch& batch, const Layer<T>& layer, index row) const {
    std::size_t after = static_cast<std::size_t>(layer.skip) + 1;
    while (after > 0 && leaves_out(after - 1, batch.goes_back()))
        --after;
    return input_of(batch, after).rows + row * layer.input_size;
}

// Prediction leaves out a layer that would only copy, unless a backward pass follows, which reads every layer's input;
// the last one writes the output.
template <class T> bool Network<T>::leaves_out(std::size_t i, bool goes_back) const {
    return !goes_back && layers_[i]->only_in_training() && is_identity(*layers_[i]->activation) &&
           i + 1 < layers_.size();
}

// What a layer applies to its result, whose rows begin at `row` of the batch, as it is written: its bias and its
// activation, unless that needs whole rows or is left out.
template <class T>
Epilogue<T> Network<T>::elementwise(const Batch& batch, std::size_t i, index row, bool leave_logits) const {
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
template <class T> T* Network<T>::kept_of(const Batch& batch, std::size_t i) const {
    const bool last = i + 1 == layers_.size();
    if (layers_[i]->activation->keeps_slope)
        return batch.arena.slopes[i].data();
    return last ? batch.output : batch.arena.outputs[i].data();
}

// From the layer `first` on, whose input is there.
template <class T>
void Network<T>::forward(Share& share, const Batch& batch, bool leave_logits, std::size_t first) const {
    const index row = share.rows.begin;
    Input<T> x = input_of(batch, first).from(row, layers_[first]->input_size);
    Pass<T> pass = this->pass({share.team, share.workspace}, batch, share.rows);
    for (std::size_t i = first; i < layers_.size(); ++i) {
        const Layer<T>& layer = *layers_[i];
        if (leaves_out(i, batch.goes_back()))
            continue;
        const bool last = i + 1 == layers_.size();
        T* y = (last ? batch.output : batch.arena.outputs[i].data()) + row * layer.output_size;
        enter(pass, batch, i, row);
        layer.forward(pass, x, y, elementwise(batch, i, row, leave_logits));
        share.team.barrier();
        if (layer.activation->rowwise && !(last && leave_logits)) {
            const index size = layer.output_size;
            in_pieces(
                share.team, share.team.share(share.rows.size()), operations_per_move * static_cast<double>(size),
                [&](Range mine) { layer.activation->forward(mine.size(), size, y + mine.begin * size, size, {}); });
            share.team.barrier();
        }
        x = Input<T>{y};
    }
}

template <class T>
LossArguments<T> Network<T>::loss_arguments(const Batch& batch, Range rows, bool with_gradient) const {
    const Arena& arena = batch.arena;
    const index size = output_size(), first = rows.begin * size;
    return {rows.size(),
            size,
            batch.output + first,
            batch.target + first,
            batch.samples.weight ? arena.weight.data() + rows.begin : nullptr,
            loss_scale(batch.divisor),
            with_gradient ? arena.gradients.back().data() + first : nullptr,
            arena.loss.data() + rows.begin,
            loss_parameters_.data()};
}

// The loss and metric of these rows and, if asked for, the gradient with respect to the last layer's pre-activation.
template <class T> void Network<T>::loss(const Batch& batch, Range rows, bool with_gradient) const {
    T* const y = batch.output + rows.begin * output_size();
    T* const logits = batch.arena.logits.data() + rows.begin * output_size();
    const bool keeps_logits = hook_ && fused_ && is_identity(*layers_.back()->activation);
    if (keeps_logits)
        std::copy_n(y, rows.size() * output_size(), logits);
    loss(batch, rows, loss_arguments(batch, rows, with_gradient));
    if (keeps_logits)
        std::copy_n(logits, rows.size() * output_size(), y);
}

template <class T> void Network<T>::loss(const Batch& batch, Range rows, const LossArguments<T>& arguments) const {
    if (fused_) {
        loss_->fused(arguments);
    } else {
        loss_->plain(arguments);
        if (arguments.gradient)
            slope_of_last(batch, rows);
    }
    const double of = static_cast<double>(batch.of);  // whose mean is what is reported
    if (batch.divisor != of)
        for (index i = rows.begin; i < rows.end; ++i)
            batch.arena.loss.data()[i] *= batch.divisor != 0 ? of / batch.divisor : 0;
    metric(batch, rows);
}

template <class T> void Network<T>::metric(const Batch& batch, Range rows) const {
    if (metric_ == Metric::none)
        return;
    const index size = output_size();
    for (index i = rows.begin; i < rows.end; ++i)
        batch.arena.metric.data()[i] = row_metric(metric_, batch.output + i * size, batch.target + i * size, size);
}

// The epilogue that multiplies gradients with respect to a layer's outputs by its slope, from this row of the batch on.
template <class T> Epilogue<T> Network<T>::slope_of(const Batch& batch, std::size_t i, index row) const {
    const Layer<T>& layer = *layers_[i];
    const index size = layer.output_size;
    return {layer.activation->backward, nullptr, kept_of(batch, i) + row * size, size, layer.alpha};
}

// From the gradients of these rows' outputs of a layer to those of its pre-activation.
template <class T> void Network<T>::apply_slope(const Batch& batch, std::size_t i, Range rows) const {
    if (is_identity(*layers_[i]->activation))
        return;
    const index size = layers_[i]->output_size, each = batch.gradients();
    T* const dy = batch.arena.gradients[i].data();
    if (each == 1) {
        const Epilogue<T> slope = slope_of(batch, i, rows.begin);
        return slope.function(rows.size(), size, dy + rows.begin * size, size, slope);
    }
    for (index row = rows.begin; row < rows.end; ++row) {
        Epilogue<T> slope = slope_of(batch, i, row);
        slope.kept_row = 0;  // all gradients of a sample meet the same slopes
        slope.function(each, size, dy + row * each * size, size, slope);
    }
}

template <class T> void Network<T>::slope_of_last(const Batch& batch, Range rows) const {
    apply_slope(batch, layers_.size() - 1, rows);
}

// From the gradients of the last pre-activation to those of the layer `lowest`; a negative one stands for none.
template <class T> void Network<T>::backward(Share& share, const Batch& batch, index lowest) const {
    if (lowest < 0)
        return;
    const Arena& arena = batch.arena;
    const index rows = share.rows.size(), row = share.rows.begin, each = batch.gradients();
    Pass<T> pass = this->pass({share.team, share.workspace}, batch, share.rows);
    pass.rows *= each;
    for (std::size_t i = layers_.size() - 1;; --i) {
        const Layer<T>& layer = *layers_[i];
        const Input<T> x = input_of(batch, i).from(row, layer.input_size);
        const T* dy = arena.gradients[i].data() + row * each * layer.output_size;
        enter(pass, batch, i, row);
        if (needs_whole_batch_ && pass.training() && layer.needs_whole_batch())
            layer.prepare_backward(pass, x, dy);
        if (static_cast<index>(i) == lowest)
            return;
        const ActivationKernels<T>& activation = *layers_[i - 1]->activation;
        const index size = layer.input_size;
        T* dx = arena.gradients[i - 1].data() + row * each * size;
        const bool added = !plain_ && !added_to_[i - 1].empty(), linear = is_identity(activation);
        const bool apart = added || activation.rowwise || (each > 1 && !linear);
        const Epilogue<T> slope = slope_of(batch, i - 1, row);
        layer.backward(pass, x, dy, dx, apart || linear ? nullptr : &slope);
        share.team.barrier();
        if (apart) {
            const double per_row = operations_per_move * static_cast<double>(each * size);
            in_pieces(share.team, share.team.share(rows), per_row, [&](Range mine) {
                const index first = (row + mine.begin) * each * size;
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

template class Network<float>;
template class Network<double>;

}  // namespace fastnet
