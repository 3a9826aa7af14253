"""The data of ``fastnet train``, split by purpose: in memory, or on the disk if they are large."""

import argparse
import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.cli._data import source_name, source_of, stays_on_disk
from fastnet.cli._networks import with_image_shape
from fastnet.cli._output import note
from fastnet.datasets import Dataset, StoredDataset, load, train_test_split
from fastnet.datasets import open as open_stored
from fastnet.datasets._dataset import features
from fastnet.datasets._labels import FOR_REGRESSION, number_in
from fastnet.datasets._targets import are_class_numbers, as_numbers, refuse_spoiled_names

__all__ = ["Parts", "load_parts"]

MOST_BYTES, MOST_ROWS = 1 << 26, 50_000  # of stored data that are held out, or looked at, in memory
MOST_PLACES = 512  # from which they are held out


class Parts(NamedTuple):
    """The data, split by purpose."""

    source: Dataset | StoredDataset
    """All data, as loaded."""
    training: Dataset | StoredDataset
    sample: Dataset
    """The training data; of those on the disk, some rows from all over them."""
    validation: Dataset | None
    """Held out from the training data, for the figures of every epoch."""
    measured: Dataset
    """The data for the result."""
    measured_is: str
    """Description of `measured`."""

    @property
    def are_numbers(self) -> bool:
        """Whether the targets are numbers, for a regression."""
        return self.sample.is_regression


def load_parts(arguments: argparse.Namespace) -> Parts:
    """Load the data and hold out validation rows."""
    how: dict[str, Any] = {
        "separator": arguments.separator,
        "decimal": arguments.decimal or ".",
        "target": arguments.target,
        "require_labels": True,
        "ignore": () if arguments.id is None else (arguments.id,),
    }
    source = source_of(arguments.data)
    if stays_on_disk(source):
        return _stored_parts(_opened(source, arguments.task, how), arguments)
    encode = {"classification": True, "regression": False}.get(arguments.task, "auto")
    data = with_image_shape(load(source, **how, encode=encode), arguments.image_shape)
    assert data.y is not None
    if not data.is_regression:
        _check_classes(data.n_classes, arguments)
    _check_columns(data, arguments)
    name = source_name(arguments.data)
    # The classes are named before the split, because a part may lack a rare one.
    training, validation = replace(data, classes=data.class_names, test=None), None
    if arguments.validation:
        training, validation = _split(training, data.y, arguments)
    if data.test is not None and data.test.y is not None:
        return Parts(data, training, training, validation, data.test, f"the test set of {name}")
    if validation is not None:
        held_out = f"{100 * arguments.validation:g}% of {name}, held out"
        return Parts(data, training, training, validation, validation, held_out)
    nothing = f"the training data, because nothing was held out of {name}"
    return Parts(data, training, training, None, training, nothing)


def _opened(source: str, task: str | None, how: dict[str, Any]) -> StoredDataset:
    """Open data on the disk, with labels or with numbers as targets."""
    if task != "regression":
        try:
            data = open_stored(source, **how)
        except ValueError as error:
            if task or FOR_REGRESSION not in str(error):
                raise
        else:
            if task or _are_labels(data):
                if task is None and data.class_names:
                    names = dict.fromkeys(data.class_names, 0)
                    refuse_spoiled_names(names, len(data), f"{source}: the labels", how["decimal"])
                return data
    return open_stored(source, **how, encode=False)


def _are_labels(data: StoredDataset) -> bool:
    """Return whether labels of data on the disk are taken as such, by the rule of `are_class_numbers`."""
    numbers = [number_in(name) for name in data.class_names or []]
    whole = sorted(int(number) for number in numbers if number is not None)
    return len(whole) < len(numbers) or are_class_numbers(whole, len(data))


def _check_columns(data: Dataset | StoredDataset, arguments: argparse.Namespace) -> None:
    """Refuse labels that name the rows, and features that cannot be told apart by their names."""
    if arguments.id is not None and data.label is not None and data.label.name == arguments.id:
        raise ValueError(
            f"--id {arguments.id}: the column holds the labels; name one that is neither label nor feature"
        )
    names = data.feature_names or []
    if len(set(names)) < len(names):
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"{arguments.data} has {names.count(doubled)} columns named {doubled!r}: rename or remove them"
        )


def _check_classes(classes: int, arguments: argparse.Namespace) -> None:
    if classes < 2:
        raise ValueError(f"{arguments.data} has only one class; a classifier needs at least two")


def _split(data: Dataset, y: NDArray[Any], arguments: argparse.Namespace) -> tuple[Dataset, Dataset]:
    """Split the rows at random, stratified by class if each class has enough rows."""
    stratified = not data.is_regression and _can_be_stratified(y, arguments.validation)
    if not (stratified or data.is_regression):
        note("some classes have too few rows to be split in proportion: all rows are split at random", arguments.quiet)
    x_train, x_held_out, y_train, y_held_out = train_test_split(
        data.x,
        y,
        test_size=arguments.validation,
        random_state=arguments.seed,
        stratify=y if stratified else None,
    )
    return replace(data, x=x_train, y=y_train), replace(data, x=x_held_out, y=y_held_out)


def _can_be_stratified(y: NDArray[np.int64], validation: float) -> bool:
    held_out = math.ceil(validation * len(y))
    counts = np.bincount(y)
    smallest = int(counts[counts > 0].min())
    return smallest > 1 and int(np.count_nonzero(counts)) <= min(held_out, len(y) - held_out)


# ---- Data on the disk -----------------------------------------------------------------------------------------------


def _stored_parts(data: StoredDataset, arguments: argparse.Namespace) -> Parts:
    """Hold out rows of data on the disk, and take a sample of the others."""
    _check_columns(data, arguments)
    if data.n_classes:
        _check_classes(data.n_classes, arguments)
    name, most = source_name(arguments.data), max(min(MOST_ROWS, MOST_BYTES // data.row_bytes), 1)
    training, validation = data, None
    if arguments.validation:
        training, held_out = _held_out(data, min(math.ceil(arguments.validation * len(data)), most), arguments.seed)
        validation = _in_memory(held_out, held_out.read(0, len(held_out)), arguments)
    sample = _in_memory(training, training.sample(most), arguments)
    if validation is not None:
        rows = f"{len(validation):,} rows of {name}, held out"
        return Parts(data, training, sample, validation, validation, rows)
    nothing = f"{len(sample):,} rows of the training data, because nothing was held out of {name}"
    return Parts(data, training, sample, None, sample, nothing)


def _held_out(data: StoredDataset, rows: int, seed: int) -> tuple[StoredDataset, StoredDataset]:
    """Hold out rows from either end of blocks all over the data, in proportion to their sizes."""
    first, last = data.blocks.T
    sizes = np.zeros_like(first)
    chosen = np.unique(np.linspace(0, len(first) - 1, MOST_PLACES).astype(np.int64))
    sizes[chosen] = (last - first)[chosen]
    rows = min(rows, int(sizes.sum()))
    held = np.diff(rows * np.cumsum(sizes) // sizes.sum(), prepend=0)
    at_begin = np.random.default_rng(seed).random(len(first)) < 0.5
    cut = np.where(at_begin, first + held, last - held)
    ends = np.stack([np.where(at_begin, first, cut), np.where(at_begin, cut, last)], axis=1)
    rest = np.stack([np.where(at_begin, cut, first), np.where(at_begin, last, cut)], axis=1)
    training, held_out = (data.with_blocks(blocks[blocks[:, 1] > blocks[:, 0]]) for blocks in (rest, ends))
    if not len(training):
        raise ValueError(f"{data.name} has {len(data)} rows, all of which are held out; lower --validation")
    return training, held_out


def _in_memory(data: StoredDataset, rows: tuple[NDArray[Any], NDArray[Any] | None], arguments: Any) -> Dataset:
    """Return rows of stored data with its classes and names."""
    x, y = rows
    assert y is not None
    flat, shape = features(x, data.name)
    targets = y.astype(np.int64) if data.n_classes else as_numbers(y, f"{data.name}: the targets")
    found = Dataset(flat, targets, data.class_names, data.feature_names, data.name, shape, None, data.label)
    return with_image_shape(found, arguments.image_shape)
