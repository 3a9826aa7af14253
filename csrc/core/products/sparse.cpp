#include "sparse.h"

#include <algorithm>
#include <vector>

namespace fastnet {
namespace {

// Rows are converted in pieces of this many values, which stay in the first-level cache until they are compressed.
constexpr Index piece = 1024;

template <class T> Index compress_row(const Rows& x, Index r, const std::int64_t* order, Range columns,
                                      Term<T>* terms) {
    if (const T* row = x.row_in_place<T>(r, order))
        return kernels<T>().sparse.compress(columns.size(), row + columns.begin, columns.begin, terms);
    T values[piece];
    Index n = 0;
    for (Index j = columns.begin; j < columns.end; j += piece) {
        const Index count = std::min(piece, columns.end - j);
        kernels<T>().convert(count, x.row(r, order) + j * x.column_stride, x.dtype, x.column_stride, values);
        n += kernels<T>().sparse.compress(count, values, j, terms + n);
    }
    return n;
}

// Columns ascend and are in range. Columns that violate this were written after the data was checked. They are skipped,
// so that nothing is read or written out of bounds.
template <class T> Index copy_row(const Rows& x, Index r, const std::int64_t* order, Term<T>* terms) {
    const Range source = x.values_of(r, order);
    T values[piece];
    Index n = 0, previous = -1;
    for (Index begin = source.begin; begin < source.end; begin += piece) {
        const Index count = std::min(piece, source.end - begin);
        kernels<T>().convert(count, x.data + begin * x.column_stride, x.dtype, x.column_stride, values);
        for (Index p = 0; p < count; ++p) {
            const Index column = x.column(begin + p);
            const bool good = column > previous && column < x.columns;
            terms[n] = {values[p], static_cast<std::int32_t>(column)};
            previous = good ? column : previous;
            n += good;
        }
    }
    return n;
}

Index values_in(const Samples& samples, Range range) {
    if (!samples.x.compressed())
        return range.size() * samples.x.columns;
    Index total = 0;
    for (Index r = range.begin; r < range.end; ++r)
        total += samples.x.values_of(r, samples.order).size();
    return total;
}

}  // namespace

template <class T> double density(const Rows& rows) {
    constexpr Index most_rows = 16;
    if (rows.count == 0)
        return 1;
    if (rows.compressed())
        return static_cast<double>(rows.starts[rows.count] - rows.starts[0]) /
               (static_cast<double>(rows.count) * static_cast<double>(rows.columns));
    const Index sample = std::min(rows.count, most_rows);
    std::vector<T> row(static_cast<std::size_t>(rows.columns));
    Index zeros = 0;
    for (Index i = 0; i < sample; ++i) {
        kernels<T>().convert(rows.columns, rows.row(rows.count / sample * i, nullptr), rows.dtype, rows.column_stride,
                             row.data());
        zeros += std::count(row.begin(), row.end(), T(0));
    }
    return 1 - static_cast<double>(zeros) / (static_cast<double>(sample) * static_cast<double>(rows.columns));
}

Index most_values(const Samples& samples, Index rows) {
    if (!samples.x.compressed())
        return rows * samples.x.columns;
    Index most = 0, now = 0;
    for (Index r = 0; r < samples.count; ++r) {
        now += values_in(samples, {r, r + 1}) - (r >= rows ? values_in(samples, {r - rows, r - rows + 1}) : 0);
        most = std::max(most, now);
    }
    return most;
}

template <class T>
void CompressedBatch<T>::reserve(Index rows, Index columns, Index segments, Index terms, bool with_transpose) {
    rows_ = rows;
    begin_.reserve(rows * segments), end_.reserve(rows * segments), terms_.reserve(terms);
    if (with_transpose)
        transposed_begin_.reserve(columns), transposed_end_.reserve(columns), transposed_.reserve(terms);
}

template <class T>
void CompressedBatch<T>::gather(const Team& team, const Samples& samples, Index begin, Range rows, Panels segments,
                                Index segment, T scale) {
    const Rows& x = samples.x;
    const Range columns{segments.start(segment), segments.start(segment + 1)};
    // The position that a row's values would have if none were zero: no two threads write to the same place.
    Index slot = values_in(samples, {begin, begin + rows.begin}) + columns.begin;
    const auto gather_row = [&](Index r) {
        const Index sample = begin + r;
        Term<T>* const terms = terms_.data() + slot;
        x.prefetch_ahead(sample, samples.count, samples.order, columns);
        const Index n = x.compressed() ? copy_row(x, sample, samples.order, terms)
                                       : compress_row(x, sample, samples.order, columns, terms);
        for (Index p = 0; scale != T(1) && p < n; ++p)
            terms[p].value *= scale;
        begin_.data()[segment * rows_ + r] = slot;
        end_.data()[segment * rows_ + r] = slot + n;
        slot += values_in(samples, {sample, sample + 1});
    };
    in_pieces(team, rows, operations_per_move * static_cast<double>(columns.size()), [&](Range piece) {
        for (Index r = piece.begin; r < piece.end; ++r)
            gather_row(r);
    });
}

// A counting sort. A thread's columns begin behind all terms of the preceding columns.
template <class T>
CompressedRows<T> CompressedBatch<T>::transpose(const Team& team, Index rows, Range columns, Panels segments) const {
    constexpr double operations_per_row = 100;
    const Term<T>* const terms = terms_.data();
    Index* const first = transposed_begin_.data();
    Index* const next = transposed_end_.data();
    const auto for_rows = [&](auto visit) {
        for (Index s = 0; s < segments.count && segments.start(s) < columns.end; ++s) {
            const Range whole{segments.start(s), segments.start(s + 1)};
            const CompressedRows<T> from_first = from(0, s);
            const auto visit_row = [&](Index r) {
                const Index begin = from_first.begin[r], end = from_first.end[r];
                const auto terms_before = [&](Index column) {
                    if (column <= whole.begin || column >= whole.end)
                        return column <= whole.begin ? begin : end;
                    const auto precedes = [](const Term<T>& term, Index limit) { return term.column < limit; };
                    return std::lower_bound(terms + begin, terms + end, column, precedes) - terms;
                };
                visit(r, begin, Range{terms_before(columns.begin), terms_before(columns.end)});
            };
            in_pieces(team, {0, rows}, operations_per_row, [&](Range piece) {
                for (Index r = piece.begin; r < piece.end; ++r)
                    visit_row(r);
            });
        }
    };
    std::fill(next + columns.begin, next + columns.end, Index(0));
    Index at = 0;
    for_rows([&](Index, Index begin, Range mine) {
        at += mine.begin - begin;
        for (Index p = mine.begin; p < mine.end; ++p)
            ++next[terms[p].column];
    });
    for (Index j = columns.begin; j < columns.end; ++j) {
        first[j] = at;
        at += next[j];
        next[j] = first[j];
    }
    for_rows([&](Index r, Index, Range mine) {
        for (Index p = mine.begin; p < mine.end; ++p)
            transposed_.data()[next[terms[p].column]++] = {terms[p].value, static_cast<std::int32_t>(r)};
    });
    return {first, next, transposed_.data()};
}

// Blocks of rows of C, which an epilogue processes while they are in the second-level cache: an optimizer reads two to
// four arrays of that size. Within a block, the rows are combined with one panel of B after the other. A block of long
// rows ends early, so that it can be broken off.
template <class T>
void multiply_compressed(const Team& team, const SparseProduct<T>& product, Range rows, const Epilogue<T>* epilogue) {
    constexpr double most_operations = 1e8;
    const Index block_values = epilogue && epilogue->by_block ? 1 << 14 : 1 << 17, fewest_rows = 16;
    const Index block = std::max(block_values / product.n, fewest_rows);
    double operations = 0;
    for (Index begin = rows.begin, end = begin; begin < rows.end && team.goes_on(operations); begin = end) {
        operations = 0;
        for (; end < std::min(begin + block, rows.end) && operations < most_operations; ++end)
            operations += 2.0 * static_cast<double>(product.n * (product.s.end[end] - product.s.begin[end]));
        kernels<T>().sparse.multiply(product, begin, end);
        if (epilogue)
            epilogue->function(end - begin, product.n, product.c + begin * product.n, product.n,
                               epilogue->at(begin, 0));
    }
}

template double density<float>(const Rows&);
template double density<double>(const Rows&);
template class CompressedBatch<float>;
template class CompressedBatch<double>;
template void multiply_compressed(const Team&, const SparseProduct<float>&, Range, const Epilogue<float>*);
template void multiply_compressed(const Team&, const SparseProduct<double>&, Range, const Epilogue<double>*);

}  // namespace fastnet
