// What is added to the loss for the weights alone.
#pragma once

#include <vector>

#include "block_sums.h"
#include "chain.h"

namespace fastnet {

// l1 sum |w| + l2 sum w^2 over some values.
struct Penalty {
    Index offset, size;
    double l1, l2;
};

template <class T> class Penalties {
  public:
    explicit Penalties(const Chain<T>& chain) : chain_(chain) {}

    // Divided, if so told, by what the losses of a batch are divided by.
    void set(const std::vector<Penalty>& penalties, bool divided);
    // Follows from the layers that are frozen: weights that stay as they are cost nothing.
    void choose();
    bool any() const { return !chosen_.empty(); }

    // What the penalties are multiplied by in a batch with this divisor.
    double factor(double divisor) const;
    // Computes the sum of the penalties of the weights as they are, for the leader, before anybody changes one.
    void add_up(Team& team);
    double sum() const { return sum_; }
    // Adds the slopes of the penalties to a member's share of the gradients.
    void add_slopes(const Team& team, double divisor, T* gradients) const;
    // The same for the optimizer, to do as it updates weights.
    const std::vector<PenaltyRange<T>>& ranges() const { return ranges_; }

  private:
    const Chain<T>& chain_;
    std::vector<Penalty> all_, chosen_;
    std::vector<PenaltyRange<T>> ranges_;  // the chosen ones
    bool divided_ = false;
    BlockSums<T> sums_;
    Index blocks_ = 0;
    double sum_ = 0;
};

}  // namespace fastnet
