"""The functions of C that a network is made of: the formulas of the compiled core, written for any C99 compiler.

See `fastnet.interchange.c.text.filled` for what ``NAME_``, ``REAL`` and ``~`` stand for in these texts. `x` and `y` may be the
same array, but not in those for dense layers.
"""

import re
from collections.abc import Iterable

from fastnet._core import activation_names
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.c.images import IMAGE_FUNCTIONS
from fastnet.interchange.c.integers import INTEGER_FUNCTIONS

__all__ = ["LONGEST_PASS", "functions_for", "needs_math"]


def _each(name: str, comment: str, formula: str, parameter: str = "") -> str:
    """Return a function that computes a formula of each value v."""
    return f"""
/* {comment} */
static void NAME_{name}(int n, {parameter}const REAL *x, REAL *y)
{{
    for (int i = 0; i < n; ++i) {{
        const REAL v = x[i];
        y[i] = {formula};
    }}
}}
"""


# The passes of gemm.cpp in the core (block_k) and of panels.h, so that sums are rounded as the model's are.
LONGEST_PASS = 512


def _dense(scaling: str, comment: str, parameters: str, arguments: str, value: str) -> dict[str, str]:
    """Return the functions for layers of few and of many inputs that make `value` of an input x[i] first."""
    few, many = f"{scaling}dense", f"long_{scaling}dense"
    return {
        few: f"""
/* y = {comment} kernel + bias: the kernel has m rows of n weights. An input of zero, as a ReLU gives many, costs nothing. */
static void NAME_{few}(int m, int n, {parameters}const REAL *x, const REAL *kernel, const REAL *bias, REAL *y)
{{
    for (int j = 0; j < n; ++j)
        y[j] = 0;
    for (int i = 0; i < m; ++i, kernel += n) {{
        const REAL v = {value};
        if (v != 0)
            for (int j = 0; j < n; ++j)
                y[j] += v * kernel[j];
    }}
    if (bias)
        for (int j = 0; j < n; ++j)
            y[j] += bias[j];
}}
""",
        many: f"""
/* The same for many inputs: sums of at most {LONGEST_PASS} terms, which are then added, for a long sum loses digits. */
static void NAME_{many}(int m, int n, {parameters}const REAL *x, const REAL *kernel, const REAL *bias,
{" " * (len(many) + 18)}REAL *sums, REAL *y)
{{
    REAL *pass = y;
    for (int passes = (m + {LONGEST_PASS - 1}) / {LONGEST_PASS}; passes > 0; --passes, pass = sums) {{
        const int rows = (m + passes - 1) / passes;
        NAME_{few}(rows, n, {arguments}x, kernel, 0, pass);
        m -= rows;
        x += rows;
        kernel += (long)rows * n;
        if (pass != y)
            NAME_add(n, pass, y, y);
    }}
    if (bias)
        NAME_add(n, bias, y, y);
}}
""",
    }


_SCALE = """
/* y = (x - center) factor + offset, with numbers for each value; without an offset where there is none. */
static void NAME_scale(int n, const REAL *center, const REAL *factor, const REAL *offset, const REAL *x, REAL *y)
{
    for (int i = 0; i < n; ++i)
        y[i] = (x[i] - center[i]) * factor[i] + (offset ? offset[i] : 0);
}
"""

_LAYER_NORMALIZE = """
/* y = gamma (x - mean(x)) / sqrt(variance(x) + epsilon) + beta, without gamma or beta where there is none. */
static void NAME_layer_normalize(int n, REAL epsilon, const REAL *gamma, const REAL *beta, const REAL *x, REAL *y)
{
    REAL sum = 0, squares = 0;
    for (int i = 0; i < n; ++i)
        sum += x[i];
    const REAL mean = sum / (REAL)n;
    for (int i = 0; i < n; ++i)
        squares += (x[i] - mean) * (x[i] - mean);
    const REAL inverse = 1 / sqrt~(squares / (REAL)n + epsilon);
    for (int i = 0; i < n; ++i)
        y[i] = (x[i] - mean) * inverse * (gamma ? gamma[i] : 1) + (beta ? beta[i] : 0);
}
"""

_PRELU = """
/* y = x where x > 0, else slope x, with a slope for each value. */
static void NAME_prelu(int n, const REAL *slope, const REAL *x, REAL *y)
{
    for (int i = 0; i < n; ++i)
        y[i] = x[i] > 0 ? x[i] : slope[i] * x[i];
}
"""

_ADD = """
static void NAME_add(int n, const REAL *other, const REAL *x, REAL *y)
{
    for (int i = 0; i < n; ++i)
        y[i] = x[i] + other[i];
}
"""

_SIGMOID_OF = """
/* 1 / (1 + exp(-v)): the exponent is never positive, so nothing overflows. */
static REAL NAME_sigmoid_of(REAL v)
{
    const REAL e = exp~(-fabs~(v));
    return v < 0 ? e / (1 + e) : 1 / (1 + e);
}
"""

_TIMES_SHARE = """
/* v share, and 0 for v = -infinity, of which the share is 0. */
static REAL NAME_times_share(REAL v, REAL share)
{
    return share > 0 ? v * share : share;
}
"""

_MISH_SHARE = """
/* tanh(log(1 + n)) = n (n + 2) / (n (n + 2) + 2) with n = exp(v); from v = 30 on it rounds to 1. */
static REAL NAME_mish_share(REAL v)
{
    const REAL n = exp~(v < 30 ? v : 30);
    return n * (n + 2) / (n * (n + 2) + 2);
}
"""

_SOFTMAX = """
/* exp(x) / sum(exp(x)). The largest x is subtracted from all first, so nothing overflows. */
static void NAME_softmax(int n, const REAL *x, REAL *y)
{
    REAL largest = x[0], sum = 0;
    for (int i = 1; i < n; ++i)
        if (x[i] > largest)
            largest = x[i];
    for (int i = 0; i < n; ++i) {
        y[i] = exp~(x[i] - largest);
        sum += y[i];
    }
    for (int i = 0; i < n; ++i)
        y[i] /= sum;
}
"""

_LOG_SOFTMAX = """
/* x - log(sum(exp(x))). The largest x is subtracted from all first, so nothing overflows. */
static void NAME_log_softmax(int n, const REAL *x, REAL *y)
{
    REAL largest = x[0], sum = 0;
    for (int i = 1; i < n; ++i)
        if (x[i] > largest)
            largest = x[i];
    for (int i = 0; i < n; ++i)
        sum += exp~(x[i] - largest);
    const REAL log_sum = log~(sum);
    for (int i = 0; i < n; ++i)
        y[i] = x[i] - largest - log_sum;
}
"""

# What others call comes before them.
_FUNCTIONS = {
    "add": _ADD,
    **_dense("", "x", "", "", "x[i]"),
    **_dense(
        "rescaled_",
        "((x - center) factor + offset)",
        "REAL center, REAL factor, REAL offset, ",
        "center, factor, offset, ",
        "(x[i] - center) * factor + offset",
    ),
    "scale": _SCALE,
    "rescale": _each(
        "rescale",
        "y = (x - center) factor + offset",
        "(v - center) * factor + offset",
        "REAL center, REAL factor, REAL offset, ",
    ),
    "layer_normalize": _LAYER_NORMALIZE,
    "prelu": _PRELU,
    "sigmoid_of": _SIGMOID_OF,
    "times_share": _TIMES_SHARE,
    "mish_share": _MISH_SHARE,
    **{
        name: _each(name, *facts.c, "REAL alpha, " if facts.parameter else "")
        for name in activation_names()
        if (facts := ACTIVATIONS[name]).c
    },
    "softmax": _SOFTMAX,
    "log_softmax": _LOG_SOFTMAX,
    **IMAGE_FUNCTIONS,
    **INTEGER_FUNCTIONS,
}


def functions_for(names: Iterable[str]) -> str:
    """Return the definitions of these functions, and before them what they need, each one once."""
    needed: set[str] = set()
    pending = set(names)
    while pending:
        name = pending.pop()
        needed.add(name)
        pending |= (_FUNCTIONS.keys() & re.findall(r"NAME_(\w+)", _FUNCTIONS[name])) - needed
    return "".join(text for name, text in _FUNCTIONS.items() if name in needed)


def needs_math(functions: str) -> bool:
    """Whether these definitions call a function of <math.h>."""
    return re.search(r"[a-z0-9]~\(", functions) is not None
