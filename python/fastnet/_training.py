"""Compiling, fitting, evaluating and predicting: what a model does with data."""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet import losses, optimizers
from fastnet._data_adapter import Samples, as_array, as_features, as_samples
from fastnet._validation import check_bool, check_integer, describe, reject_keywords, unsupported
from fastnet._weights import Network, Weights
from fastnet.callbacks import CallbackList, History, Logs, ProgressBar, as_callbacks, format_logs
from fastnet.losses import Loss
from fastnet.optimizers import Optimizer

_TRAINING_BATCH = 32
# Rows at a time without a `batch_size` in evaluate and predict, where it changes only the memory needed.
_PREDICTION_BATCH = 256

_TRAIN_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")

# Names of metrics and what the core calls them; None depends on the number of outputs.
_METRICS = {
    "accuracy": None,
    "acc": None,
    "binary_accuracy": "binary_accuracy",
    "categorical_accuracy": "categorical_accuracy",
    "sparse_categorical_accuracy": "categorical_accuracy",
}


@dataclass(frozen=True)
class Compilation:
    """What `compile` was told."""

    optimizer: Optimizer
    loss: Loss | None
    metrics: list[str]

    def core_metric(self, outputs: int) -> str:
        """Return the core's name of the metric, "" for none: with one output unit accuracy is the binary one."""
        accuracy = "binary_accuracy" if outputs == 1 else "categorical_accuracy"
        families = {_METRICS[name] or accuracy for name in self.metrics}
        if len(families) > 1:
            raise unsupported(f"metrics={self.metrics} mixes binary and categorical accuracy")
        return families.pop() if families else ""


class Trainer:
    """The part of a model that trains and predicts. `Sequential` supplies the network."""

    dtype: str
    input_shape: tuple[int, ...] | None
    _network: Network | None
    _weights: Weights
    _generator: np.random.Generator

    def __init__(self) -> None:
        self.history: History | None = None
        self.stop_training = False
        self._compilation: Compilation | None = None
        self._network_is_compiled = False

    def build(self, input_shape: Sequence[int | None]) -> None:
        raise NotImplementedError

    # --- Compiling ---

    def compile(
        self,
        optimizer: str | Optimizer | dict[str, Any] = "rmsprop",
        loss: str | Loss | dict[str, Any] | None = None,
        metrics: str | Sequence[str] | None = None,
        **keywords: Any,
    ) -> None:
        """Choose how the model is trained; the state of an earlier optimizer is dropped.

        Parameters
        ----------
        optimizer : str or Optimizer, default "rmsprop"
            "sgd", "rmsprop" or "adam", or an object of `fastnet.optimizers`.
        loss : str or Loss, optional
            "mse", "binary_crossentropy", "categorical_crossentropy" or "sparse_categorical_crossentropy", or an
            object of `fastnet.losses`. Without one the model can only predict.
        metrics : list of str, optional
            "accuracy" is the share of right answers: of values on the right side of 0.5 when the model has one output,
            else of rows whose largest output is that of the label. "binary_accuracy", "categorical_accuracy" and
            "sparse_categorical_accuracy" say which.
        **keywords
            Keras's `jit_compile`, `run_eagerly`, `steps_per_execution` and `auto_scale_loss` are accepted and change
            nothing.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(10, activation="softmax", input_shape=(784,))])
        >>> model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        """
        for name in ("jit_compile", "run_eagerly", "steps_per_execution", "auto_scale_loss"):
            keywords.pop(name, None)
        reject_keywords("compile", keywords, {"loss_weights": None, "weighted_metrics": None})
        self._compilation = Compilation(
            optimizers.get(optimizer), None if loss is None else losses.get(loss), _metric_names(metrics)
        )
        self._network_is_compiled = False

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer that the model is compiled with."""
        return self._compiled("optimizer").optimizer

    @property
    def loss(self) -> Loss | None:
        """The loss that the model is compiled with."""
        return self._compiled("loss").loss

    @property
    def metrics_names(self) -> list[str]:
        """The names of what `evaluate` returns, in their order."""
        return ["loss", *self._compiled("metrics_names").metrics]

    def get_compile_config(self) -> dict[str, Any] | None:
        """Return what `compile` was told, as a dictionary that JSON can hold, or None."""
        if self._compilation is None:
            return None
        return {
            "optimizer": optimizers.serialize(self._compilation.optimizer),
            "loss": None if self._compilation.loss is None else self._compilation.loss.identifier,
            "metrics": list(self._compilation.metrics),
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile with what `get_compile_config` returned."""
        self.compile(**config)

    def _compiled(self, wanted_for: str) -> Compilation:
        if self._compilation is None:
            raise ValueError(f"call compile(optimizer, loss) before {wanted_for}")
        return self._compilation

    # --- Data ---

    def _built_network(self, x: Any, of: str = "") -> Network:
        """Return the network, built for the shape of `x` if it was not built before."""
        if self._network is None:
            self.build(as_array(f"x{of}", x).shape[1:])
        assert self._network is not None
        return self._network

    def _trainable(self, wanted_for: str, x: Any) -> tuple[Network, Loss]:
        """Return the network, built and compiled, and the loss."""
        compilation = self._compiled(wanted_for)
        if compilation.loss is None:
            raise ValueError(f"call compile with a loss before {wanted_for}")
        network = self._built_network(x)
        if not self._network_is_compiled:
            if compilation.loss.takes_labels and network.output_size == 1:
                raise ValueError(
                    f"{compilation.loss.name} needs at least two output units; with one, use binary_crossentropy"
                )
            network.compile(
                compilation.loss.core_name,
                compilation.core_metric(network.output_size),
                compilation.optimizer.core_name,
                compilation.optimizer.hyperparameters,
            )
            self._network_is_compiled = True
        return network, compilation.loss

    def _samples(
        self, wanted_for: str, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None, *, of: str = ""
    ) -> tuple[Network, Samples]:
        network, loss = self._trainable(wanted_for, x)
        assert self.input_shape is not None
        samples = as_samples(
            x,
            y,
            sample_weight,
            class_weight,
            of=of,
            input_shape=self.input_shape,
            outputs=network.output_size,
            loss=loss,
            dtype=self.dtype,
        )
        return network, samples

    def _logs(self, loss: float, metric: float) -> Logs:
        return {"loss": loss, **dict.fromkeys(self._compiled("metrics").metrics, metric)}

    def _result(self, logs: Logs, return_dict: bool) -> float | list[float] | dict[str, float]:
        if return_dict:
            return logs
        return logs["loss"] if len(logs) == 1 else list(logs.values())
