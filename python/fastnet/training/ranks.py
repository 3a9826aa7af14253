"""The ranks of a distributed run of `fit`: what all have in common, and what they decide together."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastnet._core import Checksum
from fastnet.callbacks.base import Logs
from fastnet.callbacks.running import CallbackList
from fastnet.distributed.distribution import Distribution, current
from fastnet.distributed.division import Division
from fastnet.distributed.exchange import Exchange
from fastnet.inputs.samples import Samples
from fastnet.support.json_values import json_value
from fastnet.training.checkpoints import differences, identity
from fastnet.training.fingerprints import environment
from fastnet.training.run import Run
from fastnet.training.sharding import Sharding

# Why a rank wants training to end, as flags.
STOPPED, OUT_OF_TIME, INTERRUPTED = 1, 2, 4

_MOST_HASHED = 1 << 30  # bytes of an array; of larger ones, the fingerprints of some rows must do
_CHUNK = 1 << 24  # bytes that are hashed at a time


class Ranks:
    """The ranks of a run. All of them call its methods at the same points of the run.

    Parameters
    ----------
    run : Run
        The run of this rank, before it begins.
    distribution : Distribution
        The ranks, more than one.
    wishes : callable
        Returns why this rank wants training to end, as flags.
    obey : callable
        Gets the wishes of all ranks after a step, and returns whether the epoch goes on.

    Raises
    ------
    ValueError
        The runs of the ranks differ.
    """

    def __init__(
        self, run: Run, distribution: Distribution, wishes: Callable[[], int], obey: Callable[[int], bool]
    ) -> None:
        self._run, self._distribution, self._wishes, self._obey = run, distribution, wishes, obey
        self.exchange = Exchange(distribution.communicator, distribution.shards, wishes, obey)
        self._begin_alike()

    def _begin_alike(self) -> None:
        """Give a model without a seed the state of rank 0's, and refuse runs that differ."""
        model: Any = self._run.model
        if not any(self._distribution.gather(model._receipt.seed is not None)):
            state = self._run.network.get_state(), model._generator.bit_generator.state
            (values, *rest), model._generator.bit_generator.state = self._distribution.broadcast(state)
            self._run.network.set_state(values, *rest)
            model._weights.changes.spread()
            model.optimizer._count(self._run.network.finished_steps)
        facts = self._distribution.gather(json_value(_facts(self._run)))
        if (difference := _difference(facts)) is not None:
            raise ValueError(f"all ranks must call fit with the same model, data and arguments: {difference}")

    def any(self, answer: bool, place: str) -> bool:
        """Return whether the answer of any rank is yes, at a place of the run."""
        return bool(self._united(int(answer), place, ""))

    def agree(self, place: str, figures: Logs | None = None) -> None:
        """Obey the wishes of all ranks at a place of the run; with figures, compare these and the weights.

        Raises
        ------
        ValueError
            A rank is at another place, or has other figures or weights.
        """
        content = "" if figures is None else f"{figures}, {_hash([self._run.network.values])}"
        self._obey(self._united(self._wishes(), place, content))

    def division_of_validation(self, callbacks: CallbackList) -> Division | None:
        """Return how the ranks share a validation; None if callbacks of any of them have hooks for its batches."""
        by_batch = self.any(callbacks.see_test_batches, "the beginning of a validation")
        return None if by_batch else Division(self._distribution.communicator)

    def same_batch(self, samples: Samples) -> Samples:
        """Return a batch from a source, which must be the same on all ranks."""
        position = self._run.position
        self._united(0, f"batch {position.steps + 1} of epoch {position.epoch + 1}", _checksum(samples))
        return samples

    def _united(self, flags: int, place: str, content: str) -> int:
        """Return the flags of any rank; the place and the content must be the same on all."""
        found = self._distribution.gather((flags, place, content))
        if (
            difference := _difference([{"place": place, "content": content} for _, place, content in found])
        ) is not None:
            raise ValueError(f"the ranks have come apart: {difference}")
        union = 0
        for one, _, _ in found:
            union |= one
        return union


def shared(run: Run, wishes: Callable[[], int], obey: Callable[[int], bool]) -> tuple[Ranks | None, Sharding | None]:
    """Return the ranks of a run, None for one rank, and the shards of its batches, None if it is not distributed."""
    distribution = current()
    if distribution is None:
        return None, None
    ranks = Ranks(run, distribution, wishes, obey) if distribution.size > 1 else None
    return ranks, Sharding(distribution.shards, None if ranks is None else ranks.exchange)


# ---- What is the same on all ranks ----------------------------------------------------------------------------------


def _facts(run: Run) -> dict[str, Any]:
    """Return what must be the same on all ranks at the beginning of a run."""
    model: Any = run.model
    plan = run.plan
    now = environment()
    values, steps, optimizer, seeds = run.network.get_state()
    return {
        **{name: now[name] for name in ("fastnet", "isa")},
        **identity(run, {}),
        "epochs": [plan.epochs.start, plan.epochs.stop, *filter(plan.validates, range(1, 101))],
        "all of x and y": _checksum(plan.data),
        "all of validation_data": _checksum(plan.validation),
        "layers": model._settings().as_dict(),
        "weights": _hash([values]),
        "optimizer": [steps, model.optimizer.learning_rate, _hash([optimizer])],
        "random state": [repr(model._generator.bit_generator.state), *seeds],
    }


def _checksum(data: Any) -> str:
    """Return a checksum of samples; empty for batches, and for arrays that take long to read."""
    if not isinstance(data, Samples):
        return ""
    x = [data.x] if isinstance(data.x, np.ndarray) else [*data.x.arrays]
    return _hash([*x, data.y, *([] if data.weight is None else [data.weight])])


def _hash(arrays: Sequence[np.ndarray[Any, Any]]) -> str:
    checksum = Checksum()
    for array in arrays:
        checksum.update(f"{array.dtype} {array.shape}".encode())
        rows = max(1, _CHUNK // max(1, array.nbytes // max(1, len(array))))
        for start in range(0, len(array), rows) if array.nbytes <= _MOST_HASHED else ():
            checksum.update(np.ascontiguousarray(array[start : start + rows]))
    return checksum.hexdigest()


def _difference(facts: Sequence[dict[str, Any]]) -> str | None:
    """Return the first entry that is not the same on all ranks, with the values and their ranks; None if there is none."""
    found = [list(differences(facts[0], own, "")) for own in facts]
    place, first, _ = next(filter(None, found), [("", "", "")])[0]
    if not place:
        return None
    ranks_of: dict[str, list[int]] = {}
    for rank, own in enumerate(found):
        value = next((after for name, _, after in own if name == place), first)
        ranks_of.setdefault(value, []).append(rank)
    return f"{place} is " + ", ".join(f"{value} on {_named(ranks)}" for value, ranks in ranks_of.items())


def _named(ranks: Sequence[int]) -> str:
    """Return "rank 2", "ranks 0 and 1" or "ranks 0, 1 and 3"."""
    *others, last = map(str, ranks)
    return f"ranks {', '.join(others)} and {last}" if others else f"rank {last}"
