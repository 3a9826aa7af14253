#include "cache.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>
#endif

namespace fastnet {
namespace {

Cache find([[maybe_unused]] unsigned level) {
    Cache cache;
#if defined(__x86_64__) || defined(_M_X64)
    constexpr unsigned none = 0, instructions = 2;  // types of caches
    constexpr unsigned leaves[] = {4, 0x8000001d};  // of Intel and of AMD, with the same fields
    for (const unsigned leaf : leaves) {
        unsigned a = 0, b = 0, c = 0, d = 0;
        for (unsigned i = 0; __get_cpuid_count(leaf, i, &a, &b, &c, &d) && (a & 31u) != none; ++i) {
            const Index line = static_cast<Index>(b & 4095u) + 1, sets = static_cast<Index>(c) + 1;
            if ((a >> 5 & 7u) == level && (a & 31u) != instructions)
                cache = {line * sets, static_cast<Index>(b >> 22) + 1};
        }
    }
#endif
    return cache;
}

}  // namespace

Index Cache::lines_in_a_set(Index rows, Index row_bytes) const {
    if (way_bytes == 0)
        return 0;
    const Index factor = row_bytes & -row_bytes;  // its largest power-of-two factor; a way is a power of two as well
    return factor < way_bytes ? rows * factor / way_bytes : rows;
}

const Cache& first_level_cache() {
    static const Cache cache = find(1);
    return cache;
}

const Cache& second_level_cache() {
    static const Cache cache = find(2);
    return cache;
}

}  // namespace fastnet
