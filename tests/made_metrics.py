"""Metrics of every class, with the arguments that some of them need."""

import inspect
from typing import Any

from fastnet.metrics import Metric
from fastnet.metrics.base import metrics

ARGUMENTS: dict[str, Any] = {
    "num_classes": 3,
    "target_class_ids": [0],
    "precision": 0.5,
    "recall": 0.5,
    "sensitivity": 0.5,
    "specificity": 0.5,
}
BY_OUTPUT = {"F1Score", "FBetaScore"}  # without an average they give an array


def made(kind: type[Metric], **arguments: Any) -> Metric:
    """Return a metric of a class."""
    parameters = inspect.signature(kind).parameters.values()
    required = [one.name for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    average = {"average": "macro"} if kind.__name__ in BY_OUTPUT else {}
    return kind(**{name: ARGUMENTS[name] for name in required}, **average, **arguments)


def kinds() -> dict[str, type[Metric]]:
    """Return all classes by their names, but for those of any values, which do not say what is better."""
    return {cls.__name__: cls for cls in metrics._classes.values() if cls.__name__ not in ("Mean", "Sum")}
