"""The targets that losses are defined for: others give a number that means nothing."""

import math
from typing import Any, NamedTuple

from numpy.typing import NDArray

from fastnet._core import first_row_outside as _core_first_row_outside

__all__ = ["DISTRIBUTIONS", "NOT_NEGATIVE", "PROBABILITIES", "SIGNS", "Domain"]

# Soft targets are rounded: mixed labels, or a thousand probabilities of float16 that are added up.
_ROUNDING = 1e-4
_ROUNDING_OF_SUMS = 1e-2


class Domain(NamedTuple):
    """The targets that a loss is defined for.

    Attributes
    ----------
    words : str
        What they are, and what to do with others.
    ranges : tuple of (lowest, highest)
        All values of a `y` lie in one of these ranges.
    ends : bool
        Whether only the ends of the range are targets.
    tolerance : float
        How far the sum of a row may be from 1; negative where the sum does not matter.
    """

    words: str
    ranges: tuple[tuple[float, float], ...]
    ends: bool = False
    tolerance: float = -1.0

    def first_row_outside(self, targets: NDArray[Any]) -> int:
        """Return the number of the first row of targets that the loss is not defined for, NaN included, or -1."""
        last = -1
        for lowest, highest in self.ranges:
            row = _core_first_row_outside(targets, lowest, highest, self.ends, self.tolerance)
            if row < 0:
                return -1
            last = max(last, row)
        return last


_FROM_0_TO_1 = ((-_ROUNDING, 1.0 + _ROUNDING),)

PROBABILITIES = Domain(
    "targets from 0 to 1: numpy.unique(y, return_inverse=True)[1] makes 0 and 1 of two other labels", _FROM_0_TO_1
)
DISTRIBUTIONS = Domain(
    "one-hot rows, or rows of probabilities that add up to 1: several labels a sample need sigmoid and "
    "binary_crossentropy, samples that count more or not at all sample_weight",
    _FROM_0_TO_1,
    tolerance=_ROUNDING_OF_SUMS,
)
NOT_NEGATIVE = Domain("targets that are not negative", ((0.0, math.inf),))
SIGNS = Domain("targets -1 and 1, or 0 and 1", ((-1.0, 1.0), (0.0, 1.0)), ends=True)
