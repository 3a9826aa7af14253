// Normalization layers. The formulas are in layer_kernels.h.
#pragma once

#include <algorithm>
#include <utility>

#include "row_layers.h"

namespace fastnet {

// gamma and beta, one of each per column. Either may be left out.
template <class T> class ScaledAndShifted : public RowLayer<T> {
  public:
    ScaledAndShifted(Index size, Index positions, T epsilon, bool use_gamma, bool use_beta)
        : RowLayer<T>(size, positions), epsilon_(epsilon), use_gamma_(use_gamma), use_beta_(use_beta) {}

    std::vector<ParameterSlot> slots() const override {
        std::vector<ParameterSlot> result;
        for (const auto& [used, name] : {std::pair{use_gamma_, "gamma"}, {use_beta_, "beta"}})
            if (used)
                result.push_back({name, static_cast<Index>(result.size()) * this->width_, {this->width_}});
        return result;
    }
    Index parameter_count() const override { return (use_gamma_ + use_beta_) * this->width_; }

  protected:
    // From `column` on, in the parameters or in their gradients; null if left out.
    template <class P> P* gamma(P* parameters, Index column) const {
        return use_gamma_ ? parameters + column : nullptr;
    }
    template <class P> P* beta(P* parameters, Index column) const {
        return use_beta_ ? parameters + use_gamma_ * this->width_ + column : nullptr;
    }
    const T epsilon_;

  private:
    const bool use_gamma_, use_beta_;
};

// Normalizes every row to mean 0 and variance 1. Its memory: the mean and 1 / sqrt(variance + epsilon) of each row.
template <class T> class LayerNormalization final : public ScaledAndShifted<T> {
  public:
    using ScaledAndShifted<T>::ScaledAndShifted;

    Index memory_per_row() const override { return 2 * this->positions_; }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        const T *gamma = this->gamma(pass.parameters, 0), *beta = this->beta(pass.parameters, 0);
        this->map_rows(pass, y, &epilogue, [&](Index i, Index at) {
            kernels<T>().layers.normalize_row(this->width_, x.rows + at, this->epsilon_, gamma, beta, y + at,
                                              pass.memory + 2 * i);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>& x, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        const T* gamma = this->gamma(pass.parameters, 0);
        const Index size = this->width_;
        this->map_rows(pass, dx, epilogue, [&](Index i, Index at) {
            const Index row = this->forward_row(pass, i);
            kernels<T>().layers.normalize_row_backward(size, x.rows + row * size, pass.memory + 2 * row, gamma, dy + at,
                                                       dx + at);
        });
    }
    void parameter_gradients(const Pass<T>& pass, Range, const Input<T>& x, const T* dy, T* gradients, bool accumulate,
                             const Optimization<T>* optimization) const override {
        const Range mine = this->columns(pass);
        T *gamma = this->gamma(gradients, mine.begin), *beta = this->beta(gradients, mine.begin);
        for (T* sums : {gamma, beta})
            if (sums && !accumulate)
                std::fill_n(sums, mine.size(), T(0));
        this->for_rows(pass, {0, this->rows(pass)}, mine.size(), [&](Index i) {
            const Index at = i * this->width_ + mine.begin;
            kernels<T>().layers.add_row_products(mine.size(), x.rows + at, pass.memory + 2 * i, dy + at, gamma, beta);
        });
        this->update(optimization, {gamma, beta}, mine.size());
    }
};

// Normalizes every column to mean 0 and variance 1 over the batch; in prediction, or frozen, by the moving averages
// over all batches. In training the members of a team share the columns, so that each finds what it left in the forward
// pass.
template <class T> class BatchNormalization final : public ScaledAndShifted<T> {
  public:
    BatchNormalization(Index size, Index positions, T momentum, T epsilon, bool use_gamma, bool use_beta)
        : ScaledAndShifted<T>(size, positions, epsilon, use_gamma, use_beta), momentum_(momentum) {}

    std::vector<ParameterSlot> slots() const override {
        std::vector<ParameterSlot> result = ScaledAndShifted<T>::slots();
        result.push_back({"moving_mean", 0, {this->width_}, false});
        result.push_back({"moving_variance", this->width_, {this->width_}, false});
        return result;
    }
    Index statistic_count() const override { return 2 * this->width_; }
    Index memory_per_batch() const override { return 6 * this->width_; }
    bool needs_whole_batch() const override { return !this->frozen; }

    void prepare(const T* parameters, const T* statistics, T* memory) const override {
        const Memory m = at(memory, 0);
        std::copy_n(statistics, 2 * this->width_, memory);  // the mean and the variance
        kernels<T>().layers.normalization_factors(this->width_, m.variance, this->epsilon_, this->gamma(parameters, 0),
                                                  m.inverse, m.factor);
    }
    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        const auto& k = kernels<T>().layers;
        const Index size = this->width_;
        if (!pass.training() || this->frozen) {
            const Memory m = at(pass.memory, 0);
            const T* beta = this->beta(pass.parameters, 0);
            return this->map_rows(pass, y, &epilogue, [&](Index, Index row) {
                k.normalize(size, x.rows + row, m.mean, m.factor, beta, y + row);
            });
        }
        in_columns(pass, [&](Range mine) {
            const Memory m = at(pass.memory, mine.begin);
            k.moments(this->rows(pass), mine.size(), x.rows + mine.begin, size, m.mean, m.variance);
        });
        const Range mine = this->columns(pass);
        const Memory m = at(pass.memory, mine.begin);
        const Index n = mine.size();
        const T *gamma = this->gamma(pass.parameters, mine.begin), *beta = this->beta(pass.parameters, mine.begin);
        k.normalization_factors(n, m.variance, this->epsilon_, gamma, m.inverse, m.factor);
        const Epilogue<T> of_rows = this->by_row(epilogue);
        this->for_rows(pass, {0, this->rows(pass)}, n, [&](Index i) {
            const Index row = i * size + mine.begin;
            k.normalize(n, x.rows + row, m.mean, m.factor, beta, y + row);
            epilogue.function(1, n, y + row, size, of_rows.at(i, mine.begin));
        });
    }
    void prepare_backward(const Pass<T>& pass, const Input<T>& x, const T* dy) const override {
        in_columns(pass, [&](Range mine) {
            const Memory m = at(pass.memory, mine.begin);
            kernels<T>().layers.normalization_sums(this->rows(pass), mine.size(), x.rows + mine.begin, dy + mine.begin,
                                                   this->width_, m.mean, m.inverse, m.sum, m.product);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>& x, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        if (!pass.training() || this->frozen) {
            const T* factor = at(pass.memory, 0).factor;
            return this->map_rows(pass, dx, epilogue, [&](Index, Index row) {
                kernels<T>().layers.multiply(this->width_, dy + row, factor, dx + row);
            });
        }
        const Range mine = this->columns(pass);
        const Memory m = at(pass.memory, mine.begin);
        const NormalizationGradient<T> gradient{m.mean, m.inverse, m.factor,
                                                m.sum,  m.product, T(1) / static_cast<T>(this->rows(pass))};
        const Epilogue<T> of_rows = epilogue ? this->by_row(*epilogue) : Epilogue<T>{};
        this->for_rows(pass, {0, this->rows(pass)}, mine.size(), [&](Index i) {
            const Index row = i * this->width_ + mine.begin;
            kernels<T>().layers.normalize_backward(mine.size(), x.rows + row, dy + row, gradient, dx + row);
            if (epilogue)
                of_rows.function(1, mine.size(), dx + row, this->width_, of_rows.at(i, mine.begin));
        });
    }
    void parameter_gradients(const Pass<T>& pass, Range, const Input<T>&, const T*, T* gradients, bool,
                             const Optimization<T>* optimization) const override {
        const Range mine = this->columns(pass);
        const Memory m = at(pass.memory, mine.begin);
        T *gamma = this->gamma(gradients, mine.begin), *beta = this->beta(gradients, mine.begin);
        if (gamma)
            std::copy_n(m.product, mine.size(), gamma);
        if (beta)
            std::copy_n(m.sum, mine.size(), beta);
        this->update(optimization, {gamma, beta}, mine.size());
    }
    void learn_statistics(const Pass<T>& pass, T* statistics) const override {
        const Range mine = this->columns(pass);
        const Memory m = at(pass.memory, mine.begin);
        kernels<T>().layers.move_average(mine.size(), m.mean, momentum_, statistics + mine.begin);
        kernels<T>().layers.move_average(mine.size(), m.variance, momentum_, statistics + this->width_ + mine.begin);
    }

  private:
    // Six arrays with one value per column.
    struct Memory {
        T *mean, *variance, *inverse, *factor, *sum, *product;
    };
    // Sums over all rows of a member's columns. The rows of these are long enough to be read at the speed of memory.
    template <class Sum> void in_columns(const Pass<T>& pass, Sum sum) const {
        in_pieces(pass.crew.team, this->columns(pass), static_cast<double>(this->rows(pass)), sum, 16);
    }
    Memory at(T* memory, Index column) const {
        const Index size = this->width_;
        T* const first = memory + column;
        return {first, first + size, first + 2 * size, first + 3 * size, first + 4 * size, first + 5 * size};
    }
    const T momentum_;
};

// Normalizes every column by a given mean and variance. Its memory: 1 / sqrt(variance + epsilon), twice.
template <class T> class Normalization final : public RowLayer<T> {
  public:
    Normalization(Index size, Index positions, T epsilon) : RowLayer<T>(size, positions), epsilon_(epsilon) {}

    std::vector<ParameterSlot> slots() const override {
        return {{"mean", 0, {this->width_}, false}, {"variance", this->width_, {this->width_}, false}};
    }
    Index statistic_count() const override { return 2 * this->width_; }
    Index memory_per_batch() const override { return 2 * this->width_; }

    void prepare(const T*, const T* statistics, T* memory) const override {
        const Index size = this->width_;
        kernels<T>().layers.normalization_factors(size, statistics + size, epsilon_, nullptr, memory, memory + size);
    }
    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_rows(pass, y, &epilogue, [&](Index, Index at) {
            kernels<T>().layers.normalize(this->width_, x.rows + at, pass.statistics, pass.memory, nullptr, y + at);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_rows(pass, dx, epilogue, [&](Index, Index at) {
            kernels<T>().layers.multiply(this->width_, dy + at, pass.memory, dx + at);
        });
    }

  private:
    const T epsilon_;
};

}  // namespace fastnet
