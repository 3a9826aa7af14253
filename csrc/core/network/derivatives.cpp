// Derivatives of the outputs or of the loss with respect to the inputs: the backward pass of training, continued to the
// input, with one or several rows of gradients for each sample.
#include <algorithm>
#include <cmath>

#include "core/threads/float_mode.h"
#include "network.h"

namespace fastnet {

// Writes the gradients with respect to the last pre-activations, with which the backward pass of these rows begins. For
// the outputs: one row for each output from `first` on, as many as the batch has rows for.
template <class T>
void Network<T>::seed_derivatives(const Batch& batch, Range rows, Derivative of, index first) const {
    if (of == Derivative::loss)
        return loss(batch, rows, true);
    const index size = output_size(), each = batch.derivatives;
    T* const dy = batch.arena.gradients.back().data();
    if (of == Derivative::weighted_outputs) {
        std::copy_n(batch.arena.target.data() + rows.begin * size, rows.size() * size, dy + rows.begin * size);
    } else {
        std::fill_n(dy + rows.begin * each * size, rows.size() * each * size, T(0));
        for (index row = rows.begin; row < rows.end; ++row)
            for (index i = 0; i < each; ++i) {
                const T y = batch.output[row * size + first + i];
                dy[(row * each + i) * size + first + i] = std::isnan(y) ? y : T(1);  // no slope of relu is NaN
            }
    }
    slope_of_last(batch, rows);
}

// From the gradients of the last pre-activation to the derivatives by the data, as they were before any rescaling.
template <class T> void Network<T>::backward_to_input(Share& share, const Batch& batch, T* derivatives) const {
    backward(share, batch, 0);
    const index size = input_size(), each = batch.gradients();
    Pass<T> pass = this->pass({share.team, share.workspace}, batch, share.rows);
    pass.rows *= each;
    enter(pass, batch, 0, share.rows.begin);
    layers_.front()->backward(pass, batch.input, batch.arena.gradients.front().data(), derivatives, nullptr);
    share.team.barrier();
    if (!rescales_)
        return;
    const Range mine = share.team.share(pass.rows);
    in_pieces(share.team, mine, operations_per_move * static_cast<double>(size), [&](Range rows) {
        T* const dx = derivatives + rows.begin * size;
        kernels<T>().affine(rows.size() * size, dx, input_scale_, T(0), dx);
    });
}

template <class T> void Network<T>::differentiate(const Samples& samples, Derivative of, T* derivatives) {
    require_backward();
    if (of == Derivative::loss) {
        require_compiled();
        require_hook({});
    }
    // So many rows at a time keep the gradients of all layers in the second-level cache, and pay for packing weights.
    constexpr index most_rows = 512;
    const index total = samples.count, each = of == Derivative::outputs ? output_size() : 1;
    const index chunk = std::clamp<index>(most_rows / each, 1, total), together = std::min(each, most_rows);
    choose_input(samples, chunk, Use::evaluation);
    const double per_sample = operations_per_row() + static_cast<double>(each) * operations_;
    const int threads = threads_for(per_sample * static_cast<double>(total));
    {
        const NoForks no_forks;
        prepare(samples, chunk, Use::evaluation, threads, threads);
        for (Arena& arena : arenas_)
            for (std::size_t i = 0; i < layers_.size(); ++i) {
                arena.gradients[i].reserve(chunk * together * layers_[i]->output_size);
                if (layers_[i]->activation->keeps_slope)
                    arena.slopes[i].reserve(chunk * layers_[i]->output_size);
            }
    }
    const double divided_by = divisor(samples, 0, total);
    const index grain = std::max<index>(row_grain / each, 1);
    const FlushSubnormals flush;
    const auto work = [&](Team& team) {
        const bool alone = total >= grain * team.size() && splits_rows(total * each, team.size());
        const std::size_t rank = alone ? static_cast<std::size_t>(team.rank()) : 0;
        Share share{alone ? team.alone() : team, workspaces_[rank], alone ? team.share(total, grain) : Range{0, total}};
        for (index begin = share.rows.begin; begin < share.rows.end && !share.team.was_broken_off(); begin += chunk) {
            Batch piece = batch(samples, arenas_[rank], begin, std::min(chunk, share.rows.end - begin));
            piece.of = total, piece.divisor = divided_by, piece.derivatives = together;
            const Range mine = share.team.share(piece.rows);
            gather(share.team, piece, mine);
            share.team.barrier();
            Share all{share.team, share.workspace, {0, piece.rows}};
            forward(all, piece, of == Derivative::loss && fused_);
            for (index first = 0; first < each; first += together) {
                piece.derivatives = std::min(together, each - first);
                seed_derivatives(piece, mine, of, first);
                share.team.barrier();
                backward_to_input(all, piece, derivatives + (begin * each + first) * input_size());
                share.team.barrier();
            }
        }
    };
    run_team(threads, work, interruption_);
}

template void Network<float>::differentiate(const Samples&, Derivative, float*);
template void Network<double>::differentiate(const Samples&, Derivative, double*);

}  // namespace fastnet
