"""Repacking: when to copy samples into rows of small numbers, which are fast to gather.

The core reads samples in place and converts each batch. Some layouts make that slow. In an array in Fortran order,
common for tables, every value of a row costs a cache line. Pixels in 8-byte integers cost 8 times the necessary memory
traffic. One pass over the memory then makes a copy with the same numbers, which is read instead.
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
FEW_VALUES = 1 << 15  # which stay in a cache, whatever their layout
_CACHE_LINE = 64
_PASSES_THAT_PAY = 3.0  # over rows of a good layout, but wide numbers
_CHUNK_BYTES = 1 << 24  # of a copy that is made chunk by chunk
_SHARE_OF_MEMORY = 0.25  # of the machine, for a copy

# When float64 is copied without its zeros.
_MOSTLY_ZEROS = (
    0.25  # at most, of the values are not zero; with their column numbers they take 3/8 of the array's memory
)
_PASSES_THAT_PAY_WITHOUT_ZEROS = 4.0  # a copy costs what two or three passes save
_MANY_VALUES = 1 << 20  # too many for a cache
_ROWS_TO_LOOK_AT = 256


def repacked(array: Array, dtype: str, passes: float, *, finite: bool = True) -> tuple[Array, int] | None:
    """Return a copy of samples as contiguous rows for a network of `dtype`, or None if it does not pay.

    The numbers are the same. Integers from 0 to 255 become uint8. Other numbers become `dtype`, unless their own dtype is
    smaller.

    Parameters
    ----------
    array : ndarray of two dimensions
        Real numbers.
    passes : float
        How often the samples will be read.
    finite : bool
        Whether to check for NaN and infinity.

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
        except MemoryError:  # the samples can be read in place
            return None
        row = repack(array, copy, finite)
        if row < 0 or not (whole and target == UINT8):
            return copy, row
    return None


def quick_to_gather(features: Any, dtype: str, passes: float) -> Any:
    """Return samples, finite or not, in the form that is fastest to read this many times."""
    copied = repacked(features, dtype, passes, finite=False) if isinstance(features, np.ndarray) else None
    return features if copied is None else copied[0]


def without_zeros(features: Any, passes: float) -> Any:
    """Return float64 rows of mostly zeros as sparse rows, if these are faster to gather this many times.

    The network computes the same bits from them. Other samples are returned unchanged.
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
    except MemoryError:  # the samples can be read in place
        return features
    return features if parts is None else SparseRows(*parts, features.shape[1])


def predict(network: Network32 | Network64, features: Any, dtype: str, batch_size: int) -> Array:
    """Return the outputs of a network for samples, read chunk by chunk if it pays."""
    outputs = [network.predict(chunk, batch_size) for chunk in _chunks(features, dtype, batch_size)]
    return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)


def _chunks(array: Any, dtype: str, batch_size: int) -> Iterator[Any]:
    """Yield the samples at once if their layout is good, else copies of chunks of whole batches."""
    if not isinstance(array, np.ndarray) or array.size < FEW_VALUES or not lies_badly(array):
        yield array
        return
    per_chunk = max(_CHUNK_BYTES // (np.dtype(dtype).itemsize * array.shape[1]) // batch_size, 1) * batch_size
    for start in range(0, len(array), per_chunk):
        yield quick_to_gather(array[start : start + per_chunk], dtype, 1.0)


def is_foreign(dtype: np.dtype[Any]) -> bool:
    """Return whether the core reads this dtype only to repack it."""
    return dtype.char == "e" or not dtype.isnative


def lies_badly(array: Array) -> bool:
    """Return whether the values of a row are in separate cache lines, shared with other rows."""
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
    """Return the dtype of a copy of numbers that do not fit in a byte."""
    stays = given.itemsize < dtype.itemsize and given != np.float16
    return given.newbyteorder("=") if stays else dtype


def _gains(array: Array, wide: np.dtype[Any]) -> bool:
    """Return whether a copy in `wide` is smaller than the array, or has a better layout."""
    in_rows = array.shape[1] == 1 or array.strides[1] == array.itemsize
    return not in_rows or array.itemsize > wide.itemsize or is_foreign(array.dtype)


def _has_room(array: Array, target: np.dtype[Any]) -> bool:
    """Return whether a copy is at most as large as the array, and small enough for the machine."""
    if is_foreign(array.dtype):  # it must be converted
        return True
    size = array.size * target.itemsize
    extent = array.itemsize + sum((n - 1) * abs(stride) for n, stride in zip(array.shape, array.strides, strict=True))
    return size <= extent and size <= _SHARE_OF_MEMORY * _memory()


def _memory() -> float:
    """Return the memory of the machine in bytes; infinity if it is unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return math.inf


def _is_mapped(array: Any) -> bool:
    """Return whether the array is memory-mapped from a file, which may be larger than the memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)
