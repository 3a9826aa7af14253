// Parts of vectors in memory. Included by simd.h.

template <class T, int... i> FASTNET_INLINE Bits<T> lane_numbers(std::integer_sequence<int, i...>) {
    return Bits<T>{i...};
}

// Whether a part of a vector takes one instruction, as a whole one does.
#if defined(__AVX512F__)
inline constexpr bool stores_parts = true;
#else
inline constexpr bool stores_parts = false;
#endif

// The first n lanes, 0 < n < lanes, or <= lanes if `stores_parts`. The others are zero (load) or left unchanged
// (store).
template <class T> FASTNET_INLINE Vec<T> load_first(const T* p, Index n) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
    else
        return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << n) - 1), p);
#elif defined(__AVX2__)
    // Lane by lane, the vector would be assembled in memory and wait there for the stores.
    const Bits<T> lane = lane_numbers<T>(std::make_integer_sequence<int, lanes<T>>());
    const __m256i wanted = reinterpret_cast<__m256i>(lane < static_cast<Integer<T>>(n));
    if constexpr (sizeof(T) == 4)
        return _mm256_maskload_ps(p, wanted);
    else
        return _mm256_maskload_pd(p, wanted);
#else
    Vec<T> v{};
    for (Index i = 0; i < n; ++i)
        v[i] = p[i];
    return v;
#endif
}

template <class T> FASTNET_INLINE void store_first(T* p, Vec<T> v, Index n) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4)
        _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
    else
        _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << n) - 1), v);
#elif defined(__AVX2__)
    // Stored in parts: a masked store takes some processors as long as twenty others.
    if constexpr (sizeof(T) == 4) {
        __m128 part = _mm256_castps256_ps128(v);
        if (n & 4) {
            _mm_storeu_ps(p, part);
            part = _mm256_extractf128_ps(v, 1), p += 4;
        }
        if (n & 2) {
            _mm_storel_pi(reinterpret_cast<__m64*>(p), part);
            part = _mm_movehl_ps(part, part), p += 2;
        }
        if (n & 1)
            _mm_store_ss(p, part);
    } else {
        __m128d part = _mm256_castpd256_pd128(v);
        if (n & 2) {
            _mm_storeu_pd(p, part);
            part = _mm256_extractf128_pd(v, 1), p += 2;
        }
        if (n & 1)
            _mm_store_sd(p, part);
    }
#else
    for (Index i = 0; i < n; ++i)
        p[i] = v[i];
#endif
}
