#include "amx.h"

#include <atomic>

#if defined(__linux__) && defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace fastnet {
namespace {

#if defined(__linux__) && defined(__x86_64__)
// Operations of arch_prctl, since Linux 5.16: query the supported states, and request one of them.
constexpr int get_supported = 0x1021, request_permission = 0x1023;
constexpr int tile_data = 18;  // number of the state, in XCR0 as well

bool processor_has_amx() {
    unsigned a, b, c, d;
    constexpr unsigned saved_by_system = 1u << 27, bfloat16 = 1u << 22, tiles = 1u << 24, int8 = 1u << 25;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & saved_by_system))
        return false;
    constexpr unsigned wanted = bfloat16 | tiles | int8;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & wanted) == wanted;
}

bool system_has_amx() {
    unsigned low, high;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    constexpr unsigned wanted = 3u << (tile_data - 1);  // the tiles' configuration and their data
    unsigned long supported = 0;
    return (low & wanted) == wanted && syscall(SYS_arch_prctl, get_supported, &supported) == 0 &&
           (supported >> tile_data & 1) != 0;
}

bool ask() { return syscall(SYS_arch_prctl, request_permission, tile_data) == 0; }
#else
bool processor_has_amx() { return false; }
bool system_has_amx() { return false; }
bool ask() { return false; }
#endif

// No lock is used, because a fork in another thread could leave it locked.
enum Answer { none, granted, refused };
std::atomic<Answer> answer{none};

}  // namespace

bool has_amx() { return processor_has_amx() && system_has_amx(); }

bool request_amx() {
    Answer known = answer.load();
    if (known == none) {
        const Answer now = has_amx() && ask() ? granted : refused;
        known = answer.compare_exchange_strong(known, now) ? now : known;  // all threads get the same answer
    }
    return known == granted;
}

bool amx_is_refused() { return answer.load() == refused; }

}  // namespace fastnet
