"""Callbacks that monitor a figure of the logs, to stop training or to reduce the learning rate."""

import math
import warnings
from typing import Any

from fastnet.callbacks.base import Logs, WithArguments, say
from fastnet.support.text import did_you_mean
from fastnet.support.validation import check_bool, check_choice, check_integer, check_number, describe


class Monitor(WithArguments):
    """Base of callbacks that react to the improvement of a figure.

    Parameters
    ----------
    monitor : str
        The name of the figure in the logs.
    mode : {"auto", "min", "max"}
        Whether smaller or larger is better; "auto" depends on the metric.
    min_delta : float
        The smallest change that is an improvement.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        super().__init__()
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be the name of a figure in the logs; got {describe(monitor)}")
        self.monitor = monitor
        self.mode = check_choice("mode", mode, ["auto", "min", "max"])
        self.min_delta = abs(check_number("min_delta", min_delta))
        self.best: float | None = None
        self._sign = 0.0  # 1 if larger is better, -1 if smaller is, 0 until it is known

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        """Determine the direction before the first epoch, so that an error costs no training."""
        self._sign = self._find_direction()

    def _find_direction(self) -> float:
        """Return 1 if larger is better, -1 if smaller is.

        Raises
        ------
        ValueError
            The mode is "auto", and the metric has no direction.
        """
        if self.mode != "auto":
            return 1.0 if self.mode == "max" else -1.0
        if self.monitor in ("loss", "val_loss"):
            return -1.0
        compilation = self.model._compiled("training")
        direction = compilation.direction(self.monitor)
        if direction not in ("up", "down"):
            names = ["loss", *compilation.metrics, *compilation.directions]
            meant = did_you_mean(self.monitor, [*names, *(f"val_{name}" for name in names)])
            raise ValueError(
                f"{type(self).__name__} could not infer the optimization direction of monitor={self.monitor!r}: pass "
                "mode='max' if larger is better, else mode='min', or give the metric a direction; the figures of the model "
                f"are {', '.join(map(repr, names))}, and with validation the same with the prefix 'val_'{meant}"
            )
        return 1.0 if direction == "up" else -1.0

    def improves(self, value: float, reference: float | None) -> bool:
        """Return whether a value is better than a reference; any value is better than None, NaN never is."""
        if reference is None:
            return not math.isnan(value)
        self._sign = self._sign or self._find_direction()
        return value - self.min_delta > reference if self._sign > 0 else value + self.min_delta < reference

    def value_in(self, logs: Logs | None) -> float | None:
        """Return the figure; if it is missing, warn and return None."""
        if self.monitor in (logs or {}):
            return float((logs or {})[self.monitor])
        names = ", ".join(map(repr, logs or {})) or "none"
        warnings.warn(
            f"{type(self).__name__} watches {self.monitor!r}, which is not among the figures of this epoch: {names}"
            f"{did_you_mean(self.monitor, logs or {})}",
            stacklevel=2,
        )
        return None


class EarlyStopping(Monitor):
    """End training when a figure has stopped improving.

    Parameters
    ----------
    monitor : str, default "val_loss"
        The name of the figure in the logs.
    min_delta : float, default 0
        A smaller change is not an improvement.
    patience : int, default 0
        How many epochs in a row may pass without an improvement.
    verbose : {0, 1}, default 0
        Whether to print when training ends.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger is better. "auto" takes the direction of the metric
        (`fastnet.metrics.Metric.direction`): larger for accuracies, AUC, precision, recall, F1 and R2, smaller for
        losses and errors. `fit` raises a ValueError if the metric has no direction, as most Python functions, or if the
        model has no metric of that name.
    baseline : float, optional
        The value that the figure must improve on; until it does, epochs count as without improvement. Training never
        ends in an epoch that is the best so far.
    restore_best_weights : bool, default False
        Whether to restore the weights of the best epoch when training ends.
    start_from_epoch : int, default 0
        The number of epochs before monitoring starts.

    Attributes
    ----------
    stopped_epoch : int
        The epoch that ended training; 0 when none did.
    best, best_epoch
        The best figure and its epoch.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(1, input_shape=(2,))], seed=0)
    >>> model.compile(fn.optimizers.SGD(0.0), "mse")
    >>> stop = fn.callbacks.EarlyStopping(monitor="loss", patience=2)
    >>> model.fit(np.ones((4, 2)), np.ones(4), epochs=100, verbose=0, callbacks=[stop]).epoch
    [0, 1, 2]
    """

    state_names = ("best", "best_epoch", "stopped_epoch", "_wait", "_best_weights")

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = check_integer("patience", patience, minimum=0)
        self.verbose = verbose
        self.baseline = None if baseline is None else check_number("baseline", baseline)
        self.restore_best_weights = check_bool("restore_best_weights", restore_best_weights)
        self.start_from_epoch = check_integer("start_from_epoch", start_from_epoch, minimum=0)
        self._forget()

    def _forget(self) -> None:
        self.best, self.best_epoch, self.stopped_epoch = None, 0, 0
        self._wait = 0
        self._best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.value_in(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self._best_weights is None:
            self._best_weights = self.model.get_weights()
        self._wait += 1
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self._best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(value, self.baseline):
                self._wait = 0
            return  # as in Keras, training never ends in an epoch that improves
        if self._wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        if self.stopped_epoch and self.verbose:
            say(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self._best_weights is not None:
            if self.verbose:
                say(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            self.model.set_weights(self._best_weights)
            self._best_weights = None


class ReduceLROnPlateau(Monitor):
    """Multiply the learning rate by a factor when a figure has stopped improving.

    The history records "learning_rate".

    Parameters
    ----------
    monitor : str, default "val_loss"
        The name of the figure in the logs.
    factor : float, default 0.1
        The factor for the learning rate, below 1.
    patience : int, default 10
        How many epochs in a row may pass without an improvement.
    verbose : {0, 1}, default 0
        Whether to print when the learning rate changes.
    mode : {"auto", "min", "max"}, default "auto"
        See `EarlyStopping`.
    min_delta : float, default 0.0001
        A smaller change is not an improvement.
    cooldown : int, default 0
        The number of epochs after a change before monitoring starts again.
    min_lr : float, default 0.0
        The lower bound of the learning rate.

    Examples
    --------
    >>> import fastnet as fn
    >>> plateau = fn.callbacks.ReduceLROnPlateau(factor=0.5, patience=3)
    """

    state_names = ("best", "_wait", "_cooling")

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = check_number("factor", factor, minimum=0.0, below=1.0)
        self.patience = check_integer("patience", patience, minimum=0)
        self.verbose = verbose
        self.cooldown = check_integer("cooldown", cooldown, minimum=0)
        self.min_lr = check_number("min_lr", min_lr, minimum=0.0)
        self._forget()

    def _forget(self) -> None:
        self.best = None
        self._wait = self._cooling = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        self._forget()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate
        value = self.value_in(logs)
        if value is None:
            return
        if self._cooling:
            self._cooling -= 1
            self._wait = 0
        if self.improves(value, self.best):
            self.best, self._wait = value, 0
        elif not self._cooling:
            self._wait += 1
            if self._wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        before = self.model.optimizer.learning_rate
        if before > self.min_lr:
            self.model.optimizer.learning_rate = max(before * self.factor, self.min_lr)
            self._cooling, self._wait = self.cooldown, 0
            if self.verbose:
                now = self.model.optimizer.learning_rate
                say(f"Epoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {now}.")
