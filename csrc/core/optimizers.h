// The optimizers, simplest first: each is one loop over flat arrays. Included by kernels_impl.h.
//
// To add one, write a struct here and name it in `optimizers` below: its name, the number of state arrays
// ("slots"), the names of its hyperparameters (learning_rate first) and the update of one vector. `prepare` changes a
// step's hyperparameters where they depend on its number.

struct SameEveryStep {
    static void prepare(double*, std::int64_t) {}
};

struct Sgd : SameEveryStep {
    static constexpr const char* name = "sgd";
    static constexpr int slots = 1;
    static constexpr const char* hyperparameters[] = {"learning_rate", "momentum",     "dampening",
                                                      "nesterov",      "weight_decay", nullptr};
    // v = momentum v + (1 - dampening) g, w -= learning_rate v. With dampening = momentum, v is the moving
    // average of the gradients. Nesterov's form looks ahead: w -= learning_rate (momentum v + (1 - dampening) g)
    // (Sutskever, Martens, Dahl and Hinton, ICML 2013). weight_decay adds weight_decay * w to g.
    template <class T> struct Step {
        T rate, momentum, gain, decay;
        bool nesterov;
        explicit Step(const double* h)
            : rate(static_cast<T>(h[0])), momentum(static_cast<T>(h[1])), gain(static_cast<T>(1 - h[2])),
              decay(static_cast<T>(h[4])), nesterov(h[3] != 0) {}
        Vec<T> operator()(Vec<T> w, Vec<T> g, Vec<T> (&state)[slots]) const {
            g = g + decay * w;
            state[0] = momentum * state[0] + gain * g;
            return w - rate * (nesterov ? momentum * state[0] + gain * g : state[0]);
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

// Kingma and Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, in the order of section 2's last
// paragraph (as Keras): the bias corrections are folded into the rate, epsilon is added to sqrt(v).
struct Adam {
    static constexpr const char* name = "adam";
    static constexpr int slots = 2;
    static constexpr const char* hyperparameters[] = {"learning_rate", "beta_1", "beta_2", "epsilon", nullptr};
    static void prepare(double* h, std::int64_t step) {
        const double t = static_cast<double>(step);
        h[0] *= std::sqrt(1 - std::pow(h[2], t)) / (1 - std::pow(h[1], t));
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

template <class O, class T>
FASTNET_INLINE void update_run(const OptimizerArguments<T>& a, const typename O::template Step<T>& step, index first,
                               index count) {
    for_vectors<T>(count, [&](index i, index n) {
        i += first;
        Vec<T> state[O::slots];
        for (int s = 0; s < O::slots; ++s)
            state[s] = load_some(a.state + s * a.state_stride + i, n);
        const Vec<T> w = step(load_some(a.parameters + i, n), load_some(a.gradients + i, n), state);
        store_some(a.parameters + i, w, n);
        for (int s = 0; s < O::slots; ++s)
            store_some(a.state + s * a.state_stride + i, state[s], n);
    });
}

template <class O, class T> void update(const OptimizerArguments<T>& a, index first, index n) {
    update_run<O, T>(a, typename O::template Step<T>(a.hyperparameters), first, n);
}

template <class O, class T> void update_block(index rows, index columns, T* c, index c_row, const Epilogue<T>& e) {
    const typename O::template Step<T> step(e.optimizer->hyperparameters);
    if (columns == c_row)
        columns *= rows, rows = 1;
    for (index i = 0; i < rows; ++i)
        update_run<O, T>(*e.optimizer, step, c + i * c_row - e.optimizer->gradients, columns);
}

template <class O, class T>
inline constexpr OptimizerKernels<T> optimizer{O::name,    O::slots,     O::hyperparameters,
                                               O::prepare, update<O, T>, update_block<O, T>};

template <class T>
inline constexpr OptimizerKernels<T> optimizers[] = {
    optimizer<Sgd, T>,
    optimizer<RmsProp, T>,
    optimizer<Adam, T>,
    {nullptr, 0, nullptr, nullptr, nullptr, nullptr},
};
