"""Several ranks in threads of one process, in place of the processes that mpiexec starts, and trainings for them."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

import fastnet as fn
from fastnet.callbacks import LambdaCallback
from fastnet.distributed.communicator import Communicator
from fastnet.distributed.distribution import Distribution
from fastnet.distributed.messages import read, written
from runs import ROWS, Run


class AbortedError(Exception):
    """A rank has ended all of them."""


class World:
    """What the ranks share: a place for the message of each."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size)
        self.failures = threading.Barrier(size)
        self.posted: list[Any] = [None] * size
        self.aborts: list[str] = []
        self.messages = 0


class ThreadCommunicator(Communicator):
    """One rank."""

    has_threads = True

    def __init__(self, world: World, rank: int) -> None:
        self.world, self.rank, self.size = world, rank, world.size

    def gather(self, value: Any) -> list[Any]:
        world = self.world
        world.posted[self.rank] = written(value)
        self._wait()
        # Copies: processes have nothing in common, either.
        found = [read(text, [array.copy() for array in arrays]) for text, arrays in world.posted]
        self._wait()
        return found

    def _wait(self) -> None:
        try:
            self.world.barrier.wait(60)
        except threading.BrokenBarrierError:
            raise AbortedError from None

    def broadcast(self, value: Any) -> Any:
        return self.gather(value)[0]

    def gather_in_place(
        self, buffer: NDArray[np.uint8], lengths: Sequence[int], awaited: threading.Event | None = None
    ) -> None:
        ends = np.cumsum(lengths)
        places = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
        assert len(buffer) == ends[-1]
        for place, message in zip(places, self.gather(buffer[places[self.rank]].copy()), strict=True):
            buffer[place] = message
        if self.rank == 0:
            self.world.messages += 1

    def exchange_pieces(
        self,
        sent: NDArray[np.uint8],
        given: Sequence[int],
        received: NDArray[np.uint8],
        taken: Sequence[int],
        awaited: threading.Event | None = None,
    ) -> None:
        pieces = np.split(sent, np.cumsum(given)[:-1])
        own = [all_pieces[self.rank] for all_pieces in self.gather(pieces)]
        assert [len(piece) for piece in own] == list(taken)
        received[:] = np.concatenate(own)
        if self.rank == 0:
            self.world.messages += 1

    def all_fail(self, seconds: float) -> bool:
        try:
            self.world.failures.wait(0.2)
        except threading.BrokenBarrierError:
            return False
        return True

    def abort(self, text: str) -> NoReturn:
        if not self.world.aborts:
            self.world.aborts.append(f"rank {self.rank} {text}")
        self.world.barrier.abort()
        raise AbortedError

    def leave(self) -> None:
        """Do nothing."""


class Ranks:
    """The outcome of a function on several ranks.

    Attributes
    ----------
    results, errors : list
        What it returned or raised on each rank.
    aborts : list of str
        Why ranks ended the others.
    messages : int
        How many messages every rank has sent in steps.
    """

    def __init__(self, size: int, shards: int, function: Callable[[int], Any]) -> None:
        self.results: list[Any] = [None] * size
        self.errors: list[BaseException | None] = [None] * size
        world = World(size)

        def run(rank: int) -> None:
            try:
                with Distribution(shards, ThreadCommunicator(world, rank)) as ranks:
                    ranks.tracebacks = False
                    self.results[rank] = function(rank)
            except BaseException as error:
                self.errors[rank] = error

        threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
        before = fn.get_num_threads()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fn.set_num_threads(before)  # which the ranks may have changed
        self.aborts, self.messages = world.aborts, world.messages

    @property
    def result(self) -> Any:
        """The result, which must be the same on all ranks."""
        assert self.errors == [None] * len(self.errors), self.errors
        assert all(result == self.results[0] for result in self.results)
        return self.results[0]


# ---- Trainings -------------------------------------------------------------------------------------------------------

SHARDS = 8


def on(size: int, run: Run, shards: int = SHARDS) -> Any:
    """The weights and the history of a training on some ranks, the same on all of them."""
    return Ranks(size, shards, lambda rank: run()).result


def cubed(y_true: Any, y_pred: Any) -> Any:
    error = y_pred - np.eye(3)[y_true]
    return np.mean(np.abs(error) ** 3), 3 * error * np.abs(error) / error.size


RUNS = {
    "dense": Run(),
    "dropout, momentum": Run("dropout", "momentum"),
    "batch norm": Run("batch-norm", "momentum"),
    "residual, schedule": Run("residual", "schedule"),
    "penalties, average": Run("penalties", "average"),
    "accumulated gradients": Run("noise", "accumulation"),
    "muon": Run("prelu", "muon"),
    "clipped": Run("layer-norm", "lion", dtype="float64"),
    "metrics": Run(metrics=lambda: ["accuracy", "AUC", "mse"]),
    "custom loss": Run(loss=cubed, metrics=lambda: ["accuracy", "mse"]),
    "batch by batch": Run(
        metrics=lambda: ["AUC"], callbacks=lambda: [LambdaCallback(on_train_batch_end=lambda batch, logs: None)]
    ),
    "weights": Run(sample_weight=np.linspace(0.0, 2.0, ROWS), class_weight={0: 2.0}),
    "steps": Run(steps_per_epoch=2, batch_size=11, epochs=7, validation_freq=2),
    "one batch": Run(batch_size=1000),
    "single rows": Run("dropout", batch_size=1, epochs=1),
    "in order": Run(shuffle=False, validation=None),
}
