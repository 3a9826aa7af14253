#include "repack.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "core/threads/parallel.h"

namespace fastnet {
namespace {

// A float16, decoded with integers: not every instruction set supports it, nor every floating-point mode its
// subnormals.
struct Half {
    std::uint16_t bits;

    explicit operator float() const {
        const std::uint32_t sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31, digits = bits & 0x3ffu;
        if (exponent == 0) {
            const float magnitude = static_cast<float>(digits) * 0x1p-24f;
            return sign ? -magnitude : magnitude;
        }
        const std::uint32_t wide = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | digits << 13;
        float value;
        std::memcpy(&value, &wide, sizeof value);
        return value;
    }
    explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

template <std::size_t size>
using Bits = std::conditional_t<
    size == 1, std::uint8_t,
    std::conditional_t<size == 2, std::uint16_t, std::conditional_t<size == 4, std::uint32_t, std::uint64_t>>>;

template <class S, bool swapped> S load(const char* at) {
    Bits<sizeof(S)> bits;
    std::memcpy(&bits, at, sizeof bits);
    if constexpr (swapped && sizeof(S) == 2)
        bits = __builtin_bswap16(bits);
    else if constexpr (swapped && sizeof(S) == 4)
        bits = __builtin_bswap32(bits);
    else if constexpr (swapped && sizeof(S) == 8)
        bits = __builtin_bswap64(bits);
    S value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Converts n values that lie `stride` bytes apart. Returns the union of the bits of integers, which shows whether one
// of them does not fit into a byte.
template <class S, class T, bool swapped>
std::uint64_t convert_line(Index n, const char* source, Index stride, T* out) {
    // The narrowest type that shows a sign: vectors of wider integers would be taken apart.
    using Seen = Bits<sizeof(S) == 1 && std::is_signed_v<S> ? 2 : sizeof(S)>;
    Seen seen = 0;
    const auto convert = [&](Index stride) {
        for (Index i = 0; i < n; ++i) {
            const S value = load<S, swapped>(source + i * stride);
            if constexpr (std::is_integral_v<S> && std::is_same_v<T, std::uint8_t>)
                seen |= static_cast<Seen>(value);
            out[i] = static_cast<T>(value);
        }
    };
    if (stride == static_cast<Index>(sizeof(S)))
        convert(sizeof(S));
    else
        convert(stride);
    return seen;
}

template <class T> using Line = std::uint64_t (*)(Index n, const char* source, Index stride, T* out);

template <class S, class T> Line<T> line_from(const Table& table) {
    if constexpr (std::is_same_v<T, std::uint8_t> && !std::is_integral_v<S>)
        throw std::invalid_argument("only integers become uint8");
    else
        return table.swapped ? &convert_line<S, T, true> : &convert_line<S, T, false>;
}

template <class T> Line<T> line_to(const Table& table) {
    if (table.half)
        return line_from<Half, T>(table);
    switch (table.dtype) {
    case DType::uint8:
        return line_from<std::uint8_t, T>(table);
    case DType::int8:
        return line_from<std::int8_t, T>(table);
    case DType::uint16:
        return line_from<std::uint16_t, T>(table);
    case DType::int16:
        return line_from<std::int16_t, T>(table);
    case DType::uint32:
        return line_from<std::uint32_t, T>(table);
    case DType::int32:
        return line_from<std::int32_t, T>(table);
    case DType::uint64:
        return line_from<std::uint64_t, T>(table);
    case DType::int64:
        return line_from<std::int64_t, T>(table);
    case DType::float32:
        return line_from<float, T>(table);
    case DType::float64:
        return line_from<double, T>(table);
    }
    throw std::invalid_argument("no such type");
}

// Transposes a square of values that fill 16 bytes: element i of line j becomes element j of line i. Every round
// interleaves the first half of the lines with the second.
template <class T> class Square {
  public:
    static constexpr Index side = 16 / sizeof(T);

    static void turn(const T* from, Index from_line, T* to, Index to_line) {
        Lane lines[side], mixed[side];
        for (Index i = 0; i < side; ++i)
            std::memcpy(&lines[i], from + i * from_line, sizeof(Lane));
        for (Index round = 1; round < side; round *= 2) {
            for (Index i = 0; i < side / 2; ++i) {
                mixed[2 * i] = interleave<0>(lines[i], lines[i + side / 2], Elements());
                mixed[2 * i + 1] = interleave<side / 2>(lines[i], lines[i + side / 2], Elements());
            }
            for (Index i = 0; i < side; ++i)
                lines[i] = mixed[i];
        }
        for (Index i = 0; i < side; ++i)
            std::memcpy(to + i * to_line, &lines[i], sizeof(Lane));
    }

  private:
    typedef T Lane __attribute__((vector_size(16)));
    using Elements = std::make_integer_sequence<int, side>;

    template <int first, int... i> static Lane interleave(Lane a, Lane b, std::integer_sequence<int, i...>) {
        return __builtin_shufflevector(a, b, (first + i / 2 + i % 2 * static_cast<int>(side))...);
    }
};

// Tiles of a table, one band of rows after the other. Where the values of a column lie close together, they are read
// down the columns. The columns that make up a cache line of the result are transposed at a time.
template <class T> class Tiles {
  public:
    Tiles(const Table& table, Line<T> line, T* out, bool must_be_finite)
        : table_(table), line_(line), out_(out), must_be_finite_(must_be_finite),
          by_columns_(table.each_column || std::abs(table.row_stride) < std::abs(table.column_stride)),
          width_(by_columns_ ? turned_columns : std::clamp<Index>(table.columns, 1, 4096)),
          height_(by_columns_ ? turned_rows : std::max<Index>(1, 4096 / width_)),
          panels_((table.columns + width_ - 1) / width_), found_(table.rows) {}

    Index count() const { return panels_ * ((table_.rows + height_ - 1) / height_); }
    double values() const { return static_cast<double>(width_) * static_cast<double>(height_); }
    Index found() const { return found_.load(); }

    void convert(Index tile) {
        const Index row = tile / panels_ * height_, column = tile % panels_ * width_;
        if (row >= found_.load(std::memory_order_relaxed))
            return;
        const Index rows = std::min(height_, table_.rows - row), columns = std::min(width_, table_.columns - column);
        T* const to = out_ + row * table_.columns + column;
        const std::uint64_t seen =
            by_columns_ ? turn(row, rows, column, columns, to) : copy(row, rows, column, columns, to);
        if constexpr (std::is_floating_point_v<T>) {
            for (Index i = 0; must_be_finite_ && i < rows; ++i)
                if (!kernels<T>().all_finite(columns, to + i * table_.columns))
                    return note(row + i);
        } else if (seen > 255) {
            note(0);  // no member needs to continue
        }
    }

  private:
    static constexpr Index turned_columns = 64 / sizeof(T), turned_rows = 128, columns_ahead = 2;

    std::uint64_t copy(Index row, Index rows, Index column, Index columns, T* to) const {
        std::uint64_t seen = 0;
        for (Index i = 0; i < rows; ++i)
            seen |= line_(columns, table_.at(row + i, column), table_.column_stride, to + i * table_.columns);
        return seen;
    }
    // Later columns are prefetched meanwhile: no hardware foresees the step from one to the next.
    std::uint64_t turn(Index row, Index rows, Index column, Index columns, T* to) const {
        alignas(64) T lines[turned_columns * turned_rows];
        std::uint64_t seen = 0;
        for (Index j = 0; j < columns; ++j) {
            if (column + j + columns_ahead < table_.columns)
                prefetch(table_.at(row, column + j + columns_ahead), rows * table_.row_stride);
            seen |= line_(rows, table_.at(row, column + j), table_.row_stride, lines + j * turned_rows);
        }
        const auto rest = [&](Range of_rows, Range of_columns) {
            for (Index i = of_rows.begin; i < of_rows.end; ++i)
                for (Index j = of_columns.begin; j < of_columns.end; ++j)
                    to[i * table_.columns + j] = lines[j * turned_rows + i];
        };
        constexpr Index side = Square<T>::side;
        const Index whole_rows = rows / side * side, whole_columns = columns / side * side;
        for (Index i = 0; i < whole_rows; i += side)
            for (Index j = 0; j < whole_columns; j += side)
                Square<T>::turn(lines + j * turned_rows + i, turned_rows, to + i * table_.columns + j, table_.columns);
        rest({0, whole_rows}, {whole_columns, columns});
        rest({whole_rows, rows}, {0, columns});
        return seen;
    }
    __attribute__((always_inline)) static void prefetch(const char* from, Index bytes) {
        constexpr Index line = 64;
        const char* const low = bytes < 0 ? from + bytes : from;
        for (Index i = 0; i < std::abs(bytes); i += line)
            __builtin_prefetch(low + i, 0, 3);
    }
    void note(Index row) {
        Index first = found_.load();
        while (row < first && !found_.compare_exchange_weak(first, row)) {
        }
    }

    const Table& table_;
    const Line<T> line_;
    T* const out_;
    const bool must_be_finite_, by_columns_;
    const Index width_, height_, panels_;
    std::atomic<Index> found_;
};

template <class T>
Index repack_as(const Table& table, Line<T> line, void* out, bool must_be_finite, Interruption* interruption) {
    constexpr double operations_per_value = 8;  // the time to load a value from memory
    Tiles<T> tiles(table, line, static_cast<T*>(out), must_be_finite);
    const double operations = operations_per_value * tiles.values();
    const auto share = [&](Team& team) {
        in_pieces(team, team.share(tiles.count()), operations, [&](Range piece) {
            for (Index tile = piece.begin; tile < piece.end; ++tile)
                tiles.convert(tile);
        });
    };
    run_team(threads_for(operations * static_cast<double>(tiles.count())), share, interruption);
    return tiles.found() < table.rows ? tiles.found() : -1;
}

// Moves values unchanged.
template <class T> Index move(const Table& table, void* out, Interruption* interruption) {
    return repack_as<T>(table, line_from<T, T>(table), out, false, interruption);
}

}  // namespace

Index repack(const Table& table, DType to, void* out, bool must_be_finite, Interruption* interruption) {
    if (to == DType::float32)
        return repack_as<float>(table, line_to<float>(table), out, must_be_finite, interruption);
    if (to == DType::float64)
        return repack_as<double>(table, line_to<double>(table), out, must_be_finite, interruption);
    if (to == DType::uint8)
        return repack_as<std::uint8_t>(table, line_to<std::uint8_t>(table), out, false, interruption);
    if (table.half || to != table.dtype)
        throw std::invalid_argument("integers become uint8, float32, float64, or stay what they are");
    switch (to) {
    case DType::int8:
        return move<std::int8_t>(table, out, interruption);
    case DType::int16:
    case DType::uint16:
        return move<std::uint16_t>(table, out, interruption);
    case DType::int32:
    case DType::uint32:
        return move<std::uint32_t>(table, out, interruption);
    default:
        return move<std::uint64_t>(table, out, interruption);
    }
}

}  // namespace fastnet
