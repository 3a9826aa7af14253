// The orthogonalized momentum of matrices.
#pragma once

#include <vector>

#include "gemm.h"
#include "layers.h"

namespace fastnet {

// A kernel that Muon orthogonalizes, inside the flat array of parameters.
struct Matrix {
    index offset, rows, columns;
};

// Jordan et al. (2024): with the momentum m = momentum m + g and, in Nesterov's form, u = g + momentum m, else u = m,
//     w -= learning_rate rms_rate sqrt(max(rows, columns)) O(u),
// where O brings all singular values near 1 by ns_steps of the iteration X = a X + b (X X^T) X + c (X X^T)^2 X from
// X = u / |u|. The scale is that of Liu et al., arXiv:2502.16982.
template <class T> class Muon {
  public:
    void reserve(const std::vector<Matrix>& matrices);
    // All members of the team take part; the gradients are complete. momenta is laid out like the parameters.
    void step(const Crew<T>& crew, const Matrix& matrix, const double* hyperparameters,
              const OptimizerExtras<T>& extras, const T* gradients, T* parameters, T* momenta);

  private:
    void product(const Crew<T>& crew, Gemm<T> gemm) const;
    T norm(Team& team, index size);

    Buffer<T> x_, y_, gram_, polynomial_;
    Buffer<double> sums_;
};

}  // namespace fastnet
