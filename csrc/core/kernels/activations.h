// The activations: each is a formula and, next to it, its derivative. Included by kernels_impl.h.
//
// To add one that works element by element, write a struct here and name it in `activations` below. Where possible
// without losing digits, the derivative is written with the activation's output y, so that training keeps no second
// copy of a layer. Otherwise `slope` is written with the input x, and forward stores it for the backward pass.

struct Linear {
    static constexpr const char* name = "linear";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return x; }
    template <class T> static Vec<T> derivative(Vec<T>, T) { return broadcast(T(1)); }
};

struct Relu {
    static constexpr const char* name = "relu";
    // Selecting on x <= 0 lets NaN through.
    template <class T> static Vec<T> forward(Vec<T> x, T) { return select<T>(x <= T(0), Vec<T>{}, x); }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return select<T>(y > T(0), broadcast(T(1)), Vec<T>{}); }
};

// alpha > 0, so y has the sign of x.
struct LeakyRelu {
    static constexpr const char* name = "leaky_relu";
    template <class T> static Vec<T> forward(Vec<T> x, T alpha) { return select<T>(x < T(0), x * alpha, x); }
    template <class T> static Vec<T> derivative(Vec<T> y, T alpha) {
        return select<T>(y > T(0), broadcast(T(1)), broadcast(alpha));
    }
};

struct Sigmoid {
    static constexpr const char* name = "sigmoid";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return sigmoid<T>(x); }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return y * (T(1) - y); }
};

struct Tanh {
    static constexpr const char* name = "tanh";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return tanh<T>(x); }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return (T(1) - y) * (T(1) + y); }
};

// Clevert, Unterthiner and Hochreiter, ICLR 2016: alpha (exp(x) - 1) below zero, alpha >= 0.
struct Elu {
    static constexpr const char* name = "elu";
    template <class T> static Vec<T> forward(Vec<T> x, T alpha) {
        return select<T>(x <= T(0), alpha * expm1_below_zero<T>(minimum<T>(x, Vec<T>{})), x);
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T alpha) {
        return select<T>(y > T(0), broadcast(T(1)), y + alpha);
    }
};

// Klambauer, Unterthiner, Mayr and Hochreiter, NIPS 2017: ELU with the two constants that keep mean 0 and variance 1.
struct Selu {
    static constexpr const char* name = "selu";
    static constexpr double alpha = 1.67326324235437728481, scale = 1.05070098735548049342;
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        return static_cast<T>(scale) * Elu::forward<T>(x, static_cast<T>(alpha));
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T) {
        return select<T>(y > T(0), broadcast(static_cast<T>(scale)), y + static_cast<T>(scale * alpha));
    }
};

struct Exponential {
    static constexpr const char* name = "exponential";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return exp<T>(x); }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return y; }
};

// log(1 + exp(x)), in a form that never overflows. Dugas et al., NIPS 2000.
struct Softplus {
    static constexpr const char* name = "softplus";
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        const Vec<T> y = maximum<T>(x, Vec<T>{}) + log1p<T>(exp<T>(-absolute<T>(x)));
        return select<T>(x == x, y, x);
    }
    template <class T> static Vec<T> slope(Vec<T> x, T) { return sigmoid<T>(x); }
};

struct Softsign {
    static constexpr const char* name = "softsign";
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        const Vec<T> infinite = copy_sign<T>(broadcast(T(1)), x), a = absolute<T>(x);
        return select<T>(a == static_cast<T>(INFINITY), infinite, x / (a + T(1)));
    }
    template <class T> static Vec<T> slope(Vec<T> x, T) {
        const Vec<T> r = T(1) / (absolute<T>(x) + T(1));
        return r * r;
    }
};

// As in Keras: 0 below -3, 1 above 3, x / 6 + 1/2 between.
struct HardSigmoid {
    static constexpr const char* name = "hard_sigmoid";
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        const Vec<T> v = x + T(3);
        return select<T>(v < T(0), Vec<T>{}, select<T>(v > T(6), broadcast(T(1)), v * static_cast<T>(1.0 / 6)));
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T) {
        return select<T>((y > T(0)) & (y < T(1)), broadcast(static_cast<T>(1.0 / 6)), Vec<T>{});
    }
};

// x sigmoid(x), with its limit at -infinity. Elfwing, Uchibe and Doya, Neural Networks 107, 2018.
template <class T> FASTNET_INLINE Vec<T> times_share(Vec<T> x, Vec<T> share) {
    return select<T>(share == T(0), x - x == T(0) ? x * share : Vec<T>{}, x * share);
}
struct Silu {
    static constexpr const char* name = "silu";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return times_share<T>(x, sigmoid<T>(x)); }
    template <class T> static Vec<T> slope(Vec<T> x, T) {
        const Vec<T> s = sigmoid<T>(x);
        return s + times_share<T>(x, s * sigmoid<T>(-x));
    }
};

// x times HardSigmoid. Howard et al., ICCV 2019.
struct HardSilu {
    static constexpr const char* name = "hard_silu";
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        const Vec<T> bent = x * (x + T(3)) * static_cast<T>(1.0 / 6);
        return select<T>(x <= T(-3), Vec<T>{}, select<T>(x >= T(3), x, bent));
    }
    template <class T> static Vec<T> slope(Vec<T> x, T) {
        const Vec<T> bent = x * static_cast<T>(1.0 / 3) + static_cast<T>(0.5);
        return select<T>(x <= T(-3), Vec<T>{}, select<T>(x >= T(3), broadcast(T(1)), bent));
    }
};

// x times the normal distribution function at x. Hendrycks and Gimpel, arXiv:1606.08415.
struct Gelu {
    static constexpr const char* name = "gelu";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return times_share<T>(x, normal<T>(x).distribution); }
    template <class T> static Vec<T> slope(Vec<T> x, T) {
        const Normal<T> n = normal<T>(x);
        return n.distribution + times_share<T>(x, n.density);
    }
};

// The approximation x / 2 (1 + tanh(u)) = x sigmoid(2 u) of Gelu, u = sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluTanh {
    static constexpr const char* name = "gelu_tanh";
    static constexpr double twice_root = 1.59576912160573071176, cubic = 0.044715;
    template <class T> static Vec<T> share(Vec<T> x) {
        return sigmoid<T>(x * static_cast<T>(twice_root) * (T(1) + static_cast<T>(cubic) * x * x));
    }
    template <class T> static Vec<T> forward(Vec<T> x, T) { return times_share<T>(x, share<T>(x)); }
    template <class T> static Vec<T> slope(Vec<T> x, T) {
        const Vec<T> s = share<T>(x);
        const Vec<T> du = static_cast<T>(twice_root) * (T(1) + static_cast<T>(3 * cubic) * x * x);
        const Vec<T> product = s * share<T>(-x);
        return s + select<T>(product == T(0), product, product * x * du);
    }
};

// x tanh(softplus(x)), with n = exp(x): tanh(log(1 + n)) = n (n + 2) / (n (n + 2) + 2). Misra, arXiv:1908.08681.
struct Mish {
    static constexpr const char* name = "mish";
    template <class T> struct Parts {
        Vec<T> n, w;
    };
    template <class T> static Parts<T> parts(Vec<T> x) {
        const Vec<T> n = exp<T>(minimum<T>(x, broadcast(T(30))));  // beyond 30 the quotient rounds to 1
        return {n, n * (n + T(2))};
    }
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        const Vec<T> w = parts<T>(x).w;
        return select<T>(x == x, times_share<T>(x, w / (w + T(2))), x);
    }
    template <class T> static Vec<T> slope(Vec<T> x, T) {
        const Parts<T> p = parts<T>(x);
        const Vec<T> d = p.w + T(2), s = p.n / (p.n + T(1));
        const Vec<T> y = p.w / d + times_share<T>(minimum<T>(x, broadcast(T(30))), s * T(4) * (p.w + T(1)) / (d * d));
        return select<T>(x == x, y, x);
    }
};

// Whether training keeps the slope of an activation instead of its output.
template <class A>
inline constexpr bool keeps_slope = requires { &A::template slope<float>; };

template <class A, class T> void forward_elements(Index rows, Index columns, T* c, Index c_row, const Epilogue<T>& e) {
    const auto elements = [&](T* y, T* kept, Vec<T> bias, Index n) {
        const Vec<T> x = load_some(y, n) + bias;
        if constexpr (keeps_slope<A>)
            if (e.kept)
                store_some(kept, A::template slope<T>(x, e.alpha), n);
        store_some(y, A::template forward<T>(x, e.alpha), n);
    };
    const Vec<T> none = -Vec<T>{};  // x + -0 is x, -0 included
    T* kept = e.kept;
    if (columns == 1 && c_row == 1) {  // the rows of a single unit follow each other
        const Vec<T> bias = e.bias ? broadcast(*e.bias) : none;
        return for_vectors<T>(rows, [&](Index i, Index n) { elements(c + i, kept + i, bias, n); });
    }
    for (Index i = 0; i < rows; ++i, c += c_row, kept += e.kept_row)
        for_vectors<T>(
            columns, [&](Index j, Index n) { elements(c + j, kept + j, e.bias ? load_some(e.bias + j, n) : none, n); });
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
    {.name = "softmax", .rowwise = true, .forward = softmax_forward<T>, .backward = softmax_backward<T>},
    {.name = "log_softmax", .rowwise = true, .forward = log_softmax_forward<T>, .backward = log_softmax_backward<T>},
    {},
};
