// The activations: each a formula and, beside it, its derivative. Included by kernels_impl.h.
//
// To add one that works element by element, write a struct here and name it in `activations` below.
// Every derivative is written with the activation's output y, so training keeps no second copy of a layer.

struct Linear {
    static constexpr const char* name = "linear";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return x; }
    template <class T> static Vec<T> derivative(Vec<T>, T) { return broadcast(T(1)); }
};

struct Relu {
    static constexpr const char* name = "relu";
    // Selecting on x <= 0 keeps a NaN a NaN.
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

template <class A, class T> void forward_elements(index rows, index columns, T* c, index c_row, const Epilogue<T>& e) {
    for (index i = 0; i < rows; ++i, c += c_row)
        for_vectors<T>(columns, [&](index j, index n) {
            Vec<T> x = load_some(c + j, n);
            if (e.bias)
                x = x + load_some(e.bias + j, n);
            store_some(c + j, A::template forward<T>(x, e.alpha), n);
        });
}

template <class A, class T> void backward_elements(index rows, index columns, T* c, index c_row, const Epilogue<T>& e) {
    const T* y = e.output;
    for (index i = 0; i < rows; ++i, c += c_row, y += e.output_row)
        for_vectors<T>(columns, [&](index j, index n) {
            const Vec<T> slope = A::template derivative<T>(load_some(y + j, n), e.alpha);
            store_some(c + j, load_some(c + j, n) * slope, n);
        });
}

// Lanes beyond the row are -infinity.
template <class T> FASTNET_INLINE Vec<T> load_logits(const T* x, index n) {
    return first_lanes<T>(load_some(x, n), n, broadcast(-static_cast<T>(INFINITY)));
}

// softmax(x)_i = exp(x_i - max x) / sum_j exp(x_j - max x): without the shift by the maximum exp overflows.
template <class T> FASTNET_INLINE T row_maximum(index columns, const T* x) {
    Vec<T> maxima = broadcast(-static_cast<T>(INFINITY));
    for_vectors<T>(columns, [&](index j, index n) { maxima = larger<T>(maxima, load_logits(x + j, n)); });
    return largest<T>(maxima);
}

// Turns a row of logits into probabilities; returns the maximum and the sum of the shifted exponentials.
template <class T> struct SoftmaxRow {
    T maximum, total;
};
template <class T> FASTNET_INLINE SoftmaxRow<T> softmax_row(index columns, T* x) {
    const T shift = row_maximum(columns, x);
    Vec<T> sums{};
    for_vectors<T>(columns, [&](index j, index n) {
        const Vec<T> e = exp<T>(load_logits(x + j, n) - shift);
        store_some(x + j, e, n);
        sums = sums + e;
    });
    const T total = sum<T>(sums);
    for_vectors<T>(columns, [&](index j, index n) { store_some(x + j, load_some(x + j, n) / total, n); });
    return {shift, total};
}

template <class T> void softmax_forward(index rows, index columns, T* c, index c_row, const Epilogue<T>& e) {
    for (index i = 0; i < rows; ++i, c += c_row) {
        if (e.bias)
            for_vectors<T>(columns, [&](index j, index n) {
                store_some(c + j, load_some(c + j, n) + load_some(e.bias + j, n), n);
            });
        softmax_row(columns, c);
    }
}

// The product of the gradient g with the Jacobian diag(y) - y y^T: y (g - <g, y>).
template <class T> void softmax_backward(index rows, index columns, T* c, index c_row, const Epilogue<T>& e) {
    const T* y = e.output;
    for (index i = 0; i < rows; ++i, c += c_row, y += e.output_row) {
        Vec<T> products{};
        for_vectors<T>(columns,
                       [&](index j, index n) { products = products + load_some(c + j, n) * load_some(y + j, n); });
        const T inner = sum<T>(products);
        for_vectors<T>(columns, [&](index j, index n) {
            store_some(c + j, load_some(y + j, n) * (load_some(c + j, n) - inner), n);
        });
    }
}

template <class A, class T> inline constexpr ActivationKernels<T> elementwise{A::name, false, forward_elements<A, T>,
                                                                              backward_elements<A, T>};

// The first one is the identity.
template <class T>
inline constexpr ActivationKernels<T> activations[] = {
    elementwise<Linear, T>,
    elementwise<Relu, T>,
    elementwise<LeakyRelu, T>,
    elementwise<Sigmoid, T>,
    elementwise<Tanh, T>,
    {"softmax", true, softmax_forward<T>, softmax_backward<T>},
    {nullptr, false, nullptr, nullptr},
};
