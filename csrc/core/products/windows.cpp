#include "windows.h"

#include <algorithm>

namespace fastnet {
namespace {

// Whether every channel makes one filter by itself. The order of the terms is the same as where channels are mixed.
bool is_by_channel(const Geometry& g) { return g.channels > 1 && g.groups == g.channels && g.groups == g.filters; }

// Whether the taps of a line of the kernel read contiguous values.
bool has_whole_lines(const Geometry& g) { return g.x.dilation == 1 && g.groups == 1; }

template <class T> Panels vector_panels(Index columns) {
    const Index lanes = kernels<T>().images.lanes;
    return Panels::of((columns + lanes - 1) / lanes, max_window_vectors);
}

// With fewer channels than this, the vectors of some machines would be mostly empty.
constexpr Index few_channels = 16;

// Each pixel is a window of its own.
Axis every_pixel(Index size) { return {size, size, 1, 1, 1, 0}; }

// Copies a line of pixels into a wider one, between zeros.
template <class T> void pad_line(const T* line, Index size, Index before, Index padded_size, T* padded) {
    std::fill_n(padded, before, T(0));
    std::copy_n(line, size, padded + before);
    std::fill(padded + before + size, padded + padded_size, T(0));
}

}  // namespace

template <class T>
Windows<T>::Windows(const Geometry& g, bool transposed)
    : channels_(g.channels), stride_(g.x.stride), left_(g.x.before), width_(g.x.source), by_channel_(is_by_channel(g)),
      adds_up_(transposed && has_whole_lines(g) && g.channels < few_channels && g.x.kernel > 1),
      merges_(!transposed && has_whole_lines(g)), y_(transposed ? g.y.transpose() : g.y),
      x_(adds_up_     ? every_pixel(g.x.result)
         : transposed ? g.x.transpose()
                      : g.x),
      groups_(g.groups), source_channels_(transposed ? g.filters : g.channels),
      result_channels_(adds_up_     ? g.x.kernel * g.channels
                       : transposed ? g.channels
                                    : g.filters),
      terms_(source_channels_ / g.groups), columns_(result_channels_ / g.groups), group_step_(g.filters / g.groups),
      tap_step_((adds_up_ ? g.x.kernel : 1) * g.channels / g.groups * g.filters),
      term_step_(transposed ? 1 : g.filters), column_step_(transposed ? g.filters : 1),
      run_(merges_ ? g.x.kernel * terms_ : terms_), panels_(vector_panels<T>(columns_)),
      line_size_(transposed ? g.x.source * g.channels : g.x.result * g.filters), padded_line_(x_.source) {
    constexpr Index near = Index(32) << 10;               // bytes
    const Index products = x_.result * result_channels_;  // of a line
    lines_at_once_ = std::max<Index>(near / static_cast<Index>(sizeof(T)) / products, 1);
    if (adds_up_)
        sums_size_ = lines_at_once_ * products + ((g.x.result - 1) * g.x.stride + g.x.kernel) * g.channels +
                     g.x.source * g.channels;
    find_padding();
    list_taps();
    if (!by_channel_)
        packed_size_ = groups_ * rows_ * panels_.total * kernels<T>().images.lanes;
}

// Along a line, taps outside of the source read zeros. Lines outside of it are left out.
template <class T> void Windows<T>::find_padding() {
    Index low = 0, high = x_.source - 1;
    for (Index p = 0; p < x_.result; ++p)
        for (Index t = 0; t < x_.taps(x_.phase_of(p)); ++t) {
            low = std::min(low, x_.base(p) + x_.offset(t));
            high = std::max(high, x_.base(p) + x_.offset(t));
        }
    if (low == 0 && high == x_.source - 1)
        return;
    padding_ = -low;
    padded_line_ = padding_ + high + 1;
    padded_size_ = y_.source * padded_line_ * source_channels_;
}

template <class T> void Windows<T>::list_taps() {
    const Index line = padded_line_ * source_channels_;
    for (Index py = 0; py < y_.phases(); ++py)
        for (Index px = 0; px < x_.phases(); ++px) {
            Phase phase{{}, merges_ ? 1 : x_.taps(px)};
            for (Index t = 0; t < y_.taps(py); ++t)
                for (Index u = 0; u < phase.per_line; ++u) {
                    const Index number = y_.kernel_tap(py, t) * x_.kernel + x_.kernel_tap(px, u);
                    phase.taps.push_back(
                        {y_.offset(t) * line + x_.offset(u) * source_channels_, by_channel_ ? number : rows_});
                    rows_ += run_;
                }
            phases_.push_back(std::move(phase));
        }
}

template <class T> void Windows<T>::pack(const T* kernel, T* packed) const {
    if (by_channel_)
        return;
    const ImageKernels<T>& images = kernels<T>().images;
    for (Index group = 0; group < groups_; ++group)
        for (Index panel = 0; panel < panels_.count; ++panel) {
            const Index first = panels_.start(panel) * images.lanes, width = panels_.size(panel) * images.lanes;
            const T* const from = kernel + group * group_step_ + first * column_step_;
            for (Index py = 0; py < y_.phases(); ++py)
                for (Index px = 0; px < x_.phases(); ++px)
                    for (Index t = 0; t < y_.taps(py); ++t)
                        for (Index u = 0; u < phase(py, px).per_line; ++u, packed += run_ * width) {
                            const Index number = y_.kernel_tap(py, t) * x_.kernel + x_.kernel_tap(px, u);
                            images.pack(run_, std::min(columns_ - first, width), from + number * tap_step_, term_step_,
                                        column_step_, packed, width);
                        }
        }
}

template <class T> const T* Windows<T>::prepare(const T* source, Range lines, T* scratch) const {
    if (padded_size_ == 0)
        return source;
    Index begin = y_.source, end = 0;
    for (Index line = lines.begin; line < lines.end; ++line) {
        const Range taps = y_.taps_inside(line);
        for (const Index t : {taps.begin, taps.end - 1})
            if (taps.size() > 0) {
                begin = std::min(begin, y_.base(line) + y_.offset(t));
                end = std::max(end, y_.base(line) + y_.offset(t) + 1);
            }
    }
    const Index size = x_.source * source_channels_, padded_size = padded_line_ * source_channels_;
    for (Index line = begin; line < end; ++line)
        pad_line(source + line * size, size, padding_ * source_channels_, padded_size, scratch + line * padded_size);
    return scratch;
}

template <class T>
void Windows<T>::multiply(const T* source, const T* kernel, const T* packed, const T* bias, Range lines, T* result,
                          T* scratch) const {
    if (!adds_up_)
        return multiply_windows(source, kernel, packed, bias, lines, result);
    T* const products = scratch + padded_size_;
    T* const sums = products + lines_at_once_ * x_.result * result_channels_;
    multiply_windows(source, kernel, packed, nullptr, lines, products);
    for (Index i = 0; i < lines.size(); ++i, result += line_size_) {
        add_up(products + i * x_.result * result_channels_, sums, result);
        for (Index j = 0; bias && j < line_size_; j += channels_)
            kernels<T>().layers.add(channels_, result + j, bias, result + j);
    }
}

// A line of an image from what the pixels of the map contribute to it.
template <class T> void Windows<T>::add_up(const T* products, T* sums, T* result) const {
    const Index step = stride_ * channels_, size = (x_.result - 1) * step + result_channels_;
    std::fill_n(sums, std::max(size, left_ * channels_ + line_size_), T(0));
    kernels<T>().images.add_overlapping(x_.result, result_channels_, step, products, sums);
    std::copy_n(sums + left_ * channels_, line_size_, result);
}

template <class T>
void Windows<T>::multiply_windows(const T* source, const T* kernel, const T* packed, const T* bias, Range lines,
                                  T* result) const {
    const Index lanes = kernels<T>().images.lanes, line_size = x_.result * result_channels_;
    WindowLine<T> line{};
    line.run = run_;
    const auto for_lines = [&](const T* from, T* to) {
        for (Index number = lines.begin; number < lines.end; ++number)
            multiply_line(from, line, number, to + (number - lines.begin) * line_size);
    };
    if (by_channel_) {
        line.columns = result_channels_, line.weights = kernel, line.bias = bias;
        return for_lines(source, result);
    }
    // A panel of the kernel stays in cache while the lines pass by it.
    line.weights = packed;
    for (Index group = 0; group < groups_; ++group)
        for (Index panel = 0; panel < panels_.count; ++panel) {
            const Index first = panels_.start(panel) * lanes, width = panels_.size(panel) * lanes;
            const Index column = group * columns_ + first;
            line.columns = std::min(columns_ - first, width), line.bias = bias ? bias + column : nullptr;
            for_lines(source + group * terms_, result + column);
            line.weights += rows_ * width;
        }
}

template <class T>
void Windows<T>::multiply_line(const T* source, WindowLine<T> line, Index number, T* result) const {
    const ImageKernels<T>& images = kernels<T>().images;
    const Range taps = y_.taps_inside(number);
    line.x = source;
    line.x_step = x_.step() * source_channels_, line.y_step = x_.phases() * result_channels_;
    for (Index px = 0; px < x_.phases(); ++px) {
        const Phase& phase = this->phase(y_.phase_of(number), px);
        const Index first = x_.first_of(px);
        line.pixels = x_.positions_of(px);
        line.taps = phase.taps.data() + taps.begin * phase.per_line;
        line.taps_end = phase.taps.data() + taps.end * phase.per_line;
        line.first = (y_.base(number) * padded_line_ + x_.base(first) + padding_) * source_channels_;
        line.y = result + first * result_channels_;
        (by_channel_ ? images.multiply_by_channel : images.multiply)(line);
    }
}

template <class T>
WindowGradients<T>::WindowGradients(const Geometry& g) : g_(g), by_channel_(is_by_channel(g)) {
    const Index last = (g.x.result - 1) * g.x.stride - g.x.before + (g.x.kernel - 1) * g.x.dilation;
    padded_line_ = g.x.before + std::max(last + 1, g.x.source);
    padded_size_ = padded_line_ > g.x.source ? g.y.source * padded_line_ * g.channels : 0;
}

template <class T> void WindowGradients<T>::add(const T* image, const T* by_map, T* gradient, T* scratch) const {
    if (padded_size_) {
        const Index size = g_.x.source * g_.channels, padded_size = padded_line_ * g_.channels;
        for (Index line = 0; line < g_.y.source; ++line)
            pad_line(image + line * size, size, g_.x.before * g_.channels, padded_size, scratch + line * padded_size);
        image = scratch;
    }
    if (by_channel_)
        return add_by_channel(image, by_map, gradient);
    const Index columns = g_.filters / g_.groups, lanes = kernels<T>().images.lanes;
    const Index runs = has_whole_lines(g_) ? 1 : g_.x.kernel;
    const Panels panels = vector_panels<T>(columns);
    for (Index group = 0; group < g_.groups; ++group)
        for (Index panel = 0; panel < panels.count; ++panel)
            for (Index run = 0; run < runs; ++run) {
                const Index first = panels.start(panel) * lanes, width = panels.size(panel) * lanes;
                WindowGradient<T> g = lines_of(image, by_map, gradient, run, group, group * columns + first);
                g.columns = std::min(columns - first, width);
                g.rows = g_.channels / g_.groups * (runs == 1 ? g_.x.kernel : 1);
                add_run(g, 2 * g.rows <= kernels<T>().images.tile_rows[panels.size(panel)]);
            }
}

// All lines of the kernel, at one of its columns.
template <class T>
WindowGradient<T> WindowGradients<T>::lines_of(const T* image, const T* by_map, T* gradient, Index kernel_column,
                                               Index group, Index column) const {
    const Index terms = g_.channels / g_.groups;
    WindowGradient<T> g{};
    g.pixels = g_.x.result;
    g.x = image + kernel_column * g_.x.dilation * g_.channels + group * terms;
    g.x_step = g_.x.stride * g_.channels;
    g.x_line = g_.y.stride * padded_line_ * g_.channels, g.x_group = g_.y.dilation * padded_line_ * g_.channels;
    g.dy = by_map + column;
    g.dy_step = g_.filters, g.dy_line = g_.x.result * g_.filters;
    g.gradient = gradient + kernel_column * terms * g_.filters + column;
    g.gradient_row = g_.filters, g.gradient_group = g_.x.kernel * terms * g_.filters;
    return g;
}

// The lines of the map whose windows have a line of the kernel inside of the image.
template <class T> Range WindowGradients<T>::lines_inside(Index kernel_line) const {
    const Index shift = g_.y.before - kernel_line * g_.y.dilation;
    const Index begin = shift > 0 ? (shift + g_.y.stride - 1) / g_.y.stride : 0;
    const Index last = g_.y.source - 1 + shift;
    return {begin, std::max(begin, last < 0 ? 0 : std::min(last / g_.y.stride + 1, g_.y.result))};
}

// Lines of the kernel with few rows share tiles, as far as they share the lines of the map.
template <class T> void WindowGradients<T>::add_run(const WindowGradient<T>& all, bool together) const {
    Range shared{0, together ? g_.y.result : 0};
    for (Index k = 0; k < g_.y.kernel; ++k) {
        const Range inside = lines_inside(k);
        shared = {std::max(shared.begin, inside.begin), std::min(shared.end, inside.end)};
    }
    if (shared.end < shared.begin)
        shared = {0, 0};
    const auto add = [&](Index first, Index count, Range lines) {
        if (lines.size() <= 0)
            return;
        WindowGradient<T> part = all;
        part.groups = count, part.lines = lines.size();
        part.x += (lines.begin * g_.y.stride - g_.y.before) * padded_line_ * g_.channels + first * all.x_group;
        part.dy += lines.begin * all.dy_line;
        part.gradient += first * all.gradient_group;
        kernels<T>().images.add_gradient(part);
    };
    const bool any = shared.size() > 0;
    for (Index k = 0; k < g_.y.kernel; ++k)
        add(k, 1, {lines_inside(k).begin, any ? shared.begin : lines_inside(k).end});
    add(0, g_.y.kernel, shared);
    for (Index k = 0; any && k < g_.y.kernel; ++k)
        add(k, 1, {shared.end, lines_inside(k).end});
}

template <class T> void WindowGradients<T>::add_by_channel(const T* image, const T* by_map, T* gradient) const {
    const WindowGradient<T> all = lines_of(image, by_map, gradient, 0, 0, 0);
    for (Index k = 0; k < g_.y.kernel; ++k) {
        const Range lines = lines_inside(k);
        WindowGradient<T> taps = all;
        taps.groups = g_.x.kernel, taps.rows = 1, taps.columns = g_.channels, taps.lines = lines.size();
        taps.x += (lines.begin * g_.y.stride - g_.y.before) * padded_line_ * g_.channels + k * all.x_group;
        taps.x_group = g_.x.dilation * g_.channels;
        taps.dy += lines.begin * all.dy_line;
        taps.gradient += k * g_.x.kernel * g_.channels, taps.gradient_group = g_.channels;
        if (lines.size() > 0)
            kernels<T>().images.add_gradient_by_channel(taps);
    }
}

template class Windows<float>;
template class Windows<double>;
template class WindowGradients<float>;
template class WindowGradients<double>;

}  // namespace fastnet
