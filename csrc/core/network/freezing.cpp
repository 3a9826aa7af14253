// What of a network is trained, as the layers that are frozen say, and what follows from that: the ranges of parameters
// that steps update, the layer at which the backward pass ends, the penalties.
#include <algorithm>

#include "network.h"

namespace fastnet {

template <class T> void Network<T>::update_layers(const std::vector<LayerSpec>& specs) {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        Layer<T>& layer = *layers_[i];
        const std::size_t number = static_cast<std::size_t>(layer.spec) + (rescales_ ? 1 : 0);
        if (number >= specs.size())  // the layer stands for none
            continue;
        layer.adopt(specs[number]);
        const bool thaws = layer.frozen && specs[number].trainable;
        layer.frozen = !specs[number].trainable;
        // The moving average of what did not move.
        if (thaws && options_.use_ema && steps_ > 0)
            std::copy_n(parameters_.data() + offsets_[i], layer.parameter_count(),
                        state_.data() + optimizer_->slots * parameter_count_ + offsets_[i]);
    }
    find_trained();
    choose_penalties();
}

// What follows from the layers that are frozen.
template <class T> void Network<T>::find_trained() {
    needs_whole_batch_ = false;
    lowest_trained_ = -1;
    trained_.clear();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        const Layer<T>& layer = *layers_[i];
        needs_whole_batch_ = needs_whole_batch_ || layer.needs_whole_batch();
        if (layer.frozen || layer.parameter_count() == 0)
            continue;
        if (lowest_trained_ < 0)
            lowest_trained_ = static_cast<index>(i);
        if (trained_.empty() || trained_.back().end != offsets_[i])
            trained_.push_back({offsets_[i], offsets_[i]});
        trained_.back().end += layer.parameter_count();
    }
    trained_slots_.clear();
    for (auto& [layer, slot] : slots())
        if (slot.trainable && trains(slot.offset))
            trained_slots_.push_back(std::move(slot));
    norms_.resize(trained_slots_.size());
}

template <class T> bool Network<T>::trains(index offset) const {
    return std::any_of(trained_.begin(), trained_.end(),
                       [&](const Range& range) { return range.begin <= offset && offset < range.end; });
}

template <class T> void Network<T>::set_penalties(const std::vector<Penalty>& penalties, bool divided) {
    all_penalties_ = penalties;
    divides_penalties_ = divided;
    choose_penalties();
}

// Weights that stay as they are cost nothing.
template <class T> void Network<T>::choose_penalties() {
    penalties_.clear();
    for (const Penalty& p : all_penalties_)
        if (trains(p.offset))
            penalties_.push_back(p);
    penalty_ranges_.clear();
    index blocks = 0;
    for (const Penalty& p : penalties_) {
        penalty_ranges_.push_back({p.offset, p.offset + p.size, static_cast<T>(p.l1), static_cast<T>(p.l2)});
        blocks += (p.size + penalty_block - 1) / penalty_block;
    }
    penalty_sums_.reserve(blocks);
}

template void Network<float>::update_layers(const std::vector<LayerSpec>&);
template void Network<double>::update_layers(const std::vector<LayerSpec>&);
template void Network<float>::set_penalties(const std::vector<Penalty>&, bool);
template void Network<double>::set_penalties(const std::vector<Penalty>&, bool);

}  // namespace fastnet
