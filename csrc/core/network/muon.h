// The orthogonalized momentum of matrices.
#pragma once

#include <vector>

#include "block_sums.h"
#include "core/layers/layers.h"
#include "core/products/gemm.h"

namespace fastnet {

// A kernel that Muon orthogonalizes, inside the flat array of parameters.
struct Matrix {
    Index offset, rows, columns;
};

// Arguments of a step. momenta is laid out like the parameters; the gradients are complete.
template <class T> struct MuonStep {
    const double* hyperparameters;
    const OptimizerExtras<T>& extras;
    const T* gradients;
    T* momenta;
};

// Jordan et al. (2024): with the momentum m = momentum m + g and, in Nesterov's form, u = g + momentum m, else u = m,
//     w -= learning_rate rms_rate sqrt(max(rows, columns)) O(u),
// where O brings all singular values near 1 by ns_steps of the iteration X = a X + b (X X^T) X + c (X X^T)^2 X from
// X = u / |u|. The scale is that of Liu et al., arXiv:2502.16982.
template <class T> class Muon {
  public:
    void reserve(const std::vector<Matrix>& matrices);
    // The matrix that begins at this offset, or null.
    const Matrix* find(Index offset) const;
    // Computes and keeps O(u), and changes nothing else. All members of the team take part, here and below.
    void orthogonalize(const Crew<T>& crew, const Matrix& matrix, const MuonStep<T>& step);
    // Takes the step with the O(u) that was kept.
    void update(const Team& team, const Matrix& matrix, const MuonStep<T>& step, T* parameters) const;

  private:
    void product(const Crew<T>& crew, Gemm<T> gemm) const;
    T norm(Team& team, const T* x, Index size);
    T* kept(const Matrix& matrix) const;

    std::vector<Matrix> matrices_;
    Buffer<T> kept_, scratch_, gram_, polynomial_;
    BlockSums<T> sums_;
};

}  // namespace fastnet
