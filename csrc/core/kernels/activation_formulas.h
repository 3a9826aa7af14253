// The formulas of the activations that work element by element, each next to its derivative. Included by activations.h.
//
// Where possible without losing digits, the derivative is written with the activation's output y, so that training
// keeps no second copy of a layer. Otherwise `slope` is written with the input x, and forward stores it for the
// backward pass.

// The base of those with an exponential or a logarithm in them; see for_vectors_in_one.
struct LongFormula {};

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

struct Sigmoid : LongFormula {
    static constexpr const char* name = "sigmoid";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return sigmoid<T>(x); }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return y * (T(1) - y); }
};

struct Tanh : LongFormula {
    static constexpr const char* name = "tanh";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return tanh<T>(x); }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return (T(1) - y) * (T(1) + y); }
};

// Clevert, Unterthiner and Hochreiter, ICLR 2016: alpha (exp(x) - 1) below zero, alpha >= 0.
struct Elu : LongFormula {
    static constexpr const char* name = "elu";
    template <class T> static Vec<T> forward(Vec<T> x, T alpha) {
        return select<T>(x <= T(0), alpha * expm1_below_zero<T>(minimum<T>(x, Vec<T>{})), x);
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T alpha) {
        return select<T>(y > T(0), broadcast(T(1)), y + alpha);
    }
};

// Klambauer, Unterthiner, Mayr and Hochreiter, NIPS 2017: ELU with the two constants that keep mean 0 and variance 1.
struct Selu : LongFormula {
    static constexpr const char* name = "selu";
    static constexpr double alpha = 1.67326324235437728481, scale = 1.05070098735548049342;
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        return static_cast<T>(scale) * Elu::forward<T>(x, static_cast<T>(alpha));
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T) {
        return select<T>(y > T(0), broadcast(static_cast<T>(scale)), y + static_cast<T>(scale * alpha));
    }
};

struct Exponential : LongFormula {
    static constexpr const char* name = "exponential";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return exp<T>(x); }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return y; }
};

// log(1 + exp(x)), in a form that never overflows. Dugas et al., NIPS 2000.
struct Softplus : LongFormula {
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
struct Silu : LongFormula {
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
struct Gelu : LongFormula {
    static constexpr const char* name = "gelu";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return times_share<T>(x, normal<T>(x).distribution); }
    template <class T> static Vec<T> slope(Vec<T> x, T) {
        const Normal<T> n = normal<T>(x);
        return n.distribution + times_share<T>(x, n.density);
    }
};

// The approximation x / 2 (1 + tanh(u)) = x sigmoid(2 u) of Gelu, u = sqrt(2 / pi) (x + 0.044715 x^3).
struct GeluTanh : LongFormula {
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
struct Mish : LongFormula {
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

// ---- Straight and curved pieces ----

// Between 0 and alpha; with alpha = 6 the rectifier of Krizhevsky, CIFAR-10 report, 2010.
struct Relu6 {
    static constexpr const char* name = "relu6";
    template <class T> static Vec<T> forward(Vec<T> x, T alpha) {
        return select<T>(x <= T(0), Vec<T>{}, select<T>(x >= alpha, broadcast(alpha), x));
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T alpha) {
        return select<T>((y > T(0)) & (y < alpha), broadcast(T(1)), Vec<T>{});
    }
};

// Konda, Memisevic and Krueger, ICLR 2015: x above alpha >= 0, else 0.
struct ThresholdedRelu {
    static constexpr const char* name = "thresholded_relu";
    template <class T> static Vec<T> forward(Vec<T> x, T alpha) { return select<T>(x <= alpha, Vec<T>{}, x); }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return Relu::derivative<T>(y, T(0)); }
};

// Barron, arXiv:1704.07483: ELU with a continuous slope, alpha (exp(x / alpha) - 1) below zero, alpha > 0.
struct Celu : LongFormula {
    static constexpr const char* name = "celu";
    template <class T> static Vec<T> forward(Vec<T> x, T alpha) {
        return select<T>(x <= T(0), alpha * expm1_below_zero<T>(minimum<T>(x, Vec<T>{}) / alpha), x);
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T alpha) {
        return select<T>(y > T(0), broadcast(T(1)), y / alpha + T(1));
    }
};

struct HardTanh {
    static constexpr const char* name = "hard_tanh";
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        return select<T>(x < T(-1), broadcast(T(-1)), select<T>(x > T(1), broadcast(T(1)), x));
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T) {
        return select<T>((y > T(-1)) & (y < T(1)), broadcast(T(1)), Vec<T>{});
    }
};

// x outside of [-alpha, alpha], else 0.
struct HardShrink {
    static constexpr const char* name = "hard_shrink";
    template <class T> static Vec<T> forward(Vec<T> x, T alpha) {
        return select<T>(absolute<T>(x) <= alpha, Vec<T>{}, x);
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return select<T>(y == T(0), Vec<T>{}, broadcast(T(1))); }
};

// The same, moved toward 0 by alpha: soft thresholding, Donoho, IEEE Transactions on Information Theory 41(3), 1995.
struct SoftShrink {
    static constexpr const char* name = "soft_shrink";
    template <class T> static Vec<T> forward(Vec<T> x, T alpha) {
        return select<T>(absolute<T>(x) <= alpha, Vec<T>{}, x - copy_sign<T>(broadcast(alpha), x));
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return HardShrink::derivative<T>(y, T(0)); }
};

// x - tanh(x), without the digits that the subtraction would lose near 0.
struct TanhShrink : LongFormula {
    static constexpr const char* name = "tanh_shrink";
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        const Vec<T> z = x * x, small = -(tanh_correction<T>(z) * z * x);
        return select<T>(absolute<T>(x) < static_cast<T>(tanh_limit), small, x - tanh<T>(x));
    }
    template <class T> static Vec<T> slope(Vec<T> x, T) {
        const Vec<T> t = tanh<T>(x);
        return t * t;
    }
};

// 0 below -1, 1 above 1, (x + 1) / 2 between: the slope of SparsePlus. Blondel, Martins and Niculae, arXiv:1901.02324.
struct SparseSigmoid {
    static constexpr const char* name = "sparse_sigmoid";
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        const Vec<T> between = (x + T(1)) * static_cast<T>(0.5);
        return select<T>(x <= T(-1), Vec<T>{}, select<T>(x >= T(1), broadcast(T(1)), between));
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T) {
        return select<T>((y > T(0)) & (y < T(1)), broadcast(static_cast<T>(0.5)), Vec<T>{});
    }
};

// 0 below -1, x above 1, (x + 1)^2 / 4 between, where the slope (x + 1) / 2 is the root of the output.
struct SparsePlus {
    static constexpr const char* name = "sparse_plus";
    template <class T> static Vec<T> forward(Vec<T> x, T) {
        const Vec<T> half = (x + T(1)) * static_cast<T>(0.5);
        return select<T>(x <= T(-1), Vec<T>{}, select<T>(x >= T(1), x, half * half));
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T) {
        return select<T>(y >= T(1), broadcast(T(1)), square_root<T>(y));
    }
};

// log(sigmoid(x)) = -softplus(-x). The slope is sigmoid(-x) = 1 - exp(y).
struct LogSigmoid : LongFormula {
    static constexpr const char* name = "log_sigmoid";
    template <class T> static Vec<T> forward(Vec<T> x, T) { return -Softplus::forward<T>(-x, T(0)); }
    template <class T> static Vec<T> derivative(Vec<T> y, T) { return -expm1_below_zero<T>(y); }
};

// (x + sqrt(x^2 + alpha)) / 2, alpha > 0. Below zero, where the sum would lose digits, it is alpha / 2 / (root - x).
// The slope y / root is 1 / (1 + alpha / (2 y)^2). Barron, arXiv:2112.11687.
struct Squareplus {
    static constexpr const char* name = "squareplus";
    template <class T> static Vec<T> forward(Vec<T> x, T alpha) {
        // From there on alpha is below the last digit of x^2, which could overflow.
        const Vec<T> a = absolute<T>(x), edge = (square_root<T>(broadcast(alpha)) + T(1)) * T(1e9);
        const Vec<T> twice = a + select<T>(a > edge, a, square_root<T>(x * x + alpha));
        return select<T>(x < T(0), alpha / twice, twice) * T(0.5);
    }
    template <class T> static Vec<T> derivative(Vec<T> y, T alpha) {
        const Vec<T> twice = y + y;
        return T(1) / (T(1) + alpha / (twice * twice));
    }
};
