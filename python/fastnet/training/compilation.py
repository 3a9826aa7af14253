"""Configuration of training: the optimizer, the loss and the metrics that `compile` takes."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from fastnet import losses, optimizers
from fastnet.layers.weights import Network
from fastnet.losses import CustomLoss, Loss
from fastnet.support.validation import describe, reject_keywords, unsupported
from fastnet.training.figures import prediction_batch

# Metrics that the core computes along with the loss, and its names for them; None: depends on the number of outputs.
_CORE_METRICS: Mapping[str, str | None] = {
    "accuracy": None,
    "acc": None,
    "binary_accuracy": "binary_accuracy",
    "categorical_accuracy": "categorical_accuracy",
    "sparse_categorical_accuracy": "categorical_accuracy",
}

# Arguments about how Keras runs a model, without effect on the results.
_IGNORED = frozenset(["auto_scale_loss", "jit_compile", "run_eagerly", "steps_per_execution"])


class Compilation:
    """The checked arguments of `compile`, and the metrics' state.

    Attributes
    ----------
    optimizer : Optimizer
    loss : Loss or None
    metrics : list of str
        The names of the metrics, in the order of the logs.
    directions : dict
        The better direction, "up" or "down", of figures in the logs that are computed elsewhere.
    """

    def __init__(self, optimizer: Any, loss: Any, metrics: Any, weighted_metrics: Any) -> None:
        self.optimizer = optimizers.get(optimizer)
        self.loss = None if loss is None else losses.get(loss)
        self._by_core: dict[str, str | None] = {}
        # By name: the metric, and whether it takes weights into account.
        self.observed: dict[str, tuple[Any, bool]] = {}
        self.metrics: list[str] = []
        self.directions: dict[str, str] = {}
        self._configs: dict[str, list[Any]] = {"metrics": [], "weighted_metrics": []}
        for given in _as_list("metrics", metrics):
            if isinstance(given, str) and given in _CORE_METRICS:
                self._by_core[self._add(given)] = _CORE_METRICS[given]
                self._configs["metrics"].append(given)
            else:
                self._observe_with(given, "metrics")
        for given in _as_list("weighted_metrics", weighted_metrics):
            self._observe_with(given, "weighted_metrics")

    @classmethod
    def from_arguments(
        cls, method: Callable[..., Any], optimizer: Any, loss: Any, metrics: Any, keywords: Mapping[str, Any]
    ) -> Self:
        """Return the compilation for the arguments of a method `compile`."""
        others = {name: value for name, value in keywords.items() if name not in _IGNORED}
        weighted = others.pop("weighted_metrics", None)
        reject_keywords(method, others, {"loss_weights": None}, ["weighted_metrics", *_IGNORED])
        return cls(optimizer, loss, metrics, weighted)

    def _add(self, name: str) -> str:
        """Add a metric name, with a number appended if it is taken, and return it."""
        taken = set(self.metrics)
        chosen = next(n for n in [name, *(f"{name}_{i}" for i in range(1, len(taken) + 2))] if n not in taken)
        self.metrics.append(chosen)
        return chosen

    def _observe_with(self, given: Any, argument: str) -> None:
        """Add a metric that is computed in Python."""
        from fastnet.metrics import FunctionMetric, get, serialize

        metric: Any = AccuracyOfOutputs(given) if given in ("accuracy", "acc") else get(given)
        self.observed[self._add(metric.name)] = (metric, argument == "weighted_metrics")
        of_function = isinstance(metric, FunctionMetric)
        config = given if isinstance(given, str) else metric.entry if of_function else serialize(metric)
        self._configs[argument].append(config)

    @property
    def custom_loss(self) -> Loss | None:
        """The loss, if Python computes it."""
        return self.loss if self.loss is not None and self.loss.in_python else None

    def rows_at_once(self, batch_size: int, most: int) -> int:
        """Return how many rows an evaluation in Python takes at once: a batch, or more where that is the same."""
        return batch_size if self.of_batches else max(batch_size, most)

    @property
    def of_batches(self) -> bool:
        """Whether the loss is that of batches: other ones have another mean."""
        custom = self.custom_loss
        return custom is not None and custom.of_batches

    @property
    def config(self) -> dict[str, Any]:
        """The arguments of `compile` as JSON can hold them."""
        configs = {name: configs for name, configs in self._configs.items() if configs or name == "metrics"}
        return {
            "optimizer": optimizers.serialize(self.optimizer),
            "loss": None if self.loss is None else self.loss.identifier_or_config,
            **configs,
        }

    # --- Figures ---

    def direction(self, figure: str) -> str | None:
        """Return the better direction of a metric in the logs, "up" or "down", or None if it is unknown."""
        name = figure if figure in self.metrics else figure.removeprefix("val_")
        if name in self._by_core:
            return "up"  # an accuracy
        if name not in self.observed:
            return self.directions.get(name)
        metric = self.observed[name][0]
        return getattr(metric, "direction", None) or getattr(metric, "_direction", None)

    def observe(self, y: NDArray[Any], outputs: NDArray[Any], weight: NDArray[Any] | None) -> None:
        """Update the metrics that are computed in Python with a batch."""
        batch = y, outputs, weight
        of_classes = batch if self._ignored is None else _without_other_labels(*batch)
        for metric, weighted in self.observed.values():
            y, outputs, weight = batch if getattr(metric, "ignore_class", None) is not None else of_classes
            if len(y):
                metric.update_state(y, outputs, *((weight,) if weighted else ()))

    @property
    def _ignored(self) -> int | None:
        return None if self.loss is None else self.loss.ignore_class

    def core_targets(self, y: NDArray[Any]) -> NDArray[Any]:
        """Return targets that the core can read, with class 0 for labels that Python alone knows."""
        if y.ndim > 1 or self._core_knows_labels:
            return y
        return np.zeros_like(y) if self._ignored is None else np.where(y == self._ignored, 0, y)

    @property
    def _core_knows_labels(self) -> bool:
        return self.loss is None or (self.loss.ignore_class is None and not self.loss.free_labels)

    def reset(self) -> None:
        """Reset the metrics."""
        for metric, _ in self.observed.values():
            metric.reset_state()

    def logs(self, loss: float, by_core: float, *, quick: bool = False) -> dict[str, float]:
        """Return the loss and every metric by name; `quick` leaves out those computed in Python."""
        if math.isnan(loss):  # a prediction is NaN, which the core's accuracy takes for some class
            by_core = math.nan
        logs = {"loss": loss}
        for name in self.metrics:
            if name in self._by_core:
                logs[name] = by_core
            elif not quick:
                logs[name] = _figure(name, self.observed[name][0])
        return logs

    # --- The core ---

    def apply(
        self, network: Network, arrays: Iterable[tuple[str, int, tuple[int, ...]]], output_shape: tuple[int, ...]
    ) -> None:
        """Configure the core; the optimizer state is reset. `arrays`: paths, offsets and shapes of the weights."""
        outputs = network.output_size
        assert self.loss is not None
        if len(output_shape) > 1:
            self._check_for_several_dimensions(output_shape)
        if self.loss.reduction == "none":
            raise unsupported(f"training with the reduction {self.loss.reduction!r} is not available")
        if self.loss.axis not in (-1, len(output_shape)):
            raise unsupported(
                f"training with {self.loss.name}(axis={self.loss.axis}) is not available, only the last axis"
            )
        if self.loss.takes_labels and outputs == 1 and not isinstance(self.loss, CustomLoss):
            raise ValueError(f"{self.loss.name} needs at least 2 output units; with 1 use binary_crossentropy")
        optimizer = self.optimizer
        network.compile(
            "custom" if self.loss.in_python else self.loss.core_name,
            self._core_metric(output_shape),
            optimizer.core_name,
            optimizer.hyperparameters,
            self.loss.core_parameters,
            self.loss.from_logits,
            self.loss.reduction,
            optimizer.core_options(arrays),
        )

    def _check_for_several_dimensions(self, output_shape: tuple[int, ...]) -> None:
        """Refuse a loss and metrics that are not means over all values of a sample, which the core sees as one row."""
        assert self.loss is not None
        alike = self.loss.for_any_shape and self.loss.reduction != "sum"
        one_class = output_shape[-1] == 1
        wrong = [] if alike else [self.loss.name]
        wrong += [
            name
            for name, kind in self._by_core.items()
            if not (kind == "binary_accuracy" or (kind is None and one_class))
        ]
        wrong += [name for name, (metric, _) in self.observed.items() if not getattr(metric, "of_values", False)]
        if wrong:
            raise ValueError(
                f"{wrong[0]} takes outputs of one dimension; those of the model have shape {output_shape}: end it in "
                "Flatten(), or with classes in GlobalAveragePooling2D()"
            )

    def _core_metric(self, output_shape: tuple[int, ...]) -> str:
        """Return the metric that the core computes; metrics of another kind move to Python."""
        accuracy = "binary_accuracy" if output_shape[-1] == 1 else "categorical_accuracy"
        families = {name: kind or accuracy for name, kind in self._by_core.items()}
        if not families:
            return ""
        chosen = next(iter(families.values())) if self._core_knows_labels else ""
        for name in [name for name, kind in families.items() if kind != chosen]:
            from fastnet.metrics import get

            del self._by_core[name]
            self.observed[name] = (get(families[name]), False)
        return chosen


def evaluation_batch(compilation: Compilation | None, name: str, value: int | None, of_training: int = 32) -> int:
    """Return how many rows are evaluated at a time: as in Keras those of training, where the loss depends on them."""
    depends = compilation is not None and compilation.of_batches
    return of_training if value is None and depends else prediction_batch(name, value)


def _without_other_labels(
    y: NDArray[Any], outputs: NDArray[Any], weight: NDArray[Any] | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
    """Return the samples of a batch whose labels are classes of the model."""
    classes = (y >= 0) & (y < outputs.shape[1])
    return y[classes], outputs[classes], None if weight is None else weight[classes]


def _figure(name: str, metric: Any) -> float:
    """Return the result of a metric as a float."""
    result = metric.result()
    if type(result) is not float:
        if np.ndim(result) != 0 or not isinstance(result, SupportsFloat):
            by_class = np.ndim(result) == 1 and getattr(metric, "average", "") is None
            hint = f': use {type(metric).__name__}(average="macro"), the mean over the classes' if by_class else ""
            raise TypeError(f"result() of the metric {name!r} must return a number; got {describe(result)}{hint}")
        return float(result)
    return result


class AccuracyOfOutputs:
    """Binary accuracy for one output, categorical accuracy for several."""

    direction = "up"

    def __init__(self, name: str) -> None:
        from fastnet.metrics import BinaryAccuracy, CategoricalAccuracy

        self.name = name
        self._kinds = (BinaryAccuracy(), CategoricalAccuracy())
        self._used = 0

    def update_state(self, y: NDArray[Any], outputs: NDArray[Any], weight: NDArray[Any] | None = None) -> None:
        """Update the accuracy with a batch."""
        self._used = int(outputs.shape[1] > 1)
        self._kinds[self._used].update_state(y, outputs, weight)

    def result(self) -> float:
        """Return the accuracy."""
        return self._kinds[self._used].result()

    def reset_state(self) -> None:
        """Reset the accuracy."""
        for kind in self._kinds:
            kind.reset_state()

    def get_state(self) -> dict[str, Any]:
        """Return the state."""
        return {"used": self._used, "state": self._kinds[self._used].get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the state that `get_state` returned."""
        self._used = state["used"]
        self._kinds[self._used].set_state(state["state"])


def _as_list(argument: str, given: Any) -> Sequence[Any]:
    """Return metrics as a list."""
    if given is None:
        return []
    if isinstance(given, list | tuple):
        return list(dict.fromkeys(given)) if all(isinstance(one, str) for one in given) else list(given)
    if isinstance(given, str) or callable(given):
        return [given]
    raise TypeError(f"{argument} must be a list of names, metrics or functions; got {describe(given)}")
