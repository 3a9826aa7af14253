#include "nonzeros.h"

#include <atomic>

#include "core/threads/parallel.h"

namespace fastnet {
namespace {

// Calls visit(row) for every row. Each member of a team visits its rows in order.
template <class T, class Visit> void visit_rows(const DenseRows<T>& table, Interruption* interruption, Visit visit) {
    constexpr double operations_per_value = 8;  // the time to load a value from memory
    const double operations = operations_per_value * static_cast<double>(table.columns);
    const auto share = [&](Team& team) {
        in_pieces(team, team.share(table.rows), operations, [&](Range piece) {
            for (Index row = piece.begin; row < piece.end; ++row)
                visit(row);
        });
    };
    run_team(threads_for(operations * static_cast<double>(table.rows)), share, interruption);
}

}  // namespace

template <class T> void count_nonzeros(const DenseRows<T>& table, std::int64_t* counts, Interruption* interruption) {
    visit_rows(table, interruption, [&](Index row) {
        const T* const from = table.values + row * table.columns;
        Index count = 0;
        for (Index j = 0; j < table.columns; ++j)
            count += from[j] != T(0);
        counts[row] = count;
    });
}

template <class T>
bool copy_nonzeros(const DenseRows<T>& table, const std::int64_t* starts, T* values, std::int32_t* columns,
                   Interruption* interruption) {
    std::atomic<bool> complete = true;
    visit_rows(table, interruption, [&](Index row) {
        const T* const from = table.values + row * table.columns;
        const Index end = starts[row + 1];
        Index at = starts[row];
        for (Index j = 0; j < table.columns && at < end; ++j) {  // a zero is overwritten by the next value
            values[at] = from[j];
            columns[at] = static_cast<std::int32_t>(j);
            at += from[j] != T(0);
        }
        if (at != end)
            complete.store(false, std::memory_order_relaxed);
    });
    return complete.load();
}

template void count_nonzeros<float>(const DenseRows<float>&, std::int64_t*, Interruption*);
template void count_nonzeros<double>(const DenseRows<double>&, std::int64_t*, Interruption*);
template bool copy_nonzeros<float>(const DenseRows<float>&, const std::int64_t*, float*, std::int32_t*, Interruption*);
template bool copy_nonzeros<double>(const DenseRows<double>&, const std::int64_t*, double*, std::int32_t*,
                                    Interruption*);

}  // namespace fastnet
