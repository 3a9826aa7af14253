// Sums of products of bfloat16, in the order that operands.h defines. Block by block it is sum + (first + second),
// where each of the two is a chain of Form::chain packed values that starts from zero. Included by multiplication.h.

// A chain of n packed values for a tile: take(i, v, sum) gets the sum of row i and vector v. It is called while the
// last multiply-adds are in flight, not after them. A dozen stores at once cost a Zen 3 as much as 38 multiply-adds;
// one by one they cost nothing. a and b advance past the chain.
template <class Form, int rows, int vectors, int together, int pointers, class T, class Take>
FASTNET_INLINE void add_chain(Index n, const T* (&a)[pointers], Index a_row, Index a_step, const T*& b, Index b_step,
                              Take take) {
    Vec<T> sums[rows][vectors] = {};
    const auto step = [&](auto take_each) __attribute__((always_inline)) {
        Vec<T> bv[vectors];
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            bv[v] = load(b + v * lanes<T>);
#pragma GCC unroll 16
        for (int i = 0; i < rows; ++i) {
            const Vec<T> av = Form::broadcast(a[i / together] + i % together * a_row);
#pragma GCC unroll 4
            for (int v = 0; v < vectors; ++v) {
                sums[i][v] = Form::multiply_add(av, bv[v], sums[i][v]);
                take_each(i, v, sums[i][v]);
            }
        }
#pragma GCC unroll 4
        for (int g = 0; g < pointers; ++g) {
            a[g] += a_step;
            if constexpr (pointers > 1)
                keep_in_register(a[g]);
        }
        b += b_step;
    };
#pragma GCC unroll 1
    for (Index p = 1; p < n; ++p)
        step([](int, int, Vec<T>) __attribute__((always_inline)) {});
    keep_order();
    step([&](int i, int v, Vec<T> sum) __attribute__((always_inline)) {
        take(i, v, sum);
        keep_order();
    });
}

// As many as a tile has sums. No machine has more registers for them.
inline constexpr int most_registers = 32;
template <class T> alignas(64) inline constexpr T zeros[most_registers * lanes<T>] = {};

// All sums of a tile along k.
template <class Form, int rows, int vectors, bool packed, class Tile, class T = typename Form::Value>
FASTNET_INLINE void accumulate_chains(const Tile& t, Vec<T> (&sums)[rows][vectors]) {
    // Rows share pointers as in accumulate_along_k.
    constexpr int together = packed ? rows : 4, pointers = (rows + together - 1) / together;
    const Index a_row = packed ? 1 : t.a_row, a_step = packed ? rows : t.a_step;
    const T* a[pointers];
    for (int g = 0; g < pointers; ++g)
        a[g] = t.a + g * together * a_row;
    const T* b = t.b;
    // Kept in memory, because a chain takes the registers.
    alignas(64) T firsts[rows * vectors * lanes<T>], totals[rows * vectors * lanes<T>];
    const auto place = [](int i, int v) { return (i * vectors + v) * lanes<T>; };
    const auto add = [&](Index n, auto take) __attribute__((always_inline)) {
        add_chain<Form, rows, vectors, together>(n, a, a_row, a_step, b, t.b_step, take);
    };
    static_assert(rows * vectors <= most_registers);
    const T* before = zeros<T>;  // read from here, because storing them in totals would delay the first block
    Index left = t.k;            // at least one, or totals would stay empty
    do {
        const auto begin = [&](int i, int v, Vec<T> first)
                               __attribute__((always_inline)) { store(firsts + place(i, v), first); };
        const auto end = [&](int i, int v, Vec<T> second) __attribute__((always_inline)) {
            store(totals + place(i, v), load(before + place(i, v)) + (load(firsts + place(i, v)) + second));
        };
        const Index rest = left - Form::chain;
        add(rest < 0 ? left : Form::chain, begin);
        if (rest > 0) {
            add(rest < Form::chain ? rest : Form::chain, end);
        } else {
            for (int i = 0; i < rows; ++i)
                for (int v = 0; v < vectors; ++v)
                    end(i, v, Vec<T>{});
        }
        before = totals;
        left -= 2 * Form::chain;
    } while (left > 0);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; ++v)
            sums[i][v] = load(totals + place(i, v));
}

// sums[j] = a[0] b[j] + a[a_step] b[b_row + j] + ... over k rows of B, a few of them side by side: one chain.
template <class Form, class T>
FASTNET_INLINE void add_rows(Index k, const T* a, Index a_step, const T* b, Index b_row, Index n, T* sums) {
    const auto add = [&](Index i, Index j, Index m, Vec<T> s) __attribute__((always_inline)) {
        return multiply_add<T>(Form::read(broadcast(a[i * a_step])), Form::read(load_some(b + i * b_row + j, m)), s);
    };
    const auto add_one = [&](auto from) __attribute__((always_inline)) {
        for_vectors<T>(n, [&](Index j, Index m) { store(sums + j, add(0, j, m, from(j))); });
        --k, a += a_step, b += b_row;
    };
    const auto add_four = [&](auto from) __attribute__((always_inline)) {
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> two = add(1, j, m, add(0, j, m, from(j)));
            store(sums + j, add(3, j, m, add(2, j, m, two)));
        });
        k -= 4, a += 4 * a_step, b += 4 * b_row;
    };
    const auto zero = [](Index) { return Vec<T>{}; };
    const auto before = [&](Index j) { return load(sums + j); };
    k < 4 ? add_one(zero) : add_four(zero);
    while (k >= 4)
        add_four(before);
    while (k > 0)
        add_one(before);
}

// The same with all chains of k rows, for up to `most` columns. Adds their total to sums[j].
template <class Form, Index most, class T>
FASTNET_INLINE void add_chains_of_rows(Index k, const T* a, Index a_step, const T* b, Index b_row, Index n, T* sums) {
    alignas(64) T chains[2][most];
    while (k > 0) {
        Index count = 0;
        for (; count < 2 && k > 0; ++count, k -= Form::chain) {
            add_rows<Form>(k < Form::chain ? k : Form::chain, a, a_step, b, b_row, n, chains[count]);
            a += Form::chain * a_step, b += Form::chain * b_row;
        }
        for_vectors<T>(n, [&](Index j, Index) {
            const Vec<T> second = count > 1 ? load(chains[1] + j) : Vec<T>{};
            store(sums + j, load(sums + j) + (load(chains[0] + j) + second));
        });
    }
}

// The sum along k, where chain(p, end) adds up the terms p to end from zero. Without chains it is chain(0, k).
template <class Form, class T, class Chain> FASTNET_INLINE Vec<T> sum_of_chains(Index k, Chain chain) {
    if constexpr (Form::chain == 0) {
        return chain(0, k);
    } else {
        constexpr Index terms = Form::chain * Form::terms;
        Vec<T> sums{};
        for (Index p = 0; p < k; p += 2 * terms) {
            const Index middle = p + terms < k ? p + terms : k, end = p + 2 * terms < k ? p + 2 * terms : k;
            const Vec<T> first = chain(p, middle);
            sums = sums + (first + chain(middle, end));
        }
        return sums;
    }
}
