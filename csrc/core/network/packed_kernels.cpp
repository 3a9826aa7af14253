// The kernels of wide layers, packed once for the products of many predictions.
#include "network.h"

namespace fastnet {

// What the packed kernels of a network take at most. Larger ones are packed piece by piece as products go through them.
constexpr index most_packed = index(64) << 20;

template <class T> void Network<T>::forget_packed_kernels() {
    for (PackedKernel& kernel : packed_)
        kernel.counts = false;
}

template <class T> T* Network<T>::values_to_change() {
    forget_packed_kernels();
    return parameters_.data();
}

template <class T> T* Network<T>::live_values() {
    live_ = true;
    return values_to_change();
}

// Packs the kernels that products of so many rows would pack themselves, unless they are there already.
template <class T> void Network<T>::pack_kernels(index rows, int threads) {
    if (rows < 2 || live_)
        return;
    index held = 0;
    for (const PackedKernel& kernel : packed_)
        held += kernel.memory.size();
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
        Buffer<T>& memory = packed_[i].memory;
        const index size = packed_[i].counts ? 0 : layers_[i]->packed_size(rows);
        const index more = size - memory.size();
        if (size == 0 || (more > 0 && (held + more) * static_cast<index>(sizeof(T)) > most_packed))
            continue;
        memory.reserve(size);
        held += more;
        missing.push_back(i);
    }
    if (missing.empty())
        return;
    run_team(threads, [&](Team& team) {
        for (const std::size_t i : missing)
            layers_[i]->pack(team, parameters_.data() + offsets_[i], packed_[i].memory.data());
    });
    for (const std::size_t i : missing)
        packed_[i].counts = true;
}

template void Network<float>::forget_packed_kernels();
template void Network<double>::forget_packed_kernels();
template float* Network<float>::values_to_change();
template double* Network<double>::values_to_change();
template float* Network<float>::live_values();
template double* Network<double>::live_values();
template void Network<float>::pack_kernels(index, int);
template void Network<double>::pack_kernels(index, int);

}  // namespace fastnet
