"""Initial values of weights, with Keras's names, defaults and numerics.

An initializer is called with a shape and returns an array. Values are drawn in float64 and rounded to the dtype, so
that a float32 model starts from the same weights as the same model in float64.
"""

from typing import TYPE_CHECKING

from fastnet.initializers.base import Initializer as Initializer
from fastnet.initializers.base import initializers as _initializers
from fastnet.initializers.constants import *
from fastnet.initializers.distributions import *
from fastnet.initializers.scaling import *
from fastnet.support.missing_names import explain_missing

if not TYPE_CHECKING:  # type checkers take the names from the imports
    __all__ = [
        *constants.__all__,
        *distributions.__all__,
        *scaling.__all__,
        "Initializer",
        "constant",
        "deserialize",
        "get",
        "glorot_normal",
        "glorot_uniform",
        "he_normal",
        "he_uniform",
        "identity",
        "lecun_normal",
        "lecun_uniform",
        "normal",
        "ones",
        "orthogonal",
        "random_normal",
        "random_uniform",
        "serialize",
        "truncated_normal",
        "uniform",
        "variance_scaling",
        "zeros",
    ]

explain_missing(__name__)

get = _initializers.get
serialize = _initializers.serialize
deserialize = _initializers.deserialize

# Keras's names in lower case are the classes themselves, as there.
constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
normal = random_normal = RandomNormal
ones = Ones
orthogonal = Orthogonal
truncated_normal = TruncatedNormal
uniform = random_uniform = RandomUniform
variance_scaling = VarianceScaling
zeros = Zeros
