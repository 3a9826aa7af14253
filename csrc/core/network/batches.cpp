// What a batch reads: with or without its zeros, where it lies or brought into an arena.
#include <algorithm>
#include <cmath>

#include "network.h"

namespace fastnet {

template <class T> double Network<T>::operations_per_row() const {
    // A term of a compressed row takes about three times as long as one of a dense row.
    const double first = layers_.front()->operations_per_row();
    return compresses_ ? operations_ - first + std::min(3 * density_, 1.0) * first : operations_;
}

// Decided by the data and the model alone, before the batches of so many rows are made.
template <class T> void Network<T>::choose_input(const Samples& samples, index rows, Use use) {
    // To measure the density of few dense rows takes as long as it could save; the terms of many take several times the
    // room of the rows themselves.
    constexpr index most_indices = INT32_MAX, fewest_dense_rows = 32, most_dense_values = 1 << 22;
    if (use == Use::training && in_parts(rows))
        rows = block_rows;
    const bool forced = input_form_ == InputForm::compressed, given = samples.x.compressed();
    const double densest = layers_.front()->densest_compressed();
    const bool keeps_zeros = input_offset_ == T(0) && std::isfinite(input_scale_);
    const bool possible = input_form_ != InputForm::dense && densest >= 0 && keeps_zeros &&
                          input_size() <= most_indices && rows <= most_indices &&
                          (given || rows <= most_dense_values / input_size());
    const bool measured = possible && (forced || given || rows >= fewest_dense_rows);
    density_ = measured ? density<T>(samples.x) : 1;
    compresses_ = possible && (forced || density_ <= densest);
}

template <class T> const T* Network<T>::input_in_place(const Samples& samples) const {
    return rescales_ ? nullptr : samples.x.template in_place<T>(samples.order);
}

template <class T>
typename Network<T>::Batch Network<T>::batch(const Samples& samples, Arena& arena, index begin, index rows) const {
    const T* in_place = input_in_place(samples);
    const T* dense = in_place ? in_place + begin * input_size() : arena.input.data();
    Input<T> input{compresses_ ? nullptr : dense, compresses_ ? &arena.compressed : nullptr};
    input.segments = &whole_input_;
    const double divided_by = divisor(samples, begin, rows);
    return {samples, arena, begin, rows, rows, divided_by, input, arena.target.data(), arena.outputs.back().data()};
}

template <class T> double Network<T>::divisor(const Samples& samples, index begin, index rows) const {
    if (reduction_ == Reduction::sum)
        return 1;
    if (reduction_ == Reduction::mean || !samples.weight)
        return static_cast<double>(rows);
    double sum = 0;
    for (index i = begin; i < begin + rows; ++i)
        sum += samples.weight[samples.order ? samples.order[i] : i];
    return sum;
}

// Brings a member's rows of the batch into the arena.
template <class T> void Network<T>::gather(const Team& team, const Batch& batch, Range rows) const {
    gather_input(team, batch, rows, 0);
    in_pieces(team, rows, operations_per_move * static_cast<double>(output_size()),
              [&](Range piece) { gather_targets(batch, piece); });
}

template <class T>
void Network<T>::gather_input(const Team& team, const Batch& batch, Range rows, index segment) const {
    const Samples& samples = batch.samples;
    const Panels& segments = *batch.input.segments;
    if (batch.input.compressed)
        return batch.arena.compressed.gather(team, samples, batch.begin, rows, segments, segment,
                                             rescales_ ? input_scale_ : T(1));
    const Range columns{segments.start(segment), segments.start(segment + 1)};
    if (batch.input.rows != batch.arena.input.data())
        return;
    in_pieces(team, rows, operations_per_move * static_cast<double>(columns.size()), [&](Range piece) {
        for (index i = piece.begin; i < piece.end; ++i) {
            T* row = batch.arena.input.data() + i * input_size() + columns.begin;
            samples.x.gather_row(batch.begin + i, samples.count, samples.order, columns, row);
            if (rescales_)
                kernels<T>().affine(columns.size(), row, input_scale_, input_offset_, row);
        }
    });
}

template <class T> void Network<T>::gather_targets(const Batch& batch, Range rows) const {
    const Samples& samples = batch.samples;
    if (samples.y.present())
        samples.y.gather({batch.begin + rows.begin, batch.begin + rows.end}, samples.count, samples.order,
                         output_size(), batch.arena.target.data() + rows.begin * output_size());
    if (samples.weight)
        for (index i = rows.begin; i < rows.end; ++i)
            batch.arena.weight.data()[i] =
                static_cast<T>(samples.weight[samples.order ? samples.order[batch.begin + i] : batch.begin + i]);
}

template double Network<float>::operations_per_row() const;
template double Network<double>::operations_per_row() const;
template void Network<float>::choose_input(const Samples&, index, Use);
template void Network<double>::choose_input(const Samples&, index, Use);
template const float* Network<float>::input_in_place(const Samples&) const;
template const double* Network<double>::input_in_place(const Samples&) const;
template Network<float>::Batch Network<float>::batch(const Samples&, Arena&, index, index) const;
template Network<double>::Batch Network<double>::batch(const Samples&, Arena&, index, index) const;
template double Network<float>::divisor(const Samples&, index, index) const;
template double Network<double>::divisor(const Samples&, index, index) const;
template void Network<float>::gather(const Team&, const Batch&, Range) const;
template void Network<double>::gather(const Team&, const Batch&, Range) const;
template void Network<float>::gather_input(const Team&, const Batch&, Range, index) const;
template void Network<double>::gather_input(const Team&, const Batch&, Range, index) const;
template void Network<float>::gather_targets(const Batch&, Range) const;
template void Network<double>::gather_targets(const Batch&, Range) const;

}  // namespace fastnet
