#include "cpu.h"

#include <cstdlib>
#include <stdexcept>

#include "amx.h"

namespace fastnet {
namespace {

bool always() { return true; }

#if defined(__x86_64__) || defined(_M_X64)
// __builtin_cpu_supports also checks whether the operating system saves the registers.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#if defined(FASTNET_AVX512_BF16)
// Every processor with AVX-512's bfloat16 has VNNI, which this set uses as well.
bool has_avx512_bf16() {
    return has_avx512() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
}
#endif
#if defined(FASTNET_AMX)
bool has_tiles() { return has_avx512_bf16() && has_amx(); }
#endif
#endif

// Intel's processors execute vdpbf16ps at half the multiply-add rate of float32's fused multiply-add: rounding and
// multiplying in float32 took 80 ms where it took 101. On AMD's, from Zen 4 on, it has twice the rate of float32.
bool pairs_are_fast() {
#if defined(__x86_64__) || defined(_M_X64)
    return !__builtin_cpu_is("intel");
#else
    return true;
#endif
}

const GemmKernels<float>& without_tiles(const LowPrecisionKernels& table) {
    return table.bfloat16_pairs && pairs_are_fast() ? *table.bfloat16_pairs : *table.bfloat16;
}

const InstructionSet sets[] = {
    {"baseline", always, &baseline::kernels32, &baseline::kernels64, &baseline::low_precision},
#if defined(__x86_64__) || defined(_M_X64)
    {"avx2", has_avx2, &avx2::kernels32, &avx2::kernels64, &avx2::low_precision},
    {"avx512", has_avx512, &avx512::kernels32, &avx512::kernels64, &avx512::low_precision},
#if defined(FASTNET_AVX512_BF16)
    {"avx512_bf16", has_avx512_bf16, &avx512::kernels32, &avx512::kernels64, &avx512_bf16::low_precision},
#endif
#if defined(FASTNET_AMX)
    {"amx", has_tiles, &avx512::kernels32, &avx512::kernels64, &avx512_bf16::low_precision, &amx::low_precision},
#endif
#elif defined(__aarch64__)
    {"neon", always, &neon::kernels32, &neon::kernels64, &neon::low_precision},
#endif
};

const InstructionSet& choose() {
    const auto available = available_instruction_sets();
    const char* wanted = std::getenv("FASTNET_ISA");
    if (!wanted || !*wanted)
        return *available.back();
    std::string names;
    for (const InstructionSet* set : available) {
        if (std::string(wanted) == set->name)
            return *set;
        names += (names.empty() ? "" : ", ") + std::string(set->name);
    }
    throw std::invalid_argument("the environment variable FASTNET_ISA is '" + std::string(wanted) +
                                "'; this machine can run: " + names);
}

}  // namespace

std::vector<const InstructionSet*> available_instruction_sets() {
    std::vector<const InstructionSet*> result;
    for (const InstructionSet& set : sets)
        if (set.supported())
            result.push_back(&set);
    return result;
}

const InstructionSet& instruction_set() {
    static const InstructionSet& chosen = choose();
    return chosen;
}

const GemmKernels<float>& kernels_of_bfloat16() {
    const InstructionSet& set = instruction_set();
    return set.tiles && request_amx() ? *set.tiles->bfloat16 : without_tiles(*set.low_precision);
}

const Int8Kernels& kernels_of_int8() {
    const InstructionSet& set = instruction_set();
    return set.tiles && request_amx() ? *set.tiles->int8 : *set.low_precision->int8;
}

bool multiplies_bfloat16() {
    const InstructionSet& set = instruction_set();
    return (set.tiles && !amx_is_refused()) || without_tiles(*set.low_precision).terms > 1;
}

const char* use_of_amx() {
    if (!has_amx())
        return "absent";
    return !instruction_set().tiles ? "unused" : amx_is_refused() ? "refused" : "used";
}

template <> const Kernels<float>& kernels<float>() {
    static const Kernels<float>& table = *instruction_set().float32;
    return table;
}
template <> const Kernels<double>& kernels<double>() {
    static const Kernels<double>& table = *instruction_set().float64;
    return table;
}

}  // namespace fastnet
