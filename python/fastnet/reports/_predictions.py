"""Predictions of a model together with the true values: classes, labels or numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet import functional
from fastnet.inputs.samples import as_array
from fastnet.metrics.reports import _labels
from fastnet.models.classes import last_activation
from fastnet.support.figures import is_picture, picture_shape

if TYPE_CHECKING:
    from fastnet.models import Sequential
    from fastnet.quantization import QuantizedModel

_PROBABILITIES = ("softmax", "sigmoid", "log_softmax", "hard_sigmoid")


@dataclass(frozen=True)
class Classes:
    """True and predicted classes of samples.

    Attributes
    ----------
    true, predicted : ndarray of shape (n,), int64
        The codes of the classes.
    probabilities : ndarray of shape (n, classes), float64
        The predicted probability of each class.
    names : list of str
        The name of each class.
    """

    true: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.true)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of the predicted class."""
        return self.probabilities[np.arange(len(self)), self.predicted]


@dataclass(frozen=True)
class Labels:
    """True and predicted labels of samples, which may have several labels or none.

    Attributes
    ----------
    true, predicted : ndarray of shape (n, labels), bool
        Which labels each sample has; labels with a probability above 0.5 are predicted.
    probabilities : ndarray of shape (n, labels), float64
        The predicted probability of each label.
    names : list of str
        The name of each label.
    """

    true: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.true)


@dataclass(frozen=True)
class Numbers:
    """True and predicted numbers of a regression.

    Attributes
    ----------
    true, predicted : ndarray of shape (n, outputs), float64
        The numbers.
    names : list of str
        The name of each output.
    """

    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    names: list[str]

    def __len__(self) -> int:
        return len(self.true)


def predictions_of(model: "Sequential | QuantizedModel", x: Any, y: Any) -> Classes | Labels | Numbers:
    """Return the predictions for samples and the true values.

    A model whose outputs are probabilities is a classifier: it ends with a softmax or a sigmoid, or its loss includes
    one (``from_logits=True``). With sigmoids, rows of zeros and ones that are not one-hot are multi-label targets;
    other targets are numbers.

    Raises
    ------
    ValueError
        `y` has no rows, another number of rows than `x`, or labels unknown to the model; or an output is NaN.
    """
    outputs = np.asarray(model.predict(x, verbose=0), np.float64)
    outputs = outputs.reshape(len(outputs), math.prod(outputs.shape[1:]))
    if not len(outputs):
        raise ValueError("x must have at least one sample; got none")
    if (undefined := np.isnan(outputs).any(axis=1)).any():
        row = int(undefined.argmax())
        raise ValueError(f"the model's output for row {row} is NaN: its weights are not finite or too large")
    probabilities = _probabilities(model, outputs)
    if probabilities is not None and (codes := _codes(model, y, probabilities.shape[1])) is not None:
        _check_rows(codes, outputs)
        return Classes(codes, probabilities.argmax(axis=1), probabilities, _class_names(model, probabilities.shape[1]))
    true = as_array("y", y).astype(np.float64)
    _check_rows(true, outputs)
    if probabilities is not None and true.shape == probabilities.shape and np.isin(true, (0, 1)).all():
        names = _class_names(model, probabilities.shape[1])
        return Labels(true.astype(np.bool_), probabilities > 0.5, probabilities, names)
    if true.size != outputs.size:
        raise ValueError(f"y must have shape {outputs.shape}, the shape of the predictions; got {true.shape}")
    if not np.isfinite(true).all():
        raise ValueError("y must be finite; got NaN or infinity")
    count = outputs.shape[1]
    given = model.class_names if model.class_names and len(model.class_names) == count else None
    names = given or (["output"] if count == 1 else [f"output {i}" for i in range(count)])
    return Numbers(true.reshape(outputs.shape), outputs, names)


def _check_rows(targets: NDArray[Any], outputs: NDArray[Any]) -> None:
    if targets.ndim == 0 or len(targets) != len(outputs):
        raise ValueError(f"y must have as many rows as x, {len(outputs)}; got shape {targets.shape}")


def _probabilities(model: "Sequential | QuantizedModel", outputs: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the probability of every class; None if the outputs are not probabilities."""
    activation = last_activation(model)
    loss = getattr(model, "loss", None)  # the model may not be compiled
    if loss is not None and loss.from_logits:
        outputs = functional.sigmoid(outputs) if _are_independent(model) else functional.softmax(outputs)
    elif activation == "log_softmax":
        outputs = np.exp(outputs)
    elif activation not in _PROBABILITIES:
        return None
    outputs = np.clip(outputs, 0.0, 1.0)  # rounding may exceed 1
    return np.concatenate([1.0 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs


def _are_independent(model: "Sequential | QuantizedModel") -> bool:
    """Return whether the outputs are independent probabilities, as those of sigmoids."""
    loss = getattr(model, "loss", None)
    by_loss = loss is not None and loss.from_logits and loss.identifier.startswith("binary")
    return by_loss or last_activation(model) in ("sigmoid", "hard_sigmoid")


def _class_names(model: "Sequential | QuantizedModel", count: int) -> list[str]:
    names = model.class_names
    return [str(name) for name in names] if names and len(names) == count else [str(code) for code in range(count)]


def _codes(model: "Sequential | QuantizedModel", y: Any, count: int) -> NDArray[np.int64] | None:
    """Return the code of every sample's class; None if `y` holds other numbers and the model may be a regression."""
    try:
        labels = _labels("y", y, probabilities=False)
    except ValueError:
        if _are_independent(model):
            return None
        raise
    if labels.dtype.kind in "buif":
        if ((labels < 0) | (labels >= count)).any():
            wrong = labels[(labels < 0) | (labels >= count)][0]
            raise ValueError(f"y must hold labels from 0 to {count - 1}, the classes of the model; got {wrong}")
        return labels.astype(np.int64)
    return _codes_of_names(labels, _class_names(model, count))


def _codes_of_names(labels: NDArray[Any], names: Sequence[str]) -> NDArray[np.int64]:
    known = {name: code for code, name in enumerate(names)}
    codes = np.array([known.get(str(label), -1) for label in labels.tolist()], np.int64)
    if (codes < 0).any():
        unknown = str(labels[codes < 0][0])
        shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
        raise ValueError(f"y must hold the names of the model's classes, {shown}; got {unknown!r}")
    return codes


def as_image_shape(
    model: "Sequential | QuantizedModel", x: Any, given: Sequence[int] | str | None
) -> tuple[int, ...] | None:
    """Return the shape of a sample as an image; None if it is not an image."""
    assert model.input_shape is not None
    size = math.prod(model.input_shape)
    if given is None:
        return None
    if not isinstance(given, str):
        return picture_shape(size, given, "of the model")
    if given != "auto":
        raise ValueError(f"image_shape must be a tuple of integers, 'auto' or None; got {given!r}")
    shape = model.input_shape
    if is_picture(shape):
        return picture_shape(size, shape, "of the model")
    side = math.isqrt(size)
    if side * side != size or side < 8:
        return None
    names = model.feature_names
    looks_like_pixels = all(name.lower().startswith("pix") for name in names) if names else _are_intensities(x)
    return (side, side) if looks_like_pixels else None


def _are_intensities(x: Any) -> bool:
    """Return whether values are bytes, or fractions from 0 to 1, as in images."""
    if getattr(x, "dtype", None) == np.uint8:
        return True
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiu" or not x.size:
        return False
    low, high = x.min(), x.max()
    return bool(low >= 0 and (high <= 1 or (high <= 255 and x.dtype.kind in "iu")))
