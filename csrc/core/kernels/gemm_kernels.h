// The micro-kernel of the matrix multiplication (GEMM), its packing, and the two loops around it.
//
// Names follow Van Zee and van de Geijn, "BLIS: A Framework for Rapidly Instantiating BLAS Functionality"
// (ACM TOMS 41(3), 2015): a tile of C, `rows` high and `vectors` vectors wide, stays in registers while
// the product runs along k; A is read one broadcast value at a time, B one vector at a time.

// Tiles by width in vectors. A machine with 32 vector registers holds 8 x 3 (24 accumulators, 3 vectors
// of B, a broadcast of A), 14 x 2 or 16 x 1; one with 16 holds 4 x 3, 6 x 2 or 10 x 1. Fewer than 8
// accumulators would leave two multipliers of latency 4 waiting.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int tile_rows[] = {0, 16, 14, 8};
#else
inline constexpr int tile_rows[] = {0, 10, 6, 4};
#endif
inline constexpr int most_rows = tile_rows[1];

template <class T> struct Tile {
    Index k;
    const T* a;
    Index a_row, a_step;
    const T* b;
    Index b_step;
    T* c;
    Index c_row, columns;
    T alpha;
    bool accumulate;
    // Distances to the data that the next tiles read. They are prefetched meanwhile, where the operand is read in
    // place. The hardware does not see that the rows of a narrow panel belong together. 0 for no prefetch.
    Index a_ahead, b_ahead;
    bool fetch_c;  // prefetch C as well
};

// C = alpha sums (+ C). One function serves tiles of all sizes.
template <class T> [[gnu::noinline]] void write_back(const Tile<T>& t, Index rows, Index vectors, const Vec<T>* sums) {
    T* c = t.c;
    const Vec<T> alpha = broadcast(t.alpha);
    for (Index i = 0; i < rows; ++i, c += t.c_row, sums += vectors)
        for_vectors<T>(t.columns, [&](Index j, Index n) {
            const Vec<T> before = t.accumulate ? load_some(c + j, n) : Vec<T>{};
            store_some(c + j, multiply_add<T>(sums[j / lanes<T>], alpha, before), n);
        });
}

// The same from registers. Tiles that nothing is added to are stored here, if they consist of whole vectors or are one
// vector wide, or if a part of a vector takes a single instruction. Copies, here and below, because objects whose
// address is taken do not stay in registers.
template <int rows, int vectors, class T>
FASTNET_INLINE void write_back(const Tile<T>& t, const Vec<T> (&sums)[rows][vectors]) {
    T* c = t.c;
    const Index c_row = t.c_row, end = t.columns - (vectors - 1) * lanes<T>;  // of the last vector
    const Vec<T> alpha = broadcast(t.alpha);
    const bool here = !t.accumulate && (stores_parts || vectors == 1 || end == lanes<T>);
    Vec<T> copies[rows][vectors];
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i, c += c_row)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            if (!here)
                copies[i][v] = sums[i][v];
            else if (v + 1 < vectors || (vectors > 1 && !stores_parts))
                store(c + v * lanes<T>, multiply_add<T>(sums[i][v], alpha, Vec<T>{}));
            else
                store_last(c + v * lanes<T>, multiply_add<T>(sums[i][v], alpha, Vec<T>{}), end);
    if (!here)
        write_back(t, rows, vectors, copies[0]);
}

template <class Form, int rows, int vectors, bool packed, bool ahead, class T = typename Form::Value>
FASTNET_INLINE void accumulate_along_k(const Tile<T>& t, Vec<T> (&sums)[rows][vectors]) {
    constexpr Index line = 64 / static_cast<Index>(sizeof(T));
    // Four rows share a pointer, from which they are at most three strides away. A pointer or an offset for every row,
    // which compilers prefer, would leave no register for anything else.
    constexpr int together = packed ? rows : 4, pointers = (rows + together - 1) / together;
    const Index a_row = packed ? 1 : t.a_row, a_step = packed ? rows : t.a_step;
    const T* a[pointers];
    for (int g = 0; g < pointers; ++g)
        a[g] = t.a + g * together * a_row;
    const T* b = t.b;
    for (Index p = 0; p < t.k; ++p) {
        if constexpr (ahead) {
            for (Index i = p % line; !packed && i < rows; i += line)  // each row's line once per line of steps along k
                __builtin_prefetch(a[0] + t.a_ahead + i * a_row);
            for (int v = 0; v < vectors; ++v)
                __builtin_prefetch(b + t.b_ahead + v * lanes<T>);
        }
        Vec<T> bv[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            bv[v] = load(b + v * lanes<T>);
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i) {
            const Vec<T> av = Form::broadcast(a[i / together] + i % together * a_row);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v)
                sums[i][v] = Form::multiply_add(av, bv[v], sums[i][v]);
        }
#pragma GCC unroll 4
        for (int g = 0; g < pointers; ++g) {
            a[g] += a_step;
            if constexpr (!packed)
                keep_in_register(a[g]);
        }
        b += t.b_step;
    }
}

// The products of consecutive row panels, all of the same height, with a column panel. Every element is the same chain
// of operations whatever the tile's shape. So the result does not depend on how C is split among threads.
template <class Form, int rows, int vectors, bool packed>
void micro_kernel(const Tile<typename Form::Value>& first, Index count) {
    using T = typename Form::Value;
    Tile<T> t = first;
    for (; count > 0; --count) {
        for (int i = 0; t.fetch_c && i < rows; ++i)  // so that C is in cache when the sums are ready
            for (int v = 0; v < vectors; ++v)
                __builtin_prefetch(t.c + i * t.c_row + v * lanes<T>, 1);
        Vec<T> sums[rows][vectors] = {};
        if constexpr (Form::chain > 0)
            accumulate_chains<Form, rows, vectors, packed>(t, sums);
        else if (t.a_ahead || t.b_ahead)
            accumulate_along_k<Form, rows, vectors, packed, true>(t, sums);
        else
            accumulate_along_k<Form, rows, vectors, packed, false>(t, sums);
        write_back(t, sums);
        t.a += rows * (packed ? t.k : t.a_row);
        t.c += rows * t.c_row;
        t.b_ahead = 0;   // it is in cache by now
        if (count == 2)  // the next panel is the last, after which nothing is read
            t.a_ahead = 0;
    }
}

// micro_kernels<Form, packed>[vectors][rows]
template <class T> using MicroKernel = void (*)(const Tile<T>&, Index count);

template <class Form, bool packed> struct MicroKernels {
    MicroKernel<typename Form::Value> table[max_panel_vectors + 1][most_rows + 1] = {};

    constexpr MicroKernels() {
        fill<1>(std::make_integer_sequence<int, tile_rows[1]>());
        fill<2>(std::make_integer_sequence<int, tile_rows[2]>());
        fill<3>(std::make_integer_sequence<int, tile_rows[3]>());
    }
    template <int vectors, int... i> constexpr void fill(std::integer_sequence<int, i...>) {
        ((table[vectors][i + 1] = micro_kernel<Form, i + 1, vectors, packed>), ...);
    }
};

template <class Form, bool packed> inline constexpr MicroKernels<Form, packed> micro_kernels{};

template <class T> FASTNET_INLINE Panels column_panels(Index n, Index panel_vectors) {
    return Panels::of((n + lanes<T> - 1) / lanes<T>, panel_vectors);
}

// Packing. Every `terms` of the k terms make a packed value. The last value of an odd k is filled up with zero.
template <class Form> FASTNET_INLINE Index packed_depth(Index k) { return (k + Form::terms - 1) / Form::terms; }

// out[p * out_step + i] = the value of source[p * terms * step + i] for i < height, p < depth.
template <class Form, class T>
FASTNET_INLINE void copy_steps(Index height, Index depth, const T* source, Index step, T* out, Index out_step) {
    for (Index p = 0; p < depth; ++p, source += Form::terms * step, out += out_step) {
        Index i = 0;
        for (; i + lanes<T> <= height; i += lanes<T>)
            store(out + i, Form::across(source + i, step));
        for (; i + quad<T> <= height; i += quad<T>)
            store_quad(out + i, Form::quad_across(source + i, step));
        for (; i < height; ++i)
            out[i] = Form::value(source[i], source[i + (Form::terms - 1) * step]);
    }
}

// out[p * out_step + i] = the value of source[i * row + p * terms] for i < height, p < depth. Squares are transposed in
// registers, all rows of a line's width at a time. So the lines written are complete before they leave the first-level
// cache.
template <class Form, class T>
FASTNET_INLINE void transpose_rows(Index height, Index depth, const T* source, Index row, T* out, Index out_step) {
    constexpr Index line = 64 / static_cast<Index>(sizeof(T)), terms = Form::terms, lines_ahead = 4;
    const Index whole = height / quad<T> * quad<T>;
    for (Index first = 0; first < depth; first += line) {
        const Index last = first + line < depth ? first + line : depth;
        for (Index i = 0; i < whole; i += quad<T>) {
            for (Index j = i; j < i + quad<T>; ++j)  // rows far apart are not prefetched by the hardware
                for (Index t = 0; t < terms; ++t)
                    __builtin_prefetch(source + j * row + first * terms + (lines_ahead + t) * line);
            Index p = first;
            for (; p + quad<T> <= last; p += quad<T>)
                transpose_square<Form>(source + i * row + p * terms, row, out + p * out_step + i, out_step);
            for (; p < last; ++p)
                for (Index j = i; j < i + quad<T>; ++j)
                    out[p * out_step + j] = value_along<Form>(source + j * row + p * terms);
        }
        for (Index i = whole; i < height; ++i)
            for (Index p = first; p < last; ++p)
                out[p * out_step + i] = value_along<Form>(source + i * row + p * terms);
    }
}

// out[p] = the value of source[p * terms] for p < depth.
template <class Form, class T> FASTNET_INLINE void copy_row(Index depth, const T* source, T* out) {
    Index p = 0;
    for (; p + lanes<T> <= depth; p += lanes<T>)
        store(out + p, Form::along(source + p * Form::terms));
    for (; p < depth; ++p)
        out[p] = value_along<Form>(source + p * Form::terms);
}

// out[p * out_step + i] = the value of source[i * row + p * terms * step], whatever the strides.
template <class Form, class T>
FASTNET_INLINE void pack_panel(Index height, Index k, const T* source, Index row, Index step, T* out, Index out_step) {
    constexpr Index terms = Form::terms;
    const Index whole = k / terms;
    if (height == 1 && step == 1 && out_step == 1) {
        copy_row<Form>(whole, source, out);
    } else if (row == 1) {
        copy_steps<Form>(height, whole, source, step, out, out_step);
    } else if (step == 1) {
        transpose_rows<Form>(height, whole, source, row, out, out_step);
    } else {
        for (Index p = 0; p < whole; ++p)
            for (Index i = 0; i < height; ++i) {
                const T* first = source + i * row + p * terms * step;
                out[p * out_step + i] = Form::value(first[0], first[(terms - 1) * step]);
            }
    }
    for (Index i = 0; whole * terms < k && i < height; ++i)
        out[whole * out_step + i] = Form::value(source[i * row + (k - 1) * step], T(0));
}

// Row panels of A. Each column of a panel is contiguous: packed[start * depth + p * height + i].
template <class Form, class T = typename Form::Value>
void pack_a(Index m, Index k, const T* a, Index a_row, Index a_col, Index panel_rows, T* packed) {
    const Panels panels = Panels::of(m, panel_rows);
    for (Index panel = 0; panel < panels.count; ++panel) {
        const Index start = panels.start(panel), height = panels.size(panel);
        pack_panel<Form>(height, k, a + start * a_row, a_row, a_col, packed + start * packed_depth<Form>(k), height);
    }
}

// Column panels of B in whole vectors, zero beyond column n:
// packed[(start - first start) * lanes * depth + p * width + j].
template <class Form, class T = typename Form::Value>
void pack_b(Index k, const T* b, Index b_row, Index b_col, Index n, Index panel_vectors, Index first_panel,
            Index last_panel, T* packed) {
    const Panels panels = column_panels<T>(n, panel_vectors);
    const Index depth = packed_depth<Form>(k);
    for (Index panel = first_panel; panel < last_panel; ++panel) {
        const Index start = panels.start(panel) * lanes<T>, width = panels.size(panel) * lanes<T>;
        const Index columns = n - start < width ? n - start : width;
        pack_panel<Form>(columns, k, b + start * b_col, b_col, b_row, packed, width);
        for (Index p = 0; columns < width && p < depth; ++p)
            for (Index j = columns; j < width; ++j)
                packed[p * width + j] = T(0);
        packed += width * depth;
    }
}

// Factors up to this size in bytes are still in the first-level cache, or nearly, when they are read. Larger ones are
// prefetched, which costs as many instructions as it takes to keep a multiplier idle for a tenth of the time.
inline constexpr Index hot = Index(48) << 10;

// A single row of A times an unpacked B.
template <class Form> void multiply_single_row(const GemmBlock<typename Form::Value>& block) {
    constexpr Index width = lanes<typename Form::Value>;
    const Panels columns = column_panels<typename Form::Value>(block.n, block.panel_vectors);
    const Index end = columns.start(block.last_panel) * width;
    multiply_row<typename Form::InPlace>(block, columns.start(block.first_panel) * width,
                                         end < block.n ? end : block.n);
}

// The two innermost loops. A column panel of B stays in the nearest cache that holds it while all row panels of the
// block pass by it.
template <class Form, class T = typename Form::Value> void multiply(const GemmBlock<T>& block) {
    if (block.m == 1 && !block.b_packed)
        return multiply_single_row<Form>(block);
    const Panels columns = column_panels<T>(block.n, block.panel_vectors);
    if constexpr (!Form::rounds) {
        if (block.n == 1 && !block.b_packed)
            return multiply_column(block);
        const Index first = columns.start(block.first_panel) * lanes<T>,
                    end = columns.start(block.last_panel) * lanes<T>;
        if (block.k == 1 && !block.a_packed && !block.b_packed)
            return multiply_outer(block, first, end < block.n ? end : block.n);
        if (block.streamed)
            return multiply_rows(block, first, end < block.n ? end : block.n);
    }
    const Panels rows = Panels::of(block.m, tile_rows[columns.largest()]);
    const bool far = block.k * (block.m > block.n ? block.m : block.n) * static_cast<Index>(sizeof(T)) > hot;
    const T* packed_b = block.b;
    for (Index jp = block.first_panel; jp < block.last_panel; ++jp) {
        const Index j = columns.start(jp) * lanes<T>, vectors = columns.size(jp), width = vectors * lanes<T>;
        const T* b = block.b_packed ? packed_b : block.b + j;
        packed_b += width * block.k;
        const Index b_ahead = far && !block.b_packed && jp + 1 < block.last_panel ? width : 0;
        const Index n = block.n - j < width ? block.n - j : width;
        for (Index ip = 0; ip < rows.count;) {
            const Index i = rows.start(ip), height = rows.size(ip);
            const Index alike = (ip < rows.wider ? rows.wider : rows.count) - ip, count = block.epilogue ? 1 : alike;
            const T* a = block.a_packed ? block.a + i * block.k : block.a + i * block.a_row;
            const Index a_ahead = far && !block.a_packed && ip + 1 < rows.count ? height * block.a_row : 0;
            T* c = block.c + i * block.c_row + j;
            const Tile<T> tile{block.k,
                               a,
                               block.a_row,
                               block.a_step,
                               b,
                               block.b_packed ? width : block.b_row,
                               c,
                               block.c_row,
                               n,
                               block.alpha,
                               block.accumulate,
                               a_ahead,
                               ip == 0 ? b_ahead : 0,
                               far};
            if (block.a_packed)
                micro_kernels<Form, true>.table[vectors][height](tile, count);
            else
                micro_kernels<Form, false>.table[vectors][height](tile, count);
            if (block.epilogue)
                block.epilogue->function(height, n, c, block.c_row, block.epilogue->at(i, j));
            ip += count;
        }
    }
}

// A product so small that blocking would take longer than computing it.
template <class Form, class T = typename Form::Value> void multiply_small(const Gemm<T>& g) {
    for (Index i = 0; i < g.m; ++i) {
        const T* a = g.a + i * g.a_row;
        T* c = g.c + i * g.c_row;
        const Index step = g.b_col == 1 ? lanes<T> : 1;  // columns at a time
        for (Index j = 0; j < g.n; j += step) {
            const Index n = g.n - j < step ? g.n - j : step;
            const auto chain = [&](Index p, Index end) __attribute__((always_inline)) {
                Vec<T> sums{};
                for (; p < end; ++p) {
                    const T* b = g.b + p * g.b_row + j * g.b_col;
                    const Vec<T> bv = g.b_col == 1 ? load_some(b, n) : broadcast(*b);
                    sums = multiply_add<T>(Form::read(broadcast(a[p * g.a_col])), Form::read(bv), sums);
                }
                return sums;
            };
            const Vec<T> sums = sum_of_chains<Form, T>(g.k, chain);
            store_some(c + j, multiply_add<T>(sums, broadcast(g.alpha), Vec<T>{}), n);
        }
    }
    if (g.epilogue)
        g.epilogue->function(g.m, g.n, g.c, g.c_row, *g.epilogue);
}
