// The loops around the micro-kernel: blocking for the caches, packing, and the share of each thread.
//
// Blocking follows Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (ACM TOMS 34(3), 2008):
// C is computed in passes over k of block_k; within a pass a block of B (block_k x block_n) is packed once by the
// whole team, and each thread packs blocks of A (block_m x block_k) of its own rows.
#include "gemm.h"

namespace fastnet {
namespace {

// Measured on a machine with 1 MiB of second-level cache per core: a pass of 512 beats 192, 256 and 384 by 5 to 15%,
// because C is read and written less often; the panel of B (96 KiB with AVX-512) then streams from the second-level
// cache while a row panel of A stays in the first. The length of a pass fixes the order of additions, so it is one
// number for every machine.
constexpr index block_k = 512;
constexpr index block_m = 256;   // a block of A: 512 KiB of float32, in the second-level cache
constexpr index block_n = 3072;  // a block of B: 6 MiB of float32, in the third-level cache

// Reading A in place costs cache misses for each column panel; packing costs one pass over A.
constexpr index panels_worth_packing = 4;

index smaller(index a, index b) { return a < b ? a : b; }

// How a product is carried out, decided by its shape and the kernel table alone.
template <class T> struct Plan {
    const GemmKernels<T>& kernels;
    index panel_columns;  // the widest column panel, in columns
    Panels columns, rows;
    bool pack_a, pack_b;

    Plan(const GemmKernels<T>& table, const Gemm<T>& g, index n) : kernels(table) {
        const index vectors = (n + table.lanes - 1) / table.lanes;
        columns = Panels::of(vectors, max_panel_vectors);
        panel_columns = columns.largest() * table.lanes;
        rows = Panels::of(g.m, table.panel_rows[columns.largest()]);
        pack_a = columns.count >= panels_worth_packing;
        pack_b = g.b_col != 1 || n % table.lanes != 0 || rows.count >= panels_worth_packing * 4;
    }
};

// C = beta C for a product without terms, and before a pass that accumulates with a beta other than 0 and 1.
template <class T> void scale_rows(const Gemm<T>& g, Range rows, Range columns, T factor) {
    for (index i = rows.begin; i < rows.end; ++i)
        kernels<T>().scale(columns.size(), g.c + i * g.c_row + columns.begin, factor);
}

template <class T> void finish(const Gemm<T>& g, Range rows, Range columns) {
    if (g.epilogue.function && rows.size() > 0 && columns.size() > 0)
        g.epilogue.function(rows.size(), columns.size(), g.c + rows.begin * g.c_row + columns.begin, g.c_row,
                            g.epilogue.at(rows.begin, columns.begin));
}

// The passes over k for the columns [first, first + n) of C. The team shares the rows, or, where there are too few of
// them, the column panels; either way one thread computes an element from its first term to its last.
template <class T>
void multiply_columns(Team& team, GemmWorkspace<T>& workspace, const Gemm<T>& g, index first, index n) {
    const Plan<T> plan(kernels<T>().gemm, g, n);
    const bool by_rows =
        team.size() == 1 || plan.rows.count >= plan.columns.count || plan.rows.count >= 4 * team.size();
    const Range panels = by_rows ? Range{0, plan.columns.count} : team.share(plan.columns.count);
    const index tile_rows = plan.rows.largest();
    const Range rows = by_rows ? team.share(g.m, tile_rows) : Range{0, g.m};
    const index lanes = plan.kernels.lanes;
    const Range columns{smaller(plan.columns.start(panels.begin) * lanes, n),
                        smaller(plan.columns.start(panels.end) * lanes, n)};
    if (g.beta != T(1) && (g.beta != T(0) || g.k == 0))
        scale_rows(g, rows, {first + columns.begin, first + columns.end}, g.beta);

    const T* b = g.b + first * g.b_col;
    for (index p = 0; p < g.k; p += block_k) {
        const index k = smaller(g.k - p, block_k);
        const T* b_block = b + p * g.b_row;
        if (plan.pack_b) {
            const Range mine = team.share(plan.columns.count);
            team.barrier();  // the block before this one may still be in use
            plan.kernels.pack_b(k, b_block, g.b_row, g.b_col, n, mine.begin, mine.end, workspace.packed_b());
            team.barrier();
            b_block = workspace.packed_b();
        }
        GemmBlock<T> block{};
        block.n = n, block.k = k;
        block.b = b_block, block.b_row = g.b_row, block.b_packed = plan.pack_b;
        block.c_row = g.c_row, block.alpha = g.alpha;
        block.accumulate = p > 0 || g.beta != T(0);
        block.first_panel = panels.begin, block.last_panel = panels.end;
        for (index i = rows.begin; i < rows.end; i += block_m) {
            block.m = smaller(rows.end - i, block_m);
            block.a = g.a + i * g.a_row + p * g.a_col, block.a_row = g.a_row, block.a_step = g.a_col;
            block.a_packed = plan.pack_a;
            if (plan.pack_a) {
                T* packed = workspace.packed_a(team.rank());
                plan.kernels.pack_a(block.m, k, block.a, g.a_row, g.a_col,
                                    plan.kernels.panel_rows[plan.columns.largest()], packed);
                block.a = packed;
            }
            block.c = g.c + i * g.c_row + first;
            const Epilogue<T> epilogue = g.epilogue.at(i, first);
            block.epilogue = g.epilogue.function && p + k == g.k ? &epilogue : nullptr;
            plan.kernels.multiply(block);
        }
    }
    if (g.k == 0)
        finish(g, rows, {first + columns.begin, first + columns.end});
}

}  // namespace

template <class T> const index GemmWorkspace<T>::a_size = block_m * block_k;
template <class T> const index GemmWorkspace<T>::b_size = (block_n + 64) * block_k;

template <class T> void GemmWorkspace<T>::reserve(int threads) {
    a_.reserve(threads * a_size);
    b_.reserve(b_size);
}

template <class T> void gemm(Team& team, GemmWorkspace<T>& workspace, const Gemm<T>& g) {
    for (index first = 0; first < g.n && g.m > 0; first += block_n)
        multiply_columns(team, workspace, g, first, smaller(g.n - first, block_n));
}

template <class T> void gemm(const Gemm<T>& g) {
    thread_local GemmWorkspace<T> workspace;
    const int threads = threads_for(g.operations());
    workspace.reserve(threads);
    GemmWorkspace<T>& shared = workspace;
    run_team(threads, [&](Team& team) { gemm(team, shared, g); });
}

template class GemmWorkspace<float>;
template class GemmWorkspace<double>;
template void gemm(Team&, GemmWorkspace<float>&, const Gemm<float>&);
template void gemm(Team&, GemmWorkspace<double>&, const Gemm<double>&);
template void gemm(const Gemm<float>&);
template void gemm(const Gemm<double>&);

}  // namespace fastnet
