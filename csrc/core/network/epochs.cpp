// The loops of a network over a data set.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <utility>

#include "core/threads/float_mode.h"
#include "network.h"

namespace fastnet {
namespace {

// An epoch is a chain of segments of about this length, each with a team of its own, whose size can follow what else
// the machine does. Between segments nothing is in the middle of anything: that is where Python is called.
constexpr auto segment = std::chrono::milliseconds(2);

template <class Body> void run_network_team(int threads, Interruption* interruption, Body body) {
    const FlushSubnormals flush;
    run_team(threads, body, interruption);
}

using Hyperparameters = std::array<double, max_hyperparameters>;

// Sums over samples in their order, whichever thread computed them.
class RunningMean {
  public:
    // Goes on from the sums of an earlier result over so many samples.
    explicit RunningMean(Metric metric, const EpochResult& done = {}, index samples = 0)
        : with_metric_(metric != Metric::none), loss_(done.loss_sum), metric_(done.metric_sum), samples_(samples) {}

    void add(const double* losses, const double* metrics, index count) {
        for (index i = 0; i < count; ++i)
            loss_ += losses[i];
        for (index i = 0; with_metric_ && i < count; ++i)
            metric_ += metrics[i];
        samples_ += count;
    }
    bool is_finite() const { return std::isfinite(loss_); }
    EpochResult result(index steps, index first_nonfinite = -1) const {
        const double n = static_cast<double>(samples_);
        return {steps, loss_ / n, with_metric_ ? metric_ / n : std::nan(""), first_nonfinite, loss_, metric_};
    }

  private:
    const bool with_metric_;
    double loss_, metric_;
    index samples_;
};

}  // namespace

// What the steps of an epoch have in common: how they are cut, the hyperparameters of each, and what they leave.
template <class T> class Network<T>::Course {
  public:
    Course(const Network& network, const Samples& samples, index batch_size, const std::vector<double>& learning_rates,
           const EpochPart& part)
        : network_(network), rates_(learning_rates), total_(samples.count), batch_size_(batch_size),
          steps_(ceiling(total_, batch_size)), end_(std::min(steps_, part.end)),
          finished_(network.steps_ - part.done.steps), result_(part.done),
          mean_(network.metric_, part.done, std::min(part.done.steps * batch_size, total_)) {
        std::copy(network.hyperparameters_.begin(), network.hyperparameters_.end(), hyperparameters_.begin());
        if (part.done.steps > 0)
            result_ = mean_.result(part.done.steps, part.done.first_nonfinite);
    }

    index begin(index i) const { return i * batch_size_; }
    index rows(index i) const { return std::min(batch_size_, total_ - begin(i)); }
    // The number of step i among all that the network has taken, counted from 1.
    std::int64_t number(index i) const { return finished_ + i + 1; }
    double learning_rate(index i) const {
        return rates_.empty() ? network_.hyperparameters_[0]
                              : rates_[std::min(static_cast<std::size_t>(i), rates_.size() - 1)];
    }
    void hyperparameters(index i, Hyperparameters& values) const {
        values = hyperparameters_;
        values[0] = learning_rate(i);
        const std::int64_t every = network_.options_.accumulation_steps;
        network_.optimizer_->prepare(values.data(), (every == 1 ? number(i) - 1 : (number(i) - 1) / every) + 1);
    }
    void add(index i, const Arena& arena) {
        mean_.add(arena.loss.data(), arena.metric.data(), rows(i));
        result_.steps = i + 1;
        if (result_.first_nonfinite < 0 && !mean_.is_finite())
            result_.first_nonfinite = i;
    }
    index steps() const { return steps_; }
    index end() const { return end_; }
    index taken() const { return result_.steps; }
    EpochResult result() const {
        return result_.steps > 0 ? mean_.result(result_.steps, result_.first_nonfinite) : result_;
    }

  private:
    static index ceiling(index n, index d) { return (n + d - 1) / d; }
    const Network& network_;
    const std::vector<double>& rates_;
    const index total_, batch_size_;
    const index steps_, end_;
    const std::int64_t finished_;  // before the epoch
    Hyperparameters hyperparameters_{};
    EpochResult result_;  // but for the means
    RunningMean mean_;
};

template <class T> int Network<T>::threads_for_rows(index rows, Use use) const {
    // A step of training has three passes: forward, the inputs' gradients, the parameters' gradients. It counts for
    // half of them: threads that exchange parameters after every step gain nothing below some 4 million operations, 0.8
    // to 1.0 of one thread's pace on an Intel Xeon, and 1.0 to 1.2 at 10 million.
    const double passes = use == Use::training ? 1.5 : 1;
    // Weights that come from the third-level cache or memory take as long as so many operations each, however few rows.
    constexpr double operations_per_weight = 14;
    return threads_for(passes * (operations_per_row() * static_cast<double>(rows) +
                                 operations_per_weight * static_cast<double>(parameter_count_)));
}

// Makes room for batches of so many rows, in so many arenas, before the threads start: nothing is allocated in them.
template <class T> void Network<T>::prepare(const Samples& samples, index rows, Use use, int threads, int arenas) {
    const auto grow = [](auto& list, int size) {
        if (list.size() < static_cast<std::size_t>(size))
            list.resize(static_cast<std::size_t>(size));
    };
    grow(workspaces_, threads);
    for (auto& workspace : workspaces_)
        workspace.reserve(threads);
    grow(arenas_, arenas);
    const index terms = compresses_ ? most_values(samples, rows) : 0;
    for (Arena& arena : arenas_) {
        arena.outputs.resize(layers_.size());
        arena.gradients.resize(layers_.size());
        arena.slopes.resize(layers_.size());
        arena.memories.resize(layers_.size());
        for (std::size_t i = 0; i < layers_.size(); ++i) {
            arena.outputs[i].reserve(rows * layers_[i]->output_size);
            if (use == Use::training)
                arena.gradients[i].reserve(rows * layers_[i]->output_size);
            if (use == Use::training && layers_[i]->activation->keeps_slope)
                arena.slopes[i].reserve(rows * layers_[i]->output_size);
            arena.memories[i].reserve(rows * layers_[i]->memory_per_row() + layers_[i]->memory_per_batch());
            layers_[i]->prepare(parameters_.data() + offsets_[i],
                                parameters_.data() + parameter_count_ + statistic_offsets_[i],
                                arena.memories[i].data());
        }
        if (compresses_)
            arena.compressed.reserve(rows, input_size(), layers_.front()->stretches().count, terms,
                                     use == Use::training);
        else if (!input_in_place(samples))
            arena.input.reserve(rows * input_size());
        if (use == Use::prediction)
            continue;
        if (use == Use::training)
            arena.sums.reserve(layers_.front()->stretches().count * rows * layers_.front()->output_size);
        arena.target.reserve(rows * output_size());
        arena.weight.reserve(rows);
        if (hook_)
            arena.logits.reserve(rows * output_size());
        arena.loss.reserve(rows);
        arena.metric.reserve(rows);
    }
}

// The hyperparameters are those of a step, which may change from one to the next.
template <class T> Optimization<T> Network<T>::optimization(const double* hyperparameters) {
    return {
        *optimizer_,
        {parameters_.data(), gradients_.data(), state_.data(), parameter_count_, optimizer_->slots, hyperparameters}};
}

// Makes room for training on batches of so many rows; returns the arena in which a whole batch leaves its losses.
template <class T> typename Network<T>::Arena& Network<T>::prepare_training(const Samples& samples, index rows,
                                                                            int threads) {
    const NoForks no_forks;
    if (hook_ || !in_parts(rows)) {
        prepare(samples, rows, Use::training, threads, 1);
        return arenas_[0];
    }
    prepare(samples, block_rows, Use::training, threads, threads + 1);
    part_gradients_.reserve(parts * parameter_count_);
    Arena& whole = arenas_[static_cast<std::size_t>(threads)];
    whole.loss.reserve(rows);
    whole.metric.reserve(rows);
    return whole;
}

template <class T>
EpochResult Network<T>::train_epoch(const Samples& samples, index batch_size, const std::vector<double>& learning_rates,
                                    const Progress& progress, const BatchHook<T>& hook, const EpochPart& part) {
    require_backward();
    require_compiled();
    require_hook(hook);
    batch_size = std::min(batch_size, samples.count);
    choose_input(samples, batch_size, Use::training);
    const int threads = threads_for_rows(batch_size, Use::training);
    Arena& arena = prepare_training(samples, batch_size, threads);
    forget_packed_kernels();
    Course course(*this, samples, batch_size, learning_rates, part);
    const bool small = trains_small(samples, batch_size);
    if (small) {
        const NoForks no_forks;
        arena.input.reserve(batch_size * input_size());  // for rows that cannot be read one by one where they lie
        list_small(arena, Use::training);
    }

    // A look at the clock costs as much as a step of a tiny network.
    const index look = 1 + static_cast<index>(1e5 / (operations_per_row() * static_cast<double>(batch_size)));

    const bool adapts = teams_may_rest();
    pace_.begin(batch_size, threads);
    const std::chrono::duration<double> interval(progress.interval);
    bool proceed = true;
    auto reported = Clock::now();
    while (course.taken() < course.end() && proceed) {
        const auto begun = Clock::now(), deadline = begun + segment;
        const index before = course.taken();
        const auto goes_on = [&](index taken) {
            return taken < course.end() && (taken % look != 0 || Clock::now() < deadline);
        };
        if (small)
            small_steps(course, samples, arena, goes_on);
        else
            proceed = steps_of_team(course, samples, arena, adapts ? pace_.threads(threads) : threads,
                                    in_parts(batch_size) && !hook_, goes_on);
        pace_.record(course.taken() - before, Clock::now() - begun);
        if (proceed && progress.function && Clock::now() - reported >= interval) {
            proceed = progress.function(course.result(), course.steps());
            reported = Clock::now();
            if (interruption_)
                interruption_->was_asked();
        }
    }
    return course.result();
}

// Steps by a team, one at least, while goes_on says so. False where one was broken off.
template <class T>
template <class GoesOn>
bool Network<T>::steps_of_team(Course& course, const Samples& samples, Arena& arena, int threads, bool parted,
                               GoesOn goes_on) {
    // Shorter steps are not broken off: progress is made often enough.
    constexpr double operations_of_milliseconds = 1e7;
    const double operations = operations_ * static_cast<double>(course.rows(0));
    Interruption* const of_steps = operations > operations_of_milliseconds ? interruption_ : nullptr;

    const bool penalties_fused = fuses_penalties(parted), with_extras = options_.any() || penalties_fused;
    const index first = course.taken();
    bool more = true, proceed = true;
    run_network_team(threads, of_steps, [&](Team& team) {
        for (index i = first; more; ++i) {
            Hyperparameters hyperparameters;
            course.hyperparameters(i, hyperparameters);
            Optimization<T> optimization = this->optimization(hyperparameters.data());
            Batch now = batch(samples, arena, course.begin(i), course.rows(i));
            now.step = course.number(i);
            OptimizerExtras<T> more_to_do;
            if (with_extras) {
                more_to_do = extras(now, penalties_fused, course.learning_rate(i));
                optimization.arguments.extras = &more_to_do;
            }
            const bool finished = step(team, now, parted, gradients_.data(), &optimization);
            if (team.leads() && !finished) {
                more = proceed = false;
            } else if (team.leads()) {
                course.add(i, arena);
                more = goes_on(i + 1);
            }
            team.barrier();  // the new parameters, and whether to go on, are there for all
            if (team.leads() && proceed) {
                steps_ = now.step;
                end_update();
            }
        }
    });
    return proceed;
}

// The same of small steps. None is broken off, and forks wait for all of them: together they take milliseconds.
template <class T>
template <class GoesOn>
void Network<T>::small_steps(Course& course, const Samples& samples, Arena& arena, GoesOn goes_on) {
    run_network_team(1, nullptr, [&](Team& alone) {
        Hyperparameters hyperparameters;
        const Optimization<T> optimization = this->optimization(hyperparameters.data());
        index i = course.taken();
        const Batch first = batch(samples, arena, course.begin(i), course.rows(i));
        const DirectRows<T> x = rescales_ ? DirectRows<T>{} : samples.x.template direct<T>();
        SmallSteps steps{first, x, samples.y.values.template direct<T>(), loss_arguments(first, {0, first.rows}, true)};
        begin_update(alone);
        do {
            course.hyperparameters(i, hyperparameters);
            small_step(steps, course.begin(i), course.rows(i), optimization);
            course.add(i, arena);
        } while (goes_on(++i));
        steps_ = course.number(i) - 1;
        end_update();
    });
}

template <class T>
double Network<T>::loss_and_gradients(const Samples& samples, T* gradients, const BatchHook<T>& hook) {
    require_backward();
    require_compiled();
    require_hook(hook);
    choose_input(samples, samples.count, Use::training);
    const int threads = threads_for_rows(samples.count, Use::training);
    Arena& arena = prepare_training(samples, samples.count, threads);
    if (trained_.size() != 1 || trained_[0].size() != parameter_count_)
        std::fill_n(gradients, parameter_count_, T(0));
    bool finished = false;
    run_network_team(threads, interruption_, [&](Team& team) {
        Batch all = batch(samples, arena, 0, samples.count);
        all.step = steps_ + 1;
        const bool mine = step(team, all, !hook_ && in_parts(samples.count), gradients, nullptr);
        if (team.leads())
            finished = mine;
    });
    if (!finished)
        return std::nan("");
    RunningMean mean(Metric::none);
    mean.add(arena.loss.data(), nullptr, samples.count);
    return mean.result(1).loss;
}

// Runs all samples through the layers, chunk by chunk: with many rows each thread goes through its own chunks, with few
// the team shares the work inside each. finish(batch, rows) is called once for every row by the thread that owns it.
template <class T>
template <class Finish>
void Network<T>::forward_chunks(const Samples& samples, index chunk, Use use, T* output, Finish finish) {
    constexpr index most_rows = 4096;  // larger chunks are no faster
    const index total = samples.count;
    chunk = std::min({chunk, total, most_rows});
    choose_input(samples, chunk, use);
    const int threads = threads_for_rows(total, use);
    {
        const NoForks no_forks;
        prepare(samples, chunk, use, threads, threads);
    }
    pack_kernels(chunk, threads);
    const double divided_by = divisor(samples, 0, total);  // the loss is that of all samples, however they are cut
    run_network_team(threads, interruption_, [&](Team& team) {
        Share share = share_of(team, total);
        Arena& arena = arenas_[share.team.size() == team.size() ? 0 : static_cast<std::size_t>(team.rank())];
        for (index begin = share.rows.begin; begin < share.rows.end && !share.team.was_broken_off(); begin += chunk) {
            const index rows = std::min(chunk, share.rows.end - begin);
            Batch piece = batch(samples, arena, begin, rows);
            piece.of = total, piece.divisor = divided_by;
            if (output)
                piece.output = output + begin * output_size();
            const Range mine = share.team.share(rows);
            gather(share.team, piece, mine);
            share.team.barrier();
            Share all{share.team, share.workspace, {0, rows}};
            forward(all, piece, use == Use::evaluation && fused_);
            finish(piece, mine);
            share.team.barrier();
        }
    });
}

template <class T> EpochResult Network<T>::evaluate(const Samples& samples, index chunk) {
    require_compiled();
    std::vector<double> losses(static_cast<std::size_t>(samples.count)), metrics(losses.size());
    forward_chunks(samples, chunk, Use::evaluation, nullptr, [&](const Batch& batch, Range rows) {
        loss(batch, rows, false);
        const Arena& arena = batch.arena;
        std::copy(arena.loss.data() + rows.begin, arena.loss.data() + rows.end,
                  losses.data() + batch.begin + rows.begin);
        if (metric_ != Metric::none)
            std::copy(arena.metric.data() + rows.begin, arena.metric.data() + rows.end,
                      metrics.data() + batch.begin + rows.begin);
    });
    RunningMean mean(metric_);
    mean.add(losses.data(), metrics.data(), samples.count);
    EpochResult result = mean.result(0);
    Team alone = Team::solo();
    sum_penalties(alone);
    result.loss += penalty_sum_ * penalty_factor(divisor(samples, 0, samples.count));
    return result;
}

template <class T> void Network<T>::predict(const Samples& samples, index chunk, T* output) {
    if (predicts_small(samples))
        return predict_small(samples, output);
    forward_chunks(samples, chunk, Use::prediction, output, [](const Batch&, Range) {});
}

template EpochResult Network<float>::train_epoch(const Samples&, index, const std::vector<double>&, const Progress&,
                                                 const BatchHook<float>&, const EpochPart&);
template EpochResult Network<double>::train_epoch(const Samples&, index, const std::vector<double>&, const Progress&,
                                                  const BatchHook<double>&, const EpochPart&);
template double Network<float>::loss_and_gradients(const Samples&, float*, const BatchHook<float>&);
template double Network<double>::loss_and_gradients(const Samples&, double*, const BatchHook<double>&);
template void Network<float>::prepare(const Samples&, index, Use, int, int);
template void Network<double>::prepare(const Samples&, index, Use, int, int);
template EpochResult Network<float>::evaluate(const Samples&, index);
template EpochResult Network<double>::evaluate(const Samples&, index);
template void Network<float>::predict(const Samples&, index, float*);
template void Network<double>::predict(const Samples&, index, double*);

}  // namespace fastnet
