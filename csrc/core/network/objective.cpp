#include "objective.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace fastnet {
namespace {

template <class T> Index argmax(const T* x, Index n) { return std::max_element(x, x + n) - x; }

template <class T> double row_metric(Metric metric, const T* output, const T* target, Index n) {
    if (metric == Metric::categorical_accuracy)
        return argmax(output, n) == argmax(target, n) ? 1 : 0;
    Index hits = 0;
    for (Index j = 0; j < n; ++j)
        hits += target[j] == (output[j] > T(0.5) ? T(1) : T(0));
    return static_cast<double>(hits) / static_cast<double>(n);
}

}  // namespace

template <class T> void Objective<T>::compile(const Training& training) {
    const bool custom = training.loss == custom_loss;
    const LossKernels<T>& loss =
        custom ? kernels<T>().losses[0] : find_kernel(kernels<T>().losses, training.loss, "loss");
    const ActivationKernels<T>& last = *chain_.back().activation;
    loss_ = &loss, custom_ = custom;
    fused_ = !custom && loss.fused_activation && chain_.back().activation_rows == 1 &&
             ((training.from_logits && is_identity(last)) || std::string(loss.fused_activation) == last.name);
    reduction_ = training.reduction;
    parameters_ = training.loss_parameters;
    metric_ = training.metric;
}

template <class T> void Objective<T>::begin(const BatchHook<T>& hook) {
    if (custom_ && !hook)
        throw std::logic_error("the network's loss is a custom one: a hook must compute it");
    hook_ = hook ? &hook : nullptr;
    proceeds_ = true;
}

template <class T> void Objective<T>::reserve(Arena<T>& arena, Index rows) const {
    if (hook_)
        arena.logits.reserve(rows * chain_.output_size());
    arena.loss.reserve(rows);
    arena.metric.reserve(rows);
}

template <class T>
LossArguments<T> Objective<T>::arguments(const Batch<T>& batch, Range rows, bool with_gradient) const {
    const Arena<T>& arena = batch.arena;
    const Index size = chain_.output_size(), first = rows.begin * size;
    return {rows.size(),
            size,
            batch.output + first,
            batch.target + first,
            batch.samples.weight ? arena.weight.data() + rows.begin : nullptr,
            scale(batch.divisor),
            with_gradient ? arena.gradients.back().data() + first : nullptr,
            arena.loss.data() + rows.begin,
            parameters_.data()};
}

template <class T> void Objective<T>::apply(const Batch<T>& batch, Range rows, bool with_gradient) const {
    const Index size = chain_.output_size();
    T* const y = batch.output + rows.begin * size;
    T* const logits = batch.arena.logits.data() + rows.begin * size;
    const bool keeps_logits = hook_ && fused_ && is_identity(*chain_.back().activation);
    if (keeps_logits)
        std::copy_n(y, rows.size() * size, logits);
    apply(batch, rows, arguments(batch, rows, with_gradient));
    if (keeps_logits)
        std::copy_n(logits, rows.size() * size, y);
}

template <class T>
void Objective<T>::apply(const Batch<T>& batch, Range rows, const LossArguments<T>& arguments) const {
    if (fused_) {
        loss_->fused(arguments);
    } else {
        loss_->plain(arguments);
        if (arguments.gradient)
            chain_.slope_of_last(batch, rows);
    }
    const double of = static_cast<double>(batch.of);  // the reported loss is the mean over this many samples
    if (batch.divisor != of)
        for (Index i = rows.begin; i < rows.end; ++i)
            batch.arena.loss.data()[i] *= batch.divisor != 0 ? of / batch.divisor : 0;
    measure(batch, rows);
}

template <class T> void Objective<T>::measure(const Batch<T>& batch, Range rows) const {
    if (metric_ == Metric::none)
        return;
    const Index size = chain_.output_size();
    for (Index i = rows.begin; i < rows.end; ++i)
        batch.arena.metric.data()[i] = row_metric(metric_, batch.output + i * size, batch.target + i * size, size);
}

template <class T> bool Objective<T>::call_hook(Team& team, const Batch<T>& batch) {
    team.barrier();
    if (team.was_broken_off())
        return false;
    if (team.leads()) {
        double loss = 0;
        T* gradient = custom_ ? batch.arena.gradients.back().data() : nullptr;
        proceeds_ = (*hook_)(batch.begin, batch.rows, batch.output, custom_ ? &loss : nullptr, gradient);
        if (custom_)
            std::fill_n(batch.arena.loss.data(), batch.rows, loss);
        if (custom_ && batch.of != batch.rows)  // the gradient of the mean over these rows
            kernels<T>().scale(batch.rows * chain_.output_size(), gradient,
                               static_cast<T>(batch.rows) / static_cast<T>(batch.of));
    }
    team.barrier();
    return proceeds_;
}

template class Objective<float>;
template class Objective<double>;

}  // namespace fastnet
