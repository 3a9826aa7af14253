// The losses: the value for one row of predictions and its gradient. Included by kernels_impl.h.
//
// To add one, write a struct here or in row_losses.h and name it in `losses` below. A loss whose units are independent
// has a `term`, the value and the derivative of one unit. The loss is the mean of the terms over a row's units, unless
// its `divisors` change that. The others have a `row`, which returns the loss of a row of n predictions y with targets
// t. Unless g is null, it writes factor * d(loss)/d(y) there. Conventions are Keras's: mse and binary_crossentropy
// average over a row's units, categorical_crossentropy sums over the classes. All average over rows (by `scale`), each
// row multiplied by its weight.
//
// A NaN among predictions or targets makes the loss of its row NaN, as well as its own gradient. Formulas with
// comparisons must let it through.

// The smallest probability whose logarithm is taken, unless the logits are available (Keras's epsilon).
inline constexpr double probability_floor = 1e-7;

// Per-loss settings.
template <class T> struct LossSettings {
    T label_smoothing, first, second, third;  // the last three are specific to the loss
};

// The result of `term`. For a loss that is fused with an activation, also the activation's value, which is stored in y.
template <class T> struct LossTerm {
    Vec<T> value, slope;
};
template <class T> struct FusedTerm {
    Vec<T> value, slope, output;
};

// The divisors of the sums over the n units of a row.
template <class T> struct Divisors {
    T value, slope;
};
template <class L, class T> FASTNET_INLINE Divisors<T> divisors_of(T n, const LossSettings<T>& settings) {
    if constexpr (requires { L::divisors(n, settings); })
        return L::divisors(n, settings);
    else
        return {n, n};
}

// The values of n units from y on. Their slopes times a factor are stored in g.
template <class L, class T, class Factor>
FASTNET_INLINE Vec<T> some_terms(Index n, T* y, const T* t, T* g, Factor factor, const LossSettings<T>& settings) {
    const auto term = L::template term<T>(load_some(y, n), load_some(t, n), settings);
    if (g)
        store_some(g, term.slope * factor, n);
    if constexpr (requires { term.output; })
        store_some(y, term.output, n);
    return term.value;
}

template <class L, class T>
FASTNET_INLINE T row_of_terms(Index n, T* y, const T* t, T* g, T factor, const LossSettings<T>& settings) {
    const Divisors<T> divisors = divisors_of<L, T>(static_cast<T>(n), settings);
    const T share = factor / divisors.slope;
    Vec<T> total{};
    for_vectors_in_one<T>(n, [&](Index j, Index m) {
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

// scikit-learn's "squared_error": the value is the mean of e^2 / 2 over the units, the gradient is that of their sum.
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
        const Vec<T> sign = select<T>(error == T(0), Vec<T>{}, copy_sign<T>(broadcast(T(1)), error));
        return {absolute<T>(error), unless_nan<T>(error, sign)};
    }
};

// e^2 / 2 up to |e| = delta, delta |e| - delta^2 / 2 beyond. Huber, Annals of Statistics 35(1), 1964.
struct Huber {
    static constexpr const char* name = "huber";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>& s) {
        const T delta = s.first;
        const Vec<T> error = y - t, a = absolute<T>(error);
        const Bits<T> near = a <= delta;
        return {select<T>(near, error * error * T(0.5), a * delta - T(0.5) * delta * delta),
                select<T>(near, error, unless_nan<T>(error, copy_sign<T>(broadcast(delta), error)))};
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

// (log(1 + y) - log(1 + t))^2 with y and t at least 1e-7
struct MeanSquaredLogarithmicError {
    static constexpr const char* name = "msle";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> low = broadcast(static_cast<T>(probability_floor));
        const Vec<T> inside = maximum<T>(low, y) + T(1);
        const Vec<T> error = log<T>(inside) - log<T>(maximum<T>(low, t) + T(1));
        return {error * error, select<T>(y < low, unless_nan<T>(t, Vec<T>{}), (error + error) / inside)};
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

// scikit-learn's "poisson": the sum of t log(t / y) - t + y over the units, which is half the Poisson deviance.
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

// The same from the logarithm z of the prediction. The derivative with respect to z is y - t. Stores y = exp(z) in y.
struct ExponentialHalfPoissonDeviance {
    static constexpr const char* activation = "exponential";
    template <class T> static Divisors<T> divisors(T, const LossSettings<T>&) { return {T(1), T(1)}; }
    template <class T> static FusedTerm<T> term(Vec<T> z, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> y = exp<T>(z);
        return {half_poisson_deviance<T>(z, y, t), y - t, y};
    }
};

// max(1 - t y, 0) for targets of -1 and 1. A target of 0 counts as -1.
struct Hinge {
    static constexpr const char* name = "hinge";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>&) {
        const Vec<T> sign = select<T>(t == T(0), broadcast(T(-1)), t), margin = T(1) - sign * y;
        return {maximum<T>(Vec<T>{}, margin), unless_nan<T>(margin, select<T>(margin > T(0), -sign, Vec<T>{}))};
    }
};

struct SquaredHinge {
    static constexpr const char* name = "squared_hinge";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>& s) {
        const LossTerm<T> hinge = Hinge::term<T>(y, t, s);
        return {hinge.value * hinge.value, T(2) * hinge.value * hinge.slope};
    }
};

// The pinball loss max(q e, (q - 1) e), e = t - y, which is minimal at the quantile q. Koenker and Bassett,
// Econometrica 46(1), 1978.
struct Quantile {
    static constexpr const char* name = "quantile";
    template <class T> static LossTerm<T> term(Vec<T> y, Vec<T> t, const LossSettings<T>& s) {
        const T q = s.first;
        const Vec<T> error = t - y, above = broadcast(T(0) - q), below = broadcast(T(1) - q);
        const Vec<T> slope = select<T>(error > T(0), above, select<T>(error < T(0), below, Vec<T>{}));
        return {-(slope * error), unless_nan<T>(error, slope)};
    }
};

// Lin, Goyal, Girshick, He and Dollar, ICCV 2017: weight (1 - p_t)^gamma crossentropy, where p_t is the probability of
// the true class. The weight is alpha for 1 and 1 - alpha for 0 where classes are balanced.
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
        const Bits<T> clipped = (raw < low) | (raw > high);
        return {weight * focus * crossentropy, select<T>(clipped, unless_nan<T>(t, Vec<T>{}), weight * slope)};
    }
};

// The same from the logit z, as Keras computes it: through the probability, so with the same clipping. Stores it in y.
struct SigmoidBinaryFocalCrossentropy {
    static constexpr const char* activation = "sigmoid";
    template <class T> static FusedTerm<T> term(Vec<T> z, Vec<T> target, const LossSettings<T>& settings) {
        const Vec<T> p = sigmoid<T>(z);
        const LossTerm<T> at = BinaryFocalCrossentropy::term<T>(p, target, settings);
        return {at.value, at.slope * p * sigmoid<T>(-z), p};
    }
};

// Smoothed targets for `classes` classes: t (1 - s) + s / classes. Szegedy et al., CVPR 2016, section 7.
template <class T> FASTNET_INLINE Vec<T> smoothed(Vec<T> t, const LossSettings<T>& settings, T classes) {
    const T s = settings.label_smoothing;
    return s == T(0) ? t : t * (T(1) - s) + s / classes;
}

// -mean(t log p + (1 - t) log(1 - p)), p = y clipped to [floor, 1 - floor]; the gradient is zero where it is clipped.
struct BinaryCrossentropy {
    static constexpr const char* name = "binary_crossentropy";
    template <class T> static LossTerm<T> term(Vec<T> raw, Vec<T> t, const LossSettings<T>& settings) {
        const Vec<T> low = broadcast(static_cast<T>(probability_floor)), high = T(1) - low;
        const Vec<T> target = smoothed<T>(t, settings, T(2));
        const Vec<T> p = select<T>(raw < low, low, select<T>(raw > high, high, raw));
        const Bits<T> clipped = (raw < low) | (raw > high);
        return {-(target * log<T>(p) + (T(1) - target) * log<T>(T(1) - p)),
                select<T>(clipped, unless_nan<T>(t, Vec<T>{}), (p - target) / (p * (T(1) - p)))};
    }
};

// t log p with p clipped to [eps, 1 - eps], as in scikit-learn's cross-entropies. Their value is clipped, but their
// gradient is not. The fused losses do this where their first setting is an eps above 0.
template <class T> FASTNET_INLINE Vec<T> clipped_term(Vec<T> t, Vec<T> p, T eps) {
    const Vec<T> clipped = minimum<T>(broadcast(T(1) - eps), maximum<T>(broadcast(eps), p));
    return select<T>(t == T(0), unless_nan<T>(p, Vec<T>{}), t * log<T>(clipped));
}

// With p rounded as 1 / (1 + exp(-z)), without the correction of `sigmoid`. Where p is nearly 1, log(1 - p) has no more
// digits than 1 - p, and scikit-learn's loss shows that.
template <class T> FASTNET_INLINE Vec<T> clipped_binary_crossentropy(Vec<T> t, Vec<T> z, T eps) {
    const Vec<T> e = exp<T>(-absolute<T>(z)), p = select<T>(z < T(0), e, broadcast(T(1))) / (e + T(1));
    return -clipped_term<T>(t, p, eps) - clipped_term<T>(T(1) - t, T(1) - p, eps);
}

// Sigmoid and binary cross-entropy in one, from the logit z. With s = sigmoid(z) the loss is max(z, 0) - z t + log(1 +
// exp(-|z|)), and its derivative is s - t. Stores s in y. With the second setting it is the sum over the units, not the
// mean.
struct SigmoidBinaryCrossentropy {
    static constexpr const char* activation = "sigmoid";
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

#include "row_losses.h"

template <class L, class T> inline constexpr bool has_terms = requires { &L::template term<T>; };

template <class L, class T> FASTNET_INLINE T loss_of_row(Index n, T* y, const T* t, T* g, T factor,
                                                         const LossSettings<T>& settings) {
    if constexpr (has_terms<L, T>)
        return row_of_terms<L, T>(n, y, t, g, factor, settings);
    else
        return L::template row<T>(n, y, t, g, factor, settings);
}

// The losses of n rows from row i on, which have a single unit.
template <class T>
[[gnu::noinline]] void write_row_losses(const LossArguments<T>& a, Index i, Index n, Vec<T> weight, Vec<T> value) {
    for (Index l = 0; l < n; ++l)
        a.row_loss[i + l] = static_cast<double>(weight[l]) * static_cast<double>(value[l]);
}

// Rows of a single unit, one vector of rows at a time.
template <class L, class T>
FASTNET_INLINE void loss_of_single_units(const LossArguments<T>& a, const LossSettings<T>& settings) {
    for_vectors_in_one<T>(a.rows, [&](Index i, Index n) {
        const Vec<T> weight = a.weight ? load_some(a.weight + i, n) : broadcast(T(1));
        const Vec<T> value = some_terms<L, T>(n, a.y + i, a.target + i, a.gradient ? a.gradient + i : nullptr,
                                              weight * a.scale, settings);
        write_row_losses(a, i, n, weight, value);
    });
}

template <class L, class T> void loss_rows(const LossArguments<T>& a) {
    const LossSettings<T> settings{static_cast<T>(a.parameters[0]), static_cast<T>(a.parameters[1]),
                                   static_cast<T>(a.parameters[2]), static_cast<T>(a.parameters[3])};
    if constexpr (has_terms<L, T>)
        if (a.columns == 1)
            return loss_of_single_units<L, T>(a, settings);
    for (Index i = 0; i < a.rows; ++i) {
        const T weight = a.weight ? a.weight[i] : T(1);
        T* gradient = a.gradient ? a.gradient + i * a.columns : nullptr;
        const T value = loss_of_row<L, T>(a.columns, a.y + i * a.columns, a.target + i * a.columns, gradient,
                                          weight * a.scale, settings);
        a.row_loss[i] = static_cast<double>(weight) * static_cast<double>(value);
    }
}

template <class L, class T> inline constexpr LossKernels<T> alone{.name = L::name, .plain = loss_rows<L, T>};

// A loss with a shorter formula for its combination with an activation.
template <class L, class Fused, class T>
inline constexpr LossKernels<T> with_activation{
    .name = L::name,
    .plain = loss_rows<L, T>,
    .fused_activation = Fused::activation,
    .fused = loss_rows<Fused, T>,
};

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
    with_activation<HalfPoissonDeviance, ExponentialHalfPoissonDeviance, T>,
    alone<Hinge, T>,
    alone<SquaredHinge, T>,
    alone<CategoricalHinge, T>,
    alone<Quantile, T>,
    alone<KlDivergence, T>,
    alone<CosineSimilarity, T>,
    with_activation<BinaryFocalCrossentropy, SigmoidBinaryFocalCrossentropy, T>,
    with_activation<CategoricalFocalCrossentropy, SoftmaxCategoricalFocalCrossentropy, T>,
    with_activation<BinaryCrossentropy, SigmoidBinaryCrossentropy, T>,
    with_activation<CategoricalCrossentropy, SoftmaxCategoricalCrossentropy, T>,
    {},
};
