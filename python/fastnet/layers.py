"""The layers of a model, with Keras's names and defaults.

Shapes are those of one sample, without the batch dimension. A layer describes itself to the compiled core, which does
the arithmetic of the whole network in one place.
"""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from fastnet import initializers
from fastnet._activations import ActivationFunction, get_activation, leaky_relu
from fastnet._layer import Layer, Shape
from fastnet._registry import Registry
from fastnet._validation import check_bool, check_integer, check_number, check_shape, describe, unsupported

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
    "serialize",
]

_layers = Registry(
    "layer",
    Layer,
    keras_only=[
        *["BatchNormalization", "Conv1D", "Conv2D", "Dropout", "ELU", "Embedding", "GRU", "GaussianNoise", "LSTM"],
        *["GlobalAveragePooling2D", "LayerNormalization", "MaxPooling2D", "Normalization", "PReLU", "Reshape"],
    ],
)
get = _layers.get
serialize = _layers.serialize
deserialize = _layers.deserialize


@_layers.add()
class InputLayer(Layer):
    """The shape of one sample, as the first entry of a model; it is not counted among the model's layers.

    Parameters
    ----------
    shape : tuple of int
        The shape of one sample, without the batch dimension.
    name : str, optional
        A name of your own.
    """

    def __init__(self, shape: Sequence[int], *, name: str | None = None, **keywords: Any) -> None:
        super().__init__(name=name, **keywords)
        self.shape = self.given_input_shape = check_shape("shape", shape)

    def description(self) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {"shape": list(self.shape), **super().get_config()}


def Input(shape: Sequence[int], *, name: str | None = None, **keywords: Any) -> InputLayer:
    """Return the shape of one sample as the first entry of a model.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.Input((784,)), fn.Dense(10)]).output_shape
    (10,)
    """
    return InputLayer(shape, name=name, **keywords)


@_layers.add()
class Dense(Layer):
    """A fully connected layer: ``activation(x @ kernel + bias)``.

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : str or function of `fastnet.functional`, optional
        "linear" (the default), "relu", "leaky_relu" (slope 0.2, as in Keras), "sigmoid", "tanh" or "softmax".
    use_bias : bool, default True
        Whether the layer has a bias.
    kernel_initializer : str or Initializer, default "glorot_uniform"
        The initial values of the kernel, of shape (inputs, units).
    bias_initializer : str or Initializer, default "zeros"
        The initial values of the bias, of shape (units,).
    input_shape, input_dim, name
        See `Layer`.

    Raises
    ------
    NotImplementedError
        An argument asks for something that Keras has and fastnet does not, such as `kernel_regularizer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(3, activation="relu", input_shape=(2,))], seed=0)
    >>> [array.shape for array in model.layers[0].get_weights()]
    [(2, 3), (3,)]
    """

    keras_defaults: ClassVar[dict[str, Any]] = {
        **Layer.keras_defaults,
        "kernel_regularizer": None,
        "bias_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
        "lora_rank": None,
        "lora_alpha": None,
    }

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        *,
        input_shape: Sequence[int] | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, input_dim=input_dim, **keywords)
        self.units = check_integer("units", units)
        self.activation = _activation_of(activation)
        self.use_bias = check_bool("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 1:
            raise unsupported(
                f"layer {self.name!r} takes samples of one dimension; got shape {input_shape}: put Flatten() before it"
            )
        return (self.units,)

    def description(self) -> dict[str, Any]:
        return {"type": "dense", "units": self.units, "use_bias": self.use_bias, **self.activation.description}

    @property
    def weight_names(self) -> list[str]:
        return ["kernel", "bias"] if self.use_bias else ["kernel"]

    def initializer(self, weight_name: str) -> initializers.Initializer:
        return {"kernel": self.kernel_initializer, "bias": self.bias_initializer}[weight_name]

    def get_config(self) -> dict[str, Any]:
        return {
            "units": self.units,
            "activation": self.activation.config,
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            **super().get_config(),
        }


@_layers.add()
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
        self.activation = _activation_of(activation)

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


def _activation_of(identifier: Any) -> ActivationFunction:
    """Return the activation for an identifier; a layer such as ``LeakyReLU(0.1)`` stands for its own."""
    return identifier.activation if isinstance(identifier, Activation) else get_activation(identifier)


@_layers.add()
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


@_layers.add()
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


@_layers.add()
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


@_layers.add()
class Rescaling(Layer):
    """Multiplies every value by `scale` and adds `offset`.

    As the first layer, ``Rescaling(1 / 255)`` lets a model take images of uint8 as they are: they are scaled batch by
    batch, never copied as a whole.

    Parameters
    ----------
    scale : float
        The factor.
    offset : float, default 0.0
        What is added to the product.
    input_shape, input_dim, name
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Rescaling(1 / 255, input_shape=(2,))])
    >>> model.predict(np.array([[0, 255]], np.uint8))
    array([[0., 1.]], dtype=float32)
    """

    def __init__(self, scale: float, offset: float = 0.0, **keywords: Any) -> None:
        super().__init__(**keywords)
        for name, value in {"scale": scale, "offset": offset}.items():
            if np.ndim(value):
                raise unsupported(f"Rescaling takes one number as {name}; got {describe(value)}")
        self.scale = check_number("scale", scale)
        self.offset = check_number("offset", offset)

    def description(self) -> dict[str, Any]:
        return {"type": "rescaling", "scale": self.scale, "offset": self.offset}

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "offset": self.offset, **super().get_config()}


@_layers.add()
class Flatten(Layer):
    """Makes one dimension of all dimensions of a sample; it costs nothing.

    Parameters
    ----------
    data_format : None
        Only None is available.
    input_shape, input_dim, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.Flatten(input_shape=(28, 28))]).output_shape
    (784,)
    """

    def __init__(self, data_format: None = None, **keywords: Any) -> None:
        if data_format is not None:
            raise unsupported(f"Flatten(data_format={data_format!r}) is not available")
        super().__init__(**keywords)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def description(self) -> None:
        return None
