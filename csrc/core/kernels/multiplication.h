// Matrix multiplication, from the vectors to the tables of kernels. Included in a namespace by kernels_impl.h, and by a
// set that has nothing else of its own.

#include "simd.h"

#include "operands.h"

#include "chain_kernels.h"

#include "streamed_kernels.h"

#include "gemm_kernels.h"

#include "int8_kernels.h"

// With 16 registers, chains run best in tiles of two vectors (6 x 2: 98 of 102 GFLOP/s on a Zen 3, 4 x 3: 91).
template <class Form>
inline constexpr Index panel_vectors = Form::chain > 0 && tile_rows[3] < 8 ? 2 : max_panel_vectors;

template <class Form>
inline constexpr GemmKernels<typename Form::Value> gemm_kernels{
    .lanes = lanes<typename Form::Value>,
    .panel_vectors = panel_vectors<Form>,
    .panel_rows = {tile_rows[0], tile_rows[1], tile_rows[2], tile_rows[3]},
    .terms = Form::terms,
    .depth_step = 1,
    .rounds = Form::rounds,
    .pack_a = pack_a<Form>,
    .pack_b = pack_b<Form>,
    .multiply = multiply<Form>,
    .multiply_small = multiply_small<typename Form::InPlace>,
};
