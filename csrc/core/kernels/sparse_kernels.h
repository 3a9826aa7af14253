// Products with a matrix that is mostly zeros, and the search for nonzero values. Included by kernels_impl.h.

// A panel of this many vectors of C stays in registers while a row of S passes by. This gives enough independent chains
// of additions to keep the multipliers busy, and few enough for a machine with 16 registers.
inline constexpr int widest_sparse_panel = 8;

// The columns of a panel of C. Where C does not end with a whole vector, the last one begins earlier and computes some
// columns twice, to the same values. A matrix that is narrower than a vector is `partial`.
template <class T, int vectors, bool partial>
void multiply_sparse_panel(const SparseProduct<T>& g, Index first_vector, Index first_row, Index last_row) {
    const auto load_at = [&](const T* p) { return partial ? load_first(p, g.n) : load(p); };
    Index offsets[vectors];
    for (int v = 0; v < vectors; ++v) {
        const Index at = (first_vector + v) * lanes<T>;
        offsets[v] = partial || at + lanes<T> <= g.n ? at : g.n - lanes<T>;
    }
    for (Index i = first_row; i < last_row; ++i) {
        T* const c = g.c + i * g.n;
        const Term<T>* term = g.s.terms + g.s.begin[i];
        const Term<T>* const end = g.s.terms + g.s.end[i];
        bool accumulate = g.accumulate;
        Index pass = 0, limit = 0;
        do {  // a pass: at least one, which writes zeros if there are no terms
            while (term < end && term->column >= limit)
                limit = g.passes.start(++pass);
            Vec<T> sums[vectors] = {};
            for (; term < end && term->column < limit; ++term) {
                const Vec<T> value = broadcast(term->value);
                const T* b = g.b + term->column * g.n;
#pragma GCC unroll 8
                for (int v = 0; v < vectors; ++v)
                    sums[v] = multiply_add<T>(value, load_at(b + offsets[v]), sums[v]);
            }
            // C = sums (+ C), rounded like the end of a dense pass. Everything is read before anything is written.
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v)
                sums[v] = sums[v] + (accumulate ? load_at(c + offsets[v]) : Vec<T>{});
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v)
                store_some(c + offsets[v], sums[v], partial ? g.n : lanes<T>);
            accumulate = true;
        } while (term < end);
    }
}

template <class T> void multiply_sparse(const SparseProduct<T>& g, Index first_row, Index last_row) {
    if (g.n < lanes<T>)
        return multiply_sparse_panel<T, 1, true>(g, 0, first_row, last_row);
    using Function = void (*)(const SparseProduct<T>&, Index, Index, Index);
    constexpr Function by_width[widest_sparse_panel + 1] = {
        nullptr,
        multiply_sparse_panel<T, 1, false>,
        multiply_sparse_panel<T, 2, false>,
        multiply_sparse_panel<T, 3, false>,
        multiply_sparse_panel<T, 4, false>,
        multiply_sparse_panel<T, 5, false>,
        multiply_sparse_panel<T, 6, false>,
        multiply_sparse_panel<T, 7, false>,
        multiply_sparse_panel<T, 8, false>,
    };
    const Panels panels = column_panels<T>(g.n, widest_sparse_panel);
    for (Index i = 0; i < panels.count; ++i)
        by_width[panels.size(i)](g, panels.start(i), first_row, last_row);
}

// One value, without a branch: it is zero if all bits but the sign are.
template <class T> FASTNET_INLINE Index compress_value(T x, Index column, Term<T>* terms, Index n) {
    Integer<T> bits;
    __builtin_memcpy(&bits, &x, sizeof bits);
    terms[n] = {x, static_cast<std::int32_t>(column)};
    return n + ((bits & ~(Integer<T>(1) << (sizeof bits * 8 - 1))) != 0);
}

// Writes the terms of one vector of x, from terms[n] on, and returns the new n. NaN counts as nonzero.
#if defined(__AVX512F__)
// Through a separate register: gcc 12 may count 32 bits of a mask after storing only 8 or 16 on the stack.
FASTNET_INLINE Index count_ones(__mmask16 mask) { return __builtin_popcount(_cvtmask16_u32(mask)); }
FASTNET_INLINE Index count_ones(__mmask8 mask) { return __builtin_popcount(_cvtmask8_u32(mask)); }

template <class T> FASTNET_INLINE Index compress_vector(const T* x, Index column, Term<T>* terms, Index n) {
    // Compressed into registers first: some machines take a hundred cycles to compress into memory.
    if constexpr (sizeof(T) == 4) {
        const __m512i count = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
        const __m512i low = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
        const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
        const __m512 v = load(x);
        const __mmask16 mask = _mm512_cmp_ps_mask(v, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        const __m512i values = _mm512_castps_si512(_mm512_maskz_compress_ps(mask, v));
        const __m512i columns = _mm512_maskz_compress_epi32(
            mask, _mm512_add_epi32(_mm512_set1_epi32(static_cast<std::int32_t>(column)), count));
        _mm512_storeu_si512(terms + n, _mm512_permutex2var_epi32(values, low, columns));
        _mm512_storeu_si512(terms + n + 8, _mm512_permutex2var_epi32(values, high, columns));
        return n + count_ones(mask);
    } else {
        const __m512i count = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
        const __m512i low = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
        const __m512i high = _mm512_add_epi64(low, _mm512_set1_epi64(4));
        const __m512d v = load(x);
        const __mmask8 mask = _mm512_cmp_pd_mask(v, _mm512_setzero_pd(), _CMP_NEQ_UQ);
        const __m512i values = _mm512_castpd_si512(_mm512_maskz_compress_pd(mask, v));
        const __m512i columns = _mm512_maskz_compress_epi64(mask, _mm512_add_epi64(_mm512_set1_epi64(column), count));
        _mm512_storeu_si512(terms + n, _mm512_permutex2var_epi64(values, low, columns));
        _mm512_storeu_si512(terms + n + 4, _mm512_permutex2var_epi64(values, high, columns));
        return n + count_ones(mask);
    }
}
#else
template <class T> FASTNET_INLINE Index compress_vector(const T* x, Index column, Term<T>* terms, Index n) {
    std::uint64_t words[FASTNET_VECTOR_BYTES / 8], any = 0;
    __builtin_memcpy(words, x, sizeof words);
    for (std::uint64_t word : words)
        any |= word;
    for (Index j = 0; any && j < lanes<T>; ++j)
        n = compress_value(x[j], column + j, terms, n);
    return n;
}
#endif

template <class T> Index compress(Index count, const T* x, Index first, Term<T>* terms) {
    Index n = 0, i = 0;
    for (; i + lanes<T> <= count; i += lanes<T>)
        n = compress_vector(x + i, first + i, terms, n);
    for (; i < count; ++i)
        n = compress_value(x[i], first + i, terms, n);
    return n;
}
