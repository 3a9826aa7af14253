// The peak of the machine and the speed of matrix multiplication (GEMM), as one JSON object per line:
//   {"name": "fma_peak", "threads": 1, "gflops": ...}
//   {"name": "gemm", "case": "NN", "m": ..., "n": ..., "k": ..., "threads": 1, "dtype": "float32", "gflops": ...}
// and those of kernels_windows.cpp and, where LIBXSMM is installed, of kernels_xsmm.cpp. With `--peak THREADS` only the
// first of these, with `--team THREADS` those of kernels_teams.cpp.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "core/machine/cpu.h"
#include "core/products/gemm.h"
#include "kernels_timing.h"

namespace fastnet {

void measure_convolutions();   // kernels_windows.cpp
void compare_with_xsmm();      // kernels_xsmm.cpp
void print_team(int threads);  // kernels_teams.cpp

namespace {

template <class F> double median_rate(double operations, F work) { return operations / median_seconds(work) / 1e9; }

constexpr long steps = 100000;
constexpr int chains = 12;  // independent multiply-adds: two units of latency 4 need 8, and AVX2 has 16 registers

// `chains` multiply-adds per step. The function is compiled for an instruction set of its own.
#define FASTNET_FMA_PROBE(name, bytes, attribute)                                                                      \
    attribute float name() {                                                                                           \
        typedef float Vector __attribute__((vector_size(bytes)));                                                      \
        Vector sums[chains], x = Vector{} + 0.999f, y = Vector{} + 0.001f;                                             \
        for (int j = 0; j < chains; ++j) /* equal chains would be merged, and one that starts at 1 stays there */      \
            sums[j] = Vector{} + static_cast<float>(j + 2);                                                            \
        for (long i = 0; i < steps; ++i)                                                                               \
            for (int j = 0; j < chains; ++j)                                                                           \
                sums[j] = sums[j] * x + y;                                                                             \
        for (int j = 1; j < chains; ++j)                                                                               \
            sums[0] += sums[j];                                                                                        \
        return sums[0][0];                                                                                             \
    }

FASTNET_FMA_PROBE(fma_baseline, 16, )
#if defined(__x86_64__)
FASTNET_FMA_PROBE(fma_avx2, 32, __attribute__((target("avx2,fma"))))
FASTNET_FMA_PROBE(fma_avx512, 64, __attribute__((target("avx512f,fma"))))
#endif

volatile float sink;

double fma_peak(int threads) {
    const char* isa = instruction_set().name;
    float (*probe)() = fma_baseline;
    int lanes = 4;
#if defined(__x86_64__)
    if (!std::strcmp(isa, "avx2"))
        probe = fma_avx2, lanes = 8;
    if (!std::strncmp(isa, "avx512", 6))
        probe = fma_avx512, lanes = 16;
#else
    static_cast<void>(isa);
#endif
    const double operations = 2.0 * static_cast<double>(steps) * chains * lanes * threads;
    return median_rate(operations, [&] { run_team(threads, [&](Team&) { sink = probe(); }); });
}

struct Shape {
    Index m, n, k;
    bool transpose_a = false, transpose_b = false;
    Precision precision = Precision::full;
};

double gemm_rate(const Shape& s) {
    const std::vector<float> a = operand(s.m * s.k), b = operand(s.k * s.n);
    std::vector<float> c(static_cast<std::size_t>(s.m * s.n));
    Gemm<float> product{s.m,
                        s.n,
                        s.k,
                        a.data(),
                        s.transpose_a ? 1 : s.k,
                        s.transpose_a ? s.m : 1,
                        b.data(),
                        s.transpose_b ? 1 : s.n,
                        s.transpose_b ? s.k : 1,
                        c.data(),
                        s.n};
    product.precision = s.precision;
    return median_rate(product.operations(), [&] { gemm(product); });
}

void print_peak(int threads) {
    std::printf("{\"name\": \"fma_peak\", \"isa\": \"%s\", \"threads\": %d, \"gflops\": %.2f}\n",
                instruction_set().name, threads, fma_peak(threads));
}

void run() {
    std::vector<Shape> shapes;
    for (Index n : {16, 32, 64, 128, 256, 512, 1024, 2048})
        shapes.push_back({n, n, n, false, false});
    for (Shape s : {Shape{1024, 1024, 1024, false, true},
                    {1024, 1024, 1024, true, false},
                    {1024, 1024, 1024, true, true},
                    {32, 64, 784, false, false},
                    {128, 64, 784, false, false},
                    {784, 64, 128, true, false},
                    {256, 2048, 2048, false, false},
                    {256, 2048, 2048, false, true},
                    {2048, 2048, 256, true, false},
                    {41000, 10, 784, false, false},
                    {784, 10, 41000, true, false}})
        shapes.push_back(s);
    for (Shape s : {Shape{128, 64, 784}, {1024, 1024, 1024}, {256, 2048, 2048}}) {
        s.precision = Precision::bfloat16;
        shapes.push_back(s);
    }
    for (int threads : {1, 2}) {
        set_num_threads(threads);
        print_peak(threads);
        for (const Shape& s : shapes)
            std::printf("{\"name\": \"gemm\", \"case\": \"%c%c\", \"m\": %td, \"n\": %td, \"k\": %td, \"threads\": %d, "
                        "\"dtype\": \"%s\", \"gflops\": %.2f}\n",
                        s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N', s.m, s.n, s.k, threads,
                        s.precision == Precision::full ? "float32" : "bfloat16", gemm_rate(s));
        std::fflush(stdout);
    }
}

}  // namespace
}  // namespace fastnet

int main(int count, char** arguments) {
    if (count == 3 && !std::strcmp(arguments[1], "--peak"))
        fastnet::print_peak(std::max(1, std::atoi(arguments[2])));
    else if (count == 3 && !std::strcmp(arguments[1], "--team"))
        fastnet::print_team(std::max(1, std::atoi(arguments[2])));
    else {
        fastnet::run();
        fastnet::measure_convolutions();
#ifdef FASTNET_XSMM
        fastnet::compare_with_xsmm();
#endif
    }
}
