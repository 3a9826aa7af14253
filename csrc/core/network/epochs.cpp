// The loops of a network over a data set.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "core/threads/float_mode.h"
#include "network.h"

namespace fastnet {
namespace {

// An epoch is a chain of segments of about this length. Each has a team of its own, whose size can adapt to the load on
// the machine. Between segments no work is in progress: that is where Python is called.
constexpr auto segment = std::chrono::milliseconds(2);

template <class Body> void run_network_team(int threads, Interruption* interruption, Body body) {
    const FlushSubnormals flush;
    run_team(threads, body, interruption);
}

}  // namespace

template <class T>
EpochResult Network<T>::train_epoch(const Samples& samples, Index batch_size, const std::vector<double>& learning_rates,
                                    const Progress& progress, const BatchHook<T>& hook, const EpochPart& part,
                                    const Sharding<T>* sharding) {
    require_backward();
    require_compiled();
    objective_.begin(hook);
    sharding_ = sharding;
    after_step_ = AfterStep::goes_on;
    batch_size = std::min(batch_size, part.rows > 0 ? part.rows : samples.count);
    const Index rows = rows_at_once(batch_size);
    feed_.choose(samples, in_parts(rows) ? block_rows() : rows);
    const int threads = threads_for_rows(rows, Use::training);
    Arena<T>& arena = prepare_training(samples, batch_size, threads);
    chain_.forget_packed_kernels();
    Course<T> course(updater_, objective_.metric(), samples, batch_size, learning_rates, part);
    const bool small = !sharding && trains_small(samples, batch_size);
    if (small) {
        const NoForks no_forks;
        arena.input.reserve(batch_size * input_size());  // for rows that cannot be read in place
        small_.list(arena, updater_.gradients());
    }

    // Reading the clock costs as much as one step of a tiny network.
    const Index steps_per_look =
        1 + static_cast<Index>(1e5 / (feed_.operations_per_row() * static_cast<double>(batch_size)));

    const bool adapts = teams_may_rest();
    pace_.begin(batch_size, threads);
    const std::chrono::duration<double> interval(progress.interval);
    bool proceed = true;
    auto reported = Clock::now();
    while (course.taken() < course.end() && proceed) {
        const auto begun = Clock::now(), deadline = begun + segment;
        const Index before = course.taken();
        const auto goes_on = [&](Index taken) {
            return taken < course.end() && (taken % steps_per_look != 0 || Clock::now() < deadline);
        };
        if (small)
            small_steps(course, samples, arena, goes_on);
        else
            proceed = steps_of_team(course, samples, arena, adapts ? pace_.threads(threads) : threads,
                                    in_parts(rows) && !objective_.has_hook(), goes_on);
        pace_.record(course.taken() - before, Clock::now() - begun);
        if (proceed && progress.function && Clock::now() - reported >= interval) {
            proceed = progress.function(course.result(), course.steps());
            reported = Clock::now();
            if (commit_.interruption())
                commit_.interruption()->was_asked();
        }
    }
    return course.result();
}

// Runs steps with a team, at least one, until goes_on returns false. Returns false if a step was broken off or was the
// last one of all processes.
template <class T>
template <class GoesOn>
bool Network<T>::steps_of_team(Course<T>& course, const Samples& samples, Arena<T>& arena, int threads, bool parted,
                               GoesOn goes_on) {
    // Shorter steps are not broken off: progress is reported often enough.
    constexpr double operations_of_milliseconds = 1e7;
    const double operations = chain_.operations() * static_cast<double>(course.rows(0));
    Interruption* const of_steps = operations > operations_of_milliseconds ? commit_.interruption() : nullptr;

    const bool penalties_fused = updater_.fuses_penalties(parted);
    const bool with_extras = updater_.options().any() || penalties_fused;
    const Index first = course.taken();
    bool more = true, proceed = true;
    run_network_team(threads, of_steps, [&](Team& team) {
        for (Index i = first; more; ++i) {
            Hyperparameters hyperparameters;
            course.hyperparameters(i, hyperparameters);
            Optimization<T> optimization = updater_.optimization(hyperparameters.data());
            Batch<T> now = batch(samples, arena, course.begin(i), course.rows(i));
            now.step = course.number(i);
            OptimizerExtras<T> extras;
            if (with_extras) {
                extras = updater_.extras(now, penalties_fused, course.learning_rate(i));
                optimization.arguments.extras = &extras;
            }
            const bool finished = step(team, now, parted, updater_.gradients(), &optimization);
            if (team.leads() && !finished) {
                more = proceed = false;
            } else if (team.leads()) {
                course.add(i, arena);
                proceed = after_step_ == AfterStep::goes_on;
                more = proceed && goes_on(i + 1);
            }
            team.barrier();  // the new parameters, and whether to continue, are visible to all
            if (team.leads() && finished) {
                updater_.set_finished_steps(now.step);
                commit_.end();
            }
        }
    });
    return proceed;
}

// The same for small steps. None is broken off, and forks wait for all of them: together they take milliseconds.
template <class T>
template <class GoesOn>
void Network<T>::small_steps(Course<T>& course, const Samples& samples, Arena<T>& arena, GoesOn goes_on) {
    run_network_team(1, nullptr, [&](Team& alone) {
        Hyperparameters hyperparameters{};
        const Optimization<T> optimization = updater_.optimization(hyperparameters.data());
        Index i = course.taken();
        const Batch<T> first = batch(samples, arena, course.begin(i), course.rows(i));
        typename Small<T>::Steps steps = small_.steps(first);
        commit_.begin(alone);
        do {
            course.hyperparameters(i, hyperparameters);
            small_.step(steps, course.begin(i), course.rows(i), optimization);
            course.add(i, arena);
        } while (goes_on(++i));
        updater_.set_finished_steps(course.number(i) - 1);
        commit_.end();
    });
}

template <class T>
double Network<T>::loss_and_gradients(const Samples& samples, T* gradients, const BatchHook<T>& hook) {
    require_backward();
    require_compiled();
    objective_.begin(hook);
    feed_.choose(samples, in_parts(samples.count) ? block_rows() : samples.count);
    sharding_ = nullptr;
    after_step_ = AfterStep::goes_on;
    const int threads = threads_for_rows(samples.count, Use::training);
    Arena<T>& arena = prepare_training(samples, samples.count, threads);
    if (!chain_.trains_all())
        std::fill_n(gradients, chain_.parameter_count(), T(0));
    bool finished = false;
    run_network_team(threads, commit_.interruption(), [&](Team& team) {
        Batch<T> all = batch(samples, arena, 0, samples.count);
        all.step = finished_steps() + 1;
        const bool mine = step(team, all, !objective_.has_hook() && in_parts(samples.count), gradients, nullptr);
        if (team.leads())
            finished = mine;
    });
    if (!finished)
        return std::nan("");
    RunningMean mean(Metric::none);
    mean.add(arena.loss.data(), nullptr, samples.count);
    return mean.result(1).loss;
}

// Runs all samples through the layers, chunk by chunk. With many rows each thread goes through its own chunks; with
// few, the team shares the work inside each. finish(batch, rows) is called once for every row, by the thread that owns
// it.
template <class T>
template <class Finish>
void Network<T>::forward_chunks(const Samples& samples, Index chunk, Range part, Use use, T* output, Finish finish) {
    const Index most_rows = chain_.images() > 0 ? block_rows() : 4096;  // larger chunks are no faster
    const Index total = samples.count;
    chunk = std::min({chunk, total, most_rows});
    feed_.choose(samples, chunk);
    const int threads = threads_for_rows(part.size(), use);
    {
        const NoForks no_forks;
        prepare(samples, chunk, use, threads, threads);
    }
    chain_.pack_kernels(chunk, threads);
    // The loss is that of all samples, whatever the chunks.
    const double divided_by = objective_.divisor(samples, 0, total);
    run_network_team(threads, commit_.interruption(), [&](Team& team) {
        Share<T> share = share_of(team, part.size());
        const Index first = part.begin + share.rows.begin, last = part.begin + share.rows.end;
        Arena<T>& arena = arenas_[share.team.size() == team.size() ? 0 : static_cast<std::size_t>(team.rank())];
        for (Index begin = first; begin < last && !share.team.was_broken_off(); begin += chunk) {
            const Index rows = std::min(chunk, last - begin);
            Batch<T> piece = batch(samples, arena, begin, rows);
            piece.of = total, piece.divisor = divided_by;
            if (output)
                piece.output = output + begin * output_size();
            const Range mine = share.team.share(rows);
            feed_.gather(share.team, piece, mine);
            share.team.barrier();
            Share<T> all{share.team, share.workspace, {0, rows}, begin == first};
            chain_.forward(all, piece, use == Use::evaluation && objective_.takes_logits());
            finish(piece, mine);
            share.team.barrier();
        }
    });
}

template <class T>
void Network<T>::evaluate(const Samples& samples, Index chunk, Range rows, double* losses, double* metrics) {
    require_compiled();
    forward_chunks(samples, chunk, rows, Use::evaluation, nullptr, [&](const Batch<T>& batch, Range mine) {
        objective_.apply(batch, mine, false);
        const Arena<T>& arena = batch.arena;
        std::copy(arena.loss.data() + mine.begin, arena.loss.data() + mine.end, losses + batch.begin + mine.begin);
        if (objective_.metric() != Metric::none)
            std::copy(arena.metric.data() + mine.begin, arena.metric.data() + mine.end,
                      metrics + batch.begin + mine.begin);
    });
}

template <class T>
EpochResult Network<T>::mean_of(const Samples& samples, const double* losses, const double* metrics) {
    RunningMean mean(objective_.metric());
    mean.add(losses, metrics, samples.count);
    EpochResult result = mean.result(0);
    Team alone = Team::solo();
    Penalties<T>& penalties = updater_.penalties();
    penalties.add_up(alone);
    result.loss += penalties.sum() * penalties.factor(objective_.divisor(samples, 0, samples.count));
    return result;
}

// Whether these samples are predicted in one go: a single one, or a few if that is little work. For more rows, tiles
// are faster, as they read the weights once for all of them.
template <class T> bool Network<T>::predicts_small(const Samples& samples) const {
    constexpr Index most_parameters = 1 << 16, most_rows = 16, most_of_rows = 1 << 12;
    const Index n = samples.count;
    return small_.is_possible() && chain_.parameter_count() <= most_parameters &&
           (n == 1 || (n > 1 && n <= most_rows && n * chain_.parameter_count() <= most_of_rows)) &&
           !samples.x.compressed() && feed_.form() != InputForm::compressed;
}

template <class T> void Network<T>::predict_small(const Samples& samples, T* output) {
    feed_.read_dense();
    if (predictable_rows_ < samples.count) {
        const NoForks no_forks;
        prepare(samples, samples.count, Use::prediction, 1, 1);
        arenas_[0].input.reserve(samples.count * input_size());
        predictable_rows_ = samples.count;
    }
    Arena<T>& arena = arenas_[0];
    const FlushSubnormals flush;
    const Batch<T> all = batch(samples, arena, 0, samples.count);
    small_.predict(all);
    std::copy_n(all.output, samples.count * output_size(), output);
}

template <class T> void Network<T>::predict(const Samples& samples, Index chunk, T* output) {
    if (predicts_small(samples))
        return predict_small(samples, output);
    forward_chunks(samples, chunk, {0, samples.count}, Use::prediction, output, [](const Batch<T>&, Range) {});
}

template EpochResult Network<float>::train_epoch(const Samples&, Index, const std::vector<double>&, const Progress&,
                                                 const BatchHook<float>&, const EpochPart&, const Sharding<float>*);
template EpochResult Network<double>::train_epoch(const Samples&, Index, const std::vector<double>&, const Progress&,
                                                  const BatchHook<double>&, const EpochPart&, const Sharding<double>*);
template double Network<float>::loss_and_gradients(const Samples&, float*, const BatchHook<float>&);
template double Network<double>::loss_and_gradients(const Samples&, double*, const BatchHook<double>&);
template void Network<float>::evaluate(const Samples&, Index, Range, double*, double*);
template EpochResult Network<float>::mean_of(const Samples&, const double*, const double*);
template void Network<double>::evaluate(const Samples&, Index, Range, double*, double*);
template EpochResult Network<double>::mean_of(const Samples&, const double*, const double*);
template void Network<float>::predict(const Samples&, Index, float*);
template void Network<double>::predict(const Samples&, Index, double*);

}  // namespace fastnet
