"""Arrays that a program did not mean to pass, and what may come of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from cases import LAYOUTS

REFUSALS = (TypeError, ValueError, MemoryError)
# More bytes than any address space has, so that allocating fails at once and nothing is ever filled.
ENDLESS = 2**58


def returns_or_refuses(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Return what the call returns, or None for one of the accepted exceptions; any other one is a failure."""
    try:
        return function(*arguments, **keywords)
    except REFUSALS:
        return None


def writable(value: Any) -> Any:
    """Return a copy of an array, so that a function that writes into it leaves the next test alone."""
    return value.copy() if isinstance(value, np.ndarray) else value


def odd_arrays() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    plain = rng.normal(size=(4, 6))
    return {
        "plain": plain,
        "float32": plain.astype(np.float32),
        "scalar": 3.0,
        "0-D": np.float32(2.0).reshape(()),
        "1-D": plain[0],
        "3-D": rng.normal(size=(2, 3, 4)),
        "32-D": np.ones((1,) * 32),
        "no rows": np.empty((0, 6)),
        "no columns": np.empty((4, 0)),
        "nothing": np.empty((0, 0), np.float32),
        "empty 1-D": np.empty(0),
        "empty 3-D": np.empty((0, 3, 0)),
        "one row": plain[:1],
        "one column": plain[:, :1],
        "Fortran": np.asfortranarray(plain),
        "reversed": plain[::-1, ::-1],
        "far apart": as_strided(np.zeros(1), (1, 1), (2**60, -(2**60))),
        "no rows, far apart": as_strided(np.zeros(1), (0, 6), (2**62, 2**62)),
        "zero strides": np.broadcast_to(1.5, (4, 6)),
        "overlapping": as_strided(np.arange(9.0), (4, 6), (8, 8)),
        "endless": np.broadcast_to(np.float64(1.0), (ENDLESS, 1)),
        "endless columns": np.broadcast_to(np.float32(1.0), (1, ENDLESS)),
        "other byte order": plain.astype(plain.dtype.newbyteorder()),
        "unaligned": LAYOUTS["unaligned"](plain),
        "float16": plain.astype(np.float16),
        "long double": plain.astype(np.longdouble),
        "complex": plain + 1j,
        "bool": plain > 0,
        "uint8": np.arange(24, dtype=np.uint8).reshape(4, 6),
        "int64": np.arange(24).reshape(4, 6),
        "uint64": np.full((4, 6), 2**64 - 1, np.uint64),
        "objects": np.array([[None, "a"], [1.5, []]], object),
        "numbers as objects": plain.astype(object),
        "text": np.array([["a", "b"]]),
        "bytes": np.array([[b"a"]]),
        "dates": np.array(["2026-01-01"], "M8[D]"),
        "records": np.zeros(3, [("a", "f4"), ("b", "i8")]),
        "masked": np.ma.masked_array(plain, plain > 0),
        "not finite": np.array([[np.nan, np.inf], [-np.inf, 1.0]]),
        "huge": np.full((3, 3), np.finfo(np.float64).max),
        "ragged list": [[1.0], [1.0, 2.0]],
        "empty list": [],
        "None": None,
        "string": "abc",
        "dictionary": {"a": 1},
    }


ODD = odd_arrays()
ENDLESS_NAMES = {"endless", "endless columns"}  # not to be read from one end to the other
odd = st.sampled_from(sorted(ODD))
