// A network that several Python threads may use.
#pragma once

#include <mutex>
#include <vector>

#include "callbacks.h"
#include "core/network/network.h"
#include "lock.h"

namespace fastnet {

// A network with a lock. A function that the network's work calls, such as a loss or the handler of a signal, and that
// comes back to the same network would wait for itself: that is an error.
template <class T> class LockedNetwork {
  public:
    LockedNetwork(Index input_size, const std::vector<LayerSpec>& specs) : network_(input_size, specs) {}

    // Brief work keeps the GIL unless it has to wait: others would not notice that they could run.
    template <class Work> auto with(Work work, bool brief = false) {
        if (brief)
            if (const std::unique_lock<Lock> use(lock_, std::try_to_lock); use)
                return work(network_);
        return interruptibly([&](Interruption* interruption) {
            const std::lock_guard<Lock> use(lock_);
            const Interruptible work_of_this(network_, interruption);
            return work(network_);
        });
    }
    // Reads or changes what is kept from call to call, as a whole for all other threads and for forked children.
    template <class Work> auto at_once(Work work) {
        return with([&](Network<T>& network) {
            const NoForks no_forks;
            return work(network);
        });
    }
    const Network<T>& shape() const { return network_; }  // what never changes needs no lock
    Network<T>& unlocked() { return network_; }           // for what is said to be no business of the lock

  private:
    struct Interruptible {
        Interruptible(Network<T>& network, Interruption* interruption) : network(network) {
            network.set_interruption(interruption);
        }
        ~Interruptible() { network.set_interruption(nullptr); }
        Network<T>& network;
    };
    Network<T> network_;
    Lock lock_{"the network is in use by the work that called this function"};
};

}  // namespace fastnet
