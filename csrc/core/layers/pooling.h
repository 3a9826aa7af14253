// Pooling of images.
#pragma once

#include "core/products/geometry.h"
#include "image_layer.h"

namespace fastnet {

enum class Pool { largest, average };

// The largest or the mean value of every window, channel by channel. What a window has outside of the image does not
// count.
template <class T> class Pooling final : public ImageLayer<T> {
  public:
    Pooling(const Geometry& geometry, Pool pool)
        : ImageLayer<T>(geometry.image_size(), geometry.map_size()), g_(geometry), pool_(pool),
          runs_(runs_of(geometry.x)) {}

    double operations_per_row() const override {
        return static_cast<double>(this->output_size) * static_cast<double>(g_.y.kernel * g_.x.kernel);
    }

    // Whether windows lie side by side.
    bool apart() const { return g_.y.stride == g_.y.kernel && g_.x.stride == g_.x.kernel; }
    // Whether the places of the largest values fit into bytes, and each line of the result reads lines of its own.
    bool keeps_places() const {
        return pool_ == Pool::largest && apart() && g_.y.before == 0 && g_.x.before == 0 &&
               g_.y.kernel * g_.x.kernel <= 256;
    }
    const Geometry& geometry() const { return g_; }
    // The largest values of one line of the result, and their places unless null. The image begins at `x`, of which
    // the first `origin` values are not there.
    void pool_line(Index line, const T* x, Index origin, T* y, unsigned char* places) const {
        const auto pool = places ? kernels<T>().images.largest_with_places : kernels<T>().images.largest;
        for_windows(line, [&](PoolLine<T> windows, Index at, Index pixel) {
            windows.x = x + (at - origin);
            windows.y = y + pixel * g_.channels;
            windows.places = places ? places + pixel * g_.channels : nullptr;
            pool(windows);
        });
    }
    // The gradient with respect to an image, by the places of all lines.
    void by_places(const T* dy, unsigned char* places, T* dx) const {
        clear_rest(dx);
        const Index line_size = g_.x.result * g_.channels;
        for (Index line = 0; line < g_.y.result; ++line, dy += line_size, places += line_size)
            for_windows(line, [&](PoolLine<T> windows, Index at, Index pixel) {
                windows.dx = dx + at;
                windows.dy = dy + pixel * g_.channels;
                windows.places = places + pixel * g_.channels;
                kernels<T>().images.largest_backward_by_places(windows);
            });
    }

    void forward(const Pass<T>& pass, const Input<T>& x, T* y, const Epilogue<T>& epilogue) const override {
        const auto pool = pool_ == Pool::largest ? kernels<T>().images.largest : kernels<T>().images.average;
        const Index line_size = g_.x.result * g_.channels;
        this->map_lines(pass, g_.y.result, line_size, y, &epilogue, [&](Index image, Range lines, T* of_image) {
            for (Index line = lines.begin; line < lines.end; ++line)
                for_windows(line, [&](PoolLine<T> windows, Index at, Index pixel) {
                    windows.x = x.rows + image * this->input_size + at;
                    windows.y = of_image + line * line_size + pixel * g_.channels;
                    pool(windows);
                });
        });
    }
    void backward(const Pass<T>& pass, const Input<T>& x, const T* dy, T* dx,
                  const Epilogue<T>* epilogue) const override {
        const auto pool =
            pool_ == Pool::largest ? kernels<T>().images.largest_backward : kernels<T>().images.average_backward;
        this->map_images(pass, this->input_size, dx, epilogue, [&](Index image, T* of_image) {
            if (!apart())
                std::fill_n(of_image, this->input_size, T(0));
            else
                clear_rest(of_image);
            const T* const from = x.rows + pass.forward_row(image) * this->input_size;
            const T* slopes = dy + image * this->output_size;
            for (Index line = 0; line < g_.y.result; ++line, slopes += g_.x.result * g_.channels)
                for_windows(line, [&](PoolLine<T> windows, Index at, Index pixel) {
                    windows.x = from + at, windows.dx = of_image + at;
                    windows.dy = slopes + pixel * g_.channels;
                    pool(windows);
                });
        });
    }

  private:
    // Writes zeros behind the last windows, where no window reads.
    void clear_rest(T* image) const {
        const Index line = g_.x.source * g_.channels, lines = end_of(g_.y), used = end_of(g_.x) * g_.channels;
        for (Index i = 0; used < line && i < lines; ++i)
            std::fill_n(image + i * line + used, line - used, T(0));
        std::fill_n(image + lines * line, (g_.y.source - lines) * line, T(0));
    }
    static Index end_of(const Axis& axis) { return std::min(axis.base(axis.result - 1) + axis.kernel, axis.source); }
    // Windows of one line that have the same size: the first one's pixel in the result and in the image, their number,
    // and their width.
    struct Run {
        Index pixel, first, pixels, width;
    };
    static std::vector<Run> runs_of(const Axis& x) {
        std::vector<Run> runs;
        for (Index pixel = 0; pixel < x.result; ++pixel) {
            const Range inside = x.taps_inside(pixel);
            if (!runs.empty() && inside.begin == 0 && runs.back().width == inside.size() &&
                runs.back().first == x.base(runs.back().pixel))
                ++runs.back().pixels;
            else
                runs.push_back({pixel, x.base(pixel) + inside.begin, 1, inside.size()});
        }
        return runs;
    }
    // Calls visit(windows, place of the first one in the image, its pixel in the result) for the runs of a line.
    template <class Visit> void for_windows(Index line, Visit visit) const {
        const Range down = g_.y.taps_inside(line);
        PoolLine<T> windows{};
        windows.channels = g_.channels, windows.height = down.size(), windows.overlap = !apart();
        windows.x_line = g_.x.source * g_.channels, windows.x_step = g_.x.stride * g_.channels;
        const Index top = (g_.y.base(line) + down.begin) * windows.x_line;
        for (const Run& run : runs_) {
            windows.width = run.width, windows.pixels = run.pixels;
            visit(windows, top + run.first * g_.channels, run.pixel);
        }
    }

    const Geometry g_;  // with a filter for every channel
    const Pool pool_;
    const std::vector<Run> runs_;
};

}  // namespace fastnet
