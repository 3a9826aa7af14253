#include "muon.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace fastnet {
namespace {

// Jordan et al.: the quintic whose slope at zero is as steep as five steps allow.
constexpr double first = 3.4445, third = -4.7750, fifth = 2.0315;
constexpr index block = 4096;  // of a sum, whatever the number of threads

}  // namespace

template <class T> void Muon<T>::reserve(const std::vector<Matrix>& matrices) {
    for (const Matrix& m : matrices) {
        const index size = m.rows * m.columns, shorter = std::min(m.rows, m.columns);
        x_.reserve(size), y_.reserve(size);
        gram_.reserve(shorter * shorter), polynomial_.reserve(shorter * shorter);
        sums_.reserve(size / block + 1);
    }
}

template <class T> void Muon<T>::product(const Crew<T>& crew, Gemm<T> g) const {
    gemm(crew.team, crew.workspace, g);
    crew.team.barrier();
}

template <class T> T Muon<T>::norm(Team& team, index size) {
    const index blocks = (size + block - 1) / block;
    const Range mine = team.share(blocks);
    for (index i = mine.begin; i < mine.end; ++i)
        sums_.data()[i] = kernels<T>().penalty(std::min(block, size - i * block), x_.data() + i * block, T(0), T(1));
    team.barrier();
    double total = 0;
    for (index i = 0; i < blocks; ++i)
        total += sums_.data()[i];
    team.barrier();
    return static_cast<T>(std::sqrt(total));
}

template <class T>
void Muon<T>::step(const Crew<T>& crew, const Matrix& matrix, const double* h, const OptimizerExtras<T>& extras,
                   const T* gradients, T* parameters, T* momenta) {
    Team& team = crew.team;
    const index rows = matrix.rows, columns = matrix.columns, size = rows * columns;
    const index shorter = std::min(rows, columns);
    const bool tall = rows > columns;
    const T momentum = static_cast<T>(h[5]);
    const bool nesterov = h[6] != 0;
    const Range mine = team.share(size, 64), mine_squared = team.share(shorter * shorter, 64);
    T *x = x_.data(), *y = y_.data();
    for (index i = mine.begin; i < mine.end; ++i) {
        T g = gradients[matrix.offset + i] * extras.gradient_scale;
        if (extras.clip_value > T(0))
            g = g > extras.clip_value ? extras.clip_value : g < -extras.clip_value ? -extras.clip_value : g;
        T& m = momenta[matrix.offset + i];
        m = momentum * m + g;
        x[i] = nesterov ? g + momentum * m : m;
    }
    team.barrier();
    kernels<T>().scale(mine.size(), x + mine.begin, T(1) / (norm(team, size) + static_cast<T>(1e-7)));
    team.barrier();
    // X or its transpose, whichever is wide, without moving it.
    const index row = tall ? 1 : columns, column = tall ? columns : 1, longer = std::max(rows, columns);
    for (int step = 0; step < static_cast<int>(h[7]); ++step) {
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
    const T rate = static_cast<T>(h[0] * h[8] * std::sqrt(static_cast<double>(longer)));
    for (index i = mine.begin; i < mine.end; ++i) {
        T& w = parameters[matrix.offset + i];
        w = (w - extras.decay * w) - rate * x[i];
        if (T* const average = extras.average)
            average[matrix.offset + i] =
                extras.average_momentum * average[matrix.offset + i] + (T(1) - extras.average_momentum) * w;
    }
    team.barrier();
}

template class Muon<float>;
template class Muon<double>;

}  // namespace fastnet
