#include "muon.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fastnet {
namespace {

// Jordan et al.: the quintic with the steepest slope at zero that five steps allow.
constexpr double first = 3.4445, third = -4.7750, fifth = 2.0315;

// The gradient with respect to a value, scaled and clipped, and the momentum that follows from it.
template <class T> struct Moved {
    T gradient, momentum;

    Moved(const MuonStep<T>& step, Index i) {
        T g = step.gradients[i] * step.extras.gradient_scale;
        if (const T limit = step.extras.clip_value; limit > T(0))
            g = g > limit ? limit : g < -limit ? -limit : g;
        gradient = g;
        momentum = static_cast<T>(step.hyperparameters[5]) * step.momenta[i] + g;
    }
};

}  // namespace

template <class T> void Muon<T>::reserve(const std::vector<Matrix>& matrices) {
    matrices_ = matrices;
    Index total = 0;
    for (const Matrix& m : matrices) {
        const Index size = m.rows * m.columns, shorter = std::min(m.rows, m.columns);
        total += size;
        scratch_.reserve(size);
        gram_.reserve(shorter * shorter), polynomial_.reserve(shorter * shorter);
        sums_.reserve(BlockSums<T>::blocks_of(size));
    }
    kept_.reserve(total);
}

template <class T> const Matrix* Muon<T>::find(Index offset) const {
    const auto found =
        std::find_if(matrices_.begin(), matrices_.end(), [&](const Matrix& m) { return m.offset == offset; });
    return found == matrices_.end() ? nullptr : &*found;
}

// `matrix` is an element of matrices_, whose arrays are stored one after the other.
template <class T> T* Muon<T>::kept(const Matrix& matrix) const {
    Index before = 0;
    for (const Matrix* m = matrices_.data(); m < &matrix; ++m)
        before += m->rows * m->columns;
    return kept_.data() + before;
}

template <class T> void Muon<T>::product(const Crew<T>& crew, Gemm<T> g) const {
    gemm(crew.team, crew.workspace, g);
    crew.team.barrier();
}

template <class T> T Muon<T>::norm(Team& team, const T* x, Index size) {
    const Index blocks = BlockSums<T>::blocks_of(size);
    sums_.add_up(team.share(blocks), 0, size, x, T(0), T(1));
    team.barrier();
    const double total = sums_.total({0, blocks});
    team.barrier();
    return static_cast<T>(std::sqrt(total));
}

template <class T>
void Muon<T>::orthogonalize(const Crew<T>& crew, const Matrix& matrix, const MuonStep<T>& step) {
    Team& team = crew.team;
    const Index rows = matrix.rows, columns = matrix.columns, size = rows * columns;
    const Index shorter = std::min(rows, columns);
    const bool tall = rows > columns;
    const T momentum = static_cast<T>(step.hyperparameters[5]);
    const bool nesterov = step.hyperparameters[6] != 0;
    const int iterations = static_cast<int>(step.hyperparameters[7]);
    const Range mine = team.share(size, 64), mine_squared = team.share(shorter * shorter, 64);
    T *x = kept(matrix), *y = scratch_.data();
    if (iterations % 2 != 0)  // the last iteration ends in the array that is kept
        std::swap(x, y);
    for (Index i = mine.begin; i < mine.end; ++i) {
        const Moved<T> moved(step, matrix.offset + i);
        x[i] = nesterov ? moved.gradient + momentum * moved.momentum : moved.momentum;
    }
    team.barrier();
    kernels<T>().scale(mine.size(), x + mine.begin, T(1) / (norm(team, x, size) + static_cast<T>(1e-7)));
    team.barrier();
    // Either X or its transpose, whichever is wide, without moving data.
    const Index row = tall ? 1 : columns, column = tall ? columns : 1, longer = std::max(rows, columns);
    for (int iteration = 0; iteration < iterations && !team.was_broken_off(); ++iteration) {
        product(crew, {shorter, shorter, longer, x, row, column, x, column, row, gram_.data(), shorter});
        kernels<T>().affine(mine_squared.size(), gram_.data() + mine_squared.begin, static_cast<T>(third), T(0),
                            polynomial_.data() + mine_squared.begin);
        kernels<T>().affine(mine.size(), x + mine.begin, static_cast<T>(first), T(0), y + mine.begin);
        team.barrier();
        Gemm<T> square{shorter,      shorter, shorter, gram_.data(),       shorter, 1,
                       gram_.data(), shorter, 1,       polynomial_.data(), shorter};
        square.alpha = static_cast<T>(fifth), square.beta = T(1);
        product(crew, square);
        Gemm<T> next = tall ? Gemm<T>{rows, columns, columns, x, columns, 1, polynomial_.data(), columns, 1, y, columns}
                            : Gemm<T>{rows, columns, rows, polynomial_.data(), rows, 1, x, columns, 1, y, columns};
        next.beta = T(1);
        product(crew, next);
        std::swap(x, y);
    }
}

template <class T>
void Muon<T>::update(const Team& team, const Matrix& matrix, const MuonStep<T>& step, T* parameters) const {
    const OptimizerExtras<T>& extras = step.extras;
    const double* h = step.hyperparameters;
    const Index size = matrix.rows * matrix.columns, longer = std::max(matrix.rows, matrix.columns);
    const T rate = static_cast<T>(h[0] * h[8] * std::sqrt(static_cast<double>(longer)));
    const T* const x = kept(matrix);
    const Range mine = team.share(size, 64);
    for (Index i = mine.begin; i < mine.end; ++i) {
        const Index at = matrix.offset + i;
        step.momenta[at] = Moved<T>(step, at).momentum;
        T& w = parameters[at];
        w = (w - extras.decay * w) - rate * x[i];
        if (T* const average = extras.average)
            average[at] = extras.average_momentum * average[at] + (T(1) - extras.average_momentum) * w;
    }
}

template class Muon<float>;
template class Muon<double>;

}  // namespace fastnet
