// Matrix multiplication of 8-bit integers, for quantized networks (quantized_dense.h). Included by multiplication.h.
//
// Rows hold numbers from 0 to 255, kernels from -128 to 127, and sums have 32 bits. The sums are exact, so they are the
// same on every instruction set and in any order: 65,536 terms of at most 255 * 128 stay below 2^31. The multiplication
// uses
//   AVX-512 VNNI, NEON with dot products   an instruction for four terms a lane
//   AVX-512, AVX2, SSE2                    pmaddwd, two terms a lane, which are widened to 16 bits first
//   otherwise                              one term a lane, in plain vectors
// pmaddubsw, for four terms, would saturate: 2 * 255 * 127 does not fit into its 16 bits. A step takes `terms` values
// of a row, four bytes whatever their width. For each lane, a unit, it takes the same number of weights.

#if defined(__AVX512VNNI__)
struct Int8 {
    typedef std::uint8_t Value;
    typedef __m512i Weights;
    static constexpr int shift = 0;  // values in memory are lower by this
    static FASTNET_INLINE Weights weights(const std::int8_t* w) { return _mm512_loadu_si512(w); }
    static FASTNET_INLINE Bits<float> multiply_add(Bits<float> x, Weights w, Bits<float> sum) {
        return reinterpret_cast<Bits<float>>(
            _mm512_dpbusd_epi32(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(x), w));
    }
};
#elif defined(__AVX512BW__)
struct Int8 {
    typedef std::int16_t Value;
    typedef __m512i Weights;
    static constexpr int shift = 0;
    static FASTNET_INLINE Weights weights(const std::int8_t* w) {
        return _mm512_cvtepi8_epi16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(w)));
    }
    static FASTNET_INLINE Bits<float> multiply_add(Bits<float> x, Weights w, Bits<float> sum) {
        return sum + reinterpret_cast<Bits<float>>(_mm512_madd_epi16(reinterpret_cast<__m512i>(x), w));
    }
};
#elif defined(__AVX2__)
struct Int8 {
    typedef std::int16_t Value;
    typedef __m256i Weights;
    static constexpr int shift = 0;
    static FASTNET_INLINE Weights weights(const std::int8_t* w) {
        return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(w)));
    }
    static FASTNET_INLINE Bits<float> multiply_add(Bits<float> x, Weights w, Bits<float> sum) {
        return sum + reinterpret_cast<Bits<float>>(_mm256_madd_epi16(reinterpret_cast<__m256i>(x), w));
    }
};
#elif defined(__SSE2__)
struct Int8 {
    typedef std::int16_t Value;
    typedef __m128i Weights;
    static constexpr int shift = 0;
    static FASTNET_INLINE Weights weights(const std::int8_t* w) {  // each byte the upper half of 16 bits, then shifted
        const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(w));
        return _mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8);
    }
    static FASTNET_INLINE Bits<float> multiply_add(Bits<float> x, Weights w, Bits<float> sum) {
        return sum + reinterpret_cast<Bits<float>>(_mm_madd_epi16(reinterpret_cast<__m128i>(x), w));
    }
};
#elif defined(__ARM_FEATURE_DOTPROD)
struct Int8 {
    typedef std::int8_t Value;
    typedef int8x16_t Weights;
    static constexpr int shift = 128;  // both factors are signed
    static FASTNET_INLINE Weights weights(const std::int8_t* w) { return vld1q_s8(w); }
    static FASTNET_INLINE Bits<float> multiply_add(Bits<float> x, Weights w, Bits<float> sum) {
        return reinterpret_cast<Bits<float>>(
            vdotq_s32(reinterpret_cast<int32x4_t>(sum), w, reinterpret_cast<int8x16_t>(x)));
    }
};
#else
struct Int8 {
    typedef std::int32_t Value;
    typedef Bits<float> Weights;
    static constexpr int shift = 0;
    static FASTNET_INLINE Weights weights(const std::int8_t* w) {
        typedef std::int8_t Bytes __attribute__((vector_size(lanes<float>)));
        Bytes bytes;
        __builtin_memcpy(&bytes, w, sizeof bytes);
        return __builtin_convertvector(bytes, Bits<float>);
    }
    static FASTNET_INLINE Bits<float> multiply_add(Bits<float> x, Weights w, Bits<float> sum) { return sum + x * w; }
};
#endif

inline constexpr Index int8_terms = 4 / static_cast<Index>(sizeof(Int8::Value));
inline constexpr Index int8_step = lanes<float> * int8_terms;  // weights of one vector
// The tile of sums that fits into the registers: 32 on AVX-512 and arm64, 16 on the others.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int int8_vectors = 3, int8_rows = 8;
#else
inline constexpr int int8_vectors = 2, int8_rows = 6;
#endif

// A row begins with a float that is added to its products: 0, or NaN where a value of x is not finite. Then follow
// round(x * inverse) + zero_point, clipped to 0 to 255. Ties go to even.
inline void quantize_row(Index n, const float* x, float inverse, int zero_point, char* row) {
    typedef Int8::Value Values __attribute__((vector_size(sizeof(Int8::Value) * lanes<float>)));
    const float low = static_cast<float>(-zero_point), high = static_cast<float>(255 - zero_point);
    const Bits<float> magic = as_bits<float>(broadcast(Format<float>::round_magic)) - (zero_point - Int8::shift);
    char* out = row + sizeof(float);
    __builtin_memset(out + (n - 1) / int8_terms * 4, 0, 4);  // the last step may have fewer values than terms
    Vec<float> strange{};
    for_vectors<float>(n, [&](Index i, Index m) {
        const Vec<float> v = load_some(x + i, m);
        strange = strange + (v - v);
        const Vec<float> inside = minimum<float>(maximum<float>(v * inverse, broadcast(low)), broadcast(high));
        const Bits<float> whole = as_bits<float>(inside + Format<float>::round_magic) - magic;
        const Values values = __builtin_convertvector(whole, Values);
        __builtin_memcpy(out + i * static_cast<Index>(sizeof(Int8::Value)), &values,
                         static_cast<std::size_t>(m) * sizeof(Int8::Value));
    });
    const float flag = sum<float>(strange);
    __builtin_memcpy(row, &flag, sizeof flag);
}

struct Int8Tile {
    Index steps;
    const char* x;
    Index x_row;
    const std::int8_t* w;
    float* y;
    Index y_row, columns;
    const std::int32_t* correction;
    const float* scale;
    Index segments;
    const Index* offsets;
    const char* flag;
    Index flag_row;
    const float* bias;
};

inline constexpr Index no_offset = 0;

// y = scale (sum of products + correction) for `rows` rows and `vectors` vectors of units.
template <int rows, int vectors> void int8_micro_kernel(const Int8Tile& t) {
    Bits<float> sums[rows][vectors] = {};
    const char* x = t.x + sizeof(float);
    const std::int8_t* w = t.w;
    for (Index s = 0; s < t.segments; ++s) {
        const char* from = x + t.offsets[s];
        for (Index p = 0; p < t.steps; ++p, from += 4, w += vectors * int8_step) {
            Int8::Weights wv[vectors];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v)
                wv[v] = Int8::weights(w + v * int8_step);
#pragma GCC unroll 8
            for (int i = 0; i < rows; ++i) {
                std::int32_t group;
                __builtin_memcpy(&group, from + i * t.x_row, sizeof group);
                const Bits<float> xv = group - Bits<float>{};
#pragma GCC unroll 4
                for (int v = 0; v < vectors; ++v)
                    sums[i][v] = Int8::multiply_add(xv, wv[v], sums[i][v]);
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < rows; ++i) {
        float flag;
        __builtin_memcpy(&flag, t.flag + i * t.flag_row, sizeof flag);
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
            const Index first = v * lanes<float>, left = t.columns - first;
            Bits<float> correction;
            __builtin_memcpy(&correction, t.correction + first, sizeof correction);
            const Vec<float> product = __builtin_convertvector(sums[i][v] + correction, Vec<float>);
            Vec<float> y = product * load(t.scale + first) + flag;
            if (v + 1 < vectors) {
                if (t.bias)
                    y = y + load(t.bias + first);
                store(t.y + i * t.y_row + first, y);
            } else {
                const Index end = left < lanes<float> ? left : lanes<float>;
                if (t.bias)
                    y = y + load_some(t.bias + first, end);
                store_last(t.y + i * t.y_row + first, y, end);
            }
        }
    }
}

struct Int8MicroKernels {
    void (*table[int8_vectors + 1][int8_rows + 1])(const Int8Tile&) = {};

    template <int vectors, int... i> constexpr void fill(std::integer_sequence<int, i...>) {
        ((table[vectors][i + 1] = int8_micro_kernel<i + 1, vectors>), ...);
    }
    template <int... v> constexpr void fill_all(std::integer_sequence<int, v...>) {
        (fill<v + 1>(std::make_integer_sequence<int, int8_rows>()), ...);
    }
    constexpr Int8MicroKernels() { fill_all(std::make_integer_sequence<int, int8_vectors>()); }
};

inline constexpr Int8MicroKernels int8_micro_kernels{};

// A panel of weights stays in the first-level cache while all rows pass by it. A single row is passed to the epilogue
// as a whole.
inline void multiply_int8(const Int8Product& product, Index first_panel, Index last_panel) {
    const Panels columns = Panels::of((product.n + lanes<float> - 1) / lanes<float>, int8_vectors);
    const Panels rows = Panels::of(product.rows, int8_rows);
    const auto apply = [&](Index i, Index height, Index j, Index end) {
        const Epilogue<float> epilogue = product.epilogue->at(i, j);
        if (j < end)
            epilogue.function(height, end - j, product.y + i * product.n + j, product.n, epilogue);
    };
    const auto column = [&](Index panel) {
        const Index j = columns.start(panel) * lanes<float>;
        return j < product.n ? j : product.n;
    };
    for (Index panel = first_panel; panel < last_panel; ++panel) {
        const Index j = column(panel);
        for (Index block = 0; block < rows.count; ++block) {
            const Index i = rows.start(block), height = rows.size(block);
            const Int8Tile tile{product.steps,
                                product.x + i * product.x_row,
                                product.x_row,
                                product.weights + columns.start(panel) * int8_step * product.steps * product.segments,
                                product.y + i * product.n + j,
                                product.n,
                                product.n - j,
                                product.correction + j,
                                product.scale + j,
                                product.segments,
                                product.offsets ? product.offsets : &no_offset,
                                product.flag ? product.flag : product.x + i * product.x_row,
                                product.flag ? 0 : product.x_row,
                                product.bias ? product.bias + j : nullptr};
            int8_micro_kernels.table[columns.size(panel)][height](tile);
            if (product.rows > 1 && product.epilogue)
                apply(i, height, j, column(panel + 1));
        }
    }
    if (product.rows == 1 && product.epilogue)
        apply(0, 1, column(first_panel), column(last_panel));
}

inline constexpr Int8Kernels int8_kernels{
    .lanes = lanes<float>,
    .terms = int8_terms,
    .panel_vectors = int8_vectors,
    .depth_step = 1,
    .shift = Int8::shift,
    .quantize = quantize_row,
    .multiply = multiply_int8,
};
