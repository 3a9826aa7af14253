// How samples become the rows of a batch: with or without their zeros, in place or copied into an arena.
#pragma once

#include "chain.h"

namespace fastnet {

// The form in which the first layer gets its input. `automatic` means rows without their zeros if that is possible and
// faster.
enum class InputForm { automatic, dense, compressed };

template <class T> class Feed {
  public:
    // With a rescaling in front of the layers, rows are rescaled as they are read, while they are in cache.
    Feed(const Chain<T>& chain, const RescalingSpec* rescaling)
        : chain_(chain), whole_input_(Panels::whole(chain.input_size())), rescales_(rescaling) {
        if (rescaling) {
            scale_ = static_cast<T>(rescaling->scale);
            offset_ = static_cast<T>(rescaling->offset);
        }
    }

    // The form changes no bit of a result as long as the first layer's weights and gradients are finite.
    void set_form(InputForm form) { form_ = form; }
    InputForm form() const { return form_; }

    // Decides whether the following data are read without their zeros, in pieces of `rows` rows. This depends on the
    // data and the model alone, and is decided before batches are made.
    void choose(const Samples& samples, Index rows);
    void read_dense() { compresses_ = false; }
    bool compresses() const { return compresses_; }
    // The floating-point operations of a row in the chosen form.
    double operations_per_row() const;

    // Makes room for batches of this many rows.
    void reserve(std::vector<Arena<T>>& arenas, const Samples& samples, Index rows, Use use) const;
    // The input of a batch: in the arena, or in place in the data.
    Input<T> input(const Samples& samples, const Arena<T>& arena, Index begin) const {
        const T* const in_place = this->in_place(samples);
        const T* const dense = in_place ? in_place + begin * chain_.input_size() : arena.input.data();
        return {compresses_ ? nullptr : dense, compresses_ ? &arena.compressed : nullptr, &whole_input_};
    }
    // The rows as values of T that can be read in place one by one, or none.
    DirectRows<T> direct(const Samples& samples) const {
        return rescales_ ? DirectRows<T>{} : samples.x.template direct<T>();
    }

    // Copies a member's rows of the batch into the arena, unless they are read in place.
    void gather(const Team& team, const Batch<T>& batch, Range rows) const;
    void gather_input(const Team& team, const Batch<T>& batch, Range rows, Index segment) const;
    void gather_targets(const Batch<T>& batch, Range rows) const;

    // Turns derivatives with respect to the first layer's input into those with respect to the data.
    void rescale_derivatives(const Team& team, Range rows, T* derivatives) const;

  private:
    const T* in_place(const Samples& samples) const {
        return rescales_ ? nullptr : samples.x.template in_place<T>(samples.order);
    }

    const Chain<T>& chain_;
    const Panels whole_input_;  // one segment
    const bool rescales_;
    T scale_ = 1, offset_ = 0;
    InputForm form_ = InputForm::automatic;
    bool compresses_ = false;  // whether the current data, of this density, are compressed
    double density_ = 1;
};

}  // namespace fastnet
