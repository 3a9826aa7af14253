// Pooling, and sums over pixels. Included by kernels_impl.h.

// sums[j] += the sum of x[p * channels + j] over the pixels, in four interleaved chains.
template <class T> void add_pixels(Index pixels, Index channels, const T* x, T* sums) {
    constexpr Index chains = 4, together = 2;
    const auto add = [&](Index j, auto vectors, Index n) {
        Vec<T> parts[chains][vectors] = {};
        for (Index p = 0; p < pixels; p += chains)
            for (Index i = 0; i < chains; ++i)
                for (Index v = 0; p + i < pixels && v < vectors; ++v)
                    parts[i][v] = parts[i][v] + load_some(x + (p + i) * channels + j + v * lanes<T>, n);
        for (Index v = 0; v < vectors; ++v) {
            T* const at = sums + j + v * lanes<T>;
            store_some(at, load_some(at, n) + ((parts[0][v] + parts[1][v]) + (parts[2][v] + parts[3][v])), n);
        }
    };
    Index j = 0;
    for (; j + together * lanes<T> <= channels; j += together * lanes<T>)
        add(j, std::integral_constant<Index, together>(), lanes<T>);
    for_vectors<T>(channels - j, [&](Index k, Index n) { add(j + k, std::integral_constant<Index, 1>(), n); });
}

// y[p * step + j] += x[p * columns + j] for every pixel p and j < columns.
template <class T> void add_overlapping(Index pixels, Index columns, Index step, const T* x, T* y) {
    for (Index p = 0; p < pixels; ++p, x += columns, y += step)
        for_vectors<T>(columns,
                       [&](Index j, Index n) { store_some(y + j, load_some(y + j, n) + load_some(x + j, n), n); });
}

// The size of a window: known when compiled, for the usual one, or not.
template <Index size> struct WindowOf {
    template <class T> WindowOf(const PoolLine<T>&) {}
    static constexpr Index height = size, width = size;
};
template <> struct WindowOf<0> {
    template <class T> WindowOf(const PoolLine<T>& line) : height(line.height), width(line.width) {}
    const Index height, width;
};

// Calls visit(values, number) with the places of a window in the order of the image.
template <class Window, class P, class Visit>
FASTNET_INLINE void for_window(const Window& window, P* first, Index line, Index channels, Visit visit) {
    Index number = 0;
    for (Index v = 0; v < window.height; ++v)
        for (Index u = 0; u < window.width; ++u, ++number)
            visit(first + v * line + u * channels, number);
}

// Calls visit(pixel, j, n) for n channels of every window from j on. With less than a vector of channels, whole vectors
// are read and written as long as they end in the line, if later windows overwrite what does not belong to a window.
template <bool overwritten = true, class T, class Visit>
FASTNET_INLINE void for_windows(const PoolLine<T>& line, Visit visit) {
    Index p = 0;
    if (overwritten && line.channels < lanes<T>)
        for (; (line.pixels - 1 - p) * line.channels >= lanes<T>; ++p)
            visit(p, Index(0), lanes<T>);
    for (; p < line.pixels; ++p)
        for_vectors<T>(line.channels, [&](Index j, Index n) { visit(p, j, n); });
}

// Places of vectors, one byte each.
template <class T> FASTNET_INLINE Bits<T> load_places(const unsigned char* places) {
    typedef unsigned char Bytes __attribute__((vector_size(lanes<T>)));
    Bytes bytes;
    __builtin_memcpy(&bytes, places, sizeof bytes);
    return __builtin_convertvector(bytes, Bits<T>);
}
template <class T> FASTNET_INLINE void store_places(unsigned char* places, Bits<T> values, Index n) {
    typedef unsigned char Bytes __attribute__((vector_size(lanes<T>)));
    const Bytes bytes = __builtin_convertvector(values, Bytes);
    if (n == lanes<T>)
        return static_cast<void>(__builtin_memcpy(places, &bytes, sizeof bytes));
    unsigned char each[lanes<T>];
    __builtin_memcpy(each, &bytes, sizeof bytes);
    for (Index i = 0; i < n; ++i)
        places[i] = each[i];
}

// The largest values of a window and the places of the first of them. NaN counts as largest.
template <class Window, class T>
FASTNET_INLINE Vec<T> find_largest(const Window& window, const T* x, const PoolLine<T>& line, Index n, Bits<T>& place) {
    Vec<T> best = load_some(x, n);
    place = Bits<T>{};
    for_window(window, x, line.x_line, line.channels, [&](const T* at, Index number) {
        if (number == 0)
            return;
        const Vec<T> value = load_some(at, n);
        const Bits<T> wins = (value > best) | (value != value);
        best = select<T>(wins, value, best);
        place = wins ? Bits<T>{} + static_cast<Integer<T>>(number) : place;
    });
    return best;
}

// Writes the slope to its place in a window, and zeros elsewhere, or adds it.
template <bool overlap, class Window, class T>
FASTNET_INLINE void place_slope(const Window& window, T* dx, const PoolLine<T>& line, Index n, Vec<T> slope,
                                Bits<T> place) {
    for_window(window, dx, line.x_line, line.channels, [&](T* at, Index number) {
        const Vec<T> own = select<T>(place == static_cast<Integer<T>>(number), slope, Vec<T>{});
        store_some(at, overlap ? load_some(at, n) + own : own, n);
    });
}

template <class T, Index size> void pool_with_places(const PoolLine<T>& line) {
    const WindowOf<size> window(line);
    for_windows(line, [&](Index p, Index j, Index n) {
        Bits<T> place;
        const Vec<T> best = find_largest(window, line.x + p * line.x_step + j, line, n, place);
        store_some(line.y + p * line.channels + j, best, n);
        store_places<T>(line.places + p * line.channels + j, place, n);
    });
}

template <class T, Index size> void place_slopes(const PoolLine<T>& line) {
    const WindowOf<size> window(line);
    for_windows(line, [&](Index p, Index j, Index n) {
        place_slope<false>(window, line.dx + p * line.x_step + j, line, n,
                           load_some(line.dy + p * line.channels + j, n),
                           load_places<T>(line.places + p * line.channels + j));
    });
}

// NaN in a window gives NaN.
template <class T, Index size> void pool_largest_of(const PoolLine<T>& line) {
    const WindowOf<size> window(line);
    for_windows(line, [&](Index p, Index j, Index n) {
        const T* const x = line.x + p * line.x_step + j;
        Vec<T> best = load_some(x, n);
        for_window(window, x, line.x_line, line.channels,
                   [&](const T* at, Index number) { best = number ? larger<T>(best, load_some(at, n)) : best; });
        store_some(line.y + p * line.channels + j, best, n);
    });
}

// The first of the largest values gets the gradient. Where windows do not overlap, it is written, else added.
template <class T, Index size, bool overlap> void pool_largest_backward_of(const PoolLine<T>& line) {
    const WindowOf<size> window(line);
    for_windows<!overlap>(line, [&](Index p, Index j, Index n) {
        Bits<T> place;
        find_largest(window, line.x + p * line.x_step + j, line, n, place);
        place_slope<overlap>(window, line.dx + p * line.x_step + j, line, n,
                             load_some(line.dy + p * line.channels + j, n), place);
    });
}

template <class T> void pool_average(const PoolLine<T>& line) {
    const WindowOf<0> window(line);
    const T count = static_cast<T>(line.height * line.width);
    for_windows(line, [&](Index p, Index j, Index n) {
        Vec<T> total{};
        for_window(window, line.x + p * line.x_step + j, line.x_line, line.channels,
                   [&](const T* at, Index) { total = total + load_some(at, n); });
        store_some(line.y + p * line.channels + j, total / count, n);
    });
}

template <class T, bool overlap> void pool_average_backward_of(const PoolLine<T>& line) {
    const WindowOf<0> window(line);
    const T count = static_cast<T>(line.height * line.width);
    for_windows<!overlap>(line, [&](Index p, Index j, Index n) {
        const Vec<T> slope = load_some(line.dy + p * line.channels + j, n) / count;
        for_window(window, line.dx + p * line.x_step + j, line.x_line, line.channels,
                   [&](T* at, Index) { store_some(at, overlap ? load_some(at, n) + slope : slope, n); });
    });
}

template <class T> void pool_largest(const PoolLine<T>& line) {
    (line.height == 2 && line.width == 2 ? pool_largest_of<T, 2> : pool_largest_of<T, 0>)(line);
}

template <class T> void pool_largest_with_places(const PoolLine<T>& line) {
    (line.height == 2 && line.width == 2 ? pool_with_places<T, 2> : pool_with_places<T, 0>)(line);
}

template <class T> void pool_largest_backward_by_places(const PoolLine<T>& line) {
    (line.height == 2 && line.width == 2 ? place_slopes<T, 2> : place_slopes<T, 0>)(line);
}

template <class T> void pool_largest_backward(const PoolLine<T>& line) {
    const bool usual = line.height == 2 && line.width == 2;
    if (line.overlap)
        pool_largest_backward_of<T, 0, true>(line);
    else
        (usual ? pool_largest_backward_of<T, 2, false> : pool_largest_backward_of<T, 0, false>)(line);
}

template <class T> void pool_average_backward(const PoolLine<T>& line) {
    (line.overlap ? pool_average_backward_of<T, true> : pool_average_backward_of<T, false>)(line);
}
