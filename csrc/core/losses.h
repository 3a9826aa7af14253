// The losses: the value for one row of predictions and its gradient. Included by kernels_impl.h.
//
// To add one, write a struct with `row` here and name it in `losses` below. `row` returns the loss of a row of
// n predictions y with targets t; unless g is null it writes factor * d(loss)/d(y) there.
// Conventions are Keras's: mse and binary_crossentropy average over a row's units, categorical_crossentropy
// sums over the classes; all average over rows (by `scale`), each row multiplied by its weight.

// The smallest probability that a logarithm is taken of, unless the logits are at hand (Keras's epsilon).
inline constexpr double probability_floor = 1e-7;

struct MeanSquaredError {
    static constexpr const char* name = "mse";
    template <class T> static T row(index n, T* y, const T* t, T* g, T factor) {
        Vec<T> total{};
        const T slope = 2 * factor / static_cast<T>(n);
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> error = load_some(y + j, m) - load_some(t + j, m);
            total = total + error * error;
            if (g)
                store_some(g + j, error * slope, m);
        });
        return sum<T>(total) / static_cast<T>(n);
    }
};

// -mean(t log p + (1 - t) log(1 - p)), p = y clipped to [floor, 1 - floor]; no gradient where it is clipped.
struct BinaryCrossentropy {
    static constexpr const char* name = "binary_crossentropy";
    template <class T> static T row(index n, T* y, const T* t, T* g, T factor) {
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), high = T(1) - low;
        Vec<T> total{};
        const T share = factor / static_cast<T>(n);
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> raw = load_some(y + j, m), target = load_some(t + j, m);
            const Vec<T> p = select<T>(raw < low, low, select<T>(raw > high, high, raw));
            const Vec<T> value = -(target * log<T>(p) + (T(1) - target) * log<T>(T(1) - p));
            total = total + first_lanes<T>(value, m);
            if (g)
                store_some(g + j,
                           select<T>((raw < low) | (raw > high), Vec<T>{}, (p - target) / (p * (T(1) - p)) * share), m);
        });
        return sum<T>(total) / static_cast<T>(n);
    }
};

// Sigmoid and binary cross-entropy in one, from the logit z: with s = sigmoid(z) the loss is
// max(z, 0) - z t + log(1 + exp(-|z|)), its derivative s - t. Leaves s in y.
struct SigmoidBinaryCrossentropy {
    template <class T> static T row(index n, T* y, const T* t, T* g, T factor) {
        Vec<T> total{};
        const T share = factor / static_cast<T>(n);
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> z = load_some(y + j, m), target = load_some(t + j, m), s = sigmoid<T>(z);
            const Vec<T> value = maximum<T>(z, Vec<T>{}) - z * target + log1p<T>(exp<T>(-absolute<T>(z)));
            total = total + first_lanes<T>(value, m);
            if (g)
                store_some(g + j, (s - target) * share, m);
            store_some(y + j, s, m);
        });
        return sum<T>(total) / static_cast<T>(n);
    }
};

// -sum(t log p), p = y / sum(y) clipped as above. With q = y / S the derivative is
// (sum_i u_i q_i - u_j) / S, where u_i = t_i / p_i inside the clipping range and 0 outside.
struct CategoricalCrossentropy {
    static constexpr const char* name = "categorical_crossentropy";
    template <class T> static T row(index n, T* y, const T* t, T* g, T factor) {
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), high = T(1) - low;
        Vec<T> outputs{};
        for_vectors<T>(n, [&](index j, index m) { outputs = outputs + load_some(y + j, m); });
        const T total_output = sum<T>(outputs);
        Vec<T> total{}, inner{};
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> q = load_some(y + j, m) / total_output, target = load_some(t + j, m);
            const Vec<T> p = select<T>(q < low, low, select<T>(q > high, high, q));
            total = total - target * log<T>(p);
            const Vec<T> u = select<T>((q < low) | (q > high), Vec<T>{}, target / p);
            inner = inner + u * q;
            if (g)
                store_some(g + j, u, m);
        });
        if (g) {
            const T mean = sum<T>(inner), share = factor / total_output;
            for_vectors<T>(n, [&](index j, index m) { store_some(g + j, (mean - load_some(g + j, m)) * share, m); });
        }
        return sum<T>(total);
    }
};

// Softmax and categorical cross-entropy in one, from the logits z: the loss is sum(t) logsumexp(z) - sum(t z),
// its derivative sum(t) softmax(z) - t. Leaves the softmax in y.
struct SoftmaxCategoricalCrossentropy {
    template <class T> static T row(index n, T* y, const T* t, T* g, T factor) {
        // The logits are shifted by their maximum before they meet the targets, so that large ones cancel exactly.
        const T shift = row_maximum(n, y);
        Vec<T> targets{}, chosen{};
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> target = load_some(t + j, m);
            targets = targets + target;
            // A class of target zero contributes nothing, whatever its logit (0 * infinity is not a number).
            chosen = chosen + select<T>(target == T(0), Vec<T>{}, target * (load_some(y + j, m) - shift));
        });
        const T mass = sum<T>(targets);
        const SoftmaxRow<T> softmax = softmax_row(n, y);
        if (g)
            for_vectors<T>(n, [&](index j, index m) {
                store_some(g + j, (load_some(y + j, m) * mass - load_some(t + j, m)) * factor, m);
            });
        return mass * log<T>(broadcast(softmax.total))[0] - sum<T>(chosen);
    }
};

template <class L, class T> void loss_rows(const LossArguments<T>& a) {
    for (index i = 0; i < a.rows; ++i) {
        const T weight = a.weight ? a.weight[i] : T(1);
        T* gradient = a.gradient ? a.gradient + i * a.columns : nullptr;
        const T value =
            L::template row<T>(a.columns, a.y + i * a.columns, a.target + i * a.columns, gradient, weight * a.scale);
        a.row_loss[i] = static_cast<double>(weight) * static_cast<double>(value);
    }
}

template <class T>
inline constexpr LossKernels<T> losses[] = {
    {MeanSquaredError::name, loss_rows<MeanSquaredError, T>, nullptr, nullptr},
    {BinaryCrossentropy::name, loss_rows<BinaryCrossentropy, T>, "sigmoid", loss_rows<SigmoidBinaryCrossentropy, T>},
    {CategoricalCrossentropy::name, loss_rows<CategoricalCrossentropy, T>, "softmax",
     loss_rows<SoftmaxCategoricalCrossentropy, T>},
    {nullptr, nullptr, nullptr, nullptr},
};
