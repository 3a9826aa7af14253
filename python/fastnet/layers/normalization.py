"""Layers that normalize what goes through them."""

from typing import Any, ClassVar

from fastnet import initializers
from fastnet.layers.base import Layer, Shape, layers, positions_of
from fastnet.support.validation import check_bool, check_number


class _Normalizing(Layer):
    """What batch and layer normalization have in common: gamma and beta for every feature."""

    core_type: ClassVar[str]
    operations: ClassVar[int]  # for one value, in prediction
    keras_defaults: ClassVar[dict[str, Any]] = {
        **Layer.keras_defaults,
        "beta_regularizer": None,
        "gamma_regularizer": None,
        "beta_constraint": None,
        "gamma_constraint": None,
    }

    def __init__(
        self,
        axis: int,
        epsilon: float,
        center: bool,
        scale: bool,
        own_initializers: dict[str, Any],
        keywords: dict[str, Any],
    ) -> None:
        self.check_axis(axis)
        super().__init__(**keywords)
        self.axis = axis
        self.epsilon = check_number("epsilon", epsilon, minimum=0.0)
        self.center = check_bool("center", center)
        self.scale = check_bool("scale", scale)
        self._initializers = {name: initializers.get(value) for name, value in own_initializers.items()}

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self.check_axis(self.axis, input_shape)
        return input_shape

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        own = {"epsilon": self.epsilon, "use_gamma": self.scale, "use_beta": self.center}
        return {"type": self.core_type, **own, **positions_of(input_shape)}

    def _flops(self, input_shape: Shape) -> int:
        return self.operations * super()._flops(input_shape)

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        left_out = {"gamma": not self.scale, "beta": not self.center}
        return {name: input_shape[-1:] for name in self._initializers if not left_out.get(name)}

    def initializer(self, weight_name: str) -> initializers.Initializer:
        return self._initializers[weight_name]

    def get_config(self) -> dict[str, Any]:
        return {
            "axis": self.axis,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            **{f"{name}_initializer": initializers.serialize(value) for name, value in self._initializers.items()},
            **super().get_config(),
        }


@layers.add()
class BatchNormalization(_Normalizing):
    """Brings every feature to mean 0 and variance 1 over the batch, then scales and shifts it.

    The features are the entries of the last axis: of images the channels, whose mean is that of all pixels of the batch.
    In training ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with the mean and the (biased) variance of
    the batch; in prediction with their moving averages, each of which a step of training moves as
    ``moving = momentum * moving + (1 - momentum) * value``. Ioffe and Szegedy, ICML 2015, arXiv:1502.03167.

    Parameters
    ----------
    axis : int, default -1
        Only the last axis, that of the features or of the channels, is available: -1 or its number, counted from 1.
    momentum : float, default 0.99
        How slowly the moving averages move, in [0, 1].
    epsilon : float, default 0.001
        Keeps the division finite.
    center, scale : bool, default True
        Whether there is a beta and a gamma.
    beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer : str or Initializer
        Zeros, ones, zeros and ones unless given.
    input_shape, input_dim, name
        See `Layer`.

    Notes
    -----
    `get_weights` returns gamma, beta, the moving mean and the moving variance, each with a number for every feature. The last two
    are not trainable. A batch that trains is normalized as a whole, however many threads work on it. With
    ``trainable=False`` the layer does in training what it does in prediction, and the moving averages stay, as in Keras.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential(
    ...     [
    ...         fn.Dense(64, use_bias=False, input_shape=(784,)),
    ...         fn.layers.BatchNormalization(),
    ...         fn.layers.ReLU(),
    ...         fn.Dense(10),
    ...     ]
    ... )
    >>> [array.shape for array in model.layers[1].get_weights()]
    [(64,), (64,), (64,), (64,)]
    """

    core_type = "batch_normalization"
    operations = 2
    keras_defaults: ClassVar[dict[str, Any]] = {
        **_Normalizing.keras_defaults,
        "renorm": False,
        "synchronized": False,
    }

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        **keywords: Any,
    ) -> None:
        own = {
            "gamma": gamma_initializer,
            "beta": beta_initializer,
            "moving_mean": moving_mean_initializer,
            "moving_variance": moving_variance_initializer,
        }
        super().__init__(axis, epsilon, center, scale, own, keywords)
        self.momentum = check_number("momentum", momentum, minimum=0.0, maximum=1.0)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        return {**super().description(input_shape), "momentum": self.momentum}

    def get_config(self) -> dict[str, Any]:
        return {"momentum": self.momentum, **super().get_config()}


@layers.add()
class LayerNormalization(_Normalizing):
    """Brings the features of every sample to mean 0 and variance 1, then scales and shifts them.

    The features are the entries of the last axis: of images the channels of every pixel.
    ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`` with the mean and the (biased) variance of
    these features, in training and in prediction. Ba, Kiros and Hinton (2016), arXiv:1607.06450.

    Parameters
    ----------
    axis : int, default -1
        Only the last axis, that of the features or of the channels, is available: -1 or its number, counted from 1.
    epsilon : float, default 0.001
        Keeps the division finite.
    center, scale : bool, default True
        Whether there is a beta and a gamma.
    beta_initializer, gamma_initializer : str or Initializer, default "zeros" and "ones"
        Their initial values.
    input_shape, input_dim, name
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.layers.LayerNormalization(epsilon=0.0, input_shape=(2,))])
    >>> model.predict(np.array([[1.0, 3.0]]))
    array([[-1.,  1.]], dtype=float32)
    """

    core_type = "layer_normalization"
    operations = 7
    keras_defaults: ClassVar[dict[str, Any]] = {**_Normalizing.keras_defaults, "rms_scaling": False}

    def __init__(
        self,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        **keywords: Any,
    ) -> None:
        own = {"gamma": gamma_initializer, "beta": beta_initializer}
        super().__init__(axis, epsilon, center, scale, own, keywords)
