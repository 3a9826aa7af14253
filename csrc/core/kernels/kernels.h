// The table of kernels that every instruction set provides. Framework code (gemm, layers, network) is compiled once for
// the baseline and reaches vector code only through this table.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/panels.h"
#include "image_table.h"

namespace fastnet {

enum class DType : int { uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32, float64 };

// The operation on a finished piece of a matrix while it is still in cache:
//   forward of an activation:   c = f(c + bias)         (bias may be null)
//   backward of an activation:  c = c * f'(...)         (written with what the forward pass kept)
//   step of an optimizer:       the parameters whose gradients are c are updated
// `kept` has the shape of c and its own row stride. It is the activation's output or, where that does not determine the
// slope, the slope itself. Forward stores the slope there unless `kept` is null. alpha is the activation's parameter.
template <class T> struct OptimizerArguments;
template <class T> struct Epilogue {
    using Function = void (*)(Index rows, Index columns, T* c, Index c_row, const Epilogue& operands);
    Function function = nullptr;
    const T* bias = nullptr;
    T* kept = nullptr;
    Index kept_row = 0;
    T alpha = 0;
    const OptimizerArguments<T>* optimizer = nullptr;
    bool by_block = false;  // wants long runs of contiguous memory, not tiles

    // The operands of the piece that starts at row i, column j.
    Epilogue at(Index i, Index j) const {
        Epilogue piece = *this;
        piece.bias = bias ? bias + j : nullptr;
        piece.kept = kept ? kept + i * kept_row + j : nullptr;
        return piece;
    }
};

// A dense layer of a network so small that the overhead around its products takes longer than they do; see
// small_kernels.h. Rows of `rows` samples are contiguous in output, kept and gradient. The gradient is that of the
// pre-activation.
template <class T> struct ActivationKernels;
template <class T> struct SmallLayer {
    Index inputs, units;
    Panels passes;           // along the inputs; their sums are added in order
    const T *kernel, *bias;  // the bias may be null
    T alpha;                 // of the activation
    T *output, *kept, *gradient;
    T* kernel_gradient;  // followed by that of the bias
    const ActivationKernels<T>* activation;
};

// A rowwise activation (softmax) needs whole rows; the others may be applied to any piece. If an activation keeps its
// slope, forward stores it; the others need their output in the backward pass.
template <class T> struct ActivationKernels {
    const char* name;
    bool rowwise = false, keeps_slope = false;
    typename Epilogue<T>::Function forward, backward;
    // The same for all rows of a small layer, together with its product; null for rowwise ones. small_forward computes
    // the output from the inputs x. small_backward computes the gradient of the layer before this activation's from
    // that of the layer behind it.
    void (*small_forward)(const SmallLayer<T>& layer, Index rows, const T* x) = nullptr;
    void (*small_backward)(const SmallLayer<T>& layer, Index rows, const SmallLayer<T>& before) = nullptr;
};

// A loss of `rows` predictions. Writes the loss of each row (times its weight) and, unless `gradient` is null, scale *
// weight * d(row loss)/d(prediction). The fused form takes logits in `y`, stores the activation's output there, and
// writes d/d(pre-activation) instead.
template <class T> struct LossArguments {
    Index rows, columns;
    T* y;
    const T* target;
    const T* weight;  // one per row, or null for ones
    T scale;
    T* gradient;
    double* row_loss;
    const double* parameters;  // label smoothing, and three specific to the loss
};

inline constexpr int max_loss_parameters = 4;

template <class T> struct LossKernels {
    const char* name;
    void (*plain)(const LossArguments<T>&);
    const char* fused_activation = nullptr;  // null where no activation gives a shorter formula
    void (*fused)(const LossArguments<T>&) = nullptr;
};

// Arguments of an optimizer step: flat arrays of all parameters, their gradients and the slots of the state, each
// `state_stride` after the previous one. The hyperparameters are those that `prepare` returned for the step.
template <class T> struct OptimizerExtras;
template <class T> struct OptimizerArguments {
    T* parameters;
    const T* gradients;
    T* state;
    Index state_stride;
    int slots;
    const double* hyperparameters;
    const OptimizerExtras<T>* extras = nullptr;
};

// The penalty l1 |w| + l2 w^2 on the values from begin to end. Its derivative is added to their gradients.
template <class T> struct PenaltyRange {
    Index begin, end;
    T l1, l2;
};

// Options of any optimizer in addition to its rule; null disables each. Before the rule: the slopes of the penalties
// are added to g (a run of values is within one of them or outside all), g = g gradient_scale, clipped to clip_value,
// and w = w - decay w. After it: average = average_momentum average + (1 - average_momentum) w.
template <class T> struct OptimizerExtras {
    const PenaltyRange<T>* penalties = nullptr;
    Index penalty_count = 0;
    T penalty_factor = 1;  // factor of all their l1 and l2
    T gradient_scale = 1, clip_value = 0, decay = 0;
    T* average = nullptr;
    T average_momentum = 0;
};

inline constexpr int max_hyperparameters = 12;

template <class T> struct OptimizerKernels {
    const char* name;
    int slots;
    const char* const* hyperparameters;                           // names, learning_rate first, null at the end
    void (*prepare)(double* hyperparameters, std::int64_t step);  // values common to all parameters; counts from 1
    double (*initial)(const double* hyperparameters);             // initial value of the state
    void (*update)(const OptimizerArguments<T>&, Index first, Index n);
    typename Epilogue<T>::Function update_block;  // the same for a block of the array of gradients
};

// The precision of the operands of a product; sums are in T. bfloat16 is for float only.
enum class Precision { full, bfloat16 };

// C = alpha A B + beta C for matrices given by strides, which covers all transposed cases.
template <class T> struct Gemm {
    Index m, n, k;
    const T* a;
    Index a_row, a_col;
    const T* b;
    Index b_row, b_col;
    T* c;
    Index c_row;  // the column stride of C is 1
    T alpha = 1, beta = 0;
    const Epilogue<T>* epilogue = nullptr;  // applied to each piece of C as it is finished
    Precision precision = Precision::full;
    const T* b_packed = nullptr;  // B as packed by pack_factor, or null

    double operations() const { return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k); }
};

// At most this many rows of A are multiplied side by side with a B that is read once, row by row.
inline constexpr Index most_streamed_rows = 64;

// One thread's share of C = alpha A B (+ C), with A and B as the micro-kernel reads them. k counts packed values. These
// are terms of the sum or, in bfloat16 where the machine multiplies pairs, two of them. A is read by strides, or in
// packed row panels when a_packed. B is read in packed column panels, or by rows (column stride 1, whole vectors) when
// not b_packed. See gemm.cpp for the loops around it.
template <class T> struct GemmBlock {
    Index m, n, k;
    bool streamed;  // few rows of A, neither operand packed: every line of B is read once
    const T* a;
    Index a_row, a_step;
    bool a_packed;
    const T* b;
    Index b_row;
    bool b_packed;
    T* c;
    Index c_row;
    T alpha;
    bool accumulate;
    Index panel_vectors;            // n is cut into column panels of at most this many vectors
    Index first_panel, last_panel;  // column panels [first, last) of n; a packed B starts with the first
    const Epilogue<T>* epilogue;    // null except for the last block along k
};

// Rows of a matrix without their zeros: row r has the terms [begin[r], end[r]) in ascending columns.
template <class T> struct Term {
    T value;
    std::int32_t column;
};
template <class T> struct CompressedRows {
    const Index *begin, *end;
    const Term<T>* terms;
};

// C = S B (+ C) with a compressed S. Rows of B and C have n values and are contiguous. Every element is the same chain
// of operations as in a dense product, pass by pass along the columns of S, without the zero terms. Leaving them out
// changes nothing. The chain starts from zero, and adding 0 * b changes no number except for the sign of a zero. A pass
// ends with adding zero or C, after which no zero is negative. So the bits are those of the dense product as long as B
// is finite.
template <class T> struct SparseProduct {
    CompressedRows<T> s;
    Panels passes;
    Index n;
    const T* b;
    T* c;
    bool accumulate;
};

template <class T> struct SparseKernels {
    void (*multiply)(const SparseProduct<T>&, Index first_row, Index last_row);
    // Writes a term for every value that is not zero, with columns counted from `first`. Returns their number. There is
    // room for n.
    Index (*compress)(Index n, const T* x, Index first, Term<T>* terms);
};

// The position at which random numbers are used: a layer's row in a training step. Nothing else determines them.
struct RandomRow {
    std::uint64_t seed;
    std::int64_t step;
    Index stream, row;  // stream: the layer
};

// For columns of a batch: the mean and 1 / sqrt(variance + epsilon), gamma times the latter, and the sums over the rows
// of dy and of dy times the normalized values.
template <class T> struct NormalizationGradient {
    const T *mean, *inverse, *factor, *sum, *product;
    T share;  // 1 / rows
};

// Layers other than matrix multiplications: see random.h and layer_kernels.h.
template <class T> struct LayerKernels {
    void (*multiply)(Index n, const T* x, const T* factor, T* y);
    void (*add)(Index n, const T* x, const T* other, T* y);
    void (*uniform)(const RandomRow& row, Index n, T* numbers);
    void (*dropout)(const RandomRow& row, Index n, const T* x, T rate, T* mask, T* y);
    void (*add_noise)(const RandomRow& row, Index n, const T* x, T deviation, T* y);
    void (*prelu)(Index n, const T* x, const T* slope, T* y);
    void (*prelu_backward)(Index n, const T* x, const T* slope, const T* dy, T* dx);
    void (*prelu_slopes)(Index n, const T* x, const T* dy, T* slopes);
    void (*distances)(Index rows, Index n, const T* x, Index x_row, const T* origin, T* sum, T* squares);
    void (*moments)(Index rows, Index n, const T* origin, T* mean, T* variance);
    void (*normalization_factors)(Index n, const T* variance, T epsilon, const T* gamma, T* inverse, T* factor);
    void (*normalize)(Index n, const T* x, const T* mean, const T* factor, const T* beta, T* y);
    void (*normalization_sums)(Index rows, Index n, const T* x, const T* dy, Index row, const T* mean, const T* inverse,
                               T* sum, T* product);
    void (*normalize_backward)(Index n, const T* x, const T* dy, const NormalizationGradient<T>& a, T* dx);
    void (*move_average)(Index n, const T* value, T momentum, T* moving);
    void (*normalize_row)(Index n, const T* x, T epsilon, const T* gamma, const T* beta, T* y, T* moments);
    void (*normalize_row_backward)(Index n, const T* x, const T* moments, const T* gamma, const T* dy, T* dx);
    void (*add_row_products)(Index n, const T* x, const T* moments, const T* dy, T* gamma, T* beta);
};

// y = epilogue(scale (x w + correction)), where x holds quantized rows, w the 8-bit weights as packed by
// Int8Weights, and y rows of n values. correction and scale have a value for every lane of every vector of units.
struct Int8Product {
    Index rows, n;
    Index steps;  // along k; each covers the values that the kernels take at once
    const char* x;
    Index x_row;  // in bytes, which rows may have in common
    const std::int8_t* weights;
    const std::int32_t* correction;
    const float* scale;
    float* y;
    const Epilogue<float>* epilogue;
    // The values of a window of an image lie in `segments` places, this many bytes behind the row, with `steps` each.
    // Then all rows share one flag, and the bias, or null, is added where the epilogue is null.
    Index segments = 1;
    const Index* offsets = nullptr;
    const char* flag = nullptr;
    const float* bias = nullptr;
};

// Packing of weights, quantization of rows, and the product: see int8_kernels.h.
struct Int8Kernels {
    Index lanes, terms, panel_vectors;
    Index depth_step;  // steps along k are padded, by weights of zero, to a multiple of this
    int shift;
    void (*quantize)(Index n, const float* x, float inverse, int zero_point, char* row);
    void (*multiply)(const Int8Product&, Index first_panel, Index last_panel);
};

inline constexpr int max_panel_vectors = 3;

template <class T> struct GemmKernels {
    Index lanes;                              // values in a vector
    Index panel_vectors;                      // in the widest panel
    Index panel_rows[max_panel_vectors + 1];  // rows of the tile that is 1, 2, 3 vectors wide
    Index terms;                              // along k, in a packed value
    Index depth_step;                         // packed values along k are padded to a multiple of this
    bool rounds;                              // operands are packed, except for a single row, because packing rounds
    void (*pack_a)(Index m, Index k, const T* a, Index a_row, Index a_col, Index panel_rows, T* packed);
    void (*pack_b)(Index k, const T* b, Index b_row, Index b_col, Index n, Index panel_vectors, Index first_panel,
                   Index last_panel, T* packed);
    void (*multiply)(const GemmBlock<T>&);
    void (*multiply_small)(const Gemm<T>&);  // a product with terms, beta 0
};

template <class T> struct Kernels {
    GemmKernels<T> gemm;
    const ActivationKernels<T>* activations;  // each list ends with an entry without a name
    const LossKernels<T>* losses;
    const OptimizerKernels<T>* optimizers;
    void (*scale)(Index n, T* x, T factor);  // x *= factor; factor 0 writes zeros
    // sums = column sums of x, added to the previous values if `accumulate`
    void (*add_rows)(Index rows, Index columns, const T* x, Index x_row, T* sums, bool accumulate);
    // out[j] = convert(source[j * stride]); stride in bytes
    void (*convert)(Index n, const void* source, DType dtype, Index stride, T* out);
    void (*affine)(Index n, const T* x, T scale, T offset, T* y);  // y = scale * x + offset
    bool (*all_finite)(Index n, const T* x);
    // The value of a penalty on weights, and the addition of its gradient to theirs.
    double (*penalty)(Index n, const T* w, T l1, T l2);
    void (*add_penalty)(Index n, const T* w, T l1, T l2, T* gradient);
    // The gradients with respect to all parameters of small layers, the first of which has the inputs x.
    void (*small_gradients)(const SmallLayer<T>* first, const SmallLayer<T>* end, Index rows, const T* x);
    SparseKernels<T> sparse;
    LayerKernels<T> layers;
    ImageKernels<T> images;
};

// Matrix multiplication of bfloat16 and of 8-bit integers. A set whose machines have instructions for these alone uses
// another set's tables for everything else.
struct LowPrecisionKernels {
    const GemmKernels<float>* bfloat16;                  // of float32 operands, which it rounds to bfloat16
    const GemmKernels<float>* bfloat16_pairs = nullptr;  // the same by an instruction for pairs
    const Int8Kernels* int8;
};

struct InstructionSet {
    const char* name;
    bool (*supported)();
    const Kernels<float>* float32;
    const Kernels<double>* float64;
    const LowPrecisionKernels* low_precision;
    const LowPrecisionKernels* tiles = nullptr;  // those of AMX, which the system has to permit: see amx_kernels.h
};

// Defined by kernels_<name>.cpp.
namespace baseline {
extern const Kernels<float> kernels32;
extern const Kernels<double> kernels64;
extern const LowPrecisionKernels low_precision;
}  // namespace baseline
namespace avx2 {
extern const Kernels<float> kernels32;
extern const Kernels<double> kernels64;
extern const LowPrecisionKernels low_precision;
}  // namespace avx2
namespace avx512 {
extern const Kernels<float> kernels32;
extern const Kernels<double> kernels64;
extern const LowPrecisionKernels low_precision;
}  // namespace avx512
namespace avx512_bf16 {
extern const LowPrecisionKernels low_precision;
}  // namespace avx512_bf16
namespace amx {
extern const LowPrecisionKernels low_precision;
}  // namespace amx
namespace neon {
extern const Kernels<float> kernels32;
extern const Kernels<double> kernels64;
extern const LowPrecisionKernels low_precision;
}  // namespace neon

// The table in use, chosen when the library is loaded (see cpu.h).
template <class T> const Kernels<T>& kernels();

}  // namespace fastnet
