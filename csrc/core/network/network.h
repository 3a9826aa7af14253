// A network: layers with their parameters, the objective and the optimizer, and the loops over a data set: training,
// evaluation, prediction, derivatives.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "chain.h"
#include "commit.h"
#include "core/threads/pace.h"
#include "course.h"
#include "feed.h"
#include "objective.h"
#include "sharding.h"
#include "small.h"
#include "training.h"
#include "updater.h"

namespace fastnet {

// Called during an epoch, on the calling thread, when `interval` seconds have passed since the last call. Returning
// false stops after the step just finished. Intervals below about 2 ms are not kept.
struct Progress {
    std::function<bool(const EpochResult&, Index total_steps)> function;
    double interval = 0.05;
};

// The function that is differentiated with respect to the inputs: every output, the sum of the outputs times the
// sample's targets, or the loss.
enum class Derivative { outputs, weighted_outputs, loss };

template <class T> class Network {
  public:
    Network(Index input_size, const std::vector<LayerSpec>& specs);
    Network(const Network&) = delete;  // its parts refer to each other
    Network& operator=(const Network&) = delete;

    Index input_size() const { return chain_.input_size(); }
    Index output_size() const { return chain_.output_size(); }
    Index parameter_count() const { return chain_.parameter_count(); }
    // The parameters, followed by the statistics, which no gradient changes.
    Index value_count() const { return chain_.value_count(); }
    const T* values() const { return chain_.parameters(); }
    // The same for writing: at once or, for live values, at any later time.
    T* values_to_change();
    T* live_values();
    // Every named array, as an offset into the values, with the index of its layer's description.
    std::vector<std::pair<Index, ParameterSlot>> slots() const { return chain_.slots(); }

    // The floating-point operations of a sample when none of its zeros is skipped.
    double operations_of_dense_row() const { return chain_.operations(); }
    // Every layer that computes in 8-bit integers, with the index of its description.
    std::vector<std::pair<Index, const Int8Weights*>> quantized_kernels() const { return chain_.quantized_kernels(); }

    // Takes over the settings that may change in the layers' descriptions: what is trained, the dropout rate, the noise
    // level. A layer that is trained again continues with its optimizer state.
    void update_layers(const std::vector<LayerSpec>& specs) { updater_.update_layers(chain_.update(specs)); }

    // Sets what training minimizes and how. Optimizer state starts from zero.
    void compile(const Training& training);
    bool compiled() const { return objective_.compiled(); }
    std::int64_t finished_steps() const { return updater_.finished_steps(); }
    void set_finished_steps(std::int64_t steps) { updater_.set_finished_steps(steps); }
    // See Updater.
    Index state_size() const { return updater_.state_size(); }
    T* state() { return updater_.state(); }
    // Sets the parameters to their moving average, if there is one and a step was taken.
    void use_average();

    // The seeds of the layers that draw random numbers.
    std::vector<std::uint64_t*> seeds() { return chain_.seeds(); }

    // Sets the penalties on the weights, which are added to the loss as long as the weights are trained. If `divided`,
    // they are divided by the divisor of a batch's losses.
    void set_penalties(const std::vector<Penalty>& penalties, bool divided) {
        updater_.penalties().set(penalties, divided);
    }

    void set_input_form(InputForm form) { feed_.set_form(form); }

    // Sets the interruption that may break off later calls; null for none. A call that was broken off returns nothing
    // useful. It leaves the network as it was before the call or after the last finished step.
    void set_interruption(Interruption* interruption) { commit_.watch(interruption); }

    // One epoch over the samples in batches, the last of which may be short. There is a learning rate for each step or
    // one for all; none stands for the one of compile.
    // With a sharding, batches are computed in shards, of which this process has some.
    EpochResult train_epoch(const Samples& samples, Index batch_size, const std::vector<double>& learning_rates,
                            const Progress& progress, const BatchHook<T>& hook = {}, const EpochPart& part = {},
                            const Sharding<T>* sharding = nullptr);
    // The mean loss and, in `gradients` (parameter_count values), its gradient, which is 0 for parameters that are not
    // trained.
    double loss_and_gradients(const Samples& samples, T* gradients, const BatchHook<T>& hook = {});
    // Both process samples in chunks of at most `chunk` rows, which bounds the memory they take. The losses and metrics
    // are those of all samples, of which some rows are filled in.
    void evaluate(const Samples& samples, Index chunk, Range rows, double* losses, double* metrics);
    void predict(const Samples& samples, Index chunk, T* output);
    // The mean loss, with penalties, and the mean metric of samples that have been evaluated.
    EpochResult mean_of(const Samples& samples, const double* losses, const double* metrics);
    // The derivatives with respect to the inputs, with layers acting as in prediction. Each sample has a row of
    // input_size values for every output, or one row.
    void differentiate(const Samples& samples, Derivative of, T* derivatives);

  private:
    // A batch of many rows is computed in parts, whatever the number of threads. A part is computed in blocks of rows
    // that stay in the second-level cache from the first product to the last. Each part has its own sum of the
    // gradients.
    Index block_rows() const;
    // The parts in which layers that compute images are trained: fewer where the sums would take much memory.
    Index image_parts() const;
    // Rows are handed out in multiples of this, so that no thread is left with only a few. One image is enough work.
    Index row_grain() const { return chain_.images() > 0 ? 1 : 8; }

    void require_backward() const;
    void require_compiled() const;

    // How rows are shared among threads.
    int threads_for_rows(Index rows, Use use) const;
    bool in_parts(Index rows) const;
    bool splits_rows(Index rows, int threads) const;
    Share<T> share_of(Team& team, Index rows);

    void prepare(const Samples& samples, Index rows, Use use, int threads, int arenas);
    Arena<T>& prepare_training(const Samples& samples, Index batch_size, int threads);
    Index rows_at_once(Index batch_size) const;
    Batch<T> batch(const Samples& samples, Arena<T>& arena, Index begin, Index rows) const;

    // See steps.cpp.
    bool step(Team& team, const Batch<T>& batch, bool parted, T* gradients, const Optimization<T>* optimization);
    bool gradients_of(Team& team, const Batch<T>& batch, bool parted, T* gradients,
                      const Optimization<T>* optimization);
    bool gradients_of_rows(Team& team, const Batch<T>& batch, bool parted, T* gradients,
                           const Optimization<T>* optimization);
    bool step_together(Team& team, const Batch<T>& batch, T* gradients, const Optimization<T>* optimization);
    bool step_by_images(Team& team, const Batch<T>& batch, T* gradients, const Optimization<T>* optimization);
    void gradients_of_layers(Team& team, const Batch<T>& batch, std::size_t first, T* gradients,
                             const Optimization<T>* optimization);
    void sum_parts(Team& team, const Batch<T>& batch, bool goes_back);
    void add_parts(Team& team, Index rows, T* gradients, const Optimization<T>* optimization);
    bool step_in_parts(Team& team, const Batch<T>& batch, T* gradients, const Optimization<T>* optimization);
    bool by_stretches(const Batch<T>& batch, int threads) const;
    bool step_by_stretches(Team& team, Batch<T> batch, T* gradients, const Optimization<T>* optimization);
    bool trains_small(const Samples& samples, Index rows) const;

    // See shards.cpp.
    void gradients_in_shards(Team& team, const Batch<T>& whole, bool parted, T* gradients);
    bool gradients_of_shard(Team& team, const Batch<T>& whole, Index shard, bool parted, T* sum);
    void add_up_shards(const Team& team, Index place, Index additions, Range range) const;
    void announce_gradients(Team& team, const Batch<T>& batch, std::size_t first, T* gradients);
    void announce_layers(Team& team, std::size_t first, std::size_t end);
    template <class F> bool for_pieces(std::size_t i, F f) const;
    void announce(Team& team, Range parameters);
    void exchange(const Batch<T>& whole);
    void learn_statistics_of_shards(Team& team);

    // See epochs.cpp.
    template <class GoesOn> bool steps_of_team(Course<T>& course, const Samples& samples, Arena<T>& arena, int threads,
                                               bool parted, GoesOn goes_on);
    template <class GoesOn>
    void small_steps(Course<T>& course, const Samples& samples, Arena<T>& arena, GoesOn goes_on);
    template <class Finish>
    void forward_chunks(const Samples& samples, Index chunk, Range part, Use use, T* output, Finish finish);
    bool predicts_small(const Samples& samples) const;
    void predict_small(const Samples& samples, T* output);

    void seed_derivatives(const Batch<T>& batch, Range rows, Derivative of, Index first) const;

    Chain<T> chain_;
    Feed<T> feed_;
    Objective<T> objective_;
    Updater<T> updater_;
    Small<T> small_;
    Commit commit_;
    Pace pace_;
    const Sharding<T>* sharding_ = nullptr;  // of the steps in progress; null where they are not shared
    AfterStep after_step_ = AfterStep::goes_on;
    std::vector<Range> announced_;  // the parameters whose gradients the other processes already get, in this step
    std::vector<GemmWorkspace<T>> workspaces_;  // one per thread
    std::vector<Arena<T>> arenas_;              // one per thread that works through its own chunks
    Buffer<T> part_gradients_;
    Index predictable_rows_ = 0;  // rows for which the first arena has room
};

}  // namespace fastnet
