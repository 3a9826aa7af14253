// The instructions on the tiles of AMX: 8 registers of 16 rows of 64 bytes. Included by kernels_amx.cpp.
//
// They are written in assembly, because gcc's intrinsics (12) do not declare the memory that they read. Stores before a
// load of a tile, or of the tiles' configuration, are moved or dropped. Tiles belong to a thread, and compilers never
// use them on their own.

struct TileConfiguration {
    std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
    std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
alignas(64) inline constexpr TileConfiguration tile_configuration{};

// While a thread has tiles, every context switch saves 8 KiB more.
struct TilesInUse {
    TilesInUse() { asm volatile("ldtilecfg %0" : : "m"(tile_configuration)); }
    ~TilesInUse() { asm volatile("tilerelease" : : : "memory"); }
    TilesInUse(const TilesInUse&) = delete;
    TilesInUse& operator=(const TilesInUse&) = delete;
};

template <int tile> FASTNET_INLINE void tile_zero() { asm volatile("tilezero %%tmm%c0" : : "i"(tile)); }

// Rows are row_bytes apart.
template <int tile> FASTNET_INLINE void tile_load(const void* from, Index row_bytes) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(row_bytes), "i"(tile) : "memory");
}
template <int tile> FASTNET_INLINE void tile_store(void* to, Index row_bytes) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(row_bytes), "i"(tile) : "memory");
}

// c += a b, where c holds 16 x 16 sums. A row of a and a column of b have 16 words: pairs of bfloat16, or four bytes,
// which are unsigned in a and signed in b.
struct BFloat16Tiles {
    template <int c, int a, int b> static FASTNET_INLINE void multiply_add() {
        asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
    }
};
struct Int8Tiles {
    template <int c, int a, int b> static FASTNET_INLINE void multiply_add() {
        asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
    }
};
