"""The activation of the outputs of a model that is written down as operations."""

from collections.abc import Sequence

import numpy as np

from fastnet.operations import steps
from fastnet.operations.steps import Operation

__all__ = ["last_functions"]

_LINEAR = "linear"


def last_functions(operations: Sequence[Operation]) -> set[str]:
    """Return the activation of the outputs of a model written down as operations; of an ensemble, those of its models."""
    if not operations:
        return {_LINEAR}
    *others, last = operations
    addends = [_function(last)]
    if isinstance(last, steps.Scaling) and not last.center.any() and not last.offset.any():
        averaged = _addends_of_operations(others)
        if len(averaged) > 1 and np.allclose(last.factor * len(averaged), 1.0):
            addends = averaged
    return set(addends)


def _addends_of_operations(operations: Sequence[Operation]) -> list[str]:
    """Return the last activation of each part of a sum that operations end in; a single one if they do not."""
    now = [_LINEAR]
    first_parts: list[list[str]] = []  # of the sums that are not complete
    for operation in operations:
        if isinstance(operation, steps.Remembering):
            first_parts.append([])
            now = [_LINEAR]
        elif isinstance(operation, steps.Exchanging):
            first_parts[-1], now = now, [_LINEAR]
        elif isinstance(operation, steps.Addition):
            now = [*(first_parts.pop() or [_LINEAR]), *now]
        else:
            now = [_function(operation)]
    return now


def _function(operation: Operation) -> str:
    return operation.function if isinstance(operation, steps.Activating) else _LINEAR
