// The optimizers, simplest first: each is one loop over flat arrays. Included by kernels_impl.h.
//
// To add one, write a struct here and name it in `optimizers` below. It has a name, the number of state arrays
// ("slots"), the names of its hyperparameters (learning_rate first) and the update of one vector. `prepare` changes a
// step's hyperparameters where they depend on its number.

// By default, the first step of an optimizer starts from a state of zeros, and every step has the same hyperparameters.
struct SameEveryStep {
    static void prepare(double*, std::int64_t) {}
    static double initial(const double*) { return 0; }
};
struct FromZeros {
    static double initial(const double*) { return 0; }
};

// 1 - beta^step. A power below half a unit in the last place of 1 is not computed, because that takes as long as a
// small step.
inline double one_minus_power(double beta, std::int64_t step) {
    const double t = static_cast<double>(step);
    return beta >= 0 && (1 - beta) * t > 40 ? 1 : 1 - std::pow(beta, t);  // beta^t <= exp(-(1 - beta) t)
}

struct Sgd : SameEveryStep {
    static constexpr const char* name = "sgd";
    static constexpr int slots = 1;
    static constexpr const char* hyperparameters[] = {"learning_rate", "momentum",     "dampening",
                                                      "nesterov",      "weight_decay", nullptr};
    // v = momentum v + learning_rate (1 - dampening) g, w -= v, as in Keras: a new learning rate applies to new
    // gradients. Nesterov's form looks ahead: w -= momentum v + learning_rate (1 - dampening) g (Sutskever, Martens,
    // Dahl and Hinton, ICML 2013). weight_decay adds weight_decay * w to g.
    template <class T> struct Step {
        T rate, momentum, decay;
        bool nesterov;
        explicit Step(const double* h)
            : rate(static_cast<T>(h[0] * (1 - h[2]))), momentum(static_cast<T>(h[1])), decay(static_cast<T>(h[4])),
              nesterov(h[3] != 0) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            const Vec<T> step = rate * multiply_add<T>(broadcast(decay), w, g);
            state[0] = multiply_add<T>(broadcast(momentum), state[0], step);
            return w - (nesterov ? multiply_add<T>(broadcast(momentum), state[0], step) : state[0]);
        }
    };
};

// Tieleman and Hinton, Lecture 6.5 of "Neural Networks for Machine Learning", 2012, in Keras's form:
// v = rho v + (1 - rho) g^2, u = learning_rate g / sqrt(v + epsilon), m = momentum m + u, w -= m.
struct RmsProp : SameEveryStep {
    static constexpr const char* name = "rmsprop";
    static constexpr int slots = 2;
    static constexpr const char* hyperparameters[] = {"learning_rate", "rho", "momentum", "epsilon", nullptr};
    template <class T> struct Step {
        T rate, rho, rest, momentum, epsilon;
        explicit Step(const double* h)
            : rate(static_cast<T>(h[0])), rho(static_cast<T>(h[1])), rest(static_cast<T>(1 - h[1])),
              momentum(static_cast<T>(h[2])), epsilon(static_cast<T>(h[3])) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            state[0] = rho * state[0] + rest * (g * g);
            state[1] = momentum * state[1] + divide_by_root<T>(rate * g, state[0] + epsilon, T(0));
            return w - state[1];
        }
    };
};

// Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, in the order of section 2's last paragraph
// (as Keras). The bias corrections are folded into the rate, and epsilon is added to sqrt(v).
struct Adam : FromZeros {
    static constexpr const char* name = "adam";
    static constexpr int slots = 2;
    static constexpr const char* hyperparameters[] = {"learning_rate", "beta_1", "beta_2", "epsilon", nullptr};
    static void prepare(double* h, std::int64_t step) {
        h[0] *= std::sqrt(one_minus_power(h[2], step)) / one_minus_power(h[1], step);
    }
    template <class T> struct Step {
        T rate, beta_1, rest_1, beta_2, rest_2, epsilon;
        explicit Step(const double* h)
            : rate(static_cast<T>(h[0])), beta_1(static_cast<T>(h[1])), rest_1(static_cast<T>(1 - h[1])),
              beta_2(static_cast<T>(h[2])), rest_2(static_cast<T>(1 - h[2])), epsilon(static_cast<T>(h[3])) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            state[0] = beta_1 * state[0] + rest_1 * g;
            state[1] = beta_2 * state[1] + rest_2 * (g * g);
            return w - divide_by_root<T>(rate * state[0], state[1], epsilon);
        }
    };
};

// RMSprop with the variance of the gradient in place of its mean square: Graves, arXiv:1308.0850, section 4.2.
struct RmsPropCentered : SameEveryStep {
    static constexpr const char* name = "rmsprop_centered";
    static constexpr int slots = 3;
    static constexpr const auto& hyperparameters = RmsProp::hyperparameters;
    template <class T> struct Step {
        T rate, rho, rest, momentum, epsilon;
        explicit Step(const double* h)
            : rate(static_cast<T>(h[0])), rho(static_cast<T>(h[1])), rest(static_cast<T>(1 - h[1])),
              momentum(static_cast<T>(h[2])), epsilon(static_cast<T>(h[3])) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            state[0] = rho * state[0] + rest * (g * g);
            state[2] = rho * state[2] + rest * g;
            const Vec<T> variance = maximum<T>(state[0] - state[2] * state[2], Vec<T>{});
            state[1] = momentum * state[1] + divide_by_root<T>(rate * g, variance + epsilon, T(0));
            return w - state[1];
        }
    };
};

// Duchi, Hazan and Singer, JMLR 12, 2011: v = v + g^2, w -= learning_rate g / sqrt(v + epsilon).
struct Adagrad : SameEveryStep {
    static constexpr const char* name = "adagrad";
    static constexpr int slots = 1;
    static constexpr const char* hyperparameters[] = {"learning_rate", "initial_accumulator_value", "epsilon", nullptr};
    static double initial(const double* h) { return h[1]; }
    template <class T> struct Step {
        T rate, epsilon;
        explicit Step(const double* h) : rate(static_cast<T>(h[0])), epsilon(static_cast<T>(h[2])) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            state[0] = state[0] + g * g;
            return w - divide_by_root<T>(rate * g, state[0] + epsilon, T(0));
        }
    };
};

// Zeiler, arXiv:1212.5701: v = rho v + (1 - rho) g^2, d = g sqrt(u + epsilon) / sqrt(v + epsilon),
// u = rho u + (1 - rho) d^2, w -= learning_rate d.
struct Adadelta : SameEveryStep {
    static constexpr const char* name = "adadelta";
    static constexpr int slots = 2;
    static constexpr const char* hyperparameters[] = {"learning_rate", "rho", "epsilon", nullptr};
    template <class T> struct Step {
        T rate, rho, rest, epsilon;
        explicit Step(const double* h)
            : rate(static_cast<T>(h[0])), rho(static_cast<T>(h[1])), rest(static_cast<T>(1 - h[1])),
              epsilon(static_cast<T>(h[2])) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            state[0] = rho * state[0] + rest * (g * g);
            const Vec<T> d = divide_by_root<T>(g * square_root<T>(state[1] + epsilon), state[0] + epsilon, T(0));
            state[1] = rho * state[1] + rest * (d * d);
            return w - rate * d;
        }
    };
};

// Reddi, Kale and Kumar, ICLR 2018: Adam with the largest v so far in the denominator.
struct AdamAmsgrad : Adam {
    static constexpr const char* name = "adam_amsgrad";
    static constexpr int slots = 3;
    template <class T> struct Step {
        T rate, beta_1, rest_1, beta_2, rest_2, epsilon;
        explicit Step(const double* h)
            : rate(static_cast<T>(h[0])), beta_1(static_cast<T>(h[1])), rest_1(static_cast<T>(1 - h[1])),
              beta_2(static_cast<T>(h[2])), rest_2(static_cast<T>(1 - h[2])), epsilon(static_cast<T>(h[3])) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            state[0] = beta_1 * state[0] + rest_1 * g;
            state[1] = beta_2 * state[1] + rest_2 * (g * g);
            state[2] = maximum<T>(state[1], state[2]);
            return w - divide_by_root<T>(rate * state[0], state[2], epsilon);
        }
    };
};

// Kingma and Ba, section 7.1: u = max(beta_2 u, |g|), w -= learning_rate / (1 - beta_1^t) m / (u + epsilon).
struct Adamax : FromZeros {
    static constexpr const char* name = "adamax";
    static constexpr int slots = 2;
    static constexpr const auto& hyperparameters = Adam::hyperparameters;
    static void prepare(double* h, std::int64_t step) { h[0] /= one_minus_power(h[1], step); }
    template <class T> struct Step {
        T rate, beta_1, rest_1, beta_2, epsilon;
        explicit Step(const double* h)
            : rate(static_cast<T>(h[0])), beta_1(static_cast<T>(h[1])), rest_1(static_cast<T>(1 - h[1])),
              beta_2(static_cast<T>(h[2])), epsilon(static_cast<T>(h[3])) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            state[0] = beta_1 * state[0] + rest_1 * g;
            state[1] = larger<T>(beta_2 * state[1], absolute<T>(g));
            return w - rate * state[0] / (state[1] + epsilon);
        }
    };
};

// Dozat, ICLR workshop 2016, in Keras's form: with u_t = beta_1 (1 - 0.96^t / 2) and U_t = u_1 ... u_t,
// m' = u_{t+1} m / (1 - U_{t+1}) + (1 - u_t) g / (1 - U_t), w -= learning_rate m' / (sqrt(v / (1 - beta_2^t)) +
// epsilon).
struct Nadam : FromZeros {
    static constexpr const char* name = "nadam";
    static constexpr int slots = 2;
    static constexpr const auto& hyperparameters = Adam::hyperparameters;
    static void prepare(double* h, std::int64_t step) {
        // The factors 1 - 0.96^i / 2 equal 1 to the last digit from i = 1,000 on.
        double decay = 1, product = std::pow(h[1], static_cast<double>(step));
        for (std::int64_t i = 1; i <= step && i <= 1000; ++i)
            decay *= 0.96, product *= 1 - 0.5 * decay;
        const double now = h[1] * (1 - 0.5 * std::pow(0.96, static_cast<double>(step)));
        const double next = h[1] * (1 - 0.5 * std::pow(0.96, static_cast<double>(step + 1)));
        h[4] = h[0] * next / (1 - product * next);
        h[5] = h[0] * (1 - now) / (1 - product);
        h[6] = 1 / one_minus_power(h[2], step);
    }
    template <class T> struct Step {
        T beta_1, rest_1, beta_2, rest_2, epsilon, of_mean, of_gradient, correction;
        explicit Step(const double* h)
            : beta_1(static_cast<T>(h[1])), rest_1(static_cast<T>(1 - h[1])), beta_2(static_cast<T>(h[2])),
              rest_2(static_cast<T>(1 - h[2])), epsilon(static_cast<T>(h[3])), of_mean(static_cast<T>(h[4])),
              of_gradient(static_cast<T>(h[5])), correction(static_cast<T>(h[6])) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            state[0] = beta_1 * state[0] + rest_1 * g;
            state[1] = beta_2 * state[1] + rest_2 * (g * g);
            return w - divide_by_root<T>(of_mean * state[0] + of_gradient * g, state[1] * correction, epsilon);
        }
    };
};

// Chen et al., NeurIPS 2023: w -= learning_rate sign(beta_1 m + (1 - beta_1) g), m = beta_2 m + (1 - beta_2) g.
struct Lion : SameEveryStep {
    static constexpr const char* name = "lion";
    static constexpr int slots = 1;
    static constexpr const char* hyperparameters[] = {"learning_rate", "beta_1", "beta_2", nullptr};
    template <class T> struct Step {
        T rate, beta_1, rest_1, beta_2, rest_2;
        explicit Step(const double* h)
            : rate(static_cast<T>(h[0])), beta_1(static_cast<T>(h[1])), rest_1(static_cast<T>(1 - h[1])),
              beta_2(static_cast<T>(h[2])), rest_2(static_cast<T>(1 - h[2])) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            const Vec<T> way = beta_1 * state[0] + rest_1 * g;
            state[0] = beta_2 * state[0] + rest_2 * g;
            // A NaN passes on into the weights, where it is seen.
            return w - select<T>(way == T(0), Vec<T>{}, select<T>(way == way, copy_sign<T>(broadcast(rate), way), way));
        }
    };
};

// Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. This is its update of vectors and of
// excluded matrices: Adam with a rate of its own. Other matrices are orthogonalized in muon.cpp.
struct Muon : FromZeros {
    static constexpr const char* name = "muon";
    static constexpr int slots = 2;
    static constexpr const char* hyperparameters[] = {"learning_rate", "adam_beta_1", "adam_beta_2", "epsilon",
                                                      "adam_lr_ratio", "momentum",    "nesterov",    "ns_steps",
                                                      "rms_rate",      nullptr};
    static void prepare(double* h, std::int64_t step) {
        h[9] = h[0] * h[4] * std::sqrt(one_minus_power(h[2], step)) / one_minus_power(h[1], step);
    }
    template <class T> struct Step : Adam::Step<T> {
        explicit Step(const double* h) : Adam::Step<T>(h) { this->rate = static_cast<T>(h[9]); }
    };
};

template <class T> FASTNET_INLINE Vec<T> within(Vec<T> g, T limit) {
    return select<T>(g > limit, broadcast(limit), select<T>(g < -limit, broadcast(-limit), g));
}

// The gradient plus the derivative of l1 |w| + l2 w^2; the derivative of |w| at 0 is taken as 0.
template <class T> FASTNET_INLINE Vec<T> penalized(Vec<T> g, Vec<T> w, T l1, T l2) {
    const Vec<T> sign = select<T>(w == T(0), Vec<T>{}, copy_sign<T>(broadcast(T(1)), w));
    return multiply_add<T>(w, broadcast(T(2) * l2), multiply_add<T>(sign, broadcast(l1), g));
}

// The penalty on the values from `first` on. They are all within it or, if it is zero, outside all penalties.
template <class T> FASTNET_INLINE PenaltyRange<T> penalty_at(const OptimizerExtras<T>& extras, Index first) {
    for (Index i = 0; i < extras.penalty_count; ++i)
        if (const PenaltyRange<T>& p = extras.penalties[i]; p.begin <= first && first < p.end)
            return {p.begin, p.end, p.l1 * extras.penalty_factor, p.l2 * extras.penalty_factor};
    return {0, 0, T(0), T(0)};
}

template <bool with_extras, class O, class T>
FASTNET_INLINE void update_values(const OptimizerArguments<T>& a, const typename O::template Step<T>& step, Index first,
                                  Index count) {
    const PenaltyRange<T> penalty = with_extras ? penalty_at(*a.extras, first) : PenaltyRange<T>{};
    for_vectors<T>(count, [&](Index i, Index n) {
        i += first;
        Vec<T> state[O::slots];
        for (int s = 0; s < O::slots; ++s)
            state[s] = load_some(a.state + s * a.state_stride + i, n);
        Vec<T> w = load_some(a.parameters + i, n), g = load_some(a.gradients + i, n);
        if constexpr (with_extras) {
            if (penalty.end > 0)
                g = penalized<T>(g, w, penalty.l1, penalty.l2);
            g = g * a.extras->gradient_scale;
            if (a.extras->clip_value > T(0))
                g = within<T>(g, a.extras->clip_value);
            w = w - a.extras->decay * w;
        }
        w = step(w, g, state);
        store_some(a.parameters + i, w, n);
        for (int s = 0; s < O::slots; ++s)
            store_some(a.state + s * a.state_stride + i, state[s], n);
        if constexpr (with_extras)
            if (T* const average = a.extras->average) {
                const Vec<T> before = load_some(average + i, n) * a.extras->average_momentum;
                store_some(average + i, before + (T(1) - a.extras->average_momentum) * w, n);
            }
    });
}

// The step is a copy, so that nothing that is written may change it.
template <class O, class T>
[[gnu::noinline]] void update_run(const OptimizerArguments<T>& a, typename O::template Step<T> step, Index first,
                                  Index count) {
    if (a.extras)
        update_values<true, O, T>(a, step, first, count);
    else
        update_values<false, O, T>(a, step, first, count);
}

template <class O, class T> void update(const OptimizerArguments<T>& a, Index first, Index n) {
    update_run<O, T>(a, typename O::template Step<T>(a.hyperparameters), first, n);
}

template <class O, class T> void update_block(Index rows, Index columns, T* c, Index c_row, const Epilogue<T>& e) {
    const typename O::template Step<T> step(e.optimizer->hyperparameters);
    if (columns == c_row)
        columns *= rows, rows = 1;
    for (Index i = 0; i < rows; ++i)
        update_run<O, T>(*e.optimizer, step, c + i * c_row - e.optimizer->gradients, columns);
}

template <class O, class T>
inline constexpr OptimizerKernels<T> optimizer{
    .name = O::name,
    .slots = O::slots,
    .hyperparameters = O::hyperparameters,
    .prepare = O::prepare,
    .initial = O::initial,
    .update = update<O, T>,
    .update_block = update_block<O, T>,
};

template <class T>
inline constexpr OptimizerKernels<T> optimizers[] = {
    optimizer<Sgd, T>,         optimizer<RmsProp, T>,  optimizer<RmsPropCentered, T>,
    optimizer<Adagrad, T>,     optimizer<Adadelta, T>, optimizer<Adam, T>,
    optimizer<AdamAmsgrad, T>, optimizer<Adamax, T>,   optimizer<Nadam, T>,
    optimizer<Lion, T>,        optimizer<Muon, T>,     {},
};
