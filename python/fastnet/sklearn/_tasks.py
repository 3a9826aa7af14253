"""The callbacks of scikit-learn 1.9, which `set_callbacks` takes: told of the fit and of every epoch."""

from typing import Any

from fastnet.callbacks.base import Callback, Logs
from fastnet.sklearn._parameters import Parameters

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """What gives estimators the method `set_callbacks`."""


__all__ = ["CallbackSupportMixin", "FitTasks"]


class FitTasks(Callback):
    """A fit as scikit-learn's callbacks see it: a task with a subtask for each epoch, or each iteration of L-BFGS.

    Parameters
    ----------
    estimator : Parameters
        One that has such callbacks.
    X, y, sample_weight
        What `fit` was given.
    iterations : int
        The most that there will be.
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
        """Tell that an epoch or an iteration begins."""
        self._epoch = self._fit.subcontext(task_name="epoch" if self._estimator._is_stochastic() else "iteration")
        self._epoch.call_on_fit_task_begin(**self._data)

    def end_iteration(self) -> bool:
        """Tell that it has ended; return whether a callback wants to stop."""
        return bool(self._epoch.call_on_fit_task_end(**self._data, reconstruction_attributes=self._weights))

    def end(self) -> None:
        """Tell that the fit has ended."""
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
        """Return what makes a copy of the estimator one that was fitted so far."""
        estimator = self._estimator
        return {
            "coefs_": [array.copy() for array in estimator.coefs_],
            "intercepts_": [array.copy() for array in estimator.intercepts_],
            "batch_norms_": [[array.copy() for array in norm] for norm in estimator.batch_norms_],
        }
