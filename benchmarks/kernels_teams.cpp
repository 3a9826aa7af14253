// What a team of threads costs and what they read together:
//   {"name": "team", "threads": 2, "team_us": ..., "barrier_us": ..., "handover_us": ..., "read_gb_s": ...}
// `handover_us` is the time to write a line of 64 bytes that another thread has just written, `read_gb_s` the speed at
// which the team reads an array that fits into no cache.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "core/threads/parallel.h"
#include "kernels_timing.h"

namespace fastnet {
namespace {

// The median time of one of `count` things that work() does.
template <class F> double median_microseconds(double count, F work) { return median_seconds(work) / count * 1e6; }

volatile float sink;

double barrier_microseconds(int threads) {
    constexpr int barriers = 1000;
    return median_microseconds(barriers, [&] {
        run_team(threads, [](Team& team) {
            for (int i = 0; i < barriers; ++i)
                team.barrier();
        });
    });
}

// The members write the same lines in turn, one barrier apart.
double handover_microseconds(int threads) {
    constexpr Index lines = 256, values = lines * 16;  // 16 KB
    constexpr int turns = 64;
    std::vector<float> shared(values);
    const double with = median_microseconds(turns, [&] {
        run_team(threads, [&](Team& team) {
            for (int turn = 0; turn < turns; ++turn, team.barrier())
                if (turn % team.size() == team.rank())
                    for (Index i = 0; i < values; i += 16)
                        shared[static_cast<std::size_t>(i)] += 1;
        });
    });
    return std::max(with - barrier_microseconds(threads), 0.0) / lines;
}

double read_rate(int threads) {
    constexpr Index values = Index(64) << 20;  // 256 MB
    const std::vector<float> memory = operand(values);
    const double microseconds = median_microseconds(1, [&] {
        run_team(threads, [&](Team& team) {
            const Range mine = team.share(values, 1024);
            float sums[64] = {};
            for (Index i = mine.begin; i < mine.end; i += 64)
                for (Index j = 0; j < 64; ++j)
                    sums[j] += memory[static_cast<std::size_t>(i + j)];
            sink = *std::max_element(sums, sums + 64);
        });
    });
    return static_cast<double>(values * 4) / microseconds / 1e3;
}

}  // namespace

void print_team(int threads) {
    rest_teams(false);
    const double team = median_microseconds(1, [&] { run_team(threads, [](Team&) {}); });
    std::printf("{\"name\": \"team\", \"threads\": %d, \"team_us\": %.3f, \"barrier_us\": %.3f, \"handover_us\": %.4f, "
                "\"read_gb_s\": %.2f}\n",
                threads, team, barrier_microseconds(threads), handover_microseconds(threads), read_rate(threads));
}

}  // namespace fastnet
