"""When samples are copied before they are read: laid out as rows of small numbers, they are quick to gather.

The core reads samples where they lie, and converts each batch. Some forms make that slow: of an array in Fortran order, as
tables come, every value of a row costs a cache line; integers of 8 bytes are 8 times the memory traffic that pixels need.
One pass over the memory makes a copy with the same numbers, which is read in their place.
"""

import math
import mmap
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet._core import Network32, Network64, SparseRows, nonzeros, repack

Array = NDArray[Any]

UINT8 = np.dtype(np.uint8)
FEW_VALUES = 1 << 15  # which stay in a cache, however they lie
_CACHE_LINE = 64
_PASSES_THAT_PAY = 3.0  # over rows that lie well, but are wide
_BLOCK_BYTES = 1 << 24  # of a copy that is made block by block
_SHARE_OF_MEMORY = 0.25  # that a copy may take

# When float64 is copied without its zeros.
_MOSTLY_ZEROS = 0.25  # of the values are others at most: with their columns they take 3/8 of the array's memory
_PASSES_THAT_PAY_WITHOUT_ZEROS = 4.0  # a copy costs what two or three passes over it save
_MANY_VALUES = 1 << 20  # which no cache holds
_ROWS_TO_LOOK_AT = 256


def repacked(array: Array, dtype: str, passes: float, *, finite: bool = True) -> tuple[Array, int] | None:
    """Return samples as rows that follow each other, of the same numbers for a network of `dtype`; None where it does not pay.

    Whole numbers from 0 to 255 become uint8 if they are integers; others become `dtype`, or stay what they are where that
    is smaller.

    Parameters
    ----------
    array : ndarray of two dimensions
        Real numbers.
    passes : float
        How many times they will be read.
    finite : bool
        Whether to look for NaN and infinity.

    Returns
    -------
    copy : ndarray
        The samples.
    row : int
        The first row with a number that is not finite in the dtype of the copy, or -1.
    """
    if array.size < FEW_VALUES or not _pays(array, np.dtype(dtype), passes):
        return None
    whole = array.dtype.kind in "iu" and array.dtype.itemsize > 1
    wide = smallest(array.dtype, np.dtype(dtype))
    for target in (UINT8, wide) if whole else (wide,):
        if not _has_room(array, target) or (target == wide and not _gains(array, wide)):
            continue
        try:
            copy = np.empty(array.shape, target)
        except MemoryError:  # the samples can be read where they lie
            return None
        row = repack(array, copy, finite)
        if row < 0 or not (whole and target == UINT8):
            return copy, row
    return None


def quick_to_gather(features: Any, dtype: str, passes: float) -> Any:
    """Return samples, finite or not, in the form in which it is quickest to read them so many times."""
    copied = repacked(features, dtype, passes, finite=False) if isinstance(features, np.ndarray) else None
    return features if copied is None else copied[0]


def without_zeros(features: Any, passes: float) -> Any:
    """Return rows of float64 that are mostly zeros as sparse ones, where those are quicker to gather so many times.

    They hold the same numbers, of which a network computes the same bits. Other samples are returned as they are.
    """
    if not isinstance(features, np.ndarray) or features.dtype != np.float64:
        return features
    if not (features.flags.c_contiguous and features.flags.aligned):
        return features
    if passes < _PASSES_THAT_PAY_WITHOUT_ZEROS or features.size < _MANY_VALUES or _is_mapped(features):
        return features
    some = features[:: -(-len(features) // _ROWS_TO_LOOK_AT)]
    most = min(_MOSTLY_ZEROS * features.size, _SHARE_OF_MEMORY * _memory() / (features.itemsize + 4))
    if np.count_nonzero(some) / some.size * features.size > most:
        return features
    try:
        parts = nonzeros(features, int(most))
    except MemoryError:  # the samples can be read where they lie
        return features
    return features if parts is None else SparseRows(*parts, features.shape[1])


def predict(network: Network32 | Network64, features: Any, dtype: str, batch_size: int) -> Array:
    """Return the outputs of a network for samples, read block by block where that pays."""
    outputs = [network.predict(block, batch_size) for block in _blocks(features, dtype, batch_size)]
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)


def _blocks(array: Any, dtype: str, batch_size: int) -> Iterator[Any]:
    """Yield the samples in whole batches, all at once where they lie well; else block by block, each as a copy."""
    if not isinstance(array, np.ndarray) or array.size < FEW_VALUES or not lies_badly(array):
        yield array
        return
    per_block = max(_BLOCK_BYTES // (np.dtype(dtype).itemsize * array.shape[1]) // batch_size, 1) * batch_size
    for start in range(0, len(array), per_block):
        yield quick_to_gather(array[start : start + per_block], dtype, 1.0)


def is_foreign(dtype: np.dtype[Any]) -> bool:
    """Return whether the core reads such numbers only to repack them."""
    return dtype.char == "e" or not dtype.isnative


def lies_badly(array: Array) -> bool:
    """Return whether every value of a row is in a cache line of its own, and shares it with other rows."""
    down, across = (abs(stride) for stride in array.strides)
    return min(array.shape) > 1 and across >= _CACHE_LINE and down < across


def _pays(array: Array, dtype: np.dtype[Any], passes: float) -> bool:
    """Return whether a copy costs less than it saves."""
    if array.flags.c_contiguous and array.dtype in (UINT8, dtype):
        return False
    if is_foreign(array.dtype):
        return True
    if lies_badly(array):
        return 4 * passes >= 1
    apart = array.shape[1] > 1 and array.strides[1] != array.itemsize
    return passes >= _PASSES_THAT_PAY and (apart or array.itemsize == 8) and not _is_mapped(array)


def smallest(given: np.dtype[Any], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return what numbers become that no byte can hold."""
    stays = given.itemsize < dtype.itemsize and given != np.float16
    return given.newbyteorder("=") if stays else dtype


def _gains(array: Array, wide: np.dtype[Any]) -> bool:
    """Return whether a copy in `wide` is smaller than the array, or lies better."""
    in_rows = array.shape[1] == 1 or array.strides[1] == array.itemsize
    return not in_rows or array.itemsize > wide.itemsize or is_foreign(array.dtype)


def _has_room(array: Array, target: np.dtype[Any]) -> bool:
    """Return whether a copy is no larger than the memory of the array, and leaves enough of the machine's."""
    if is_foreign(array.dtype):  # and must be converted
        return True
    size = array.size * target.itemsize
    extent = array.itemsize + sum((n - 1) * abs(stride) for n, stride in zip(array.shape, array.strides, strict=True))
    return size <= extent and size <= _SHARE_OF_MEMORY * _memory()


def _memory() -> float:
    """Return the bytes of memory that the machine has; infinity where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return math.inf


def _is_mapped(array: Any) -> bool:
    """Return whether the array lies in a file, which may be larger than the memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)
