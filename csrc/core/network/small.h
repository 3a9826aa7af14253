// Small dense networks: a step of training, and the prediction of a few rows, without what large ones need. The bits
// are the same.
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

    // What the steps on the same samples have in common.
    struct Steps {
        Batch<T> batch;  // of the step in work
        DirectRows<T> x, y;
        LossArguments<T> loss;
    };
    Steps steps(const Batch<T>& first) const;
    // Before them: says where their layers find and leave what.
    void list(const Arena<T>& arena, T* gradients);
    void step(Steps& steps, Index begin, Index rows, const Optimization<T>& optimization) const;

  private:
    void forward(Index rows, const T* x, bool leave_logits) const;
    void gather(Steps& steps) const;

    const Chain<T>& chain_;
    const Feed<T>& feed_;
    const Objective<T>& objective_;
    bool products_only_;
    Index widest_;  // the most values of a row on its way
    std::vector<SmallLayer<T>> layers_;
};

}  // namespace fastnet
