"""Whether the peers computed the same: the loss and accuracy after training from the same weights in the same order.

Estimators draw their own weights and orders, from the same seed: what comes of a fit is the same up to rounding.
"""

import math
import statistics
from typing import Any

from .cases import Training
from .estimator_cases import Estimator
from .results import Record, Results, Row
from .workloads import WORKLOADS

LOSS = 0.02  # relative, after the first steps; PyTorch adds the epsilon of Adam at another place

Checks = dict[str, list[dict[str, Any]]]


def mean(values: list[dict[str, float]], quantity: str) -> float:
    return statistics.mean(value[quantity] for value in values)


def disagreements(results: Results) -> list[str]:
    """Return a line for every peer whose result differs from fastnet's by more than rounding does."""
    lines = []
    for name, record in results.records.items():
        for case in results.cases(name) if name in WORKLOADS else ():
            if not isinstance(case, Training | Estimator):
                continue
            expected = record.checks.get("fastnet", {}).get(case.name)
            for peer, checks in record.checks.items():
                found = checks.get(case.key)
                if expected and found and not agrees(case, found, expected):
                    lines.append(f"**{peer} does not agree with fastnet** on {case.key}: {found}, not {expected}")
    return lines


def agrees(case: Training | Estimator, found: Checks, expected: Checks) -> bool:
    if isinstance(case, Estimator):
        return same(found["end"][0], expected["end"][0], case.tolerance)
    loss, right_loss = (mean(checks["start"], "loss") for checks in (found, expected))
    accuracy, right_accuracy = (mean(checks["end"], "accuracy") for checks in (found, expected))
    return abs(loss - right_loss) <= LOSS * right_loss and abs(accuracy - right_accuracy) <= case.accuracy_within


def same(found: dict[str, Any], expected: dict[str, Any], tolerance: float) -> bool:
    """Whether facts are equal, numbers up to a relative difference."""
    return found.keys() == expected.keys() and all(
        math.isclose(found[name], value, rel_tol=tolerance) if isinstance(value, float) else found[name] == value
        for name, value in expected.items()
    )


def explain(case: Training) -> str:
    if case.one_cycle:
        return "after every run: the mean and the lowest accuracy of all runs, each from other weights"
    after = f"{case.check_epochs} epochs" if case.check_epochs > 1 else "an epoch"
    weights = f", the mean of {case.seeds} initial weights and their range" if case.seeds > 1 else ""
    few = f" of {case.few_samples:,} samples" if case.few_samples else ""
    return f"after {after}{few} from the same weights in the same order{weights}"


def cells(record: Record, row: Row) -> list[str]:
    """The loss and the accuracy that belong to a row."""
    if "accuracy" in row.values[0]:
        accuracies = row.series("accuracy")
        return ["", f"{statistics.mean(accuracies):.2%}, lowest {min(accuracies):.2%}"]
    checks = record.checks.get(row.peer, {}).get(row.case)
    if not checks:
        return ["", ""]
    accuracies = [check["accuracy"] for check in checks["end"]]
    text = f"{statistics.mean(accuracies):.2%}"
    if len(accuracies) > 1:
        text += f" ({min(accuracies):.2%} to {max(accuracies):.2%})"
    return [f"{mean(checks['end'], 'loss'):.4f}", text]
