// The only source of the kernels, compiled once per instruction set. A kernels_<name>.cpp defines FASTNET_NAMESPACE and
// FASTNET_VECTOR_BYTES, is compiled with that instruction set's flags and includes this file. All of it lives in the
// instruction set's own namespace, and it instantiates nothing from the standard library. So the linker cannot put one
// set's code where another's is meant.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>

#if defined(__FMA__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include "kernels.h"

namespace fastnet::FASTNET_NAMESPACE {

#include "simd.h"

#include "operands.h"

#include "chain_kernels.h"

#include "streamed_kernels.h"

#include "gemm_kernels.h"

#include "activations.h"

#include "losses.h"

#include "optimizers.h"

#include "array_kernels.h"

#include "sparse_kernels.h"

#include "random.h"

#include "layer_kernels.h"

#include "window_kernels.h"

#include "pooling_kernels.h"

#include "resampling_kernels.h"

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

template <class T> inline constexpr const GemmKernels<T>* gemm_bfloat16 = nullptr;
template <> inline constexpr const GemmKernels<float>* gemm_bfloat16<float> = &gemm_kernels<Rounded>;

template <class T> inline constexpr const GemmKernels<T>* gemm_pairs = nullptr;
#if defined(__AVX512BF16__)
template <> inline constexpr const GemmKernels<float>* gemm_pairs<float> = &gemm_kernels<Pairs>;
#endif

template <class T> inline constexpr const Int8Kernels* int8 = nullptr;
template <> inline constexpr const Int8Kernels* int8<float> = &int8_kernels;

template <class T>
inline constexpr LayerKernels<T> layer_kernels{
    .multiply = multiply_elements<T>,
    .add = add_elements<T>,
    .uniform = uniform_row<T>,
    .dropout = dropout<T>,
    .add_noise = add_noise<T>,
    .prelu = prelu<T>,
    .prelu_backward = prelu_backward<T>,
    .prelu_slopes = prelu_slopes<T>,
    .distances = distances<T>,
    .moments = moments<T>,
    .normalization_factors = normalization_factors<T>,
    .normalize = normalize<T>,
    .normalization_sums = normalization_sums<T>,
    .normalize_backward = normalize_backward<T>,
    .move_average = move_average<T>,
    .normalize_row = normalize_row<T>,
    .normalize_row_backward = normalize_row_backward<T>,
    .add_row_products = add_row_products<T>,
};

template <class T>
inline constexpr ImageKernels<T> image_kernels{
    .lanes = lanes<T>,
    .tile_rows = {window_rows[0], window_rows[1], window_rows[2]},
    .pack = pack_window<T>,
    .multiply = multiply_windows<T>,
    .add_gradient = add_window_gradient<T>,
    .multiply_by_channel = multiply_by_channel<T>,
    .add_gradient_by_channel = add_gradient_by_channel<T>,
    .add_pixels = add_pixels<T>,
    .add_overlapping = add_overlapping<T>,
    .largest = pool_largest<T>,
    .largest_with_places = pool_largest_with_places<T>,
    .largest_backward_by_places = pool_largest_backward_by_places<T>,
    .largest_backward = pool_largest_backward<T>,
    .average = pool_average<T>,
    .average_backward = pool_average_backward<T>,
    .sample = sample_line<T>,
    .sample_level = sample_level_lines<T>,
    .sample_backward = sample_line_backward<T>,
    .blur = blur<T>,
    .adjust = adjust_levels<T>,
    .adjust_backward = adjust_levels_backward<T>,
};

template <class T>
inline constexpr Kernels<T> table{
    .gemm = gemm_kernels<Plain<T>>,
    .gemm_bfloat16 = gemm_bfloat16<T>,
    .gemm_pairs = gemm_pairs<T>,
    .activations = activations<T>,
    .losses = losses<T>,
    .optimizers = optimizers<T>,
    .scale = scale<T>,
    .add_rows = add_rows<T>,
    .convert = convert<T>,
    .affine = affine<T>,
    .all_finite = all_finite<T>,
    .penalty = penalty<T>,
    .add_penalty = add_penalty<T>,
    .small_gradients = small_gradients<T>,
    .sparse = {.multiply = multiply_sparse<T>, .compress = compress<T>},
    .layers = layer_kernels<T>,
    .images = image_kernels<T>,
    .int8 = int8<T>,
};

extern const Kernels<float> kernels32;
extern const Kernels<double> kernels64;
const Kernels<float> kernels32 = table<float>;
const Kernels<double> kernels64 = table<double>;

}  // namespace fastnet::FASTNET_NAMESPACE
