"""Sources of batches: generators, data sets with an index, loaders."""

import itertools
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.inputs.samples import as_array
from fastnet.inputs.tables import is_table
from fastnet.support.validation import describe

# One batch: x, y and optionally sample_weight.
Batch = tuple[Any, ...]
Order = NDArray[np.int64] | None


class Batches:
    """A source of batches. Each epoch takes some of them and continues where the previous one stopped.

    Attributes
    ----------
    steps : int or None
        The number of batches in one pass over the data, if it is known.
    ends : bool
        Whether the source can be exhausted.
    """

    steps: int | None = None
    ends = False

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def items(self) -> int | None:
        """The number of items to shuffle; None if the source determines their order."""
        return None

    def peek(self) -> Batch:
        """Return a batch, which the next epoch yields again."""
        return next(iter(self.epoch(1)))

    def epoch(self, steps: int | None, order: Order = None, first: int = 0, done: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch of `steps`, or up to the end of the data, after the first `done` ones.

        With an index, the epoch begins with batch `first` of the data in this `order`.
        """
        raise NotImplementedError

    def start_over(self) -> None:
        """Let the next epoch begin with the first batch, if possible."""

    def pass_over(self, epochs: int, steps: int | None, more: int = 0) -> None:
        """Advance the source past some epochs and steps; iterators are read again, and the batches dropped."""
        for _ in range(epochs):
            for _ in self.epoch(steps):
                pass
        for _ in itertools.islice(self.epoch(steps), more):
            pass


class IteratorBatches(Batches):
    """A generator from which every epoch takes its batches."""

    ends = True

    def __init__(self, name: str, iterator: Iterator[Any]) -> None:
        super().__init__(name)
        self._iterator = iterator

    def peek(self) -> Batch:
        """Return the first batch, which the next epoch yields again."""
        first = next(self._iterator, None)
        if first is None:
            raise ValueError(f"{self.name} must yield at least one batch; got none")
        self._iterator = itertools.chain([first], self._iterator)
        return as_batch(self.name, first)

    def epoch(self, steps: int | None, order: Order = None, first: int = 0, done: int = 0) -> Iterator[Batch]:
        del order, first
        for batch in itertools.islice(self._iterator, None if steps is None else steps - done):
            yield as_batch(self.name, batch)


class LoaderBatches(Batches):
    """An object that can be iterated repeatedly, such as PyTorch's DataLoader."""

    def __init__(self, name: str, loader: Any) -> None:
        super().__init__(name)
        self._loader = loader
        self._rest: Iterator[Any] = iter(())
        self.steps = len(loader) if hasattr(loader, "__len__") else None

    def peek(self) -> Batch:
        """Return the first batch, which the next epoch yields again."""
        rest = iter(self._loader)
        for first in rest:
            self._rest = itertools.chain([first], rest)
            return as_batch(self.name, first)
        raise ValueError(f"{self.name} must yield at least one batch; got none")

    def epoch(self, steps: int | None, order: Order = None, first: int = 0, done: int = 0) -> Iterator[Batch]:
        del order, first
        left = None if steps is None else steps - done
        for batch in itertools.islice(self._rest, left):
            done += 1
            yield as_batch(self.name, batch)
        if not done:  # the previous epoch ended with the data
            self._rest = iter(self._loader)
            for batch in itertools.islice(self._rest, left):
                yield as_batch(self.name, batch)

    def start_over(self) -> None:
        self._rest = iter(())


class IndexedBatches(Batches):
    """An object with a length whose items are batches, such as Keras's PyDataset."""

    def __init__(self, name: str, source: Any) -> None:
        super().__init__(name)
        self._source = source
        self.steps = len(source)

    @property
    def items(self) -> int:
        return len(self._source)

    def epoch(self, steps: int | None, order: Order = None, first: int = 0, done: int = 0) -> Iterator[Batch]:
        numbers = np.arange(self.items) if order is None else order
        for number in numbers[first + done : None if steps is None else first + steps]:
            yield as_batch(self.name, self._source[int(number)])
        self._end_epoch()

    def pass_over(self, epochs: int, steps: int | None, more: int = 0) -> None:
        del steps, more
        for _ in range(epochs):
            self._end_epoch()

    def _end_epoch(self) -> None:
        if hasattr(self._source, "on_epoch_end"):
            self._source.on_epoch_end()


class IndexedSamples(Batches):
    """An object with a length whose items are samples, such as PyTorch's Dataset."""

    def __init__(self, name: str, source: Any, batch_size: int) -> None:
        super().__init__(name)
        self._source = source
        self._batch_size = batch_size
        self.steps = -(-len(source) // batch_size)

    @property
    def items(self) -> int:
        return len(self._source)

    def epoch(self, steps: int | None, order: Order = None, first: int = 0, done: int = 0) -> Iterator[Batch]:
        numbers = np.arange(self.items) if order is None else order
        size = self._batch_size
        for start in range(0, len(numbers), size)[first + done : None if steps is None else first + steps]:
            samples = [as_batch(self.name, self._source[int(number)]) for number in numbers[start : start + size]]
            yield tuple(
                np.stack([as_array(f"{part} of {self.name}", value) for value in values])
                for part, values in zip(("x", "y", "sample_weight"), zip(*samples, strict=True), strict=False)
            )

    def pass_over(self, epochs: int, steps: int | None, more: int = 0) -> None:
        """Do nothing: items are read by index."""


def warn_of_few(source: str, got: int, argument: str, wanted: int | None, then: str) -> None:
    """Warn that a source had fewer batches than requested, or none; `then` is the consequence."""
    had = "no more" if wanted is None else f"{got} of the {wanted}"
    asked = "" if wanted is None else f" that {argument}={wanted} asks for"
    warnings.warn(f"Your input ran out of data: {source} had {had} batches{asked}; {then}", stacklevel=3)


def as_batch(name: str, item: Any) -> Batch:
    """Return an item of a source as (x, y) or (x, y, sample_weight)."""
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        raise ValueError(f"{name} must yield (x, y) or (x, y, sample_weight); got {describe(item)}")
    return tuple(item)


def as_batches(name: str, source: Any, input_shape: tuple[int, ...] | None, batch_size: int) -> Batches | None:
    """Return a source of batches, or None for an array.

    An item of an object with a length and an index is one sample if its x has the shape of the model's input or, before
    the model is built, if its y is a single number; otherwise it is a batch.
    """
    if not _is_source(source):
        return None
    if hasattr(source, "__next__"):
        return IteratorBatches(name, source)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        if not len(source):
            raise ValueError(f"{name} must have at least one item; got {describe(source)}")
        if isinstance(source, list | tuple) and not isinstance(source[0], list | tuple):
            return None
        x, y, *_ = as_batch(name, source[0])
        shape = np.shape(x)
        is_sample = shape == input_shape or (input_shape is None and np.ndim(y) == 0)
        return IndexedSamples(name, source, batch_size) if is_sample else IndexedBatches(name, source)
    return LoaderBatches(name, source) if hasattr(source, "__iter__") else None


def _is_source(thing: Any) -> bool:
    """Return whether an object may be a source of batches, not an array, table, sparse matrix or dictionary."""
    is_data = isinstance(thing, np.ndarray) or is_table(thing) or isinstance(thing, Mapping)
    return not is_data and not any(hasattr(thing, name) for name in ("__array__", "dtype", "tocsr"))


def features_of_batches(source: Any) -> Iterator[Any] | None:
    """Return the x of every batch of a generator or loader, which yields x or (x, y); None for anything else."""
    if not _is_source(source) or not hasattr(source, "__iter__") or hasattr(source, "__getitem__"):
        return None
    return (batch[0] if isinstance(batch, tuple | list) else batch for batch in source)
