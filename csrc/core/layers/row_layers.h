// Layers that work on each row independently.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "layers.h"

namespace fastnet {

// A layer that maps rows to rows of the same width, whose rows the members of a team share. A sample consists of
// `positions` rows.
template <class T> class RowLayer : public Layer<T> {
  public:
    explicit RowLayer(Index size, Index positions = 1)
        : Layer<T>(size, size), positions_(positions), width_(size / positions) {}

  protected:
    Index rows(const Pass<T>& pass) const { return pass.rows * positions_; }
    // The row of the forward pass that row i of the backward pass belongs to.
    Index forward_row(const Pass<T>& pass, Index i) const {
        return pass.forward_row(i / positions_) * positions_ + i % positions_;
    }
    // The columns whose parameters a member of the team is responsible for.
    Range columns(const Pass<T>& pass) const { return pass.crew.team.share(width_, 64); }

    // Applies the optimizer, if there is one, to a member's columns of the arrays of gradients that are not null.
    static void update(const Optimization<T>* optimization, std::initializer_list<const T*> gradients, Index count) {
        for (const T* some : gradients)
            if (optimization && some)
                optimization->update(some, count);
    }

    // Calls visit(row) for these rows of `values` values each.
    template <class Visit> static void for_rows(const Pass<T>& pass, Range rows, Index values, Visit visit) {
        in_pieces(pass.crew.team, rows, operations_per_move * static_cast<double>(values), [&](Range piece) {
            for (Index i = piece.begin; i < piece.end; ++i)
                visit(i);
        });
    }

    // Calls map(row, offset of the row's first value) for each row and applies the epilogue to that row of y.
    template <class Map> void map_rows(const Pass<T>& pass, T* y, const Epilogue<T>* epilogue, Map map) const {
        const Epilogue<T> of_rows = epilogue ? by_row(*epilogue) : Epilogue<T>{};
        for_rows(pass, pass.crew.team.share(rows(pass)), width_, [&](Index i) {
            map(i, i * width_);
            if (epilogue)
                of_rows.function(1, width_, y + i * width_, width_, of_rows.at(i, 0));
        });
    }

    // The epilogue of samples as that of their rows.
    Epilogue<T> by_row(Epilogue<T> epilogue) const {
        epilogue.kept_row /= positions_;
        return epilogue;
    }

    const Index positions_, width_;
};

// y = scale x + offset. With scale 1 and offset 0, it carries an activation that follows another one.
template <class T> class Rescaling final : public RowLayer<T> {
  public:
    Rescaling(Index size, T scale, T offset) : RowLayer<T>(size), scale_(scale), offset_(offset) {}

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_rows(pass, y, &epilogue, [&](Index, Index at) {
            kernels<T>().affine(this->width_, x.rows + at, scale_, offset_, y + at);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_rows(pass, dx, epilogue,
                       [&](Index, Index at) { kernels<T>().affine(this->width_, dy + at, scale_, T(0), dx + at); });
    }

  private:
    const T scale_, offset_;
};

// A layer that passes gradients through unchanged.
template <class T> class TransparentLayer : public RowLayer<T> {
  public:
    using RowLayer<T>::RowLayer;

    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_rows(pass, dx, epilogue, [&](Index, Index at) { std::copy_n(dy + at, this->width_, dx + at); });
    }
};

// y = x + the output of an earlier layer. Both get the same gradient.
template <class T> class Addition final : public TransparentLayer<T> {
  public:
    using TransparentLayer<T>::TransparentLayer;

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_rows(pass, y, &epilogue, [&](Index, Index at) {
            kernels<T>().layers.add(this->width_, x.rows + at, pass.skip + at, y + at);
        });
    }
};

// y = the output of an earlier layer, whatever x is. That layer gets the gradient, and x none.
template <class T> class Recall final : public Layer<T> {
  public:
    using Layer<T>::Layer;

    void forward(const Pass<T>& pass, const Input<T>&, T* y, const Epilogue<T>& epilogue) const override {
        const Index width = this->output_size;
        for_rows(pass, width, [&](Index i) {
            std::copy_n(pass.skip + i * width, width, y + i * width);
            epilogue.function(1, width, y + i * width, width, epilogue.at(i, 0));
        });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T*, T* dx, const Epilogue<T>*) const override {
        const Index width = this->input_size;
        for_rows(pass, width, [&](Index i) { std::fill_n(dx + i * width, width, T(0)); });
    }

  private:
    template <class Visit> static void for_rows(const Pass<T>& pass, Index width, Visit visit) {
        const double operations = operations_per_move * static_cast<double>(width);
        in_pieces(pass.crew.team, pass.crew.team.share(pass.rows), operations, [&](Range piece) {
            for (Index i = piece.begin; i < piece.end; ++i)
                visit(i);
        });
    }
};

// The random numbers of a layer.
struct RandomStream {
    std::uint64_t seed;
    Index stream;

    template <class T> RandomRow row(const Pass<T>& pass, Index i) const {
        return {seed, pass.step, stream, pass.first_row + i};
    }
};

inline double checked_rate(double rate) {
    if (!(rate >= 0 && rate < 1))
        throw std::invalid_argument("rate must be in [0, 1), got " + std::to_string(rate));
    return rate;
}

// Srivastava et al., JMLR 15, 2014. Its memory is the mask.
template <class T> class Dropout final : public RowLayer<T> {
  public:
    Dropout(Index size, double rate, RandomStream random)
        : RowLayer<T>(size), rate_(static_cast<T>(checked_rate(rate))), random_(random) {}
    void adopt(const LayerKind& kind) override {
        rate_ = static_cast<T>(checked_rate(spec_of<DropoutSpec>(kind).rate));
    }

    bool only_in_training() const override { return true; }
    std::uint64_t* seed() override { return &random_.seed; }
    Index memory_per_row() const override { return this->input_size; }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        const Index size = this->width_;
        this->map_rows(pass, y, &epilogue, [&](Index i, Index at) {
            if (pass.training())
                kernels<T>().layers.dropout(random_.row(pass, i), size, x.rows + at, rate_, pass.memory + at, y + at);
            else
                std::copy_n(x.rows + at, size, y + at);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>&, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        this->map_rows(pass, dx, epilogue, [&](Index, Index at) {
            if (pass.training())
                kernels<T>().layers.multiply(this->width_, dy + at, pass.memory + at, dx + at);
            else
                std::copy_n(dy + at, this->width_, dx + at);
        });
    }

  private:
    T rate_;
    RandomStream random_;
};

template <class T> class GaussianNoise final : public TransparentLayer<T> {
  public:
    GaussianNoise(Index size, T deviation, RandomStream random)
        : TransparentLayer<T>(size), deviation_(deviation), random_(random) {}
    void adopt(const LayerKind& kind) override {
        deviation_ = static_cast<T>(spec_of<GaussianNoiseSpec>(kind).deviation);
    }

    bool only_in_training() const override { return true; }
    std::uint64_t* seed() override { return &random_.seed; }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        const Index size = this->width_;
        this->map_rows(pass, y, &epilogue, [&](Index i, Index at) {
            if (pass.training())
                kernels<T>().layers.add_noise(random_.row(pass, i), size, x.rows + at, deviation_, y + at);
            else
                std::copy_n(x.rows + at, size, y + at);
        });
    }

  private:
    T deviation_;
    RandomStream random_;
};

// He, Zhang, Ren and Sun, ICCV 2015: the slope for negative values is learned, one for every input.
template <class T> class PRelu final : public RowLayer<T> {
  public:
    using RowLayer<T>::RowLayer;

    std::vector<ParameterSlot> slots() const override { return {{"alpha", 0, {this->width_}}}; }
    Index parameter_count() const override { return this->width_; }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        this->map_rows(pass, y, &epilogue, [&](Index, Index at) {
            kernels<T>().layers.prelu(this->width_, x.rows + at, pass.parameters, y + at);
        });
    }
    void backward(const Pass<T>& pass, const Input<T>& x, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        const Index size = this->width_;
        this->map_rows(pass, dx, epilogue, [&](Index i, Index at) {
            kernels<T>().layers.prelu_backward(size, x.rows + this->forward_row(pass, i) * size, pass.parameters,
                                               dy + at, dx + at);
        });
    }
    void parameter_gradients(const Pass<T>& pass, Range, const Input<T>& x, const T* dy, T* gradients, bool accumulate,
                             const Optimization<T>* optimization) const override {
        const Range mine = this->columns(pass);
        T* const slopes = gradients + mine.begin;
        if (!accumulate)
            std::fill_n(slopes, mine.size(), T(0));
        this->for_rows(pass, {0, this->rows(pass)}, mine.size(), [&](Index i) {
            const Index at = i * this->width_ + mine.begin;
            kernels<T>().layers.prelu_slopes(mine.size(), x.rows + at, dy + at, slopes);
        });
        this->update(optimization, {slopes}, mine.size());
    }
};

}  // namespace fastnet
