// A vector of `lanes<T>` floats or doubles, and its mathematical functions.
//
// Included by kernels_impl.h inside the namespace of one instruction set, after FASTNET_VECTOR_BYTES has been set, so
// the same text becomes SSE2, AVX2, AVX-512, NEON or plain C++. It is written with the vector types that gcc and clang
// share. Intrinsics appear only for partial loads and stores and for fused multiply-add. There is no include guard on
// purpose: each kernels_*.cpp includes it once, in its own namespace.

template <class T> struct VectorOf;
template <> struct VectorOf<float> {
    typedef float type __attribute__((vector_size(FASTNET_VECTOR_BYTES)));
    typedef std::int32_t bits __attribute__((vector_size(FASTNET_VECTOR_BYTES)));
    typedef std::int32_t integer;
};
template <> struct VectorOf<double> {
    typedef double type __attribute__((vector_size(FASTNET_VECTOR_BYTES)));
    typedef std::int64_t bits __attribute__((vector_size(FASTNET_VECTOR_BYTES)));
    typedef std::int64_t integer;
};
template <class T> using Vec = typename VectorOf<T>::type;
template <class T> using Bits = typename VectorOf<T>::bits;
template <class T> using Integer = typename VectorOf<T>::integer;
template <class T> inline constexpr Index lanes = FASTNET_VECTOR_BYTES / sizeof(T);

#define FASTNET_INLINE inline __attribute__((always_inline))

// Compilers must not replace this pointer by others from which they could compute it.
template <class T> FASTNET_INLINE void keep_in_register(const T*& p) { asm("" : "+r"(p)); }

// Compilers must not move memory accesses across this.
FASTNET_INLINE void keep_order() { asm volatile("" : : : "memory"); }

// v as it is. Compilers must not combine the operation that gives it with one that takes it, as in a fused
// multiply-add.
template <class T> FASTNET_INLINE Vec<T> kept_apart(Vec<T> v) {
#if defined(__aarch64__)
    asm("" : "+w"(v));
#elif defined(__SSE2__)
    asm("" : "+x"(v));
#else
    asm("" : "+m"(v));
#endif
    return v;
}

// x - 0 is x for every x, including -0. Compilers know it and emit a plain broadcast.
template <class T> FASTNET_INLINE Vec<T> broadcast(T x) { return x - Vec<T>{}; }

template <class T> FASTNET_INLINE Vec<T> load(const T* p) {
    Vec<T> v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

template <class T> FASTNET_INLINE void store(T* p, Vec<T> v) { __builtin_memcpy(p, &v, sizeof v); }

#include "partial_vectors.h"

// a b + c, rounded once if the machine can. Compilers fuse the plain expression too, but not everywhere, and elements
// of a matrix product must not depend on the tile in which they lie.
template <class T> FASTNET_INLINE Vec<T> multiply_add(Vec<T> a, Vec<T> b, Vec<T> c) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return _mm512_fmadd_ps(a, b, c);
    else
        return _mm512_fmadd_pd(a, b, c);
#elif defined(__FMA__)
    if constexpr (sizeof(T) == 4)
        return _mm256_fmadd_ps(a, b, c);
    else
        return _mm256_fmadd_pd(a, b, c);
#elif defined(__aarch64__)
    if constexpr (sizeof(T) == 4)
        return vfmaq_f32(c, a, b);
    else
        return vfmaq_f64(c, a, b);
#else
    return a * b + c;
#endif
}

// Sixteen bytes in every instruction set: the unit that packing copies and transposes.
template <class T> inline constexpr Index quad = 16 / static_cast<Index>(sizeof(T));
template <class T> struct QuadOf {
    typedef T type __attribute__((vector_size(16)));
};
template <class T> using Quad = typename QuadOf<T>::type;

template <class T> FASTNET_INLINE Quad<T> load_quad(const T* p) {
    Quad<T> v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}

template <class T> FASTNET_INLINE void store_quad(T* p, Quad<T> v) { __builtin_memcpy(p, &v, sizeof v); }

// Calls f(offset, count) for every vector of an array of n values; count < lanes for the last one only.
template <class T, class F> FASTNET_INLINE void for_vectors(Index n, F f) {
    Index i = 0;
    for (; i + lanes<T> <= n; i += lanes<T>)
        f(i, lanes<T>);
    if (i < n)
        f(i, n - i);
}

// The same with one copy of f, which asks of every vector whether it is a whole one: for long formulas, such as those
// with an exponential.
template <class T, class F> FASTNET_INLINE void for_vectors_in_one(Index n, F f) {
    for (Index i = 0; i < n; i += lanes<T>)
        f(i, n - i < lanes<T> ? n - i : lanes<T>);
}

template <class T> FASTNET_INLINE Vec<T> load_some(const T* p, Index n) {
    return n == lanes<T> ? load(p) : load_first(p, n);
}

template <class T> FASTNET_INLINE void store_some(T* p, Vec<T> v, Index n) {
    if (n == lanes<T>)
        store(p, v);
    else
        store_first(p, v, n);
}

// The same for the last vector of a row, of which nobody knows whether it is whole.
template <class T> FASTNET_INLINE void store_last(T* p, Vec<T> v, Index n) {
    if (stores_parts)
        store_first(p, v, n);
    else
        store_some(p, v, n);
}

template <class T> FASTNET_INLINE Bits<T> as_bits(Vec<T> x) { return reinterpret_cast<Bits<T>>(x); }
template <class T> FASTNET_INLINE Vec<T> as_values(Bits<T> x) { return reinterpret_cast<Vec<T>>(x); }

// A NaN in a comparison selects the second value, as the IEEE comparison is false.
template <class T> FASTNET_INLINE Vec<T> select(Bits<T> mask, Vec<T> yes, Vec<T> no) { return mask ? yes : no; }

// v, or NaN where x is NaN: for a v that was chosen by comparisons with x.
template <class T> FASTNET_INLINE Vec<T> unless_nan(Vec<T> x, Vec<T> v) { return select<T>(x == x, v, x); }

// The first n lanes of v, the others as in `rest`.
template <class T> FASTNET_INLINE Vec<T> first_lanes(Vec<T> v, Index n, Vec<T> rest = Vec<T>{}) {
    const Bits<T> lane = lane_numbers<T>(std::make_integer_sequence<int, lanes<T>>());
    return select<T>(lane < static_cast<Integer<T>>(n), v, rest);
}

// b where either of the two is NaN: a value that may be NaN comes second.
template <class T> FASTNET_INLINE Vec<T> maximum(Vec<T> a, Vec<T> b) { return a > b ? a : b; }
template <class T> FASTNET_INLINE Vec<T> minimum(Vec<T> a, Vec<T> b) { return a < b ? a : b; }

template <class T> FASTNET_INLINE Vec<T> absolute(Vec<T> x) {
    constexpr Integer<T> magnitude = static_cast<Integer<T>>(~(Integer<T>(1) << (sizeof(T) * 8 - 1)));
    return as_values<T>(as_bits<T>(x) & magnitude);
}

template <class T> FASTNET_INLINE Vec<T> copy_sign(Vec<T> magnitude, Vec<T> sign) {
    constexpr Integer<T> mask = static_cast<Integer<T>>(Integer<T>(1) << (sizeof(T) * 8 - 1));
    return as_values<T>((as_bits<T>(magnitude) & ~mask) | (as_bits<T>(sign) & mask));
}

// f(lane i, lane i + width) in every lane i, where lanes wrap around.
template <int width, class V, class F, int... i>
FASTNET_INLINE V fold(V v, F f, std::integer_sequence<int, i...>) {
    return f(v, __builtin_shufflevector(v, v, (i + width) % static_cast<int>(sizeof...(i))...));
}

// Sums and maxima fold halves, so the order of the additions is always the same.
template <class T, int width = static_cast<int>(lanes<T>) / 2, class F> FASTNET_INLINE T fold_halves(Vec<T> v, F f) {
    if constexpr (width == 0)
        return v[0];
    else
        return fold_halves<T, width / 2>(fold<width>(v, f, std::make_integer_sequence<int, lanes<T>>()), f);
}

template <class T> FASTNET_INLINE T sum(Vec<T> v) {
    return fold_halves<T>(v, [](Vec<T> a, Vec<T> b) { return a + b; });
}

// NaN if either of the two is NaN.
template <class T> FASTNET_INLINE Vec<T> larger(Vec<T> a, Vec<T> b) { return select<T>((b > a) | (b != b), b, a); }
template <class T> FASTNET_INLINE T largest(Vec<T> v) { return fold_halves<T>(v, larger<T>); }

template <class T> FASTNET_INLINE Vec<T> square_root(Vec<T> x) {
    Vec<T> y;
    for (Index i = 0; i < lanes<T>; ++i)  // gcc and clang turn this loop into the vector instruction
        y[i] = sizeof(T) == 4 ? __builtin_sqrtf(x[i]) : __builtin_sqrt(x[i]);
    return y;
}

// n / (sqrt(v) + epsilon) for v >= 0: the step of adaptive optimizers. It would otherwise wait for the divider, 35
// cycles for 16 floats. AVX-512's approximations to 14 bits take one Newton step each, which leaves at most 2 ulp.
template <class T> FASTNET_INLINE Vec<T> divide_by_root(Vec<T> n, Vec<T> v, T epsilon) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) {
        const Vec<T> largest = broadcast<T>(3.4028235e38f);
        v = select<T>(v > largest, largest, v);  // infinity times the reciprocal's 0 would be NaN
        const Vec<T> y = _mm512_maskz_rsqrt14_ps(_mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ), v);
        const Vec<T> s = v * y;
        const Vec<T> root = multiply_add<T>(y * T(0.5), multiply_add<T>(-s, s, v), s);
        const Vec<T> d = root + epsilon;
        const Vec<T> r = _mm512_maskz_rcp14_ps(0xffff, d);  // gcc 12 warns about the form without a mask
        const Vec<T> q = n * r;
        return multiply_add<T>(r, multiply_add<T>(-q, d, n), q);
    }
#endif
    return n / (square_root<T>(v) + epsilon);
}

// Constants of exp and log for one floating-point format.
template <class T> struct Format;
template <> struct Format<float> {
    static constexpr int mantissa = 23, bias = 127;
    static constexpr float round_magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
    static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;  // Cody and Waite's split
    static constexpr float exp_overflow = 88.72284f, exp_underflow = -103.97283f;
};
template <> struct Format<double> {
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double round_magic = 6755399441055744.0;  // 1.5 * 2^52
    static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    static constexpr double exp_overflow = 709.782712893384, exp_underflow = -745.1332191019412;
};

template <class T> FASTNET_INLINE Vec<T> power_of_two(Bits<T> n) {
    return as_values<T>((n + static_cast<Integer<T>>(Format<T>::bias)) << Format<T>::mantissa);
}

// Horner's rule, highest power first.
template <class T, std::size_t N> FASTNET_INLINE Vec<T> polynomial(Vec<T> x, const T (&coefficients)[N]) {
    Vec<T> r = broadcast<T>(coefficients[0]);
#pragma GCC unroll 16
    for (std::size_t i = 1; i < N; ++i)
        r = r * x + coefficients[i];
    return r;
}

// exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2 (Cody and Waite, "Software Manual for the Elementary
// Functions", 1980, ch. 6), exp(r) = 1 + r + r^2 p(r). The scale is applied in two halves, so that subnormal results
// are right. The error is at most 1.1 ulp in float32 (measured over all of them) and float64. tests/test_activations.py
// checks it and the functions built on it to 2 ulp. NaN gives NaN, overflow infinity.
template <class T> FASTNET_INLINE Vec<T> exp(Vec<T> x) {
    using F = Format<T>;
    const Vec<T> top = broadcast<T>(F::exp_overflow), bottom = broadcast<T>(F::exp_underflow);
    const Vec<T> inside = select<T>(x > top, top, select<T>(x < bottom, bottom, x));
    const Vec<T> shifted = inside * static_cast<T>(1.44269504088896340736) + F::round_magic;
    const Vec<T> n = shifted - F::round_magic;
    const Vec<T> r = (inside - n * F::ln2_high) - n * F::ln2_low;
    Vec<T> p;
    if constexpr (sizeof(T) == 4) {
        constexpr T c[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                           4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};  // Moshier, Cephes expf
        p = polynomial<T>(r, c);
    } else {
        constexpr T c[] = {1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
                           1.0 / 5040,       1.0 / 720,       1.0 / 120,      1.0 / 24,      1.0 / 6,      0.5};
        p = polynomial<T>(r, c);  // the Taylor series: its remainder r^14 / 14! is below 5e-18
    }
    const Vec<T> e = r * r * p + r + static_cast<T>(1);
    const Bits<T> whole = as_bits<T>(shifted) - as_bits<T>(broadcast<T>(F::round_magic));
    const Bits<T> half = whole >> 1;
    const Vec<T> y = e * power_of_two<T>(half) * power_of_two<T>(whole - half);
    return select<T>(x > top, broadcast<T>(static_cast<T>(INFINITY)),
                     select<T>(x < bottom, broadcast<T>(T(0)), select<T>(x == x, y, x)));
}

// log(x) for x > 0: x = 2^n m, m in [sqrt(1/2), sqrt(2)), with s = (m - 1) / (m + 1):
// log m = 2 atanh(s) = 2 (s + s^3/3 + s^5/5 + ...), whose terms fall by a factor of 34 at least.
// log(0) = -infinity, a negative argument or NaN gives NaN. Subnormal arguments are scaled first.
template <class T> FASTNET_INLINE Vec<T> log(Vec<T> x) {
    using F = Format<T>;
    constexpr T smallest = sizeof(T) == 4 ? static_cast<T>(1.17549435e-38) : static_cast<T>(2.2250738585072014e-308);
    constexpr T lift = static_cast<T>(Integer<T>(1) << (F::mantissa + 1));
    const Bits<T> tiny = x < smallest;
    const Vec<T> normal = select<T>(tiny, x * lift, x);
    // Subtracting the bits of sqrt(1/2) leaves the exponent of m's binade in the high bits.
    constexpr T root = static_cast<T>(0.70710678118654752440);
    const Bits<T> distance = as_bits<T>(normal) - as_bits<T>(broadcast<T>(root));
    const Bits<T> exponent = distance >> F::mantissa;
    const Vec<T> m = as_values<T>(as_bits<T>(normal) - (exponent << F::mantissa));
    Vec<T> n = __builtin_convertvector(exponent, Vec<T>);
    n = select<T>(tiny, n - static_cast<T>(F::mantissa + 1), n);
    const Vec<T> f = m - static_cast<T>(1);
    const Vec<T> s = f / (f + static_cast<T>(2));
    const Vec<T> z = s * s;
    Vec<T> p;
    if constexpr (sizeof(T) == 4) {
        constexpr T c[] = {T(2) / 11, T(2) / 9, T(2) / 7, T(2) / 5, T(2) / 3};
        p = polynomial<T>(z, c);
    } else {
        constexpr T c[] = {T(2) / 23, T(2) / 21, T(2) / 19, T(2) / 17, T(2) / 15, T(2) / 13,
                           T(2) / 11, T(2) / 9,  T(2) / 7,  T(2) / 5,  T(2) / 3};
        p = polynomial<T>(z, c);
    }
    // log(1 + f) = f - s (f - z p): the leading term f is exact (fdlibm's e_log.c uses the same form).
    const Vec<T> y = n * F::ln2_high + (f - (s * (f - z * p) - n * F::ln2_low));
    const Vec<T> infinity = broadcast<T>(static_cast<T>(INFINITY));
    return select<T>(x > T(0), select<T>(x == infinity, x, y),
                     select<T>(x == T(0), -infinity, broadcast<T>(static_cast<T>(NAN))));
}

// log(1 + u) for 0 <= u <= 1. The rounding error of 1 + u is added back to first order.
template <class T> FASTNET_INLINE Vec<T> log1p(Vec<T> u) {
    const Vec<T> w = u + static_cast<T>(1);
    return log<T>(w) + (u - (w - static_cast<T>(1))) / w;
}

// The factor p of tanh(x) = x + p x^3 for z = x^2 below `tanh_limit`^2 (Moshier, Cephes tanhf and tanh).
inline constexpr double tanh_limit = 0.625;
template <class T> FASTNET_INLINE Vec<T> tanh_correction(Vec<T> z) {
    if constexpr (sizeof(T) == 4) {
        constexpr T c[] = {-5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f, 1.33314422036e-1f,
                           -3.33332819422e-1f};
        return polynomial<T>(z, c);
    } else {
        constexpr T p[] = {-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3};
        constexpr T q[] = {1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3};
        return polynomial<T>(z, p) / polynomial<T>(z, q);
    }
}

// tanh: this approximation near 0, and 1 - 2 / (exp(2|x|) + 1) beyond, where no digits cancel. Error at most 2 ulp.
template <class T> FASTNET_INLINE Vec<T> tanh(Vec<T> x) {
    const Vec<T> a = absolute<T>(x);
    const Vec<T> large = static_cast<T>(1) - static_cast<T>(2) / (exp<T>(a + a) + static_cast<T>(1));
    const Vec<T> z = x * x;
    const Vec<T> small = tanh_correction<T>(z) * z * a + a;
    return copy_sign<T>(select<T>(a < static_cast<T>(tanh_limit), small, large), x);
}

// 1 / (1 + exp(-x)), through e = exp(-|x|), so nothing overflows and small results keep their digits. The rounding
// error of s = 1 + e is added back to first order, with a linear approximation of 1 / s on [1, 2]. Error at most 2 ulp.
template <class T> FASTNET_INLINE Vec<T> sigmoid(Vec<T> x) {
    const Vec<T> e = exp<T>(-absolute<T>(x));
    const Vec<T> s = e + static_cast<T>(1);
    const Vec<T> lost = e - (s - static_cast<T>(1));
    const Vec<T> y = select<T>(x < T(0), e, broadcast<T>(T(1))) / s;
    return y - y * (lost * (static_cast<T>(1.457) - static_cast<T>(0.5) * s));
}

// exp(x) - 1 for x <= 0 without the digits that the subtraction would lose: exp(x) - 1 = 2 tanh(x/2) / (1 - tanh(x/2)).
template <class T> FASTNET_INLINE Vec<T> expm1_below_zero(Vec<T> x) {
    const Vec<T> t = tanh<T>(x * static_cast<T>(0.5));
    return (t + t) / (static_cast<T>(1) - t);
}

// The factor of exp(-z^2) in 1 - erf(z) for z >= 0: erfc(z) = exp(-z^2) t q(2 t - 1) with t = 2 / (2 + z) and a
// polynomial q. It is Chebyshev's interpolation of degree 11 (relative error 2e-8) in float32 and 26 (2e-17) in
// float64.
template <class T> FASTNET_INLINE Vec<T> scaled_erfc(Vec<T> z) {
    const Vec<T> t = static_cast<T>(2) / (z + static_cast<T>(2));
    const Vec<T> s = t + t - static_cast<T>(1);
    if constexpr (sizeof(T) == 4) {
        constexpr T c[] = {-1.97733429e-06f, 4.20878746e-05f, -3.11484371e-05f, -0.000299199669f,
                           0.000425197107f,  0.00152899732f,  -0.00324104592f,  -0.0107515693f,
                           0.018221237f,     0.139735726f,    0.343580341f,     0.510791357f};
        return t * polynomial<T>(s, c);
    } else {
        constexpr T c[] = {
            1.2565872268596197e-09, -1.0739706490607777e-09, -1.0077813696987433e-08, 1.330982841170542e-08,
            2.999579690914985e-08,  -6.991599125811103e-08,  -3.2879636227603558e-09, 1.7908279015125605e-07,
            -2.838403336958219e-07, -1.4173148256804559e-08, 9.99681059790912e-07,    -1.8147502308396875e-06,
            -5.622017389294364e-07, 8.05774418734809e-06,    -1.0848266170054718e-05, -1.707374027362626e-05,
            7.223539810023321e-05,  -1.7185840159673632e-05, -0.000331536754536941,   0.00041864804431780765,
            0.001545306029656217,   -0.003239592534655014,   -0.010755330944743213,   0.018221115753461418,
            0.13973604627802735,    0.3435803422069051,      0.5107913526210115};
        return t * polynomial<T>(s, c);
    }
}

// The distribution function of the standard normal at x, and its density: 1/2 erfc(-x / sqrt 2) below zero, where it is
// small, and 1 - 1/2 erfc(x / sqrt 2) above.
template <class T> struct Normal {
    Vec<T> distribution, density;
};
template <class T> FASTNET_INLINE Normal<T> normal(Vec<T> x) {
    const Vec<T> z = absolute<T>(x) * static_cast<T>(0.70710678118654752440);
    const Vec<T> decay = exp<T>(x * x * static_cast<T>(-0.5));
    const Vec<T> tail = decay * scaled_erfc<T>(z) * static_cast<T>(0.5);
    return {select<T>(x > static_cast<T>(0), static_cast<T>(1) - tail, tail),
            decay * static_cast<T>(0.39894228040143267794)};
}
