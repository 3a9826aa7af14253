// Matrix multiplication on the tiles of AMX. Included by kernels_amx.cpp.
//
// TDPBF16PS multiplies pairs of bfloat16. It adds up the products of the low halves in a chain from zero, those of the
// high halves in another, and then sum + (low + high). With the terms p and p + 16 of a block of 32 in a pair, these
// are the two chains that operands.h defines. Subnormal operands and sums count as zero.

inline constexpr Index tile_side = 16, tile_words = tile_side * tile_side, panel_height = 2 * tile_side;
inline constexpr Index block_terms = 2 * tile_side;  // along k, in a tile of pairs

// --- Packing ---------------------------------------------------------------------------------------------------------

// The n values at x, at most a vector of them, followed by zeros.
FASTNET_INLINE Vec<float> load_at_most(const float* x, Index n) {
    return n >= lanes<float> ? load(x) : n > 0 ? load_first(x, n) : Vec<float>{};
}

FASTNET_INLINE void store_pairs(Vec<float> low, Vec<float> high, float* out) {
    typedef std::uint32_t Words __attribute__((vector_size(FASTNET_VECTOR_BYTES)));
    constexpr Words lane{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const __m512i turns = reinterpret_cast<__m512i>(((lane + 16u) << 16) | lane);
    const __m512i halves = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    store(out, reinterpret_cast<Vec<float>>(_mm512_permutexvar_epi16(turns, halves)));
}

// Word p of row i of the tile is the pair x[i * row + p], x[i * row + p + 16].
inline void pack_rows(Index rows, Index k, const float* x, Index row, float* tile) {
    for (Index i = 0; i < tile_side; ++i, x += row, tile += tile_side)
        if (i < rows)
            store_pairs(load_at_most(x, k), load_at_most(x + tile_side, k - tile_side), tile);
        else
            store(tile, Vec<float>{});
}

// Word i of row p of the tile is the pair x[p * step + i], x[(p + 16) * step + i].
inline void pack_steps(Index width, Index k, const float* x, Index step, float* tile) {
    for (Index p = 0; p < tile_side; ++p, x += step, tile += tile_side)
        store_pairs(load_at_most(x, p < k ? width : 0),
                    load_at_most(x + tile_side * step, p + tile_side < k ? width : 0), tile);
}

// In squares of 2 d x 2 d words, in two rows d apart: swaps the upper right quarter with the lower left.
template <int d, int... i>
FASTNET_INLINE void exchange(Vec<float>& upper, Vec<float>& lower, std::integer_sequence<int, i...>) {
    constexpr int other = static_cast<int>(tile_side);
    const Vec<float> left = __builtin_shufflevector(upper, lower, (i & d ? other + i - d : i)...);
    lower = __builtin_shufflevector(upper, lower, (i & d ? other + i : i + d)...);
    upper = left;
}
template <int d> FASTNET_INLINE void exchange(Vec<float> (&rows)[tile_side]) {
#pragma GCC unroll 16
    for (int i = 0; i < tile_side; ++i)
        if (!(i & d))
            exchange<d>(rows[i], rows[i + d], std::make_integer_sequence<int, tile_side>());
}
inline void transpose(float* tile) {
    Vec<float> rows[tile_side];
#pragma GCC unroll 16
    for (int i = 0; i < tile_side; ++i)
        rows[i] = load(tile + tile_side * i);
    exchange<1>(rows), exchange<2>(rows), exchange<4>(rows), exchange<8>(rows);
#pragma GCC unroll 16
    for (int i = 0; i < tile_side; ++i)
        store(tile + tile_side * i, rows[i]);
}

// A tile of pairs from up to 16 rows, `row` apart, of up to 32 terms, `step` apart. A row of the tile is a row of x;
// with `across`, a column of the tile is.
inline void pack_tile(bool across, Index rows, Index k, const float* x, Index row, Index step, float* tile) {
    alignas(64) float copy[tile_side * block_terms];
    if (row != 1 && step != 1) {
        for (Index i = 0; i < rows && i < tile_side; ++i)
            for (Index p = 0; p < k && p < block_terms; ++p)
                copy[i * block_terms + p] = x[i * row + p * step];
        x = copy, row = block_terms, step = 1;
    }
    if (step == 1)
        pack_rows(rows, k, x, row, tile);
    else
        pack_steps(rows, k, x, step, tile);
    if (across == (step == 1))
        transpose(tile);
}

// Row panels of A of up to 32 rows, whatever height is asked for. Every block of terms has two tiles, of which a low
// panel leaves the second empty.
inline void pack_tiles_a(Index m, Index k, const float* a, Index a_row, Index a_col, Index, float* packed) {
    const Panels panels = Panels::of(m, panel_height);
    for (Index panel = 0; panel < panels.count; ++panel)
        for (Index p = 0; p < k; p += block_terms, packed += 2 * tile_words)
            for (Index half = 0; half < panels.size(panel); half += tile_side)
                pack_tile(false, panels.size(panel) - half, k - p, a + (panels.start(panel) + half) * a_row + p * a_col,
                          a_row, a_col, packed + half * tile_side);
}

// Column panels of B: for every block of terms, one tile per vector of columns, zero beyond column n.
inline void pack_tiles_b(Index k, const float* b, Index b_row, Index b_col, Index n, Index panel_vectors,
                         Index first_panel, Index last_panel, float* packed) {
    const Panels panels = Panels::of((n + tile_side - 1) / tile_side, panel_vectors);
    for (Index panel = first_panel; panel < last_panel; ++panel)
        for (Index p = 0; p < k; p += block_terms)
            for (Index v = 0; v < panels.size(panel); ++v, packed += tile_words) {
                const Index j = (panels.start(panel) + v) * tile_side;
                pack_tile(true, n - j, k - p, b + j * b_col + p * b_row, b_col, b_row, packed);
            }
}

// --- Multiplication --------------------------------------------------------------------------------------------------

struct TileOperands {
    Index blocks;  // along k
    const void* a[2];
    Index a_row, a_step;  // here and below in bytes
    const void* b;        // two adjacent tiles are b_next bytes apart
    Index b_row, b_step, b_next;
    void* c;
    Index c_row;
};

// Up to 2 x 2 tiles of sums.
template <class Kind, bool tall, bool wide> inline void multiply_tiles(const TileOperands& t) {
    const char *a0 = static_cast<const char*>(t.a[0]), *a1 = static_cast<const char*>(t.a[1]);
    const char* b = static_cast<const char*>(t.b);
    tile_zero<0>();
    if constexpr (wide)
        tile_zero<1>();
    if constexpr (tall)
        tile_zero<2>();
    if constexpr (tall && wide)
        tile_zero<3>();
    for (Index block = 0; block < t.blocks; ++block, a0 += t.a_step, a1 += t.a_step, b += t.b_step) {
        tile_load<4>(a0, t.a_row);
        tile_load<6>(b, t.b_row);
        Kind::template multiply_add<0, 4, 6>();
        if constexpr (wide) {
            tile_load<7>(b + t.b_next, t.b_row);
            Kind::template multiply_add<1, 4, 7>();
        }
        if constexpr (tall) {
            tile_load<5>(a1, t.a_row);
            Kind::template multiply_add<2, 5, 6>();
        }
        if constexpr (tall && wide)
            Kind::template multiply_add<3, 5, 7>();
    }
    char* c = static_cast<char*>(t.c);
    tile_store<0>(c, t.c_row);
    if constexpr (wide)
        tile_store<1>(c + 64, t.c_row);
    if constexpr (tall)
        tile_store<2>(c + tile_side * t.c_row, t.c_row);
    if constexpr (tall && wide)
        tile_store<3>(c + tile_side * t.c_row + 64, t.c_row);
}

template <class Kind> inline void multiply_tiles(Index height, Index vectors, const TileOperands& t) {
    if (height > tile_side)
        vectors > 1 ? multiply_tiles<Kind, true, true>(t) : multiply_tiles<Kind, true, false>(t);
    else
        vectors > 1 ? multiply_tiles<Kind, false, true>(t) : multiply_tiles<Kind, false, false>(t);
}

FASTNET_INLINE Index smaller(Index a, Index b) { return a < b ? a : b; }

// C = alpha A B (+ C) for one panel of A and one of B.
inline void multiply_panels(const GemmBlock<float>& block, Index height, Index vectors, const float* a, const float* b,
                            float* c, Index n) {
    constexpr Index row = tile_side * 4, tile = tile_words * 4;
    alignas(64) float sums[panel_height * panel_height];
    const bool straight = !block.accumulate && block.alpha == 1 && height % tile_side == 0 && n == vectors * tile_side;
    TileOperands t{
        block.k / tile_side, {a, a + tile_words}, row, 2 * tile, b, row, vectors * tile, tile, sums, 2 * row};
    if (straight)
        t.c = c, t.c_row = block.c_row * 4;
    multiply_tiles<BFloat16Tiles>(height, vectors, t);
    for (Index i = 0; !straight && i < height; ++i, c += block.c_row)
        for_vectors<float>(n, [&](Index j, Index some) {
            const Vec<float> before = block.accumulate ? load_some(c + j, some) : Vec<float>{};
            const Vec<float> sum = load(sums + i * panel_height + j);
            store_some(c + j, multiply_add<float>(sum, broadcast(block.alpha), before), some);
        });
}

inline void multiply_bfloat16(const GemmBlock<float>& block) {
    if (block.m == 1 && !block.b_packed)
        return avx512_bf16::low_precision.bfloat16->multiply(block);
    const TilesInUse tiles;
    const Panels columns = Panels::of((block.n + tile_side - 1) / tile_side, block.panel_vectors);
    const Panels rows = Panels::of(block.m, panel_height);
    const float* b = block.b;
    for (Index jp = block.first_panel; jp < block.last_panel; ++jp) {
        const Index j = columns.start(jp) * tile_side, vectors = columns.size(jp);
        const Index n = smaller(block.n - j, vectors * tile_side);
        const float* a = block.a;
        for (Index ip = 0; ip < rows.count; ++ip, a += panel_height * block.k) {
            const Index i = rows.start(ip), height = rows.size(ip);
            float* c = block.c + i * block.c_row + j;
            multiply_panels(block, height, vectors, a, b, c, n);
            if (block.epilogue)
                block.epilogue->function(height, n, c, block.c_row, block.epilogue->at(i, j));
        }
        b += vectors * tile_side * block.k;
    }
}

inline void multiply_small_bfloat16(const Gemm<float>& g) { avx512_bf16::low_precision.bfloat16->multiply_small(g); }

// --- 8-bit integers --------------------------------------------------------------------------------------------------

// The weights that vpdpbusd takes in 16 steps form a tile, so both use the same packing. Only the steps that fill up
// the last tile differ: the weights there are zero, and the values of x can be anything. A tile of x has 16 rows, some
// of them repeated.
inline void multiply_int8_tiles(const Int8Product& product, Index first_panel, Index last_panel) {
    if (product.rows < tile_side)
        return multiply_int8(product, first_panel, last_panel);
    const TilesInUse tiles;
    const Panels columns = Panels::of((product.n + tile_side - 1) / tile_side, int8_vectors);
    alignas(64) std::int32_t sums[panel_height * panel_height];
    for (Index panel = first_panel; panel < last_panel; ++panel) {
        const Index j = columns.start(panel) * tile_side, vectors = columns.size(panel);
        const Index n = smaller(product.n - j, vectors * tile_side), b_row = vectors * 64;
        const std::int8_t* weights = product.weights + columns.start(panel) * 64 * product.steps;
        for (Index i = 0; i < product.rows; i += panel_height) {
            const Index height = smaller(product.rows - i, panel_height), last = product.rows - tile_side;
            const Index start[] = {smaller(i, last), smaller(i + tile_side, last)};
            const char* x = product.x + sizeof(float);
            for (Index v = 0; v < vectors; v += 2) {
                multiply_tiles<Int8Tiles>(height, smaller(vectors - v, 2),
                                          {product.steps / tile_side,
                                           {x + start[0] * product.x_row, x + start[1] * product.x_row},
                                           product.x_row,
                                           64,
                                           weights + v * 64,
                                           b_row,
                                           tile_side * b_row,
                                           64,
                                           sums,
                                           panel_height * 4});
                for (Index r = 0; r < height; ++r) {
                    const Index half = r / tile_side, row = half * tile_side + i + r - start[half];
                    float flag;
                    __builtin_memcpy(&flag, product.x + (i + r) * product.x_row, sizeof flag);
                    for_vectors<float>(smaller(n - v * tile_side, 2 * tile_side), [&](Index u, Index some) {
                        const Index column = j + v * tile_side + u;
                        Bits<float> sum, correction;
                        __builtin_memcpy(&sum, sums + row * panel_height + u, sizeof sum);
                        __builtin_memcpy(&correction, product.correction + column, sizeof correction);
                        const Vec<float> whole = __builtin_convertvector(sum + correction, Vec<float>);
                        store_some(product.y + (i + r) * product.n + column,
                                   whole * load(product.scale + column) + flag, some);
                    });
                }
            }
            const Epilogue<float> epilogue = product.epilogue->at(i, j);
            if (n > 0)
                epilogue.function(height, n, product.y + i * product.n + j, product.n, epilogue);
        }
    }
}
