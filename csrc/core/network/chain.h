// A chain of layers with its parameters in one flat array, and the forward and backward passes of a batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "batch.h"
#include "core/layers/layers.h"

namespace fastnet {

class Int8Weights;

template <class T> bool is_identity(const ActivationKernels<T>& activation) {
    return &activation == kernels<T>().activations;
}

template <class T> class Chain {
  public:
    // Made from all descriptions from `first` on.
    Chain(Index input_size, const std::vector<LayerSpec>& specs, Index first);

    const std::vector<std::unique_ptr<Layer<T>>>& layers() const { return layers_; }
    const Layer<T>& front() const { return *layers_.front(); }
    const Layer<T>& back() const { return *layers_.back(); }
    Index input_size() const { return layers_.front()->input_size; }
    Index output_size() const { return layers_.back()->output_size; }
    // The floating-point operations per row.
    double operations() const { return operations_; }
    // The layers up to the last one that computes images. Samples go through them in blocks, in which the outputs of
    // all these layers fit into the second-level cache.
    std::size_t images() const { return images_; }
    // The outputs of all layers, per row.
    Index values_per_row() const { return values_per_row_; }
    // The values of memory that each thread needs.
    Index scratch_size() const { return scratch_size_; }
    // Whether no layer has a memory, statistics or a skip.
    bool is_plain() const { return plain_; }
    // Whether all layers have a backward pass.
    bool has_backward() const { return has_backward_; }
    // The seeds of the layers that draw random numbers.
    std::vector<std::uint64_t*> seeds();
    // Every layer that computes in 8-bit integers, with the index of its description.
    std::vector<std::pair<Index, const Int8Weights*>> quantized_kernels() const;

    // The parameters, followed by the statistics, which no gradient changes.
    Index parameter_count() const { return parameter_count_; }
    Index value_count() const { return parameter_count_ + statistic_count_; }
    T* parameters() const { return parameters_.data(); }
    // Offset of a layer's parameters.
    Index offset(std::size_t layer) const { return layer < offsets_.size() ? offsets_[layer] : parameter_count_; }
    // Every named array, as an offset into the values, with the index of its layer's description.
    std::vector<std::pair<Index, ParameterSlot>> slots() const;

    // Takes over the settings that may change in the descriptions. Returns the parameters that were frozen and are
    // trained again.
    std::vector<Range> update(const std::vector<LayerSpec>& specs);

    // Both depend on the frozen layers: the first layer that is trained, or -1, and whether a trained layer needs the
    // whole batch.
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

    // Packs the kernels once for many predictions, as far as products of this many rows would pack them anyway. They
    // are valid until a value changes, and never used where values may change at any time.
    void pack_kernels(Index rows, int threads);
    void forget_packed_kernels();
    void values_are_live() { live_ = true; }

    // Makes room in an arena for batches of this many rows.
    void reserve(Arena<T>& arena, Index rows, bool with_gradients) const;
    // The same for the backward pass of this many rows, with `each` rows of gradients per row.
    void reserve_gradients(Arena<T>& arena, Index rows, Index each) const;

    // The pass of a layer for these rows of a batch.
    Pass<T> pass_of(std::size_t layer, const Crew<T>& crew, const Batch<T>& batch, Range rows) const;
    // The forward pass from the layer `first` on, whose input is ready. With leave_logits, the activation of the last
    // layer is left out.
    void forward(Share<T>& share, const Batch<T>& batch, bool leave_logits, std::size_t first = 0) const;
    // The part of it in the layers that compute images, block by block if a thread has the rows to itself. Calls
    // gather(rows) before the pass of these rows.
    template <class Gather>
    void forward_images(Share<T>& share, const Batch<T>& batch, bool leave_logits, Gather gather) const {
        for_blocks(share, [&](Share<T>& block) {
            gather(block.rows);
            forward_layers(block, batch, leave_logits, 0, images_);
        });
    }
    // The epilogue that a layer applies to its result as it is written, with rows that begin at `row` of the batch. It
    // contains the bias and the activation, unless the activation needs whole rows or is left out.
    Epilogue<T> elementwise(const Batch<T>& batch, std::size_t layer, Index row, bool leave_logits) const;

    // Turns the gradients with respect to the outputs of these rows into those with respect to the last pre-activation.
    void slope_of_last(const Batch<T>& batch, Range rows) const { apply_slope(batch, layers_.size() - 1, rows); }
    // The backward pass from the pre-activation of the layer `from`, by default the last one, to that of the layer
    // `lowest`. Does nothing if `lowest` is negative.
    void backward(Share<T>& share, const Batch<T>& batch, Index lowest) const {
        backward(share, batch, static_cast<Index>(layers_.size()) - 1, lowest);
    }
    void backward(Share<T>& share, const Batch<T>& batch, Index from, Index lowest) const;
    // The backward pass to the derivatives with respect to the input.
    void backward_to_input(Share<T>& share, const Batch<T>& batch, T* derivatives) const;
    // Whether a layer's gradients are summed in parts of the batch, each by one thread.
    bool sums_parts(std::size_t layer) const { return layer < images_ && !layers_[layer]->needs_whole_batch(); }
    // Calls f with the trained arrays of these layers, as far as they are in a range of the parameters.
    template <class F> void for_parts(Range range, F f) const {
        for (const Range& array : summed_in_parts_) {
            const Range both{std::max(range.begin, array.begin), std::min(range.end, array.end)};
            if (both.begin < both.end)
                f(both);
        }
    }
    // Adds up the gradients with respect to their trained parameters over the rows of one part, a thread's share.
    // Before that, with goes_back, comes the backward pass through the layers that compute images.
    void part_gradients(Share<T>& share, const Batch<T>& batch, bool goes_back, T* sums, bool accumulate) const;
    // The gradients with respect to the other trained parameters of the layers from `first` on. The inputs and
    // gradients of the rows must be ready.
    void parameter_gradients(const Crew<T>& crew, const Batch<T>& batch, std::size_t first, T* gradients,
                             bool accumulate, const Optimization<T>* optimization) const;
    // The same for one layer, of whose parameters those of some inputs.
    void parameter_gradients_of(std::size_t i, const Crew<T>& crew, const Batch<T>& batch, Range inputs,
                                T* gradients) const {
        layers_[i]->parameter_gradients(pass_of(i, crew, batch, {0, batch.rows}), inputs, input_of(batch, i),
                                        batch.arena.gradients[i].data(), gradients + offsets_[i], false, nullptr);
    }
    // The statistics of all layers, to which those of a batch are added.
    T* statistics() const { return parameters_.data() + parameter_count_; }
    void learn_statistics(const Crew<T>& crew, const Batch<T>& batch, T* statistics) const;

  private:
    struct PackedKernel {
        Buffer<T> memory;
        bool counts = false;
    };
    void find_trained();
    void find_images();
    // Calls visit(share) for blocks of a share that a thread has to itself, else for the share.
    template <class Visit> void for_blocks(Share<T>& share, Visit visit) const {
        const Index size = share.team.size() == 1 ? block_rows_ : share.rows.size();
        for (Index begin = share.rows.begin; begin < share.rows.end; begin += size) {
            Share<T> block{share.team,
                           share.workspace,
                           {begin, std::min(begin + size, share.rows.end)},
                           share.fresh && begin == share.rows.begin};
            visit(block);
        }
    }
    void forward_layers(Share<T>& share, const Batch<T>& batch, bool leave_logits, std::size_t first,
                        std::size_t end) const;
    T* statistics(std::size_t layer) const { return statistics() + statistic_offsets_[layer]; }
    // The input of a layer in the batch.
    Input<T> input_of(const Batch<T>& batch, std::size_t layer) const {
        return layer == 0 ? batch.input : Input<T>{batch.arena.outputs[layer - 1].data()};
    }
    Pass<T> pass(const Crew<T>& crew, const Batch<T>& batch, Range rows, bool fresh = true) const;
    void enter(Pass<T>& pass, const Batch<T>& batch, std::size_t layer, Index row) const;
    const T* skip_of(const Batch<T>& batch, const Layer<T>& layer, Index row) const;
    bool leaves_out(std::size_t layer, bool goes_back) const;
    T* kept_of(const Batch<T>& batch, std::size_t layer) const;
    Epilogue<T> slope_of(const Batch<T>& batch, std::size_t layer, Index row) const;
    void apply_slope(const Batch<T>& batch, std::size_t layer, Range rows) const;

    std::vector<std::unique_ptr<Layer<T>>> layers_;
    std::vector<Index> offsets_, statistic_offsets_;  // of each layer's arrays
    std::vector<std::vector<std::size_t>> added_to_;  // for each layer's output: the additions that read it
    Index parameter_count_ = 0, statistic_count_ = 0;
    double operations_ = 0;
    std::size_t images_ = 0;
    Index values_per_row_ = 0, scratch_size_ = 0, block_rows_ = 1;
    std::vector<Index> kept_offsets_;  // of each layer's kept memory
    bool has_backward_ = true, plain_ = true;
    bool needs_whole_batch_ = false;
    Index lowest_trained_ = -1;
    std::vector<Range> trained_;  // ranges of the trained parameters
    std::vector<ParameterSlot> trained_slots_;
    std::vector<Range> summed_in_parts_;
    Buffer<T> parameters_;              // followed by the statistics
    std::vector<PackedKernel> packed_;  // one per layer
    bool live_ = false;
};

}  // namespace fastnet
