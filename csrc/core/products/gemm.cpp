// The loops around the micro-kernel: blocking for the caches, packing, and the share of each thread.
//
// Blocking follows Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (ACM TOMS 34(3), 2008). C
// is computed in passes over k of block_k. Within a pass, the whole team packs a block of B (block_k x block_n) once,
// and each thread packs blocks of A (block_m x block_k) of its own rows.
#include "gemm.h"

#include <memory>
#include <utility>

#include "gemm_plan.h"

namespace fastnet {
namespace {

// The transposed product of a narrow result is computed in pieces of this many columns.
constexpr Index transposed_columns = 4096, transposed_rows = 16;

// C = beta C for a product without terms, and before a pass that accumulates with a beta other than 0 and 1.
template <class T> void scale_rows(const Team& team, const Gemm<T>& g, Range rows, Range columns, T factor) {
    in_pieces(team, rows, operations_per_move * static_cast<double>(columns.size()), [&](Range piece) {
        for (Index i = piece.begin; i < piece.end; ++i)
            kernels<T>().scale(columns.size(), g.c + i * g.c_row + columns.begin, factor);
    });
}

template <class T> void finish(const Gemm<T>& g, Range rows, Range columns) {
    if (g.epilogue && rows.size() > 0 && columns.size() > 0)
        g.epilogue->function(rows.size(), columns.size(), g.c + rows.begin * g.c_row + columns.begin, g.c_row,
                             g.epilogue->at(rows.begin, columns.begin));
}

// The passes over k for the columns [first, first + n) of C. The team shares the rows or, where there are too few of
// them, the column panels. Either way one thread computes an element from its first term to its last.
template <class T>
void multiply_columns(Team& team, GemmWorkspace<T>& workspace, const Gemm<T>& g, Index first, Index n) {
    const Plan<T> plan(table_of(g), g, n, team.size());
    const Index lanes = plan.kernels.lanes;
    const Range panels = plan.by_rows ? Range{0, plan.columns.count} : team.share(plan.columns.count);
    const Range rows = plan.by_rows ? team.share(g.m, plan.rows.largest()) : Range{0, g.m};
    const Range columns{smaller(plan.columns.start(panels.begin) * lanes, n),
                        smaller(plan.columns.start(panels.end) * lanes, n)};
    if (g.beta != T(1) && (g.beta != T(0) || g.k == 0))
        scale_rows(team, g, rows, {first + columns.begin, first + columns.end}, g.beta);
    const auto operations = [&](Index m, Index k) {
        return 2.0 * static_cast<double>(m) * static_cast<double>(columns.size()) * static_cast<double>(k);
    };

    const T* b = g.b + first * g.b_col;
    const Panels passes = gemm_passes(g.k);
    for (Index pass = 0; pass < passes.count && !team.was_broken_off(); ++pass) {
        const Index p = passes.start(pass), k = passes.size(pass), depth = plan.depth(k);
        const T* b_block = b + p * g.b_row;
        const auto pack_b = [&](Range range, T* packed) {
            plan.kernels.pack_b(k, b_block, g.b_row, g.b_col, n, plan.panel_vectors, range.begin, range.end, packed);
        };
        GemmBlock<T> block{};
        block.n = n, block.k = depth;
        block.b = b_block, block.b_row = g.b_row, block.b_packed = plan.pack_b || plan.prepacked;
        if (plan.prepacked)
            block.b =
                g.b_packed + first * plan.depth_before(passes, passes.count) +
                (plan.columns.total * plan.depth_before(passes, pass) + plan.columns.start(panels.begin) * depth) *
                    lanes;
        if (plan.pack_b && !plan.on_demand) {
            const Range mine = team.share(plan.columns.count);
            team.barrier();  // the previous block may still be in use
            if (team.goes_on(static_cast<double>(k * n)))
                pack_b(mine, workspace.packed_b() + plan.columns.start(mine.begin) * lanes * depth);
            team.barrier();
            block.b = workspace.packed_b() + plan.columns.start(panels.begin) * lanes * depth;
        }
        block.c_row = g.c_row, block.alpha = g.alpha;
        block.accumulate = p > 0 || g.beta != T(0);
        block.panel_vectors = plan.panel_vectors, block.first_panel = panels.begin, block.last_panel = panels.end;
        const bool last = pass + 1 == passes.count;
        const Index most_rows = last ? plan.block_rows(g) : block_m;
        for (Index i = rows.begin; i < rows.end; i += most_rows) {
            block.m = smaller(rows.end - i, most_rows);
            if (!team.goes_on(operations(block.m, k)))
                break;
            block.a = g.a + i * g.a_row + p * g.a_col, block.a_row = g.a_row, block.a_step = g.a_col;
            block.a_packed = plan.pack_a, block.streamed = plan.streamed;
            if (plan.pack_a || plan.must_pack) {
                T* packed = workspace.packed_a(team.rank());
                const Index height = plan.pack_a ? plan.tile_rows() : g.a_col == 1 ? 1 : block.m;
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
            for (Index panel = panels.begin; plan.on_demand && panel < panels.end; ++panel) {
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

// A result with few columns would leave most lanes of a vector idle. Where the columns of A are contiguous, C^T = B^T
// A^T fills them. Every element has the same chain of operations and is written to its transposed place at the end.
template <class T> bool is_better_transposed(const Gemm<T>& g) {
    const GemmKernels<T>& table = table_of(g);
    return g.a_row == 1 && g.n % table.lanes != 0 && g.n <= table.panel_rows[2] && g.n <= transposed_rows &&
           g.m >= 4 * table.lanes && g.k > 0;
}

template <class T> void multiply_transposed(Team& team, GemmWorkspace<T>& workspace, const Gemm<T>& g) {
    T* const scratch = workspace.transposed();
    for (Index first = 0; first < g.m && !team.was_broken_off(); first += transposed_columns) {
        const Index columns = smaller(g.m - first, transposed_columns);
        Gemm<T> piece{g.n,     columns, g.k,     g.b,     g.b_col, g.b_row, g.a + first * g.a_row,
                      g.a_col, g.a_row, scratch, columns, g.alpha};
        piece.precision = g.precision;
        const Range mine = team.share(columns, 64);
        const auto for_elements = [&](auto visit) {  // of C and of its transpose
            for (Index i = mine.begin; i < mine.end; ++i)
                for (Index j = 0; j < g.n; ++j)
                    visit(g.c[(first + i) * g.c_row + j], scratch[j * columns + i]);
        };
        team.barrier();  // the previous piece may still be in use
        // As in every other product, the previous values come before the first pass along k.
        if (g.beta != T(0)) {
            for_elements([&](T& element, T& transposed) { transposed = g.beta * element; });
            piece.beta = 1;
            team.barrier();
        }
        multiply_columns(team, workspace, piece, 0, columns);
        team.barrier();
        for_elements([](T& element, T& transposed) { element = transposed; });
        finish(g, {first + mine.begin, first + mine.end}, {0, g.n});
    }
}

// Up to this many vector multiply-adds, planning and packing take longer than the product.
constexpr Index small_product = 64;

template <class T> bool is_small(const Gemm<T>& g) {
    const Index lanes = table_of(g).lanes;
    const Index columns = g.b_col != 1 ? g.n : g.n <= lanes ? 1 : (g.n + lanes - 1) / lanes;
    return g.m <= small_product && columns <= small_product && g.k <= small_product &&
           g.m * columns * g.k <= small_product && g.k > 0 && g.beta == T(0);
}

// Whether the kernel reads both factors unpacked, in one pass along k and without a plan.
template <class T> bool is_direct(const Gemm<T>& g) {
    constexpr Index size = static_cast<Index>(sizeof(T));
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

// Computes a product at once, if blocking and packing would take longer than they save. Returns whether it did.
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

Panels gemm_passes(Index k) { return Panels::of(k, block_k); }

template <class T> const Index GemmWorkspace<T>::a_size = block_m * block_k;
template <class T> const Index GemmWorkspace<T>::panel_size = max_panel_vectors * 64 / sizeof(T) * block_k;
template <class T> const Index GemmWorkspace<T>::b_size = (block_n + 64) * block_k;

template <class T> void GemmWorkspace<T>::reserve(int threads) {
    private_.reserve(threads * (a_size + panel_size));
    b_.reserve(b_size);
    transposed_.reserve(transposed_rows * transposed_columns);
}

// Blocks of block_n columns, as multiply_columns reads them; in each the passes along k, and in those the panels.
template <class T> void pack_factor(const Team& team, const Gemm<T>& g, T* packed) {
    const Panels passes = gemm_passes(g.k);
    for (Index first = 0; first < g.n; first += block_n) {
        const Index n = smaller(g.n - first, block_n);
        const Plan<T> plan(table_of(g), g, n, team.size());
        const Index widest = plan.kernels.panel_vectors;
        const Panels columns = Panels::of((n + plan.kernels.lanes - 1) / plan.kernels.lanes, widest);
        const Range mine = team.share(columns.count);
        for (Index pass = 0; pass < passes.count; ++pass) {
            const Index k = passes.size(pass), values = plan.kernels.lanes * plan.depth(k);
            const T* b = g.b + passes.start(pass) * g.b_row + first * g.b_col;
            plan.kernels.pack_b(k, b, g.b_row, g.b_col, n, widest, mine.begin, mine.end,
                                packed + columns.start(mine.begin) * values);
            packed += columns.total * values;
        }
    }
}

template <class T> Index packed_size(const Gemm<T>& g) {
    const Plan<T> plan(table_of(g), g, g.n, 1);
    const Panels passes = gemm_passes(g.k);
    return plan.columns.total * plan.kernels.lanes * plan.depth_before(passes, passes.count);
}

template <class T> bool packs_factor(const Gemm<T>& g) {
    if (g.m < 2 || g.n * g.k * static_cast<Index>(sizeof(T)) <= near)
        return false;
    const Plan<T> plan(table_of(g), g, smaller(g.n, block_n), 1);
    return plan.pack_b && plan.pack_all;
}

template <class T> void gemm(Team& team, GemmWorkspace<T>& workspace, const Gemm<T>& g) {
    if (team.size() == 1 && multiplied_at_once(g))
        return;
    if (is_better_transposed(g))
        return multiply_transposed(team, workspace, g);
    for (Index first = 0; first < g.n && g.m > 0 && !team.was_broken_off(); first += block_n)
        multiply_columns(team, workspace, g, first, smaller(g.n - first, block_n));
}

template <class T> void gemm(const Gemm<T>& g, Interruption* interruption) {
    // A factor that is read for one row or a few takes as long to load from the third-level cache as this many
    // operations.
    constexpr double operations_per_value = 7;
    const int threads =
        threads_for(g.operations() + operations_per_value * static_cast<double>(g.k) * static_cast<double>(g.m + g.n));
    if (threads == 1 && multiplied_at_once(g))
        return;
    // Taken away while in use, because the function that the interruption calls may start another product here.
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
template Index packed_size(const Gemm<float>&);
template Index packed_size(const Gemm<double>&);
template void pack_factor(const Team&, const Gemm<float>&, float*);
template void pack_factor(const Team&, const Gemm<double>&, double*);
template bool packs_factor(const Gemm<float>&);
template bool packs_factor(const Gemm<double>&);
template void gemm(Team&, GemmWorkspace<float>&, const Gemm<float>&);
template void gemm(Team&, GemmWorkspace<double>&, const Gemm<double>&);
template void gemm(const Gemm<float>&, Interruption*);
template void gemm(const Gemm<double>&, Interruption*);

}  // namespace fastnet
