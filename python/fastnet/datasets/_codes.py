"""Codes of labels that are read block by block."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets import _labels
from fastnet.files.rows import Range, Rows, evenly, read_ranges

__all__ = ["CodedRows", "Codes", "coded"]

MOST_CLASSES = 100_000
FEW_LABELS = 64  # that are new in a block
ROWS_AT_ONCE = 1 << 20


class Codes:
    """The codes of labels, of which all blocks are seen first; the rules are those of `fastnet.datasets.load`.

    Parameters
    ----------
    where : str
        A description of the labels, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._places: dict[Any, int] = {}  # of each distinct label, in the order in which they are seen
        self._first_rows: list[int] = []
        self._one_hot = 0
        self._codes: NDArray[np.int64] = np.empty(0, np.int64)
        self.classes: list[str] | None = None

    def see(self, labels: NDArray[Any], first: int) -> None:
        """Note the distinct labels of a block that begins with row `first`."""
        if labels.ndim > 1 and labels.shape[1:] != (1,):
            _labels.encode(labels, self._where)
            self._one_hot = labels.shape[1]
            return
        labels = labels.reshape(-1)
        if labels.dtype.kind in "OUST":
            for row, label in enumerate(labels.tolist(), first):
                self._note(label, row)
        else:
            new = [label for label in np.unique(labels).tolist() if label not in self._places]
            if len(new) > FEW_LABELS:
                rows = np.unique(labels, return_index=True)[1].tolist()
            else:  # which is much faster than to keep the places of all labels while they are sorted
                rows = [_first(labels, label) for label in new]
            for row in sorted(rows):
                self._note(labels[row].item(), first + row)

    def _note(self, label: Any, row: int) -> None:
        if label in self._places:
            return
        if len(self._places) == MOST_CLASSES:
            raise ValueError(
                f"{self._where} have more than {MOST_CLASSES:,} different values; {_labels.FOR_REGRESSION}"
            )
        self._places[label] = len(self._first_rows)
        self._first_rows.append(row)

    def finish(self) -> None:
        """Choose the codes of all labels that were seen."""
        if self._one_hot:
            return
        labels = list(self._places)
        array = np.array(labels, object if any(isinstance(label, str | bytes) for label in labels) else None)
        self._codes, self.classes = _labels.encode(array, self._where, self._first_rows)

    @property
    def n_classes(self) -> int:
        """The number of classes."""
        return self._one_hot or (int(self._codes.max()) + 1 if len(self._codes) else 0)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The smallest dtype of the codes."""
        return np.min_scalar_type(max(self.n_classes - 1, 0))

    def places(self, labels: list[Any]) -> NDArray[np.int64]:
        """Return the number of each label in the order in which the distinct ones were seen."""
        places = self._places
        return np.fromiter((places[label] for label in labels), np.int64, len(labels))

    def of_places(self, places: NDArray[Any]) -> NDArray[Any]:
        """Return the codes of labels from their numbers in the order in which they were seen."""
        codes: NDArray[Any] = self._codes.astype(self.dtype)[places]
        return codes

    def of(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Return the codes of labels."""
        if self._one_hot:
            codes: NDArray[Any] = labels.argmax(axis=1).astype(self.dtype)
            return codes
        labels = labels.reshape(-1)
        if labels.dtype.kind in "OUST":
            return self.of_places(self.places(labels.tolist()))
        distinct, inverse = np.unique(labels, return_inverse=True)
        return self.of_places(self.places(distinct.tolist()))[inverse]


def _first(labels: NDArray[Any], label: Any) -> int:
    """Return the first place of a label, NaN included."""
    found = np.isnan(labels) if isinstance(label, float) and math.isnan(label) else labels == label
    return int(found.argmax())


class CodedRows:
    """The codes of the labels in other rows."""

    def __init__(self, labels: Rows, codes: Codes) -> None:
        self._labels, self._codes = labels, codes
        self.shape: tuple[int, ...] = labels.shape[:1]
        self.dtype = codes.dtype

    def blocks(self, rows: int) -> list[Range]:
        return self._labels.blocks(rows)

    def place(self, row: int) -> tuple[str, int]:
        return self._labels.place(row)

    def read_into(self, first: int, out: NDArray[Any]) -> None:
        out[...] = self._codes.of(read_ranges(self._labels, [(first, first + len(out))]))


def coded(labels: Rows, where: str) -> tuple[Rows, list[str] | None, int]:
    """Return the codes of labels, the text of each code, and their number. All labels are read once.

    Labels that are their own codes stay as they are.
    """
    if len(labels.shape) > 2:
        raise ValueError(f"{where} have shape {labels.shape}; expected (samples,) or one-hot rows (samples, classes)")
    codes = Codes(where)
    for block in labels.blocks(ROWS_AT_ONCE):
        for first, last in evenly(block[1] - block[0], ROWS_AT_ONCE):
            start = block[0] + first
            codes.see(read_ranges(labels, [(start, block[0] + last)]), start)
    codes.finish()
    own = codes.classes is None and len(labels.shape) == 1 and labels.dtype.kind in "ui"
    return labels if own else CodedRows(labels, codes), codes.classes, codes.n_classes
