"""Activations as layers of their own."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from fastnet import initializers
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.layers.base import Layer, Shape, layers, positions_of
from fastnet.layers.functions import ActivationFunction, get_activation, with_parameter
from fastnet.layers.merging import Residual
from fastnet.layers.preprocessing import Rescaling
from fastnet.layers.weights import Weights
from fastnet.support.validation import check_integer, check_number, describe, unsupported


@layers.add()
class Activation(Layer):
    """An activation as a layer of its own.

    Parameters
    ----------
    activation : str or function of `fastnet.functional`
        See `Dense`.
    input_shape, input_dim, name
        See `Layer`.
    """

    def __init__(self, activation: Any, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.activation = activation_of(activation)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        rows = positions_of(input_shape) if ACTIVATIONS[self.activation.name].by_row else {}
        return {"type": "activation", **self.activation.description, **rows}

    def _flops(self, input_shape: Shape) -> int:
        return 0 if self.activation.name == "linear" else super()._flops(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {"activation": self.activation.config, **super().get_config()}


def activation_of(identifier: Any) -> ActivationFunction:
    """Return the activation for an identifier; a layer such as ``LeakyReLU(0.1)`` stands for its own."""
    if isinstance(identifier, Layer) and not isinstance(identifier, Activation):
        raise TypeError(f"activation must be None, a name, a function or a layer of an activation; got {identifier!r}")
    if isinstance(identifier, ReLU) and identifier.parts:
        raise unsupported("ReLU with several of its options is a layer of its own, not the activation of another one")
    return identifier.activation if isinstance(identifier, Activation) else get_activation(identifier)


class _Fixed(Activation):
    """A layer whose activation its class names."""

    def get_config(self) -> dict[str, Any]:
        return Layer.get_config(self)


@layers.add()
class ReLU(_Fixed):
    """The rectifier as a layer.

    Parameters
    ----------
    max_value : float, optional
        The largest output, such as 6; at least 0.
    negative_slope : float, default 0.0
        The slope a up to the threshold t, where outputs are ``a * (x - t)``; at least 0.
    threshold : float, default 0.0
        Inputs above it are kept; at least 0.
    input_shape, input_dim, name
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> fn.layers.ReLU(max_value=6)([[-1.0, 2.0, 9.0]])
    array([[0., 2., 6.]], dtype=float32)
    >>> fn.layers.ReLU(max_value=6, negative_slope=0.5, threshold=3)([[-1.0, 2.0, 9.0]])
    array([[-2. , -0.5,  6. ]], dtype=float32)
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **keywords: Any
    ) -> None:
        self._most = None if max_value is None else check_number("max_value", max_value, minimum=0.0)
        self._slope = check_number("negative_slope", negative_slope, minimum=0.0)
        self._least = check_number("threshold", threshold, minimum=0.0)
        above = [with_parameter("thresholded_relu", self._least)] if self._least else []
        above += [] if self._most is None else [with_parameter("relu6", self._most)]
        below = [with_parameter("leaky_relu", self._slope)] if self._slope else []
        options = above + below
        super().__init__(options[0] if len(options) == 1 else "relu", **keywords)
        self._parts: list[Layer] = []
        if len(options) > 1:
            kept = [Activation(function) for function in above]
            self._parts = [Residual(kept, shortcut=_below(self._least, self._slope))] if below else [*kept]

    @property
    def max_value(self) -> float | None:
        """The largest output."""
        return self._most

    @property
    def negative_slope(self) -> float:
        """The slope up to the threshold."""
        return self._slope

    @property
    def threshold(self) -> float:
        """What inputs must exceed to be kept."""
        return self._least

    @property
    def parts(self) -> Sequence[Layer]:
        """Layers in a row that are the same function, where it takes several."""
        return tuple(self._parts)

    def descriptions(self, input_shape: Shape) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        if not self._parts:
            yield from super().descriptions(input_shape)
        for part in self._parts:
            yield from part.descriptions(input_shape)

    def attach(self, weights: Weights, input_shape: Shape, output_shape: Shape) -> None:
        super().attach(weights, input_shape, output_shape)
        for part in self._parts:
            part.attach(weights, input_shape, output_shape)

    def detach(self) -> None:
        super().detach()
        for part in self._parts:
            part.detach()

    def _flops(self, input_shape: Shape) -> int:
        return sum(part._flops(input_shape) for part in self._parts) or super()._flops(input_shape)

    def get_config(self) -> dict[str, Any]:
        own: dict[str, Any] = {"negative_slope": self.negative_slope}
        own |= {} if self.max_value is None else {"max_value": self.max_value}
        own |= {"threshold": self.threshold} if self.threshold else {}
        return {**own, **super().get_config()}


def _below(threshold: float, slope: float) -> list[Layer]:
    """Return layers that give ``slope * (x - threshold)`` up to the threshold, and 0 above."""
    return [Rescaling(-1.0, threshold), Activation("relu"), Rescaling(-slope)]


@layers.add()
class LeakyReLU(_Fixed):
    """The rectifier that lets negative values through, scaled down, as a layer.

    Parameters
    ----------
    negative_slope : float, default 0.3
        The slope for negative inputs, with the default of Keras's layer.
    input_shape, input_dim, name
        See `Layer`.
    """

    def __init__(self, negative_slope: float = 0.3, **keywords: Any) -> None:
        super().__init__(with_parameter("leaky_relu", negative_slope), **keywords)

    @property
    def negative_slope(self) -> float:
        """The slope for negative inputs."""
        return self.activation.alpha

    def get_config(self) -> dict[str, Any]:
        return {"negative_slope": self.negative_slope, **super().get_config()}


@layers.add()
class ELU(_Fixed):
    """The exponential linear unit as a layer.

    Parameters
    ----------
    alpha : float, default 1.0
        What the output tends to at minus infinity, with the sign changed; at least 0.
    input_shape, input_dim, name
        See `Layer`.
    """

    def __init__(self, alpha: float = 1.0, **keywords: Any) -> None:
        super().__init__(with_parameter("elu", alpha), **keywords)

    @property
    def alpha(self) -> float:
        """What the output tends to at minus infinity, with the sign changed."""
        return self.activation.alpha

    def get_config(self) -> dict[str, Any]:
        return {"alpha": self.alpha, **super().get_config()}


@layers.add()
class Softmax(_Fixed):
    """The softmax as a layer, of every row along the last axis.

    Parameters
    ----------
    axis : int, default -1
        The last axis, counted from the batch's, which is 0, or from the end. Another one is the last between two layers
        `Permute`.
    input_shape, input_dim, name
        See `Layer`.
    """

    def __init__(self, axis: int = -1, **keywords: Any) -> None:
        self.check_axis(axis)
        self.axis = axis
        super().__init__("softmax", **keywords)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_axis(self.axis, input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**({} if self.axis == -1 else {"axis": self.axis}), **super().get_config()}


@layers.add()
class PReLU(Layer):
    """The rectifier whose slope for negative inputs is learned: ``x if x > 0 else alpha * x``.

    He, Zhang, Ren and Sun, ICCV 2015, arXiv:1502.01852, section 2.1.

    Parameters
    ----------
    alpha_initializer : str or Initializer, default "zeros"
        The slopes that training starts from; the paper starts from 0.25.
    shared_axes : int or list of int, optional
        The axes along which all values have one slope, the first ones, counted from 1; by default every value has its own.
        ``shared_axes=[1, 2]`` learns one slope for each channel of images.
    input_shape, input_dim, name
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> slope = fn.initializers.Constant(0.25)
    >>> model = fn.Sequential([fn.layers.PReLU(slope, input_shape=(2,))])
    >>> model.predict(np.array([[-1.0, 1.0]]))
    array([[-0.25,  1.  ]], dtype=float32)
    """

    keras_defaults: ClassVar[dict[str, Any]] = {
        **Layer.keras_defaults,
        "alpha_regularizer": None,
        "alpha_constraint": None,
    }

    def __init__(
        self, alpha_initializer: Any = "zeros", shared_axes: int | Sequence[int] | None = None, **keywords: Any
    ) -> None:
        super().__init__(**keywords)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.shared_axes = None if shared_axes is None else _first_axes(shared_axes)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.shared_axes is not None and len(self.shared_axes) > len(input_shape):
            raise ValueError(
                f"layer {self.name!r} has shared_axes={self.shared_axes}; samples of shape {input_shape} have no axis "
                f"{self.shared_axes[-1]}"
            )
        return input_shape

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        slopes = math.prod(self.weight_shapes(input_shape)["alpha"])
        return {"type": "prelu", **positions_of((math.prod(input_shape) // slopes, slopes))}

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        shared = len(self.shared_axes or ())
        return {"alpha": (1,) * shared + input_shape[shared:]}

    def initializer(self, weight_name: str) -> initializers.Initializer:
        return {"alpha": self.alpha_initializer}[weight_name]

    def get_config(self) -> dict[str, Any]:
        shared = {} if self.shared_axes is None else {"shared_axes": self.shared_axes}
        return {"alpha_initializer": initializers.serialize(self.alpha_initializer), **shared, **super().get_config()}


def _first_axes(axes: Any) -> list[int]:
    """Return axes as a sorted list, if they are the first ones, so that the slopes of a sample repeat as a whole."""
    numbers = [axes] if isinstance(axes, int) else axes
    if not isinstance(numbers, list | tuple):
        raise TypeError(f"shared_axes must be an integer or a list of integers; got {describe(axes)}")
    found = sorted({check_integer("every axis of shared_axes", axis) for axis in numbers})
    if found != list(range(1, len(found) + 1)):
        raise unsupported(f"PReLU(shared_axes={axes!r}) is not available: only the first axes, such as [1, 2]")
    return found
