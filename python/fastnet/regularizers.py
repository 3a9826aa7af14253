"""Penalties on weights, which are added to the loss, with Keras's names and defaults."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnet.support.missing_names import explain_missing
from fastnet.support.registry import Configurable, Registry
from fastnet.support.validation import check_number

__all__ = ["L1", "L1L2", "L2", "Regularizer", "deserialize", "get", "l1", "l1_l2", "l2", "serialize"]

explain_missing(__name__)


class Regularizer(Configurable):
    """Base class of regularizers: ``l1 * sum(abs(w)) + l2 * sum(w**2)`` over the weights w.

    A regularizer is called with weights and returns the penalty.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.regularizers.L1L2(l1=0.5, l2=0.25)([3.0, -4.0])
    9.75
    """

    def __init__(self, l1: float, l2: float) -> None:
        self.l1 = check_number("l1", l1, minimum=0.0)
        self.l2 = check_number("l2", l2, minimum=0.0)

    def __call__(self, weights: ArrayLike) -> float:
        """Return the penalty on weights."""
        array = np.asarray(weights, np.float64)
        return float(self.l1 * np.abs(array).sum() + self.l2 * np.square(array).sum())


_regularizers = Registry("regularizer", Regularizer, "regularizers")
serialize = _regularizers.serialize
deserialize = _regularizers.deserialize


def get(identifier: Any) -> Regularizer | None:
    """Return the regularizer for "l1", "l2", "l1l2", an object or its configuration; None stays None."""
    return None if identifier is None else _regularizers.get(identifier)


@_regularizers.add("l1")
class L1(Regularizer):
    """Add ``l1 * sum(abs(w))`` to the loss, which drives weights to zero: Tibshirani (1996).

    Parameters
    ----------
    l1 : float, default 0.01
        The factor.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(1, use_bias=False, kernel_regularizer="l1", input_shape=(2,))])
    >>> model.compile("sgd", "mse")
    >>> model.set_weights([[[3.0], [-4.0]]])
    >>> round(model.evaluate([[0.0, 0.0]], [0.0], verbose=0), 6)
    0.07
    """

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


@_regularizers.add("l2")
class L2(Regularizer):
    """Add ``l2 * sum(w**2)`` to the loss, which keeps weights small.

    Parameters
    ----------
    l2 : float, default 0.01
        The factor; the gradient is ``2 * l2 * w``.
    """

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(0.0, l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


@_regularizers.add("l1l2", "l1_l2")
class L1L2(Regularizer):
    """Add ``l1 * sum(abs(w)) + l2 * sum(w**2)`` to the loss.

    Parameters
    ----------
    l1, l2 : float, default 0.0
        The factors.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        super().__init__(l1, l2)

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


# Keras's names in lower case are the classes themselves, as there.
l1 = L1
l2 = L2
l1_l2 = L1L2
