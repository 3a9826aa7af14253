"""The functions of C for products in 8-bit integers, those of `fastnet.operations.quantizing`.

All sums are exact, and everything that is rounded is rounded as in the core, so the integers are the same. See
`fastnet.interchange.c.text.filled` for what ``NAME_`` stands for.
"""

from fastnet.interchange.c.images import PIXELS

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

_ROUND_ALL = """
/* The integers of all values, and zero_point more, so that they are from 0 to 255. Returned is 0, or not a number where a value
 * is not finite. */
static float NAME_round_all(int n, float step, int zero_point, const float *x, uint8_t *integers)
{
    const float inverse = 1 / step, low = (float)-zero_point, high = (float)(255 - zero_point);
    float strange = 0;
    for (int i = 0; i < n; ++i) {
        integers[i] = (uint8_t)(NAME_rounded(x[i] * inverse, low, high) + zero_point);
        strange += x[i] - x[i];
    }
    return strange;
}
"""

_ADD_INTEGERS = """
/* sums += x kernel: the kernel has m rows of n weights. A zero costs nothing. */
static void NAME_add_integers(int m, int n, int zero_point, const uint8_t *x, const int8_t *kernel, int32_t *sums)
{
    for (int i = 0; i < m; ++i, kernel += n) {
        const int q = x[i] - zero_point;
        if (q != 0)
            for (int j = 0; j < n; ++j)
                sums[j] += q * kernel[j];
    }
}
"""

_INTEGER_CONVOLVE = f"""
/* Rows `first` to `end` of the convolution of an image that has become integers: `step` and `zero_point` are theirs, and a
 * weight of filter o is a multiple of scale[o]. `strange` is 0, or not a number where the image is not finite. */
static void NAME_integer_convolve(const NAME_sizes *s, int first, int end, float step, int zero_point, float strange,
                                  const uint8_t *x, const int8_t *kernel, const float *scale, const float *bias,
                                  int32_t *sums, float *y)
{{
    const int width = s->input.width, channels = s->input.channels, filters = s->output.channels;{PIXELS}
            const int apart = s->dilation.width, pieces = apart == 1 ? 1 : s->window.width;
            for (int o = 0; o < filters; ++o)
                sums[o] = 0;
            for (int u = 0; u < s->window.height; ++u) {{
                const int row = top + u * s->dilation.height;
                if (row < 0 || row >= s->input.height)
                    continue;
                for (int v = 0; v < pieces; ++v) {{ /* a row of the window, or one of its values at a time */
                    const int start = left + v * apart, size = s->window.width / pieces;
                    const int from = start < 0 ? -start : 0, to = start + size < width ? size : width - start;
                    if (from < to)
                        NAME_add_integers((to - from) * channels, filters, zero_point,
                            x + ((long)row * width + start + from) * channels,
                            kernel + ((long)u * s->window.width + v + from) * channels * filters, sums);
                }}
            }}
            for (int o = 0; o < filters; ++o) {{
                const float product = (float)sums[o] * (step * scale[o]);
                y[o] = product + strange;
            }}
            for (int o = 0; bias && o < filters; ++o)
                y[o] += bias[o];
        }}
}}
"""

# What others call comes before them.
INTEGER_FUNCTIONS = {
    "rounded": _ROUNDED,
    "integer_dense": _INTEGER_DENSE,
    "round_all": _ROUND_ALL,
    "add_integers": _ADD_INTEGERS,
    "integer_convolve": _INTEGER_CONVOLVE,
}


def needs_integers(functions: str) -> bool:
    """Return whether these definitions have types of <stdint.h>."""
    return "int32_t" in functions
