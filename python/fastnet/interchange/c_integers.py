"""The function of C for products in 8-bit integers, those of `fastnet.operations.quantizing`.

All sums are exact, and everything that is rounded is rounded as in the core, so the integers are the same. See
`fastnet.interchange.c_text.filled` for what ``NAME_`` stands for.
"""

__all__ = ["INTEGER_FUNCTIONS", "needs_integers"]

_ROUNDED = """
/* The integer next to v that is from low to high, and of two that are equally near the even one: a float that is larger than
 * 2^23 has no digits behind the point. */
static int NAME_rounded(float v, float low, float high)
{
    const float inside = v > low ? (v < high ? v : high) : low;
    const float large = inside + 12582912.0f;
    const float whole = large - 12582912.0f;
    return (int)whole;
}
"""

_INTEGER_DENSE = """
/* y = x kernel + bias in integers: x becomes multiples of `step`, from -zero_point to 255 - zero_point, and a weight of unit j
 * is a multiple of scale[j]. The kernel has m rows of n weights. An input of zero, as a ReLU gives many, costs nothing. Where
 * a value of x is not finite, no output is a number. */
static void NAME_integer_dense(int m, int n, float step, int zero_point, const float *x, const int8_t *kernel,
                               const float *scale, const float *bias, int32_t *sums, float *y)
{
    const float inverse = 1 / step, low = (float)-zero_point, high = (float)(255 - zero_point);
    float strange = 0;
    for (int j = 0; j < n; ++j)
        sums[j] = 0;
    for (int i = 0; i < m; ++i, kernel += n) {
        const int q = NAME_rounded(x[i] * inverse, low, high);
        strange += x[i] - x[i];
        if (q != 0)
            for (int j = 0; j < n; ++j)
                sums[j] += q * kernel[j];
    }
    for (int j = 0; j < n; ++j) {
        const float product = (float)sums[j] * (step * scale[j]);
        y[j] = product + strange;
    }
    for (int j = 0; bias && j < n; ++j)
        y[j] += bias[j];
}
"""

# What others call comes before them.
INTEGER_FUNCTIONS = {"rounded": _ROUNDED, "integer_dense": _INTEGER_DENSE}


def needs_integers(functions: str) -> bool:
    """Return whether these definitions have types of <stdint.h>."""
    return "int32_t" in functions
