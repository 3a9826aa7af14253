// A chain of layers with its parameters in one flat array, gradients and optimizer state likewise, and the loops over
// a data set: training, evaluation, prediction.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/data/samples.h"
#include "core/layers/layers.h"
#include "core/threads/fork.h"
#include "core/threads/pace.h"
#include "muon.h"

namespace fastnet {

enum class Metric { none, categorical_accuracy, binary_accuracy };

// How the losses of a batch's samples, each times its weight, become one: their sum, divided by their number, by the
// sum of their weights, or not at all.
enum class Reduction { mean, weighted_mean, sum };

// The mean loss and metric over the samples seen (NaN where there is none), how many steps were finished, the first of
// them, if any, whose loss was not finite, and what the means are made from: sums over the samples in their order.
struct EpochResult {
    index steps = 0;
    double loss = 0, metric = 0;
    index first_nonfinite = -1;
    double loss_sum = 0, metric_sum = 0;
};

// What of an epoch is to be done: the steps after those that an earlier call finished, whose means, first_nonfinite and
// sums go on, and before `end`. However an epoch is cut, its results are the same bit for bit.
struct EpochPart {
    EpochResult done;
    index end = std::numeric_limits<index>::max();
};

// Asked during an epoch, on the calling thread, when so many seconds have passed since the last time; returning false
// stops after the step just finished. Intervals below some 2 ms are not kept.
struct Progress {
    std::function<bool(const EpochResult&, index total_steps)> function;
    double interval = 0.05;
};

// Called once a batch, on the calling thread, with the network's outputs for it: samples first, first + 1, ... of the
// epoch's order. Where the loss is not the core's own, it must fill in the loss of the batch and its gradient by the
// outputs, which are null otherwise. Returning false ends the epoch before the batch changes a weight.
template <class T>
using BatchHook = std::function<bool(index first, index rows, const T* outputs, double* loss, T* gradient)>;

// The name of a loss that a BatchHook computes.
inline constexpr const char* custom_loss = "custom";

// What every optimizer may do beside its rule, with the names and the meaning of Keras; 0 for none of it.
struct OptimizerOptions {
    double weight_decay = 0;
    double clipvalue = 0, clipnorm = 0, global_clipnorm = 0;
    index accumulation_steps = 1;
    double ema_momentum = 0;
    index ema_overwrite_frequency = 0;
    bool use_ema = false;
    std::vector<Matrix> matrices;  // that Muon orthogonalizes

    bool gradients_first() const {
        return clipnorm > 0 || global_clipnorm > 0 || accumulation_steps > 1 || !matrices.empty();
    }
    bool any() const { return gradients_first() || weight_decay > 0 || clipvalue > 0 || use_ema; }
    int extra_slots() const { return use_ema + (accumulation_steps > 1); }
};

struct Training {
    std::string loss;
    std::array<double, max_loss_parameters> loss_parameters{};
    bool from_logits = false;  // the outputs are what an activation that the loss knows would be applied to
    Reduction reduction = Reduction::mean;
    Metric metric = Metric::none;
    std::string optimizer;
    std::vector<double> hyperparameters;  // in the optimizer's order, learning_rate first
    OptimizerOptions options;
};

// What is differentiated with respect to the inputs: every output, the sum of the outputs times the sample's targets,
// or the loss.
enum class Derivative { outputs, weighted_outputs, loss };

// How the first layer gets its input: as rows without their zeros where that is faster and possible, or always one way.
enum class InputForm { automatic, dense, compressed };

template <class T> class Network {
  public:
    Network(index input_size, const std::vector<LayerSpec>& specs);

    index input_size() const { return layers_.front()->input_size; }
    index output_size() const { return layers_.back()->output_size; }
    index parameter_count() const { return parameter_count_; }
    // The parameters, and behind them the statistics, which no gradient changes.
    index value_count() const { return parameter_count_ + statistic_count_; }
    const T* values() const { return parameters_.data(); }
    // The same to write to, at once or, in case of live values, whenever the caller likes.
    T* values_to_change();
    T* live_values();
    // Every named array, as an offset into the values, with the index of the description its layer was made from.
    std::vector<std::pair<index, ParameterSlot>> slots() const;

    // The floating-point operations that a sample takes when none of its zeros is skipped.
    double operations_of_dense_row() const { return operations_; }
    // Every layer that computes in 8-bit integers, with the index of its description.
    std::vector<std::pair<index, const QuantizedDense*>> quantized_layers() const;

    // Takes over what may change in the descriptions that the network was made from: what is trained, how much is
    // dropped, how much noise there is. A layer that is trained again goes on with the optimizer state that it has.
    void update_layers(const std::vector<LayerSpec>& specs);

    // Sets what training minimizes and how. Optimizer state starts from zero.
    void compile(const Training& training);
    bool compiled() const { return loss_ != nullptr; }
    std::int64_t finished_steps() const { return steps_; }
    void set_finished_steps(std::int64_t steps) { steps_ = steps; }
    // The slots of the optimizer, and behind them the moving average of the weights and the accumulated gradients,
    // where there are such.
    index state_size() const {
        return compiled() ? (optimizer_->slots + options_.extra_slots()) * parameter_count_ : 0;
    }
    T* state() { return state_.data(); }
    // Gives the parameters the values of their moving average, if there is one and a step was taken.
    void use_average();

    // Where the seeds are of the layers that draw random numbers.
    std::vector<std::uint64_t*> seeds();

    // What is added to the loss for the weights alone, as long as they are trained; if so told, divided by what the
    // losses of a batch are divided by.
    void set_penalties(const std::vector<Penalty>& penalties, bool divided);

    // Changes no bit of a result as long as the first layer's weights and gradients are finite.
    void set_input_form(InputForm form) { input_form_ = form; }

    // What may break off the calls to come; null for nothing. A call that was broken off returns nothing of use and
    // leaves the network as it was, or as it was after the last step that was finished.
    void set_interruption(Interruption* interruption) { interruption_ = interruption; }

    // One pass over the samples in batches, the last of which may be short. There is a learning rate for each step
    // or one for all; none stands for the one of compile.
    EpochResult train_epoch(const Samples& samples, index batch_size, const std::vector<double>& learning_rates,
                            const Progress& progress, const BatchHook<T>& hook = {}, const EpochPart& part = {});
    // The mean loss and, in `gradients` (parameter_count values), its gradient; 0 by what is not trained.
    double loss_and_gradients(const Samples& samples, T* gradients, const BatchHook<T>& hook = {});
    // Both work through the samples in pieces of at most `chunk` rows, which bounds the memory they take.
    EpochResult evaluate(const Samples& samples, index chunk);
    void predict(const Samples& samples, index chunk, T* output);
    // The derivatives with respect to the inputs, layers acting as they do in prediction: for each sample a row of
    // input_size values for every output, or one row.
    void differentiate(const Samples& samples, Derivative of, T* derivatives);

  private:
    // What a batch leaves behind: one array of rows a layer. A batch is one pass of `rows` samples from `begin`.
    struct Arena {
        Buffer<T> input, target, weight, logits;
        CompressedBatch<T> compressed;
        Buffer<T> sums;  // of the first layer, one array a stretch of its inputs
        std::vector<Buffer<T>> outputs, gradients, slopes, memories;
        Buffer<double> loss, metric;
    };
    struct Batch {
        const Samples& samples;
        Arena& arena;
        index begin, rows;
        index of;               // the rows of the batch, of which these may be a part
        double divisor;         // of the sum of their losses; 0 where all weights are 0, which leaves nothing to learn
        Input<T> input;         // in the arena, or in place in the data
        const T* target;        // likewise
        T* output;              // of the last layer
        std::int64_t step = 0;  // of training, counted from 1; 0 for none
        index first_row = 0;    // where these rows are a part of a batch
        index derivatives = 0;  // rows of them for each sample, where a prediction is differentiated

        bool goes_back() const { return step != 0 || derivatives != 0; }
        index gradients() const { return derivatives > 1 ? derivatives : 1; }  // rows of them for each sample
    };
    // What small steps on the same samples have in common.
    struct SmallSteps {
        Batch batch;  // of the step in work
        DirectRows<T> x, y;
        LossArguments<T> loss;
    };
    // Who runs a range of a batch's rows through the layers.
    struct Share {
        Team team;
        GemmWorkspace<T>& workspace;
        Range rows;
    };
    // A layer's kernel as products read it best. Prediction packs it, and it counts until a value changes.
    struct PackedKernel {
        Buffer<T> memory;
        bool counts = false;
    };
    enum class Use { prediction, evaluation, training };
    class Course;
    // A batch of many rows is computed in parts, whatever the number of threads, and a part in blocks of rows that stay
    // in the second-level cache from the first product to the last. Each part has its own sum of the gradients.
    static constexpr index parts = 16, block_rows = 256;
    // Rows are handed out in multiples of this, so that no thread is left with a sliver.
    static constexpr index row_grain = 8;

    void choose_input(const Samples& samples, index rows, Use use);
    int threads_for_rows(index rows, Use use) const;
    void prepare(const Samples& samples, index rows, Use use, int threads, int arenas);
    void pack_kernels(index rows, int threads);
    void forget_packed_kernels();
    bool in_parts(index rows) const;
    bool splits_rows(index rows, int threads) const;
    Share share_of(Team& team, index rows);
    void require_compiled() const;
    void require_hook(const BatchHook<T>& hook);
    void require_backward() const;
    double operations_per_row() const;
    void find_trained();
    bool trains(index offset) const;
    void choose_penalties();
    template <class F> void for_trained(Range range, F f) const;

    const T* input_in_place(const Samples& samples) const;
    Batch batch(const Samples& samples, Arena& arena, index begin, index rows) const;
    double divisor(const Samples& samples, index begin, index rows) const;
    Input<T> input_of(const Batch& batch, std::size_t layer) const;
    const T* skip_of(const Batch& batch, const Layer<T>& layer, index row) const;
    Pass<T> pass(const Crew<T>& crew, const Batch& batch, Range rows) const;
    void enter(Pass<T>& pass, const Batch& batch, std::size_t layer, index row) const;
    bool leaves_out(std::size_t layer, bool goes_back) const;
    void gather(const Team& team, const Batch& batch, Range rows) const;
    void gather_input(const Team& team, const Batch& batch, Range rows, index segment) const;
    void gather_targets(const Batch& batch, Range rows) const;
    void forward(Share& share, const Batch& batch, bool leave_logits, std::size_t first = 0) const;
    Epilogue<T> elementwise(const Batch& batch, std::size_t layer, index row, bool leave_logits) const;
    T* kept_of(const Batch& batch, std::size_t layer) const;
    static T loss_scale(double divisor) { return divisor != 0 ? static_cast<T>(1 / divisor) : T(0); }
    LossArguments<T> loss_arguments(const Batch& batch, Range rows, bool with_gradient) const;
    void loss(const Batch& batch, Range rows, bool with_gradient) const;
    void loss(const Batch& batch, Range rows, const LossArguments<T>& arguments) const;
    void metric(const Batch& batch, Range rows) const;
    Epilogue<T> slope_of(const Batch& batch, std::size_t layer, index row) const;
    void apply_slope(const Batch& batch, std::size_t layer, Range rows) const;
    void slope_of_last(const Batch& batch, Range rows) const;
    bool call_hook(Team& team, const Batch& batch);
    void backward(Share& share, const Batch& batch, index lowest) const;
    void seed_derivatives(const Batch& batch, Range rows, Derivative of, index first) const;
    void backward_to_input(Share& share, const Batch& batch, T* derivatives) const;
    bool step(Team& team, const Batch& batch, bool parted, T* gradients, const Optimization<T>* optimization);
    bool gradients_of(Team& team, const Batch& batch, bool parted, T* gradients, const Optimization<T>* optimization);
    bool has_products_only() const;
    bool trains_small(const Samples& samples, index rows) const;
    bool predicts_small(const Samples& samples) const;
    void list_small(const Arena& arena, Use use);
    void small_forward(index rows, const T* x, bool leave_logits) const;
    void gather_small(SmallSteps& steps) const;
    void small_step(SmallSteps& steps, index begin, index rows, const Optimization<T>& optimization);
    Optimization<T> optimization(const double* hyperparameters);
    template <class GoesOn>
    bool steps_of_team(Course& course, const Samples& samples, Arena& arena, int threads, bool parted, GoesOn goes_on);
    template <class GoesOn>
    void small_steps(Course& course, const Samples& samples, Arena& arena, GoesOn goes_on);
    void predict_small(const Samples& samples, T* output);
    bool may_take_long(index rows) const;
    void begin_update(Team& team);
    void end_update();
    const Optimization<T>* at_once(Team& team, const Batch& batch, const Optimization<T>* optimization);
    void learn_statistics(Team& team, const Batch& batch);
    bool fuses_penalties(bool parted) const;
    double penalty_factor(double divisor) const;
    void sum_penalties(Team& team);
    OptimizerExtras<T> extras(const Batch& batch, bool fuses_penalties, double learning_rate);
    void overwrite_by_average(Range range);
    bool update_all(Team& team, std::int64_t step, T* gradients, const Optimization<T>& optimization);
    void finish_gradients(Team& team, T* gradients, const Optimization<T>& optimization);
    void measure(Team& team, const T* gradients);
    T scale_of(std::size_t slot) const;
    template <class OfMatrix, class OfOthers>
    void for_slots(const Optimization<T>& optimization, OfMatrix of_matrix, OfOthers of_others) const;
    void update_slots(Team& team, const Optimization<T>& optimization);
    void add_slopes_of_penalties(Team& team, const Batch& batch, T* gradients);
    void parameter_gradients(const Crew<T>& crew, const Batch& batch, std::size_t first, T* gradients, bool accumulate,
                             const Optimization<T>* optimization) const;
    bool step_together(Team& team, const Batch& batch, T* gradients, const Optimization<T>* optimization);
    bool by_stretches(const Batch& batch, int threads) const;
    bool step_by_stretches(Team& team, Batch batch, T* gradients, const Optimization<T>* optimization);
    bool step_in_parts(Team& team, const Batch& batch, T* gradients, const Optimization<T>* optimization);
    Arena& prepare_training(const Samples& samples, index rows, int threads);
    template <class Finish> void forward_chunks(const Samples& samples, index chunk, Use use, T* output, Finish finish);

    Pace pace_;
    // A rescaling in front of the other layers is done as rows are gathered, while they are in cache.
    bool rescales_;
    T input_scale_ = 1, input_offset_ = 0;
    InputForm input_form_ = InputForm::automatic;
    bool compresses_ = false;  // the input of the data in work, of this density
    double density_ = 1;
    const Panels whole_input_;  // one segment
    std::vector<std::unique_ptr<Layer<T>>> layers_;
    std::vector<index> offsets_, statistic_offsets_;  // of each layer's arrays
    std::vector<std::vector<std::size_t>> added_to_;  // by each layer's output: the additions that read it
    index parameter_count_ = 0, statistic_count_ = 0;
    double operations_ = 0;
    bool has_backward_ = true;        // all layers do
    bool needs_whole_batch_ = false;  // a layer does
    bool plain_ = true;               // no layer has a memory, statistics or a skip
    bool products_only_ = false;      // the layers are such that work may be small
    index lowest_trained_ = -1;       // the first layer with parameters that are trained
    std::vector<Range> trained_;      // the parameters that are trained
    std::vector<Penalty> all_penalties_, penalties_;
    bool divides_penalties_ = false;
    std::vector<PenaltyRange<T>> penalty_ranges_;  // the same for the optimizer
    Buffer<double> penalty_sums_;                  // of blocks of them
    double penalty_sum_ = 0;                       // before the step in work
    Buffer<T> parameters_;                         // and the statistics
    Buffer<T> gradients_, state_, part_gradients_;
    std::vector<PackedKernel> packed_;          // one a layer
    bool live_ = false;                         // values may change at any time
    std::vector<GemmWorkspace<T>> workspaces_;  // one a thread
    std::vector<Arena> arenas_;                 // one a thread that works through its own chunks
    std::vector<SmallLayer<T>> small_;          // the layers, where work is small
    index predictable_rows_ = 0;                // for which the first arena has room

    const LossKernels<T>* loss_ = nullptr;
    bool fused_ = false;  // the loss comes with the last activation
    bool custom_loss_ = false, from_logits_ = false;
    Reduction reduction_ = Reduction::mean;
    std::array<double, max_loss_parameters> loss_parameters_{};
    const BatchHook<T>* hook_ = nullptr;  // of the epoch in work
    bool proceeds_ = true;                // what the hook said
    Interruption* interruption_ = nullptr;
    Clock::time_point step_began_;  // where it may take long
    bool updates_last_ = false;     // of the step in work
    const OptimizerKernels<T>* optimizer_ = nullptr;
    OptimizerOptions options_;
    std::vector<ParameterSlot> trained_slots_;  // in the order of the parameters
    std::vector<double> norms_;                 // of their gradients, squared
    Buffer<double> block_sums_;
    Muon<T> muon_;
    Metric metric_ = Metric::none;
    std::vector<double> hyperparameters_;
    std::int64_t steps_ = 0;
    std::optional<NoForks> update_;  // from before the first parameter of a step changes until all have
};

// What a step asks for again and again, in the header so that it is inlined.

// Calls f with every part of a range of the parameters that is trained.
template <class T> template <class F> void Network<T>::for_trained(Range range, F f) const {
    for (const Range& trained : trained_) {
        const Range both{std::max(range.begin, trained.begin), std::min(range.end, trained.end)};
        if (both.begin < both.end)
            f(both);
    }
}

// What layer i reads of the batch.
template <class T>
inline Input<T> Network<T>::input_of(const Batch& batch, std::size_t i) const {
    return i == 0 ? batch.input : Input<T>{batch.arena.outputs[i - 1].data()};
}

template <class T>
inline Pass<T> Network<T>::pass(const Crew<T>& crew, const Batch& batch, Range rows) const {
    Pass<T> result{crew, rows.size(), batch.first_row + rows.begin, batch.step};
    result.gradients = batch.gradients();
    return result;
}

// Gives the pass, whose rows begin at `row` of the batch, what belongs to layer i.
template <class T>
inline void Network<T>::enter(Pass<T>& pass, const Batch& batch, std::size_t i, index row) const {
    pass.parameters = parameters_.data() + offsets_[i];
    pass.packed = packed_[i].counts ? packed_[i].memory.data() : nullptr;
    if (plain_)
        return;
    const Layer<T>& layer = *layers_[i];
    pass.statistics = parameters_.data() + parameter_count_ + statistic_offsets_[i];
    pass.memory = batch.arena.memories[i].data();
    if (pass.memory)
        pass.memory += row * layer.memory_per_row();
    if (layer.skip >= 0)
        pass.skip = skip_of(batch, layer, row);
}

}  // namespace fastnet
