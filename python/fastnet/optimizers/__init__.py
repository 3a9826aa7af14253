"""Rules that change the weights by the gradients, with Keras's names and defaults.

An optimizer is a set of hyperparameters; the compiled core does the arithmetic and holds the moving averages.
"""

from fastnet import schedules
from fastnet.optimizers.adam import Adam, Adamax, AdamW, Lion, Nadam
from fastnet.optimizers.adaptive import Adadelta, Adagrad, RMSprop
from fastnet.optimizers.base import Optimizer
from fastnet.optimizers.base import optimizers as _optimizers
from fastnet.optimizers.muon import Muon
from fastnet.optimizers.sgd import SGD
from fastnet.support.missing_names import explain_missing

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

explain_missing(__name__)

get = _optimizers.get
serialize = _optimizers.serialize
deserialize = _optimizers.deserialize
