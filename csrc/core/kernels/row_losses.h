// The losses whose units depend on each other: each row has one value. Included by losses.h, which says how to add one.

// -sum(t log p), p = y / sum(y) clipped as above. With q = y / S the derivative is (sum_i u_i q_i - u_j) / S, where u_i
// = t_i / p_i inside the clipping range and 0 outside.
struct CategoricalCrossentropy {
    static constexpr const char* name = "categorical_crossentropy";
    template <class T>
    static T row(Index n, T* y, const T* t, T* g, T factor, const LossSettings<T>& settings) {
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), high = T(1) - low;
        Vec<T> outputs{};
        for_vectors<T>(n, [&](Index j, Index m) { outputs = outputs + load_some(y + j, m); });
        const T total_output = sum<T>(outputs);
        Vec<T> total{}, inner{};
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> q = load_some(y + j, m) / total_output;
            const Vec<T> target = first_lanes<T>(smoothed<T>(load_some(t + j, m), settings, static_cast<T>(n)), m);
            const Vec<T> p = select<T>(q < low, low, select<T>(q > high, high, q));
            total = total - target * log<T>(p);
            const Vec<T> u = select<T>((q < low) | (q > high), unless_nan<T>(target, Vec<T>{}), target / p);
            inner = inner + u * q;
            if (g)
                store_some(g + j, u, m);
        });
        if (g) {
            const T mean = sum<T>(inner), share = factor / total_output;
            for_vectors<T>(n, [&](Index j, Index m) { store_some(g + j, (mean - load_some(g + j, m)) * share, m); });
        }
        return sum<T>(total);
    }
};

// Softmax and categorical cross-entropy in one, from the logits z. The loss is sum(t) logsumexp(z) - sum(t z), and its
// derivative is sum(t) softmax(z) - t. Stores the softmax in y.
struct SoftmaxCategoricalCrossentropy {
    static constexpr const char* activation = "softmax";
    template <class T>
    static T row(Index n, T* y, const T* t, T* g, T factor, const LossSettings<T>& settings) {
        // The logits are shifted by their maximum before they meet the targets, so that large ones cancel exactly.
        const T shift = row_maximum(n, y);
        Vec<T> targets{}, chosen{};
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> target = first_lanes<T>(smoothed<T>(load_some(t + j, m), settings, static_cast<T>(n)), m);
            targets = targets + target;
            // A class of target zero contributes nothing, whatever its logit (0 * infinity is not a number).
            chosen = chosen + select<T>(target == T(0), Vec<T>{}, target * (load_some(y + j, m) - shift));
        });
        const T mass = sum<T>(targets);
        const SoftmaxRow<T> softmax = softmax_row(n, y);
        if (g)
            for_vectors<T>(n, [&](Index j, Index m) {
                store_some(
                    g + j,
                    (load_some(y + j, m) * mass - smoothed<T>(load_some(t + j, m), settings, static_cast<T>(n))) *
                        factor,
                    m);
            });
        if (settings.first == T(0))
            return mass * log<T>(broadcast(softmax.total))[0] - sum<T>(chosen);
        Vec<T> total{};
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> target = smoothed<T>(load_some(t + j, m), settings, static_cast<T>(n));
            total = total - first_lanes<T>(clipped_term<T>(target, load_some(y + j, m), settings.first), m);
        });
        return sum<T>(total);
    }
};

// sum(t log(t / p)), t and p clipped to [floor, 1]. Kullback and Leibler, 1951.
struct KlDivergence {
    static constexpr const char* name = "kl_divergence";
    template <class T>
    static T row(Index n, T* y, const T* t, T* g, T factor, const LossSettings<T>&) {
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), one = broadcast(T(1));
        Vec<T> total{};
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> raw = load_some(y + j, m);
            const Vec<T> p = minimum<T>(one, maximum<T>(low, raw));
            const Vec<T> target = minimum<T>(one, maximum<T>(low, load_some(t + j, m)));
            total = total + first_lanes<T>(target * (log<T>(target) - log<T>(p)), m);
            if (g)
                store_some(g + j,
                           select<T>((raw < low) | (raw > one), unless_nan<T>(target, Vec<T>{}), -target / p * factor),
                           m);
        });
        return sum<T>(total);
    }
};

// max(max((1 - t) y) - sum(t y) + 1, 0). Crammer and Singer, JMLR 2, 2001.
struct CategoricalHinge {
    static constexpr const char* name = "categorical_hinge";
    template <class T>
    static T row(Index n, T* y, const T* t, T* g, T factor, const LossSettings<T>&) {
        Vec<T> right{};
        T wrong = 0;
        Index worst = 0;
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> target = load_some(t + j, m), output = load_some(y + j, m);
            right = right + target * output;
            const Vec<T> others = (T(1) - target) * output;
            for (Index i = 0; i < m; ++i)
                if ((j == 0 && i == 0) || others[i] > wrong)
                    wrong = others[i], worst = j + i;
        });
        const T value = wrong - sum<T>(right) + T(1);
        const T slope = value > T(0) ? factor : (value == value ? T(0) : value);
        for (Index j = 0; g && j < n; ++j)
            g[j] = slope * ((j == worst ? T(1) - t[j] : T(0)) - t[j]);
        return value > T(0) ? value : (value == value ? T(0) : value);
    }
};

// sum(alpha (1 - p)^gamma (-t log p)), p = y / sum(y), clipped. The derivative with respect to y goes through q = y / S
// as above.
struct CategoricalFocalCrossentropy {
    static constexpr const char* name = "categorical_focal_crossentropy";
    template <class T>
    static T row(Index n, T* y, const T* t, T* g, T factor, const LossSettings<T>& settings) {
        const T gamma = settings.first, alpha = settings.second;
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), high = T(1) - low;
        Vec<T> outputs{}, total{}, inner{};
        for_vectors<T>(n, [&](Index j, Index m) { outputs = outputs + load_some(y + j, m); });
        const T total_output = sum<T>(outputs);
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> q = load_some(y + j, m) / total_output;
            const Vec<T> target = first_lanes<T>(smoothed<T>(load_some(t + j, m), settings, static_cast<T>(n)), m);
            const Vec<T> p = select<T>(q < low, low, select<T>(q > high, high, q)), miss = T(1) - p;
            const Vec<T> focus = alpha * power<T>(miss, gamma), value = -target * log<T>(p);
            total = total + focus * value;
            const Vec<T> less = gamma == T(0) ? Vec<T>{} : alpha * gamma * power<T>(miss, gamma - T(1)) * value;
            const Vec<T> u =
                select<T>((q < low) | (q > high), unless_nan<T>(target, Vec<T>{}), focus * target / p + less);
            inner = inner + first_lanes<T>(u * q, m);
            if (g)
                store_some(g + j, u, m);
        });
        const T mean = sum<T>(inner), share = factor / total_output;
        if (g)
            for_vectors<T>(n, [&](Index j, Index m) { store_some(g + j, (mean - load_some(g + j, m)) * share, m); });
        return sum<T>(total);
    }
};

// The same from the logits, through the probabilities, which it stores in y.
struct SoftmaxCategoricalFocalCrossentropy {
    static constexpr const char* activation = "softmax";
    template <class T>
    static T row(Index n, T* y, const T* t, T* g, T factor, const LossSettings<T>& settings) {
        softmax_row(n, y);
        const T value = CategoricalFocalCrossentropy::row<T>(n, y, t, g, factor, settings);
        if (g)
            softmax_backward<T>(1, n, g, n, {.kept = y, .kept_row = n});
        return value;
    }
};

// -sum(t y) / (|t| |y|) with each norm at least sqrt(1e-12), as in Keras.
struct CosineSimilarity {
    static constexpr const char* name = "cosine_similarity";
    template <class T>
    static T row(Index n, T* y, const T* t, T* g, T factor, const LossSettings<T>&) {
        Vec<T> both{}, of_y{}, of_t{};
        for_vectors<T>(n, [&](Index j, Index m) {
            const Vec<T> output = load_some(y + j, m), target = load_some(t + j, m);
            both = both + output * target, of_y = of_y + output * output, of_t = of_t + target * target;
        });
        const Vec<T> least = broadcast(static_cast<T>(1e-12));
        const T norm_y = square_root<T>(maximum<T>(broadcast(sum<T>(of_y)), least))[0];
        const T norm_t = square_root<T>(maximum<T>(broadcast(sum<T>(of_t)), least))[0];
        const T cosine = sum<T>(both) / (norm_y * norm_t);
        if (g)
            for_vectors<T>(n, [&](Index j, Index m) {
                const Vec<T> toward = load_some(t + j, m) / norm_t - load_some(y + j, m) * (cosine / norm_y);
                store_some(g + j, toward * (-factor / norm_y), m);
            });
        return -cosine;
    }
};
