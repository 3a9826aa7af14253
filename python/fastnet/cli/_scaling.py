"""Scaling of raw data, every column to about [-1, 1], and of the targets of a regression."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets import Dataset
from fastnet.datasets._dataset import FLOAT32_RANGE, ROUNDING, Extremes
from fastnet.files.rows import Rows, read_ranges
from fastnet.layers import Layer, Normalization, Rescaling
from fastnet.models import Sequential

__all__ = ["StandardizedRows", "Unit", "dtype_for", "scaling", "unit_of"]

SMALLEST_RANGE = 0.25  # of a column, relative to the largest value, with which one factor for all columns will do
SPREAD = 4.0  # standard deviations that become 1 where columns are normalized: a power of 2, which is exact
# The standard deviations for Normalization, which adds 1e-14 to the variance and computes in its dtype.
DEVIATIONS = {"float32": (1e-6, 1e18), "float64": (1e-6, 1e150)}
ROWS_AT_ONCE = 4096


def dtype_for(data: Dataset) -> str:
    """Return the dtype in which the values of every column, and numbers to predict, stay distinct: float32 if it suffices."""
    if data.is_regression and data.y is not None:
        extremes = Extremes()
        extremes.include(data.y.reshape(len(data), -1))
        if not extremes.fit_float32():
            return "float64"
    try:
        scaling(data, "float32")
    except ValueError:
        return "float64"
    return "float32"


def scaling(data: Dataset, dtype: str) -> list[Layer]:
    """Return the layers for raw samples: one factor for all columns, unless their scales differ or they are far from 0.

    Such columns are normalized: 4 standard deviations become 1. Their units may be so far apart, or so small, that a variance is out of
    the range of the dtype, or vanishes next to what Normalization adds to it. Then a power of 2 comes first, which is
    exact.

    Raises
    ------
    ValueError
        The dtype cannot represent the columns.
    """
    held_as = "float64" if dtype == "float64" else "float32"
    too_wide = ValueError(
        f"{data.name} has columns that {held_as} cannot represent: with values too large, too small, "
        f"or too close together compared to the others; {'change their units' if held_as == 'float64' else 'use --dtype float64'}"
    )
    if held_as == "float32" and data.x.dtype == np.float64:
        raise too_wide
    if _share_a_factor(data):
        low, high = FLOAT32_RANGE if held_as == "float32" else (0.0, np.inf)
        if data.x.any() and not low < _largest(data.x) < high:
            raise too_wide
        return [Rescaling(_scale(data.x))]
    moments = _moments(data.x)
    factor = moments.factor(held_as)
    if factor is None:
        raise too_wide
    variance = moments.variance * np.square(moments.unit * factor)
    normalization = Normalization(mean=moments.mean * factor, variance=SPREAD**2 * variance)
    return [normalization] if factor == 1.0 else [Rescaling(factor), normalization]


def _share_a_factor(data: Dataset) -> bool:
    return data.image_shape is not None or _are_bytes_of_images(data.x) or _scales_are_alike(data.x)


def _are_bytes_of_images(x: NDArray[Any]) -> bool:
    """Return whether most non-constant columns use more than the lower half of a byte."""
    largest = x.max(axis=0)
    varying = largest > x.min(axis=0)
    return bool(x.dtype == np.uint8 and 2 * np.count_nonzero(largest[varying] > 127) > np.count_nonzero(varying))


def _scales_are_alike(x: NDArray[Any]) -> bool:
    """Return whether one factor for all columns leaves each non-constant one a fair range within [-1, 1]."""
    highest, lowest = (ends.astype(np.float64) for ends in (x.max(axis=0), x.min(axis=0)))
    ranges = highest - lowest
    smallest = SMALLEST_RANGE * max(highest.max(), -lowest.min())
    return not ((ranges > 0) & (ranges < smallest)).any()


def _largest(x: NDArray[Any]) -> float:
    return max(abs(float(x.max())), abs(float(x.min())))


def _scale(x: NDArray[Any]) -> float:
    """Return the factor for columns of one kind: 1/255 for images of bytes, else 1 over the largest value."""
    largest = _largest(x)
    if x.dtype == np.uint8 and largest > 127:
        return 1 / 255
    return 1 / largest if largest else 1.0


class Moments(NamedTuple):
    """Mean and variance of every column.

    A constant column has the deviation 1, or more if its rounding errors are larger.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    """The variance of the column in its unit, because the squares of raw values may be out of range."""
    unit: NDArray[np.float64]
    """A power of 2, so that division by it is exact."""

    def factor(self, dtype: str) -> float | None:
        """Return the power of 2 that scales the deviations into the range of a dtype, None if there is none."""
        deviations = np.sqrt(self.variance) * self.unit
        least, most = deviations.min(), deviations.max()
        low, high = DEVIATIONS[dtype]
        if low <= least and most <= high:
            return 1.0
        factor = math.ldexp(1.0, round((math.log2(low) + math.log2(high) - math.log2(least) - math.log2(most)) / 2))
        return factor if low <= least * factor and most * factor <= high else None


def _moments(x: NDArray[Any]) -> Moments:
    low, high = x.min(axis=0).astype(np.float64), x.max(axis=0).astype(np.float64)
    unit = np.ldexp(1.0, np.frexp(np.maximum(np.abs(low), np.abs(high)))[1] - 1)
    blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(x), ROWS_AT_ONCE)]
    mean = sum((x[block] / unit).sum(axis=0) for block in blocks) / len(x)
    variance = sum(np.square(x[block] / unit - mean).sum(axis=0) for block in blocks) / len(x)
    precision = np.finfo(x.dtype).eps if x.dtype.kind == "f" else 0.0
    varies = high / unit - low / unit > ROUNDING * precision
    one = np.maximum(unit * 2.0**-20, 1.0)
    return Moments(mean * unit, np.where(varies, variance, 1.0), np.where(varies, unit, one))


# ---- Targets --------------------------------------------------------------------------------------------------------


class Unit(NamedTuple):
    """The unit in which a network learns the targets of a regression: deviations from their mean.

    Targets of any scale are then learned with the same learning rates.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    """The standard deviation of each output; 1 for constant targets."""

    def of(self, targets: NDArray[Any]) -> NDArray[np.float64]:
        """Return targets in this unit."""
        rows = (targets.reshape(len(targets), -1) - self.mean) / self.deviation
        return rows.reshape(targets.shape)

    def restore(self, model: Sequential) -> None:
        """Let the last layer of a model, a dense one, predict in the unit of the targets."""
        last = model.layers[-1]
        kernel, bias = last.get_weights()
        last.set_weights([kernel * self.deviation, bias * self.deviation + self.mean])


class StandardizedRows:
    """Targets on the disk, in a unit."""

    def __init__(self, targets: Rows, unit: Unit) -> None:
        self._targets, self._unit = targets, unit
        self.shape, self.dtype = targets.shape, np.dtype(np.float64)
        self.blocks, self.place = targets.blocks, targets.place

    def read_into(self, first: int, out: NDArray[Any]) -> None:
        """Read the rows from `first` on."""
        out[...] = self._unit.of(read_ranges(self._targets, [(first, first + len(out))]))


def unit_of(data: Dataset) -> Unit:
    """Return the unit in which the targets of a regression have mean 0 and standard deviation 1."""
    assert data.y is not None
    moments = _moments(data.y.reshape(len(data), -1))
    return Unit(moments.mean, np.sqrt(moments.variance) * moments.unit)
