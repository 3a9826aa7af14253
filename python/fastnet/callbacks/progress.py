"""Progress output during training."""

import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from fastnet.callbacks.base import Callback, Logs
from fastnet.support.text import visible

_LEAST_ANNOUNCED = 5.0  # seconds of training from which its duration is announced


class ProgressBar(Callback):
    """A progress bar for every epoch on a terminal if tqdm is installed, otherwise a line for every epoch.

    `fit` adds one by itself unless `verbose` is 0.

    Parameters
    ----------
    file : text file, optional
        Where to print; standard output by default.
    bar : bool, optional
        Whether to draw a bar. By default that depends on the file and on tqdm.
    """

    rank_0_alone = True

    def __init__(self, file: TextIO | None = None, bar: bool | None = None) -> None:
        super().__init__()
        self._file = file
        self._wants_bar = bar
        self._bar: Any = None
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._started = time.perf_counter()
        self._bar = self._open_bar(self._title(epoch))

    def on_train_progress(self, step: int, steps: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        if self._bar is not None:
            self._bar.set_postfix_str(format_logs(logs), refresh=False)
            self._bar.update(step - self._bar.n)

    def on_train_estimate(self, seconds: float) -> None:
        if seconds < _LEAST_ANNOUNCED:
            return
        line = f"About {seconds:.0f}s for {self.params['epochs']} epochs"
        if self._bar is None:
            print(line, file=self._file, flush=True)
        else:
            self._bar.write(line, file=self._bar.fp)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self._bar is None:
            seconds = time.perf_counter() - self._started
            print(f"{self._title(epoch)} - {seconds:.2f}s - {format_logs(logs)}", file=self._file, flush=True)
        else:
            self.on_train_progress(self._bar.total, self._bar.total, logs)
            self._close_bar()

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._close_bar()
        history = getattr(self.model, "history", None)
        if history is not None and (history.interrupted or history.out_of_time):
            why = "interrupted" if history.interrupted else "out of time"
            line = f"Training ended early ({why}); the model has its best weights so far"
            print(line, file=self._file, flush=True)

    def _title(self, epoch: int) -> str:
        return f"Epoch {epoch + 1}/{self.params['epochs']}"

    def _open_bar(self, title: str) -> Any:
        file = sys.stdout if self._file is None else self._file
        wants_bar = file.isatty() if self._wants_bar is None else self._wants_bar
        if not wants_bar:
            return None
        try:
            from tqdm import tqdm
        except ImportError:
            if self._wants_bar:
                raise ImportError('ProgressBar(bar=True) needs tqdm: pip install "fastnet-nn[progress]"') from None
            return None
        return tqdm(total=self.params["steps"], desc=title, unit=" batches", file=file, dynamic_ncols=True)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def format_logs(logs: Mapping[str, float] | None) -> str:
    """Return "loss: 0.2345 - accuracy: 0.9312"."""
    return " - ".join(
        f"{visible(name)}: {value:.4e}" if 0.0 < abs(value) < 1e-3 else f"{visible(name)}: {value:.4f}"
        for name, value in (logs or {}).items()
    )
