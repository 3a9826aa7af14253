#include "thread_count.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

#if defined(__linux__)
#include <sched.h>
#endif

namespace fastnet {
namespace {

// ---- Affinity -------------------------------------------------------------------------------------------------------

int affinity() {
#if defined(__linux__)
    for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {  // the kernel rejects a mask that is too small for the machine
        cpu_set_t* const mask = CPU_ALLOC(static_cast<std::size_t>(cpus));
        const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
        const int count = mask && sched_getaffinity(0, size, mask) == 0 ? CPU_COUNT_S(size, mask) : 0;
        CPU_FREE(mask);
        if (count > 0)
            return count;
    }
#endif
    return omp_get_num_procs();
}

// ---- cgroup ---------------------------------------------------------------------------------------------------------

// The number at the beginning of a file, or -1 for no limit: "max", no file, or the -1 of version 1.
double read_number(std::istream& file) {
    double value = -1;
    return file >> value ? value : -1;
}

// The number of processors that the quota of one group allows, 0 without a quota. Version 2 has both numbers in one
// file.
int group_quota(const std::string& folder) {
    double quota = -1, period = -1;
    if (std::ifstream both(folder + "/cpu.max"); both) {
        quota = read_number(both), period = read_number(both);
    } else {
        std::ifstream quota_file(folder + "/cpu.cfs_quota_us"), period_file(folder + "/cpu.cfs_period_us");
        quota = read_number(quota_file), period = read_number(period_file);
    }
    if (quota <= 0 || period <= 0)
        return 0;
    return static_cast<int>(std::min((quota + period - 1) / period, 1e6));
}

// The smaller of two limits, where 0 means no limit.
int stricter(int a, int b) { return a == 0 || (b > 0 && b < a) ? b : a; }

// The strictest quota of a group and those above it. In a container without a cgroup namespace, the group's path is the
// host's and does not exist. Then its uppermost folder is the container's own group.
int strictest_quota(const std::string& mount, std::string group) {
    if (group.find("..") != std::string::npos)  // the group is outside of the namespace
        group.clear();
    int strictest = 0;
    for (;;) {
        strictest = stricter(strictest, group_quota(mount + group));
        if (group.empty())
            return strictest;
        group.erase(group.rfind('/'));
    }
}

bool lists_cpu(const std::string& controllers) { return ("," + controllers + ",").find(",cpu,") != std::string::npos; }

// ---- Environment and OpenMP -----------------------------------------------------------------------------------------

int openmp_environment() {
    const char* text = std::getenv("OMP_NUM_THREADS");
    return text ? std::max(std::atoi(text), 0) : 0;
}

// The initial omp_get_max_threads() of a thread. A smaller value was set by somebody.
const int openmp_default = openmp_environment() > 0 ? openmp_environment() : omp_get_num_procs();

std::atomic<int> chosen_threads{0};

ThreadCount machine_limit() {
    ThreadCount limit{affinity(), "affinity"};
    const auto lower = [&](int threads, const char* source) {
        if (threads > 0 && threads < limit.threads)
            limit = {threads, source};
    };
    lower(cgroup_quota(""), "cgroup quota");
    lower(openmp_environment(), "OMP_NUM_THREADS");
    return limit;
}

ThreadCount with_wishes(ThreadCount limit) {
    if (const int chosen = chosen_threads.load(std::memory_order_relaxed); chosen > 0)
        limit = {chosen, "set_num_threads"};
    const int openmp = omp_get_max_threads();
    if (openmp < openmp_default && openmp < limit.threads)
        limit = {openmp, "threadpoolctl"};
    return limit;
}

// Affinity and quota can change while a process runs, and differ between threads. Reading them costs about 50 us, so
// work reads them once a second. A direct query for the number reads them anew.
ThreadCount recent_machine_limit() {
    using Clock = std::chrono::steady_clock;
    struct Reading {
        ThreadCount limit{0, ""};
        Clock::time_point when;
    };
    thread_local Reading reading;
    const auto now = Clock::now();
    if (reading.limit.threads == 0 || now - reading.when > std::chrono::seconds(1))
        reading = {machine_limit(), now};
    return reading.limit;
}

}  // namespace

int cgroup_quota(const std::string& root) {
    std::ifstream groups(root + "/proc/self/cgroup");
    int strictest = 0;
    // Lines are "id:controllers:path"; version 2 has id 0 and no controllers.
    for (std::string line; std::getline(groups, line);) {
        std::istringstream fields(line);
        std::string id, controllers, path;
        if (!std::getline(fields, id, ':') || !std::getline(fields, controllers, ':') || !std::getline(fields, path))
            continue;
        if (path == "/" || path.front() != '/')
            path.clear();
        const bool unified = id == "0" && controllers.empty();
        if (!unified && !lists_cpu(controllers))
            continue;
        for (const char* mount : {unified ? "" : "/cpu", unified ? "/unified" : "/cpu,cpuacct"})
            strictest = stricter(strictest, strictest_quota(root + "/sys/fs/cgroup" + mount, path));
    }
    return strictest;
}

ThreadCount thread_count() { return with_wishes(machine_limit()); }

void set_num_threads(int n) {
    if (n < 1)
        throw std::invalid_argument("n must be at least 1, got " + std::to_string(n));
    chosen_threads.store(n, std::memory_order_relaxed);
}

int available_processors() { return recent_machine_limit().threads; }

int threads_for(double operations) {
    // Measured on two cores with AVX-512, threads awake (a team costs 1 us). Two threads are 1.3 times as fast as one
    // at 0.5 million operations (64 x 64 x 64, 7 us). They are 1.5 to 1.7 times as fast at 2 million, and 1.9 times
    // from 8 million on. A training step gains 1.0 to 1.3 times at 2 to 5 million. A sleeping thread takes 5 to 50 us
    // to wake, which a short piece of work does not earn back, so a share is about 10 us.
    constexpr double operations_per_thread = 1e6;
    const double useful = operations / operations_per_thread;
    if (useful < 2)
        return 1;
    const int available = with_wishes(recent_machine_limit()).threads;
    return useful >= available ? available : static_cast<int>(useful);
}

}  // namespace fastnet
