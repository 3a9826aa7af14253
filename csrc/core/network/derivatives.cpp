// Derivatives of the outputs or of the loss with respect to the inputs: the backward pass of training, continued to the
// input. Each sample has one or several rows of gradients.
#include <algorithm>
#include <cmath>

#include "core/threads/float_mode.h"
#include "network.h"

namespace fastnet {

// Writes the gradients with respect to the last pre-activations, with which the backward pass of these rows begins. For
// the outputs, the batch has one row of gradients for each output from `first` on, up to batch.derivatives of them.
template <class T>
void Network<T>::seed_derivatives(const Batch<T>& batch, Range rows, Derivative of, Index first) const {
    if (of == Derivative::loss)
        return objective_.apply(batch, rows, true);
    const Index size = output_size(), each = batch.derivatives;
    T* const dy = batch.arena.gradients.back().data();
    if (of == Derivative::weighted_outputs) {
        std::copy_n(batch.arena.target.data() + rows.begin * size, rows.size() * size, dy + rows.begin * size);
    } else {
        std::fill_n(dy + rows.begin * each * size, rows.size() * each * size, T(0));
        for (Index row = rows.begin; row < rows.end; ++row)
            for (Index i = 0; i < each; ++i) {
                const T y = batch.output[row * size + first + i];
                dy[(row * each + i) * size + first + i] = std::isnan(y) ? y : T(1);  // no slope of relu is NaN
            }
    }
    chain_.slope_of_last(batch, rows);
}

template <class T> void Network<T>::differentiate(const Samples& samples, Derivative of, T* derivatives) {
    require_backward();
    if (of == Derivative::loss) {
        require_compiled();
        objective_.begin({});
    }
    // This many rows at a time keep the gradients of all layers in the second-level cache, and still pay for packing
    // weights.
    constexpr Index most_rows = 512;
    const Index total = samples.count, each = of == Derivative::outputs ? output_size() : 1;
    const Index at_once = chain_.images() > 0 ? block_rows() : most_rows;
    const Index chunk = std::clamp<Index>(at_once / each, 1, total), together = std::min(each, at_once);
    feed_.choose(samples, chunk);
    const double per_sample = feed_.operations_per_row() + static_cast<double>(each) * chain_.operations();
    const int threads = threads_for(per_sample * static_cast<double>(total));
    {
        const NoForks no_forks;
        prepare(samples, chunk, Use::evaluation, threads, threads);
        for (Arena<T>& arena : arenas_)
            chain_.reserve_gradients(arena, chunk, together);
    }
    const double divided_by = objective_.divisor(samples, 0, total);
    const Index grain = std::max<Index>(row_grain() / each, 1);
    const FlushSubnormals flush;
    const auto work = [&](Team& team) {
        const bool alone = total >= grain * team.size() && splits_rows(total * each, team.size());
        const std::size_t rank = alone ? static_cast<std::size_t>(team.rank()) : 0;
        Share<T> share{alone ? team.alone() : team, workspaces_[rank],
                       alone ? team.share(total, grain) : Range{0, total}};
        for (Index begin = share.rows.begin; begin < share.rows.end && !share.team.was_broken_off(); begin += chunk) {
            Batch<T> piece = batch(samples, arenas_[rank], begin, std::min(chunk, share.rows.end - begin));
            piece.of = total, piece.divisor = divided_by, piece.derivatives = together;
            const Range mine = share.team.share(piece.rows);
            feed_.gather(share.team, piece, mine);
            share.team.barrier();
            Share<T> all{share.team, share.workspace, {0, piece.rows}};
            chain_.forward(all, piece, of == Derivative::loss && objective_.takes_logits());
            for (Index first = 0; first < each; first += together) {
                piece.derivatives = std::min(together, each - first);
                seed_derivatives(piece, mine, of, first);
                share.team.barrier();
                T* const mine_by_input = derivatives + (begin * each + first) * input_size();
                chain_.backward_to_input(all, piece, mine_by_input);
                feed_.rescale_derivatives(share.team, share.team.share(piece.rows * piece.gradients()), mine_by_input);
                share.team.barrier();
            }
        }
    };
    run_team(threads, work, commit_.interruption());
}

template void Network<float>::differentiate(const Samples&, Derivative, float*);
template void Network<double>::differentiate(const Samples&, Derivative, double*);

}  // namespace fastnet
