// The only source of the kernels, compiled once per instruction set. A kernels_<name>.cpp defines FASTNET_NAMESPACE and
// FASTNET_VECTOR_BYTES, is compiled with that instruction set's flags and includes this file. All of it lives in the
// instruction set's own namespace, and it instantiates nothing from the standard library. So the linker cannot put one
// set's code where another's is meant.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
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

#include "multiplication.h"

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
};

extern const Kernels<float> kernels32;
extern const Kernels<double> kernels64;
extern const LowPrecisionKernels low_precision;
const Kernels<float> kernels32 = table<float>;
const Kernels<double> kernels64 = table<double>;
const LowPrecisionKernels low_precision{.bfloat16 = &gemm_kernels<Rounded>, .int8 = &int8_kernels};

}  // namespace fastnet::FASTNET_NAMESPACE
