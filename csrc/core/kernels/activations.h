// The passes of the activations: over the elements of a matrix, or its rows. Included by kernels_impl.h.
//
// To add one that works element by element, write a struct in activation_formulas.h and name it in `activations` below.

#include "activation_formulas.h"

// Whether training keeps the slope of an activation instead of its output.
template <class A>
inline constexpr bool keeps_slope = requires { &A::template slope<float>; };

// Not inlined, so that the path of the smallest layers does not save registers for it.
template <class A, class T>
[[gnu::noinline]] void forward_elements(Index rows, Index columns, T* c, Index c_row, const Epilogue<T>& e) {
    // Without a bias, c is its own result.
    if constexpr (std::is_same_v<A, Linear>)
        if (!e.bias)
            return;
    const bool follow = columns == 1 && c_row == 1;  // the rows of a single unit follow each other
    if (follow)
        columns = rows, rows = 1;
    // A bias for each column, or one for all of them. x + -0 is x, -0 included.
    T same[lanes<T>];
    const T* bias = e.bias;
    if (follow || !bias) {
        store(same, bias ? broadcast(*bias) : -Vec<T>{});
        bias = same;
    }
    const Index mask = bias == same ? 0 : ~Index(0);  // of a column's number, which leads to its bias
    T* kept = e.kept;
    for (Index i = 0; i < rows; ++i, c += c_row, kept += e.kept_row) {
        const auto elements = [&](Index j, Index n) {
            const Vec<T> x = load_some(c + j, n) + load_some(bias + (j & mask), n);
            if constexpr (keeps_slope<A>)
                if (e.kept)
                    store_some(kept + j, A::template slope<T>(x, e.alpha), n);
            store_some(c + j, A::template forward<T>(x, e.alpha), n);
        };
        if constexpr (std::is_base_of_v<LongFormula, A>)
            for_vectors_in_one<T>(columns, elements);
        else
            for_vectors<T>(columns, elements);
    }
}

template <class A, class T> void backward_elements(Index rows, Index columns, T* c, Index c_row, const Epilogue<T>& e) {
    const T* kept = e.kept;
    for (Index i = 0; i < rows; ++i, c += c_row, kept += e.kept_row)
        for_vectors<T>(columns, [&](Index j, Index n) {
            Vec<T> slope = load_some(kept + j, n);
            if constexpr (!keeps_slope<A>)
                slope = A::template derivative<T>(slope, e.alpha);
            store_some(c + j, load_some(c + j, n) * slope, n);
        });
}

// Lanes beyond the end of the row are -infinity.
template <class T> FASTNET_INLINE Vec<T> load_logits(const T* x, Index n) {
    return first_lanes<T>(load_some(x, n), n, broadcast(-static_cast<T>(INFINITY)));
}

// softmax(x)_i = exp(x_i - max x) / sum_j exp(x_j - max x). Without the shift by the maximum, exp overflows.
template <class T> FASTNET_INLINE T row_maximum(Index columns, const T* x) {
    Vec<T> maxima = broadcast(-static_cast<T>(INFINITY));
    for_vectors<T>(columns, [&](Index j, Index n) { maxima = larger<T>(maxima, load_logits(x + j, n)); });
    return largest<T>(maxima);
}

// Turns a row of logits into probabilities. Returns the maximum and the sum of the shifted exponentials.
template <class T> struct SoftmaxRow {
    T maximum, total;
};
template <class T> FASTNET_INLINE SoftmaxRow<T> softmax_row(Index columns, T* x) {
    const T shift = row_maximum(columns, x);
    Vec<T> sums{};
    for_vectors<T>(columns, [&](Index j, Index n) {
        const Vec<T> e = exp<T>(load_logits(x + j, n) - shift);
        store_some(x + j, e, n);
        sums = sums + e;
    });
    const T total = sum<T>(sums);
    for_vectors<T>(columns, [&](Index j, Index n) { store_some(x + j, load_some(x + j, n) / total, n); });
    return {shift, total};
}

template <class T> void softmax_forward(Index rows, Index columns, T* c, Index c_row, const Epilogue<T>& e) {
    for (Index i = 0; i < rows; ++i, c += c_row) {
        if (e.bias)
            for_vectors<T>(columns, [&](Index j, Index n) {
                store_some(c + j, load_some(c + j, n) + load_some(e.bias + j, n), n);
            });
        softmax_row(columns, c);
    }
}

// The product of the gradient g with the Jacobian diag(y) - y y^T: y (g - <g, y>).
template <class T> void softmax_backward(Index rows, Index columns, T* c, Index c_row, const Epilogue<T>& e) {
    const T* y = e.kept;
    for (Index i = 0; i < rows; ++i, c += c_row, y += e.kept_row) {
        Vec<T> products{};
        for_vectors<T>(columns,
                       [&](Index j, Index n) { products = products + load_some(c + j, n) * load_some(y + j, n); });
        const T inner = sum<T>(products);
        for_vectors<T>(columns, [&](Index j, Index n) {
            store_some(c + j, load_some(y + j, n) * (load_some(c + j, n) - inner), n);
        });
    }
}

// log softmax(x)_i = x_i - max x - log sum_j exp(x_j - max x)
template <class T> void log_softmax_forward(Index rows, Index columns, T* c, Index c_row, const Epilogue<T>& e) {
    for (Index i = 0; i < rows; ++i, c += c_row) {
        if (e.bias)
            for_vectors<T>(columns, [&](Index j, Index n) {
                store_some(c + j, load_some(c + j, n) + load_some(e.bias + j, n), n);
            });
        const T shift = row_maximum(columns, c);
        Vec<T> sums{};
        for_vectors<T>(columns, [&](Index j, Index n) { sums = sums + exp<T>(load_logits(c + j, n) - shift); });
        const T log_total = log<T>(broadcast(sum<T>(sums)))[0];
        for_vectors<T>(columns,
                       [&](Index j, Index n) { store_some(c + j, (load_some(c + j, n) - shift) - log_total, n); });
    }
}

// g - exp(y) sum_j g_j
template <class T> void log_softmax_backward(Index rows, Index columns, T* c, Index c_row, const Epilogue<T>& e) {
    const T* y = e.kept;
    for (Index i = 0; i < rows; ++i, c += c_row, y += e.kept_row) {
        Vec<T> sums{};
        for_vectors<T>(columns, [&](Index j, Index n) { sums = sums + load_some(c + j, n); });
        const T total = sum<T>(sums);
        for_vectors<T>(columns, [&](Index j, Index n) {
            store_some(c + j, load_some(c + j, n) - exp<T>(load_some(y + j, n)) * total, n);
        });
    }
}

#include "small_kernels.h"

template <class A, class T>
inline constexpr ActivationKernels<T> elementwise{
    .name = A::name,
    .keeps_slope = keeps_slope<A>,
    .forward = forward_elements<A, T>,
    .backward = backward_elements<A, T>,
    .small_forward = small_forward<A, T>,
    .small_backward = small_backward<A, T>,
};

// The first one is the identity.
template <class T>
inline constexpr ActivationKernels<T> activations[] = {
    elementwise<Linear, T>,
    elementwise<Relu, T>,
    elementwise<LeakyRelu, T>,
    elementwise<Sigmoid, T>,
    elementwise<Tanh, T>,
    elementwise<Elu, T>,
    elementwise<Selu, T>,
    elementwise<Exponential, T>,
    elementwise<Softplus, T>,
    elementwise<Softsign, T>,
    elementwise<HardSigmoid, T>,
    elementwise<Silu, T>,
    elementwise<HardSilu, T>,
    elementwise<Gelu, T>,
    elementwise<GeluTanh, T>,
    elementwise<Mish, T>,
    elementwise<Relu6, T>,
    elementwise<ThresholdedRelu, T>,
    elementwise<Celu, T>,
    elementwise<HardTanh, T>,
    elementwise<HardShrink, T>,
    elementwise<SoftShrink, T>,
    elementwise<TanhShrink, T>,
    elementwise<SparseSigmoid, T>,
    elementwise<SparsePlus, T>,
    elementwise<LogSigmoid, T>,
    elementwise<Squareplus, T>,
    {.name = "softmax", .rowwise = true, .forward = softmax_forward<T>, .backward = softmax_backward<T>},
    {.name = "log_softmax", .rowwise = true, .forward = log_softmax_forward<T>, .backward = log_softmax_backward<T>},
    {},
};
