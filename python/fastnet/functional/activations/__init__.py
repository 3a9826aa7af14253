"""Activations of NumPy arrays, each with its gradient.

A gradient takes that of the loss by the activation's output, and the output or, where the output does not tell the slope,
the input; the argument's name says which.

NaN gives NaN. So does its gradient, but for functions of straight pieces, whose slope at NaN is that far below zero, as in Keras: 0 for
`relu`, `relu6`, `hard_tanh` and the like, `negative_slope` for `leaky_relu`, its slope for `prelu`, 1 for `linear` and the shrinks.
"""

from typing import TYPE_CHECKING

from fastnet.functional.activations.rectifiers import *
from fastnet.functional.activations.shrinks import *
from fastnet.functional.activations.sigmoids import *
from fastnet.functional.activations.smooth import *
from fastnet.functional.activations.softmaxes import *

if not TYPE_CHECKING:  # type checkers take the names from the imports
    __all__ = [*rectifiers.__all__, *shrinks.__all__, *sigmoids.__all__, *smooth.__all__, *softmaxes.__all__]
