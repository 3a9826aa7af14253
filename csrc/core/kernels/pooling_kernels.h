// Pooling, and sums over pixels. Included by kernels_impl.h.

template <class T> void add_pixels(Index pixels, Index channels, const T* x, T* sums) {
    for_vectors<T>(channels, [&](Index j, Index n) {
        constexpr Index chains = 4;
        Vec<T> parts[chains] = {};
        for (Index p = 0; p < pixels; p += chains)
            for (Index i = 0; i < chains; ++i)
                if (p + i < pixels)
                    parts[i] = parts[i] + load_some(x + (p + i) * channels + j, n);
        store_some(sums + j, load_some(sums + j, n) + ((parts[0] + parts[1]) + (parts[2] + parts[3])), n);
    });
}

// Calls visit(value, number) with the values of a window in the order of the image.
template <class T, class Visit>
FASTNET_INLINE void for_window(const PoolLine<T>& line, Index pixel, Index j, Index n, Visit visit) {
    const T* const x = line.x + pixel * line.x_step + j;
    Index number = 0;
    for (Index v = 0; v < line.height; ++v)
        for (Index u = 0; u < line.width; ++u, ++number)
            visit(load_some(x + v * line.x_line + u * line.channels, n), number);
}

// The same for the places of dx, which visit returns the values to add to.
template <class T, class Visit>
FASTNET_INLINE void add_to_window(const PoolLine<T>& line, Index pixel, Index j, Index n, Visit visit) {
    T* const dx = line.dx + pixel * line.x_step + j;
    Index number = 0;
    for (Index v = 0; v < line.height; ++v)
        for (Index u = 0; u < line.width; ++u, ++number) {
            T* const at = dx + v * line.x_line + u * line.channels;
            store_some(at, load_some(at, n) + visit(number), n);
        }
}

// NaN in a window gives NaN.
template <class T> void pool_largest(const PoolLine<T>& line) {
    for (Index p = 0; p < line.pixels; ++p)
        for_vectors<T>(line.channels, [&](Index j, Index n) {
            Vec<T> best = load_some(line.x + p * line.x_step + j, n);
            for_window(line, p, j, n, [&](Vec<T> value, Index) { best = larger<T>(best, value); });
            store_some(line.y + p * line.channels + j, best, n);
        });
}

// The first of the largest values gets the gradient.
template <class T> void pool_largest_backward(const PoolLine<T>& line) {
    for (Index p = 0; p < line.pixels; ++p)
        for_vectors<T>(line.channels, [&](Index j, Index n) {
            Vec<T> best = load_some(line.x + p * line.x_step + j, n);
            Bits<T> place{};
            for_window(line, p, j, n, [&](Vec<T> value, Index number) {
                const Bits<T> wins = (value > best) | (value != value);
                best = select<T>(wins, value, best);
                place = wins ? Bits<T>{} + static_cast<Integer<T>>(number) : place;
            });
            const Vec<T> slope = load_some(line.dy + p * line.channels + j, n);
            add_to_window(line, p, j, n, [&](Index number) {
                return select<T>(place == static_cast<Integer<T>>(number), slope, Vec<T>{});
            });
        });
}

template <class T> void pool_average(const PoolLine<T>& line) {
    const T count = static_cast<T>(line.height * line.width);
    for (Index p = 0; p < line.pixels; ++p)
        for_vectors<T>(line.channels, [&](Index j, Index n) {
            Vec<T> total{};
            for_window(line, p, j, n, [&](Vec<T> value, Index) { total = total + value; });
            store_some(line.y + p * line.channels + j, total / count, n);
        });
}

template <class T> void pool_average_backward(const PoolLine<T>& line) {
    const T count = static_cast<T>(line.height * line.width);
    for (Index p = 0; p < line.pixels; ++p)
        for_vectors<T>(line.channels, [&](Index j, Index n) {
            const Vec<T> slope = load_some(line.dy + p * line.channels + j, n) / count;
            add_to_window(line, p, j, n, [&](Index) { return slope; });
        });
}
