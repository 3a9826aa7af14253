"""The base class of callbacks and its hooks."""

from typing import Any, ClassVar

from fastnet.distributed.distribution import is_main
from fastnet.network.compiled import Compiled
from fastnet.support.attributes import Sealed, is_own
from fastnet.support.missing_names import NamesItsAttributes
from fastnet.support.validation import NamesItsArguments

Logs = dict[str, float]


def say(text: str) -> None:
    """Print a line; of several ranks, the first one alone does."""
    if is_main():
        print(text, flush=True)


class Callback(NamesItsArguments, NamesItsAttributes):
    """Base class of callbacks: override the hooks that you need.

    `fit` runs whole epochs in compiled code. If a callback overrides a hook for batches, batches are run one by one
    instead, which gives the same weights.

    Attributes
    ----------
    model : Sequential
        The model. Set `model.stop_training` to True to end `fit` after this epoch, and
        `model.optimizer.learning_rate` to change the learning rate from the next batch on.
    params : dict
        "epochs", "steps" (batches in an epoch) and "verbose".
    validates : bool
        Whether `fit` validates, even if not after every epoch.
    state_names : tuple of str
        The attributes that a checkpoint keeps: state that lasts from one epoch to the next. They must hold numbers,
        strings, arrays, or lists and dictionaries of these.
    rank_0_alone : bool
        Whether rank 0 alone runs the callback in a distributed `fit`. It is True for callbacks that only print or write
        files; others run on every rank, with equal logs.

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

    state_names: ClassVar[tuple[str, ...]] = ()
    validates: bool = False
    rank_0_alone: ClassVar[bool] = False

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self.model: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Set the parameters of the run."""
        self.params = params

    def set_model(self, model: Compiled) -> None:
        """Set the model."""
        self.model = model

    # --- Going on after an interruption ---

    @property
    def has_state(self) -> bool:
        """Whether a checkpoint keeps state of the callback."""
        return bool(self.state_names) or type(self).get_state is not Callback.get_state

    def get_state(self) -> dict[str, Any]:
        """Return the state for a checkpoint: the attributes of `state_names`."""
        return {name: getattr(self, name) for name in self.state_names}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the state that `get_state` returned."""
        for name in self.state_names:
            setattr(self, name, state[name])

    def on_train_resume(self, state: dict[str, Any]) -> None:
        """Run instead of `on_train_begin` when training resumes; by default call it, then `set_state`."""
        self.on_train_begin({})
        self.set_state(state)

    # --- Hooks ---

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Run before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Run after the last epoch, also when training is interrupted."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Run before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Run after an epoch and its validation; `logs` holds the loss and the metrics of both."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before a training batch."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after a training batch; `logs` holds the means over the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Run before a training batch: Keras's older name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Run after a training batch: Keras's older name of `on_train_batch_end`."""

    def on_train_progress(self, step: int, steps: int, logs: Logs | None = None) -> None:
        """Run a few times a second during an epoch, after `step` of `steps` batches; Keras has no such hook."""

    def on_train_estimate(self, seconds: float) -> None:
        """Run once, when the duration of all epochs can be estimated; Keras has no such hook."""

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


class WithArguments(Sealed, Callback):
    """A callback whose arguments can also be set as attributes; they are read when they are needed."""

    def _accepted(self, name: str, value: Any) -> Any:
        """Set an attribute; a fastnet class refuses an unknown name that resembles one of its own."""
        if is_own(type(self)) and not hasattr(self, name) and self._nearest(name):
            raise AttributeError(self._refusal(name))
        return value
