"""Callbacks that write the figures of every epoch to files."""

import math
import os
import warnings
from typing import TYPE_CHECKING, Any

from fastnet.callbacks.base import Logs, WithArguments, say
from fastnet.files.names import check_name
from fastnet.support.validation import check_bool, check_integer, describe

if TYPE_CHECKING:
    from pathlib import Path


class CSVLogger(WithArguments):
    """Write the figures of every epoch to a CSV file, one row at the end of each epoch.

    Parameters
    ----------
    filename : str or os.PathLike
        The file.
    separator : str, default ","
        The separator between two columns.
    append : bool, default False
        Whether to append to an existing file, under its header.

    Raises
    ------
    ValueError
        In `fit`, before the first epoch: the file to append to has another header, without a column for each figure.

    Notes
    -----
    The columns are "epoch", counted from 0, and the figures of the first epoch. If `fit` validates, they include the
    validation figures, whatever `validation_freq` is. A figure that an epoch lacks is "NA". A figure that a callback
    adds later has no column; the first one is a warning.

    Examples
    --------
    >>> import fastnet as fn
    >>> log = fn.callbacks.CSVLogger("training.csv")
    """

    rank_0_alone = True

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        check_name(self.filename, "CSVLogger", "CSV")
        if len(separator) != 1:
            raise ValueError(f"separator must be one character; got {describe(separator)}")
        self.separator = separator
        self.append = check_bool("append", append)
        self._file: Any = None
        self._writer: Any = None
        self._warned = False

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        path = _path(self.filename)
        columns, end = None, ""
        if self.append and path.is_file() and path.stat().st_size:
            columns = self._columns_in(path)
            with path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                end = "" if file.read(1) in b"\r\n" else "\n"  # if the last row is incomplete
        self._file = path.open("a" if self.append else "w", newline="", encoding="utf-8")
        self._file.write(end)
        self._warned = False
        self._writer = None if columns is None else self._make_writer(columns)

    def _expected(self) -> list[str]:
        """Return the names of the figures known before training."""
        names: list[str] = [] if self.model is None else self.model.metrics_names
        return [*names, *(f"val_{name}" for name in names)] if self.validates else names

    def _columns_in(self, path: "Path") -> list[str]:
        """Return the header of the file to append to."""
        import csv  # not at the top, like pathlib below: it would slow down `import fastnet`

        try:
            with path.open(newline="", encoding="utf-8") as file:
                columns = next(csv.reader(file, delimiter=self.separator))
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{self.filename} is not a file of CSVLogger: {error}") from None
        if columns[:1] != ["epoch"]:
            raise ValueError(
                f"{self.filename} must begin with a header of columns separated by {self.separator!r}, 'epoch' first, to append "
                f"to it; got {', '.join(map(repr, columns)) or 'an empty line'}"
            )
        missing = [name for name in self._expected() if name not in columns]
        if missing:
            raise ValueError(
                f"{self.filename} has no column for {', '.join(map(repr, missing))}, only {', '.join(map(repr, columns))}: "
                "append to another file, or overwrite this one with append=False"
            )
        return columns

    def get_state(self) -> dict[str, Any]:
        os.fsync(self._file.fileno())  # rows must be on the disk before the checkpoint that follows them
        return {"size": self._file.tell(), "columns": None if self._writer is None else self._writer.fieldnames}

    def set_state(self, state: dict[str, Any]) -> None:
        """Remove rows that were written after the checkpoint."""
        self._file.seek(state["size"])
        self._file.truncate()
        self._writer = None if state["columns"] is None else self._make_writer(state["columns"])

    def on_train_resume(self, state: dict[str, Any]) -> None:
        path = _path(self.filename)
        if not path.is_file() or path.stat().st_size < state["size"]:
            raise ValueError(f"{self.filename} lacks rows of epochs before the checkpoint: restore it, or start over")
        self._file = path.open("r+", newline="", encoding="utf-8")
        self.set_state(state)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        figures = logs or {}
        if self._writer is None:
            self._writer = self._make_writer(["epoch", *sorted({*figures, *self._expected()})])
            self._writer.writeheader()
        late = [name for name in figures if name not in self._writer.fieldnames]
        if late and not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.filename} has no column for {', '.join(map(repr, late))}, which its header lacks; CSVLogger "
                "leaves such figures out",
                stacklevel=2,
            )
        self._writer.writerow({"epoch": epoch, **figures})
        self._file.flush()

    def _make_writer(self, columns: list[str]) -> Any:
        import csv

        return csv.DictWriter(self._file, columns, restval="NA", extrasaction="ignore", delimiter=self.separator)

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        if self._file is not None:
            self._file.close()
            self._file = self._writer = None


class TensorBoard(WithArguments):
    """Write the figures of every epoch for TensorBoard, with Keras's names such as `epoch_loss`.

    Needs tensorboardX: ``pip install "fastnet-nn[tensorboard]"``.

    Parameters
    ----------
    log_dir : str or os.PathLike, default "logs"
        The folder; its subfolders are "train" and "validation".
    histogram_freq : int, default 0
        Write histograms of all weights after every this many epochs; 0 means never.

    Examples
    --------
    >>> import fastnet as fn
    >>> board = fn.callbacks.TensorBoard("logs", histogram_freq=1)
    """

    rank_0_alone = True

    def __init__(self, log_dir: str | os.PathLike[str] = "logs", histogram_freq: int = 0) -> None:
        super().__init__()
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = check_integer("histogram_freq", histogram_freq, minimum=0)
        self._writers: dict[str, Any] = {}

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._writer("train")

    def _writer(self, part: str) -> Any:
        """Return the writer of "train" or "validation"."""
        if part not in self._writers:
            try:
                from tensorboardX import SummaryWriter
            except ImportError:
                raise ImportError('TensorBoard needs tensorboardX: pip install "fastnet-nn[tensorboard]"') from None
            self._writers[part] = SummaryWriter(str(_path(self.log_dir) / part))
        return self._writers[part]

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        for name, value in (logs or {}).items():
            part = "validation" if name.startswith("val_") else "train"
            self._writer(part).add_scalar(f"epoch_{name.removeprefix('val_')}", value, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            for layer in self.model._layers:
                for name, array in zip(layer.weight_names, layer.get_weights(), strict=True):
                    self._writer("train").add_histogram(f"{layer.name}/{name}", array, epoch)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        for writer in self._writers.values():
            writer.close()
        self._writers = {}


class TerminateOnNaN(WithArguments):
    """End training when the loss is not a finite number; checked about twenty times a second.

    Parameters
    ----------
    raise_error : bool, default False
        Whether to raise a RuntimeError instead.

    Examples
    --------
    >>> import fastnet as fn
    >>> guard = fn.callbacks.TerminateOnNaN()
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = check_bool("raise_error", raise_error)

    def on_train_progress(self, step: int, steps: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._check(f"by batch {step}", logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._check(f"in epoch {epoch + 1}", logs)

    def _check(self, when: str, logs: Logs | None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if math.isfinite(loss) or self.model.stop_training:
            return
        if self.raise_error:
            raise RuntimeError(f"the loss is {loss} {when}: training ends")
        say(f"The loss is {loss} {when}: training ends.")
        self.model.stop_training = True


def _path(name: str | os.PathLike[str]) -> "Path":
    from pathlib import Path

    return Path(name)
