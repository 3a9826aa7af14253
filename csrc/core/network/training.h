// What training minimizes and how, as the outside says it.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "core/kernels/kernels.h"
#include "muon.h"

namespace fastnet {

enum class Metric { none, categorical_accuracy, binary_accuracy };

// How the losses of a batch's samples, each times its weight, become one: their sum, divided by their number, by the
// sum of their weights, or not at all.
enum class Reduction { mean, weighted_mean, sum };

// Called once a batch, on the calling thread, with the network's outputs for it: samples first, first + 1, ... of the
// epoch's order. Where the loss is not the core's own, it must fill in the loss of the batch and its gradient by the
// outputs, which are null otherwise. Returning false ends the epoch before the batch changes a weight.
template <class T>
using BatchHook = std::function<bool(Index first, Index rows, const T* outputs, double* loss, T* gradient)>;

// The name of a loss that a BatchHook computes.
inline constexpr const char* custom_loss = "custom";

// What every optimizer may do beside its rule, with the names and the meaning of Keras; 0 for none of it.
struct OptimizerOptions {
    double weight_decay = 0;
    double clipvalue = 0, clipnorm = 0, global_clipnorm = 0;
    Index accumulation_steps = 1;
    double ema_momentum = 0;
    Index ema_overwrite_frequency = 0;
    bool use_ema = false;
    std::vector<Matrix> matrices;  // that Muon orthogonalizes

    bool gradients_first() const {
        return clipnorm > 0 || global_clipnorm > 0 || accumulation_steps > 1 || !matrices.empty();
    }
    bool any() const { return gradients_first() || weight_decay > 0 || clipvalue > 0 || use_ema; }
    int extra_slots() const { return use_ema + (accumulation_steps > 1); }
};

struct Training {
    std::string loss;
    std::array<double, max_loss_parameters> loss_parameters{};
    bool from_logits = false;  // the outputs are what an activation that the loss knows would be applied to
    Reduction reduction = Reduction::mean;
    Metric metric = Metric::none;
    std::string optimizer;
    std::vector<double> hyperparameters;  // in the optimizer's order, learning_rate first
    OptimizerOptions options;
};

}  // namespace fastnet
