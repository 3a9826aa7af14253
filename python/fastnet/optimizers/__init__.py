"""Rules that change the weights by the gradients, with Keras's names and defaults.

An optimizer is a set of hyperparameters; the compiled core does the arithmetic and holds the moving averages.
"""

from typing import TYPE_CHECKING

from fastnet import schedules as schedules
from fastnet.optimizers.adam import *
from fastnet.optimizers.adaptive import *
from fastnet.optimizers.base import Optimizer as Optimizer
from fastnet.optimizers.base import optimizers as _optimizers
from fastnet.optimizers.muon import *
from fastnet.optimizers.sgd import *
from fastnet.support.missing_names import explain_missing

if not TYPE_CHECKING:  # type checkers take the names from the imports
    __all__ = [
        *adam.__all__,
        *adaptive.__all__,
        *muon.__all__,
        *sgd.__all__,
        "Optimizer",
        "deserialize",
        "get",
        "schedules",
        "serialize",
    ]

explain_missing(__name__)

get = _optimizers.get
serialize = _optimizers.serialize
deserialize = _optimizers.deserialize
