// Treatment of subnormal numbers ("denormals"). Arithmetic with them takes a hundred cycles and more on some processors
// (Intel's; none on Zen 4). A network produces thousands of them once an activation or a moving average decays, and
// there they mean nothing. So the loops over a data set flush them to zero. Functions on arrays do not: there a user
// expects NumPy's numbers.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace fastnet {

#if defined(__x86_64__) || defined(_M_X64)

using FloatMode = unsigned int;
constexpr FloatMode flushes_subnormals = 0x8040;  // MXCSR: flush results (bit 15) and operands (bit 6) to zero
inline FloatMode float_mode() { return _mm_getcsr(); }
inline void set_float_mode(FloatMode mode) { _mm_setcsr(mode); }

#elif defined(__aarch64__)

using FloatMode = unsigned long long;
constexpr FloatMode flushes_subnormals = 1ULL << 24;  // FPCR.FZ: results and operands
inline FloatMode float_mode() {
    FloatMode mode;
    asm volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
inline void set_float_mode(FloatMode mode) { asm volatile("msr fpcr, %0" : : "r"(mode)); }

#else

using FloatMode = int;
constexpr FloatMode flushes_subnormals = 0;
inline FloatMode float_mode() { return 0; }
inline void set_float_mode(FloatMode) {}

#endif

// During its lifetime, this thread and the teams that it leads compute in this mode.
class FloatModeScope {
  public:
    explicit FloatModeScope(FloatMode mode) { set_float_mode(mode); }
    ~FloatModeScope() { set_float_mode(before_); }
    FloatModeScope(const FloatModeScope&) = delete;
    FloatModeScope& operator=(const FloatModeScope&) = delete;

  private:
    const FloatMode before_ = float_mode();
};

// The same, with subnormal numbers treated as zero.
class FlushSubnormals : FloatModeScope {
  public:
    FlushSubnormals() : FloatModeScope(float_mode() | flushes_subnormals) {}
};

}  // namespace fastnet
