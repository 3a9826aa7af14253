// Penalties on the weights, which are added to the loss.
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

    // If `divided`, the penalties are divided by the divisor of a batch's losses.
    void set(const std::vector<Penalty>& penalties, bool divided);
    // Selects the penalties of the layers that are not frozen: frozen weights are not penalized.
    void choose();
    bool any() const { return !chosen_.empty(); }

    // The factor of the penalties in a batch with this divisor.
    double factor(double divisor) const;
    // Computes the sum of the penalties on the current weights, for the leader, before any parameter is updated.
    void add_up(Team& team);
    double sum() const { return sum_; }
    // Adds the slopes of the penalties to a member's share of the gradients.
    void add_slopes(const Team& team, double divisor, T* gradients) const;
    // The same for the optimizer, which adds the slopes as it updates weights.
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
