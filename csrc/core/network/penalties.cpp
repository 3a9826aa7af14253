#include "penalties.h"

#include <algorithm>

namespace fastnet {

template <class T> void Penalties<T>::set(const std::vector<Penalty>& penalties, bool divided) {
    all_ = penalties;
    divided_ = divided;
    choose();
}

template <class T> void Penalties<T>::choose() {
    chosen_.clear();
    ranges_.clear();
    blocks_ = 0;
    for (const Penalty& p : all_)
        if (chain_.trains(p.offset)) {
            chosen_.push_back(p);
            ranges_.push_back({p.offset, p.offset + p.size, static_cast<T>(p.l1), static_cast<T>(p.l2)});
            blocks_ += BlockSums<T>::blocks_of(p.size);
        }
    sums_.reserve(blocks_);
}

template <class T> double Penalties<T>::factor(double divisor) const {
    if (!divided_)
        return 1;
    return divisor != 0 ? 1 / divisor : 0;
}

template <class T> void Penalties<T>::add_up(Team& team) {
    const Range mine = team.share(blocks_);
    Index first = 0;
    for (const PenaltyRange<T>& p : ranges_)
        first = sums_.add_up(mine, first, p.end - p.begin, chain_.parameters() + p.begin, p.l1, p.l2);
    team.barrier();
    if (team.leads())
        sum_ = sums_.total({0, blocks_});
}

template <class T> void Penalties<T>::add_slopes(const Team& team, double divisor, T* gradients) const {
    const Range mine = team.share(chain_.parameter_count(), 64);
    const double by = factor(divisor);
    for (const Penalty& p : chosen_) {
        const Index begin = std::max(mine.begin, p.offset), end = std::min(mine.end, p.offset + p.size);
        if (begin < end)
            kernels<T>().add_penalty(end - begin, chain_.parameters() + begin, static_cast<T>(by * p.l1),
                                     static_cast<T>(by * p.l2), gradients + begin);
    }
}

template class Penalties<float>;
template class Penalties<double>;

}  // namespace fastnet
