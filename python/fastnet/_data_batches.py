"""Samples that come batch by batch: generators, data sets with an index, loaders."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet._validation import describe

# One batch: x, y and perhaps sample_weight.
Batch = tuple[Any, ...]
Order = Callable[[int], NDArray[np.int64]]


class Batches:
    """A source of batches, asked for once an epoch.

    Attributes
    ----------
    steps : int or None
        How many batches an epoch has, where that is known.
    """

    steps: int | None = None

    def peek(self) -> Batch:
        """Return a batch, which the next epoch yields again."""
        return next(iter(self.epoch(1, None)))

    def epoch(self, steps: int | None, order: Order | None, done: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch after the first `done` ones.

        `order` gives a permutation of n things where they are to be shuffled.
        """
        raise NotImplementedError

    def pass_over(self, epochs: int, steps: int | None) -> None:
        """Bring the source to where it is after so many epochs: what is iterated is read again, and dropped."""
        for _ in range(epochs):
            for _ in self.epoch(steps, None):
                pass


class IteratorBatches(Batches):
    """A generator, which every epoch takes its batches from."""

    def __init__(self, name: str, iterator: Iterator[Any]) -> None:
        self._name = name
        self._iterator = iterator

    def peek(self) -> Batch:
        """Return the first batch, which the next epoch yields again."""
        first = next(self._iterator, None)
        if first is None:
            raise ValueError(f"{self._name} must yield at least one batch; got none")
        self._iterator = itertools.chain([first], self._iterator)
        return as_batch(self._name, first)

    def epoch(self, steps: int | None, order: Order | None, done: int = 0) -> Iterator[Batch]:
        del order
        count = 0
        for batch in itertools.islice(self._iterator, steps):
            count += 1
            if count > done:
                yield as_batch(self._name, batch)
        if count == 0:
            raise ValueError(
                f"{self._name} has no more batches: give a generator that does not end, with steps_per_epoch, or an "
                "object that can be iterated again"
            )


class LoaderBatches(Batches):
    """An object that can be iterated again for every epoch, such as PyTorch's DataLoader."""

    def __init__(self, name: str, loader: Any) -> None:
        self._name = name
        self._loader = loader
        self.steps = len(loader) if hasattr(loader, "__len__") else None

    def epoch(self, steps: int | None, order: Order | None, done: int = 0) -> Iterator[Batch]:
        del order
        for batch in itertools.islice(iter(self._loader), done, steps):
            yield as_batch(self._name, batch)


class IndexedBatches(Batches):
    """An object with a length whose items are batches, such as Keras's PyDataset."""

    def __init__(self, name: str, items: Any) -> None:
        self._name = name
        self._items = items
        self.steps = len(items)

    def epoch(self, steps: int | None, order: Order | None, done: int = 0) -> Iterator[Batch]:
        numbers = np.arange(len(self._items)) if order is None else order(len(self._items))
        for number in numbers[done:steps]:
            yield as_batch(self._name, self._items[int(number)])
        self._end_epoch()

    def pass_over(self, epochs: int, steps: int | None) -> None:
        del steps
        for _ in range(epochs):
            self._end_epoch()

    def _end_epoch(self) -> None:
        if hasattr(self._items, "on_epoch_end"):
            self._items.on_epoch_end()


class IndexedSamples(Batches):
    """An object with a length whose items are samples, such as PyTorch's Dataset."""

    def __init__(self, name: str, items: Any, batch_size: int) -> None:
        self._name = name
        self._items = items
        self._batch_size = batch_size
        self.steps = -(-len(items) // batch_size)

    def epoch(self, steps: int | None, order: Order | None, done: int = 0) -> Iterator[Batch]:
        numbers = np.arange(len(self._items)) if order is None else order(len(self._items))
        for start in range(0, len(numbers), self._batch_size)[done:steps]:
            samples = [
                as_batch(self._name, self._items[int(number)]) for number in numbers[start : start + self._batch_size]
            ]
            yield tuple(np.stack([np.asarray(part) for part in parts]) for parts in zip(*samples, strict=True))

    def pass_over(self, epochs: int, steps: int | None) -> None:
        """Do nothing: items are asked for by their numbers."""


def as_batch(name: str, item: Any) -> Batch:
    """Return what a source yields as (x, y) or (x, y, sample_weight)."""
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        raise ValueError(f"{name} must yield (x, y) or (x, y, sample_weight); got {describe(item)}")
    return tuple(item)


def as_batches(name: str, source: Any, input_shape: tuple[int, ...] | None, batch_size: int) -> Batches | None:
    """Return a source of batches for what is no array, or None for what is one.

    An item of an object with a length and an index is one sample when its x has the shape of the model's input, or,
    before the model is built, when its y is a single number; otherwise it is a batch.
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
    """Return whether something may be a source of batches: no array, no table, no sparse matrix."""
    return not any(hasattr(thing, name) for name in ("__array__", "dtype", "column_names", "tocsr"))


def features_of_batches(source: Any) -> Iterator[Any] | None:
    """Return the x of every batch of a generator or loader, which yields x or (x, y); None for anything else."""
    if not _is_source(source) or not hasattr(source, "__iter__") or hasattr(source, "__getitem__"):
        return None
    return (batch[0] if isinstance(batch, tuple | list) else batch for batch in source)
