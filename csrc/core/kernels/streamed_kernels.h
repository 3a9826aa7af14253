// Products that stream an operand unpacked, because it is used once: one row or a few, and one column. The chain of
// operations of an element is that of the micro-kernel. Included by multiplication.h.

// One row of A times an unpacked B. B is read as a stream of a few rows side by side, which the hardware prefetches,
// and not panel by panel. The sums of a stretch of columns stay in the first-level cache.
template <class Form, class T> void multiply_row(const GemmBlock<T>& block, Index first, Index last) {
    constexpr Index stretch = 4096 / static_cast<Index>(sizeof(T)), together = 4;
    const Index a_step = block.a_packed ? 1 : block.a_step;
    alignas(64) T buffer[stretch];
    for (Index start = first; start < last; start += stretch) {
        const Index n = last - start < stretch ? last - start : stretch;
        for_vectors<T>(n, [&](Index j, Index) { store(buffer + j, Vec<T>{}); });
        const T* a = block.a;
        const T* b = block.b + start;
        Index p = 0;
        if constexpr (Form::chain > 0) {
            add_chains_of_rows<Form, stretch>(block.k, a, a_step, b, block.b_row, n, buffer);
            p = block.k;
        }
        for (; p + together <= block.k; p += together, a += together * a_step, b += together * block.b_row)
            for_vectors<T>(n, [&](Index j, Index m) {
                Vec<T> sums = load(buffer + j);
#pragma GCC unroll 4
                for (Index i = 0; i < together; ++i)
                    sums = multiply_add<T>(Form::read(broadcast(a[i * a_step])),
                                           Form::read(load_some(b + i * block.b_row + j, m)), sums);
                store(buffer + j, sums);
            });
        for (; p < block.k; ++p, a += a_step, b += block.b_row)
            for_vectors<T>(n, [&](Index j, Index m) {
                store(buffer + j,
                      multiply_add<T>(Form::read(broadcast(*a)), Form::read(load_some(b + j, m)), load(buffer + j)));
            });
        T* c = block.c + start;
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> before = block.accumulate ? load_some(c + j, m) : Vec<T>{};
            store_some(c + j, multiply_add<T>(load(buffer + j), broadcast(block.alpha), before), m);
        });
        if (block.epilogue)
            block.epilogue->function(1, n, c, block.c_row, block.epilogue->at(0, start));
    }
}

// A few rows of A times an unpacked B, of which every line is read once. A few rows of B side by side add their terms
// to the sums of a stretch of columns, which stay in the first-level cache.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int terms_together = 8;
inline constexpr Index bytes_of_sums = 32768;
#else
inline constexpr int terms_together = 4;
inline constexpr Index bytes_of_sums = 16384;
#endif

// sums[i * stretch + j] += a[i * terms_together + t] b[t * b_row + j], t = 0 ... terms - 1 in order, for some vectors
// of columns; the last one has n.
template <int terms, int vectors, class T>
FASTNET_INLINE void add_terms(Index m, const T* a, const T* b, Index b_row, Index n, T* sums, Index stretch) {
    Vec<T> bv[terms][vectors];
#pragma GCC unroll 8
    for (int t = 0; t < terms; ++t)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v)
            bv[t][v] = load_some(b + t * b_row + v * lanes<T>, v + 1 < vectors ? lanes<T> : n);
#pragma GCC unroll 8
    for (int t = 0; terms > 1 && t < terms; ++t)  // the next rows are used once, so the second level will do
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v)
            __builtin_prefetch(b + (t + terms) * b_row + v * lanes<T>, 0, 2);
    for (Index i = 0; i < m; ++i, a += terms_together, sums += stretch) {
        Vec<T> s[vectors];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v)
            s[v] = load(sums + v * lanes<T>);
#pragma GCC unroll 8
        for (int t = 0; t < terms; ++t) {
            const Vec<T> av = broadcast(a[t]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; ++v)
                s[v] = multiply_add<T>(av, bv[t][v], s[v]);
        }
#pragma GCC unroll 2
        for (int v = 0; v < vectors; ++v)
            store(sums + v * lanes<T>, s[v]);
    }
}

// The same for all n columns of a stretch, with the values of A still in place.
template <int terms, class T>
FASTNET_INLINE void add_rows_of_b(const GemmBlock<T>& block, Index p, Index start, Index n, T* sums, Index stretch) {
    alignas(64) T values[most_streamed_rows * terms_together];
    for (Index i = 0; i < block.m; ++i)
        for (int t = 0; t < terms; ++t)
            values[i * terms_together + t] = block.a[i * block.a_row + (p + t) * block.a_step];
    const T* b = block.b + p * block.b_row + start;
    Index j = 0;
    for (; j + 2 * lanes<T> <= n; j += 2 * lanes<T>)
        add_terms<terms, 2>(block.m, values, b + j, block.b_row, lanes<T>, sums + j, stretch);
    for (; j < n; j += lanes<T>)
        add_terms<terms, 1>(block.m, values, b + j, block.b_row, n - j < lanes<T> ? n - j : lanes<T>, sums + j,
                            stretch);
}

template <class T> void multiply_rows(const GemmBlock<T>& block, Index first, Index last) {
    constexpr Index capacity = bytes_of_sums / static_cast<Index>(sizeof(T)), pair = 2 * lanes<T>;
    alignas(64) T sums[capacity];
    const Index stretch = capacity / block.m / pair * pair;
    for (Index start = first; start < last; start += stretch) {
        const Index n = last - start < stretch ? last - start : stretch;
        for_vectors<T>(block.m * stretch, [&](Index j, Index) { store(sums + j, Vec<T>{}); });
        Index p = 0;
        for (; p + terms_together <= block.k; p += terms_together)
            add_rows_of_b<terms_together>(block, p, start, n, sums, stretch);
        for (; p < block.k; ++p)
            add_rows_of_b<1>(block, p, start, n, sums, stretch);
        for (Index i = 0; i < block.m; ++i) {
            T* c = block.c + i * block.c_row + start;
            for_vectors<T>(n, [&](Index j, Index some) {
                const Vec<T> before = block.accumulate ? load_some(c + j, some) : Vec<T>{};
                store_some(c + j, multiply_add<T>(load(sums + i * stretch + j), broadcast(block.alpha), before), some);
            });
        }
        if (block.epilogue)
            block.epilogue->function(block.m, n, block.c + start, block.c_row, block.epilogue->at(0, start));
    }
}

// A column times a row: C is written row by row, as it lies in memory. The training step of a single sample has one for
// the gradient of each kernel.
template <class T> void multiply_outer(const GemmBlock<T>& block, Index first, Index last) {
    const Vec<T> alpha = broadcast(block.alpha);
    for (Index i = 0; i < block.m; ++i) {
        const Vec<T> a = broadcast(block.a[i * block.a_row]);
        T* const c = block.c + i * block.c_row;
        if (block.accumulate)
            for_vectors<T>(last - first, [&](Index j, Index n) {
                const Vec<T> product = multiply_add<T>(a, load_some(block.b + first + j, n), Vec<T>{});
                store_some(c + first + j, multiply_add<T>(product, alpha, load_some(c + first + j, n)), n);
            });
        else
            for_vectors<T>(last - first, [&](Index j, Index n) {
                const Vec<T> product = multiply_add<T>(a, load_some(block.b + first + j, n), Vec<T>{});
                store_some(c + first + j, multiply_add<T>(product, alpha, Vec<T>{}), n);
            });
        if (block.epilogue)
            block.epilogue->function(1, last - first, c + first, block.c_row, block.epilogue->at(i, first));
    }
}

// Joins two vectors into one of twice the size.
template <class V, int... i> FASTNET_INLINE auto join(V low, V high, std::integer_sequence<int, i...>) {
    return __builtin_shufflevector(low, high, i...);
}

// Loads quads into a vector: those at row(first), row(first + quad), row(first + 2 quad) and so on.
template <class T, int quads, class Row> FASTNET_INLINE auto load_quads(Row row, Index first) {
    if constexpr (quads == 1) {
        return load_quad<T>(row(first));
    } else {
        const auto low = load_quads<T, quads / 2>(row, first);
        const auto high = load_quads<T, quads / 2>(row, first + quads / 2 * quad<T>);
        constexpr int values = quads * static_cast<int>(quad<T>);
        return join(low, high, std::make_integer_sequence<int, values>());
    }
}

// From every quad of two vectors, the low or, with `high` 1, the high half. Values of a and b alternate, `together` at
// a time.
template <int high, int together, class T, int... i>
FASTNET_INLINE Vec<T> interleave(Vec<T> a, Vec<T> b, std::integer_sequence<int, i...>) {
    constexpr int q = static_cast<int>(quad<T>), second = static_cast<int>(lanes<T>);
    return __builtin_shufflevector(
        a, b,
        (i / q * q + high * q / 2 + i % q / (2 * together) * together + i % together + i / together % 2 * second)...);
}

// columns[j] = row(i)[j] in lane i, for j < quad: squares transposed side by side.
template <class T, class Row> FASTNET_INLINE void load_columns(Row row, Vec<T> (&columns)[quad<T>]) {
    constexpr int quads = FASTNET_VECTOR_BYTES / 16;
    constexpr auto each = std::make_integer_sequence<int, lanes<T>>();
    const Vec<T> a = load_quads<T, quads>(row, 0), b = load_quads<T, quads>(row, 1);
    if constexpr (sizeof(T) == 4) {
        const Vec<T> c = load_quads<T, quads>(row, 2), d = load_quads<T, quads>(row, 3);
        const Vec<T> ab = interleave<0, 1, T>(a, b, each), cd = interleave<0, 1, T>(c, d, each);
        const Vec<T> ab2 = interleave<1, 1, T>(a, b, each), cd2 = interleave<1, 1, T>(c, d, each);
        columns[0] = interleave<0, 2, T>(ab, cd, each), columns[1] = interleave<1, 2, T>(ab, cd, each);
        columns[2] = interleave<0, 2, T>(ab2, cd2, each), columns[3] = interleave<1, 2, T>(ab2, cd2, each);
    } else {
        columns[0] = interleave<0, 1, T>(a, b, each), columns[1] = interleave<1, 1, T>(a, b, each);
    }
}

// The rows of A in the lanes of a vector, with one pointer as their address. With a pointer for each row, which
// compilers prefer, most of them would be loaded from memory every time.
template <class T> struct WholeVector {
    const T* start;
    Index a_row;
    FASTNET_INLINE const T* operator()(Index i) const { return start + i * a_row; }
};
// Fewer rows than lanes. The lanes without a row repeat the last row.
template <class T> struct PartOfVector {
    const T* start;
    Index a_row, rows;
    FASTNET_INLINE const T* operator()(Index i) const { return start + (i < rows ? i : rows - 1) * a_row; }
};

// The terms from p to p + quad<T> of a vector of rows times a column, of which the first `from` are left out.
template <class T, class Row>
FASTNET_INLINE Vec<T> add_quad(const GemmBlock<T>& block, Row row, Index p, Index from, Vec<T> sums) {
    Vec<T> columns[quad<T>];
    load_columns<T>(row, columns);
#pragma GCC unroll 4
    for (Index j = 0; j < quad<T>; ++j)
        if (j >= from)
            sums = multiply_add<T>(columns[j], broadcast(block.b[(p + j) * block.b_row]), sums);
    return sums;
}

// Adds the terms from p on of n rows, the first of which is a, and writes the result.
template <class T>
[[gnu::noinline]] void finish_column(const GemmBlock<T>& block, Index n, const T* a, Index p, Vec<T>* sums, T* c) {
    const Index vectors = (n + lanes<T> - 1) / lanes<T>, a_row = block.a_row;
    const auto rows = [&](Index v, Index at) {
        return PartOfVector<T>{a + v * lanes<T> * a_row + at, a_row, n - v * lanes<T>};
    };
    for (; p + quad<T> <= block.k; p += quad<T>)
        for (Index v = 0; v < vectors; ++v)
            sums[v] = add_quad(block, rows(v, p), p, 0, sums[v]);
    if (p < block.k && p > 0) {  // the last quad has terms before p, which are already added
        const Index last = block.k - quad<T>;
        for (Index v = 0; v < vectors; ++v)
            sums[v] = add_quad(block, rows(v, last), last, p - last, sums[v]);
        p = block.k;
    }
    for (; p < block.k; ++p)
        for (Index v = 0; v < vectors; ++v) {
            Vec<T> column{};
            for (Index i = 0; i < lanes<T>; ++i)
                column[i] = *rows(v, p)(i);
            sums[v] = multiply_add<T>(column, broadcast(block.b[p * block.b_row]), sums[v]);
        }
    for_vectors<T>(n, [&](Index first, Index some) {
        T* at = c + first * block.c_row;
        const Vec<T> s = sums[first / lanes<T>], alpha = broadcast(block.alpha);
        if (block.c_row == 1 && !block.accumulate)
            return store_some(at, multiply_add<T>(s, alpha, Vec<T>{}), some);
        Vec<T> before{};
        for (Index i = 0; block.accumulate && i < some; ++i)
            before[i] = at[i * block.c_row];
        const Vec<T> result = multiply_add<T>(s, alpha, before);
        for (Index i = 0; i < some; ++i)
            at[i * block.c_row] = result[i];
    });
}

// n rows of A, the first of which is a, in `vectors` vectors, times a column. rows(v, p)(i) is the address of column p
// of the row in lane i of vector v.
template <int vectors, class T, class Rows>
FASTNET_INLINE void multiply_column(const GemmBlock<T>& block, Index n, const T* a, Rows rows, T* c) {
    constexpr Index line = 64 / static_cast<Index>(sizeof(T));
    Vec<T> sums[vectors] = {};
    Index p = 0;
    // A line of each row of a vector is used up before those of the next vector are read: rows at a power-of-two
    // distance share few places in the first-level cache.
    for (; p + line <= block.k; p += line)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
            auto row = rows(v, p);
            keep_in_register(row.start);
#pragma GCC unroll 8
            for (Index q = 0; q < line; q += quad<T>, row.start += quad<T>)
                sums[v] = add_quad(block, row, p + q, 0, sums[v]);
        }
    Vec<T> copies[vectors];  // as in write_back
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v)
        copies[v] = sums[v];
    finish_column(block, n, a, p, copies, c);
}

// Contiguous rows of A times a column, with one lane per row. The tiles would leave all lanes but one idle.
template <class T> void multiply_column(const GemmBlock<T>& block) {
    const Index a_row = block.a_row, rest = block.m % lanes<T>;
    const Panels panels = Panels::of(block.m / lanes<T>, 4);
    const T* a = block.a;
    T* c = block.c;
    const auto rows = [&](Index v, Index p) { return WholeVector<T>{a + v * lanes<T> * a_row + p, a_row}; };
    for (Index panel = 0; panel < panels.count; ++panel) {
        const Index n = panels.size(panel) * lanes<T>;
        switch (panels.size(panel)) {
        case 1:
            multiply_column<1>(block, n, a, rows, c);
            break;
        case 2:
            multiply_column<2>(block, n, a, rows, c);
            break;
        case 3:
            multiply_column<3>(block, n, a, rows, c);
            break;
        default:
            multiply_column<4>(block, n, a, rows, c);
        }
        a += n * a_row, c += n * block.c_row;
    }
    if (rest > 0)
        multiply_column<1>(block, rest, a, [&](Index, Index p) { return PartOfVector<T>{a + p, a_row, rest}; }, c);
    if (block.epilogue)
        block.epilogue->function(block.m, 1, block.c, block.c_row, block.epilogue->at(0, 0));
}
