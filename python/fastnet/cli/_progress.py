"""Progress of training: a bar on a terminal, lines elsewhere, with the speed and the remaining time."""

import sys
import time
from typing import Any

import numpy as np

from fastnet.callbacks import Callback
from fastnet.cli._output import describe_seconds, note
from fastnet.cli._terminal import is_live, terminal_width, unfiltered

__all__ = ["TrainingProgress"]

LINES = 20  # approximate number of lines, however long the training
SECONDS_BETWEEN_LINES = 10.0  # within an epoch
BAR = "{desc}: {percentage:3.0f}%|{bar}| {rate_fmt}, {remaining} left{postfix}"


class TrainingProgress(Callback):
    """Print the progress of training to standard error, and end it when the loss is no longer finite.

    Parameters
    ----------
    rows : int
        Number of rows in an epoch.
    batch_size : int
        Number of rows per step.
    quiet : bool
        Whether to print nothing.

    Attributes
    ----------
    epoch : int
        The current epoch, counted from 1.
    """

    def __init__(self, rows: int, batch_size: int, quiet: bool) -> None:
        super().__init__()
        self._rows = rows
        self._batch_size = batch_size
        self._quiet = quiet
        self._bar: Any = None
        self.epoch = 1
        self._last_line = 0.0
        self._start: tuple[float, int] | None = None  # start time and row; not row 0 after resuming

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._last_line = time.monotonic()
        self._start = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.epoch = epoch + 1
        if self._start is None:
            self._start = time.monotonic(), epoch * self._rows
            if not self._quiet and is_live(sys.stderr):
                self._bar = _bar(self._rows * self.params["epochs"], self._start[1])
        if self._bar is not None:
            self._bar.set_description_str(self._title(), refresh=False)

    def on_train_progress(self, step: int, steps: int, logs: dict[str, float] | None = None) -> None:
        if self._bar is not None:
            self._move_bar(step * self._batch_size)
        elif time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
            self._line(f"{self._title()} at {step / steps:4.0%}", logs, step * self._batch_size)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs and not np.isfinite(logs["loss"]):
            raise ValueError(
                f"the loss is {logs['loss']} after epoch {epoch + 1}: "
                f"a learning rate below {self.model.optimizer.learning_rate:g} may help (--lr)"
            )
        if self._bar is not None:
            self._bar.set_postfix_str(_best_figure(logs), refresh=False)
            self._move_bar(self._rows)
        elif self._is_due(epoch):
            self._line(self._title(), logs, self._rows)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _title(self) -> str:
        epochs = self.params["epochs"]
        return f"epoch {self.epoch:{len(str(epochs))}}/{epochs}"

    def _is_due(self, epoch: int) -> bool:
        epochs = self.params["epochs"]
        every = max(1, round(epochs / LINES))
        return (epoch + 1) % every == 0 or epoch in (0, epochs - 1)

    def _line(self, title: str, logs: dict[str, float] | None, rows: int) -> None:
        self._last_line = time.monotonic()
        note(f"{title}  {_figures(logs)}  {self._pace(rows)}", self._quiet)

    def _pace(self, rows: int) -> str:
        """Return the speed so far and the remaining time, after some rows of the current epoch."""
        assert self._start is not None
        since, first = self._start
        done = (self.epoch - 1) * self._rows + min(rows, self._rows)
        speed = (done - first) / max(time.monotonic() - since, 1e-9)
        left = self._rows * self.params["epochs"] - done
        return f"{speed:,.0f} samples/s" + (f", {describe_seconds(left / speed)} left" if left and speed else "")

    def _move_bar(self, rows: int) -> None:
        self._bar.update((self.epoch - 1) * self._rows + min(rows, self._rows) - self._bar.n)


def _figures(logs: dict[str, float] | None) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())


def _best_figure(logs: dict[str, float] | None) -> str:
    """Return the most important figure, for the progress bar."""
    figures = logs or {}
    name = next((name for name in ("val_accuracy", "accuracy", "loss") if name in figures), None)
    return _figures({name: figures[name]}) if name else ""


def _bar(rows: int, done: int) -> Any:
    """Return a progress bar, or None if tqdm is not installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    # Without a fixed width, there is no bar on a terminal of unknown width, as in a container or under script(1).
    width: dict[str, Any] = {"dynamic_ncols": True} if terminal_width(sys.stderr) else {"ncols": 79, "nrows": 24}
    return tqdm(
        total=rows,
        initial=done,
        unit=" samples",
        unit_scale=True,
        bar_format=BAR,
        file=unfiltered(sys.stderr),
        leave=False,
        **width,
    )
