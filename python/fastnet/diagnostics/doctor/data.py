"""Checks of the samples."""

import math
from typing import Any

import numpy as np

from fastnet.diagnostics.doctor.case import Array, Case, spread
from fastnet.diagnostics.doctor.report import check
from fastnet.inputs.repacking import lies_badly
from fastnet.inputs.sparse import is_sparse

_HASHED_VALUES = 50_000_000
_FEW_FEATURES = 50
_LARGE_BYTES = 1 << 20  # copied in about a millisecond


@check("FN101", "error", "NaN or infinity in x", "Remove these rows, or fill the gaps with the column's mean")
def not_finite(case: Case) -> str | None:
    x = case.all_x.data if is_sparse(case.all_x) else case.all_x
    if x.dtype.kind != "f" or np.isfinite(x.sum(dtype=np.float64)):
        return None
    if is_sparse(case.all_x):
        return f"x has {int((~np.isfinite(x)).sum())} values that are NaN or infinite"
    bad = ~np.isfinite(x.reshape(len(x), -1)).all(axis=1)
    if not bad.any():
        return None
    return f"x has NaN or infinity in {int(bad.sum())} of {len(x)} rows, first in row {int(bad.argmax())}"


@check(
    "FN103",
    "warning",
    "x is not scaled",
    "Standardize it: put fastnet.layers.Normalization first and adapt it to x",
    unless=("FN101", "FN102"),
)
def not_scaled(case: Case) -> str | None:
    x, _ = case.scaled_x
    largest, typical = float(np.abs(x).max()), float(np.abs(x).mean())
    if typical <= 10 and largest <= 1000:
        return None
    return f"the first layer gets values up to {largest:.4g}, {typical:.3g} on average, where about 1 is expected"


@check(
    "FN102",
    "warning",
    "x holds pixels from 0 to 255",
    "Put Rescaling(1 / 255) first, or divide x by 255",
    unless=("FN101",),
)
def pixels(case: Case) -> str | None:
    x, scaled = case.scaled_x
    whole = not scaled and x.min() >= 0 and 128 <= x.max() <= 255 and bool((x == np.floor(x)).all())
    if not whole or case.x.shape[1] <= _FEW_FEATURES:
        return None
    return f"the first layer gets whole numbers from {x.min():g} to {x.max():g}, like pixels"


@check(
    "FN104",
    "warning",
    "Constant columns",
    "Leave them out",
    unless=("FN101",),
)
def constant_columns(case: Case) -> str | None:
    x = case.x
    if len(x) < 10:
        return None
    suspects = np.flatnonzero((x == x[0]).all(axis=0))
    # Images have a background: pixels that are darkest, or zero, in all of them.
    if x.shape[1] > _FEW_FEATURES:
        suspects = suspects[(x[0, suspects] != 0) & (x[0, suspects] != x.min())]
    constant = [column for column in suspects if _is_constant(case.all_x, int(column))]
    if not constant:
        return None
    shown = ", ".join(map(str, constant[:5])) + (", ..." if len(constant) > 5 else "")
    return f"{len(constant)} of {x.shape[1]} columns of x have one value in all rows: {shown}"


def _is_constant(x: Any, column: int) -> bool:
    """Return whether a column has one value in all rows, not only in the sample."""
    values = x[:, [column]].toarray() if is_sparse(x) else x.reshape(len(x), -1)[:, column]
    return bool((values == values[0]).all())


@check(
    "FN105",
    "warning",
    "Columns of very different scales",
    "Standardize them: put fastnet.layers.Normalization first and adapt it to x",
    unless=("FN101", "FN102", "FN103"),
)
def uneven_columns(case: Case) -> str | None:
    x, _ = case.scaled_x
    ranges = np.ptp(x, axis=0)
    ranges = ranges[ranges > 0]
    if len(ranges) < 2 or ranges.max() < 1000 * ranges.min():
        return None
    return f"the ranges of the columns of x lie between {ranges.min():.3g} and {ranges.max():.3g}"


@check("FN106", "warning", "Duplicate rows", "Remove the copies, or use sample_weight", unless=("FN101",))
def duplicates(case: Case) -> str | None:
    rows = _hashes(case.all_x[case.rows])
    copies = len(rows) - len(set(rows))
    if len(rows) < 50 or copies <= 0.1 * len(rows) or case.x.shape[1] <= 2:
        return None
    return f"{copies} of {len(rows)} sampled rows of x are copies of others"


@check(
    "FN107",
    "warning",
    "Rows in both the training and the validation set",
    "Remove them from one of the two: the validation is too optimistic",
    unless=("FN101",),
)
def leaks(case: Case) -> str | None:
    if case.validation_x is None or math.prod(case.validation_x.shape[1:]) != math.prod(case.all_x.shape[1:]):
        return None
    validation = _hashes(case.validation_x[spread(case.validation_x)])
    features = max(int(np.prod(case.all_x.shape[1:])), 1)
    count = min(case.all_x.shape[0], max(_HASHED_VALUES // features, 1))
    seen = set(_hashes(case.all_x[:count]))
    shared = sum(row in seen for row in validation)
    if shared <= 0.01 * len(validation):
        return None
    return f"{shared} of {len(validation)} sampled validation rows are training rows, too"


@check(
    "FN108",
    "advice",
    "x is stored column by column",
    "Make the copy once, after loading x: numpy.ascontiguousarray(x, 'uint8') for pixels, 'float32' for other numbers",
)
def slow_to_gather(case: Case) -> str | None:
    x = case.all_x
    if is_sparse(x) or x.ndim != 2 or x.nbytes < _LARGE_BYTES or not lies_badly(x):
        return None
    pixels = x.dtype.kind in "iu" and case.x.min() >= 0 and case.x.max() <= 255
    size = 1 if pixels else min(x.itemsize, np.dtype(case.model.dtype).itemsize)
    return (
        f"x is {x.dtype} with the values of a row {abs(x.strides[1]):,} bytes apart: every fit and evaluate first makes "
        f"a copy of {x.size * size / 1e6:.1f} MB, and predict makes one chunk by chunk"
    )


def _hashes(x: Any) -> list[int]:
    """Return a number for every row, the same for rows with the same values."""
    rows: Array = x.toarray() if is_sparse(x) else x.reshape(len(x), -1)
    if rows.dtype.kind != "u" or rows.dtype.itemsize != 1:
        rows = rows.astype(np.float32) + np.float32(0)  # -0 becomes 0
        if rows.size and rows.min() >= 0 and rows.max() <= 255 and bool((rows == np.floor(rows)).all()):
            rows = rows.astype(np.uint8)
    return [hash(row.tobytes()) for row in np.ascontiguousarray(rows)]
