// Layers other than matrix multiplications: the forward pass of each and, next to it, the functions of its backward
// pass. They work on a row, or on some columns of it, n values at a time. Included by kernels_impl.h.

template <class T> void multiply_elements(Index n, const T* x, const T* factor, T* y) {
    for_vectors<T>(n, [&](Index j, Index m) { store_some(y + j, load_some(x + j, m) * load_some(factor + j, m), m); });
}

template <class T> void add_elements(Index n, const T* x, const T* other, T* y) {
    for_vectors<T>(n, [&](Index j, Index m) { store_some(y + j, load_some(x + j, m) + load_some(other + j, m), m); });
}

// ---- PReLU: y = x where x > 0, else slope x, a slope for every column
// -------------------------------------------------

template <class T> void prelu(Index n, const T* x, const T* slope, T* y) {
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> v = load_some(x + j, m);
        store_some(y + j, select<T>(v > T(0), v, v * load_some(slope + j, m)), m);
    });
}

template <class T> void prelu_backward(Index n, const T* x, const T* slope, const T* dy, T* dx) {
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> g = load_some(dy + j, m);
        store_some(dx + j, select<T>(load_some(x + j, m) > T(0), g, g * load_some(slope + j, m)), m);
    });
}

// Adds the gradient with respect to the slopes to the previous values.
template <class T> void prelu_slopes(Index n, const T* x, const T* dy, T* slopes) {
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> v = load_some(x + j, m);
        const Vec<T> product = select<T>(v > T(0), Vec<T>{}, v * load_some(dy + j, m));
        store_some(slopes + j, load_some(slopes + j, m) + product, m);
    });
}

// ---- Batch normalization (Ioffe and Szegedy, ICML 2015), column by column
// ----------------------------------------------
//
// y = gamma (x - mean) / sqrt(variance + epsilon) + beta. With u = (x - mean) / sqrt(variance + epsilon) and the mean
// and variance of the batch,
//     dx = gamma / sqrt(variance + epsilon) (dy - mean(dy) - u mean(dy u)),   dgamma = sum(dy u),   dbeta = sum(dy).

// Mean and variance of the columns, in one pass: the sums of the distances from an origin, one of the rows, and of
// their squares. This loses no digits to a large mean (Chan, Golub and LeVeque, The American Statistician 37(3), 1983).
template <class T>
void distances(Index rows, Index n, const T* x, Index x_row, const T* origin, T* sum, T* squares) {
    for_vectors<T>(n, [&](Index j, Index m) {
        store_some(sum + j, Vec<T>{}, m);
        store_some(squares + j, Vec<T>{}, m);
    });
    for (Index i = 0; i < rows; ++i)
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> d = load_some(x + i * x_row + j, m) - load_some(origin + j, m);
            store_some(sum + j, load_some(sum + j, m) + d, m);
            store_some(squares + j, multiply_add<T>(d, d, load_some(squares + j, m)), m);
        });
}

// Turns the sums for `rows` rows into the mean and the variance.
template <class T> void moments(Index rows, Index n, const T* origin, T* mean, T* variance) {
    const T share = T(1) / static_cast<T>(rows);
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> distance = load_some(mean + j, m) * share;
        const Vec<T> squares = load_some(variance + j, m) * share;
        store_some(mean + j, load_some(origin + j, m) + distance, m);
        store_some(variance + j, maximum<T>(squares - distance * distance, Vec<T>{}), m);
    });
}

// inverse = 1 / sqrt(variance + epsilon), factor = gamma inverse. A null gamma counts as one.
template <class T>
void normalization_factors(Index n, const T* variance, T epsilon, const T* gamma, T* inverse, T* factor) {
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> r = T(1) / square_root<T>(load_some(variance + j, m) + epsilon);
        store_some(inverse + j, r, m);
        store_some(factor + j, gamma ? load_some(gamma + j, m) * r : r, m);
    });
}

// y = (x - mean) factor + beta. A null beta counts as zero.
template <class T> void normalize(Index n, const T* x, const T* mean, const T* factor, const T* beta, T* y) {
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> shift = beta ? load_some(beta + j, m) : Vec<T>{};
        const Vec<T> centered = load_some(x + j, m) - load_some(mean + j, m);
        store_some(y + j, multiply_add<T>(centered, load_some(factor + j, m), shift), m);
    });
}

// The sums of dy and of dy u over the rows.
template <class T>
void normalization_sums(Index rows, Index n, const T* x, const T* dy, Index row, const T* mean, const T* inverse,
                        T* sum, T* product) {
    for_vectors<T>(n, [&](Index j, Index m) {
        store_some(sum + j, Vec<T>{}, m);
        store_some(product + j, Vec<T>{}, m);
    });
    for (Index i = 0; i < rows; ++i)
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> g = load_some(dy + i * row + j, m);
            const Vec<T> centered = load_some(x + i * row + j, m) - load_some(mean + j, m);
            store_some(sum + j, load_some(sum + j, m) + g, m);
            store_some(product + j, multiply_add<T>(g, centered, load_some(product + j, m)), m);
        });
    multiply_elements(n, product, inverse, product);
}

template <class T>
void normalize_backward(Index n, const T* x, const T* dy, const NormalizationGradient<T>& a, T* dx) {
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> u = (load_some(x + j, m) - load_some(a.mean + j, m)) * load_some(a.inverse + j, m);
        const Vec<T> along = multiply_add<T>(u, load_some(a.product + j, m), load_some(a.sum + j, m));
        store_some(dx + j, (load_some(dy + j, m) - along * a.share) * load_some(a.factor + j, m), m);
    });
}

// moving = momentum moving + (1 - momentum) value
template <class T> void move_average(Index n, const T* value, T momentum, T* moving) {
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> fresh = load_some(value + j, m) * (T(1) - momentum);
        store_some(moving + j, multiply_add<T>(broadcast(momentum), load_some(moving + j, m), fresh), m);
    });
}

// ---- Layer normalization (Ba, Kiros and Hinton, arXiv:1607.06450), row by row
// ------------------------------------------
//
// y = gamma u + beta with u = (x - mean(x)) / sqrt(variance(x) + epsilon). With g = gamma dy,
//     dx = (g - mean(g) - u mean(g u)) / sqrt(variance(x) + epsilon).

template <class T> void normalize_row(Index n, const T* x, T epsilon, const T* gamma, const T* beta, T* y, T* moments) {
    Vec<T> total{}, squares{};
    for_vectors<T>(n, [&](Index j, Index m) { total = total + load_some(x + j, m); });
    const T mean = sum<T>(total) / static_cast<T>(n);
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> d = first_lanes<T>(load_some(x + j, m) - mean, m);
        squares = multiply_add<T>(d, d, squares);
    });
    const T inverse = T(1) / square_root<T>(broadcast(sum<T>(squares) / static_cast<T>(n) + epsilon))[0];
    moments[0] = mean, moments[1] = inverse;
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> u = (load_some(x + j, m) - mean) * inverse;
        const Vec<T> scaled = gamma ? u * load_some(gamma + j, m) : u;
        store_some(y + j, beta ? scaled + load_some(beta + j, m) : scaled, m);
    });
}

template <class T>
void normalize_row_backward(Index n, const T* x, const T* moments, const T* gamma, const T* dy, T* dx) {
    const T mean = moments[0], inverse = moments[1];
    const auto gradient = [&](Index j, Index m) {
        const Vec<T> g = load_some(dy + j, m);
        return gamma ? g * load_some(gamma + j, m) : g;
    };
    Vec<T> total{}, products{};
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> g = gradient(j, m);
        total = total + g;
        products = multiply_add<T>(g, (load_some(x + j, m) - mean) * inverse, products);
    });
    const T average = sum<T>(total) / static_cast<T>(n), along = sum<T>(products) / static_cast<T>(n);
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> u = (load_some(x + j, m) - mean) * inverse;
        store_some(dx + j, (gradient(j, m) - average - u * along) * inverse, m);
    });
}

// Adds the gradients with respect to gamma and beta for some columns of one row to the previous values.
template <class T> void add_row_products(Index n, const T* x, const T* moments, const T* dy, T* gamma, T* beta) {
    const T mean = moments[0], inverse = moments[1];
    for_vectors<T>(n, [&](Index j, Index m) {
        const Vec<T> g = load_some(dy + j, m);
        const Vec<T> u = (load_some(x + j, m) - mean) * inverse;
        if (gamma)
            store_some(gamma + j, multiply_add<T>(g, u, load_some(gamma + j, m)), m);
        if (beta)
            store_some(beta + j, load_some(beta + j, m) + g, m);
    });
}
