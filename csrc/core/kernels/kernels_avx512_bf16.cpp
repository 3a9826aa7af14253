// Products of bfloat16 and of 8-bit integers by the instructions for pairs and for groups of four. Everything else in
// the set `avx512_bf16` is that of avx512.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <immintrin.h>

#include "kernels.h"

#define FASTNET_NAMESPACE avx512_bf16
#define FASTNET_VECTOR_BYTES 64

namespace fastnet::avx512_bf16 {

#include "multiplication.h"

// Rounding takes one instruction here. Operands that are rounded already are multiplied as in avx512. A single row is
// rounded while it is multiplied.
inline void multiply_rounded(const GemmBlock<float>& block) {
    if (block.m == 1 && !block.b_packed)
        multiply_single_row<Rounded>(block);
    else
        avx512::low_precision.bfloat16->multiply(block);
}

constexpr GemmKernels<float> rounded = [] {
    GemmKernels<float> kernels = gemm_kernels<Rounded>;
    kernels.multiply = multiply_rounded;
    return kernels;
}();

extern const LowPrecisionKernels low_precision;
const LowPrecisionKernels low_precision{
    .bfloat16 = &rounded, .bfloat16_pairs = &gemm_kernels<Pairs>, .int8 = &int8_kernels};

}  // namespace fastnet::avx512_bf16
