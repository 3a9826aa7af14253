"""The figures of an evaluation: in which batches they are computed, their means, and the form of the result."""

from collections.abc import Iterator

from fastnet.callbacks.base import Logs
from fastnet.inputs.batches import warn_of_few
from fastnet.support.validation import check_integer

# Rows at a time in predict, and in evaluate for most losses, where the number changes only the memory needed.
PREDICTION_BATCH = 256


class RunningMean:
    """Means of the loss and the metric over the samples so far."""

    def __init__(self, rows: int = 0, loss: float = 0.0, metric: float = 0.0) -> None:
        self.rows = rows
        self.sums = (loss, metric)

    def add(self, rows: int, loss: float, metric: float) -> None:
        self.rows += rows
        self.sums = (self.sums[0] + rows * loss, self.sums[1] + rows * metric)

    @property
    def values(self) -> tuple[float, float]:
        return self.sums[0] / self.rows, self.sums[1] / self.rows


def batches(rows: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """Yield the first row of every batch, and the one after its last."""
    for start in range(0, rows, batch_size):
        yield start, min(start + batch_size, rows)


def check_steps(done: int, steps: int | None) -> None:
    """Warn where there were fewer batches than `steps`."""
    if steps is not None and done < steps:
        warn_of_few("x", done, "steps", steps, "these are the results of them alone")


def prediction_batch(name: str, value: int | None) -> int:
    """Return how many rows are computed at a time."""
    return PREDICTION_BATCH if value is None else check_integer(name, value)


def result(logs: Logs, return_dict: bool) -> float | list[float] | dict[str, float]:
    """Return the figures of an evaluation in the form that is asked for."""
    if return_dict:
        return logs
    return logs["loss"] if len(logs) == 1 else list(logs.values())
