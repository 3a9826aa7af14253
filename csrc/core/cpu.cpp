#include "cpu.h"

#include <cstdlib>
#include <stdexcept>

namespace fastnet {
namespace {

bool always() { return true; }

#if defined(__x86_64__) || defined(_M_X64)
// __builtin_cpu_supports also asks whether the operating system saves the registers.
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
#endif

const InstructionSet sets[] = {
    {"baseline", always, &baseline::kernels32, &baseline::kernels64},
#if defined(__x86_64__) || defined(_M_X64)
    {"avx2", has_avx2, &avx2::kernels32, &avx2::kernels64},
    {"avx512", has_avx512, &avx512::kernels32, &avx512::kernels64},
#if defined(FASTNET_AVX512_BF16)
    {"avx512_bf16", has_avx512_bf16, &avx512_bf16::kernels32, &avx512_bf16::kernels64},
#endif
#elif defined(__aarch64__)
    {"neon", always, &neon::kernels32, &neon::kernels64},
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

template <> const Kernels<float>& kernels<float>() {
    static const Kernels<float>& table = *instruction_set().float32;
    return table;
}
template <> const Kernels<double>& kernels<double>() {
    static const Kernels<double>& table = *instruction_set().float64;
    return table;
}

}  // namespace fastnet
