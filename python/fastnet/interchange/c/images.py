"""The functions of C for layers of images.

An image lies in memory row by row, and the channels of a pixel side by side, so the innermost loops go over channels. What a
window has outside of the image is passed over rather than read from a copy with zeros around it.

See `fastnet.interchange.c.text.filled` for what ``NAME_``, ``REAL`` and ``~`` stand for in these texts. `x` and `y` must not
overlap.
"""

from fastnet.operations import steps
from fastnet.operations.quantizing import QuantizedConvolution
from fastnet.operations.steps import ImageOperation

__all__ = ["BYTES_OF_SIZES", "IMAGE_FUNCTIONS", "PIXELS", "convolution_function", "sizes_of"]

BYTES_OF_SIZES = 15 * 4  # where an int has 32 bits

_SIZES = """
typedef struct {
    int height, width, channels;
} NAME_image;

typedef struct {
    int height, width;
} NAME_pair;

/* What a layer of images reads and writes. The first window begins `before` above the image and left of it, the others
 * `strides` farther on; its values are `dilation` apart. Each of the groups of channels has filters of its own. */
typedef struct {
    NAME_image input, output;
    NAME_pair window, strides, dilation, before;
    int groups;
} NAME_sizes;
"""


def sizes_of(operation: ImageOperation) -> str:
    """Return the constant of the type NAME_sizes for an operation."""
    window = strides = dilation = (1, 1)
    before, groups = (0, 0), 1
    match operation:
        case steps.Convolution() | steps.TransposedConvolution() | QuantizedConvolution():
            window, strides, dilation = operation.kernel.shape[:2], operation.strides, operation.dilation
            before = operation.before
            groups = operation.groups if isinstance(operation, steps.Convolution) else 1
        case steps.Pooling():
            window, strides, before = operation.window, operation.strides, operation.before
        case steps.Padding():
            before = operation.before
        case steps.Upsampling():
            strides = operation.factors
    parts = [operation.image, operation.output, window, strides, dilation, before]
    return f"{{{', '.join('{' + ', '.join(map(str, part)) + '}' for part in parts)}, {groups}}}"


def convolution_function(convolution: steps.Convolution) -> str:
    """Return the name of the simplest function that does a convolution."""
    if convolution.groups == 1 and convolution.dilation[1] == 1:
        return "convolve"
    one_each = convolution.groups == convolution.image.channels == convolution.output.channels
    return "convolve_each" if one_each else "convolve_taps"


PIXELS = """
    for (int i = first; i < end; ++i)
        for (int j = 0; j < s->output.width; ++j, y += filters) {
            const int top = i * s->strides.height - s->before.height, left = j * s->strides.width - s->before.width;"""

_ROWS = """
            for (int o = 0; o < filters; ++o)
                y[o] = 0;
            for (int u = 0; u < s->window.height; ++u) {
                const int row = top + u * s->dilation.height;
                if (row < 0 || row >= s->input.height)
                    continue;"""

_BIAS = """
            for (int o = 0; bias && o < filters; ++o)
                y[o] += bias[o];"""


def _signature(name: str, parameters: str = "") -> str:
    common = "const REAL *x, const REAL *kernel, const REAL *bias, REAL *y"
    return f"\nstatic void NAME_{name}(const NAME_sizes *s, int first, int end, {parameters}{common})\n{{"


def _convolution(scaling: str, comment: str, parameters: str, arguments: str, formula: str) -> dict[str, str]:
    """Return the function for convolutions of all channels, which may compute a formula of its input first."""

    def value(k: int) -> str:
        return formula.format(f"x[i + {k}]" if k else "x[i]")

    add, convolve = f"{scaling}add_products", f"{scaling}convolve"
    return {
        add: f"""
/* y += {comment} kernel: m rows of n weights, each `step` behind the one before.
 * Four rows at a time, so that y is read and written less often. */
static void NAME_{add}(int m, int n, int step, {parameters}const REAL *x, const REAL *kernel, REAL *y)
{{
    int i = 0;
    for (; i + 3 < m; i += 4, kernel += 4 * step) {{
        const REAL a = {value(0)}, b = {value(1)}, c = {value(2)}, d = {value(3)};
        for (int j = 0; j < n; ++j)
            y[j] = y[j] + a * kernel[j] + b * kernel[j + step] + c * kernel[j + 2 * step] + d * kernel[j + 3 * step];
    }}
    for (; i < m; ++i, kernel += step) {{
        const REAL a = {value(0)};
        for (int j = 0; j < n; ++j)
            y[j] += a * kernel[j];
    }}
}}
""",
        convolve: f"""
/* Rows `first` to `end` of the convolution of {comment}. The kernel has weights by
 * row, column, channel and filter. What a row of a window has in the image lies side by side, and so do its weights. */{
            _signature(convolve, parameters)
        }
    const int width = s->input.width, channels = s->input.channels, filters = s->output.channels;{PIXELS}
            const int from = left < 0 ? -left : 0;
            const int to = left + s->window.width < width ? s->window.width : width - left;{_ROWS}
                NAME_{add}((to - from) * channels, filters, filters,
                    {arguments}x + ((long)row * width + left + from) * channels,
                    kernel + ((long)u * s->window.width + from) * channels * filters, y);
            }}{_BIAS}
        }}
}}
""",
    }


def _by_taps(name: str, comment: str, channels: str, statements: str) -> str:
    """Return a function for convolutions of windows that are looked at value by value."""
    return f"""
/* {comment} */{_signature(name)}
    const int width = s->input.width, filters = s->output.channels{channels};{PIXELS}{_ROWS}
                for (int v = 0; v < s->window.width; ++v) {{
                    const int column = left + v * s->dilation.width;
                    if (column < 0 || column >= width)
                        continue;
                    const REAL *pixel = x + ((long)row * width + column) * s->input.channels;
                    const REAL *weights = kernel + ((long)u * s->window.width + v) * {statements}
                }}
            }}{_BIAS}
        }}
}}
"""


_CONVOLVE_TAPS = _by_taps(
    "convolve_taps",
    "The same for windows with holes, and for groups of channels.",
    ", channels = s->input.channels / s->groups, each = filters / s->groups",
    """channels * filters;
                    for (int g = 0; g < s->groups; ++g)
                        NAME_add_products(channels, each, filters, pixel + g * channels, weights + g * each, y + g * each);""",
)

_CONVOLVE_EACH = _by_taps(
    "convolve_each",
    "The same with one filter for each channel.",
    "",
    """filters;
                    for (int o = 0; o < filters; ++o)
                        y[o] += pixel[o] * weights[o];""",
)

_CONVOLVE_TRANSPOSED = """
/* Every pixel times the kernel is added to a window of the output. The kernel has weights by row, column, channel and filter. */
static void NAME_convolve_transposed(const NAME_sizes *s, const REAL *x, const REAL *kernel, const REAL *bias, REAL *y)
{
    const int channels = s->input.channels, filters = s->output.channels;
    for (int i = 0; i < s->output.height * s->output.width; ++i)
        for (int o = 0; o < filters; ++o)
            y[i * filters + o] = bias ? bias[o] : 0;
    for (int i = 0; i < s->input.height; ++i)
        for (int j = 0; j < s->input.width; ++j, x += channels)
            for (int u = 0; u < s->window.height; ++u) {
                const int row = i * s->strides.height + u * s->dilation.height - s->before.height;
                if (row < 0 || row >= s->output.height)
                    continue;
                for (int v = 0; v < s->window.width; ++v) {
                    const int column = j * s->strides.width + v * s->dilation.width - s->before.width;
                    if (column >= 0 && column < s->output.width)
                        NAME_add_products(channels, filters, filters, x,
                            kernel + ((long)u * s->window.width + v) * channels * filters,
                            y + ((long)row * s->output.width + column) * filters);
                }
            }
}
"""


def _pooling(name: str, comment: str, start: str, step: str, end: str) -> str:
    """Return a function that makes one number of what windows have in the image, channel by channel."""
    return f"""
/* {comment} */
static void NAME_{name}(const NAME_sizes *s, const REAL *x, REAL *y)
{{
    const int height = s->input.height, width = s->input.width, channels = s->input.channels;
    for (int i = 0; i < s->output.height; ++i)
        for (int j = 0; j < s->output.width; ++j, y += channels) {{
            const int top = i * s->strides.height - s->before.height, left = j * s->strides.width - s->before.width;
            const int above = top < 0 ? 0 : top, below = top + s->window.height < height ? top + s->window.height : height;
            const int from = left < 0 ? 0 : left, to = left + s->window.width < width ? left + s->window.width : width;
            for (int c = 0; c < channels; ++c)
                y[c] = {start};
            for (int row = above; row < below; ++row)
                for (int column = from; column < to; ++column) {{
                    const REAL *pixel = x + ((long)row * width + column) * channels;
                    for (int c = 0; c < channels; ++c)
                        {step}
                }}{end}
        }}
}}
"""


_MAX_POOL = _pooling(
    "max_pool",
    "The largest value of each window, and not a number where one is none.",
    "x[((long)above * width + from) * channels + c]",
    "y[c] = pixel[c] > y[c] || pixel[c] != pixel[c] ? pixel[c] : y[c];",
    "",
)

_AVERAGE_POOL = _pooling(
    "average_pool",
    "The mean of what each window has in the image.",
    "0",
    "y[c] += pixel[c];",
    """
            for (int c = 0; c < channels; ++c)
                y[c] /= (REAL)((below - above) * (to - from));""",
)

_PAD = """
/* Zeros around the image, or a part of it: `before` rows and columns more, or fewer where it is negative. */
static void NAME_pad(const NAME_sizes *s, const REAL *x, REAL *y)
{
    const int width = s->input.width, channels = s->input.channels;
    for (int i = 0; i < s->output.height; ++i)
        for (int j = 0; j < s->output.width; ++j, y += channels) {
            const int row = i - s->before.height, column = j - s->before.width;
            const int inside = row >= 0 && row < s->input.height && column >= 0 && column < width;
            for (int c = 0; c < channels; ++c)
                y[c] = inside ? x[((long)row * width + column) * channels + c] : 0;
        }
}
"""

_REPEAT = """
/* Every pixel becomes `strides` of them. */
static void NAME_repeat(const NAME_sizes *s, const REAL *x, REAL *y)
{
    const int channels = s->input.channels;
    for (int i = 0; i < s->output.height; ++i)
        for (int j = 0; j < s->output.width; ++j, y += channels) {
            const REAL *pixel = x + ((long)(i / s->strides.height) * s->input.width + j / s->strides.width) * channels;
            for (int c = 0; c < channels; ++c)
                y[c] = pixel[c];
        }
}
"""

_INTERPOLATE = """
/* The two rows or columns between whose centers the center of number i of an image `factor` times as large lies. Returned is
 * the share of the second one. At the edges both are the same. */
static REAL NAME_neighbors(int i, int factor, int size, int *one, int *other)
{
    const int halves = 2 * i + 1 + factor; /* the position, and one more so that it is positive, in 1 / (2 factor) */
    const int place = halves / (2 * factor) - 1;
    *one = place < 0 ? 0 : place;
    *other = place + 1 < size ? place + 1 : size - 1;
    return (REAL)(halves % (2 * factor)) / (REAL)(2 * factor);
}

/* An image `strides` times as large, interpolated between the centers of the pixels. */
static void NAME_interpolate(const NAME_sizes *s, const REAL *x, REAL *y)
{
    const int width = s->input.width, channels = s->input.channels;
    for (int i = 0; i < s->output.height; ++i)
        for (int j = 0; j < s->output.width; ++j, y += channels) {
            int above, below, left, right;
            const REAL down = NAME_neighbors(i, s->strides.height, s->input.height, &above, &below);
            const REAL along = NAME_neighbors(j, s->strides.width, width, &left, &right);
            const REAL *upper = x + (long)above * width * channels, *lower = x + (long)below * width * channels;
            for (int c = 0; c < channels; ++c) {
                const REAL a = upper[left * channels + c] * (1 - along) + upper[right * channels + c] * along;
                const REAL b = lower[left * channels + c] * (1 - along) + lower[right * channels + c] * along;
                y[c] = a * (1 - down) + b * down;
            }
        }
}
"""

_PERMUTE = """
/* The axes in another order: those of the output have sizes l, m and n, and steps a, b and c in the input. */
static void NAME_permute(int l, int m, int n, int a, int b, int c, const REAL *x, REAL *y)
{
    for (int i = 0; i < l; ++i)
        for (int j = 0; j < m; ++j)
            for (int k = 0; k < n; ++k)
                *y++ = x[(long)i * a + (long)j * b + (long)k * c];
}
"""

# What others call comes before them.
IMAGE_FUNCTIONS = {
    "sizes": _SIZES,
    **_convolution("", "x", "", "", "{}"),
    **_convolution(
        "rescaled_",
        "((x - center) factor + offset)",
        "REAL center, REAL factor, REAL offset, ",
        "center, factor, offset, ",
        "({} - center) * factor + offset",
    ),
    "convolve_taps": _CONVOLVE_TAPS,
    "convolve_each": _CONVOLVE_EACH,
    "convolve_transposed": _CONVOLVE_TRANSPOSED,
    "max_pool": _MAX_POOL,
    "average_pool": _AVERAGE_POOL,
    "pad": _PAD,
    "repeat": _REPEAT,
    "interpolate": _INTERPOLATE,
    "permute": _PERMUTE,
}
