// The number of threads that may work, and the source of that limit.
#pragma once

#include <string>

namespace fastnet {

struct ThreadCount {
    int threads;
    const char* source;  // "set_num_threads", "threadpoolctl", "OMP_NUM_THREADS", "cgroup quota" or "affinity"
};

// The smallest of: the processors that the calling thread may run on, the quotas of the process's cgroups,
// OMP_NUM_THREADS, and the limit that omp_set_num_threads (hence threadpoolctl) sets for the calling thread.
// set_num_threads replaces the first three and may ask for more than the machine has.
ThreadCount thread_count();
void set_num_threads(int n);

// The number of processors that the CPU quotas of this process's cgroup and of those above it allow, rounded up; 0
// without any. Files are looked up below `root`, which is "" except in tests.
int cgroup_quota(const std::string& root);

// The processors that the calling thread may use, as of the last second: affinity, quota and OMP_NUM_THREADS.
int available_processors();

// The number of threads worth starting for this many floating-point operations.
int threads_for(double operations);

}  // namespace fastnet
