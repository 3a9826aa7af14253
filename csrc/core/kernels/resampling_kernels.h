// Values of images between their pixels, and their levels. Included by kernels_impl.h.
//
// Products are rounded before they are added, so the bits are the same on every instruction set.

template <class T> FASTNET_INLINE Vec<T> multiply_apart(Vec<T> a, Vec<T> b) { return kept_apart<T>(a * b); }

// The pixels of a vector: where the values of the upper left one of the four that surround each begin, and the shares
// of the four.
template <class T> struct Surroundings {
    alignas(64) Integer<T> places[lanes<T>];
    Vec<T> shares[4];
};

// Positions along one axis, and the number of the pixel at or before each: the nearest one if `nearest`.
template <class T> struct Positions {
    Vec<T> share;  // of the pixel behind
    Bits<T> number;

    FASTNET_INLINE Positions(const SampledAxis<T>& axis, bool nearest, Index p, Index n) {
        const Bits<T> lane = lane_numbers<T>(std::make_integer_sequence<int, lanes<T>>());
        const Vec<T> count = __builtin_convertvector(lane + static_cast<Integer<T>>(p), Vec<T>);
        Vec<T> at = multiply_apart<T>(count, broadcast(axis.step)) + axis.first;
        if (axis.moved)
            at = at + load_some(axis.moved + p, n);
        at = minimum<T>(maximum<T>(at, broadcast(axis.lowest)), broadcast(axis.highest));
        const Bits<T> whole = __builtin_convertvector(at, Bits<T>);
        number = whole + (__builtin_convertvector(whole, Vec<T>) > at);  // a true comparison is -1
        share = at - __builtin_convertvector(number, Vec<T>);
        if (nearest)  // halves away from zero, as in Keras
            number = number - ((share > T(0.5)) | ((share == T(0.5)) & (at > T(0))));
    }
};

template <class T> FASTNET_INLINE void find_shares(Vec<T> down, Vec<T> right, Vec<T> (&shares)[4]) {
    const Vec<T> above = T(1) - down, before = T(1) - right;
    shares[0] = multiply_apart<T>(above, before), shares[1] = multiply_apart<T>(above, right);
    shares[2] = multiply_apart<T>(down, before), shares[3] = multiply_apart<T>(down, right);
}

template <class T>
FASTNET_INLINE void find_surroundings(const SampledLine<T>& line, Index p, Index n, Surroundings<T>& found) {
    const Positions<T> y(line.y, line.nearest, p, n), x(line.x, line.nearest, p, n);
    const Bits<T> places =
        y.number * static_cast<Integer<T>>(line.source_line) + x.number * static_cast<Integer<T>>(line.channels);
    __builtin_memcpy(found.places, &places, sizeof places);
    find_shares<T>(y.share, x.share, found.shares);
}

// Two neighboring values of every lane, the first and the second. Lanes behind the end of a line lie within the limits,
// too.
template <class T, int... i>
FASTNET_INLINE void gather_pairs(const T* from, const Integer<T>* places, std::integer_sequence<int, i...>,
                                 Vec<T>& first, Vec<T>& second) {
    first = Vec<T>{from[places[i]]...}, second = Vec<T>{from[places[i] + 1]...};
}

// A pair of floats is loaded as one double. In every 16 bytes `low` has lanes 0 and 1, and `high` lanes 2 and 3.
FASTNET_INLINE double load_pair(const float* pair) {
    double bits;
    __builtin_memcpy(&bits, pair, sizeof bits);
    return bits;
}
template <int... i, int... k>
FASTNET_INLINE void gather_float_pairs(const float* from, const std::int32_t* places, std::integer_sequence<int, i...>,
                                       std::integer_sequence<int, k...>, Vec<float>& first, Vec<float>& second) {
    const auto low = reinterpret_cast<Vec<float>>(Vec<double>{load_pair(from + places[k / 2 * 4 + k % 2])...});
    const auto high = reinterpret_cast<Vec<float>>(Vec<double>{load_pair(from + places[k / 2 * 4 + k % 2 + 2])...});
    constexpr int all = sizeof...(i);
    first = __builtin_shufflevector(low, high, (i / 4 * 4 + i % 2 * 2 + (i % 4 < 2 ? 0 : all))...);
    second = __builtin_shufflevector(low, high, (i / 4 * 4 + i % 2 * 2 + 1 + (i % 4 < 2 ? 0 : all))...);
}

template <class T>
FASTNET_INLINE void load_pairs(const T* from, const Integer<T>* places, bool run, Vec<T>& first, Vec<T>& second) {
    constexpr auto all = std::make_integer_sequence<int, lanes<T>>();
    if (run)
        first = load(from + places[0]), second = load(from + places[0] + 1);
    else if constexpr (sizeof(T) == 4)
        gather_float_pairs(from, places, all, std::make_integer_sequence<int, lanes<T> / 2>(), first, second);
    else
        gather_pairs<T>(from, places, all, first, second);
}

// Whether every lane has its place right behind the one before.
template <class T> FASTNET_INLINE bool are_run(const Integer<T>* places) {
    bool run = true;
    for (Index i = 1; i < lanes<T>; ++i)
        run &= places[i] == places[0] + i;
    return run;
}

template <class T> FASTNET_INLINE Vec<T> add_shares(const Vec<T> (&shares)[4], const Vec<T> (&values)[4]) {
    Vec<T> sum = multiply_apart<T>(shares[0], values[0]);
    for (int k = 1; k < 4; ++k)
        sum = sum + multiply_apart<T>(shares[k], values[k]);
    return sum;
}

// The values of pixels of one channel, whose surroundings begin at these places behind `from`.
template <class T>
FASTNET_INLINE Vec<T> sample_pixels(const SampledLine<T>& line, const T* from, const Integer<T>* places, bool run,
                                    const Vec<T> (&shares)[4]) {
    Vec<T> values[4];
    load_pairs<T>(from, places, run, values[0], values[1]);
    if (line.nearest)
        return values[0];
    load_pairs<T>(from + line.source_line, places, run, values[2], values[3]);
    return add_shares<T>(shares, values);
}

template <class T> FASTNET_INLINE void share_of_lane(const Surroundings<T>& all, Index lane, Vec<T> (&shares)[4]) {
    for (int k = 0; k < 4; ++k)
        shares[k] = broadcast(all.shares[k][lane]);
}

// Finds the surroundings of a few vectors before it reads any: the two are long chains of instructions, and those of
// different vectors run side by side.
template <class T> void sample_line_of_one_channel(const SampledLine<T>& line) {
    constexpr Index most = 4;
    for (Index first = 0; first < line.pixels; first += most * lanes<T>) {
        Surroundings<T> found[most];
        const Index left = line.pixels - first, pixels = left < most * lanes<T> ? left : most * lanes<T>;
        for_vectors<T>(pixels, [&](Index p, Index n) { find_surroundings(line, first + p, n, found[p / lanes<T>]); });
        for_vectors<T>(pixels, [&](Index p, Index n) {
            const Surroundings<T>& here = found[p / lanes<T>];
            store_some(line.result + first + p, sample_pixels<T>(line, line.source, here.places, false, here.shares),
                       n);
        });
    }
}

template <class T> void sample_line(const SampledLine<T>& line) {
    if (line.channels == 1)
        return sample_line_of_one_channel(line);
    for_vectors<T>(line.pixels, [&](Index p, Index n) {
        Surroundings<T> found;
        find_surroundings(line, p, n, found);
        for (Index i = 0; i < n; ++i) {
            Vec<T> shares[4];
            share_of_lane(found, i, shares);
            const T* const from = line.source + found.places[i];
            T* const to = line.result + (p + i) * line.channels;
            for_vectors<T>(line.channels, [&](Index j, Index m) {
                const auto at = [&](Index further) { return load_some(from + further + j, m); };
                if (line.nearest)
                    return store_some(to + j, at(0), m);
                const Vec<T> values[4] = {at(0), at(line.channels), at(line.source_line),
                                          at(line.source_line + line.channels)};
                store_some(to + j, add_shares<T>(shares, values), m);
            });
        }
    });
}

// Lines of one channel that lie level in the source. So all have the same positions along a line, which may be a run.
template <class T> void sample_level_lines(const SampledLine<T>& line, Index lines, const T* heights) {
    for_vectors<T>(line.pixels, [&](Index p, Index n) {
        const Positions<T> x(line.x, line.nearest, p, n);
        alignas(64) Integer<T> places[lanes<T>];
        __builtin_memcpy(places, &x.number, sizeof places);
        const bool run = are_run<T>(places);
        for (Index r = 0; r < lines; ++r) {
            const Positions<T> y({heights[r], T(0), nullptr, line.y.lowest, line.y.highest}, line.nearest, 0, lanes<T>);
            Vec<T> shares[4];
            find_shares<T>(y.share, x.share, shares);
            const T* const from = line.source + static_cast<Index>(y.number[0]) * line.source_line;
            store_some(line.result + r * line.pixels + p, sample_pixels<T>(line, from, places, run, shares), n);
        }
    });
}

template <class T> void sample_line_backward(const SampledLine<T>& line) {
    for_vectors<T>(line.pixels, [&](Index p, Index n) {
        Surroundings<T> found;
        find_surroundings(line, p, n, found);
        for (Index i = 0; i < n; ++i) {
            Vec<T> shares[4];
            share_of_lane(found, i, shares);
            T* const to = line.gradient + found.places[i];
            for_vectors<T>(line.channels, [&](Index j, Index m) {
                const Vec<T> slope = load_some(line.slopes + (p + i) * line.channels + j, m);
                const auto add = [&](Index further, Vec<T> value) {
                    store_some(to + further + j, load_some(to + further + j, m) + value, m);
                };
                if (line.nearest)
                    return add(0, slope);
                add(0, multiply_apart<T>(shares[0], slope));
                add(line.channels, multiply_apart<T>(shares[1], slope));
                add(line.source_line, multiply_apart<T>(shares[2], slope));
                add(line.source_line + line.channels, multiply_apart<T>(shares[3], slope));
            });
        }
    });
}

// y[j] = the sum over k of weights[k] x[k * step + j] for j < n.
template <class T> void blur(Index n, Index taps, const T* weights, const T* x, Index step, T* y) {
    for_vectors<T>(n, [&](Index j, Index m) {
        Vec<T> total{};
        for (Index k = 0; k < taps; ++k)
            total = total + multiply_apart<T>(load_some(x + k * step + j, m), broadcast(weights[k]));
        store_some(y + j, total, m);
    });
}

// Calls visit(offset, count, values before the limits) for vectors of an image.
template <class T, class Visit> FASTNET_INLINE void for_levels(const Levels<T>& levels, const T* x, Visit visit) {
    const auto adjust = [&](Index at, Index n, Vec<T> center, Vec<T> offset) {
        visit(at, n, multiply_apart<T>(load_some(x + at, n) - center, broadcast(levels.factor)) + offset);
    };
    if (levels.channels == 1)
        return for_vectors<T>(levels.pixels, [&](Index p, Index n) {
            adjust(p, n, broadcast(levels.center[0]), broadcast(levels.offset[0]));
        });
    for (Index p = 0; p < levels.pixels; ++p)
        for_vectors<T>(levels.channels, [&](Index j, Index n) {
            adjust(p * levels.channels + j, n, load_some(levels.center + j, n), load_some(levels.offset + j, n));
        });
}

template <class T> void adjust_levels(const Levels<T>& levels, const T* x, T* y) {
    for_levels(levels, x, [&](Index at, Index n, Vec<T> value) {
        store_some(y + at, minimum<T>(broadcast(levels.high), maximum<T>(broadcast(levels.low), value)), n);
    });
}

template <class T> void adjust_levels_backward(const Levels<T>& levels, const T* x, const T* dy, T* dx) {
    for_levels(levels, x, [&](Index at, Index n, Vec<T> value) {
        const Bits<T> inside = (value >= levels.low) & (value <= levels.high);
        store_some(dx + at, select<T>(inside, load_some(dy + at, n), Vec<T>{}), n);
    });
}
