"""Python functions as metrics: the mean of their values, and what a file says of them."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fastnet.losses import functions as of_losses
from fastnet.metrics import correlation, functions
from fastnet.metrics.base import Array, Averaged, Metric
from fastnet.support.validation import describe

MODULE: Final = "fastnet"  # in entries of functions that need not be given again
OWN: Final[Mapping[str, Callable[..., Any]]] = {
    **{name: getattr(of_losses, name) for name in of_losses.__all__},
    **{name: getattr(functions, name) for name in functions.__all__},
    **{
        function.__name__: function
        for function in (correlation.pearson_correlation, correlation.concordance_correlation)
    },
}


class FunctionMetric(Averaged):
    """A Python function of targets and predictions as a metric: the mean of its values over the samples.

    Parameters
    ----------
    function : callable
        ``f(y_true, y_pred)`` returns a number for the batch or one for every sample. Its attribute `direction`, "up" or
        "down", is the better direction; for losses of fastnet it is "down".
    """

    along_last_axis = False

    def __init__(self, function: Callable[..., Any], name: str | None = None, dtype: Any = None) -> None:
        self.function = function
        is_loss = str(getattr(function, "__module__", "")).startswith(("fastnet.functional.losses.", "fastnet.losses."))
        self.direction = getattr(function, "direction", "down" if is_loss else None)
        super().__init__(name or name_of(function), dtype)

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        values = np.asarray(self._call(true, pred), np.float64)
        if values.ndim and len(values) != len(pred):
            raise ValueError(
                f"the metric {self.name!r} must return a number or one for every row, {len(pred)}; got {values.shape}"
            )
        per_row = values.reshape(len(pred), -1).mean(axis=1) if values.ndim else np.broadcast_to(values, len(pred))
        return np.asarray(per_row)

    def _call(self, true: NDArray[Any], pred: Array) -> Any:
        return self.function(true, pred)

    @property
    def entry(self) -> dict[str, Any]:
        """The entry of a file: the name of the function, which `restored` looks up, and what was given with it."""
        name = name_of(self.function)
        own = OWN.get(name) is self.function
        return {
            "function": name,
            **({"module": MODULE} if own else {}),
            **({"name": self.name} if self.name != name else {}),
        }


class MeanMetricWrapper(FunctionMetric):
    """The mean of the values of a function, with further arguments.

    Parameters
    ----------
    fn : callable
        As for `FunctionMetric`.
    name, dtype
        See `Metric`.
    **keywords
        Arguments of `fn` in addition to targets and predictions.

    Examples
    --------
    >>> import fastnet as fn
    >>> metric = fn.metrics.MeanMetricWrapper(fn.losses.huber, delta=0.5)
    >>> metric([[0.0]], [[2.0]])
    0.875
    """

    def __init__(self, fn: Callable[..., Any], name: str | None = None, dtype: Any = None, **keywords: Any) -> None:
        self.keywords = keywords
        super().__init__(fn, name, dtype)

    def _call(self, true: NDArray[Any], pred: Array) -> Any:
        return self.function(true, pred, **self.keywords)

    @property
    def entry(self) -> dict[str, Any]:
        return {**super().entry, **({"keywords": _storable(self.keywords)} if self.keywords else {})}


def name_of(function: Any) -> str:
    """Return the name of a function, or of its class."""
    return str(getattr(function, "__name__", type(function).__name__)).strip("<>")


def restored(entry: Mapping[str, Any], functions: Mapping[str, Any] | None = None) -> Any:
    """Return the metric of an entry of a file.

    Parameters
    ----------
    entry : mapping
        As `FunctionMetric.entry` has it.
    functions : mapping, optional
        Functions of the user's by their names; a metric among them is taken as it is.

    Raises
    ------
    ValueError
        The function is not known, or the entry is damaged or lacks the values of its keywords.
    """
    name, keywords = entry["function"], entry.get("keywords", {})
    known = OWN if entry.get("module") == MODULE else functions or {}
    if not isinstance(name, str) or name not in known:
        raise ValueError(
            f"a metric is the Python function {name!r}, which a file cannot contain: pass it in "
            "custom_objects, or load the model with compile=False"
        )
    if isinstance(given := known[name], Metric):
        return given
    if isinstance(keywords, list):
        raise ValueError(
            f"the metric of the function {name!r} has arguments that a file cannot contain, {keywords}: pass the whole "
            "metric in custom_objects, or load the model with compile=False"
        )
    if not isinstance(keywords, dict):
        raise ValueError(f"keywords of the function {name!r} must be a dict; got {describe(keywords)}")
    if keywords:
        return MeanMetricWrapper(given, entry.get("name"), **keywords)
    return FunctionMetric(given, entry["name"]) if "name" in entry else given


def _storable(keywords: Mapping[str, Any]) -> dict[str, Any] | list[str]:
    """Return keywords as JSON can hold them, or only their names where it cannot hold all values."""
    plain = {
        key: value.tolist() if isinstance(value, np.generic | np.ndarray) else value for key, value in keywords.items()
    }
    try:
        json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError):
        return sorted(plain)
    return plain
