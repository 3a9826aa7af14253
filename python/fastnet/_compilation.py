"""What `compile` is told: the optimizer, the loss and the metrics of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from fastnet import losses, optimizers
from fastnet._validation import describe, reject_keywords, unsupported
from fastnet._weights import Network

# Names of metrics and what the core calls them; None depends on the number of outputs.
_METRICS: Mapping[str, str | None] = {
    "accuracy": None,
    "acc": None,
    "binary_accuracy": "binary_accuracy",
    "categorical_accuracy": "categorical_accuracy",
    "sparse_categorical_accuracy": "categorical_accuracy",
}

# How Keras runs a model, which says nothing about what the model computes.
_IGNORED = frozenset(["auto_scale_loss", "jit_compile", "run_eagerly", "steps_per_execution"])


@dataclass(frozen=True)
class Compilation:
    """The checked arguments of `compile`."""

    optimizer: optimizers.Optimizer
    loss: losses.Loss | None
    metrics: list[str]

    @classmethod
    def from_arguments(cls, optimizer: Any, loss: Any, metrics: Any, keywords: Mapping[str, Any]) -> Self:
        others = {name: value for name, value in keywords.items() if name not in _IGNORED}
        reject_keywords("compile", others, {"loss_weights": None, "weighted_metrics": None})
        return cls(optimizers.get(optimizer), None if loss is None else losses.get(loss), _metric_names(metrics))

    @property
    def config(self) -> dict[str, Any]:
        """The arguments of `compile` as JSON can hold them."""
        return {
            "optimizer": optimizers.serialize(self.optimizer),
            "loss": None if self.loss is None else self.loss.identifier,
            "metrics": list(self.metrics),
        }

    def apply(self, network: Network) -> None:
        """Tell the compiled core, which starts with fresh moments."""
        outputs = network.output_size
        assert self.loss is not None
        if self.loss.takes_labels and outputs == 1:
            raise ValueError(f"{self.loss.name} needs at least 2 output units; with 1 use binary_crossentropy")
        optimizer = self.optimizer
        network.compile(self.loss.core_name, self._core_metric(outputs), optimizer.core_name, optimizer.hyperparameters)

    def _core_metric(self, outputs: int) -> str:
        accuracy = "binary_accuracy" if outputs == 1 else "categorical_accuracy"
        families = {_METRICS[name] or accuracy for name in self.metrics}
        if len(families) > 1:
            raise unsupported(f"metrics={self.metrics} mixes binary and categorical accuracy")
        return families.pop() if families else ""


def _metric_names(metrics: Any) -> list[str]:
    if metrics is None:
        return []
    names = [metrics] if isinstance(metrics, str) else metrics
    if not isinstance(names, list | tuple):
        raise TypeError(f"metrics must be a list of names; got {describe(metrics)}")
    for name in names:
        if not isinstance(name, str):
            raise unsupported(f"metrics must be names; got {describe(name)}")
        if name not in _METRICS:
            raise ValueError(f"metrics must be among {', '.join(map(repr, _METRICS))}; got {name!r}")
    return list(dict.fromkeys(names))
