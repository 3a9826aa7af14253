"""The training loop of the stochastic solvers: epochs, validation and stopping, with scikit-learn's numerics."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastnet.callbacks.base import Logs
from fastnet.callbacks.running import CallbackList
from fastnet.sklearn._network import Array, LiveNetwork
from fastnet.sklearn._parameters import Parameters

_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_SLOWEST_RATE = 1e-6  # the lowest learning rate that 'adaptive' divides further


@dataclass(frozen=True)
class Training:
    """Training samples and targets in the form of the core; `rows` are the training rows, None for all."""

    x: Any
    y: Array
    weight: Array | None
    rows: Array | None

    def __len__(self) -> int:
        return len(self.x) if self.rows is None else len(self.rows)


@dataclass(frozen=True)
class Validation:
    """Validation samples, with targets in the form of the user and of the core."""

    x: Any
    y: Any
    targets: Array
    weight: Array | None


class Epochs:
    """One run of a stochastic solver.

    Parameters
    ----------
    estimator : Parameters
        The estimator with the parameters, whose fitted attributes are set.
    live : LiveNetwork
        The compiled network.
    training : Training
    validation : Validation or None
    callbacks : list of Callback
    """

    def __init__(
        self,
        estimator: Parameters,
        live: LiveNetwork,
        training: Training,
        validation: Validation | None,
        callbacks: Any,
        *,
        incremental: bool,
    ) -> None:
        self.estimator = estimator
        self.live = live
        self.training = training
        self.validation = validation
        self.epochs = 1 if incremental else estimator.max_iter
        self.incremental = incremental
        self.batch_size = _batch_size(estimator.batch_size, len(training))
        live.model.stop_training = False
        steps = -(-len(training) // self.batch_size)
        live.model._compiled("training").directions[estimator._SCORE] = "up"
        self.callbacks = CallbackList.of(callbacks, live.model, {"epochs": self.epochs, "steps": steps, "verbose": 0})
        if self.callbacks.backup is not None:
            raise ValueError(
                "callbacks must not contain BackupAndRestore, which is for Sequential.fit: see to_sequential"
            )
        self._by_batch = self.callbacks.override(*_BATCH_HOOKS)
        self.history: dict[str, list[float]] = estimator.__dict__.setdefault("history_", {})
        self._order = np.arange(len(training))
        self._best = live.network.get_parameters() if estimator.early_stopping else None

    def run(self) -> None:
        """Train until the loss or the validation score no longer improves, for at most `max_iter` epochs."""
        estimator = self.estimator
        estimator.n_iter_ = 0
        logs: Logs = {}
        self.callbacks.call("on_train_begin", {})
        try:
            for epoch in range(self.epochs):
                self.callbacks.call("on_epoch_begin", epoch, {})
                logs = self._epoch()
                self.callbacks.call("on_epoch_end", epoch, logs)
                if self._is_over():
                    break
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=5)
        finally:
            self.callbacks.call("on_train_end", logs)
        if self._best is not None:
            self.live.network.set_parameters(self._best)
        elif not self.incremental:
            self.live.network.use_average()

    def _is_over(self) -> bool:
        """Return whether the epoch was the last one; if not, reduce the learning rate when due."""
        estimator = self.estimator
        if estimator._no_improvement_count > estimator.n_iter_no_change:
            if self._stops_without_improvement():
                return True
            estimator._no_improvement_count = 0
        if self.live.model.stop_training or self.incremental:
            return True
        if estimator.n_iter_ == estimator.max_iter:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=6,
            )
        return False

    def _epoch(self) -> Logs:
        """Train for one epoch and score; return the figures."""
        estimator = self.estimator
        loss = self._train()
        estimator.n_iter_ += 1
        estimator.t_ += len(self.training)
        estimator.loss_ = loss
        estimator.loss_curve_.append(loss)
        if estimator.verbose:
            print(f"Iteration {estimator.n_iter_}, loss = {loss:.8f}")
        logs: Logs = {"loss": loss}
        if self.validation is not None:
            logs |= self._validate(self.validation)
        if estimator.early_stopping:
            self._count_by_score()
        else:
            self._count_by_loss()
        self._slow_down_by_time()
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        return logs

    # --- Training ---

    def _train(self) -> float:
        """Run the steps of one epoch; return the mean loss, with the penalty."""
        estimator, training = self.estimator, self.training
        if estimator.shuffle:  # like scikit-learn, shuffle the order of the previous epoch
            positions = np.arange(len(self._order))
            estimator._random_state.shuffle(positions)
            self._order = self._order.take(positions)
        rows = training.rows
        order = self._order if estimator.shuffle or rows is not None else None
        if rows is not None:
            order = rows[self._order]
        if self._by_batch:
            return self._train_by_batch(self._order if order is None else order)
        return self._steps(order, self.batch_size)

    def _steps(self, order: Array | None, batch_size: int) -> float:
        training, model, network = self.training, self.live.model, self.live.network
        optimizer = model.optimizer
        steps = -(-(len(training.x) if order is None else len(order)) // batch_size)
        rates = optimizer.learning_rates(steps)
        try:
            _, loss, *_ = network.train_epoch(training.x, training.y, order, batch_size, training.weight, None, rates)
        finally:
            optimizer._count(network.finished_steps)
        return loss

    def _train_by_batch(self, order: Array) -> float:
        """Call the core for each batch, for callbacks with hooks for batches."""
        total, done = 0.0, 0
        for batch, start in enumerate(range(0, len(order), self.batch_size)):
            rows = order[start : start + self.batch_size]
            self.callbacks.call("on_train_batch_begin", batch, {})
            total += self._steps(rows, len(rows)) * len(rows)
            done += len(rows)
            self.callbacks.call("on_train_batch_end", batch, {"loss": total / done})
            if self.live.model.stop_training:
                break
        return total / done

    # --- Validation and stopping ---

    def _validate(self, validation: Validation) -> Logs:
        """Score the validation samples; return the figures."""
        estimator, network = self.estimator, self.live.network
        outputs = network.predict(validation.x, estimator._PREDICTION_ROWS)
        score = estimator._score_outputs(outputs, validation.y, validation.weight)
        if estimator.early_stopping:
            estimator.validation_scores_.append(score)
            if estimator.verbose:
                print(f"Validation score: {score:f}")
        if estimator._has_eval_set:
            loss, _ = network.evaluate(validation.x, validation.targets, estimator._PREDICTION_ROWS, validation.weight)
            estimator.validation_loss_curve_.append(loss)
            return {"val_loss": loss, f"val_{estimator._SCORE}": score}
        return {f"val_{estimator._SCORE}": score}

    def _count_by_score(self) -> None:
        """Count the epochs without a better validation score, and keep the best weights."""
        estimator = self.estimator
        score = estimator.validation_scores_[-1]
        if score < estimator.best_validation_score_ + estimator.tol:
            estimator._no_improvement_count += 1
        else:
            estimator._no_improvement_count = 0
        if score > estimator.best_validation_score_:
            estimator.best_validation_score_ = score
            self._best = self.live.network.get_parameters()

    def _count_by_loss(self) -> None:
        """Count the epochs without a lower loss."""
        estimator = self.estimator
        if estimator.loss_ > estimator.best_loss_ - estimator.tol:
            estimator._no_improvement_count += 1
        else:
            estimator._no_improvement_count = 0
        estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)  # unchanged by NaN

    def _stops_without_improvement(self) -> bool:
        """Return whether training is over; with 'adaptive', it first continues at a fifth of the learning rate."""
        estimator, optimizer = self.estimator, self.live.model.optimizer
        what = "Validation score" if estimator.early_stopping else "Training loss"
        message = f"{what} did not improve more than tol={estimator.tol:f} for {estimator.n_iter_no_change} consecutive epochs."
        adapts = estimator.solver == "sgd" and estimator.learning_rate == "adaptive"
        if not adapts or optimizer.learning_rate <= _SLOWEST_RATE:
            if estimator.verbose:
                print(f"{message} {'Learning rate too small. ' if adapts else ''}Stopping.")
            return True
        optimizer.learning_rate /= 5.0
        if estimator.verbose:
            print(f"{message} Setting learning rate to {optimizer.learning_rate:f}")
        return False

    def _slow_down_by_time(self) -> None:
        """Set the learning rate of 'invscaling' by the samples seen since the first fit."""
        estimator = self.estimator
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            rate = estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t
            self.live.model.optimizer.learning_rate = rate


def _batch_size(given: Any, rows: int) -> int:
    if isinstance(given, str):  # 'auto'
        return min(200, rows)
    if given > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=6
        )
    return int(min(given, rows))
