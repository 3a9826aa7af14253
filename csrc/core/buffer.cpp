#include "buffer.h"

#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(_WIN32)
#include <malloc.h>
#endif

namespace fastnet {
namespace {

constexpr std::size_t line = 64, large_page = std::size_t{2} << 20;

std::size_t rounded(std::size_t bytes, std::size_t alignment) {
    return (bytes + alignment - 1) / alignment * alignment;
}

}  // namespace

void* allocate(std::size_t bytes) {
    const bool large = bytes >= 2 * large_page;
    const std::size_t alignment = large ? large_page : line;
    const std::size_t size = rounded(bytes ? bytes : 1, alignment);
#if defined(_WIN32)
    void* memory = _aligned_malloc(size, alignment);
#else
    void* memory = std::aligned_alloc(alignment, size);
#endif
    if (!memory)
        throw std::bad_alloc();
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (large)
        madvise(memory, size, MADV_HUGEPAGE);  // a wish: small pages serve as well, only slower
#endif
    return memory;
}

void release(void* memory) {
#if defined(_WIN32)
    _aligned_free(memory);
#else
    std::free(memory);
#endif
}

}  // namespace fastnet
