"""The history that `fit` returns."""

import math
import weakref
from collections.abc import Mapping
from typing import Any, overload

from fastnet.callbacks.base import Callback, Logs
from fastnet.callbacks.progress import format_logs
from fastnet.support.curves import Curve
from fastnet.support.html import as_number, html_curves, html_table, html_text
from fastnet.support.validation import describe

MOST_EPOCHS = 1000  # in a file


class History(Callback):
    """The loss and the metrics of every epoch, returned by `fit`.

    Attributes
    ----------
    history : dict of list of float
        "loss", the metrics, and the same with the prefix "val_". Training figures are means over the epoch's
        batches, each computed before its step.
    epoch : list of int
        The numbers of the epochs, from 0. The end of `max_time` may cut the last one: its figures are those of the
        batches so far, without validation.
    params : dict
        "epochs", "steps" and "verbose".
    model : Sequential
        The model.
    interrupted, out_of_time : bool
        Whether Ctrl-C, or the end of `max_time`, ended training before its last epoch.
    estimated_seconds : float or None
        The estimated duration of all epochs, from the pace of the first steps; None until it is known.
    """

    __slots__ = ("model",)  # the rest is in `__dict__`, which the model keeps: see LastHistory
    state_names = ("history", "epoch", "_epochs_of")

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []
        self._epochs_of: dict[str, list[int]] = {}
        self.interrupted = self.out_of_time = False
        self.estimated_seconds: float | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self.history = {}
        self.epoch = []
        self._epochs_of = {}
        self.interrupted = self.out_of_time = False
        self.estimated_seconds = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._epochs_of.setdefault(name, []).append(epoch + 1)

    def plot(self, ax: Any = None) -> Any:
        """Plot every figure over the epochs, validation figures dashed in the color of the training figure.

        Needs matplotlib: ``pip install "fastnet-nn[plot]"``.

        Parameters
        ----------
        ax : matplotlib Axes or list of Axes, optional
            One for every figure; by default new ones, side by side.

        Returns
        -------
        list of matplotlib Axes
        """
        from fastnet.plotting.history import plot_history

        return plot_history(self, axes=ax)

    def curves(self) -> dict[str, Curve]:
        """Return the epochs, counted from 1, and the values of every figure by name."""
        return {
            name: Curve(self._epochs_of.get(name, list(range(1, len(values) + 1))), values)
            for name, values in self.history.items()
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as a JSON object, as saved in a model file.

        Returns
        -------
        dict
            "epoch", the numbers of the epochs from 0; "history", the values of each figure, None for one that is not
            finite; and "epochs_of", the epochs of figures that not every epoch has, such as "val_loss". Of more than
            1,000 epochs, evenly spaced ones and the last.
        """
        step = -(-len(self.epoch) // MOST_EPOCHS) or 1
        kept = self.epoch[::-step][::-1]
        wanted = {epoch + 1 for epoch in kept}
        values: dict[str, list[float | None]] = {}
        epochs_of: dict[str, list[int]] = {}
        for name, curve in self.curves().items():
            pairs = [(epoch, as_number(value)) for epoch, value in zip(*curve, strict=False) if epoch in wanted]
            values[name] = [value if math.isfinite(value) else None for _, value in pairs]
            if len(pairs) < len(kept):
                epochs_of[name] = [epoch - 1 for epoch, _ in pairs]
        return {"epoch": kept, "history": values, **({"epochs_of": epochs_of} if epochs_of else {})}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "History":
        """Return the history from the dictionary of `as_dict`; None becomes NaN.

        Raises
        ------
        ValueError
            The dictionary does not have the form of `as_dict`.
        """
        result = cls()
        result.epoch = _epochs(given, "epoch")
        figures, epochs_of = given.get("history"), given.get("epochs_of", {})
        if not isinstance(figures, Mapping) or not isinstance(epochs_of, Mapping):
            raise ValueError("history and epochs_of of a history must be dictionaries")
        for name in figures:
            values = _numbers(figures, name)
            epochs = _epochs(epochs_of, name) if name in epochs_of else result.epoch
            if len(epochs) != len(values):
                raise ValueError(f"{name} of a history must have {len(epochs)} values; got {len(values)}")
            result.history[name] = values
            result._epochs_of[name] = [epoch + 1 for epoch in epochs]
        return result

    def _repr_html_(self) -> str:
        """Return the HTML for notebooks: the figures of the last epoch, and a curve of each."""
        curves = {name: curve for name, curve in self.curves().items() if curve.values}
        if not curves:
            return f"<div>{html_text(repr(self))}</div>"
        validated = any(f"val_{name}" in curves for name in curves)

        def last(name: str) -> str:
            return f"{as_number(curves[name].values[-1]):.4g}" if name in curves else ""

        rows = [
            (name, last(name), *([last(f"val_{name}")] if validated else []))
            for name in curves
            if not (name.startswith("val_") and name.removeprefix("val_") in curves)
        ]
        epochs = f"{len(self.epoch)} epoch{'' if len(self.epoch) == 1 else 's'}"
        headings = (epochs, "training", "validation") if validated else (epochs, "training")
        return f"<div>{html_table(headings, rows)}{html_curves(curves)}</div>"

    def __repr__(self) -> str:
        last = {name: values[-1] for name, values in self.history.items() if values}
        return f"<History of {len(self.epoch)} epochs: {format_logs(last)}>"


class LastHistory:
    """Descriptor of a model's attribute `history`: the last `History`, or None.

    The model keeps the contents of the history, not the object, which refers to the model. Such a reference cycle would
    keep the model and its training data in memory until the garbage collector runs, which may be many models later.
    """

    @overload
    def __get__(self, model: None, owner: type) -> "LastHistory": ...
    @overload
    def __get__(self, model: object, owner: type) -> History | None: ...
    def __get__(self, model: Any, owner: type) -> Any:
        if model is None:
            return self
        if vars(model)["_history"] is None:
            return None
        known = vars(model).get("_known_history")
        if known is None or (history := known()) is None:
            kind, figures = vars(model)["_history"]
            history = kind.__new__(kind)
            history.__dict__ = figures
            self.__set__(model, history)
        return history

    def __set__(self, model: Any, history: History | None) -> None:
        vars(model)["_history"] = None
        if history is not None:
            history.model = model
            attributes = vars(model)
            attributes["_history"], attributes["_known_history"] = (type(history), vars(history)), weakref.ref(history)


def _numbers(given: Mapping[str, Any], name: str) -> list[float]:
    """Return an entry of a dictionary of `History.as_dict` that must be a list of numbers or None."""
    values = given.get(name)
    if not isinstance(values, list) or not all(
        value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values
    ):
        raise ValueError(f"{name} of a history must be a list of numbers; got {describe(values)}")
    return [as_number(value) for value in values]


def _epochs(given: Mapping[str, Any], name: str) -> list[int]:
    """Return an entry that must be a list of whole numbers from 0."""
    numbers = _numbers(given, name)
    if not all(number >= 0 and number.is_integer() for number in numbers):
        raise ValueError(f"{name} of a history must be whole numbers from 0; got {describe(given[name])}")
    return [int(number) for number in numbers]
