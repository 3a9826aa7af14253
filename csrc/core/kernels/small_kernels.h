// A training step of small dense networks: products so short that the overhead around them takes longer than they do.
// Included by kernels_impl.h.
//
// Every value is computed by the same chain of operations as in the micro-kernel and the epilogues, so the bits are the
// same. Vectors are read and written whole, even where less than one is left. Rows are written in order, so that the
// excess is overwritten by the next row, and there is room behind the last one (see buffer.h).

// The products of a row x for some vectors of units, the first of which has the weights w. Totals begin with zero, so
// that none of their zeros is negative.
template <int vectors, class T>
FASTNET_INLINE void multiply_units(const SmallLayer<T>& layer, const T* x, const T* w, Vec<T> (&totals)[vectors]) {
    for (Index pass = 0; pass < layer.passes.count; ++pass) {
        Vec<T> sums[vectors] = {};
        for (const T* const end = x + layer.passes.size(pass); x < end; ++x, w += layer.units)
#pragma GCC unroll 8
            for (int v = 0; v < vectors; ++v)
                sums[v] = multiply_add<T>(broadcast(*x), load(w + v * lanes<T>), sums[v]);
#pragma GCC unroll 8
        for (int v = 0; v < vectors; ++v)
            totals[v] = sums[v] + totals[v];
    }
}

// A row of units that fit in a vector, from the products to the activation in registers.
template <class A, class T> FASTNET_INLINE void forward_units(const SmallLayer<T>& layer, const T* x, T* y, T* kept) {
    Vec<T> totals[1] = {};
    multiply_units(layer, x, layer.kernel, totals);
    const Vec<T> z = totals[0] + (layer.bias ? load(layer.bias) : -Vec<T>{});
    if constexpr (keeps_slope<A>)
        if (kept)
            store(kept, A::template slope<T>(z, layer.alpha));
    store(y, A::template forward<T>(z, layer.alpha));
}

// A panel of more units, up to the number that fits in registers. It has `size` vectors, at most `vectors`.
template <int vectors, class T>
void multiply_panel(const SmallLayer<T>& layer, const T* x, Index first, Index size, T* y) {
    if constexpr (vectors > 1)
        if (size < vectors)
            return multiply_panel<vectors - 1>(layer, x, first, size, y);
    Vec<T> totals[vectors] = {};
    multiply_units(layer, x, layer.kernel + first, totals);
    for (int v = 0; v < vectors; ++v)
        store(y + first + v * lanes<T>, totals[v]);
}

template <class T> void multiply_row(const SmallLayer<T>& layer, const T* x, T* y) {
    constexpr int most_vectors = 8;
    const Panels panels = Panels::of((layer.units + lanes<T> - 1) / lanes<T>, most_vectors);
    for (Index i = 0; i < panels.count; ++i)
        multiply_panel<most_vectors>(layer, x, panels.start(i) * lanes<T>, panels.size(i), y);
}

// The products of all rows with more units than a vector has lanes.
template <class T> [[gnu::noinline]] void multiply_all(const SmallLayer<T>& layer, Index rows, const T* x) {
    for (Index i = 0; i < rows; ++i, x += layer.inputs)
        multiply_row(layer, x, layer.output + i * layer.units);
}

template <class A, class T> void small_forward(const SmallLayer<T>& layer, Index rows, const T* x) {
    const Index units = layer.units;
    if (units > lanes<T>) {
        multiply_all(layer, rows, x);
        return forward_elements<A, T>(rows, units, layer.output, units,
                                      {nullptr, layer.bias, layer.kept, units, layer.alpha});
    }
    for (Index at = 0; at < rows * units; at += units, x += layer.inputs)
        forward_units<A>(layer, x, layer.output + at, layer.kept ? layer.kept + at : nullptr);
}

// The products of a row dy with a vector of the kernel's rows, which belong to the inputs j, j + 1, ...
template <class T, class Row> FASTNET_INLINE Vec<T> multiply_rows_of_kernel(const T* dy, Index units, Row row) {
    Vec<T> sums{};
    for (Index p = 0; p < units; p += quad<T>, row.start += quad<T>) {
        Vec<T> columns[quad<T>];
        load_columns<T>(row, columns);
#pragma GCC unroll 4
        for (Index q = 0; q < quad<T>; ++q)
            if (p + q < units)
                sums = multiply_add<T>(broadcast(dy[p + q]), columns[q], sums);
    }
    return sums;
}

template <class T> [[gnu::noinline]] Vec<T> multiply_back(const SmallLayer<T>& layer, const T* dy, Index j) {
    const Index units = layer.units, rest = layer.inputs - j;
    const T* const w = layer.kernel + j * units;
    if (rest < lanes<T>)
        return multiply_rows_of_kernel(dy, units, PartOfVector<T>{w, units, rest});
    return multiply_rows_of_kernel(dy, units, WholeVector<T>{w, units});
}

template <class A, class T>
void small_backward(const SmallLayer<T>& layer, Index rows, const SmallLayer<T>& before) {
    const Index inputs = layer.inputs, units = layer.units;
    for (Index i = 0; i < rows; ++i) {
        const T *const dy = layer.gradient + i * units, *const kept = before.kept + i * inputs;
        T* const dx = before.gradient + i * inputs;
        for (Index j = 0; j < inputs; j += lanes<T>) {
            const Vec<T> sums = units == 1 ? multiply_add<T>(broadcast(*dy), load(layer.kernel + j), Vec<T>{})
                                           : multiply_back(layer, dy, j);
            Vec<T> slope = load(kept + j);
            if constexpr (!keeps_slope<A>)
                slope = A::template derivative<T>(slope, before.alpha);
            store(dx + j, (sums + Vec<T>{}) * slope);
        }
    }
}

// The sums over the rows of a batch. In most small steps it has one row.
template <bool one, class T, class F> FASTNET_INLINE T sum_over_rows(Index rows, T sum, F add) {
    if constexpr (one)
        return add(0, sum);
    for (Index i = 0; i < rows; ++i)
        sum = add(i, sum);
    return sum;
}

// One unit: its weights are contiguous, and so are their gradients. Values behind the last row of x do not belong to
// it.
template <bool one_row, class T>
FASTNET_INLINE void gradients_of_unit(const SmallLayer<T>& layer, Index rows, const T* x) {
    const Index inputs = layer.inputs;
    const T* const dy = layer.gradient;
    for_vectors<T>(inputs, [&](Index p, Index n) {
        const auto add = [&](Index i, Vec<T> sums) {
            return multiply_add<T>(load_some(x + i * inputs + p, n), broadcast(dy[i]), sums);
        };
        store(layer.kernel_gradient + p, sum_over_rows<one_row>(rows, Vec<T>{}, add) + Vec<T>{});
    });
    if (layer.bias)
        layer.kernel_gradient[inputs] = sum_over_rows<one_row>(rows, T(0), [&](Index i, T sum) { return sum + dy[i]; });
}

template <bool one_row, class T>
FASTNET_INLINE void gradients_of_units(const SmallLayer<T>& layer, Index rows, const T* x) {
    const Index inputs = layer.inputs, units = layer.units;
    T* out = layer.kernel_gradient;
    for (Index p = 0; p < inputs; ++p, out += units)
        for (Index j = 0; j < units; j += lanes<T>) {
            const auto add = [&](Index i, Vec<T> sums) {
                return multiply_add<T>(broadcast(x[i * inputs + p]), load(layer.gradient + i * units + j), sums);
            };
            store(out + j, sum_over_rows<one_row>(rows, Vec<T>{}, add) + Vec<T>{});
        }
    for (Index j = 0; layer.bias && j < units; j += lanes<T>) {
        const auto add = [&](Index i, Vec<T> sums) { return sums + load(layer.gradient + i * units + j); };
        store(out + j, sum_over_rows<one_row>(rows, Vec<T>{}, add));
    }
}

template <class T> void small_gradients(const SmallLayer<T>* layer, const SmallLayer<T>* end, Index rows, const T* x) {
    for (; layer != end; x = layer++->output)
        if (rows == 1)
            layer->units == 1 ? gradients_of_unit<true>(*layer, 1, x) : gradients_of_units<true>(*layer, 1, x);
        else
            layer->units == 1 ? gradients_of_unit<false>(*layer, rows, x) : gradients_of_units<false>(*layer, rows, x);
}
