"""Matrix products, activations, losses and their gradients on NumPy arrays.

Arrays may have any shape and strides. float32 stays float32 and float64 stays float64; where they meet, and for
integers and booleans, the result is float64. Results are new arrays.
"""

from typing import TYPE_CHECKING

from fastnet.functional.activations.rectifiers import *
from fastnet.functional.activations.shrinks import *
from fastnet.functional.activations.sigmoids import *
from fastnet.functional.activations.smooth import *
from fastnet.functional.activations.softmaxes import *
from fastnet.functional.losses.classes import *
from fastnet.functional.losses.numbers import *
from fastnet.functional.products import *
from fastnet.support.missing_names import explain_missing

if not TYPE_CHECKING:  # type checkers take the names from the imports
    __all__ = [*activations.__all__, *losses.__all__, *products.__all__]

explain_missing(__name__)
