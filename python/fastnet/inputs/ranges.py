"""Ranges of the features of a table: they say which inputs are like those that a model was trained on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from fastnet.files.rows import read_ranges
from fastnet.inputs.batches import Batches
from fastnet.inputs.windows import Data, StoredSamples
from fastnet.support.validation import describe

MOST_FEATURES = 100  # of a table that a person fills in; the pixels of images are more
_MOST_ROWS = 10_000
_PLACES = 16  # of stored data, from which rows are read


class FeatureRange(NamedTuple):
    """The smallest value of a feature in the training data, its median and its largest value."""

    minimum: float
    median: float
    maximum: float


def ranges_of(data: Data, input_shape: tuple[int, ...] | None) -> list[FeatureRange] | None:
    """Return the range of every feature; None for batches, images, sparse rows and more than 100 features.

    Of many rows, 10,000 are read, evenly spaced.
    """
    if input_shape is None or len(input_shape) > 1 or input_shape[0] > MOST_FEATURES or isinstance(data, Batches):
        return None
    if isinstance(data, StoredSamples):
        stored = data.data
        each = min(-(-_MOST_ROWS // _PLACES), len(stored))
        return ranges_of_rows(read_ranges(stored.x_rows, stored.spread(_PLACES, each)))
    return ranges_of_rows(data.x)


def ranges_of_rows(x: Any) -> list[FeatureRange] | None:
    """Return the range of every column of an array; None if `x` is something else, has many columns or is not finite."""
    if not isinstance(x, np.ndarray) or x.ndim != 2 or not len(x) or x.shape[1] > MOST_FEATURES:
        return None
    columns = x[:: -(-len(x) // _MOST_ROWS)].T.copy()
    if columns.dtype == bool:
        columns = columns.astype(np.uint8)
    middle = (columns.shape[1] - 1) // 2
    columns.partition(middle, axis=1)
    found = np.stack([columns.min(axis=1), columns[:, middle], columns.max(axis=1)], axis=1)
    if not np.isfinite(found).all():
        return None
    # The shortest text of a float32 such as 4.3 is not that of its value as a float64.
    return [FeatureRange(*(float(str(value)) for value in feature)) for feature in found]


def wider(ranges: list[FeatureRange] | None, earlier: list[FeatureRange] | None) -> list[FeatureRange] | None:
    """Return ranges that include those of earlier training on the same features."""
    if ranges is None or earlier is None or len(ranges) != len(earlier):
        return ranges or earlier
    return [
        FeatureRange(min(new.minimum, old.minimum), new.median, max(new.maximum, old.maximum))
        for new, old in zip(ranges, earlier, strict=True)
    ]


def checked_ranges(ranges: Any) -> list[FeatureRange] | None:
    """Return the ranges of features, of a model or of its file; raise an error for anything else."""
    if ranges is None:
        return None
    if not isinstance(ranges, list) or not all(map(_is_range, ranges)):
        raise ValueError(
            "feature_ranges must be None or a list with the minimum, the median and the maximum of every feature; "
            f"got {describe(ranges)}"
        )
    return [FeatureRange(*map(float, one)) for one in ranges]


def _is_range(one: Any) -> bool:
    if not isinstance(one, Sequence) or len(one) != 3 or not all(isinstance(value, int | float) for value in one):
        return False
    return bool(np.isfinite(one).all()) and one[0] <= one[1] <= one[2]
