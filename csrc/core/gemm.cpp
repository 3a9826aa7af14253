// The loops around the micro-kernel: blocking for the caches, packing, and the share of each thread.
//
// Blocking follows Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (ACM TOMS 34(3), 2008):
// C is computed in passes over k of block_k; within a pass a block of B (block_k x block_n) is packed once by the
// whole team, and each thread packs blocks of A (block_m x block_k) of its own rows.
#include "gemm.h"

#include <memory>
#include <utility>

#include "cache.h"

namespace fastnet {
namespace {

// Measured on a machine with 1 MiB of second-level cache per core: a pass of 512 beats 192, 256 and 384 by 5 to 15%,
// because C is read and written less often; the panel of B (96 KiB with AVX-512) then streams from the second-level
// cache while a row panel of A stays in the first. The length of a pass fixes the order of additions, so it is one
// number for every machine.
constexpr index block_k = 512;
constexpr index block_m = 256;    // a block of A: 512 KiB of float32, in the second-level cache
constexpr index block_c = 65536;  // a block of C that an epilogue works on: 256 KiB of float32
constexpr index block_n = 3072;   // a block of B: 6 MiB of float32, in the third-level cache

// Reading A in place costs cache misses for each column panel; packing costs one pass over A. A factor that is near, in
// the first or second cache, is better read as it lies for longer.
constexpr index panels_worth_packing_a = 4, panels_worth_packing_near_a = 16;
constexpr index near = index(64) << 10;
// B in place costs a page for every step along k where its rows are far apart (in bytes).
constexpr index page = 4096, panels_worth_packing_b = 16;
// From half a page on, narrow tiles, which read B twice as often, gain as well, where many of them share the packing.
constexpr index panels_worth_packing_for_narrow = 64;
// Where the rows of B lie in a few sets of the second-level cache, every row panel reads it from the third level, and
// packing pays sooner. With many registers B is better read once, row by row, if the first-level cache holds the sums.
constexpr index panels_worth_packing_conflicts = 7, panels_worth_streaming_conflicts = 3;
constexpr index first_level_for_sums = index(48) << 10;
// B that comes from memory is read once for so many rows of A. Fewer make one tile, which keeps up with memory.
constexpr index fewest_from_memory = 7, most_from_memory = 16, from_memory = index(32) << 20;
// A from memory that passes by a column, many rows side by side, is no faster than in tiles.
constexpr index largest_by_column = index(16) << 20;
// Rows of B that do not begin where vectors do cost a second line for every load.
constexpr index panels_worth_aligning_b = 4;

// The transposed product of a narrow result is computed in pieces of so many columns.
constexpr index transposed_columns = 4096, transposed_rows = 16;

// Whether a pass along k leaves no room for anything else in the sets of the second-level cache in which the rows of B
// lie. If it fills them exactly, this counts where the first-level cache cannot keep the rows either.
bool fill_sets(index rows, index row_bytes) {
    const Cache& cache = second_level_cache();
    const index lines = cache.lines_in_a_set(rows, row_bytes);
    return lines > 0 && (lines > cache.ways || (lines == cache.ways && row_bytes % page == 0));
}

index smaller(index a, index b) { return a < b ? a : b; }

template <class T> const GemmKernels<T>& table_of(const Gemm<T>& g) {
    return g.precision == Precision::bfloat16 ? *kernels<T>().gemm_bfloat16 : kernels<T>().gemm;
}

// In vectors. Rows that fit into one tile of two vectors need not be cut in two for a tile of three.
template <class T> index widest_panel(const GemmKernels<T>& table, index m) {
    return m > table.panel_rows[3] && m <= table.panel_rows[2] ? 2 : max_panel_vectors;
}

// How a product is carried out, decided by its shape, the kernel table and the size of the team.
template <class T> struct Plan {
    const GemmKernels<T>& kernels;
    index panel_vectors;  // the widest column panel allowed
    Panels columns, rows;
    bool must_pack;  // the operands are not multiplied as they lie in memory
    bool streamed;   // B is read once, row by row
    bool pack_a, pack_b;
    bool pack_end;   // only the last panel of B, which ends within a vector, where a thread packs panel by panel
    bool by_rows;    // what the team shares out: rows of C, or column panels
    bool on_demand;  // each thread packs a panel of B just before it uses it

    Plan(const GemmKernels<T>& table, const Gemm<T>& g, index n, int team) : kernels(table) {
        panel_vectors = widest_panel(table, g.m);
        columns = Panels::of((n + table.lanes - 1) / table.lanes, panel_vectors);
        rows = Panels::of(g.m, tile_rows());
        must_pack = table.rounds && (g.m > 1 || g.b_col != 1);  // a single row reads and rounds B as a stream
        const bool in_place = g.m > 1 && !table.rounds;
        const bool column = in_place && n == 1 && g.a_col == 1 && bytes(g.m * g.k) < largest_by_column;
        streamed = in_place && n > 1 && g.b_col == 1 && is_better_streamed(g);
        const index worth = bytes(g.m * g.k) > near ? panels_worth_packing_a : panels_worth_packing_near_a;
        pack_a =
            !streamed && (must_pack || !table.rounds) && columns.count >= (must_pack ? panels_worth_packing_a : worth);
        const bool pack_all = must_pack || g.b_col != 1 || is_better_packed(g);
        pack_b = !column && !streamed && (pack_all || (g.m > 1 && n % table.lanes != 0));
        pack_end = pack_b && !pack_all && rows.count < panels_worth_aligning_b;
        // With one block of A, threads that share out the columns need not wait for each other, and no panel of B
        // leaves the second-level cache before it is used.
        const bool one_block = g.m <= block_m;
        by_rows = !streamed && (team == 1 || (one_block ? columns.count < 4 * team && rows_share_evenly(team)
                                                        : rows.count >= columns.count || rows.count >= 4 * team));
        on_demand = pack_b && one_block && (team == 1 || !by_rows);
    }
    static index bytes(index values) { return values * static_cast<index>(sizeof(T)); }
    static bool conflicts(const Gemm<T>& g) { return fill_sets(gemm_passes(g.k).largest(), bytes(g.b_row)); }
    // Tiles of 16 registers, and sums beside everything else in the first-level cache.
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
    // Whether the largest share of row panels is no larger a part of the work than that of column panels.
    bool rows_share_evenly(int team) const {
        const index of_rows = (rows.count + team - 1) / team * columns.count;
        const index of_columns = (columns.count + team - 1) / team * rows.count;
        return of_rows < of_columns || (of_rows == of_columns && rows.count >= columns.count);
    }
    index tile_rows() const { return kernels.panel_rows[columns.largest()]; }
    // What k terms are for the kernels: themselves, or packed values.
    index depth(index k) const { return must_pack ? (k + kernels.terms - 1) / kernels.terms : k; }
    // What an epilogue of a whole block reads again should still be in the second-level cache.
    index block_rows(const Gemm<T>& g) const {
        if (!(g.epilogue && g.epilogue->by_block) || on_demand || streamed)
            return block_m;
        const index tiles = block_c / (g.n * tile_rows());
        return smaller(tiles > 1 ? tiles * tile_rows() : tile_rows(), block_m);
    }
};

// C = beta C for a product without terms, and before a pass that accumulates with a beta other than 0 and 1.
template <class T> void scale_rows(const Team& team, const Gemm<T>& g, Range rows, Range columns, T factor) {
    in_pieces(team, rows, operations_per_move * static_cast<double>(columns.size()), [&](Range piece) {
        for (index i = piece.begin; i < piece.end; ++i)
            kernels<T>().scale(columns.size(), g.c + i * g.c_row + columns.begin, factor);
    });
}

template <class T> void finish(const Gemm<T>& g, Range rows, Range columns) {
    if (g.epilogue && rows.size() > 0 && columns.size() > 0)
        g.epilogue->function(rows.size(), columns.size(), g.c + rows.begin * g.c_row + columns.begin, g.c_row,
                             g.epilogue->at(rows.begin, columns.begin));
}

// The passes over k for the columns [first, first + n) of C. The team shares the rows, or, where there are too few of
// them, the column panels; either way one thread computes an element from its first term to its last.
template <class T>
void multiply_columns(Team& team, GemmWorkspace<T>& workspace, const Gemm<T>& g, index first, index n) {
    const Plan<T> plan(table_of(g), g, n, team.size());
    const index lanes = plan.kernels.lanes;
    const Range panels = plan.by_rows ? Range{0, plan.columns.count} : team.share(plan.columns.count);
    const Range rows = plan.by_rows ? team.share(g.m, plan.rows.largest()) : Range{0, g.m};
    const Range columns{smaller(plan.columns.start(panels.begin) * lanes, n),
                        smaller(plan.columns.start(panels.end) * lanes, n)};
    if (g.beta != T(1) && (g.beta != T(0) || g.k == 0))
        scale_rows(team, g, rows, {first + columns.begin, first + columns.end}, g.beta);
    const auto operations = [&](index m, index k) {
        return 2.0 * static_cast<double>(m) * static_cast<double>(columns.size()) * static_cast<double>(k);
    };

    const T* b = g.b + first * g.b_col;
    const Panels passes = gemm_passes(g.k);
    for (index pass = 0; pass < passes.count && !team.was_broken_off(); ++pass) {
        const index p = passes.start(pass), k = passes.size(pass), depth = plan.depth(k);
        const T* b_block = b + p * g.b_row;
        const auto pack_b = [&](Range range, T* packed) {
            plan.kernels.pack_b(k, b_block, g.b_row, g.b_col, n, plan.panel_vectors, range.begin, range.end, packed);
        };
        GemmBlock<T> block{};
        block.n = n, block.k = depth;
        block.b = b_block, block.b_row = g.b_row, block.b_packed = plan.pack_b;
        if (plan.pack_b && !plan.on_demand) {
            const Range mine = team.share(plan.columns.count);
            team.barrier();  // the block before this one may still be in use
            if (team.goes_on(static_cast<double>(k * n)))
                pack_b(mine, workspace.packed_b() + plan.columns.start(mine.begin) * lanes * depth);
            team.barrier();
            block.b = workspace.packed_b() + plan.columns.start(panels.begin) * lanes * depth;
        }
        block.c_row = g.c_row, block.alpha = g.alpha;
        block.accumulate = p > 0 || g.beta != T(0);
        block.panel_vectors = plan.panel_vectors, block.first_panel = panels.begin, block.last_panel = panels.end;
        const bool last = pass + 1 == passes.count;
        const index most_rows = last ? plan.block_rows(g) : block_m;
        for (index i = rows.begin; i < rows.end; i += most_rows) {
            block.m = smaller(rows.end - i, most_rows);
            if (!team.goes_on(operations(block.m, k)))
                break;
            block.a = g.a + i * g.a_row + p * g.a_col, block.a_row = g.a_row, block.a_step = g.a_col;
            block.a_packed = plan.pack_a, block.streamed = plan.streamed;
            if (plan.pack_a || plan.must_pack) {
                T* packed = workspace.packed_a(team.rank());
                const index height = plan.pack_a ? plan.tile_rows() : g.a_col == 1 ? 1 : block.m;
                plan.kernels.pack_a(block.m, k, block.a, g.a_row, g.a_col, height, packed);
                block.a = packed;
                block.a_row = height == 1 ? depth : 1, block.a_step = height;
            }
            block.c = g.c + i * g.c_row + first;
            const bool by_tile = last && g.epilogue && !g.epilogue->by_block;
            const Epilogue<T> epilogue = by_tile ? g.epilogue->at(i, first) : Epilogue<T>{};
            block.epilogue = by_tile ? &epilogue : nullptr;
            if (!plan.on_demand)
                plan.kernels.multiply(block);
            for (index panel = panels.begin; plan.on_demand && panel < panels.end; ++panel) {
                T* packed = workspace.packed_panel(team.rank());
                block.b_packed = !plan.pack_end || panel + 1 == plan.columns.count;
                if (block.b_packed)
                    pack_b({panel, panel + 1}, packed);
                block.b = block.b_packed ? packed : b_block;
                block.first_panel = panel, block.last_panel = panel + 1;
                plan.kernels.multiply(block);
            }
            if (last && g.epilogue && g.epilogue->by_block)
                finish(g, {i, i + block.m}, {first + columns.begin, first + columns.end});
        }
    }
    if (g.k == 0)
        finish(g, rows, {first + columns.begin, first + columns.end});
}

// A result of a few columns would leave most lanes of a vector idle. Where the columns of A are contiguous, C^T = B^T
// A^T fills them: the same chain of operations for every element, written to its transposed place at the end.
template <class T> bool is_better_transposed(const Gemm<T>& g) {
    const GemmKernels<T>& table = table_of(g);
    return g.a_row == 1 && g.n % table.lanes != 0 && g.n <= table.panel_rows[2] && g.n <= transposed_rows &&
           g.m >= 4 * table.lanes && g.k > 0;
}

template <class T> void multiply_transposed(Team& team, GemmWorkspace<T>& workspace, const Gemm<T>& g) {
    T* const scratch = workspace.transposed();
    for (index first = 0; first < g.m && !team.was_broken_off(); first += transposed_columns) {
        const index columns = smaller(g.m - first, transposed_columns);
        Gemm<T> piece{g.n,     columns, g.k,     g.b,     g.b_col, g.b_row, g.a + first * g.a_row,
                      g.a_col, g.a_row, scratch, columns, g.alpha};
        piece.precision = g.precision;
        team.barrier();  // the piece before this one may still be in use
        multiply_columns(team, workspace, piece, 0, columns);
        team.barrier();
        const Range mine = team.share(columns, 64);
        for (index i = mine.begin; i < mine.end; ++i) {
            T* c = g.c + (first + i) * g.c_row;
            for (index j = 0; j < g.n; ++j)
                c[j] = scratch[j * columns + i] + (g.beta == T(0) ? T(0) : g.beta * c[j]);
        }
        finish(g, {first + mine.begin, first + mine.end}, {0, g.n});
    }
}

// Up to so many vector multiply-adds, planning and packing take longer than the product.
constexpr index small_product = 64;

template <class T> bool is_small(const Gemm<T>& g) {
    const index lanes = table_of(g).lanes;
    const index columns = g.b_col != 1 ? g.n : g.n <= lanes ? 1 : (g.n + lanes - 1) / lanes;
    return g.m <= small_product && columns <= small_product && g.k <= small_product &&
           g.m * columns * g.k <= small_product && g.k > 0 && g.beta == T(0);
}

// Whether the kernel takes both factors as they lie, in one pass along k and without a plan.
template <class T> bool is_direct(const Gemm<T>& g) {
    constexpr index size = static_cast<index>(sizeof(T));
    const GemmKernels<T>& table = table_of(g);
    return g.m > 1 && g.n > 1 && g.k > 0 && g.k <= block_k && g.b_col == 1 && !table.rounds &&
           (g.n & (table.lanes - 1)) == 0 && g.m * g.k * size <= near && g.k * g.n * size <= near &&
           g.b_row * size < page / 2 && (g.beta == T(0) || g.beta == T(1)) && !(g.epilogue && g.epilogue->by_block);
}

template <class T> void multiply_direct(const Gemm<T>& g) {
    const GemmKernels<T>& table = table_of(g);
    GemmBlock<T> block{};
    block.m = g.m, block.n = g.n, block.k = g.k;
    block.a = g.a, block.a_row = g.a_row, block.a_step = g.a_col;
    block.b = g.b, block.b_row = g.b_row;
    block.c = g.c, block.c_row = g.c_row;
    block.alpha = g.alpha, block.accumulate = g.beta != T(0);
    block.panel_vectors = widest_panel(table, g.m);
    block.last_panel = Panels::of(g.n / table.lanes, block.panel_vectors).count;
    block.epilogue = g.epilogue;
    table.multiply(block);
}

// A product for which cutting it up and packing would take longer than they save.
template <class T> bool multiplied_at_once(const Gemm<T>& g) {
    if (is_small(g))
        table_of(g).multiply_small(g);
    else if (is_direct(g))
        multiply_direct(g);
    else
        return false;
    return true;
}

}  // namespace

Panels gemm_passes(index k) { return Panels::of(k, block_k); }

template <class T> const index GemmWorkspace<T>::a_size = block_m * block_k;
template <class T> const index GemmWorkspace<T>::panel_size = max_panel_vectors * 64 / sizeof(T) * block_k;
template <class T> const index GemmWorkspace<T>::b_size = (block_n + 64) * block_k;

template <class T> void GemmWorkspace<T>::reserve(int threads) {
    private_.reserve(threads * (a_size + panel_size));
    b_.reserve(b_size);
    transposed_.reserve(transposed_rows * transposed_columns);
}

template <class T> void gemm(Team& team, GemmWorkspace<T>& workspace, const Gemm<T>& g) {
    if (team.size() == 1 && multiplied_at_once(g))
        return;
    if (is_better_transposed(g))
        return multiply_transposed(team, workspace, g);
    for (index first = 0; first < g.n && g.m > 0 && !team.was_broken_off(); first += block_n)
        multiply_columns(team, workspace, g, first, smaller(g.n - first, block_n));
}

template <class T> void gemm(const Gemm<T>& g, Interruption* interruption) {
    // A factor that is read for one row or a few takes as long to come from the third-level cache as so many
    // operations.
    constexpr double operations_per_value = 7;
    const int threads =
        threads_for(g.operations() + operations_per_value * static_cast<double>(g.k) * static_cast<double>(g.m + g.n));
    if (threads == 1 && multiplied_at_once(g))
        return;
    // Taken away while it is used: what the interruption calls may come back here.
    thread_local std::unique_ptr<GemmWorkspace<T>> idle;
    std::unique_ptr<GemmWorkspace<T>> workspace = std::move(idle);
    if (!workspace)
        workspace = std::make_unique<GemmWorkspace<T>>();
    workspace->reserve(threads);
    run_team(threads, [&](Team& team) { gemm(team, *workspace, g); }, interruption);
    idle = std::move(workspace);
}

template class GemmWorkspace<float>;
template class GemmWorkspace<double>;
template void gemm(Team&, GemmWorkspace<float>&, const Gemm<float>&);
template void gemm(Team&, GemmWorkspace<double>&, const Gemm<double>&);
template void gemm(const Gemm<float>&, Interruption*);
template void gemm(const Gemm<double>&, Interruption*);

}  // namespace fastnet
