"""The input and the fully connected layer."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from fastnet import initializers, regularizers
from fastnet.layers.activation import activation_of
from fastnet.layers.base import Layer, Shape, layers
from fastnet.support.validation import check_bool, check_integer, check_shape


@layers.add()
class InputLayer(Layer):
    """The shape of one sample, as the first entry of a model; it is not counted among the model's layers.

    Parameters
    ----------
    shape : tuple of int
        The shape of one sample, without the batch dimension.
    name : str, optional
        Optional name.
    """

    def __init__(self, shape: Sequence[int], *, name: str | None = None, **keywords: Any) -> None:
        super().__init__(name=name, **keywords)
        self.given_input_shape = check_shape("shape", shape)

    @property
    def shape(self) -> Shape:
        """The shape of one sample."""
        assert self.given_input_shape is not None
        return self.given_input_shape

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


@layers.add()
class Dense(Layer):
    """A fully connected layer: ``activation(x @ kernel + bias)``.

    Parameters
    ----------
    units : int
        The number of outputs.
    activation : str or function of `fastnet.functional`, optional
        Any activation of `fastnet.functional`, which has their formulas, or its name, such as "relu", "tanh" or
        "softmax"; "linear" by default. "leaky_relu" has the slope 0.2, as in Keras; "gelu_tanh" is the approximation of
        "gelu", and "swish" is "silu".
    use_bias : bool, default True
        Whether the layer has a bias.
    kernel_initializer : str or Initializer, default "glorot_uniform"
        The initial values of the kernel, of shape (inputs, units).
    bias_initializer : str or Initializer, default "zeros"
        The initial values of the bias, of shape (units,).
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        "l1", "l2" or an object of `fastnet.regularizers`: a penalty on the weights that is added to the loss.
    input_shape, input_dim, name
        See `Layer`.

    Raises
    ------
    NotImplementedError
        An argument asks for something that Keras has and fastnet does not, such as `kernel_constraint`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(3, activation="relu", input_shape=(2,))], seed=0)
    >>> [array.shape for array in model.layers[0].get_weights()]
    [(2, 3), (3,)]
    """

    keras_defaults: ClassVar[dict[str, Any]] = {
        **Layer.keras_defaults,
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
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        *,
        input_shape: Sequence[int] | None = None,
        input_dim: int | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(name=name, input_shape=input_shape, input_dim=input_dim, **keywords)
        self.units = check_integer("units", units)
        self.activation = activation_of(activation)
        self.use_bias = check_bool("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_one_dimension(input_shape)
        return (self.units,)

    def description(self) -> dict[str, Any]:
        return {"type": "dense", "units": self.units, "use_bias": self.use_bias, **self.activation.description}

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        kernel = {"kernel": (*input_shape, self.units)}
        return {**kernel, "bias": (self.units,)} if self.use_bias else kernel

    def _flops(self, input_shape: Shape) -> int:
        per_unit = 2 * math.prod(input_shape) + self.use_bias + (self.activation.name != "linear")
        return self.units * per_unit

    def initializer(self, weight_name: str) -> initializers.Initializer:
        return {"kernel": self.kernel_initializer, "bias": self.bias_initializer}[weight_name]

    def regularizer(self, weight_name: str) -> regularizers.Regularizer | None:
        return {"kernel": self.kernel_regularizer, "bias": self.bias_regularizer}[weight_name]

    def get_config(self) -> dict[str, Any]:
        return {
            "units": self.units,
            "activation": self.activation.config,
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            **{
                f"{name}_regularizer": regularizers.serialize(regularizer)
                for name, regularizer in [("kernel", self.kernel_regularizer), ("bias", self.bias_regularizer)]
                if regularizer is not None
            },
            **super().get_config(),
        }
