"""Layers that prepare the values of samples."""

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnet.initializers import Initializer
from fastnet.inputs.samples import as_array, check_finite
from fastnet.inputs.tables import names_to_learn
from fastnet.layers.base import Layer, Shape, layers, positions_of
from fastnet.support.validation import check_number, describe, unsupported

_VALUES = 2**22  # of data at a time: 32 MB as float64


@layers.add()
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

    def description(self, _input_shape: Shape, /) -> dict[str, Any]:
        return {"type": "rescaling", "scale": self.scale, "offset": self.offset}

    def _flops(self, input_shape: Shape) -> int:
        return 2 * super()._flops(input_shape)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "offset": self.offset, **super().get_config()}


class _Given(Initializer):
    """Values that are known before the weights exist."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.values = values

    def _values(self, shape: tuple[int, ...], generator: Any, /) -> NDArray[np.float64]:
        del generator
        if self.values.ndim and self.values.shape != shape:
            raise ValueError(f"mean and variance must have shape {shape}, as a sample; got {self.values.shape}")
        return np.broadcast_to(self.values, shape)

    def __call__(self, shape: tuple[int, ...], dtype: DTypeLike = "float32", *, generator: Any = None) -> NDArray[Any]:
        return _rounded(self._values(shape, generator), dtype)


@layers.add()
class Normalization(Layer):
    """Brings every feature to mean 0 and variance 1 by a mean and a variance that are known: ``(x - mean) / sqrt(variance)``.

    `adapt` takes them from data. They are kept among the layer's weights, not trained, and saved with the model: a file
    takes samples as they are measured.

    Parameters
    ----------
    axis : int or None, default -1
        The axis that has a mean and a variance of its own for every entry, the features or the channels: only the last one
        is available, -1 or its number, counted from 1. None takes one mean and one variance of all values.
    mean, variance : array_like, optional
        Numbers, or one number for every feature; both or neither.
    invert : bool, default False
        Only False is available.
    input_shape, input_dim, name
        See `Layer`.

    Attributes
    ----------
    mean, variance : ndarray of shape (features,)
        Those of `adapt` or of the arguments, which may be single numbers before the model is built.

    Notes
    -----
    A feature of variance 0 becomes 0: its distance from the mean is divided by 1e-7, as in Keras. That is why `adapt` warns
    of a feature whose standard deviation is below; a `Rescaling` before the layer changes its unit. Without `adapt` or given
    values the mean is 0 and the variance 1.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> x = np.array([[1.0, 100.0], [3.0, 300.0]])
    >>> normalization = fn.layers.Normalization()
    >>> normalization.adapt(x)
    >>> fn.Sequential([normalization]).predict(x)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    """

    epsilon: float = 1e-14  # of the variance: 1e-7 of its root
    _settable = frozenset(["feature_names"])

    def __init__(
        self,
        axis: int | None = -1,
        mean: ArrayLike | None = None,
        variance: ArrayLike | None = None,
        invert: bool = False,
        **keywords: Any,
    ) -> None:
        if axis is not None:
            self.check_axis(axis)
        if invert:
            raise unsupported(f"Normalization(invert={invert!r}) is not available")
        if (mean is None) != (variance is None):
            raise ValueError(f"give mean and variance, or neither; got mean={mean!r}, variance={variance!r}")
        super().__init__(**keywords)
        self.axis = axis
        self.feature_names: list[str] | None = None  # of what it was adapted to, or its model trained on
        self._given = {
            "mean": _moment("mean", 0.0 if mean is None else mean),
            "variance": _moment("variance", 1.0 if variance is None else variance),
        }
        if self._given["variance"].min(initial=0.0) < 0.0:
            raise ValueError(f"variance must not be negative; got {self._given['variance'].min()}")

    def adapt(self, data: Any) -> None:
        """Take the mean and the variance of every feature from data; those of an earlier call are dropped.

        Parameters
        ----------
        data : array_like or table, shape (n, ..., features)
            Samples. They are read in pieces and never copied as a whole. A model that begins with the layer takes the
            columns of tables by the names of those in `data`.

        Raises
        ------
        ValueError
            There is no sample, a value is not finite, the model's dtype does not hold the variance, or samples have
            another shape or other columns than the model's.

        Warns
        -----
        UserWarning
            The values of a feature differ by so little that they are all near 0 after the layer.
        """
        known = None if self._weights is None else self.feature_names
        array = as_array("data", data, known)
        if array.ndim < 2 or not len(array):
            raise ValueError(f"data must have shape (n, ..., features) with at least one sample; got {array.shape}")
        names = (known or names_to_learn("data", data)) if self.axis is not None else None
        mean, variance = _moments(array, None if self.axis is None else tuple(range(array.ndim - 1)))
        if not (np.isfinite(mean).all() and np.isfinite(variance).all()):
            check_finite("data", np.asarray(array, np.float64).reshape(len(array), -1), "float64", names)
            raise ValueError("data has values so large that their variance is infinite")
        if self._weights is None:
            self._given, self._kept_weights = {"mean": mean, "variance": variance}, []
        else:
            shape = self._weights.slots[0].shape
            if mean.ndim and mean.shape != shape:
                raise ValueError(f"data must have samples of shape {shape}; got {mean.shape}")
            dtype = self._weights.snapshot()[0].dtype
            self._weights.set([_rounded(np.broadcast_to(moment, shape), dtype) for moment in (mean, variance)])
        self.feature_names = names
        if (small := np.flatnonzero((variance < self.epsilon) & (variance > np.square(1e-12 * mean)))).size:
            warnings.warn(
                f"feature {small[0]} has a standard deviation of {np.sqrt(variance.reshape(-1)[small[0]]):.1g}; Normalization "
                "divides by 1e-7 at least, as in Keras: Rescaling before it changes the unit",
                stacklevel=2,
            )

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.axis is not None:
            self.check_axis(self.axis, input_shape)
        return input_shape

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        return {"type": "normalization", "epsilon": self.epsilon, **positions_of(input_shape)}

    def _flops(self, input_shape: Shape) -> int:
        return 2 * super()._flops(input_shape)

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return dict.fromkeys(self._given, input_shape[-1:])

    def initializer(self, weight_name: str) -> Initializer:
        return _Given(self._given[weight_name])

    def arrays_for_call(self, input_shape: Shape) -> dict[str, NDArray[Any]]:
        if self._weights is not None or self._kept_weights:
            return super().arrays_for_call(input_shape)
        return {name: self.initializer(name)(shape) for name, shape in self.weight_shapes(input_shape).items()}

    if not TYPE_CHECKING:  # mypy would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            """Return the mean or the variance, which the layer knows before its model is built."""
            given = vars(self).get("_given", {})
            if name not in given or vars(self).get("_weights") is not None:
                return super().__getattr__(name)
            if kept := vars(self)["_kept_weights"]:
                return kept[list(given).index(name)].copy()
            return given[name].astype(np.float32)

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis, **super().get_config()}


def _moment(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return a mean or a variance as a number or a row of numbers."""
    array = np.asarray(as_array(name, values), np.float64)
    if array.ndim > 1 or not np.isfinite(array).all():
        raise ValueError(f"{name} must be a number or a row of finite numbers; got {describe(values)}")
    return array


def _rounded(moment: NDArray[np.float64], dtype: DTypeLike) -> NDArray[Any]:
    """Return a mean or a variance in the dtype of a model, which must hold it."""
    with np.errstate(over="ignore"):
        rounded = moment.astype(dtype)
    if not np.isfinite(rounded).all():
        raise ValueError(
            f"Normalization has a mean or a variance of {np.abs(moment).max():.1g}, too large for {rounded.dtype}: put "
            "Rescaling before it, which changes the unit, or use dtype='float64' for the model"
        )
    return rounded


def _moments(array: NDArray[Any], axes: tuple[int, ...] | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and variance over some axes, or all, in float64: two passes over pieces of the data."""
    rows = min(4096, max(1, _VALUES // max(1, math.prod(array.shape[1:]))))
    pieces = [array[start : start + rows] for start in range(0, len(array), rows)]
    count = array.size if axes is None else math.prod(array.shape[axis] for axis in axes)
    with np.errstate(all="ignore"):  # the caller says what is wrong with a NaN
        mean = np.asarray(sum(np.sum(piece, axis=axes, dtype=np.float64) for piece in pieces) / count)
        squares = sum(np.square(np.asarray(piece, np.float64) - mean).sum(axis=axes) for piece in pieces)
    return mean, np.asarray(squares / count)
