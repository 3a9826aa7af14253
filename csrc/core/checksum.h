// The checksum of files: XXH64, by Yann Collet (https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md), which runs at
// about the speed of memory. It detects damage, not intent.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace fastnet {

class Checksum {
  public:
    // Adds the next bytes.
    void update(const unsigned char* bytes, std::size_t size) {
        total_ += size;
        if (kept_ > 0) {
            const std::size_t taken = std::min(size, stripe - kept_);
            std::copy_n(bytes, taken, rest_.data() + kept_);
            kept_ += taken, bytes += taken, size -= taken;
            if (kept_ < stripe)
                return;
            mix(rest_.data());
            kept_ = 0;
        }
        for (; size >= stripe; bytes += stripe, size -= stripe)
            mix(bytes);
        std::copy_n(bytes, size, rest_.data());
        kept_ = size;
    }

    // The checksum of all bytes so far.
    std::uint64_t value() const {
        std::uint64_t hash = total_ < stripe ? lanes_[2] + prime5 : merged();
        hash += total_;
        const unsigned char* bytes = rest_.data();
        std::size_t size = kept_;
        for (; size >= 8; bytes += 8, size -= 8)
            hash = std::rotl(hash ^ round(0, word<8>(bytes)), 27) * prime1 + prime4;
        if (size >= 4) {
            hash = std::rotl(hash ^ (word<4>(bytes) * prime1), 23) * prime2 + prime3;
            bytes += 4, size -= 4;
        }
        for (; size > 0; ++bytes, --size)
            hash = std::rotl(hash ^ (*bytes * prime5), 11) * prime1;
        hash = (hash ^ (hash >> 33)) * prime2;
        hash = (hash ^ (hash >> 29)) * prime3;
        return hash ^ (hash >> 32);
    }

  private:
    static constexpr std::size_t stripe = 32;
    static constexpr std::uint64_t prime1 = 0x9E3779B185EBCA87, prime2 = 0xC2B2AE3D27D4EB4F,
                                   prime3 = 0x165667B19E3779F9, prime4 = 0x85EBCA77C2B2AE63,
                                   prime5 = 0x27D4EB2F165667C5;

    // Little-endian on every machine; compilers turn it into one load.
    template <int size> static std::uint64_t word(const unsigned char* bytes) {
        std::uint64_t value = 0;
        for (int i = 0; i < size; ++i)
            value |= std::uint64_t{bytes[i]} << (8 * i);
        return value;
    }
    static std::uint64_t round(std::uint64_t lane, std::uint64_t input) {
        return std::rotl(lane + input * prime2, 31) * prime1;
    }
    void mix(const unsigned char* bytes) {
        for (std::size_t i = 0; i < 4; ++i)
            lanes_[i] = round(lanes_[i], word<8>(bytes + 8 * i));
    }
    std::uint64_t merged() const {
        std::uint64_t hash =
            std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) + std::rotl(lanes_[3], 18);
        for (const std::uint64_t lane : lanes_)
            hash = (hash ^ round(0, lane)) * prime1 + prime4;
        return hash;
    }

    std::array<std::uint64_t, 4> lanes_{prime1 + prime2, prime2, 0, 0 - prime1};
    std::array<unsigned char, stripe> rest_{};  // bytes that do not fill a stripe yet
    std::size_t kept_ = 0;
    std::uint64_t total_ = 0;
};

}  // namespace fastnet
