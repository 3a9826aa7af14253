// Matrix multiplication compared with LIBXSMM, which generates machine code for the exact shape and packs nothing:
//   {"name": "xsmm", "version": "1.17", "m": ..., "n": ..., "k": ..., "fastnet": GFLOP/s, "xsmm": GFLOP/s, "ratio":
//   ..., "low": ..., "high": ...}
// One thread with the same operands, which lie in the caches, alternating slices of 5 ms. A ratio is taken within a
// round; low and high are the bounds of the middle half of the rounds.
#include <libxsmm.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "core/products/gemm.h"
#include "kernels_timing.h"

namespace fastnet {
namespace {

constexpr int rounds = 31;
constexpr double slice = 0.005;  // seconds

using Rounds = std::array<double, rounds>;

double quantile(Rounds values, int quarter) {
    std::sort(values.begin(), values.end());
    return values[static_cast<std::size_t>(quarter * (rounds - 1) / 4)];
}

// Both add up the same terms, each in its own order.
void check(const std::vector<float>& ours, const std::vector<float>& theirs, Index k) {
    for (std::size_t i = 0; i < ours.size(); ++i)
        if (std::abs(ours[i] - theirs[i]) > 1e-6f * static_cast<float>(k)) {
            std::fprintf(stderr, "LIBXSMM computes %g where fastnet computes %g\n", theirs[i], ours[i]);
            std::exit(1);
        }
}

void compare(Index m, Index n, Index k) {
    // LIBXSMM is column-major, where the row-major C = A B reads C' = B' A'.
    const float alpha = 1, beta = 0;
    const int flags = LIBXSMM_GEMM_FLAG_NONE;
    const libxsmm_smmfunction kernel =
        libxsmm_smmdispatch(static_cast<int>(n), static_cast<int>(m), static_cast<int>(k), nullptr, nullptr, nullptr,
                            &alpha, &beta, &flags, nullptr);
    if (kernel == nullptr)
        return;
    const std::vector<float> a = operand(m * k), b = operand(k * n);
    std::vector<float> ours(static_cast<std::size_t>(m * n)), theirs(ours);
    const Gemm<float> product{m, n, k, a.data(), k, 1, b.data(), n, 1, ours.data(), n};
    const auto multiply = [&] { gemm(product); };
    const auto generated = [&] { kernel(b.data(), a.data(), theirs.data()); };
    const long our_repeats = repeats_for(slice, multiply), their_repeats = repeats_for(slice, generated);
    check(ours, theirs, k);
    Rounds our_rates, their_rates, ratios;
    for (std::size_t i = 0; i < rounds; ++i) {
        our_rates[i] =
            product.operations() * static_cast<double>(our_repeats) / seconds_of(our_repeats, multiply) / 1e9;
        their_rates[i] =
            product.operations() * static_cast<double>(their_repeats) / seconds_of(their_repeats, generated) / 1e9;
        ratios[i] = our_rates[i] / their_rates[i];
    }
    std::printf("{\"name\": \"xsmm\", \"version\": \"" LIBXSMM_VERSION
                "\", \"m\": %td, \"n\": %td, \"k\": %td, \"fastnet\": %.2f, \"xsmm\": %.2f, "
                "\"ratio\": %.3f, \"low\": %.3f, \"high\": %.3f}\n",
                m, n, k, quantile(our_rates, 2), quantile(their_rates, 2), quantile(ratios, 2), quantile(ratios, 1),
                quantile(ratios, 3));
}

}  // namespace

void compare_with_xsmm() {
    set_num_threads(1);
    for (Index n : {16, 32, 64, 128, 192, 256})
        compare(n, n, n);
    compare(32, 64, 784);
    compare(128, 64, 784);
    compare(128, 10, 64);
}

}  // namespace fastnet
