// Measuring tools of the compiled benchmarks: a clock, operands, and the number of repeats for short work.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

#include "core/kernels/kernels.h"

namespace fastnet {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
}

template <class F> double seconds_of(long repeats, F work) {
    const auto start = Clock::now();
    for (long i = 0; i < repeats; ++i)
        work();
    return seconds_since(start);
}

// How often the work can be done in about `seconds` seconds, estimated from a second call: the first one warms up.
template <class F> long repeats_for(double seconds, F work) {
    work();
    return std::max(1L, static_cast<long>(seconds / std::max(seconds_of(1, work), 1e-9)));
}

// The median time of work() in 9 measurements, each long enough (20 ms) for the clock.
template <class F> double median_seconds(F work) {
    const long repeats = repeats_for(0.02, work);
    std::array<double, 9> times;
    for (double& time : times)
        time = seconds_of(repeats, work) / static_cast<double>(repeats);
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    return times[times.size() / 2];
}

inline std::vector<float> operand(Index size) {
    std::vector<float> values(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = static_cast<float>(i % 17) / 17.0f - 0.5f;
    return values;
}

}  // namespace fastnet
