"""Saving of models during training."""

import math
import os
from typing import Any

from fastnet.callbacks.base import Logs
from fastnet.callbacks.monitoring import Monitor
from fastnet.files.names import check_model_name, check_weights_name
from fastnet.support.text import visible
from fastnet.support.validation import check_bool, check_integer, check_number


class ModelCheckpoint(Monitor):
    """Save the model after every epoch, or after epochs with the best figure so far.

    Files are complete or absent: an earlier one stays until the new one is on the disk.

    Parameters
    ----------
    filepath : str or os.PathLike
        The file; ``"{epoch:02d}-{val_loss:.2f}.safetensors"`` takes the epoch, counted from 1, and figures of the logs.
        Its folder is created if it is missing.
        It must be a name under which `Sequential.save`, or with `save_weights_only` `Sequential.save_weights`, writes.
    monitor : str, default "val_loss"
        The name of the figure for `save_best_only`.
    verbose : {0, 1}, default 0
        Whether to print when a file is written.
    save_best_only : bool, default False
        Whether to write only if the figure is the best so far.
    save_weights_only : bool, default False
        Whether to write only the weights, which `Sequential.load_weights` reads.
    mode : {"auto", "min", "max"}, default "auto"
        See `EarlyStopping`.
    save_freq : "epoch" or int, default "epoch"
        A number: write the model after this number of batches instead.
    initial_value_threshold : float, optional
        The value that the figure must improve on for the first file.
    keep : int, optional
        The number of latest files to keep, in addition to that of the best figure; by default all are kept. For a
        `filepath` that differs from file to file.

    Examples
    --------
    >>> import fastnet as fn
    >>> best = fn.callbacks.ModelCheckpoint("best.safetensors", monitor="val_accuracy", save_best_only=True)
    """

    rank_0_alone = True
    state_names = ("best", "_epoch", "_batches", "_written", "_best_written")

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
        *,
        keep: int | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath = os.fspath(filepath)
        check = check_weights_name if save_weights_only else check_model_name
        check(self.filepath, "ModelCheckpoint")
        self.verbose = verbose
        self.save_best_only = check_bool("save_best_only", save_best_only)
        self.save_weights_only = check_bool("save_weights_only", save_weights_only)
        self.save_freq = save_freq
        threshold = initial_value_threshold
        self.best = None if threshold is None else check_number("initial_value_threshold", threshold)
        self.keep = None if keep is None else check_integer("keep", keep)
        self._written: list[str] = []
        self._best_written: tuple[float, str] | None = None
        self._epoch = self._batches = 0

    @property
    def save_freq(self) -> str | int:
        """ "epoch", or the number of batches after which the model is written."""
        return self._save_freq

    @save_freq.setter
    def save_freq(self, value: str | int) -> None:
        self._save_freq = value if value == "epoch" else check_integer("save_freq", value)
        if self._save_freq == "epoch":
            vars(self).pop("on_train_batch_end", None)
        else:  # on the object: only then must `fit` run batches one by one
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self.save_best_only or self.keep is not None:
            super().on_train_begin(logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._epoch = epoch

    def _after_batch(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if self._batches % int(self.save_freq) == 0:
            self._consider({"batch": batch + 1, **(logs or {})})

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        if self.save_freq == "epoch":
            self._consider(logs or {})

    def _consider(self, logs: dict[str, Any]) -> None:
        """Write the model, if it is due."""
        if self.save_best_only:
            value = self.value_in(logs)
            if value is None or not self.improves(value, self.best):
                return
            self.best = value
        path = self._path(logs)
        if folder := os.path.dirname(path):  # noqa: PTH120 - pathlib takes longer to import than all of fastnet
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"Epoch {self._epoch + 1}: saving model to {visible(str(path))}", flush=True)
        if self.keep is not None:
            self._remove_old(path, logs.get(self.monitor, math.nan), self.keep)

    def _remove_old(self, path: str, value: float, keep: int) -> None:
        """Delete all but the last `keep` files and that of the best figure."""
        best, best_path = self._best_written or (None, "")
        if self.improves(value, best):
            self._best_written = (value, best_path := path)
        self._written = [*(other for other in self._written if other != path), path]
        old = [other for other in self._written[:-keep] if other != best_path]
        from pathlib import Path

        for other in old:
            Path(other).unlink(missing_ok=True)
        self._written = [other for other in self._written if other not in old]

    def _path(self, logs: dict[str, Any]) -> str:
        try:
            return self.filepath.format(epoch=self._epoch + 1, **logs)
        except KeyError as error:
            names = ", ".join(map(repr, ["epoch", *logs]))
            raise KeyError(f"filepath {self.filepath!r} uses {error}, which is not among {names}") from None
