// The losses: the value for one row of predictions and its gradient. Included by kernels_impl.h.
//
// To add one, write a struct here and name it in `losses` below. One whose units are apart has a `term`, the value and
// the derivative of one unit, and is their mean over a row's units, unless its `divisors` say otherwise. The others
// have a `row`, which returns the loss of a row of n predictions y with targets t and, unless g is null, writes factor
// * d(loss)/d(y) there. Conventions are Keras's: mse and binary_crossentropy average over a row's units,
// categorical_crossentropy sums over the classes; all average over rows (by `scale`), each row multiplied by its
// weight.

// The smallest probability that a logarithm is taken of, unless the logits are at hand (Keras's epsilon).
inline constexpr double probability_floor = 1e-7;

// What a loss is told beside predictions and targets.
template <class T> struct LossSettings {
    T label_smoothing, first, second, third;  // the last three are each loss's own
};

// What `term` returns; of a loss that is fused with an activation also the activation's value, which is left in y.
template <class T> struct LossTerm {
    Vec<T> value, slope;
};
template <class T> struct FusedTerm {
    Vec<T> value, slope, output;
};

// What the sums over the n units of a row are divided by.
template <class T> struct Divisors {
    T value, slope;
};
template <class L, class T> FASTNET_INLINE Divisors<T> divisors_of(T n, const LossSettings<T>& settings) {
    if constexpr (requires { L::divisors(n, settings); })
        return L::divisors(n, settings);
    else
        return {n, n};
}

// The values of n units from y on; their slopes times a factor go to g.
template <class L, class T, class Factor>
FASTNET_INLINE Vec<T> some_terms(index n, T* y, const T* t, T* g, Factor factor, const LossSettings<T>& settings) {
    const auto term = L::template term<T>(load_some(y, n), load_some(t, n), settings);
    if (g)
        store_some(g, term.slope * factor, n);
    if constexpr (requires { term.output; })
        store_some(y, term.output, n);
    return term.value;
}

template <class L, class T>
FASTNET_INLINE T row_of_terms(index n, T* y, const T* t, T* g, T factor, const LossSettings<T>& settings) {
    const Divisors<T> divisors = divisors_of<L, T>(static_cast<T>(n), settings);
    const T share = factor / divisors.slope;
    Vec<T> total{};
    for_vectors<T>(n, [&](index j, index m) {
        total = total + first_lanes<T>(some_terms<L, T>(m, y + j, t + j, g ? g + j : nullptr, share, settings), m);
    });
    return sum<T>(total) / divisors.value;
}

struct MeanSquaredError {
    static constexpr const char* name = "mse";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> error = y - t;
        return {error * error, error + error};
    }
};

// scikit-learn's "squared_error": the value is the mean of e^2 / 2 over the units, the gradient that of their sum.
struct HalfSquaredError {
    static constexpr const char* name = "half_squared_error";
    template <class T> static Divisors<T> divisors(T n, const LossSettings<T>&) { return {n, T(1)}; }
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> error = y - t;
        return {T(0.5) * (error * error), error};
    }
};

struct MeanAbsoluteError {
    static constexpr const char* name = "mae";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> error = y - t;
        return {absolute<T>(error), select<T>(error == T(0), Vec<T>{}, copy_sign<T>(broadcast(T(1)), error))};
    }
};

// e^2 / 2 up to |e| = delta, from there delta |e| - delta^2 / 2. Huber, Annals of Statistics 35(1), 1964.
struct Huber {
    static constexpr const char* name = "huber";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>& s) {
        const T delta = s.first;
        const Vec<T> error = y - t, a = absolute<T>(error);
        const Bits<T> near = a <= delta;
        return {select<T>(near, error * error * T(0.5), a * delta - T(0.5) * delta * delta),
                select<T>(near, error, copy_sign<T>(broadcast(delta), error))};
    }
};

// log cosh e = |e| + log(1 + exp(-2 |e|)) - log 2
struct LogCosh {
    static constexpr const char* name = "log_cosh";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> error = y - t, a = absolute<T>(error);
        return {a + log1p<T>(exp<T>(-(a + a))) - static_cast<T>(0.69314718055994530942), tanh<T>(error)};
    }
};

// 100 |y - t| / max(|t|, 1e-7)
struct MeanAbsolutePercentageError {
    static constexpr const char* name = "mape";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>& s) {
        const Vec<T> scale = T(100) / maximum<T>(absolute<T>(t), broadcast(static_cast<T>(probability_floor)));
        const LossTerm<T> plain = MeanAbsoluteError::term<T>(y, t, s);
        return {plain.value * scale, plain.slope * scale};
    }
};

// (log(1 + y) - log(1 + t))^2, y and t at least 1e-7
struct MeanSquaredLogarithmicError {
    static constexpr const char* name = "msle";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> low = broadcast(static_cast<T>(probability_floor));
        const Vec<T> inside = maximum<T>(y, low) + T(1);
        const Vec<T> error = log<T>(inside) - log<T>(maximum<T>(t, low) + T(1));
        return {error * error, select<T>(y < low, Vec<T>{}, (error + error) / inside)};
    }
};

// y - t log(y + 1e-7)
struct Poisson {
    static constexpr const char* name = "poisson";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> inside = y + static_cast<T>(probability_floor);
        return {y - select<T>(t == T(0), Vec<T>{}, t * log<T>(inside)), T(1) - t / inside};
    }
};

// scikit-learn's "poisson": the sum of t log(t / y) - t + y over the units, half the Poisson deviance.
template <class T> FASTNET_INLINE Vec<T> half_poisson_deviance(Vec<T> log_y, Vec<T> y, Vec<T> t) {
    return select<T>(t == T(0), Vec<T>{}, t * (log<T>(t) - log_y)) - t + y;
}
struct HalfPoissonDeviance {
    static constexpr const char* name = "half_poisson_deviance";
    template <class T> static Divisors<T> divisors(T, const LossSettings<T>&) { return {T(1), T(1)}; }
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>&) {
        return {half_poisson_deviance<T>(log<T>(y), y, t), T(1) - t / y};
    }
};

// The same from the logarithm z of the prediction, by which the derivative is y - t. Leaves y = exp(z) in y.
struct ExponentialHalfPoissonDeviance {
    template <class T> static Divisors<T> divisors(T, const LossSettings<T>&) { return {T(1), T(1)}; }
    template <class T> static FusedTerm<T> term(Vec<T> z, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> y = exp<T>(z);
        return {half_poisson_deviance<T>(z, y, t), y - t, y};
    }
};

// max(1 - t y, 0) for targets of -1 and 1; 0 stands for -1.
struct Hinge {
    static constexpr const char* name = "hinge";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> sign = select<T>(t == T(0), broadcast(T(-1)), t), margin = T(1) - sign * y;
        return {maximum<T>(margin, Vec<T>{}), select<T>(margin > T(0), -sign, Vec<T>{})};
    }
};

struct SquaredHinge {
    static constexpr const char* name = "squared_hinge";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>& s) {
        const LossTerm<T> hinge = Hinge::term<T>(y, t, s);
        return {hinge.value * hinge.value, T(2) * hinge.value * hinge.slope};
    }
};

// The pinball loss max(q e, (q - 1) e), e = t - y, whose minimum is the quantile q. Koenker and Bassett, Econometrica
// 46(1), 1978.
struct Quantile {
    static constexpr const char* name = "quantile";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>& s) {
        const T q = s.first;
        const Vec<T> error = t - y, above = broadcast(T(0) - q), below = broadcast(T(1) - q);
        const Vec<T> slope = select<T>(error > T(0), above, select<T>(error < T(0), below, Vec<T>{}));
        return {-(slope * error), slope};
    }
};

// Lin, Goyal, Girshick, He and Dollar, ICCV 2017: weight (1 - p_t)^gamma crossentropy, with p_t the probability of what
// is true and a weight of alpha for 1 and 1 - alpha for 0 where classes are balanced.
template <class T> FASTNET_INLINE Vec<T> power(Vec<T> x, T exponent) {
    if (exponent == T(0))
        return broadcast(T(1));
    return select<T>(x > T(0), exp<T>(log<T>(x) * exponent), Vec<T>{});
}
struct BinaryFocalCrossentropy {
    static constexpr const char* name = "binary_focal_crossentropy";
    template <class T> static LossTerm<T> term(Vec<T> raw, Vec<T> target, const LossSettings<T>& s) {
        const T gamma = s.first, alpha = s.second;
        const bool balanced = s.third != T(0);
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), high = T(1) - low;
        const Vec<T> t = target * (T(1) - s.label_smoothing) + T(0.5) * s.label_smoothing;
        const Vec<T> p = select<T>(raw < low, low, select<T>(raw > high, high, raw));
        const Vec<T> crossentropy = -(t * log<T>(p) + (T(1) - t) * log<T>(T(1) - p));
        const Vec<T> miss = T(1) - (t * p + (T(1) - t) * (T(1) - p));
        const Vec<T> weight = balanced ? t * alpha + (T(1) - t) * (T(1) - alpha) : broadcast(T(1));
        const Vec<T> focus = power<T>(miss, gamma);
        const Vec<T> less = gamma == T(0) ? Vec<T>{} : gamma * power<T>(miss, gamma - T(1)) * (T(1) - t - t);
        const Vec<T> slope = less * crossentropy + focus * (p - t) / (p * (T(1) - p));
        return {weight * focus * crossentropy, select<T>((raw < low) | (raw > high), Vec<T>{}, weight * slope)};
    }
};

// Targets that are a little less sure, for so many classes: t (1 - s) + s / classes. Szegedy et al., CVPR 2016,
// section 7.
template <class T> FASTNET_INLINE Vec<T> smoothed(Vec<T> t, const LossSettings<T>& settings, T classes) {
    const T s = settings.label_smoothing;
    return s == T(0) ? t : t * (T(1) - s) + s / classes;
}

// -mean(t log p + (1 - t) log(1 - p)), p = y clipped to [floor, 1 - floor]; no gradient where it is clipped.
struct BinaryCrossentropy {
    static constexpr const char* name = "binary_crossentropy";
    template <class T> static LossTerm<T> term(Vec<T> raw, Vec<T> t, const LossSettings<T>& settings) {
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), high = T(1) - low;
        const Vec<T> target = smoothed<T>(t, settings, T(2));
        const Vec<T> p = select<T>(raw < low, low, select<T>(raw > high, high, raw));
        return {-(target * log<T>(p) + (T(1) - target) * log<T>(T(1) - p)),
                select<T>((raw < low) | (raw > high), Vec<T>{}, (p - target) / (p * (T(1) - p)))};
    }
};

// t log p, p clipped to [eps, 1 - eps]: of this scikit-learn's cross-entropies are made, which give the value that they
// have, but the gradient without clipping. The fused losses do so where their first setting is an eps above 0.
template <class T> FASTNET_INLINE Vec<T> clipped_term(Vec<T> t, Vec<T> p, T eps) {
    const Vec<T> clipped = minimum<T>(maximum<T>(p, broadcast(eps)), broadcast(T(1) - eps));
    return select<T>(t == T(0), Vec<T>{}, t * log<T>(clipped));
}

// With p as 1 / (1 + exp(-z)) is rounded, without the correction of `sigmoid`: where p is nearly 1, log(1 - p) has no
// more digits than 1 - p, and scikit-learn's loss shows that.
template <class T> FASTNET_INLINE Vec<T> clipped_binary_crossentropy(Vec<T> t, Vec<T> z, T eps) {
    const Vec<T> e = exp<T>(-absolute<T>(z)), p = select<T>(z < T(0), e, broadcast(T(1))) / (e + T(1));
    return -clipped_term<T>(t, p, eps) - clipped_term<T>(T(1) - t, T(1) - p, eps);
}

// Sigmoid and binary cross-entropy in one, from the logit z: with s = sigmoid(z) the loss is
// max(z, 0) - z t + log(1 + exp(-|z|)), its derivative s - t. Leaves s in y. With the second setting it is the sum over
// the units, not the mean.
struct SigmoidBinaryCrossentropy {
    template <class T> static Divisors<T> divisors(T n, const LossSettings<T>& settings) {
        const T units = settings.second > T(0) ? T(1) : n;
        return {units, units};
    }
    template <class T> static FusedTerm<T> term(Vec<T> z, Vec<T> t, const LossSettings<T>& settings) {
        const Vec<T> s = sigmoid<T>(z), target = smoothed<T>(t, settings, T(2));
        const Vec<T> value = settings.first > T(0)
                                 ? clipped_binary_crossentropy<T>(target, z, settings.first)
                                 : maximum<T>(z, Vec<T>{}) - z * target + log1p<T>(exp<T>(-absolute<T>(z)));
        return {value, s - target, s};
    }
};

// -sum(t log p), p = y / sum(y) clipped as above. With q = y / S the derivative is
// (sum_i u_i q_i - u_j) / S, where u_i = t_i / p_i inside the clipping range and 0 outside.
struct CategoricalCrossentropy {
    static constexpr const char* name = "categorical_crossentropy";
    template <class T>
    static T row(index n, T* y, const T* t, T* g, T factor, const LossSettings<T>& settings) {
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), high = T(1) - low;
        Vec<T> outputs{};
        for_vectors<T>(n, [&](index j, index m) { outputs = outputs + load_some(y + j, m); });
        const T total_output = sum<T>(outputs);
        Vec<T> total{}, inner{};
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> q = load_some(y + j, m) / total_output;
            const Vec<T> target = first_lanes<T>(smoothed<T>(load_some(t + j, m), settings, static_cast<T>(n)), m);
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
    template <class T>
    static T row(index n, T* y, const T* t, T* g, T factor, const LossSettings<T>& settings) {
        // The logits are shifted by their maximum before they meet the targets, so that large ones cancel exactly.
        const T shift = row_maximum(n, y);
        Vec<T> targets{}, chosen{};
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> target = first_lanes<T>(smoothed<T>(load_some(t + j, m), settings, static_cast<T>(n)), m);
            targets = targets + target;
            // A class of target zero contributes nothing, whatever its logit (0 * infinity is not a number).
            chosen = chosen + select<T>(target == T(0), Vec<T>{}, target * (load_some(y + j, m) - shift));
        });
        const T mass = sum<T>(targets);
        const SoftmaxRow<T> softmax = softmax_row(n, y);
        if (g)
            for_vectors<T>(n, [&](index j, index m) {
                store_some(
                    g + j,
                    (load_some(y + j, m) * mass - smoothed<T>(load_some(t + j, m), settings, static_cast<T>(n))) *
                        factor,
                    m);
            });
        if (settings.first == T(0))
            return mass * log<T>(broadcast(softmax.total))[0] - sum<T>(chosen);
        Vec<T> total{};
        for_vectors<T>(n, [&](index j, index m) {
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
    static T row(index n, T* y, const T* t, T* g, T factor, const LossSettings<T>&) {
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), one = broadcast(T(1));
        Vec<T> total{};
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> raw = load_some(y + j, m);
            const Vec<T> p = minimum<T>(maximum<T>(raw, low), one);
            const Vec<T> target = minimum<T>(maximum<T>(load_some(t + j, m), low), one);
            total = total + first_lanes<T>(target * (log<T>(target) - log<T>(p)), m);
            if (g)
                store_some(g + j, select<T>((raw < low) | (raw > one), Vec<T>{}, -target / p * factor), m);
        });
        return sum<T>(total);
    }
};

// max(max((1 - t) y) - sum(t y) + 1, 0). Crammer and Singer, JMLR 2, 2001.
struct CategoricalHinge {
    static constexpr const char* name = "categorical_hinge";
    template <class T>
    static T row(index n, T* y, const T* t, T* g, T factor, const LossSettings<T>&) {
        Vec<T> right{};
        T wrong = 0;
        index worst = 0;
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> target = load_some(t + j, m), output = load_some(y + j, m);
            right = right + target * output;
            const Vec<T> others = (T(1) - target) * output;
            for (index i = 0; i < m; ++i)
                if ((j == 0 && i == 0) || others[i] > wrong)
                    wrong = others[i], worst = j + i;
        });
        const T value = wrong - sum<T>(right) + T(1);
        const T slope = value > T(0) ? factor : T(0);
        for (index j = 0; g && j < n; ++j)
            g[j] = slope * ((j == worst ? T(1) - t[j] : T(0)) - t[j]);
        return value > T(0) ? value : (value == value ? T(0) : value);
    }
};

// sum(alpha (1 - p)^gamma (-t log p)), p = y / sum(y), clipped. The derivative by y goes through q = y / S as above.
struct CategoricalFocalCrossentropy {
    static constexpr const char* name = "categorical_focal_crossentropy";
    template <class T>
    static T row(index n, T* y, const T* t, T* g, T factor, const LossSettings<T>& settings) {
        const T gamma = settings.first, alpha = settings.second;
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), high = T(1) - low;
        Vec<T> outputs{}, total{}, inner{};
        for_vectors<T>(n, [&](index j, index m) { outputs = outputs + load_some(y + j, m); });
        const T total_output = sum<T>(outputs);
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> q = load_some(y + j, m) / total_output;
            const Vec<T> target = first_lanes<T>(smoothed<T>(load_some(t + j, m), settings, static_cast<T>(n)), m);
            const Vec<T> p = select<T>(q < low, low, select<T>(q > high, high, q)), miss = T(1) - p;
            const Vec<T> focus = alpha * power<T>(miss, gamma), value = -target * log<T>(p);
            total = total + focus * value;
            const Vec<T> less = gamma == T(0) ? Vec<T>{} : alpha * gamma * power<T>(miss, gamma - T(1)) * value;
            const Vec<T> u = select<T>((q < low) | (q > high), Vec<T>{}, focus * target / p + less);
            inner = inner + first_lanes<T>(u * q, m);
            if (g)
                store_some(g + j, u, m);
        });
        const T mean = sum<T>(inner), share = factor / total_output;
        if (g)
            for_vectors<T>(n, [&](index j, index m) { store_some(g + j, (mean - load_some(g + j, m)) * share, m); });
        return sum<T>(total);
    }
};

// -sum(t y) / (|t| |y|), with each norm at least sqrt(1e-12), as in Keras.
struct CosineSimilarity {
    static constexpr const char* name = "cosine_similarity";
    template <class T>
    static T row(index n, T* y, const T* t, T* g, T factor, const LossSettings<T>&) {
        Vec<T> both{}, of_y{}, of_t{};
        for_vectors<T>(n, [&](index j, index m) {
            const Vec<T> output = load_some(y + j, m), target = load_some(t + j, m);
            both = both + output * target, of_y = of_y + output * output, of_t = of_t + target * target;
        });
        const Vec<T> least = broadcast(static_cast<T>(1e-12));
        const T norm_y = square_root<T>(maximum<T>(broadcast(sum<T>(of_y)), least))[0];
        const T norm_t = square_root<T>(maximum<T>(broadcast(sum<T>(of_t)), least))[0];
        const T cosine = sum<T>(both) / (norm_y * norm_t);
        if (g)
            for_vectors<T>(n, [&](index j, index m) {
                const Vec<T> toward = load_some(t + j, m) / norm_t - load_some(y + j, m) * (cosine / norm_y);
                store_some(g + j, toward * (-factor / norm_y), m);
            });
        return -cosine;
    }
};

template <class L, class T> inline constexpr bool has_terms = requires { &L::template term<T>; };

template <class L, class T> FASTNET_INLINE T loss_of_row(index n, T* y, const T* t, T* g, T factor,
                                                         const LossSettings<T>& settings) {
    if constexpr (has_terms<L, T>)
        return row_of_terms<L, T>(n, y, t, g, factor, settings);
    else
        return L::template row<T>(n, y, t, g, factor, settings);
}

// Rows of a single unit, a vector of them at a time.
template <class L, class T>
FASTNET_INLINE void loss_of_single_units(const LossArguments<T>& a, const LossSettings<T>& settings) {
    for_vectors<T>(a.rows, [&](index i, index n) {
        const Vec<T> weight = a.weight ? load_some(a.weight + i, n) : broadcast(T(1));
        const Vec<T> value = some_terms<L, T>(n, a.y + i, a.target + i, a.gradient ? a.gradient + i : nullptr,
                                              weight * a.scale, settings);
        for (index l = 0; l < n; ++l)
            a.row_loss[i + l] = static_cast<double>(weight[l]) * static_cast<double>(value[l]);
    });
}

template <class L, class T> void loss_rows(const LossArguments<T>& a) {
    const LossSettings<T> settings{static_cast<T>(a.parameters[0]), static_cast<T>(a.parameters[1]),
                                   static_cast<T>(a.parameters[2]), static_cast<T>(a.parameters[3])};
    if constexpr (has_terms<L, T>)
        if (a.columns == 1)
            return loss_of_single_units<L, T>(a, settings);
    for (index i = 0; i < a.rows; ++i) {
        const T weight = a.weight ? a.weight[i] : T(1);
        T* gradient = a.gradient ? a.gradient + i * a.columns : nullptr;
        const T value = loss_of_row<L, T>(a.columns, a.y + i * a.columns, a.target + i * a.columns, gradient,
                                          weight * a.scale, settings);
        a.row_loss[i] = static_cast<double>(weight) * static_cast<double>(value);
    }
}

template <class L, class T> inline constexpr LossKernels<T> alone{L::name, loss_rows<L, T>, nullptr, nullptr};

template <class T>
inline constexpr LossKernels<T> losses[] = {
    alone<MeanSquaredError, T>,
    alone<MeanAbsoluteError, T>,
    alone<Huber, T>,
    alone<LogCosh, T>,
    alone<MeanAbsolutePercentageError, T>,
    alone<MeanSquaredLogarithmicError, T>,
    alone<Poisson, T>,
    alone<HalfSquaredError, T>,
    {HalfPoissonDeviance::name, loss_rows<HalfPoissonDeviance, T>, "exponential",
     loss_rows<ExponentialHalfPoissonDeviance, T>},
    alone<Hinge, T>,
    alone<SquaredHinge, T>,
    alone<CategoricalHinge, T>,
    alone<Quantile, T>,
    alone<KlDivergence, T>,
    alone<CosineSimilarity, T>,
    alone<BinaryFocalCrossentropy, T>,
    alone<CategoricalFocalCrossentropy, T>,
    {BinaryCrossentropy::name, loss_rows<BinaryCrossentropy, T>, "sigmoid", loss_rows<SigmoidBinaryCrossentropy, T>},
    {CategoricalCrossentropy::name, loss_rows<CategoricalCrossentropy, T>, "softmax",
     loss_rows<SoftmaxCategoricalCrossentropy, T>},
    {nullptr, nullptr, nullptr, nullptr},
};
