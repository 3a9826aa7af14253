// The micro-kernel of the matrix product, the packing in front of it, and the two loops around it.
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
    index k;
    const T* a;
    index a_row, a_step;
    const T* b;
    index b_step;
    T* c;
    index c_row, columns;
    T alpha;
    bool accumulate;
};

// One product of a row panel with a column panel. Every element is the same chain of operations whatever
// the tile's shape, which is why the result does not depend on how C is cut among threads.
template <class T, int rows, int vectors, bool packed> void micro_kernel(const Tile<T>& t) {
    Vec<T> sums[rows][vectors] = {};
    const T* a = t.a;
    const T* b = t.b;
    const index a_row = packed ? 1 : t.a_row, a_step = packed ? rows : t.a_step;
    for (index p = 0; p < t.k; ++p) {
        Vec<T> bv[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            bv[v] = load(b + v * lanes<T>);
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i) {
            const Vec<T> av = broadcast(a[i * a_row]);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v)
                sums[i][v] += av * bv[v];
        }
        a += a_step;
        b += t.b_step;
    }
    const index tail = t.columns - (vectors - 1) * lanes<T>;  // columns of the last vector
    T* c = t.c;
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v) {
            const index n = v + 1 < vectors ? lanes<T> : tail;
            T* at = c + v * lanes<T>;
            const Vec<T> before = t.accumulate ? load_some(at, n) : Vec<T>{};
            store_some(at, sums[i][v] * t.alpha + before, n);
        }
        c += t.c_row;
    }
}

// micro_kernels<T, packed>[vectors][rows]
template <class T> using MicroKernel = void (*)(const Tile<T>&);

template <class T, bool packed> struct MicroKernels {
    MicroKernel<T> table[max_panel_vectors + 1][most_rows + 1] = {};

    constexpr MicroKernels() {
        fill<1>(std::make_integer_sequence<int, tile_rows[1]>());
        fill<2>(std::make_integer_sequence<int, tile_rows[2]>());
        fill<3>(std::make_integer_sequence<int, tile_rows[3]>());
    }
    template <int vectors, int... i> constexpr void fill(std::integer_sequence<int, i...>) {
        ((table[vectors][i + 1] = micro_kernel<T, i + 1, vectors, packed>), ...);
    }
};

template <class T, bool packed> inline constexpr MicroKernels<T, packed> micro_kernels{};

template <class T> FASTNET_INLINE Panels column_panels(index n) {
    return Panels::of((n + lanes<T> - 1) / lanes<T>, max_panel_vectors);
}

// Row panels of A, each column of a panel contiguous: packed[start * k + p * height + i].
template <class T>
void pack_a(index m, index k, const T* a, index a_row, index a_col, index panel_rows, T* packed) {
    const Panels panels = Panels::of(m, panel_rows);
    for (index panel = 0; panel < panels.count; ++panel) {
        const index height = panels.size(panel);
        const T* source = a + panels.start(panel) * a_row;
        T* out = packed + panels.start(panel) * k;
        if (a_row == 1) {
            for (index p = 0; p < k; ++p)
                for (index i = 0; i < height; ++i)
                    out[p * height + i] = source[p * a_col + i];
        } else {
            for (index i = 0; i < height; ++i)
                for (index p = 0; p < k; ++p)
                    out[p * height + i] = source[i * a_row + p * a_col];
        }
    }
}

// Column panels of B in whole vectors, zero beyond column n: packed[start * lanes * k + p * width + j].
template <class T>
void pack_b(index k, const T* b, index b_row, index b_col, index n, index first_panel, index last_panel, T* packed) {
    const Panels panels = column_panels<T>(n);
    for (index panel = first_panel; panel < last_panel; ++panel) {
        const index start = panels.start(panel) * lanes<T>, width = panels.size(panel) * lanes<T>;
        const index columns = n - start < width ? n - start : width;
        const T* source = b + start * b_col;
        T* out = packed + start * k;
        if (b_col == 1) {
            for (index p = 0; p < k; ++p)
                for_vectors<T>(width, [&](index j, index) {
                    const index left = columns - j;
                    const T* from = source + p * b_row + j;
                    store(out + p * width + j, left >= lanes<T> ? load(from)
                                               : left > 0       ? load_first(from, left)
                                                                : Vec<T>{});
                });
        } else {
            // A line of the source at a time, so that the rows it is spread over stay in the first-level cache.
            constexpr index line = 64 / static_cast<index>(sizeof(T));
            for (index first = 0; first < k; first += line)
                for (index j = 0; j < width; ++j)
                    for (index p = first; p < first + line && p < k; ++p)
                        out[p * width + j] = j < columns ? source[p * b_row + j * b_col] : T(0);
        }
    }
}

// The two innermost loops: a column panel of B stays in the first-level cache while all row panels of the
// block pass by it.
template <class T> void multiply(const GemmBlock<T>& block) {
    const Panels columns = column_panels<T>(block.n);
    const Panels rows = Panels::of(block.m, tile_rows[columns.largest()]);
    for (index jp = block.first_panel; jp < block.last_panel; ++jp) {
        const index j = columns.start(jp) * lanes<T>, vectors = columns.size(jp), width = vectors * lanes<T>;
        const T* b = block.b_packed ? block.b + j * block.k : block.b + j;
        for (index ip = 0; ip < rows.count; ++ip) {
            const index i = rows.start(ip), height = rows.size(ip);
            const T* a = block.a_packed ? block.a + i * block.k : block.a + i * block.a_row;
            T* c = block.c + i * block.c_row + j;
            const index n = block.n - j < width ? block.n - j : width;
            const Tile<T> tile{block.k,     a, block.a_row, block.a_step,    b, block.b_packed ? width : block.b_row, c,
                               block.c_row, n, block.alpha, block.accumulate};
            if (block.a_packed)
                micro_kernels<T, true>.table[vectors][height](tile);
            else
                micro_kernels<T, false>.table[vectors][height](tile);
            if (block.epilogue)
                block.epilogue->function(height, n, c, block.c_row, block.epilogue->at(i, j));
        }
    }
}
