"""The layers of a model, with Keras's names and defaults.

Shapes are those of one sample, without the batch dimension. A layer describes itself to the compiled core, which does
the arithmetic of the whole network in one place.
"""

from fastnet._layer import Layer
from fastnet._layer import layers as _layers
from fastnet.layers.activation import Activation, LeakyReLU, ReLU, Softmax
from fastnet.layers.core import Dense, Input, InputLayer
from fastnet.layers.preprocessing import Rescaling
from fastnet.layers.reshaping import Flatten

__all__ = [
    "Activation",
    "Dense",
    "Flatten",
    "Input",
    "InputLayer",
    "Layer",
    "LeakyReLU",
    "ReLU",
    "Rescaling",
    "Softmax",
    "deserialize",
    "get",
    "serialize",
]

get = _layers.get
serialize = _layers.serialize
deserialize = _layers.deserialize
