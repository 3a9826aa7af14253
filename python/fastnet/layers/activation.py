"""Activations as layers of their own."""

from typing import Any, ClassVar

from fastnet import initializers
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.layers.base import Layer, Shape, layers
from fastnet.layers.functions import ActivationFunction, get_activation, with_parameter
from fastnet.support.validation import unsupported


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
        if ACTIVATIONS[self.activation.name].by_row:
            self.check_one_dimension(input_shape)
        return input_shape

    def description(self) -> dict[str, Any]:
        return {"type": "activation", **self.activation.description}

    def _flops(self, input_shape: Shape) -> int:
        return 0 if self.activation.name == "linear" else super()._flops(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {"activation": self.activation.config, **super().get_config()}


def activation_of(identifier: Any) -> ActivationFunction:
    """Return the activation for an identifier; a layer such as ``LeakyReLU(0.1)`` stands for its own."""
    if isinstance(identifier, Layer) and not isinstance(identifier, Activation):
        raise TypeError(f"activation must be None, a name, a function or a layer of an activation; got {identifier!r}")
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
        super().__init__(with_parameter("leaky_relu", negative_slope) if negative_slope else "relu", **keywords)

    @property
    def negative_slope(self) -> float:
        """The slope for negative inputs."""
        return self.activation.alpha

    def get_config(self) -> dict[str, Any]:
        return {"negative_slope": self.negative_slope, **super().get_config()}


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


@layers.add()
class PReLU(Layer):
    """The rectifier whose slope for negative inputs is learned, one for every input: ``x if x > 0 else alpha * x``.

    He, Zhang, Ren and Sun, ICCV 2015, arXiv:1502.01852, section 2.1.

    Parameters
    ----------
    alpha_initializer : str or Initializer, default "zeros"
        The slopes that training starts from; the paper starts from 0.25.
    shared_axes : None
        Only None is available.
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

    def __init__(self, alpha_initializer: Any = "zeros", shared_axes: None = None, **keywords: Any) -> None:
        if shared_axes is not None:
            raise unsupported(f"PReLU(shared_axes={shared_axes!r}) is not available")
        super().__init__(**keywords)
        self.alpha_initializer = initializers.get(alpha_initializer)

    def description(self) -> dict[str, Any]:
        return {"type": "prelu"}

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {"alpha": input_shape}

    def initializer(self, weight_name: str) -> initializers.Initializer:
        return {"alpha": self.alpha_initializer}[weight_name]

    def get_config(self) -> dict[str, Any]:
        return {"alpha_initializer": initializers.serialize(self.alpha_initializer), **super().get_config()}
