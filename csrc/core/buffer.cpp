#include "buffer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>

#if (defined(__unix__) || defined(__APPLE__)) && !defined(FASTNET_SANITIZED)
#include <sys/mman.h>
#define FASTNET_OWN_PAGES
#endif

namespace fastnet {
namespace {

constexpr std::size_t line = 64;

// Stored in the cache line before each array.
struct Header {
    void* base;
    std::size_t mapped;  // bytes, or 0 for memory of the C library
};

// The first array behind a header in memory that begins at `base`.
void* array_in(void* base, std::size_t mapped, std::size_t alignment) {
    const auto first = reinterpret_cast<std::uintptr_t>(base) + sizeof(Header);
    void* const array = reinterpret_cast<void*>((first + alignment - 1) / alignment * alignment);
    static_cast<Header*>(array)[-1] = {base, mapped};
    return array;
}

#if defined(FASTNET_OWN_PAGES)

// Arrays from this size on have pages of their own, which are returned to the system. Freed memory that the C library
// keeps is cut into pieces that fit no later array, in one heap per thread. A process that made one model after the
// other grew to several times the memory that it used.
constexpr std::size_t least_pages = std::size_t{64} << 10;
constexpr std::size_t page = 4096, large_page = std::size_t{2} << 20;

// Recently freed pages. A program that makes one model after the other asks for the same sizes again. Fresh pages cost
// more than everything else that it does with a model.
class Spares {
  public:
    // Pages of exactly this size, or null.
    void* take(std::size_t size) {
        void* base = nullptr;
        if (enter()) {
            const auto found = std::find_if(pages_.begin(), end(), [=](const Pages& p) { return p.size == size; });
            if (found != end()) {
                base = found->base;
                remove(found);
            }
            leave();
        }
        return base;
    }
    // Takes pages over, and returns those to the system that have been kept for the longest time.
    void give(void* base, std::size_t size) {
        if (size > most_bytes || !enter()) {
            munmap(base, size);
            return;
        }
        while (count_ == pages_.size() || bytes_ + size > most_bytes) {
            munmap(pages_.front().base, pages_.front().size);
            remove(pages_.begin());
        }
        pages_[count_++] = {base, size};
        bytes_ += size;
        leave();
    }

  private:
    static constexpr std::size_t most_bytes = std::size_t{16} << 20;
    struct Pages {
        void* base;
        std::size_t size;
    };
    using List = std::array<Pages, 32>;

    // Nobody waits here, so a forked child does not wait for a thread that it does not have: it proceeds without
    // spares.
    bool enter() { return !taken_.exchange(true, std::memory_order_acquire); }
    void leave() { taken_.store(false, std::memory_order_release); }
    List::iterator end() { return pages_.begin() + static_cast<std::ptrdiff_t>(count_); }
    void remove(List::iterator entry) {
        bytes_ -= entry->size;
        std::move(entry + 1, end(), entry);
        --count_;
    }

    List pages_{};
    std::size_t count_ = 0, bytes_ = 0;
    std::atomic<bool> taken_{false};
};

Spares spares;

// Returns null if the system has no pages to give.
void* allocate_pages(std::size_t bytes) {
    const bool large = bytes >= 2 * large_page;
    const std::size_t alignment = large ? large_page : line;
    const std::size_t size = (bytes + alignment + page - 1) / page * page;
    if (void* const spare = spares.take(size))
        return array_in(spare, size, alignment);
    void* const base = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return nullptr;
#if defined(MADV_HUGEPAGE)
    if (large)
        madvise(base, size, MADV_HUGEPAGE);  // a hint: small pages work as well, only slower
#endif
    return array_in(base, size, alignment);
}

#endif

}  // namespace

void* allocate(std::size_t bytes) {
    bytes += line;  // the room behind the array
#if defined(FASTNET_OWN_PAGES)
    if (bytes >= least_pages)
        if (void* const array = allocate_pages(bytes))
            return array;
#endif
    void* const base = std::malloc(bytes + 2 * line);
    if (!base)
        throw std::bad_alloc();
    return array_in(base, 0, line);
}

void release(void* memory) {
    if (!memory)
        return;
    const Header header = static_cast<Header*>(memory)[-1];
#if defined(FASTNET_OWN_PAGES)
    if (header.mapped > 0) {
        spares.give(header.base, header.mapped);
        return;
    }
#endif
    std::free(header.base);
}

}  // namespace fastnet
