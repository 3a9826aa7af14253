"""Samples on the disk, checked and in the form that the core reads, a window of some blocks at a time."""

import math
import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.files.rows import PlacedRows, Range, Rows, grouped, read_ranges, rows_of
from fastnet.files.stored import StoredDataset
from fastnet.inputs.batches import Batches
from fastnet.inputs.samples import (
    CORE_DTYPES,
    Samples,
    as_array,
    as_sample_weight,
    as_targets,
    as_weights,
    boundary_of,
    check_finite,
    core_array,
)
from fastnet.inputs.shapes import check_shape
from fastnet.inputs.tables import order_of
from fastnet.losses import Loss
from fastnet.support.validation import describe

if TYPE_CHECKING:
    from fastnet.files.atomic import Beside

Array = NDArray[Any]
# Returns the checked samples of rows: x, y, sample_weight, the place for messages and the number of the first row there.
Check = Callable[[Array, Array, Array | None, str, int], Samples]

WINDOW_BYTES = 1 << 26  # of rows that are shuffled together
EVALUATION_BYTES = 1 << 24  # of rows that are evaluated together
LARGE_MAP = 1 << 30  # bytes from which a memory map is read like a stored data set


class Window(NamedTuple):
    """Rows of an epoch that are in memory.

    Attributes
    ----------
    samples : Samples
    order : ndarray of int64, or None
        The rows in the order of the steps; None for all rows as they are.
    first, last : int
        The step that begins with the first of them, and the one after the last step.
    """

    samples: Samples
    order: NDArray[np.int64] | None
    first: int
    last: int


class StoredSamples:
    """Samples, targets and weights on the disk, one row each.

    Parameters
    ----------
    data : StoredDataset
        The samples and their targets.
    weight : Rows or None
        The weights of the rows in the files.
    check : callable
        Makes checked samples of some rows.
    dtype : str
        The dtype of the model.
    """

    def __init__(self, data: StoredDataset, weight: Rows | None, check: Check, dtype: str) -> None:
        self.data, self.weight = data, weight
        self._check, self._model_dtype = check, dtype
        given = data.dtype
        self.dtype = given if given in CORE_DTYPES else core_array(np.empty(0, given), dtype).dtype

    def __len__(self) -> int:
        return len(self.data)

    def split(self, validation_split: Any) -> tuple["StoredSamples", "StoredSamples"]:
        """Return the first samples, and the last fraction for validation."""
        boundary = boundary_of(len(self), validation_split)
        first, last = self.data.part(0, boundary), self.data.part(boundary, len(self))
        return self._with(first, self._check), self._with(last, self._check)

    def with_weights(self, weighted: Callable[[Samples], Samples]) -> "StoredSamples":
        """Return the samples with weights that depend on their targets."""

        def check(*arguments: Any) -> Samples:
            return weighted(self._check(*arguments))

        return self._with(self.data, check)

    def _with(self, data: StoredDataset, check: Check) -> "StoredSamples":
        return StoredSamples(data, self.weight, check, self._model_dtype)

    def in_order(self, batch_size: int) -> Iterator[Samples]:
        """Yield all rows in their order, a window of whole batches at a time; each is gone with the next one."""
        steps = -(-len(self) // batch_size)
        with closing(Reading(self, batch_size, None, 0, EVALUATION_BYTES)) as reading:
            step = 0
            while step < steps:
                window = reading.at(step)
                yield window.samples
                step = window.last

    # --- Reading ---

    def read_into(self, buffer: "Buffer", at: int, block: Range) -> None:
        """Read the rows of a block into a buffer, and check them."""
        first, last = block
        x = buffer.x[at : at + last - first]
        if self.dtype == self.data.dtype:
            self.data.x_rows.read_into(first, x.reshape(-1, *self.data.shape[1:]))
        else:
            x[...] = core_array(read_ranges(self.data.x_rows, [block]).reshape(len(x), -1), self._model_dtype)
        assert self.data.y_rows is not None
        y = read_ranges(self.data.y_rows, [block])
        weight = None if self.weight is None else read_ranges(self.weight, [block])
        place, row = self.data.x_rows.place(first)
        buffer.put(at, self._check(x, y, weight, f" in {place}" if place else "", row))

    def buffer(self, rows: int) -> "Buffer":
        """Return room for rows."""
        return Buffer(np.empty((rows, math.prod(self.data.shape[1:])), self.dtype))


Data = Samples | StoredSamples | Batches


class Buffer:
    """Room for the rows of a window."""

    def __init__(self, x: Array) -> None:
        self.x = x
        self.y: Array | None = None
        self.weight: Array | None = None

    def put(self, at: int, samples: Samples) -> None:
        """Keep the targets and the weights of samples whose x is here already."""
        rows = slice(at, at + len(samples))
        if self.y is None:
            self.y = np.empty((len(self.x), *samples.y.shape[1:]), samples.y.dtype)
        self.y[rows] = samples.y
        if samples.weight is not None:
            if self.weight is None:
                self.weight = np.empty(len(self.x), samples.weight.dtype)
            self.weight[rows] = samples.weight

    def put_first(self, other: "Buffer", rows: NDArray[np.int64] | slice) -> int:
        """Copy rows of another buffer to the front, and return how many they are."""
        assert other.y is not None
        x = other.x[rows]
        self.x[: len(x)] = x
        self.put(0, Samples(x, other.y[rows], None if other.weight is None else other.weight[rows]))
        return len(x)

    def samples(self, first: int, last: int) -> Samples:
        """Return rows that are here."""
        assert self.y is not None
        return Samples(self.x, self.y, self.weight).rows(first, last)


class _Read(NamedTuple):
    """A window that was read, and the rows of its buffer that are left for the next one."""

    window: Window
    buffer: Buffer
    left: NDArray[np.int64] | slice


class Reading:
    """The reading of one pass over stored samples: a thread reads the next window while the caller uses the last one.

    The blocks come in random order, and the rows of a window of some blocks are shuffled. Rows that do not fill a batch
    at its end go in front of the next window. A window's order depends on the key and its number alone, so that reading
    can begin at any step.

    Parameters
    ----------
    samples : StoredSamples
    batch_size : int
    key : int or None
        What the order is drawn from; None for the order of the files.
    step : int
        The step to begin with.
    window_bytes : int
        The size of a window.
    """

    def __init__(
        self, samples: StoredSamples, batch_size: int, key: int | None, step: int, window_bytes: int | None = None
    ) -> None:
        self._samples, self._batch_size, self._key = samples, batch_size, key
        blocks = samples.data.blocks
        if key is not None:
            blocks = blocks[np.random.default_rng((key, 0)).permutation(len(blocks))]
        self._blocks = blocks
        sizes = blocks[:, 1] - blocks[:, 0]
        self._bounds = grouped(sizes, max((window_bytes or WINDOW_BYTES) // samples.data.row_bytes, 1))
        starts = np.concatenate([[0], np.cumsum(sizes)])[self._bounds]
        room = min(int(np.diff(starts).max()) + batch_size - 1, len(samples))
        self._buffers = [samples.buffer(room) for _ in self._bounds[1:3]]
        self._closed = False
        self._read: _Read | None = None
        number = int(np.searchsorted(starts, step * batch_size, side="right")) - 1
        self._ahead: Beside[_Read] | None = self._begin(number, step, None, step * batch_size - int(starts[number]))

    def at(self, step: int) -> Window:
        """Return the window with the rows of a step, which is not before those that were asked for earlier."""
        while self._read is None or step >= self._read.window.last:
            assert self._ahead is not None
            self._read = read = self._ahead.result()
            assert read is not None
            self._ahead = self._begin(self._number + 1, read.window.last, read, 0) if self._has(1) else None
        return self._read.window

    def close(self) -> None:
        """End the thread; an error of it is dropped."""
        self._closed = True
        if self._ahead is not None:
            self._ahead.wait()
        self._read = self._ahead = None
        self._buffers = []

    def _has(self, more: int) -> bool:
        """Return whether there are more windows after the one that is read."""
        return self._number + more < len(self._bounds) - 1

    def _begin(self, number: int, step: int, before: _Read | None, skipped: int) -> "Beside[_Read]":
        from fastnet.files.atomic import Beside

        self._number = number
        return Beside(partial(self._window, number, step, before, skipped))

    def _window(self, number: int, step: int, before: _Read | None, skipped: int) -> _Read:
        """Read a window that begins with a step: the rows that the one before left, and its own but the skipped ones."""
        buffer = self._buffers[number % len(self._buffers)]
        carried = 0 if before is None else buffer.put_first(before.buffer, before.left)
        at = carried
        for first, last in self._blocks[self._bounds[number] : self._bounds[number + 1]].tolist():
            if self._closed:
                break
            self._samples.read_into(buffer, at, (first, last))
            at += last - first
        rows = at - skipped
        steps = rows // self._batch_size if number < len(self._bounds) - 2 else -(-rows // self._batch_size)
        used = min(steps * self._batch_size, rows)
        if self._key is None:
            end = skipped + used
            return _Read(Window(buffer.samples(skipped, end), None, step, step + steps), buffer, slice(end, at))
        shuffled = np.random.default_rng((self._key, 1 + number)).permutation(at - carried)[skipped:]
        order = np.concatenate([np.arange(carried), shuffled + carried])
        window = Window(buffer.samples(0, at), order[:used], step, step + steps)
        return _Read(window, buffer, order[used:])


# ---- What is stored -------------------------------------------------------------------------------------------------


def as_stored(x: Any, y: Any) -> StoredDataset | None:
    """Return samples that stay on the disk: a stored data set, or a large map of a file with its targets; else None."""
    if isinstance(x, StoredDataset):
        if y is not None:
            raise ValueError(f"y must be None if x is a StoredDataset, which has the targets; got {describe(y)}")
        if not x.has_targets:
            raise ValueError(f"x must have targets; {x!r} has none")
        return x
    if y is None or not _is_large_map(x):
        return None
    targets = as_array("y", y)
    if targets.ndim == 0 or len(targets) != len(x):
        raise ValueError(f"y must have as many rows as x, {len(x)}; got shape {targets.shape}")
    return StoredDataset(rows_of(x), rows_of(y if isinstance(y, np.memmap) else targets))


def _is_large_map(x: Any) -> bool:
    """Return whether an array is a map of a file and so large that its rows are read in blocks.

    This depends on the data alone, not on the machine, so that the order of the rows and the results do not.
    """
    if not isinstance(x, np.ndarray) or x.nbytes <= LARGE_MAP or x.ndim < 2 or x.dtype.kind not in "fiub":
        return False
    base: Any = x
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)


def stored_samples(
    data: StoredDataset,
    sample_weight: Any,
    of: str,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    loss: Loss,
    dtype: str,
    columns: Sequence[str] | None = None,
) -> StoredSamples:
    """Return stored samples for training or evaluation; `of` goes into messages. Rows are checked as they are read."""
    name = f"x{of}"
    check_shape(name, data.shape, input_shape, data)
    if not len(data):
        raise ValueError(f"{name} must have at least one row; got shape {data.shape}")
    data = _in_model_order(name, data, columns)

    def check(x: Array, y: Array, weight: Array | None, place: str, first: int) -> Samples:
        check_finite(f"x{of}{place}", x, dtype, columns, first)
        targets = as_targets(f"y{of}{place}", y, len(x), output_shape, loss, dtype, first_row=first)
        return Samples(x, targets, as_sample_weight(f"sample_weight{of}{place}", weight, len(x), dtype, first))

    return StoredSamples(data, _weights(f"sample_weight{of}", sample_weight, data), check, dtype)


def _weights(name: str, given: Any, data: StoredDataset) -> Rows | None:
    """Return the weights of stored samples, at the places of their rows in the files."""
    if given is None:
        return None
    array = as_weights(name, given, len(data))
    return PlacedRows(rows_of(given if isinstance(given, np.memmap) else array), data.blocks)


def _in_model_order(name: str, data: StoredDataset, columns: Sequence[str] | None) -> StoredDataset:
    """Return stored samples with their features in the order of the model, if both have names."""
    order = order_of(name, data.feature_names, columns) if columns and data.feature_names else None
    return data if order is None else data.with_columns(order)


def stored_features(data: StoredDataset, rows: int, batch_size: int, columns: Sequence[str] | None) -> Iterator[Array]:
    """Yield the first rows of stored samples, whole batches at a time, with the features of these names in order."""
    data = _in_model_order("x", data, columns).part(0, rows)
    left = np.empty((0, *data.shape[1:]), data.dtype)
    for first, last in data.spans(EVALUATION_BYTES):
        x = data.read_samples(first, last)
        if len(left):
            x = np.concatenate([left, x])
        used = len(x) if last == rows else len(x) // batch_size * batch_size
        if used:
            yield x[:used]
        left = x[used:].copy()
        del x  # before the next rows are read
