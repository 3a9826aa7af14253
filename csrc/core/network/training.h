// Settings of training: the loss, the metric and the optimizer, as the bindings pass them in.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "core/kernels/kernels.h"
#include "muon.h"

namespace fastnet {

enum class Metric { none, categorical_accuracy, binary_accuracy };

// How the losses of a batch's samples, each times its weight, become one loss: their sum, divided by their number, by
// the sum of their weights, or not at all.
enum class Reduction { mean, weighted_mean, sum };

// Called once per batch, on the calling thread, with the network's outputs for samples first, first + 1, ... of the
// epoch's order. For custom losses it must fill in the loss of the batch and its gradient with respect to the outputs;
// otherwise both are null. Returning false ends the epoch before the batch changes a weight.
template <class T>
using BatchHook = std::function<bool(Index first, Index rows, const T* outputs, double* loss, T* gradient)>;

// The name of a loss that a BatchHook computes.
inline constexpr const char* custom_loss = "custom";

// Options of every optimizer in addition to its update rule, with the names and the meaning of Keras; 0 disables each.
struct OptimizerOptions {
    double weight_decay = 0;
    double clipvalue = 0, clipnorm = 0, global_clipnorm = 0;
    Index accumulation_steps = 1;
    double ema_momentum = 0;
    Index ema_overwrite_frequency = 0;
    bool use_ema = false;
    std::vector<Matrix> matrices;  // orthogonalized by Muon
    std::vector<Index> undecayed;  // offsets of the arrays that weight_decay leaves alone

    bool gradients_first() const {
        return clipnorm > 0 || global_clipnorm > 0 || accumulation_steps > 1 || !matrices.empty() || !undecayed.empty();
    }
    bool any() const { return gradients_first() || weight_decay > 0 || clipvalue > 0 || use_ema; }
    int extra_slots() const { return use_ema + (accumulation_steps > 1); }
};

struct Training {
    std::string loss;
    std::array<double, max_loss_parameters> loss_parameters{};
    bool from_logits = false;  // the outputs are logits, to which an activation known to the loss would be applied
    Reduction reduction = Reduction::mean;
    Metric metric = Metric::none;
    std::string optimizer;
    std::vector<double> hyperparameters;  // in the optimizer's order, learning_rate first
    OptimizerOptions options;
};

}  // namespace fastnet
