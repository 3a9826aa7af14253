// Small dense networks: training steps, and predictions of a few rows, without the overhead that pays off in large
// networks. The results are the same bit for bit.
#pragma once

#include <vector>

#include "feed.h"
#include "objective.h"

namespace fastnet {

template <class T> class Small {
  public:
    Small(const Chain<T>& chain, const Feed<T>& feed, const Objective<T>& objective);

    // Whether all layers are of the kind that small_kernels.h computes.
    bool is_possible() const { return products_only_; }
    Index widest() const { return widest_; }

    // Predicts the rows of a batch.
    void predict(const Batch<T>& batch);

    // The state that steps on the same samples share.
    struct Steps {
        Batch<T> batch;  // of the current step
        DirectRows<T> x, y;
        LossArguments<T> loss;
    };
    Steps steps(const Batch<T>& first) const;
    // Called before the steps: sets where their layers read and write.
    void list(const Arena<T>& arena, T* gradients);
    void step(Steps& steps, Index begin, Index rows, const Optimization<T>& optimization) const;

  private:
    void forward(Index rows, const T* x, bool leave_logits) const;
    void gather(Steps& steps) const;

    const Chain<T>& chain_;
    const Feed<T>& feed_;
    const Objective<T>& objective_;
    bool products_only_;
    Index widest_;  // the most values of a row in any layer
    std::vector<SmallLayer<T>> layers_;
};

}  // namespace fastnet
