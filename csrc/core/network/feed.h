// How samples become the rows of a batch: with or without their zeros, where they lie or brought into an arena.
#pragma once

#include "chain.h"

namespace fastnet {

// How the first layer gets its input: as rows without their zeros where that is faster and possible, or always one way.
enum class InputForm { automatic, dense, compressed };

template <class T> class Feed {
  public:
    // Rescales what it reads, if there is a rescaling: in front of the layers it is done while rows are in cache.
    Feed(const Chain<T>& chain, const RescalingSpec* rescaling)
        : chain_(chain), whole_input_(Panels::whole(chain.input_size())), rescales_(rescaling) {
        if (rescaling) {
            scale_ = static_cast<T>(rescaling->scale);
            offset_ = static_cast<T>(rescaling->offset);
        }
    }

    // Changes no bit of a result as long as the first layer's weights and gradients are finite.
    void set_form(InputForm form) { form_ = form; }
    InputForm form() const { return form_; }

    // Whether the data to come are read without their zeros, in pieces of so many rows: decided by the data and the
    // model alone, before batches are made.
    void choose(const Samples& samples, Index rows);
    void read_dense() { compresses_ = false; }
    bool compresses() const { return compresses_; }
    // The floating-point operations of a row that is read so.
    double operations_per_row() const;

    // Makes room for batches of so many rows.
    void reserve(std::vector<Arena<T>>& arenas, const Samples& samples, Index rows, Use use) const;
    // Where a batch finds its input: in the arena, or in place in the data.
    Input<T> input(const Samples& samples, const Arena<T>& arena, Index begin) const {
        const T* const in_place = this->in_place(samples);
        const T* const dense = in_place ? in_place + begin * chain_.input_size() : arena.input.data();
        return {compresses_ ? nullptr : dense, compresses_ ? &arena.compressed : nullptr, &whole_input_};
    }
    // The rows of T that are read one by one where they lie, if they can be.
    DirectRows<T> direct(const Samples& samples) const {
        return rescales_ ? DirectRows<T>{} : samples.x.template direct<T>();
    }

    // Brings a member's rows of the batch into the arena, unless they are read in place.
    void gather(const Team& team, const Batch<T>& batch, Range rows) const;
    void gather_input(const Team& team, const Batch<T>& batch, Range rows, Index segment) const;
    void gather_targets(const Batch<T>& batch, Range rows) const;

    // From derivatives by what the first layer reads to those by the data.
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
    bool compresses_ = false;  // the input of the data in work, of this density
    double density_ = 1;
};

}  // namespace fastnet
