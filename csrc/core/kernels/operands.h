// How a matrix multiplication packs its operands, and how it multiplies the packed values:
//   Plain      as they are
//   Rounded    rounded to bfloat16 and kept as float32
//   Pairs      rounded to bfloat16, two consecutive terms along k in 32 bits, for machines that multiply such pairs
// Included by multiplication.h.
//
// A product of two bfloat16 has 16 bits and is exact in float32. So a sum of products is rounded once per term, fused
// or not, and Rounded gives the same bits in every instruction set. Pairs gives them too. vdpbf16ps adds the product of
// the high halves, then that of the low halves, and rounds after each, so the earlier term is the high half. The
// exception is subnormal numbers, which vdpbf16ps takes for zero in operands and sums. Rounding sets them to zero in
// operands here.
//
// The order of additions is that of AMX, whose instruction adds 32 terms to a sum. The first 16 are a chain that starts
// from zero, the next 16 another, and the sum grows by (first + second): see chain_kernels.h. Every pass along k begins
// a block of 32, and the last block of a pass contains the remaining terms.

template <class T> struct Plain {
    using Value = T;
    using InPlace = Plain;             // how it is multiplied unpacked, by `read` and float arithmetic
    static constexpr Index terms = 1;  // along k, in one packed value
    static constexpr Index chain = 0;  // packed values in a chain of additions; 0: all of a pass
    static constexpr bool rounds = false;

    // Packed values that are adjacent across k: those of x[0], x[1] and so on. The second terms of pairs are x[step],
    // x[step + 1] and so on.
    static FASTNET_INLINE Vec<T> across(const T* x, Index) { return load(x); }
    static FASTNET_INLINE Quad<T> quad_across(const T* x, Index) { return load_quad(x); }
    // Packed values that are consecutive along k: those of x[0], x[1] and so on.
    static FASTNET_INLINE Vec<T> along(const T* x) { return load(x); }
    static FASTNET_INLINE Quad<T> quad_along(const T* x) { return load_quad(x); }
    static FASTNET_INLINE T value(T x, T) { return x; }

    static FASTNET_INLINE Vec<T> read(Vec<T> x) { return x; }
    static FASTNET_INLINE Vec<T> broadcast(const T* x) { return fastnet::FASTNET_NAMESPACE::broadcast<T>(*x); }
    static FASTNET_INLINE Vec<T> multiply_add(Vec<T> a, Vec<T> b, Vec<T> sum) {
        return fastnet::FASTNET_NAMESPACE::multiply_add<T>(a, b, sum);
    }
};

typedef std::uint32_t Words __attribute__((vector_size(FASTNET_VECTOR_BYTES)));
typedef std::uint32_t QuadWords __attribute__((vector_size(16)));

// Rounds each float32 to the nearest bfloat16, ties to even. NaN becomes a quiet NaN, and subnormal numbers become
// zero. U holds the bits of V.
template <class U, class V> FASTNET_INLINE V round_to_bfloat16(V x) {
    const U bits = reinterpret_cast<U>(x), magnitude = bits & 0x7fffffffu;
    const U nearest = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
    const U nan = (bits | 0x00400000u) & 0xffff0000u;
    const U normal = magnitude > 0x7f800000u ? nan : nearest;
    return reinterpret_cast<V>(magnitude < 0x00800000u ? bits & 0x80000000u : normal);
}

inline constexpr Index chain_terms = 16;

struct Rounded : Plain<float> {
    using InPlace = Rounded;
    static constexpr Index chain = chain_terms;
    static constexpr bool rounds = true;

    static FASTNET_INLINE Vec<float> across(const float* x, Index) { return along(x); }
    static FASTNET_INLINE Quad<float> quad_across(const float* x, Index) { return quad_along(x); }
    static FASTNET_INLINE Vec<float> read(Vec<float> x) {
#if defined(__AVX512BF16__)
        typedef std::uint16_t Halves __attribute__((vector_size(FASTNET_VECTOR_BYTES / 2)));
        const Halves high = reinterpret_cast<Halves>(_mm512_cvtneps_pbh(x));
        return reinterpret_cast<Vec<float>>(__builtin_convertvector(high, Words) << 16);
#else
        return round_to_bfloat16<Words>(x);
#endif
    }
    static FASTNET_INLINE Vec<float> along(const float* x) { return read(load(x)); }
    static FASTNET_INLINE Quad<float> quad_along(const float* x) { return round_to_bfloat16<QuadWords>(load_quad(x)); }
    static FASTNET_INLINE float value(float x, float) {
        return round_to_bfloat16<QuadWords>(Quad<float>{x, 0, 0, 0})[0];
    }
};

#if defined(__AVX512BF16__)
struct Pairs {
    using Value = float;  // 32 bits, never used as a number
    using InPlace = Rounded;
    static constexpr Index terms = 2;
    static constexpr Index chain = chain_terms / terms;
    static constexpr bool rounds = true;

    // The conversion of two vectors puts the second below the first. Then the values of both are interleaved.
    static FASTNET_INLINE Vec<float> across(const float* x, Index step) {
        constexpr Words later{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
        const __m512i halves = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(load(x), load(x + step)));
        const __m512i turns = reinterpret_cast<__m512i>(((later + 16u) << 16) | later);
        return reinterpret_cast<Vec<float>>(_mm512_permutexvar_epi16(turns, halves));
    }
    static FASTNET_INLINE Quad<float> quad_across(const float* x, Index step) {
        const __m128i halves = reinterpret_cast<__m128i>(_mm_cvtne2ps_pbh(load_quad(x), load_quad(x + step)));
        return reinterpret_cast<Quad<float>>(_mm_unpacklo_epi16(halves, _mm_srli_si128(halves, 8)));
    }
    // The conversion leaves the earlier term in the low half.
    static FASTNET_INLINE Vec<float> along(const float* x) {
        const Words pairs = reinterpret_cast<Words>(_mm512_cvtne2ps_pbh(load(x + lanes<float>), load(x)));
        return reinterpret_cast<Vec<float>>((pairs << 16) | (pairs >> 16));
    }
    static FASTNET_INLINE Quad<float> quad_along(const float* x) {
        const QuadWords pairs = reinterpret_cast<QuadWords>(_mm256_cvtneps_pbh(_mm256_loadu_ps(x)));
        return reinterpret_cast<Quad<float>>((pairs << 16) | (pairs >> 16));
    }
    static FASTNET_INLINE float value(float earlier, float later) {
        const Quad<float> both = round_to_bfloat16<QuadWords>(Quad<float>{earlier, later, 0, 0});
        const QuadWords bits = reinterpret_cast<QuadWords>(both);
        return reinterpret_cast<Quad<float>>(QuadWords{bits[0] | (bits[1] >> 16), 0, 0, 0})[0];
    }

    static FASTNET_INLINE Vec<float> broadcast(const float* x) {
        return reinterpret_cast<Vec<float>>(_mm512_set1_epi32(*reinterpret_cast<const std::int32_t*>(x)));
    }
    static FASTNET_INLINE Vec<float> multiply_add(Vec<float> a, Vec<float> b, Vec<float> sum) {
        return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
    }
};
#endif

template <class Form, class T> FASTNET_INLINE T value_along(const T* x) {
    return Form::value(x[0], x[Form::terms - 1]);
}

// out[j * out_row + i] = the value of in[i * row + j * terms] for i, j < quad.
template <class Form, class T> FASTNET_INLINE void transpose_square(const T* in, Index row, T* out, Index out_row) {
    if constexpr (sizeof(T) == 4) {
        const Quad<T> a = Form::quad_along(in), b = Form::quad_along(in + row), c = Form::quad_along(in + 2 * row),
                      d = Form::quad_along(in + 3 * row);
        const Quad<T> ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
        const Quad<T> ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
        store_quad(out, __builtin_shufflevector(ab, cd, 0, 1, 4, 5));
        store_quad(out + out_row, __builtin_shufflevector(ab, cd, 2, 3, 6, 7));
        store_quad(out + 2 * out_row, __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5));
        store_quad(out + 3 * out_row, __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7));
    } else {
        const Quad<T> a = Form::quad_along(in), b = Form::quad_along(in + row);
        store_quad(out, __builtin_shufflevector(a, b, 0, 2));
        store_quad(out + out_row, __builtin_shufflevector(a, b, 1, 3));
    }
}
