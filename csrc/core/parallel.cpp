#include "parallel.h"

#include <omp.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace fastnet {
namespace {

void pause_briefly() {
#if defined(__x86_64__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

// Long enough for the members of a team that runs undisturbed to meet (about 20 us), short against a
// scheduler's time slice.
constexpr int spins = 2000;

double read_number(const char* path, const char* format, double& second) {
    std::FILE* file = std::fopen(path, "r");
    if (!file)
        return -1;
    double first = -1;
    const int found = std::fscanf(file, format, &first, &second);
    std::fclose(file);
    return found >= 1 ? first : -1;
}

// Processors that the cgroup's quota is worth, rounded up; 0 without a quota (cgroup v2, then v1).
int cgroup_quota() {
    double period = 100000, unused = 0;
    double quota = read_number("/sys/fs/cgroup/cpu.max", "%lf %lf", period);
    if (quota <= 0) {
        quota = read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "%lf", unused);
        period = read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "%lf", unused);
    }
    if (quota <= 0 || period <= 0)
        return 0;
    return static_cast<int>((quota + period - 1) / period);
}

struct Limit {
    int threads;
    const char* source;
};

Limit default_limit() {
    Limit limit{omp_get_num_procs(), "affinity"};
    const int quota = cgroup_quota();
    if (quota > 0 && quota < limit.threads)
        limit = {quota, "cgroup quota"};
    if (const char* text = std::getenv("OMP_NUM_THREADS")) {
        const int wanted = std::atoi(text);
        if (wanted > 0 && wanted < limit.threads)
            limit = {wanted, "OMP_NUM_THREADS"};
    }
    return limit.threads < 1 ? Limit{1, limit.source} : limit;
}

const Limit& initial_limit() {
    static const Limit limit = default_limit();
    return limit;
}

std::atomic<int> chosen_threads{0};

// libgomp's threads do not survive fork: a child that starts a parallel region waits for them for ever.
// Giving them back before the fork costs the parent a restart and lets the child start its own.
void release_threads_before_fork() {
// Part of OpenMP 5.0; libgomp has it since gcc 9, which still announces 4.5.
#if _OPENMP >= 201811 || (defined(__GNUC__) && !defined(__clang__))
    if (!omp_in_parallel())
        omp_pause_resource_all(omp_pause_hard);
#endif
}

[[maybe_unused]] const bool fork_handler_installed = [] {
#if defined(__unix__)
    pthread_atfork(release_threads_before_fork, nullptr, nullptr);
#endif
    return true;
}();

}  // namespace

void TeamState::barrier() {
    const unsigned phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
        arrived_.store(0, std::memory_order_relaxed);
        phase_.store(phase + 1, std::memory_order_release);
        phase_.notify_all();
        return;
    }
    for (int i = 0; i < spins; ++i) {
        if (phase_.load(std::memory_order_acquire) != phase)
            return;
        pause_briefly();
    }
    while (phase_.load(std::memory_order_acquire) == phase)
        phase_.wait(phase, std::memory_order_acquire);
}

int get_num_threads() {
    const int chosen = chosen_threads.load(std::memory_order_relaxed);
    return chosen > 0 ? chosen : initial_limit().threads;
}

void set_num_threads(int n) {
    if (n < 1)
        throw std::invalid_argument("n must be at least 1, got " + std::to_string(n));
    chosen_threads.store(n, std::memory_order_relaxed);
}

const char* num_threads_source() {
    return chosen_threads.load(std::memory_order_relaxed) > 0 ? "set_num_threads" : initial_limit().source;
}

int threads_for(double operations) {
    // A share of about 20 us: below that, barriers (1 us each, and much more where a neighbour keeps a core busy) eat
    // what a second thread gains.
    constexpr double operations_per_thread = 4e6;
    const int available = get_num_threads();
    const double useful = operations / operations_per_thread;
    return useful >= available ? available : useful < 2 ? 1 : static_cast<int>(useful);
}

void detail::run_team(int threads, TeamFunction function, void* context) {
    if (threads <= 1) {
        Team team = Team::solo();
        function(context, team);
        return;
    }
    // OpenMP may grant fewer threads than asked for, so the team is sized inside the region.
    std::atomic<TeamState*> shared{nullptr};
#pragma omp parallel num_threads(threads)
    {
#pragma omp single
        shared.store(new TeamState(omp_get_num_threads()), std::memory_order_relaxed);
        TeamState* state = shared.load(std::memory_order_relaxed);
        Team team(omp_get_thread_num(), state->size(), state);
        function(context, team);
    }
    delete shared.load();
}

}  // namespace fastnet
