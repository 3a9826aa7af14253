// The wire of slow_network.py: relays packets between two virtual network cards, with a rate and a delay in each
// direction.
//
// usage: slow_network BITS_PER_SECOND SECONDS NAMESPACE NAMESPACE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

struct Packet {
    Clock::time_point arrives;
    std::vector<char> bytes;
};

// What comes out of one card and goes into the other.
struct Direction {
    int from = -1, to = -1;
    Clock::time_point free{};  // when the last packet has left the card
    std::deque<Packet> flying;
};

int card_in(const std::string& host) {
    const int name_space = open(("/run/netns/" + host).c_str(), O_RDONLY);
    const int file = setns(name_space, CLONE_NEWNET) == 0 ? open("/dev/net/tun", O_RDWR | O_NONBLOCK) : -1;
    ifreq request{};
    std::strcpy(request.ifr_name, "wire");
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    if (file < 0 || ioctl(file, TUNSETIFF, &request) != 0) {
        std::perror(host.c_str());
        std::exit(1);
    }
    return file;
}

}  // namespace

int main(int, char** arguments) {
    const double bits_per_second = std::atof(arguments[1]);
    const auto delay = std::chrono::duration_cast<Clock::duration>(Seconds(std::atof(arguments[2])));
    const int one = card_in(arguments[3]), other = card_in(arguments[4]);
    Direction directions[2];
    directions[0].from = directions[1].to = one;
    directions[1].from = directions[0].to = other;
    prctl(PR_SET_TIMERSLACK, 1);  // timers that are exact to a nanosecond, not to 50 us
    std::puts("ready");
    std::fflush(stdout);
    std::vector<char> buffer(1 << 16);
    for (;;) {
        auto next = Clock::time_point::max();
        for (const Direction& direction : directions)
            if (!direction.flying.empty())
                next = std::min(next, direction.flying.front().arrives);
        timespec wait{};
        if (next != Clock::time_point::max())
            wait.tv_nsec = std::max<long>(0, std::chrono::nanoseconds(next - Clock::now()).count());
        pollfd files[2] = {{one, POLLIN, 0}, {other, POLLIN, 0}};
        ppoll(files, 2, next == Clock::time_point::max() ? nullptr : &wait, nullptr);
        for (Direction& direction : directions) {
            for (ssize_t size; (size = read(direction.from, buffer.data(), buffer.size())) > 0;) {
                const Seconds takes(8 * static_cast<double>(size) / bits_per_second);
                direction.free =
                    std::max(direction.free, Clock::now()) + std::chrono::duration_cast<Clock::duration>(takes);
                direction.flying.push_back({direction.free + delay, {buffer.data(), buffer.data() + size}});
            }
            while (!direction.flying.empty() && direction.flying.front().arrives <= Clock::now()) {
                const auto& bytes = direction.flying.front().bytes;
                if (write(direction.to, bytes.data(), bytes.size()) < 0) {
                    // A card that is not up loses its packets, as a real one does.
                }
                direction.flying.pop_front();
            }
        }
    }
}
