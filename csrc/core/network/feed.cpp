#include "feed.h"

#include <algorithm>
#include <cmath>

namespace fastnet {

template <class T> double Feed<T>::operations_per_row() const {
    // A term of a compressed row takes about three times as long as one of a dense row.
    const double all = chain_.operations(), first = chain_.front().operations_per_row();
    return compresses_ ? all - first + std::min(3 * density_, 1.0) * first : all;
}

template <class T> void Feed<T>::choose(const Samples& samples, Index rows) {
    // Measuring the density of a few dense rows takes as long as it could save. The terms of many rows take several
    // times the room of the rows themselves.
    constexpr Index most_indices = INT32_MAX, fewest_dense_rows = 32, most_dense_values = 1 << 22;
    const bool forced = form_ == InputForm::compressed, given = samples.x.compressed();
    const double densest = chain_.front().densest_compressed();
    const bool keeps_zeros = offset_ == T(0) && std::isfinite(scale_);
    const bool possible = form_ != InputForm::dense && densest >= 0 && keeps_zeros &&
                          chain_.input_size() <= most_indices && rows <= most_indices &&
                          (given || rows <= most_dense_values / chain_.input_size());
    const bool measured = possible && (forced || given || rows >= fewest_dense_rows);
    density_ = measured ? density<T>(samples.x) : 1;
    compresses_ = possible && (forced || density_ <= densest);
}

template <class T>
void Feed<T>::reserve(std::vector<Arena<T>>& arenas, const Samples& samples, Index rows, Use use) const {
    const Index stretches = chain_.front().stretches().count;
    const Index terms = compresses_ ? most_values(samples, rows) : 0;
    for (Arena<T>& arena : arenas) {
        if (compresses_)
            arena.compressed.reserve(rows, chain_.input_size(), stretches, terms, use == Use::training);
        else if (!in_place(samples))
            arena.input.reserve(rows * chain_.input_size());
        if (use == Use::prediction)
            continue;
        if (use == Use::training)
            arena.sums.reserve(stretches * rows * chain_.front().output_size);
        arena.target.reserve(rows * chain_.output_size());
        arena.weight.reserve(rows);
    }
}

template <class T> void Feed<T>::gather(const Team& team, const Batch<T>& batch, Range rows) const {
    gather_input(team, batch, rows, 0);
    in_pieces(team, rows, operations_per_move * static_cast<double>(chain_.output_size()),
              [&](Range piece) { gather_targets(batch, piece); });
}

template <class T>
void Feed<T>::gather_input(const Team& team, const Batch<T>& batch, Range rows, Index segment) const {
    const Samples& samples = batch.samples;
    const Panels& segments = *batch.input.segments;
    if (batch.input.compressed)
        return batch.arena.compressed.gather(team, samples, batch.begin, rows, segments, segment,
                                             rescales_ ? scale_ : T(1));
    const Range columns{segments.start(segment), segments.start(segment + 1)};
    if (batch.input.rows != batch.arena.input.data())
        return;
    in_pieces(team, rows, operations_per_move * static_cast<double>(columns.size()), [&](Range piece) {
        for (Index i = piece.begin; i < piece.end; ++i) {
            T* row = batch.arena.input.data() + i * chain_.input_size() + columns.begin;
            samples.x.gather_row(batch.begin + i, samples.count, samples.order, columns, row);
            if (rescales_)
                kernels<T>().affine(columns.size(), row, scale_, offset_, row);
        }
    });
}

template <class T> void Feed<T>::gather_targets(const Batch<T>& batch, Range rows) const {
    const Samples& samples = batch.samples;
    if (samples.y.present())
        samples.y.gather({batch.begin + rows.begin, batch.begin + rows.end}, samples.count, samples.order,
                         chain_.output_size(), batch.arena.target.data() + rows.begin * chain_.output_size());
    if (samples.weight)
        for (Index i = rows.begin; i < rows.end; ++i)
            batch.arena.weight.data()[i] =
                static_cast<T>(samples.weight[samples.order ? samples.order[batch.begin + i] : batch.begin + i]);
}

template <class T>
void Feed<T>::rescale_derivatives(const Team& team, Range rows, T* derivatives) const {
    if (!rescales_)
        return;
    const Index size = chain_.input_size();
    in_pieces(team, rows, operations_per_move * static_cast<double>(size), [&](Range piece) {
        T* const dx = derivatives + piece.begin * size;
        kernels<T>().affine(piece.size() * size, dx, scale_, T(0), dx);
    });
}

template class Feed<float>;
template class Feed<double>;

}  // namespace fastnet
