"""What `fit` returns."""

from html import escape
from typing import Any

from fastnet._curves import Curve
from fastnet._html import as_number, html_curves, html_table
from fastnet.callbacks.base import Callback, Logs
from fastnet.callbacks.progress import format_logs


class History(Callback):
    """What `fit` returns: the loss and the metrics of every epoch.

    Attributes
    ----------
    history : dict of list of float
        "loss", the metrics, and the same with "val_" in front; the training figures are means over the epoch's
        batches, each taken before its step.
    epoch : list of int
        The numbers of the epochs, from 0.
    params : dict
        "epochs", "steps" and "verbose".
    model : Sequential
        The model.
    interrupted, out_of_time : bool
        Whether Ctrl-C, or the end of `max_time`, ended training before its last epoch.
    estimated_seconds : float or None
        How long all epochs take, told from the pace of the first steps; None as long as that is not known.
    """

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
        """Draw every figure over the epochs, that of the validation dashed in the color of its own.

        Needs matplotlib: ``pip install "fastnet-nn[plot]"``.

        Parameters
        ----------
        ax : matplotlib Axes or list of Axes, optional
            One for every figure; new ones side by side unless given.

        Returns
        -------
        list of matplotlib Axes
        """
        from fastnet.plotting.history import plot_history

        return plot_history(self, axes=ax)

    def curves(self) -> dict[str, Curve]:
        """Return the epochs, from 1, and the values of every figure by its name."""
        return {
            name: Curve(self._epochs_of.get(name, list(range(1, len(values) + 1))), values)
            for name, values in self.history.items()
        }

    def _repr_html_(self) -> str:
        """Return what notebooks show: the figures of the last epoch, and a curve of each over the epochs."""
        curves = {name: curve for name, curve in self.curves().items() if curve.values}
        if not curves:
            return f"<div>{escape(repr(self))}</div>"
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
