// Small loops over arrays: scaling, column sums, conversion of a row of input. Included by kernels_impl.h.

template <class T> void scale(Index n, T* x, T factor) {
    // Zeros are written, not multiplied into place, because 0 * NaN is NaN.
    for_vectors<T>(
        n, [&](Index i, Index m) { store_some(x + i, factor == T(0) ? Vec<T>{} : load_some(x + i, m) * factor, m); });
}

// Every column adds its rows in order, so the sums do not depend on how columns are shared out.
template <class T> void add_rows(Index rows, Index columns, const T* x, Index x_row, T* sums, bool accumulate) {
    for_vectors<T>(columns, [&](Index j, Index n) {
        Vec<T> total = accumulate ? load_some(sums + j, n) : Vec<T>{};
        for (Index i = 0; i < rows; ++i)
            total = total + load_some(x + i * x_row + j, n);
        store_some(sums + j, total, n);
    });
}

template <class S, class T> FASTNET_INLINE void convert_from(Index n, const char* source, Index stride, T* out) {
    typedef S Source __attribute__((vector_size(sizeof(S) * lanes<T>)));
    Index i = 0;
    for (; stride == static_cast<Index>(sizeof(S)) && i + lanes<T> <= n; i += lanes<T>) {
        Source values;
        __builtin_memcpy(&values, source + i * stride, sizeof values);
        store(out + i, __builtin_convertvector(values, Vec<T>));
    }
    for (; i < n; ++i) {
        S value;
        __builtin_memcpy(&value, source + i * stride, sizeof(S));
        out[i] = static_cast<T>(value);
    }
}

// Compilers take vectors of bytes apart one by one, but vectorize a loop over bytes.
template <class T> FASTNET_INLINE void convert_bytes(Index n, const std::uint8_t* __restrict source,
                                                     T* __restrict out) {
    for (Index i = 0; i < n; ++i)
        out[i] = static_cast<T>(source[i]);
}

template <class T> void convert(Index n, const void* source, DType dtype, Index stride, T* out) {
    const char* bytes = static_cast<const char*>(source);
    if (dtype == DType::uint8 && stride == 1)
        convert_bytes(n, static_cast<const std::uint8_t*>(source), out);
    else
        switch (dtype) {
        case DType::uint8:
            return convert_from<std::uint8_t>(n, bytes, stride, out);
        case DType::int8:
            return convert_from<std::int8_t>(n, bytes, stride, out);
        case DType::uint16:
            return convert_from<std::uint16_t>(n, bytes, stride, out);
        case DType::int16:
            return convert_from<std::int16_t>(n, bytes, stride, out);
        case DType::uint32:
            return convert_from<std::uint32_t>(n, bytes, stride, out);
        case DType::int32:
            return convert_from<std::int32_t>(n, bytes, stride, out);
        case DType::uint64:
            return convert_from<std::uint64_t>(n, bytes, stride, out);
        case DType::int64:
            return convert_from<std::int64_t>(n, bytes, stride, out);
        case DType::float32:
            return convert_from<float>(n, bytes, stride, out);
        case DType::float64:
            return convert_from<double>(n, bytes, stride, out);
        }
}

template <class T> void affine(Index n, const T* x, T factor, T offset, T* y) {
    for_vectors<T>(n, [&](Index i, Index m) { store_some(y + i, load_some(x + i, m) * factor + offset, m); });
}

// x - x is zero for a finite value and NaN otherwise, and a sum keeps a NaN.
template <class T> bool all_finite(Index n, const T* x) {
    Vec<T> total{};
    for_vectors<T>(n, [&](Index i, Index m) {
        const Vec<T> v = load_some(x + i, m);
        total = total + (v - v);
    });
    return sum<T>(total) == T(0);
}

// l1 sum |w| + l2 sum w^2
template <class T> double penalty(Index n, const T* w, T l1, T l2) {
    Vec<T> magnitudes{}, squares{};
    for_vectors<T>(n, [&](Index i, Index m) {
        const Vec<T> v = load_some(w + i, m);
        magnitudes = magnitudes + absolute<T>(v);
        squares = squares + v * v;
    });
    return static_cast<double>(l1 * sum<T>(magnitudes) + l2 * sum<T>(squares));
}

template <class T> void add_penalty(Index n, const T* w, T l1, T l2, T* gradient) {
    for_vectors<T>(n, [&](Index i, Index m) {
        store_some(gradient + i, penalized<T>(load_some(gradient + i, m), load_some(w + i, m), l1, l2), m);
    });
}
