// Matrix multiplication (GEMM): the team and the workspace of a product.
#pragma once

#include "core/buffer.h"
#include "core/kernels/kernels.h"
#include "core/threads/parallel.h"

namespace fastnet {

// A product is computed in passes along k, as even as possible, whose sums are added in order. This fixes the order of
// the additions, so the rule is the same on every machine.
Panels gemm_passes(Index k);

// Packed operands of one team. It is made before the team starts, so that nothing is allocated (or can fail) inside.
template <class T> class GemmWorkspace {
  public:
    void reserve(int threads);
    T* packed_a(int rank) const { return private_.data() + rank * (a_size + panel_size); }
    T* packed_panel(int rank) const { return packed_a(rank) + a_size; }
    T* packed_b() const { return b_.data(); }
    T* transposed() const { return transposed_.data(); }
    // Memory for other operands of a member.
    void reserve_scratch(int threads, Index size) {
        scratch_size_ = size;
        scratch_.reserve(threads * size);
    }
    T* scratch(int rank) const { return scratch_.data() + rank * scratch_size_; }

    static const Index a_size, panel_size, b_size;

  private:
    Buffer<T> private_, b_, transposed_, scratch_;
    Index scratch_size_ = 0;
};

// A B that many products share can be packed once, as a whole, by all members of a team. packed_size is the number of
// values it takes. The product then gets it as b_packed.
template <class T> Index packed_size(const Gemm<T>& product);
template <class T> void pack_factor(const Team& team, const Gemm<T>& product, T* packed);
// Whether a product would otherwise pack all of B itself.
template <class T> bool packs_factor(const Gemm<T>& product);

// Called by every member of the team with the same arguments. On return a member has finished its own share only; a
// barrier makes all of C visible. With a solo team it is an ordinary function.
template <class T> void gemm(Team& team, GemmWorkspace<T>& workspace, const Gemm<T>& product);

// Starts a team of the right size for the product. C is unfinished where the interruption broke it off.
template <class T> void gemm(const Gemm<T>& product, Interruption* interruption = nullptr);

}  // namespace fastnet
