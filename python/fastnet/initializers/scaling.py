"""Initial values from distributions that are scaled to the size of the layer."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.initializers.base import RandomInitializer, initializers
from fastnet.initializers.distributions import truncated_standard_normal
from fastnet.support.validation import check_choice, check_number

if TYPE_CHECKING:
    from numpy.random import Generator  # not at run time: NumPy imports it lazily, which takes a while

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
]

# Standard deviation of a standard normal cut off at -2 and 2.
_TRUNCATED_STDDEV = 0.87962566103423978


@initializers.add("variance_scaling")
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
        return stddev / _TRUNCATED_STDDEV * truncated_standard_normal(shape, generator)


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


@initializers.add("glorot_uniform")
class GlorotUniform(_NamedScaling):
    """Uniform within sqrt(6 / (inputs + outputs)): Glorot and Bengio (2010). The default of `Dense`."""

    _arguments = (1.0, "fan_avg", "uniform")


@initializers.add("glorot_normal")
class GlorotNormal(_NamedScaling):
    """Truncated normal with variance 2 / (inputs + outputs): Glorot and Bengio (2010)."""

    _arguments = (1.0, "fan_avg", "truncated_normal")


@initializers.add("he_uniform")
class HeUniform(_NamedScaling):
    """Uniform within sqrt(6 / inputs), for layers with ReLU: He et al. (2015), arXiv:1502.01852."""

    _arguments = (2.0, "fan_in", "uniform")


@initializers.add("he_normal")
class HeNormal(_NamedScaling):
    """Truncated normal with variance 2 / inputs, for layers with ReLU: He et al. (2015), arXiv:1502.01852."""

    _arguments = (2.0, "fan_in", "truncated_normal")


@initializers.add("lecun_uniform")
class LecunUniform(_NamedScaling):
    """Uniform within sqrt(3 / inputs): LeCun et al. (1998), Efficient BackProp."""

    _arguments = (1.0, "fan_in", "uniform")


@initializers.add("lecun_normal")
class LecunNormal(_NamedScaling):
    """Truncated normal with variance 1 / inputs: LeCun et al. (1998), Efficient BackProp."""

    _arguments = (1.0, "fan_in", "truncated_normal")
