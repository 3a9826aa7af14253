"""Activations as layers of their own."""

from typing import Any

from fastnet._activations import ActivationFunction, get_activation, leaky_relu
from fastnet._layer import Layer, Shape, layers
from fastnet._validation import unsupported


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

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.activation.name == "softmax" and len(input_shape) != 1:
            raise unsupported(
                f"layer {self.name!r} takes samples of one dimension; got shape {input_shape}: put Flatten() before it"
            )
        return input_shape

    def description(self) -> dict[str, Any]:
        return {"type": "activation", **self.activation.description}

    def get_config(self) -> dict[str, Any]:
        return {"activation": self.activation.config, **super().get_config()}


def activation_of(identifier: Any) -> ActivationFunction:
    """Return the activation for an identifier; a layer such as ``LeakyReLU(0.1)`` stands for its own."""
    return identifier.activation if isinstance(identifier, Activation) else get_activation(identifier)


@layers.add()
class ReLU(Activation):
    """The rectifier as a layer.

    Parameters
    ----------
    max_value : float, optional
        Only None is available.
    negative_slope : float, default 0.0
        The slope for negative inputs.
    threshold : float, default 0.0
        Only 0 is available.
    input_shape, input_dim, name
        See `Layer`.
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **keywords: Any
    ) -> None:
        if max_value is not None or threshold != 0.0:
            raise unsupported(f"ReLU(max_value={max_value!r}, threshold={threshold!r}) is not available")
        super().__init__(leaky_relu(negative_slope) if negative_slope else "relu", **keywords)

    def get_config(self) -> dict[str, Any]:
        return {"negative_slope": self.activation.alpha, "name": self.name}


@layers.add()
class LeakyReLU(Activation):
    """The rectifier that lets negative values through, scaled down, as a layer.

    Parameters
    ----------
    negative_slope : float, default 0.3
        The slope for negative inputs, with the default of Keras's layer.
    input_shape, input_dim, name
        See `Layer`.
    """

    def __init__(self, negative_slope: float = 0.3, **keywords: Any) -> None:
        super().__init__(leaky_relu(negative_slope), **keywords)

    def get_config(self) -> dict[str, Any]:
        return {"negative_slope": self.activation.alpha, "name": self.name}


@layers.add()
class Softmax(Activation):
    """The softmax as a layer.

    Parameters
    ----------
    axis : int, default -1
        Only the last axis is available.
    input_shape, input_dim, name
        See `Layer`.
    """

    def __init__(self, axis: int = -1, **keywords: Any) -> None:
        if axis != -1:
            raise unsupported(f"Softmax(axis={axis!r}) is not available")
        super().__init__("softmax", **keywords)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}
