"""The input and the fully connected layer."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from fastnet.initializers import Initializer
from fastnet.layers.base import Layer, Shape, layers, positions_of
from fastnet.layers.kernels import KernelLayer
from fastnet.regularizers import Regularizer
from fastnet.support.validation import check_integer, check_shape, describe


@layers.add()
class InputLayer(Layer):
    """The shape of one sample, as the first entry of a model; it is not counted among the model's layers.

    Parameters
    ----------
    shape : tuple of int
        The shape of one sample, without the batch dimension.
    batch_size : int, optional
        Accepted as in Keras, and checked; models take any number of samples.
    batch_shape : tuple, optional
        ``(batch_size, *shape)``, instead of both.
    name : str, optional
        Optional name.
    dtype : str, optional
        Accepted as in Keras; samples may have any dtype of real numbers.
    """

    keras_defaults: ClassVar[dict[str, Any]] = {
        **Layer.keras_defaults,
        **dict.fromkeys(["sparse", "ragged", "tensor"]),
        "optional": False,
    }

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        batch_size: int | None = None,
        *,
        batch_shape: Sequence[int | None] | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        if (dtype := keywords.pop("dtype", None)) is not None and np.dtype(dtype).kind not in "fiub":
            raise ValueError(f"dtype must be one of real numbers; got {dtype!r}")
        super().__init__(name=name, **keywords)
        if (shape is None) == (batch_shape is None) or (batch_shape is not None and batch_size is not None):
            raise ValueError(
                f"Input needs a shape, or batch_shape alone; got shape={shape!r}, batch_size={batch_size!r}, "
                f"batch_shape={batch_shape!r}"
            )
        if batch_shape is not None:
            batch_size, *sizes = _checked_batch_shape(batch_shape)
            self.given_input_shape = check_shape("batch_shape without its first entry", sizes)
        else:
            self.given_input_shape = check_shape("shape", shape)
        if batch_size is not None:
            check_integer("batch_size", batch_size)

    @property
    def shape(self) -> Shape:
        """The shape of one sample."""
        assert self.given_input_shape is not None
        return self.given_input_shape

    def description(self, _input_shape: Shape, /) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {"shape": list(self.shape), **super().get_config()}


def _checked_batch_shape(batch_shape: Any) -> Sequence[Any]:
    if not isinstance(batch_shape, tuple | list) or len(batch_shape) < 2:
        raise TypeError(
            f"batch_shape must be a tuple of the batch size, which may be None, and the shape of a sample; "
            f"got {describe(batch_shape)}"
        )
    return batch_shape


def Input(
    shape: Sequence[int] | None = None,
    batch_size: int | None = None,
    *,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    **keywords: Any,
) -> InputLayer:
    """Return the shape of one sample as the first entry of a model; see `InputLayer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.Input((784,)), fn.Dense(10)]).output_shape
    (10,)
    """
    return InputLayer(shape, batch_size, batch_shape=batch_shape, name=name, **keywords)


@layers.add()
class Dense(KernelLayer):
    """A fully connected layer: ``activation(x @ kernel + bias)``.

    Of samples of several dimensions it multiplies every row along the last one, as in Keras; `Flatten` makes one row of all.

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

    kernel_initializer: Initializer
    kernel_regularizer: Regularizer | None

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
        own = (kernel_initializer, kernel_regularizer), (bias_initializer, bias_regularizer)
        keywords.update(name=name, input_shape=input_shape, input_dim=input_dim)
        super().__init__(activation, use_bias, own, keywords)
        self.units = check_integer("units", units)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.units)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        own = {"units": self.units, "use_bias": self.use_bias, **self.activation.description}
        return {"type": "dense", **own, **positions_of(input_shape)}

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        bias: dict[str, Shape] = {"bias": (self.units,)} if self.use_bias else {}
        return {"kernel": (input_shape[-1], self.units), **bias}

    def _flops(self, input_shape: Shape) -> int:
        outputs = math.prod(self.compute_output_shape(input_shape))
        return outputs * (2 * input_shape[-1] + self.flops_per_output)

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units, **super().get_config()}
