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
// over all batches.
//
// In training the members of a team share the columns, so that each finds what it left in the forward pass. The columns
// of images are few, and their rows, the pixels, many: there the members share the samples, and sum in parts.
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
    Index memory_per_batch() const override { return (6 + (of_images() ? 2 * parts : 0)) * this->width_; }
    bool needs_whole_batch() const override { return !this->frozen; }

    void prepare(const T* parameters, const T* statistics, T* memory) const override {
        const Memory m = at(memory, 0);
        std::copy_n(statistics, 2 * this->width_, memory);  // the mean and the variance
        kernels<T>().layers.normalization_factors(this->width_, m.variance, this->epsilon_, this->gamma(parameters, 0),
                                                  m.inverse, m.factor);
    }
    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        const auto& k = kernels<T>().layers;
        const bool learns = pass.training() && !this->frozen;
        if (learns && of_images())
            distances_of_parts(pass, x.rows);
        if (learns)
            in_columns(pass, [&](Range mine) {
                const Memory m = at(pass.memory, mine.begin);
                const T* const origin = x.rows + mine.begin;
                if (of_images())
                    add_parts(pass, mine, m.mean, m.variance);
                else
                    k.distances(pass.rows - 1, mine.size(), origin + this->width_, this->width_, origin, m.mean,
                                m.variance);
                k.moments(this->rows(pass), mine.size(), origin, m.mean, m.variance);
                k.normalization_factors(mine.size(), m.variance, this->epsilon_,
                                        this->gamma(pass.parameters, mine.begin), m.inverse, m.factor);
            });
        if (learns && of_images())
            pass.crew.team.barrier();
        map_tiles(pass, learns, y, &epilogue, [&](Range mine, Index row) {
            const Memory m = at(pass.memory, mine.begin);
            k.normalize(mine.size(), x.rows + row, m.mean, m.factor, this->beta(pass.parameters, mine.begin), y + row);
        });
    }
    void prepare_backward(const Pass<T>& pass, const Input<T>& x, const T* dy) const override {
        const auto& k = kernels<T>().layers;
        const Index width = this->width_;
        if (of_images()) {
            for_parts(pass, [&](Range rows, T* sum, T* product) {
                const Memory m = at(pass.memory, 0);
                k.normalization_sums(rows.size(), width, x.rows + rows.begin * width, dy + rows.begin * width, width,
                                     m.mean, m.inverse, sum, product);
            });
        }
        in_columns(pass, [&](Range mine) {
            const Memory m = at(pass.memory, mine.begin);
            if (of_images())
                add_parts(pass, mine, m.sum, m.product);
            else
                k.normalization_sums(pass.rows, mine.size(), x.rows + mine.begin, dy + mine.begin, width, m.mean,
                                     m.inverse, m.sum, m.product);
        });
        if (of_images())
            pass.crew.team.barrier();
    }
    void backward(const Pass<T>& pass, const Input<T>& x, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        const auto& k = kernels<T>().layers;
        if (!pass.training() || this->frozen) {
            const T* factor = at(pass.memory, 0).factor;
            return this->map_rows(pass, dx, epilogue,
                                  [&](Index, Index row) { k.multiply(this->width_, dy + row, factor, dx + row); });
        }
        map_tiles(pass, true, dx, epilogue, [&](Range mine, Index row) {
            const Memory m = at(pass.memory, mine.begin);
            const NormalizationGradient<T> gradient{m.mean, m.inverse, m.factor,
                                                    m.sum,  m.product, T(1) / static_cast<T>(this->rows(pass))};
            k.normalize_backward(mine.size(), x.rows + row, dy + row, gradient, dx + row);
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
    // Six arrays with one value per column. For images, two arrays for each part follow.
    struct Memory {
        T *mean, *variance, *inverse, *factor, *sum, *product;
    };
    Memory at(T* memory, Index column) const {
        const Index size = this->width_;
        T* const first = memory + column;
        return {first, first + size, first + 2 * size, first + 3 * size, first + 4 * size, first + 5 * size};
    }
    bool of_images() const { return this->positions_ > 1; }

    // Sums over all rows of a member's columns. The rows of these are long enough to be read at the speed of memory.
    template <class Sum> void in_columns(const Pass<T>& pass, Sum sum) const {
        in_pieces(pass.crew.team, this->columns(pass), static_cast<double>(pass.rows), sum, 16);
    }
    // Calls map(columns, place of the first value) for each row of a member's columns or, for images and outside of
    // training, with all columns for its rows. Applies the epilogue to the values of y there.
    template <class Map>
    void map_tiles(const Pass<T>& pass, bool by_columns, T* y, const Epilogue<T>* epilogue, Map map) const {
        const Index width = this->width_;
        if (!by_columns || of_images())
            return this->map_rows(pass, y, epilogue, [&](Index, Index row) { map(Range{0, width}, row); });
        const Range mine = this->columns(pass);
        this->for_rows(pass, {0, pass.rows}, mine.size(), [&](Index i) {
            const Index row = i * width + mine.begin;
            map(mine, row);
            if (epilogue)
                epilogue->function(1, mine.size(), y + row, width, epilogue->at(i, mine.begin));
        });
    }

    // Calls sum(rows, first sums, second sums) for a member's parts, and waits for the other members.
    template <class Sum> void for_parts(const Pass<T>& pass, Sum sum) const {
        T* const sums = pass.memory + 6 * this->width_;
        const Range mine = pass.crew.team.share(parts);
        const double operations = operations_per_move * static_cast<double>(pass.rows * this->input_size / parts);
        for (Index part = mine.begin; part < mine.end && pass.crew.team.goes_on(operations); ++part) {
            const Range samples = rows_of_part(pass.rows, part);
            T* const first = sums + 2 * part * this->width_;
            sum(Range{samples.begin * this->positions_, samples.end * this->positions_}, first, first + this->width_);
        }
        pass.crew.team.barrier();
    }
    void distances_of_parts(const Pass<T>& pass, const T* x) const {
        for_parts(pass, [&](Range rows, T* sum, T* squares) {
            kernels<T>().layers.distances(rows.size(), this->width_, x + rows.begin * this->width_, this->width_, x,
                                          sum, squares);
        });
    }
    // The sums of all parts for some columns.
    void add_parts(const Pass<T>& pass, Range columns, T* first, T* second) const {
        const T* const sums = pass.memory + 6 * this->width_ + columns.begin;
        kernels<T>().add_rows(parts, columns.size(), sums, 2 * this->width_, first, false);
        kernels<T>().add_rows(parts, columns.size(), sums + this->width_, 2 * this->width_, second, false);
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
