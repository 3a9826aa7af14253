"""Splitting data into training and test parts."""

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.support.validation import without_mask
from fastnet.utils import make_generator

__all__ = ["train_test_split"]

Indices = NDArray[np.int64]


def train_test_split(
    *arrays: Any,
    test_size: float | None = None,
    train_size: float | None = None,
    random_state: int | np.random.Generator | None = None,
    shuffle: bool = True,
    stratify: ArrayLike | None = None,
) -> list[Any]:
    """Split arrays into random training and test parts, as scikit-learn's function of this name does.

    Every row goes to at most one part, and to exactly one if one of the sizes is left out. The order is drawn from a
    NumPy `Generator`, so that scikit-learn draws other rows for the same `random_state`.

    Parameters
    ----------
    *arrays : sequence of array_like
        Arrays, lists, sparse matrices, pandas or polars objects with the same number of rows.
    test_size : float or int, optional
        A float is the fraction of the rows in the test part, rounded up; an int is their number. By default the
        rest of `train_size`, or 0.25.
    train_size : float or int, optional
        The same for the training part, rounded down. By default the rest of `test_size`.
    random_state : int or numpy.random.Generator, optional
        An integer gives the same split each time. None follows `fastnet.utils.set_random_seed`.
    shuffle : bool, default True
        With False the training part is the first rows and the test part is the rows that follow.
    stratify : array_like of shape (n,), optional
        Labels. Each class is split in proportion, by the largest remainder method, with ties broken at random.

    Returns
    -------
    list
        ``[train_0, test_0, train_1, test_1, ...]``, two parts for each array, of the array's own type.

    Raises
    ------
    ValueError
        If there are no arrays, their lengths differ, a part would be empty or the sizes exceed the data; if
        `stratify` has a class with a single row or more classes than a part has rows.
    TypeError
        If a size is neither a float nor an int, or an array is a scalar.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnet.datasets import train_test_split
    >>> x, y = np.arange(20).reshape(10, 2), np.array([0, 1] * 5)
    >>> x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    >>> x_train.shape, x_test.shape, sorted(y_test.tolist())
    ((8, 2), (2, 2), [0, 1])
    """
    if not arrays:
        raise ValueError("at least one array is required")
    lengths = [_length(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ValueError(f"arrays must have the same number of rows; got {', '.join(map(str, lengths))}")
    n_train, n_test = _part_sizes(lengths[0], test_size, train_size)
    if not shuffle:
        if stratify is not None:
            raise ValueError("stratify needs shuffle=True")
        order = np.arange(n_train + n_test)
        train, test = order[:n_train], order[n_train:]
    else:
        generator = random_state if isinstance(random_state, np.random.Generator) else make_generator(random_state)
        if stratify is None:
            order = generator.permutation(lengths[0])
            test, train = order[:n_test], order[n_test : n_test + n_train]
        else:
            train, test = _stratified(stratify, lengths[0], n_train, n_test, generator)
    return [_take(array, part) for array in arrays for part in (train, test)]


def _length(array: Any) -> int:
    shape = getattr(array, "shape", None)
    if shape == () or (shape is None and not hasattr(array, "__len__")):
        raise TypeError(f"arrays must have rows; got {type(array).__name__}")
    return int(shape[0]) if shape is not None else len(array)


def _take(array: Any, rows: Indices) -> Any:
    if hasattr(array, "iloc"):
        return array.iloc[rows]
    if isinstance(array, list):
        return [array[row] for row in rows]
    return array[rows] if hasattr(array, "shape") else np.asarray(array)[rows]


def _part_sizes(n: int, test_size: Any, train_size: Any) -> tuple[int, int]:
    """Return the numbers of training and test rows, by scikit-learn's rules."""
    if train_size is None:
        n_test = _rows("test_size", 0.25 if test_size is None else test_size, n, math.ceil)
        n_train = n - n_test
    else:
        n_train = _rows("train_size", train_size, n, math.floor)
        n_test = n - n_train if test_size is None else _rows("test_size", test_size, n, math.ceil)
        if isinstance(test_size, float) and isinstance(train_size, float) and test_size + train_size > 1:
            raise ValueError(f"test_size and train_size must not exceed 1 in total; got {test_size} and {train_size}")
    if n_train + n_test > n:
        raise ValueError(f"test_size and train_size ask for {n_test} and {n_train} rows; the arrays have {n}")
    for part, rows in (("training", n_train), ("test", n_test)):
        if rows < 1:
            raise ValueError(f"the {part} part is empty: test_size={test_size}, train_size={train_size}, {n} rows")
    return n_train, n_test


def _rows(name: str, size: Any, n: int, to_integer: Callable[[float], int]) -> int:
    if isinstance(size, bool) or not isinstance(size, numbers.Real):
        raise TypeError(f"{name} must be a float, an int or None; got {size!r}")
    if isinstance(size, numbers.Integral):
        if not 0 < int(size) < n:
            raise ValueError(f"{name} must be above 0 and below the number of rows, {n}; got {size}")
        return int(size)
    if not 0.0 < float(size) < 1.0:
        raise ValueError(f"{name} must be above 0.0 and below 1.0 when it is a float; got {size}")
    return to_integer(float(size) * n)


def _stratified(
    stratify: ArrayLike, n: int, n_train: int, n_test: int, generator: np.random.Generator
) -> tuple[Indices, Indices]:
    labels = np.asarray(without_mask("stratify", stratify))
    if labels.ndim == 0 or len(labels) != n:
        raise ValueError(f"stratify must have one label for each of the {n} rows; got shape {labels.shape}")
    axis = 0 if labels.ndim > 1 else None
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True, axis=axis)
    if counts.min() < 2:
        raise ValueError("stratify has a class with 1 row only; each class needs at least 2")
    for name, size in (("training", n_train), ("test", n_test)):
        if size < len(counts):
            raise ValueError(f"the {name} part has {size} rows, fewer than the {len(counts)} classes of stratify")
    train_counts = _largest_remainder(counts, n_train, generator)
    test_counts = _largest_remainder(counts - train_counts, n_test, generator)
    grouped = np.split(np.argsort(codes.reshape(-1), kind="stable"), np.cumsum(counts)[:-1])
    train, test = [], []
    for members, for_train, for_test in zip(grouped, train_counts, test_counts, strict=True):
        shuffled = generator.permutation(members)
        train.append(shuffled[:for_train])
        test.append(shuffled[for_train : for_train + for_test])
    return generator.permutation(np.concatenate(train)), generator.permutation(np.concatenate(test))


def _largest_remainder(counts: NDArray[np.int64], size: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Distribute `size` rows among classes in proportion to `counts`: floors first, then the largest remainders."""
    total = int(counts.sum())
    shares, remainders = np.divmod(counts * size, total)
    missing = size - int(shares.sum())
    order = np.lexsort((generator.random(len(counts)), -remainders))
    shares[order[:missing]] += 1
    return np.asarray(shares, dtype=np.int64)
