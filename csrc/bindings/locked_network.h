// A network that several Python threads may use.
#pragma once

#include <mutex>
#include <vector>

#include "callbacks.h"
#include "core/network/network.h"
#include "lock.h"

namespace fastnet {

// A network with a lock. A function called by the network's work, such as a loss or a signal handler, may call the same
// network. It would wait for itself, so that is an error.
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
    // Reads or changes persistent state as a whole, as seen by all other threads and by forked children.
    template <class Work> auto at_once(Work work) {
        return with([&](Network<T>& network) {
            const NoForks no_forks;
            return work(network);
        });
    }
    const Network<T>& shape() const { return network_; }  // constant properties need no lock
    Network<T>& unlocked() { return network_; }           // for functions documented as not locked

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
