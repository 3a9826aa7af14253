// How the processor treats subnormal numbers ("denormals"). Arithmetic with them takes a hundred cycles and more on
// some processors (Intel's; none on Zen 4), and a network produces them by the thousand once an activation or a moving
// average dies away, where they mean nothing. So the loops over a data set flush them to zero. Functions on arrays do
// not: there a user expects NumPy's numbers.
#pragma once

#if defined(__x86_64__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace fastnet {

#if defined(__x86_64__) || defined(_M_X64)

using FloatMode = unsigned int;
constexpr FloatMode flushes_subnormals = 0x8040;  // MXCSR: results to zero (bit 15), operands too (bit 6)
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

// For as long as it lives, this thread and the teams that it leads compute in this mode.
class FloatModeScope {
  public:
    explicit FloatModeScope(FloatMode mode) { set_float_mode(mode); }
    ~FloatModeScope() { set_float_mode(before_); }
    FloatModeScope(const FloatModeScope&) = delete;
    FloatModeScope& operator=(const FloatModeScope&) = delete;

  private:
    const FloatMode before_ = float_mode();
};

// The same, with subnormal numbers taken for zero.
class FlushSubnormals : FloatModeScope {
  public:
    FlushSubnormals() : FloatModeScope(float_mode() | flushes_subnormals) {}
};

}  // namespace fastnet
