// Random numbers that depend only on where they are used. A counter is encrypted with a key, so that any thread can
// compute the numbers of any row. Included by kernels_impl.h.
//
// Threefry-4x32 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), with the 12
// rounds that pass all of BigCrush there. It needs only additions, rotations and exclusive ors of 32 bits, which every
// instruction set has for vectors.

inline constexpr int random_rounds = 12;
inline constexpr Index random_block = 64;  // numbers computed at a time

typedef std::uint32_t Words __attribute__((vector_size(FASTNET_VECTOR_BYTES)));
inline constexpr Index word_lanes = FASTNET_VECTOR_BYTES / 4;

FASTNET_INLINE Words rotate(Words x, int bits) { return (x << bits) | (x >> (32 - bits)); }

FASTNET_INLINE void threefry(Words (&x)[4], const std::uint32_t (&key)[4]) {
    constexpr int rotations[8][2] = {{10, 26}, {11, 21}, {13, 27}, {23, 5}, {6, 20}, {17, 11}, {25, 10}, {18, 20}};
    const std::uint32_t schedule[5] = {key[0], key[1], key[2], key[3], 0x1bd11bdau ^ key[0] ^ key[1] ^ key[2] ^ key[3]};
    for (int i = 0; i < 4; ++i)
        x[i] += schedule[i];
#pragma GCC unroll 12
    for (int round = 0; round < random_rounds; ++round) {
        const int a = round % 2 ? 3 : 1, b = 4 - a;
        x[0] += x[a];
        x[a] = rotate(x[a], rotations[round % 8][0]) ^ x[0];
        x[2] += x[b];
        x[b] = rotate(x[b], rotations[round % 8][1]) ^ x[2];
        if (round % 4 == 3) {
            const int injection = (round + 1) / 4;
            for (int i = 0; i < 4; ++i)
                x[i] += schedule[(injection + i) % 5];
            x[3] += static_cast<std::uint32_t>(injection);
        }
    }
}

// The numbers 64 block to 64 block + 63 of a row. The order does not depend on the width of a vector: number 16 w + l
// of a block is word w of the counter (16 block + l, row, step).
inline void random_words(const RandomRow& row, Index block, std::uint32_t* words) {
    constexpr Index counters = random_block / 4;
    const std::uint32_t key[4] = {static_cast<std::uint32_t>(row.seed), static_cast<std::uint32_t>(row.seed >> 32),
                                  static_cast<std::uint32_t>(row.stream), 0};
    for (Index first = 0; first < counters; first += word_lanes) {
        std::uint32_t numbers[word_lanes];
        for (Index i = 0; i < word_lanes; ++i)
            numbers[i] = static_cast<std::uint32_t>(block * counters + first + i);
        Words x[4];
        __builtin_memcpy(&x[0], numbers, sizeof numbers);
        x[1] = Words{} + static_cast<std::uint32_t>(row.row);
        x[2] = Words{} + static_cast<std::uint32_t>(row.step);
        x[3] = Words{} + static_cast<std::uint32_t>(row.step >> 32);
        threefry(x, key);
        for (int w = 0; w < 4; ++w)
            __builtin_memcpy(words + w * counters + first, &x[w], sizeof x[w]);
    }
}

// Calls f(offset, count, words) for the vectors of a row of n values.
template <class T, class F> FASTNET_INLINE void for_random_vectors(const RandomRow& row, Index n, F f) {
    alignas(64) std::uint32_t words[random_block];
    for (Index first = 0; first < n; first += random_block) {
        random_words(row, first / random_block, words);
        const Index count = n - first < random_block ? n - first : random_block;
        for_vectors<T>(count, [&](Index j, Index m) { f(first + j, m, words + j); });
    }
}

// Numbers in [0, 1) of 24 bits, the same in float and double.
template <class T> FASTNET_INLINE Vec<T> uniform(const std::uint32_t* words) {
    typedef std::uint32_t Some __attribute__((vector_size(4 * lanes<T>)));
    typedef std::int32_t Signed __attribute__((vector_size(4 * lanes<T>)));
    Some some;
    __builtin_memcpy(&some, words, sizeof some);
    return __builtin_convertvector(reinterpret_cast<Signed>(some >> 8), Vec<T>) * static_cast<T>(0x1p-24);
}

// The first n numbers of a row, in [0, 1).
template <class T> void uniform_row(const RandomRow& row, Index n, T* numbers) {
    for_random_vectors<T>(
        row, n, [&](Index j, Index m, const std::uint32_t* words) { store_some(numbers + j, uniform<T>(words), m); });
}

// The normal distribution's quantile sqrt(2) erfinv(x), -1 < x < 1, to 1e-6: Giles, "Approximating the erfinv
// function", GPU Computing Gems Jade Edition, 2011, ch. 10.
template <class T> FASTNET_INLINE Vec<T> normal_quantile(Vec<T> x) {
    constexpr T central[] = {T(2.81022636e-08),  T(3.43273939e-07), T(-3.5233877e-06),
                             T(-4.39150654e-06), T(0.00021858087),  T(-0.00125372503),
                             T(-0.00417768164),  T(0.246640727),    T(1.50140941)};
    constexpr T tail[] = {T(-0.000200214257), T(0.000100950558), T(0.00134934322), T(-0.00367342844), T(0.00573950773),
                          T(-0.0076224613),   T(0.00943887047),  T(1.00167406),    T(2.83297682)};
    const Vec<T> w = -log<T>((T(1) - x) * (T(1) + x));
    const Vec<T> p =
        select<T>(w < T(5), polynomial<T>(w - T(2.5), central), polynomial<T>(square_root<T>(w) - T(3), tail));
    return p * x * static_cast<T>(1.41421356237309504880);
}

// Inverted dropout: y = x mask. The mask, which is kept for the backward pass, is 0 with a probability of `rate` and 1
// / (1 - rate) otherwise.
template <class T> void dropout(const RandomRow& row, Index n, const T* x, T rate, T* mask, T* y) {
    const T scale = T(1) / (T(1) - rate);
    for_random_vectors<T>(row, n, [&](Index j, Index m, const std::uint32_t* words) {
        const Bits<T> dropped = uniform<T>(words) < rate;
        store_some(mask + j, select<T>(dropped, Vec<T>{}, broadcast(scale)), m);
        store_some(y + j, select<T>(dropped, Vec<T>{}, load_some(x + j, m) * scale), m);
    });
}

// y = x + deviation times a number from the normal distribution.
template <class T> void add_noise(const RandomRow& row, Index n, const T* x, T deviation, T* y) {
    for_random_vectors<T>(row, n, [&](Index j, Index m, const std::uint32_t* words) {
        const Vec<T> middle = uniform<T>(words) * T(2) + (static_cast<T>(0x1p-24) - T(1));  // never -1 or 1
        store_some(y + j, load_some(x + j, m) + normal_quantile<T>(middle) * deviation, m);
    });
}
