// How one dimension of a matrix is cut into panels: as few as possible, then as even as possible, so that no product
// ends in a thin panel that cannot keep the multipliers busy.
#pragma once

#include <cstddef>

namespace fastnet {

using Index = std::ptrdiff_t;

// Everything here is static. These functions are compiled into files with different instruction sets, and the linker
// must not merge an AVX-512 copy into code that a baseline machine runs.
struct Panels {
    Index total, count, width, wider;  // the first `wider` panels have width + 1 items, the others width

    static Panels of(Index total, Index largest) {
        const Index count = (total + largest - 1) / largest;
        return {total, count, count ? total / count : 0, count ? total % count : 0};
    }
    static Panels whole(Index total) { return {total, 1, total, 0}; }
    Index start(Index i) const { return i * width + (i < wider ? i : wider); }
    Index size(Index i) const { return width + (i < wider ? 1 : 0); }
    Index largest() const { return width + (wider ? 1 : 0); }
};

}  // namespace fastnet
