"""Helpers: one-hot labels, and the seeds of random numbers."""

import operator
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.support.missing_names import explain_missing
from fastnet.support.validation import without_mask

__all__ = ["make_generator", "set_random_seed", "to_categorical"]

explain_missing(__name__)

_global_seed: "np.random.SeedSequence | None" = None
_local_seed: ContextVar["np.random.SeedSequence | None"] = ContextVar("fastnet_seed", default=None)


def to_categorical(x: ArrayLike, num_classes: int | None = None) -> NDArray[np.float64]:
    """Return one-hot rows for integer labels, as Keras's function of this name.

    Parameters
    ----------
    x : array_like of shape (n,) or (n, 1), or of any other shape
        Labels from 0 to `num_classes` - 1. Floats are accepted if they are whole numbers.
    num_classes : int, optional
        Number of columns. By default the largest label plus 1.

    Returns
    -------
    ndarray of shape (n, num_classes), float64
        Zeros, with a one in each row in the column of its label. For an `x` of another shape, the classes are a new
        last axis; a last axis of length 1 is dropped first.

    Raises
    ------
    ValueError
        If a label is negative, not a whole number, or not below `num_classes`; if `x` is empty and `num_classes` is
        not given; if `num_classes` is not positive.
    TypeError
        If `x` does not hold numbers or `num_classes` is not an integer.

    Examples
    --------
    >>> from fastnet.utils import to_categorical
    >>> to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]])
    >>> to_categorical([0, 1], num_classes=4).shape
    (2, 4)
    """
    labels = _whole_numbers(x)
    shape = labels.shape[:-1] if labels.ndim > 1 and labels.shape[-1] == 1 else labels.shape
    labels = labels.reshape(-1)
    classes = _number_of_classes(labels, num_classes)
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        outside = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(f"x must hold labels from 0 to {classes - 1} (num_classes={classes}); got {outside}")
    rows = np.zeros((labels.size, classes))
    rows[np.arange(labels.size), labels] = 1.0
    return rows.reshape(*shape, classes)


def _whole_numbers(x: ArrayLike) -> NDArray[np.int64]:
    values = np.asarray(without_mask("x", x))
    if values.dtype.kind not in "buif":
        raise TypeError(f"x must hold integer labels; got dtype {values.dtype}")
    if values.dtype.kind == "f":
        fractional = ~np.isfinite(values) | (values != np.floor(values))
        if fractional.any():
            raise ValueError(f"x must hold whole numbers; got {values[fractional].flat[0]}")
        if values.size and np.abs(values).max() >= 2.0**63:
            raise ValueError(f"x holds a number that is too large for a label: {np.abs(values).max():g}")
    return values.astype(np.int64)


def _number_of_classes(labels: NDArray[np.int64], num_classes: int | None) -> int:
    if num_classes is None:
        if not labels.size:
            raise ValueError("x is empty, so num_classes must be given")
        return max(int(labels.max()) + 1, 1)
    try:
        classes = operator.index(num_classes)
    except TypeError:
        raise TypeError(f"num_classes must be an integer; got {num_classes!r}") from None
    if classes < 1:
        raise ValueError(f"num_classes must be at least 1; got {classes}")
    return classes


def set_random_seed(seed: int) -> None:
    """Seed Python's `random`, NumPy's global generator, and every fastnet object without a seed of its own.

    Parameters
    ----------
    seed : int
        From 0 to 2**32 - 1.

    Raises
    ------
    TypeError
        If `seed` is not an integer.
    ValueError
        If `seed` is out of range.

    See Also
    --------
    make_generator : The generator behind every ``seed=None``.

    Examples
    --------
    >>> from fastnet.utils import make_generator, set_random_seed
    >>> set_random_seed(7)
    >>> first = make_generator().random()
    >>> set_random_seed(7)
    >>> make_generator().random() == first
    True
    """
    global _global_seed  # noqa: PLW0603 - the one seed of the process, as in NumPy and Keras
    number = _seed_number(seed)
    if number >= 2**32:
        raise ValueError(f"seed must be from 0 to 2**32 - 1; got {number}")
    import random

    random.seed(number)
    np.random.seed(number)  # noqa: NPY002 - other libraries draw from it
    _global_seed = np.random.SeedSequence(number)


def make_generator(seed: int | None = None) -> "np.random.Generator":
    """Return a random generator for an integer seed, or for None one that follows `set_random_seed`.

    Parameters
    ----------
    seed : int, optional
        A non-negative integer gives the same generator each time. None gives a new, independent one each time: the
        next in the sequence of `set_random_seed`, or one from fresh entropy if that was not called.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    TypeError
        If `seed` is neither an integer nor None.
    ValueError
        If `seed` is negative.

    Examples
    --------
    >>> from fastnet.utils import make_generator
    >>> make_generator(3).random() == make_generator(3).random()
    True
    """
    if seed is not None:
        return np.random.default_rng(_seed_number(seed))
    sequence = _local_seed.get() or _global_seed
    return np.random.default_rng() if sequence is None else np.random.default_rng(sequence.spawn(1)[0])


def follows_a_seed() -> bool:
    """Return whether generators without a seed of their own follow that of `set_random_seed` or `seeded`."""
    return (_local_seed.get() or _global_seed) is not None


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed every fastnet object without a seed of its own that is created in the block, in this thread."""
    before = _local_seed.set(np.random.SeedSequence(_seed_number(seed)))
    try:
        yield
    finally:
        _local_seed.reset(before)


def _seed_number(seed: Any) -> int:
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed must be an integer; got {seed!r}") from None
    if number < 0:
        raise ValueError(f"seed must not be negative; got {number}")
    return number
