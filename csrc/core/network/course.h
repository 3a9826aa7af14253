// The course of an epoch: its steps and their results.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "updater.h"

namespace fastnet {

// Result of an epoch: the number of finished steps and the mean loss and metric over the samples seen (NaN if there are
// none). first_nonfinite is the first step with a loss that was not finite, or -1. The means are made from sums over
// the samples in their order.
struct EpochResult {
    Index steps = 0;
    double loss = 0, metric = 0;
    Index first_nonfinite = -1;
    double loss_sum = 0, metric_sum = 0;
};

// The part of an epoch to run: the steps after those that an earlier call finished, and before `end`. Means,
// first_nonfinite and sums continue from the earlier call. The samples may be a window: those of step `first`, which
// may be before the epoch, and of the steps after it, where the epoch has `rows` samples in all. However an epoch is
// cut, its results are the same bit for bit.
struct EpochPart {
    EpochResult done;
    Index end = std::numeric_limits<Index>::max();
    Index first = 0;
    Index rows = 0;  // 0 where the samples are those of the epoch
};

// Sums over samples in their order, regardless of which thread computed them.
class RunningMean {
  public:
    // Continues from the sums of an earlier result over `samples` samples.
    explicit RunningMean(Metric metric, const EpochResult& done = {}, Index samples = 0)
        : with_metric_(metric != Metric::none), loss_(done.loss_sum), metric_(done.metric_sum), samples_(samples) {}

    void add(const double* losses, const double* metrics, Index count) {
        for (Index i = 0; i < count; ++i)
            loss_ += losses[i];
        for (Index i = 0; with_metric_ && i < count; ++i)
            metric_ += metrics[i];
        samples_ += count;
    }
    bool is_finite() const { return std::isfinite(loss_); }
    EpochResult result(Index steps, Index first_nonfinite = -1) const {
        const double n = static_cast<double>(samples_);
        return {steps, loss_ / n, with_metric_ ? metric_ / n : std::nan(""), first_nonfinite, loss_, metric_};
    }

  private:
    const bool with_metric_;
    double loss_, metric_;
    Index samples_;
};

// The state that the steps of an epoch share: batch boundaries, the hyperparameters of each step, and the results.
template <class T> class Course {
  public:
    Course(const Updater<T>& updater, Metric metric, const Samples& samples, Index batch_size,
           const std::vector<double>& learning_rates, const EpochPart& part)
        : updater_(updater), rates_(learning_rates), first_(part.first),
          total_(part.rows > 0 ? part.rows : samples.count), batch_size_(batch_size),
          steps_(ceiling(total_, batch_size)),
          end_(std::min({steps_, part.end, part.first + ceiling(samples.count, batch_size)})),
          finished_(updater.finished_steps() - part.done.steps), result_(part.done),
          mean_(metric, part.done, std::min(part.done.steps * batch_size, total_)) {
        if (part.done.steps > 0)
            result_ = mean_.result(part.done.steps, part.done.first_nonfinite);
    }

    // The first row of step i among the samples.
    Index begin(Index i) const { return (i - first_) * batch_size_; }
    Index rows(Index i) const { return std::min(batch_size_, total_ - i * batch_size_); }
    // The number of step i among all steps of the network, counted from 1.
    std::int64_t number(Index i) const { return finished_ + i + 1; }
    double learning_rate(Index i) const {
        return rates_.empty() ? updater_.learning_rate()
                              : rates_[std::min(static_cast<std::size_t>(i - first_), rates_.size() - 1)];
    }
    void hyperparameters(Index i, Hyperparameters& values) const {
        updater_.prepare(number(i), learning_rate(i), values);
    }
    void add(Index i, const Arena<T>& arena) {
        mean_.add(arena.loss.data(), arena.metric.data(), rows(i));
        result_.steps = i + 1;
        if (result_.first_nonfinite < 0 && !mean_.is_finite())
            result_.first_nonfinite = i;
    }
    Index steps() const { return steps_; }
    Index end() const { return end_; }
    Index taken() const { return result_.steps; }
    EpochResult result() const {
        return result_.steps > 0 ? mean_.result(result_.steps, result_.first_nonfinite) : result_;
    }

  private:
    static Index ceiling(Index n, Index d) { return (n + d - 1) / d; }
    const Updater<T>& updater_;
    const std::vector<double>& rates_;
    const Index first_, total_, batch_size_;
    const Index steps_, end_;
    const std::int64_t finished_;  // before the epoch
    EpochResult result_;           // except for the means
    RunningMean mean_;
};

}  // namespace fastnet
