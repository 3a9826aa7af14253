"""What runs beside training: Keras's hooks, the history and the progress bar."""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, TextIO

from fastnet._validation import describe

if TYPE_CHECKING:
    from fastnet._evaluation import Evaluator

__all__ = ["Callback", "History", "LambdaCallback", "ProgressBar"]

Logs = dict[str, float]


class Callback:
    """The base of all callbacks: override the hooks that you need.

    `fit` runs whole epochs in compiled code. When a callback overrides a hook of single batches, batches are run one
    by one instead, which gives the same weights.

    Attributes
    ----------
    model : Sequential
        The model that runs. Set `model.stop_training` to True to end `fit` after this epoch, and
        `model.optimizer.learning_rate` to change the steps from the next batch on.
    params : dict
        "epochs", "steps" (batches in an epoch) and "verbose".

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> class StopEarly(fn.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         self.model.stop_training = epoch == 1
    >>> model = fn.Sequential([fn.Dense(1)], seed=0)
    >>> model.compile("sgd", "mse")
    >>> history = model.fit(np.ones((4, 2)), np.ones(4), epochs=10, verbose=0, callbacks=[StopEarly()])
    >>> history.epoch
    [0, 1]
    """

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.model: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Take the parameters of the run."""
        self.params = params

    def set_model(self, model: "Evaluator") -> None:
        """Take the model that runs."""
        self.model = model

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Run before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Run after the last epoch, also when training is interrupted."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Run before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Run after an epoch and its validation; `logs` holds the loss and the metrics of both."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before a batch of training."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after a batch of training; `logs` holds the means over the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before a batch of training: Keras's older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after a batch of training: Keras's older name of `on_train_batch_end`."""

    def on_train_progress(self, step: int, steps: int, logs: Logs | None = None) -> None:
        """Run a few times a second during an epoch, after `step` of `steps` batches; Keras has no such hook."""

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Run before an evaluation or a validation."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Run after an evaluation or a validation."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before a batch of evaluation."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after a batch of evaluation; `logs` holds the means so far."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Run before a prediction."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Run after a prediction."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before a batch of prediction."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Run after a batch of prediction; `logs` holds its "outputs"."""


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
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self.history = {}
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class LambdaCallback(Callback):
    """A callback made of functions.

    Parameters
    ----------
    on_epoch_begin, on_epoch_end : callable(epoch, logs), optional
    on_train_begin, on_train_end : callable(logs), optional
    on_train_batch_begin, on_train_batch_end : callable(batch, logs), optional
        See `Callback`.
    **hooks : callable, optional
        Any other hook of `Callback` by its name.

    Examples
    --------
    >>> import fastnet as fn
    >>> report = fn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"]))
    """

    def __init__(
        self,
        on_epoch_begin: Callable[[int, Logs], Any] | None = None,
        on_epoch_end: Callable[[int, Logs], Any] | None = None,
        on_train_begin: Callable[[Logs], Any] | None = None,
        on_train_end: Callable[[Logs], Any] | None = None,
        on_train_batch_begin: Callable[[int, Logs], Any] | None = None,
        on_train_batch_end: Callable[[int, Logs], Any] | None = None,
        **hooks: Callable[..., Any] | None,
    ) -> None:
        super().__init__()
        hooks |= {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
        }
        for name, function in hooks.items():
            if not (name.startswith("on_") and hasattr(Callback, name)):
                raise TypeError(f"LambdaCallback() got an unexpected keyword argument {name!r}")
            if function is not None:
                setattr(self, name, function)


class ProgressBar(Callback):
    """One bar for every epoch on a terminal where tqdm is installed, otherwise one line for every epoch.

    `fit` adds one by itself unless `verbose` is 0.

    Parameters
    ----------
    file : text file, optional
        Where to print; standard output by default.
    bar : bool, optional
        Whether to draw a bar. By default that depends on the file and on tqdm.
    """

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

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self._bar is None:
            seconds = time.perf_counter() - self._started
            print(f"{self._title(epoch)} - {seconds:.2f}s - {format_logs(logs)}", file=self._file, flush=True)
        else:
            self.on_train_progress(self._bar.total, self._bar.total, logs)
            self._close_bar()

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._close_bar()

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


class CallbackList:
    """The callbacks of one run, called in their order."""

    def __init__(self, callbacks: Iterable[Callback], model: "Evaluator", params: dict[str, Any]) -> None:
        self._callbacks = list(callbacks)
        for callback in self._callbacks:
            callback.set_params(params)
            callback.set_model(model)

    @classmethod
    def of(cls, callbacks: Any, model: "Evaluator", params: dict[str, Any]) -> Self:
        """Return the callbacks that a user gave: none, one or several."""
        found = [] if callbacks is None else list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
        for callback in found:
            if not isinstance(callback, Callback):
                raise TypeError(f"callbacks must be objects of fastnet.callbacks.Callback; got {describe(callback)}")
        return cls(found, model, params)

    @classmethod
    def for_fit(cls, callbacks: Any, model: "Evaluator", params: dict[str, Any]) -> Self:
        """Return the callbacks that a user gave, the progress bar that `verbose` asks for, and the history."""
        given = cls.of(callbacks, model, params)._callbacks
        own: list[Callback] = []
        if params["verbose"] and not any(isinstance(callback, ProgressBar) for callback in given):
            own.append(ProgressBar(bar=False if params["verbose"] == 2 else None))
        if not any(isinstance(callback, History) for callback in given):
            own.append(History())
        return cls([*given, *own], model, params)

    @property
    def history(self) -> History:
        """The history among the callbacks of `fit`."""
        return next(callback for callback in self._callbacks if isinstance(callback, History))

    def call(self, hook: str, *arguments: Any) -> None:
        """Call one hook of every callback."""
        for callback in self._callbacks:
            getattr(callback, hook)(*arguments)

    def override(self, *hooks: str) -> bool:
        """Return whether a callback has a hook of its own among `hooks`."""
        return any(
            getattr(getattr(callback, hook), "__func__", None) is not getattr(Callback, hook)
            for callback in self._callbacks
            for hook in hooks
        )


def check_verbose(verbose: Any) -> int:
    """Return 0 for silence, 1 for a bar where there can be one, 2 for lines."""
    if verbose == "auto":
        return 1
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 'auto', 0, 1 or 2; got {verbose!r}")
    return int(verbose)


def format_logs(logs: Mapping[str, float] | None) -> str:
    """Return "loss: 0.2345 - accuracy: 0.9312"."""
    return " - ".join(
        f"{name}: {value:.4e}" if 0.0 < abs(value) < 1e-3 else f"{name}: {value:.4f}"
        for name, value in (logs or {}).items()
    )
