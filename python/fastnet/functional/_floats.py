"""Arguments as arrays that the compiled core computes with."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.support.validation import without_mask

Array = NDArray[Any]

FLOAT_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


def floats(**arrays: ArrayLike) -> list[Array]:
    """Return the arguments as arrays of one floating-point dtype that the core computes with."""
    converted = [np.asarray(without_mask(name, array)) for name, array in arrays.items()]
    for name, array in zip(arrays, converted, strict=True):
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{name} must hold real numbers; got dtype {array.dtype}")
    common = np.result_type(*converted)
    dtype = np.float32 if common in (np.float16, np.float32) else np.float64
    return [array.astype(dtype, copy=False) for array in converted]
