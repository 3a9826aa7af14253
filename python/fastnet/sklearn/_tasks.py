"""Support for the callbacks of scikit-learn 1.9, set by `set_callbacks`: hooks for the fit and every epoch."""

from typing import Any

from fastnet.callbacks.base import Callback, Logs
from fastnet.sklearn._parameters import Parameters

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Mixin with the method `set_callbacks`."""


__all__ = ["CallbackSupportMixin", "FitTasks"]


class FitTasks(Callback):
    """A fit as a task for scikit-learn's callbacks, with a subtask for each epoch or iteration of L-BFGS.

    Parameters
    ----------
    estimator : Parameters
        The estimator with the callbacks.
    X, y, sample_weight
        The arguments of `fit`.
    iterations : int
        The maximum number of iterations.
    """

    def __init__(self, estimator: Parameters, X: Any, y: Any, sample_weight: Any, iterations: int) -> None:
        super().__init__()
        self._estimator = estimator
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self._data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._fit = estimator._init_callback_context(max_subtasks=iterations)
        self._fit.call_on_fit_task_begin(**self._data)
        self._epoch: Any = None

    @staticmethod
    def wanted_by(estimator: Parameters) -> bool:
        """Return whether an estimator has callbacks of scikit-learn's."""
        return bool(getattr(estimator, "_skl_callbacks", None))

    def begin_iteration(self) -> None:
        """Notify the callbacks that an epoch or iteration begins."""
        self._epoch = self._fit.subcontext(task_name="epoch" if self._estimator._is_stochastic() else "iteration")
        self._epoch.call_on_fit_task_begin(**self._data)

    def end_iteration(self) -> bool:
        """Notify the callbacks that it has ended; return whether one requests to stop."""
        return bool(self._epoch.call_on_fit_task_end(**self._data, reconstruction_attributes=self._weights))

    def end(self) -> None:
        """Notify the callbacks that the fit has ended."""
        self._fit.call_on_fit_task_end(**self._data, reconstruction_attributes=self._weights)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Run before an epoch."""
        del epoch, logs
        self.begin_iteration()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Run after an epoch."""
        del epoch, logs
        if self.end_iteration():
            self.model.stop_training = True

    def _weights(self) -> dict[str, Any]:
        """Return the attributes that turn a copy of the estimator into one fitted so far."""
        estimator = self._estimator
        return {
            "coefs_": [array.copy() for array in estimator.coefs_],
            "intercepts_": [array.copy() for array in estimator.intercepts_],
            "batch_norms_": [[array.copy() for array in norm] for norm in estimator.batch_norms_],
        }
