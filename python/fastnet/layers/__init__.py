"""The layers of a model, with Keras's names and defaults.

Shapes are those of one sample, without the batch dimension. A layer describes itself to the compiled core, which does
the arithmetic of the whole network in one place.
"""

from fastnet.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from fastnet.layers.base import Layer
from fastnet.layers.base import layers as _layers
from fastnet.layers.core import Dense, Input, InputLayer
from fastnet.layers.merging import Residual
from fastnet.layers.normalization import BatchNormalization, LayerNormalization
from fastnet.layers.preprocessing import Normalization, Rescaling
from fastnet.layers.regularization import Dropout, GaussianNoise
from fastnet.layers.reshaping import Flatten, Reshape
from fastnet.support.missing_names import explain_missing

__all__ = [
    "ELU",
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Normalization",
    "PReLU",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Residual",
    "Softmax",
    "deserialize",
    "get",
    "serialize",
]

explain_missing(__name__)

get = _layers.get
serialize = _layers.serialize
deserialize = _layers.deserialize
