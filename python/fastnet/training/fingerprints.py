"""Fingerprints of data and environments: hashes of arrays, versions, the instruction set."""

import platform
import sys
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet._core import __version__, build_config
from fastnet.files.rows import Rows, bytes_of_row, read_ranges
from fastnet.files.stored import StoredDataset
from fastnet.inputs.batches import Batches
from fastnet.inputs.columns import Columns
from fastnet.inputs.windows import Data, StoredSamples

SAMPLED_BYTES = 1 << 18  # that `fit` hashes of each array, in about 0.2 ms
SAMPLED_PLACES = 8  # of stored data, from which they are read
KEPT_BYTES = 4096  # up to which an array is faster to copy than to hash


class Fingerprint:
    """Fingerprint of an array: shape, dtype, and a hash of all rows or of evenly spaced ones.

    Parameters
    ----------
    array : ndarray or Columns
        The bytes of its rows are hashed one after the other, little-endian, whatever its strides.
    most_bytes : int, optional
        Of a larger array, evenly spaced rows of about this size are hashed.
    """

    __slots__ = ("_content", "_dtype", "_every", "_shape")

    def __init__(self, array: NDArray[Any] | Columns, most_bytes: int | None = None) -> None:
        self._shape = array.shape
        self._every = 1
        if most_bytes is not None and array.nbytes > most_bytes:
            self._every = min(-(-array.nbytes // most_bytes), len(array))
        array = array[:: self._every]
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        self._dtype = array.dtype
        if sys.byteorder == "big":
            array = array.byteswap()
        small = array.nbytes <= KEPT_BYTES
        self._content: Any = array.tobytes() if small else _sha256(np.ascontiguousarray(array).data)

    def as_dict(self) -> dict[str, Any]:
        """Return the fingerprint as a JSON object."""
        content = _sha256(self._content) if isinstance(self._content, bytes) else self._content
        return {
            "shape": list(self._shape),
            "dtype": str(self._dtype),
            "sha256": content.hexdigest(),
            "rows_hashed": -(-self._shape[0] // self._every),
            "every": self._every,
        }


def _sha256(content: bytes | memoryview) -> Any:
    import hashlib  # not at the top: it would add 4 ms to `import fastnet`

    return hashlib.sha256(content)


def of_stored(data: StoredDataset, weight: Rows | None = None) -> dict[str, Any]:
    """Return the fingerprints of some rows of stored data, from evenly spaced places."""
    return {
        "x": _of_rows(data, data.x_rows),
        "y": None if data.y_rows is None else _of_rows(data, data.y_rows),
        "sample_weight": None if weight is None else _of_rows(data, weight),
    }


def _of_rows(data: StoredDataset, rows: Rows) -> dict[str, Any]:
    each = min(max(SAMPLED_BYTES // SAMPLED_PLACES // bytes_of_row(rows), 1), len(data))
    some = read_ranges(rows, data.spread(SAMPLED_PLACES, each))
    found = {**Fingerprint(some).as_dict(), "shape": [len(data), *rows.shape[1:]], "places": SAMPLED_PLACES}
    del found["every"]
    return found


def sampled(samples: Data) -> dict[str, Any]:
    """Return the fingerprints of the data that `fit` reads; of large arrays, some rows are hashed."""
    if isinstance(samples, StoredSamples):
        return of_stored(samples.data, samples.weight)
    if isinstance(samples, Batches):
        return {"source": "batches, which are not hashed"}
    y = Fingerprint(samples.y, SAMPLED_BYTES)
    weight = None if samples.weight is None else Fingerprint(samples.weight, SAMPLED_BYTES)
    if isinstance(samples.x, np.ndarray):
        given = samples.x if samples.given is None else samples.given
        return {"x": Fingerprint(given, SAMPLED_BYTES), "y": y, "sample_weight": weight}
    parts = zip(("data", "indices", "indptr"), samples.x.arrays, strict=True)
    x = {"shape": list(samples.x.shape), **{name: Fingerprint(part, SAMPLED_BYTES) for name, part in parts}}
    return {"x": x, "y": y, "sample_weight": weight}


def to_json(value: Any) -> Any:
    """Return a value with every fingerprint in it converted to JSON."""
    if isinstance(value, Fingerprint):
        return value.as_dict()
    return {name: to_json(part) for name, part in value.items()} if isinstance(value, dict) else value


@lru_cache(maxsize=1)
def environment() -> dict[str, str]:
    """Return the versions and the instruction set, on which results also depend."""
    return {
        "fastnet": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "isa": build_config()["isa"],
    }
