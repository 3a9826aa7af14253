"""Initial values of weights, with Keras's names, defaults and numerics.

An initializer is called with a shape and returns an array. Values are drawn in float64 and rounded to the dtype, so
that a float32 model starts from the same weights as the same model in float64.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet.support.missing_names import explain_missing
from fastnet.support.registry import Configurable, Registry
from fastnet.support.validation import check_choice, check_integer, check_number
from fastnet.utils import make_generator

if TYPE_CHECKING:
    from numpy.random import Generator  # not at run time: NumPy imports it lazily, which takes a while

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
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


class Initializer(Configurable):
    """Base class of initializers."""

    def __call__(
        self, shape: tuple[int, ...], dtype: DTypeLike = "float32", *, generator: "Generator | None" = None
    ) -> NDArray[Any]:
        """Return an array of initial values.

        Parameters
        ----------
        shape : tuple of int
            The shape of the array; a kernel is (inputs, units).
        dtype : dtype, default "float32"
            "float32" or "float64".
        generator : numpy.random.Generator, optional
            The source of random numbers; a model passes its own. An initializer with a `seed` does not use it.

        Returns
        -------
        ndarray
            An array of this shape and dtype.
        """
        return self._values(shape, make_generator(None) if generator is None else generator).astype(dtype)

    def _values(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        raise NotImplementedError


_initializers = Registry("initializer", Initializer, "initializers")
get = _initializers.get
serialize = _initializers.serialize
deserialize = _initializers.deserialize


# --- Constants -------------------------------------------------------------------------------------------------------


@_initializers.add("constant")
class Constant(Initializer):
    """Every value is `value`."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = check_number("value", value)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}

    def _values(self, shape: tuple[int, ...], _generator: "Generator", /) -> NDArray[np.float64]:
        return np.full(shape, self.value)


@_initializers.add("zeros")
class Zeros(Constant):
    """Every value is 0."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def get_config(self) -> dict[str, Any]:
        return {}


@_initializers.add("ones")
class Ones(Constant):
    """Every value is 1."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def get_config(self) -> dict[str, Any]:
        return {}


@_initializers.add("identity")
class Identity(Initializer):
    """The identity matrix times `gain`, for weights of two dimensions.

    Examples
    --------
    >>> from fastnet import initializers
    >>> initializers.Identity(2.0)((2, 3))
    array([[2., 0., 0.],
           [0., 2., 0.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = check_number("gain", gain)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}

    def _values(self, shape: tuple[int, ...], _generator: "Generator", /) -> NDArray[np.float64]:
        if len(shape) != 2:
            raise ValueError(f"Identity is for weights of two dimensions; got shape {shape}")
        return self.gain * np.eye(*shape)


# --- Distributions with given limits ---------------------------------------------------------------------------------


class RandomInitializer(Initializer):
    """Base class of initializers that draw random numbers.

    Parameters
    ----------
    seed : int, optional
        With a seed, every call returns the same values. Without one, the values come from the model's generator.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = None if seed is None else check_integer("seed", seed, minimum=0)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}

    def _values(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        return self._draw(shape, generator if self.seed is None else make_generator(self.seed))

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        raise NotImplementedError


@_initializers.add("random_uniform", "uniform")
class RandomUniform(RandomInitializer):
    """Uniform between `minval` and `maxval`.

    Examples
    --------
    >>> from fastnet import initializers
    >>> values = initializers.uniform(-0.5, 0.5, seed=0)((784, 10))
    >>> bool(abs(values).max() <= 0.5)
    True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval = check_number("minval", minval)
        self.maxval = check_number("maxval", maxval, minimum=self.minval)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        return generator.uniform(self.minval, self.maxval, shape)


@_initializers.add("random_normal", "normal")
class RandomNormal(RandomInitializer):
    """Normal with this mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = check_number("mean", mean)
        self.stddev = check_number("stddev", stddev, minimum=0.0)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        return generator.normal(self.mean, self.stddev, shape)


@_initializers.add("truncated_normal")
class TruncatedNormal(RandomNormal):
    """Normal with values beyond two standard deviations drawn again; the resulting deviation is 0.88 `stddev`."""

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        return self.mean + self.stddev * _truncated_standard_normal(shape, generator)


@_initializers.add("orthogonal")
class Orthogonal(RandomInitializer):
    """Rows or columns that are orthogonal and have the length `gain`: Saxe et al. (2014), arXiv:1312.6120.

    Weights of more than two dimensions are a matrix with the last one for columns.

    Examples
    --------
    >>> from fastnet import initializers
    >>> w = initializers.Orthogonal(seed=0)((3, 2), "float64")
    >>> (w.T @ w).round(6) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = check_number("gain", gain)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed}

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal is for weights of at least two dimensions; got shape {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diag(r) < 0.0, -1.0, 1.0)  # makes them uniform among all such matrices
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


def _truncated_standard_normal(shape: tuple[int, ...], generator: "Generator") -> NDArray[np.float64]:
    values = np.asarray(generator.standard_normal(shape))
    while (outside := np.abs(values) > 2.0).any():
        values[outside] = generator.standard_normal(np.count_nonzero(outside))
    return values


# --- Distributions scaled to the size of the layer -------------------------------------------------------------------

# Standard deviation of a standard normal cut off at -2 and 2.
_TRUNCATED_STDDEV = 0.87962566103423978


@_initializers.add("variance_scaling")
class VarianceScaling(RandomInitializer):
    """Random values with variance `scale` / n, where n is the number of inputs or outputs of the layer.

    Parameters
    ----------
    scale : float, default 1.0
        The factor of the variance.
    mode : {"fan_in", "fan_out", "fan_avg"}, default "fan_in"
        The meaning of n: the number of inputs, of outputs, or the mean of both.
    distribution : {"truncated_normal", "untruncated_normal", "uniform"}, default "truncated_normal"
        The shape of the distribution; all have mean 0 and the same variance.
    seed : int, optional
        With a seed every call returns the same values.

    Examples
    --------
    Normal weights with variance 1 / inputs, as in many lectures:

    >>> from fastnet import initializers
    >>> normal = initializers.VarianceScaling(1.0, "fan_in", "untruncated_normal", seed=0)
    >>> print(f"{normal((400, 1000)).std():.3f}")
    0.050
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        self.scale = check_number("scale", scale, minimum=0.0)
        self.mode = check_choice("mode", mode, ["fan_in", "fan_out", "fan_avg"])
        self.distribution = check_choice(
            "distribution",
            "truncated_normal" if distribution == "normal" else distribution,  # Keras's older name
            ["truncated_normal", "untruncated_normal", "uniform"],
        )

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, "seed": self.seed}

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        fan_in, fan_out = compute_fans(shape)
        n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, n))
        if self.distribution == "uniform":
            limit = math.sqrt(3.0) * stddev
            return generator.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return generator.normal(0.0, stddev, shape)
        return stddev / _TRUNCATED_STDDEV * _truncated_standard_normal(shape, generator)


def compute_fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the numbers of inputs and of outputs of a layer whose kernel has this shape."""
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    receptive_field = math.prod(shape[:-2])
    return shape[-2] * receptive_field, shape[-1] * receptive_field


class _NamedScaling(VarianceScaling):
    """Base class of variance scalings with fixed arguments except the seed."""

    _arguments: tuple[float, str, str]

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(*self._arguments, seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


@_initializers.add("glorot_uniform")
class GlorotUniform(_NamedScaling):
    """Uniform within sqrt(6 / (inputs + outputs)): Glorot and Bengio (2010). The default of `Dense`."""

    _arguments = (1.0, "fan_avg", "uniform")


@_initializers.add("glorot_normal")
class GlorotNormal(_NamedScaling):
    """Truncated normal with variance 2 / (inputs + outputs): Glorot and Bengio (2010)."""

    _arguments = (1.0, "fan_avg", "truncated_normal")


@_initializers.add("he_uniform")
class HeUniform(_NamedScaling):
    """Uniform within sqrt(6 / inputs), for layers with ReLU: He et al. (2015), arXiv:1502.01852."""

    _arguments = (2.0, "fan_in", "uniform")


@_initializers.add("he_normal")
class HeNormal(_NamedScaling):
    """Truncated normal with variance 2 / inputs, for layers with ReLU: He et al. (2015), arXiv:1502.01852."""

    _arguments = (2.0, "fan_in", "truncated_normal")


@_initializers.add("lecun_uniform")
class LecunUniform(_NamedScaling):
    """Uniform within sqrt(3 / inputs): LeCun et al. (1998), Efficient BackProp."""

    _arguments = (1.0, "fan_in", "uniform")


@_initializers.add("lecun_normal")
class LecunNormal(_NamedScaling):
    """Truncated normal with variance 1 / inputs: LeCun et al. (1998), Efficient BackProp."""

    _arguments = (1.0, "fan_in", "truncated_normal")


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
