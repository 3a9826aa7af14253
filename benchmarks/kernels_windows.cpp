// The speed of convolutions on one thread, as one JSON object per line and pass:
//   {"name": "convolution", "layer": "5x5, 1 to 6, 28x28", "pass": "forward", "gflops": ...}
// Operations are those of windows inside of the image, with the bias but without activation.
#include <algorithm>
#include <array>
#include <cstdio>
#include <vector>

#include "core/layers/convolution.h"
#include "kernels_timing.h"

namespace fastnet {
namespace {

struct Shape {
    Index kernel, channels, filters, size;
    bool same = false;  // padding that keeps the size
};

Geometry geometry_of(const Shape& s) {
    const Index result = s.same ? s.size : s.size - s.kernel + 1;
    const Axis axis{s.size, result, s.kernel, 1, 1, s.same ? (s.kernel - 1) / 2 : 0};
    return {axis, axis, s.channels, s.filters, 1};
}

double operations_inside(const Geometry& g) {
    double taps = 0;
    for (Index y = 0; y < g.y.result; ++y)
        for (Index x = 0; x < g.x.result; ++x)
            taps += static_cast<double>(g.y.taps_inside(y).size() * g.x.taps_inside(x).size());
    return 2 * taps * static_cast<double>(g.channels * g.filters);
}

template <class F> double median_rate(double operations, F work) {
    const long repeats = repeats_for(0.02, work);
    std::array<double, 9> rates;
    for (double& rate : rates)
        rate = operations * static_cast<double>(repeats) / seconds_of(repeats, work);
    std::nth_element(rates.begin(), rates.begin() + 4, rates.end());
    return rates[4] / 1e9;
}

void measure(const Shape& s) {
    constexpr Index images = 8;
    const Geometry geometry = geometry_of(s);
    const Convolution<float> layer(geometry, false, true);
    GemmWorkspace<float> workspace;
    workspace.reserve(1);
    workspace.reserve_scratch(1, layer.scratch_size() + layer.kept_size());
    Team team = Team::solo();
    // A vector may be read behind an array.
    std::vector<float> x = operand(images * layer.input_size + 64), y = operand(images * layer.output_size + 64);
    const std::vector<float> parameters = operand(layer.parameter_count() + 64);
    std::vector<float> gradients = operand(layer.parameter_count() + 64);
    Pass<float> pass{{team, workspace}, images, 0, 1};
    pass.parameters = parameters.data(), pass.kept_offset = layer.scratch_size();
    Epilogue<float> none;
    none.function = kernels<float>().activations[0].forward;
    const Input<float> image{x.data()};
    const double operations = images * operations_inside(geometry);
    const auto print = [&](const char* name, double gflops) {
        std::printf("{\"name\": \"convolution\", \"layer\": \"%tdx%td, %td to %td, %tdx%td%s\", \"pass\": \"%s\", "
                    "\"gflops\": %.2f}\n",
                    s.kernel, s.kernel, s.channels, s.filters, s.size, s.size, s.same ? ", same" : "", name, gflops);
    };
    print("forward", median_rate(operations, [&] { layer.forward(pass, image, y.data(), none); }));
    print("input gradient", median_rate(operations, [&] { layer.backward(pass, image, y.data(), x.data(), nullptr); }));
    print("weight gradient", median_rate(operations, [&] {
              layer.parameter_gradients(pass, {0, layer.input_size}, image, y.data(), gradients.data(), false, nullptr);
          }));
}

}  // namespace

void measure_convolutions() {
    for (const Shape& s : {Shape{5, 1, 6, 28},
                           {5, 6, 16, 12},
                           {3, 1, 32, 28},
                           {3, 32, 64, 13},
                           {3, 3, 32, 32, true},
                           {3, 32, 32, 32, true},
                           {3, 64, 64, 16, true}})
        measure(s);
}

}  // namespace fastnet
