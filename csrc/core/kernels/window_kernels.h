// Convolutions with channels in the lanes of vectors, read in place: the windows of a pixel are runs of contiguous
// values, so no matrix of windows is made. The tiles are those of the matrix multiplication, whose loop along k runs
// over one tap after the other. Included by kernels_impl.h.
//
// The order of the additions is that of the kernel's shape, whatever the tile, the vector or the thread: see
// image_table.h. This is the direct convolution of Georganas et al., "Anatomy of High-Performance Deep Learning
// Convolutions on SIMD Architectures" (SC18), without blocked layouts.

// With 32 registers a tile has up to 16 rows of one vector or 14 of two; with 16 registers 13 or 6. Larger ones would
// only take longer to compile.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int window_rows[] = {0, 16, 14};
#else
inline constexpr int window_rows[] = {0, 13, 6};
#endif

template <class T>
void pack_window(Index rows, Index columns, const T* kernel, Index row, Index column, T* packed, Index width) {
    pack_panel<Plain<T>>(columns, rows, kernel, column, row, packed, width);
    for (Index i = 0; columns < width && i < rows; ++i)
        for (Index j = columns; j < width; ++j)
            packed[i * width + j] = T(0);
}

template <class T, int rows, int vectors> void window_tile(const WindowLine<T>& line, Index first, T* y) {
    Vec<T> sums[rows][vectors];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; ++v) {
        const Vec<T> start = line.bias ? load(line.bias + v * lanes<T>) : Vec<T>{};
#pragma GCC unroll 32
        for (int i = 0; i < rows; ++i)
            sums[i][v] = start;
    }
    Tile<T> tile{};
    tile.k = line.run, tile.a_row = line.x_step, tile.a_step = 1, tile.b_step = vectors * lanes<T>;
    for (const Tap* tap = line.taps; tap != line.taps_end; ++tap) {
        tile.a = line.x + (first + tap->x), tile.b = line.weights + tap->row * vectors * lanes<T>;
        accumulate_along_k<Plain<T>, rows, vectors, false, false>(tile, sums);
    }
    const Index last = line.columns - (vectors - 1) * lanes<T>;
#pragma GCC unroll 32
    for (int i = 0; i < rows; ++i, y += line.y_step)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            if (v + 1 < vectors)
                store(y + v * lanes<T>, sums[i][v]);
            else
                store_last(y + v * lanes<T>, sums[i][v], last);
}

template <class T> using WindowTile = void (*)(const WindowLine<T>&, Index first, T* y);

// table[vectors][rows]
template <class T> struct WindowTiles {
    WindowTile<T> table[max_window_vectors + 1][window_rows[1] + 1] = {};

    constexpr WindowTiles() {
        fill<1>(std::make_integer_sequence<int, window_rows[1]>());
        fill<2>(std::make_integer_sequence<int, window_rows[2]>());
    }
    template <int vectors, int... i> constexpr void fill(std::integer_sequence<int, i...>) {
        ((table[vectors][i + 1] = window_tile<T, i + 1, vectors>), ...);
    }
};
template <class T> inline constexpr WindowTiles<T> window_tiles{};

template <class T> void multiply_windows(const WindowLine<T>& line) {
    const Index vectors = (line.columns + lanes<T> - 1) / lanes<T>;
    const Panels pixels = Panels::of(line.pixels, window_rows[vectors]);
    for (Index i = 0; i < pixels.count; ++i)
        window_tiles<T>.table[vectors][pixels.size(i)](line, line.first + pixels.start(i) * line.x_step,
                                                       line.y + pixels.start(i) * line.y_step);
}

// f(place in memory, number) of every row of a tile.
template <class T, class F>
FASTNET_INLINE void for_gradient_rows(const WindowGradient<T>& g, Index groups, Index rows, F f) {
    T* const gradient = g.gradient;
    const Index group = g.gradient_group, row = g.gradient_row;
#pragma GCC unroll 4
    for (Index i = 0; i < groups; ++i)
#pragma GCC unroll 16
        for (Index r = 0; r < rows; ++r)
            f(gradient + i * group + r * row, i * rows + r);
}

// Tiles of all sizes whose last vector is partial.
template <class T>
[[gnu::noinline]] void load_part(const WindowGradient<T>& g, Index groups, Index rows, Index vectors, Vec<T>* sums) {
    for_gradient_rows(g, groups, rows, [&](const T* from, Index number) {
        for_vectors<T>(g.columns,
                       [&](Index j, Index n) { sums[number * vectors + j / lanes<T>] = load_some(from + j, n); });
    });
}
template <class T>
[[gnu::noinline]] void store_part(const WindowGradient<T>& g, Index groups, Index rows, Index vectors,
                                  const Vec<T>* sums) {
    for_gradient_rows(g, groups, rows, [&](T* to, Index number) {
        for_vectors<T>(g.columns,
                       [&](Index j, Index n) { store_some(to + j, sums[number * vectors + j / lanes<T>], n); });
    });
}

// The sums of a tile stay in registers over all lines and pixels of an image. With few rows in a group, several groups
// make a tile.
template <class T, int groups, int rows, int vectors> void gradient_tile(const WindowGradient<T>& g) {
    constexpr int last = vectors - 1;
    const Index end = g.columns - last * lanes<T>;
    const bool here = stores_parts || end == lanes<T>;
    Vec<T> sums[groups * rows][vectors], copies[groups * rows][vectors];  // copies as in write_back
    if (!here)
        load_part(g, groups, rows, vectors, copies[0]);
    for_gradient_rows(g, groups, rows, [&](const T* from, Index number) __attribute__((always_inline)) {
        for (int v = 0; v < vectors; ++v)
            if (!here)
                sums[number][v] = copies[number][v];
            else if (stores_parts && v == last)
                sums[number][v] = load_first(from + v * lanes<T>, end);
            else
                sums[number][v] = load(from + v * lanes<T>);
    });
    for (Index l = 0; l < g.lines; ++l) {
        const T* x[groups];
        for (int i = 0; i < groups; ++i)
            x[i] = g.x + l * g.x_line + i * g.x_group;
        const T* dy = g.dy + l * g.dy_line;
        for (Index p = 0; p < g.pixels; ++p) {
            Vec<T> slope[vectors];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v)
                slope[v] = load(dy + v * lanes<T>);
#pragma GCC unroll 8
            for (int i = 0; i < groups; ++i) {
#pragma GCC unroll 32
                for (int r = 0; r < rows; ++r) {
                    const Vec<T> value = broadcast(x[i][r]);
#pragma GCC unroll 4
                    for (int v = 0; v < vectors; ++v)
                        sums[i * rows + r][v] = multiply_add<T>(value, slope[v], sums[i * rows + r][v]);
                }
                x[i] += g.x_step;
                keep_in_register(x[i]);
            }
            dy += g.dy_step;
        }
    }
    for_gradient_rows(g, groups, rows, [&](T* to, Index number) __attribute__((always_inline)) {
        for (int v = 0; v < vectors; ++v)
            if (!here)
                copies[number][v] = sums[number][v];
            else if (stores_parts && v == last)
                store_first(to + v * lanes<T>, sums[number][v], end);
            else
                store(to + v * lanes<T>, sums[number][v]);
    });
    if (!here)
        store_part(g, groups, rows, vectors, copies[0]);
}

// A group of more rows fills a tile well enough by itself.
inline constexpr int most_gradient_groups = 3, most_rows_of_groups = 5;

template <class T> using GradientTile = void (*)(const WindowGradient<T>&);

// table[vectors][groups][rows]
template <class T> struct GradientTiles {
    GradientTile<T> table[max_window_vectors + 1][most_gradient_groups + 1][window_rows[1] + 1] = {};

    constexpr GradientTiles() {
        fill_groups<1>(std::make_integer_sequence<int, most_gradient_groups>());
        fill_groups<2>(std::make_integer_sequence<int, most_gradient_groups>());
    }
    template <int vectors, int... i> constexpr void fill_groups(std::integer_sequence<int, i...>) {
        (fill<vectors, i + 1>(std::make_integer_sequence<int, rows_of_groups(window_rows[vectors], i + 1)>()), ...);
    }
    static constexpr int rows_of_groups(int most, int groups) {
        return groups > 1 && most / groups > most_rows_of_groups ? most_rows_of_groups : most / groups;
    }
    template <int vectors, int groups, int... i> constexpr void fill(std::integer_sequence<int, i...>) {
        ((table[vectors][groups][i + 1] = gradient_tile<T, groups, i + 1, vectors>), ...);
    }
};
template <class T> inline constexpr GradientTiles<T> gradient_tiles{};

// The rows, and then the groups, are cut into tiles.
template <class T> void add_window_gradient(const WindowGradient<T>& g) {
    const Index vectors = (g.columns + lanes<T> - 1) / lanes<T>, most = window_rows[vectors];
    const Panels rows = Panels::of(g.rows, most);
    const Index together = g.rows > most_rows_of_groups ? 1 : most / g.rows;
    const Panels groups = Panels::of(g.groups, together < most_gradient_groups ? together : most_gradient_groups);
    for (Index i = 0; i < groups.count; ++i)
        for (Index r = 0; r < rows.count; ++r) {
            WindowGradient<T> tile = g;
            tile.x += groups.start(i) * g.x_group + rows.start(r);
            tile.gradient += groups.start(i) * g.gradient_group + rows.start(r) * g.gradient_row;
            gradient_tiles<T>.table[vectors][groups.size(i)][rows.size(r)](tile);
        }
}

// ---- Depthwise convolution: channel by channel

// f(first, count) for pieces of n, four of them together and then the rest: chains of additions that wait for each
// other's latency. The count is a constant.
template <class F> FASTNET_INLINE void by_fours(Index n, F f) {
    Index i = 0;
    for (; i + 4 <= n; i += 4)
        f(i, std::integral_constant<int, 4>());
    switch (n - i) {
    case 3:
        return f(i, std::integral_constant<int, 3>());
    case 2:
        return f(i, std::integral_constant<int, 2>());
    case 1:
        return f(i, std::integral_constant<int, 1>());
    default:
        return;
    }
}

template <class T> void multiply_by_channel(const WindowLine<T>& line) {
    for_vectors<T>(line.columns, [&](Index j, Index n) {
        const Vec<T> start = line.bias ? load_some(line.bias + j, n) : Vec<T>{};
        by_fours(line.pixels, [&](Index p, auto together) __attribute__((always_inline)) {
            constexpr int count = decltype(together)::value;
            const Index first = line.first + p * line.x_step + j;
            Vec<T> sums[count];
            for (int i = 0; i < count; ++i)
                sums[i] = start;
            for (const Tap* tap = line.taps; tap != line.taps_end; ++tap) {
                const Vec<T> weight = load_some(line.weights + tap->row * line.columns + j, n);
                for (int i = 0; i < count; ++i)
                    sums[i] =
                        multiply_add<T>(load_some(line.x + (first + i * line.x_step + tap->x), n), weight, sums[i]);
            }
            for (int i = 0; i < count; ++i)
                store_some(line.y + (p + i) * line.y_step + j, sums[i], n);
        });
    });
}

// Groups are taps; each has one row of weights, one for every channel.
template <class T> void add_gradient_by_channel(const WindowGradient<T>& g) {
    for_vectors<T>(g.columns, [&](Index j, Index n) {
        by_fours(g.groups, [&](Index first, auto together) __attribute__((always_inline)) {
            constexpr int count = decltype(together)::value;
            T* const gradient = g.gradient + first * g.gradient_group + j;
            Vec<T> sums[count];
            for (int i = 0; i < count; ++i)
                sums[i] = load_some(gradient + i * g.gradient_group, n);
            for (Index l = 0; l < g.lines; ++l)
                for (Index p = 0; p < g.pixels; ++p) {
                    const Vec<T> slope = load_some(g.dy + l * g.dy_line + p * g.dy_step + j, n);
                    const T* const x = g.x + l * g.x_line + p * g.x_step + first * g.x_group + j;
                    for (int i = 0; i < count; ++i)
                        sums[i] = multiply_add<T>(load_some(x + i * g.x_group, n), slope, sums[i]);
                }
            for (int i = 0; i < count; ++i)
                store_some(gradient + i * g.gradient_group, sums[i], n);
        });
    });
}
