"""A data set that stays on the disk."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.files.rows import Range, ReorderedRows, ReshapedRows, Rows, bytes_of_row, grouped, read_ranges
from fastnet.support.attributes import Sealed
from fastnet.support.validation import check_integer

Array = NDArray[Any]

BLOCK_BYTES = 1 << 23  # of rows that are read together
LARGEST_BLOCK = 1 << 26  # bytes of samples, from files whose blocks can be of any size
BYTES_BESIDE = 24  # of a row in memory: its target, its weight and its place in the order
_FEWEST_RUNS, _MOST_RUNS = 8, 64  # of neighboring rows in a sample


class StoredDataset(Sealed):
    """Samples and their targets on the disk, as `fastnet.datasets.open` returns them.

    `fit`, `evaluate` and `predict` take it in place of `x`. They read it block by block, so that memory does not depend
    on its size.

    Attributes
    ----------
    shape : tuple of int
        The shape of all samples, (n, ...).
    dtype : dtype
        The dtype of the samples.
    name : str
        The name of the file or the folder.
    has_targets : bool
        Whether there are targets.
    classes : list of str or None
        The label of each code, as text. None if the labels are the codes themselves, or the targets are numbers.
    n_classes : int
        The number of classes; 0 if the targets are numbers, or there are none.
    feature_names : list of str or None
        The names of the columns, if the source has names.
    image_shape : tuple of int or None
        The shape of one sample, unless that is a row.
    label : LabelColumn or None
        The label column of a table: its name, None without a header, and its index, -1 for the last.
    blocks : ndarray of shape (k, 2), int64
        The rows that are read together: the first of each block, and the one after its last, as numbered in the files.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> np.save("x.npy", np.arange(12.0).reshape(6, 2))
    >>> np.save("y.npy", np.array([0, 1, 2, 0, 1, 2]))
    >>> data = fn.datasets.open("x.npy", "y.npy")
    >>> data
    <StoredDataset 'x.npy': x (6, 2) float64, 3 classes>
    >>> data.read(2, 4)
    (array([[4., 5.],
           [6., 7.]]), array([2, 0]))
    """

    def __init__(
        self,
        x: Rows,
        y: Rows | None = None,
        *,
        name: str = "",
        classes: list[str] | None = None,
        n_classes: int = 0,
        feature_names: list[str] | None = None,
        label: Any = None,
        blocks: Array | Sequence[Range] | None = None,
    ) -> None:
        self.x_rows, self.y_rows = x, y
        self.name, self.classes, self.n_classes = name, classes, n_classes
        self.feature_names, self.label = feature_names, label
        self.dtype = x.dtype
        self.image_shape = x.shape[1:] if len(x.shape) > 2 else None
        if blocks is None:
            blocks = x.blocks(max(BLOCK_BYTES // self.row_bytes, 1))
        self.blocks: NDArray[np.int64] = np.array(blocks, np.int64).reshape(-1, 2)
        self._starts = np.concatenate([[0], np.cumsum(self.blocks[:, 1] - self.blocks[:, 0])])
        self.shape = (int(self._starts[-1]), *x.shape[1:])

    @property
    def row_bytes(self) -> int:
        """The bytes that a row takes in memory."""
        return bytes_of_row(self.x_rows) + (0 if self.y_rows is None else bytes_of_row(self.y_rows)) + BYTES_BESIDE

    @property
    def has_targets(self) -> bool:
        """Whether there are targets."""
        return self.y_rows is not None

    @property
    def class_names(self) -> list[str] | None:
        """The text of each code: `classes`, or "0", "1", ...; None if the targets are numbers, or there are none."""
        if self.classes is not None:
            return list(self.classes)
        return [str(code) for code in range(self.n_classes)] or None

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.shape[0]

    def __repr__(self) -> str:
        targets = f"{self.n_classes} classes" if self.n_classes else "targets" if self.has_targets else "no targets"
        return f"<StoredDataset {self.name!r}: x {self.shape} {self.dtype}, {targets}>"

    # --- Reading ---

    def read(self, first: int, last: int) -> tuple[Array, Array | None]:
        """Return the samples and the targets of some rows.

        Parameters
        ----------
        first, last : int
            The first row, and the one after the last.

        Returns
        -------
        x : ndarray
        y : ndarray or None
            None if there are no targets.
        """
        x = self.read_samples(first, last)
        return x, None if self.y_rows is None else read_ranges(self.y_rows, list(self._ranges(first, first + len(x))))

    def read_samples(self, first: int, last: int) -> Array:
        """Return the samples of some rows, as `read` does, without their targets."""
        return read_ranges(self.x_rows, list(self._ranges(*self._checked(first, last))))

    def spans(self, size: int) -> Iterator[Range]:
        """Yield all rows in their order, as ranges of blocks that have so many bytes together, one block at least."""
        bounds = grouped(np.diff(self._starts), max(size // self.row_bytes, 1))
        return itertools.pairwise(self._starts[bounds].tolist())

    def sample(self, rows: int) -> tuple[Array, Array | None]:
        """Return about this many rows from all over the data, always the same ones.

        Examples
        --------
        >>> import numpy as np
        >>> import fastnet as fn
        >>> np.save("samples.npy", np.arange(2000.0).reshape(1000, 2))
        >>> x, _ = fn.datasets.open("samples.npy").sample(100)
        >>> x.mean(axis=0)
        array([ 999., 1000.])
        """
        rows = min(check_integer("rows", rows), len(self))
        if rows == len(self):
            return self.read(0, rows)
        runs = min(max(len(self.blocks), _FEWEST_RUNS), _MOST_RUNS, rows)
        parts = self.spread(runs, -(-rows // runs))
        return read_ranges(self.x_rows, parts), None if self.y_rows is None else read_ranges(self.y_rows, parts)

    def spread(self, places: int, rows: int) -> list[Range]:
        """Return the ranges in the files of some neighboring rows, from evenly spaced places."""
        starts = (np.arange(places) * (len(self) - rows) // max(places - 1, 1)).tolist()
        return [part for start in dict.fromkeys(starts) for part in self._ranges(start, start + rows)]

    def _checked(self, first: int, last: int) -> Range:
        """Return the first row and the one after the last, which are rows of the data; `last` may be larger."""
        first, last = (check_integer(name, row, minimum=0) for name, row in (("first", first), ("last", last)))
        last = min(last, len(self))
        if first > last:
            raise ValueError(f"first and last must be rows of 0..{len(self)} in this order; got {first} and {last}")
        return first, last

    def _ranges(self, first: int, last: int) -> Iterator[Range]:
        """Yield the ranges of rows in the files that some rows are."""
        block = int(np.searchsorted(self._starts, first, side="right")) - 1
        while first < last:
            begin, end = int(self._starts[block]), int(self._starts[block + 1])
            at = int(self.blocks[block, 0]) + first - begin
            rows = min(end, last) - first
            if rows:
                yield at, at + rows
            first, block = first + rows, block + 1

    # --- Parts ---

    def part(self, first: int, last: int) -> "StoredDataset":
        """Return some of the rows as a data set; nothing is read."""
        return self.with_blocks(list(self._ranges(*self._checked(first, last))))

    def with_blocks(self, blocks: Array | Sequence[Range]) -> "StoredDataset":
        """Return the data set that consists of these rows, as numbered in the files; nothing is read."""
        ranges = np.asarray(blocks, np.int64).reshape(-1, 2)
        if ((ranges < 0) | (ranges > self.x_rows.shape[0])).any() or (ranges[:, 0] > ranges[:, 1]).any():
            raise ValueError(f"blocks must be ranges of the {self.x_rows.shape[0]} rows in the files; got {blocks}")
        return self._with(self.x_rows, ranges)

    def reshaped(self, shape: tuple[int, ...]) -> "StoredDataset":
        """Return the data set with samples of another shape; nothing is read.

        Examples
        --------
        >>> import numpy as np
        >>> import fastnet as fn
        >>> np.save("images.npy", np.zeros((10, 28, 28), "uint8"))
        >>> fn.datasets.open("images.npy").reshaped((784,)).shape
        (10, 784)
        """
        shape = tuple(check_integer("shape", extent) for extent in shape)
        if math.prod(shape) != math.prod(self.shape[1:]):
            raise ValueError(f"shape must have as many values as a sample, {self.shape[1:]}; got {shape}")
        return self._with(ReshapedRows(self.x_rows, shape), self.blocks)

    def with_columns(self, order: Sequence[int]) -> "StoredDataset":
        """Return the data set with the columns of a table in another order; nothing is read."""
        if len(self.shape) != 2 or sorted(order) != list(range(self.shape[1])):
            raise ValueError(f"order must have each of the {self.shape[1]} columns of a table once; got {list(order)}")
        names = self.feature_names and [self.feature_names[column] for column in order]
        return self._with(ReorderedRows(self.x_rows, order), self.blocks, names)

    def with_targets(self, y: Rows) -> "StoredDataset":
        """Return the data set with other targets, which are not labels; nothing is read."""
        return StoredDataset(
            self.x_rows,
            y,
            name=self.name,
            feature_names=self.feature_names,
            label=self.label,
            blocks=self.blocks,
        )

    def _with(self, x: Rows, blocks: Array | Sequence[Range], names: list[str] | None = None) -> "StoredDataset":
        return StoredDataset(
            x,
            self.y_rows,
            name=self.name,
            classes=self.classes,
            n_classes=self.n_classes,
            feature_names=names or self.feature_names,
            label=self.label,
            blocks=blocks,
        )
