// Plan of a product: which operands are packed, which are read in place, and what the threads share out.
#pragma once

#include "core/machine/cache.h"
#include "core/machine/cpu.h"
#include "gemm.h"

namespace fastnet {

// Measured on a machine with 1 MiB of second-level cache per core: a pass of 512 beats 192, 256 and 384 by 5 to 15%,
// because C is read and written less often. The panel of B (96 KiB with AVX-512) then streams from the second-level
// cache, while a row panel of A stays in the first. The length of a pass fixes the order of additions, so it is the
// same number on every machine.
inline constexpr Index block_k = 512;
inline constexpr Index block_m = 256;    // a block of A: 512 KiB of float32, in the second-level cache
inline constexpr Index block_c = 65536;  // a block of C that an epilogue works on: 256 KiB of float32
inline constexpr Index block_n = 3072;   // a block of B: 6 MiB of float32, in the third-level cache

// Reading A in place costs cache misses for each column panel, counted in panels of the greatest width. Packing costs
// one pass over A. A factor that is near, in the first or second cache, is better read in place for longer.
inline constexpr Index panels_worth_packing_a = 4, panels_worth_packing_near_a = 16;
inline constexpr Index near = Index(64) << 10;
// Reading B in place touches a new page in every step along k where its rows are far apart (in bytes).
inline constexpr Index page = 4096, panels_worth_packing_b = 16;
// From half a page on, narrow tiles, which read B twice as often, gain as well, if many of them share the packing.
inline constexpr Index panels_worth_packing_for_narrow = 64;
// If the rows of B lie in a few sets of the second-level cache, every row panel reads it from the third level. Then
// packing pays off sooner. With many registers it is better to read B once, row by row, if the first-level cache holds
// the sums.
inline constexpr Index panels_worth_packing_conflicts = 7, panels_worth_streaming_conflicts = 3;
inline constexpr Index first_level_for_sums = Index(48) << 10;
// B that comes from memory is read once for this many rows of A. Fewer rows make one tile, which keeps up with memory.
inline constexpr Index fewest_from_memory = 7, most_from_memory = 16, from_memory = Index(32) << 20;
// With a larger A, which comes from memory, the one-column kernel is not faster than tiles.
inline constexpr Index largest_by_column = Index(16) << 20;
// Rows of B that are not aligned to vectors cost a second cache line for every load.
inline constexpr Index panels_worth_aligning_b = 4;

// Whether a pass along k fills the sets of the second-level cache in which the rows of B lie, with no room left for
// anything else. If it fills them exactly, this counts where the first-level cache cannot keep the rows either.
inline bool fill_sets(Index rows, Index row_bytes) {
    const Cache& cache = second_level_cache();
    const Index lines = cache.lines_in_a_set(rows, row_bytes);
    return lines > 0 && (lines > cache.ways || (lines == cache.ways && row_bytes % page == 0));
}

inline Index smaller(Index a, Index b) { return a < b ? a : b; }

inline const GemmKernels<float>& table_of(const Gemm<float>& g) {
    return g.precision == Precision::bfloat16 ? kernels_of_bfloat16() : kernels<float>().gemm;
}
inline const GemmKernels<double>& table_of(const Gemm<double>&) { return kernels<double>().gemm; }

// Width in vectors. Rows that fit into one tile of two vectors need not be split into two for a tile of three.
template <class T> inline Index widest_panel(const GemmKernels<T>& table, Index m) {
    return m > table.panel_rows[3] && m <= table.panel_rows[2] ? 2 : table.panel_vectors;
}

// Plan of a product, decided by its shape, the kernel table and the size of the team.
template <class T> struct Plan {
    const GemmKernels<T>& kernels;
    Index panel_vectors;  // the widest column panel allowed
    Panels columns, rows;
    bool must_pack;  // the operands cannot be multiplied unpacked
    bool prepacked;  // B was packed as a whole in advance
    bool streamed;   // B is read once, row by row
    bool pack_a, pack_b;
    bool pack_all;   // all of B, as packed panels are faster to read
    bool pack_end;   // only the last panel of B, which ends within a vector, where a thread packs panel by panel
    bool by_rows;    // the team shares out rows of C; otherwise column panels
    bool on_demand;  // each thread packs a panel of B just before it uses it

    Plan(const GemmKernels<T>& table, const Gemm<T>& g, Index n, int team) : kernels(table) {
        prepacked = g.b_packed && g.m > 1;
        panel_vectors = prepacked ? table.panel_vectors : widest_panel(table, g.m);
        columns = Panels::of((n + table.lanes - 1) / table.lanes, panel_vectors);
        rows = Panels::of(g.m, tile_rows());
        must_pack = table.rounds && (g.m > 1 || g.b_col != 1);  // a single row streams and rounds B
        const bool in_place = g.m > 1 && !table.rounds;
        const bool column = in_place && n == 1 && g.a_col == 1 && bytes(g.m * g.k) < largest_by_column;
        const bool outer = !prepacked && in_place && g.k == 1 && g.b_col == 1;
        streamed = !prepacked && in_place && n > 1 && g.b_col == 1 && !outer && is_better_streamed(g);
        const bool in_cache = !must_pack && bytes(g.m * g.k) <= near;
        const Index worth = in_cache ? panels_worth_packing_near_a : panels_worth_packing_a;
        const bool many = columns.count * table.panel_vectors >= worth * max_panel_vectors;
        pack_a = many && (must_pack || !table.rounds) && !streamed && !outer;
        pack_all = !prepacked && (must_pack || g.b_col != 1 || is_better_packed(g));
        pack_b = !prepacked && !column && !streamed && !outer && (pack_all || (g.m > 1 && n % table.lanes != 0));
        pack_end = pack_b && !pack_all && rows.count < panels_worth_aligning_b;
        // With one block of A, threads that share out the columns need not wait for each other. No panel of B leaves
        // the second-level cache before it is used.
        const bool one_block = g.m <= block_m;
        by_rows = !streamed && (team == 1 || (one_block ? columns.count < 4 * team && rows_share_evenly(team)
                                                        : rows.count >= columns.count || rows.count >= 4 * team));
        on_demand = pack_b && one_block && (team == 1 || !by_rows);
    }
    static Index bytes(Index values) { return values * static_cast<Index>(sizeof(T)); }
    static bool conflicts(const Gemm<T>& g) { return fill_sets(gemm_passes(g.k).largest(), bytes(g.b_row)); }
    // Tiles of 16 registers, and sums that fit into the first-level cache with everything else.
    bool narrow_tiles() const { return kernels.panel_rows[max_panel_vectors] < 8; }
    bool room_for_sums() const { return !narrow_tiles() && first_level_cache().bytes() >= first_level_for_sums; }
    bool is_better_streamed(const Gemm<T>& g) const {
        const bool tiles_keep_up = narrow_tiles() && g.a_row == 1;  // with contiguous columns of A
        return (g.m >= fewest_from_memory && g.m <= most_from_memory && bytes(g.k * g.n) >= from_memory &&
                !tiles_keep_up) ||
               (g.m <= most_streamed_rows && rows.count >= panels_worth_streaming_conflicts && room_for_sums() &&
                bytes(g.b_row) % page == 0 && conflicts(g));
    }
    bool is_better_packed(const Gemm<T>& g) const {
        if (rows.count < panels_worth_packing_conflicts)
            return false;
        if (bytes(g.b_row) > page || conflicts(g))
            return rows.count >= panels_worth_packing_b || (conflicts(g) && (narrow_tiles() || room_for_sums()));
        return bytes(g.b_row) >= page / 2 && narrow_tiles() && rows.count >= panels_worth_packing_for_narrow;
    }
    // Whether sharing out row panels balances the team at least as well as sharing out column panels.
    bool rows_share_evenly(int team) const {
        const Index of_rows = (rows.count + team - 1) / team * columns.count;
        const Index of_columns = (columns.count + team - 1) / team * rows.count;
        return of_rows < of_columns || (of_rows == of_columns && rows.count >= columns.count);
    }
    Index tile_rows() const { return kernels.panel_rows[columns.largest()]; }
    // The number of values that the kernels take for k terms: the terms themselves, or packed values.
    Index depth(Index k) const {
        const Index terms = kernels.terms * kernels.depth_step;
        return must_pack ? (k + terms - 1) / terms * kernels.depth_step : k;
    }
    // The same for the terms of all passes before this one.
    Index depth_before(const Panels& passes, Index pass) const {
        Index sum = 0;
        for (Index i = 0; i < pass; ++i)
            sum += depth(passes.size(i));
        return sum;
    }
    // The rows that an epilogue of a whole block reads again should still be in the second-level cache.
    Index block_rows(const Gemm<T>& g) const {
        if (!(g.epilogue && g.epilogue->by_block) || on_demand || streamed)
            return block_m;
        const Index tiles = block_c / (g.n * tile_rows());
        return smaller(tiles > 1 ? tiles * tile_rows() : tile_rows(), block_m);
    }
};

}  // namespace fastnet
