"""Losses of NumPy arrays: the mean over samples, and its gradient with respect to the prediction.

A NaN among targets or predictions makes the loss NaN, and the gradient with respect to its own prediction.
"""

from typing import TYPE_CHECKING

from fastnet.functional.losses.classes import *
from fastnet.functional.losses.numbers import *

if not TYPE_CHECKING:  # type checkers take the names from the imports
    __all__ = [*classes.__all__, *numbers.__all__]
