// Memory for arrays of numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "panels.h"

namespace fastnet {

// Memory aligned to a cache line (and to any vector). Behind it there is room for one vector, which may be read and
// written as long as nothing relies on its contents. Large arrays are in large pages: an optimizer that walks through
// four arrays at once, or a product of wide matrices, would otherwise wait for page tables. Throws std::bad_alloc.
void* allocate(std::size_t bytes);
void release(void* memory);

// An array that grows but never shrinks. Growing loses the contents.
template <class T> class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(Index size) { reserve(size); }
    ~Buffer() { release(data_); }
    Buffer(Buffer&& other) noexcept : data_(other.data_), size_(other.size_) { other.data_ = nullptr, other.size_ = 0; }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer& operator=(Buffer&&) = delete;

    void reserve(Index size) {
        if (size <= size_)
            return;
        if (static_cast<std::size_t>(size) > static_cast<std::size_t>(PTRDIFF_MAX) / sizeof(T))
            throw std::bad_alloc();
        release(data_);
        data_ = nullptr, size_ = 0;
        data_ = static_cast<T*>(allocate(static_cast<std::size_t>(size) * sizeof(T)));
        size_ = size;
    }
    T* data() const { return data_; }
    Index size() const { return size_; }

  private:
    T* data_ = nullptr;
    Index size_ = 0;
};

}  // namespace fastnet
