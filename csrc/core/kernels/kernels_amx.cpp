// Products of bfloat16 and of 8-bit integers on tiles. Everything else in the set `amx` is that of avx512_bf16.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <immintrin.h>

#include "kernels.h"

#define FASTNET_NAMESPACE amx
#define FASTNET_VECTOR_BYTES 64

namespace fastnet::amx {

#include "simd.h"

#include "int8_kernels.h"

#include "amx_tiles.h"

#include "amx_kernels.h"

extern const LowPrecisionKernels low_precision;
constexpr GemmKernels<float> gemm_bfloat16{
    .lanes = tile_side,
    .panel_vectors = 2,
    .panel_rows = {0, panel_height, panel_height, panel_height},
    .terms = 2,
    .depth_step = tile_side,
    .rounds = true,
    .pack_a = pack_tiles_a,
    .pack_b = pack_tiles_b,
    .multiply = multiply_bfloat16,
    .multiply_small = multiply_small_bfloat16,
};
constexpr Int8Kernels int8{
    .lanes = tile_side,
    .terms = int8_terms,
    .panel_vectors = int8_vectors,
    .depth_step = tile_side,
    .shift = Int8::shift,
    .quantize = quantize_row,
    .multiply = multiply_int8_tiles,
};
const LowPrecisionKernels low_precision{.bfloat16 = &gemm_bfloat16, .int8 = &int8};

}  // namespace fastnet::amx
