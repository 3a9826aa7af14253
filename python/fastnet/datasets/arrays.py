"""NumPy files: .npy with samples, .npz with samples, labels and an optional test part. Pickles are never loaded."""

import io
import math
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._damage import in_short, refusing
from fastnet.files.rows import FileRows, version_of

__all__ = ["read_npy", "read_npz"]

LONGEST_HEADER = 12 + 10_000  # bytes that NumPy reads of a header
MOST_EXPANSION = 1040  # bytes per compressed byte, slightly above the maximum of deflate

# The names that a file may use for samples, labels, test samples and test labels.
KEYS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("x", "y", "x_test", "y_test"),
    ("X", "y", "X_test", "y_test"),
    ("X_train", "y_train", "X_test", "y_test"),
)


def read_npy(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Return the array in a .npy file as a memory map.

    Raises ValueError, naming the file, if it is damaged, shorter than stated in its header, or holds Python objects.
    """
    path = Path(path)
    with refusing(path, "cannot be read"):
        with path.open("rb") as file:
            _check_header(file, path.stat().st_size, str(path))
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array


def npy_rows(path: Path) -> FileRows:
    """Return the rows of the array in a .npy file, which stay there.

    Raises ValueError, naming the file, as `read_npy` does, or if the rows are not contiguous.
    """
    with refusing(path, "cannot be read"), path.open("rb") as file:
        version = version_of(file.fileno())
        shape, in_columns, dtype, offset = _check_header(file, version[0], str(path))
    if not shape:
        raise ValueError(f"{path} has shape (); expected rows")
    if in_columns and len(shape) > 1 and shape[0] > 1:
        raise ValueError(
            f"{path} is in Fortran order, whose rows are not contiguous: numpy.save(path, numpy.ascontiguousarray(x)) "
            "writes one whose rows are"
        )
    return FileRows(str(path), offset, shape, dtype, version)


def read_npz(path: str | os.PathLike[str]) -> tuple[NDArray[Any], NDArray[Any] | None, dict[str, NDArray[Any]]]:
    """Return the samples and the labels in a .npz file, and its test part.

    Parameters
    ----------
    path : str or os.PathLike
        A file with the keys x_train, y_train, x_test, y_test (as Keras's mnist.npz), or x and y, or X and y. Labels
        and test part may be missing.

    Returns
    -------
    x : ndarray
    y : ndarray or None
    test : dict
        Empty, or with "x" and, if the file has them, "y".

    Raises
    ------
    ValueError
        If the file is damaged, has none of these keys, or holds Python objects.
    """
    path = Path(path)
    with refusing(path, "is damaged or not an .npz file"), zipfile.ZipFile(path) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        keys = _keys(members, path)
        arrays = {role: _read_member(archive, members[key], path) for role, key in keys.items()}
    test = {role.removeprefix("test "): arrays[role] for role in ("test x", "test y") if role in arrays}
    return arrays["x"], arrays.get("y"), test


def _keys(members: Mapping[str, str], path: Path) -> dict[str, str]:
    """Return the keys of the file for samples and labels."""
    for names in KEYS:
        if names[0] in members:
            roles = zip(("x", "y", "test x", "test y"), names, strict=True)
            found = {role: name for role, name in roles if name in members}
            if "test x" not in found:
                found.pop("test y", None)
            return found
    keys = ", ".join(map(repr, sorted(members))) or "none"
    raise ValueError(f"{path} has no array x_train, x or X; its keys are {keys}")


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> NDArray[Any]:
    where = f"{path}, array {name.removesuffix('.npy')!r}"
    size = archive.getinfo(name).file_size
    if size > MOST_EXPANSION * path.stat().st_size:
        raise ValueError(f"{where} claims {size} bytes; the file has {path.stat().st_size}")
    with archive.open(name) as stream:
        _check_header(stream, size, where)
    with archive.open(name) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _check_header(stream: IO[bytes], size: int, where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Compare the size in a header with the data, before memory is allocated.

    Returns the shape, whether the array is in Fortran order, the dtype, and the number of bytes before the data.
    """
    if not size:
        raise ValueError(f"{where} is empty")
    head = io.BytesIO(stream.read(LONGEST_HEADER))
    try:
        version = np.lib.format.read_magic(head)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, in_columns, dtype = read_header(head)
    except Exception as error:  # the header is parsed as Python, which can fail in many ways, even with a MemoryError
        raise ValueError(f"{where} is damaged or not a NumPy array: {in_short(error)}") from error
    if dtype.hasobject:
        raise ValueError(f"{where} holds Python objects; only numbers and text are read")
    promised = math.prod(shape) * dtype.itemsize
    found = size - head.tell()
    if found < promised:
        raise ValueError(f"{where} is truncated: header promises {promised} bytes, {found} found")
    return shape, in_columns, dtype, head.tell()
