// The loss, the metric, and the function that sees every batch. The loss is combined with the last activation where
// that gives a shorter formula.
#pragma once

#include <array>

#include "chain.h"
#include "training.h"

namespace fastnet {

template <class T> class Objective {
  public:
    explicit Objective(const Chain<T>& chain) : chain_(chain) {}

    void compile(const Training& training);
    bool compiled() const { return loss_ != nullptr; }

    // Sets the hook for the following work. Throws std::logic_error where the loss needs one and there is none.
    void begin(const BatchHook<T>& hook);
    bool has_hook() const { return hook_ != nullptr; }
    // Whether the hook computes the loss.
    bool is_custom() const { return custom_; }
    // The hook's last answer.
    bool proceeds() const { return proceeds_; }
    // Whether the loss takes the logits, to which the last activation would be applied.
    bool takes_logits() const { return fused_; }
    Metric metric() const { return metric_; }

    // Makes room in an arena for batches of this many rows.
    void reserve(Arena<T>& arena, Index rows) const;

    // The number by which the sum of the losses of these samples is divided.
    double divisor(const Samples& samples, Index begin, Index rows) const {
        if (reduction_ == Reduction::sum)
            return 1;
        if (reduction_ == Reduction::mean || !samples.weight)
            return static_cast<double>(rows);
        double sum = 0;
        for (Index i = begin; i < begin + rows; ++i)
            sum += samples.weight[samples.order ? samples.order[i] : i];
        return sum;
    }
    static T scale(double divisor) { return divisor != 0 ? static_cast<T>(1 / divisor) : T(0); }

    // The loss and metric of these rows and, if asked for, the gradient with respect to the last layer's
    // pre-activation.
    void apply(const Batch<T>& batch, Range rows, bool with_gradient) const;
    // The same with arguments that the caller keeps.
    LossArguments<T> arguments(const Batch<T>& batch, Range rows, bool with_gradient) const;
    void apply(const Batch<T>& batch, Range rows, const LossArguments<T>& arguments) const;
    void measure(const Batch<T>& batch, Range rows) const;

    // Called by all members when all outputs of the batch are ready. Returns whether they are to continue.
    bool call_hook(Team& team, const Batch<T>& batch);

  private:
    const Chain<T>& chain_;
    const LossKernels<T>* loss_ = nullptr;
    bool fused_ = false, custom_ = false;
    Reduction reduction_ = Reduction::mean;
    std::array<double, max_loss_parameters> parameters_{};
    Metric metric_ = Metric::none;
    const BatchHook<T>* hook_ = nullptr;
    bool proceeds_ = true;
};

}  // namespace fastnet
