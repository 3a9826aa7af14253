// Products of bfloat16 and of 8-bit integers on tiles; all else in the set `amx` is that of avx512_bf16.
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

extern const TileKernels tiles;
constexpr GemmKernels<float> gemm_bfloat16{tile_side,
                                           2,
                                           {0, panel_height, panel_height, panel_height},
                                           2,
                                           tile_side,
                                           true,
                                           pack_tiles_a,
                                           pack_tiles_b,
                                           multiply_bfloat16,
                                           multiply_small_bfloat16};
constexpr Int8Kernels int8{tile_side,   int8_terms,   int8_vectors,       tile_side,
                           Int8::shift, quantize_row, multiply_int8_tiles};
const TileKernels tiles{&gemm_bfloat16, &int8};

}  // namespace fastnet::amx
