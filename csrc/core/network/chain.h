// A chain of layers with its parameters in one flat array, and the passes of a batch through them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "batch.h"
#include "core/layers/layers.h"

namespace fastnet {

class QuantizedDense;

template <class T> bool is_identity(const ActivationKernels<T>& activation) {
    return &activation == kernels<T>().activations;
}

template <class T> class Chain {
  public:
    // Of all descriptions from `first` on.
    Chain(Index input_size, const std::vector<LayerSpec>& specs, Index first);

    const std::vector<std::unique_ptr<Layer<T>>>& layers() const { return layers_; }
    const Layer<T>& front() const { return *layers_.front(); }
    const Layer<T>& back() const { return *layers_.back(); }
    Index input_size() const { return layers_.front()->input_size; }
    Index output_size() const { return layers_.back()->output_size; }
    // The floating-point operations of a row.
    double operations() const { return operations_; }
    // Whether no layer has a memory, statistics or a skip.
    bool is_plain() const { return plain_; }
    // Whether all layers have a backward pass.
    bool has_backward() const { return has_backward_; }
    // Where the seeds are of the layers that draw random numbers.
    std::vector<std::uint64_t*> seeds();
    // Every layer that computes in 8-bit integers, with the number of its description.
    std::vector<std::pair<Index, const QuantizedDense*>> quantized_layers() const;

    // The parameters, and behind them the statistics, which no gradient changes.
    Index parameter_count() const { return parameter_count_; }
    Index value_count() const { return parameter_count_ + statistic_count_; }
    T* parameters() const { return parameters_.data(); }
    // Where those of a layer begin.
    Index offset(std::size_t layer) const { return offsets_[layer]; }
    // Every named array, as an offset into the values, with the number of the description its layer was made from.
    std::vector<std::pair<Index, ParameterSlot>> slots() const;

    // Takes over what may change in the descriptions. Returns the parameters that are trained from now on, again.
    std::vector<Range> update(const std::vector<LayerSpec>& specs);

    // What follows from the layers that are frozen: the first one that is trained, or -1, and whether one that is needs
    // the whole batch.
    Index lowest_trained() const { return lowest_trained_; }
    bool needs_whole_batch() const { return needs_whole_batch_; }
    bool trains(Index offset) const;
    bool trains_all() const { return trained_.size() == 1 && trained_[0].size() == parameter_count_; }
    // The trained arrays, in the order of the parameters.
    const std::vector<ParameterSlot>& trained_slots() const { return trained_slots_; }
    // Calls f with every part of a range of the parameters that is trained.
    template <class F> void for_trained(Range range, F f) const {
        for (const Range& trained : trained_) {
            const Range both{std::max(range.begin, trained.begin), std::min(range.end, trained.end)};
            if (both.begin < both.end)
                f(both);
        }
    }

    // Kernels as products read them best, packed once for many predictions: those that products of so many rows would
    // pack themselves. They count until a value changes, and never where values may change at any time.
    void pack_kernels(Index rows, int threads);
    void forget_packed_kernels();
    void values_are_live() { live_ = true; }

    // Makes room in an arena for batches of so many rows.
    void reserve(Arena<T>& arena, Index rows, bool with_gradients) const;
    // The same for what the backward pass of so many rows needs, with `each` rows of gradients for each of them.
    void reserve_gradients(Arena<T>& arena, Index rows, Index each) const;

    // What a layer is handed of these rows of a batch.
    Pass<T> pass_of(std::size_t layer, const Crew<T>& crew, const Batch<T>& batch, Range rows) const;
    // From the layer `first` on, whose input is there. Leaves the activation of the last layer out, if told so.
    void forward(Share<T>& share, const Batch<T>& batch, bool leave_logits, std::size_t first = 0) const;
    // What a layer applies to its result, whose rows begin at `row` of the batch, as it is written: its bias and its
    // activation, unless that needs whole rows or is left out.
    Epilogue<T> elementwise(const Batch<T>& batch, std::size_t layer, Index row, bool leave_logits) const;

    // From the gradients of the last outputs of these rows to those of its pre-activation.
    void slope_of_last(const Batch<T>& batch, Range rows) const { apply_slope(batch, layers_.size() - 1, rows); }
    // From the gradients of the last pre-activation to those of the layer `lowest`; a negative one stands for none.
    void backward(Share<T>& share, const Batch<T>& batch, Index lowest) const;
    // The same to the derivatives by the input.
    void backward_to_input(Share<T>& share, const Batch<T>& batch, T* derivatives) const;
    // The gradients of the parameters that are trained of the layers from `first` on, for rows whose inputs and
    // gradients are there.
    void parameter_gradients(const Crew<T>& crew, const Batch<T>& batch, std::size_t first, T* gradients,
                             bool accumulate, const Optimization<T>* optimization) const;
    void learn_statistics(const Crew<T>& crew, const Batch<T>& batch) const;

  private:
    struct PackedKernel {
        Buffer<T> memory;
        bool counts = false;
    };
    void find_trained();
    T* statistics(std::size_t layer) const { return parameters_.data() + parameter_count_ + statistic_offsets_[layer]; }
    // What a layer reads of the batch.
    Input<T> input_of(const Batch<T>& batch, std::size_t layer) const {
        return layer == 0 ? batch.input : Input<T>{batch.arena.outputs[layer - 1].data()};
    }
    Pass<T> pass(const Crew<T>& crew, const Batch<T>& batch, Range rows) const;
    void enter(Pass<T>& pass, const Batch<T>& batch, std::size_t layer, Index row) const;
    const T* skip_of(const Batch<T>& batch, const Layer<T>& layer, Index row) const;
    bool leaves_out(std::size_t layer, bool goes_back) const;
    T* kept_of(const Batch<T>& batch, std::size_t layer) const;
    Epilogue<T> slope_of(const Batch<T>& batch, std::size_t layer, Index row) const;
    void apply_slope(const Batch<T>& batch, std::size_t layer, Range rows) const;

    std::vector<std::unique_ptr<Layer<T>>> layers_;
    std::vector<Index> offsets_, statistic_offsets_;  // of each layer's arrays
    std::vector<std::vector<std::size_t>> added_to_;  // by each layer's output: the additions that read it
    Index parameter_count_ = 0, statistic_count_ = 0;
    double operations_ = 0;
    bool has_backward_ = true, plain_ = true;
    bool needs_whole_batch_ = false;
    Index lowest_trained_ = -1;
    std::vector<Range> trained_;  // the parameters that are
    std::vector<ParameterSlot> trained_slots_;
    Buffer<T> parameters_;              // and the statistics
    std::vector<PackedKernel> packed_;  // one a layer
    bool live_ = false;
};

}  // namespace fastnet
