"""The archives of CIFAR-10 and CIFAR-100: pickles of arrays, of which only plain data are read."""

import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._damage import refusing
from fastnet.files.pickled import plain_data

__all__ = ["read_batches"]

_PIXELS = 3 * 32 * 32
_LARGEST = 1 << 28  # bytes of a member
ORIGIN = "https://www.cs.toronto.edu/~kriz/"


def read_batches(path: Path, members: Sequence[str], labels: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the images and the labels in some members of an archive.

    Parameters
    ----------
    path : Path
        The ``.tar.gz`` file.
    members : sequence of str
        The names of the members, in the order of the images.
    labels : str
        The name that the labels have in them.

    Returns
    -------
    x : ndarray of shape (n, 32, 32, 3), uint8
    y : ndarray of shape (n, 1), uint8

    Raises
    ------
    ValueError
        The archive is damaged, or a member is not plain data of this form.
    """
    with refusing(path, "is damaged or not an archive of CIFAR"), tarfile.open(path, "r:*") as archive:
        found: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
        for info in archive:  # in their order, since going back in a compressed archive reads it again
            if info.name in members and info.isfile():
                if info.size > _LARGEST:
                    raise ValueError(f"{info.name!r} in it claims {info.size} bytes")
                stream = archive.extractfile(info)
                assert stream is not None
                found[info.name] = _batch(info.name, plain_data(stream.read()), labels)
        missing = [member for member in members if member not in found]
        if missing:
            raise ValueError(f"it has no member {missing[0]!r}")
    images, values = zip(*(found[member] for member in members), strict=True)
    return np.concatenate(images), np.concatenate(values)


def _batch(name: str, content: Any, labels: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the images and the labels of a member."""
    entries = {_text(key): value for key, value in content.items()} if isinstance(content, dict) else {}
    pixels, classes = entries.get("data"), entries.get(labels)
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (_PIXELS,):
        raise ValueError(f"{name!r} in it has no images of 32 x 32 pixels")
    if not isinstance(classes, list) or len(classes) != len(pixels):
        raise ValueError(f"{name!r} in it has no {labels!r} for every image")
    if not set(map(type, classes)) <= {int} or not all(0 <= number <= 255 for number in classes):
        raise ValueError(f"{name!r} in it has {labels!r} that are not integers from 0 to 255")
    y = np.array(classes, np.uint8).reshape(-1, 1)
    return pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), y


def _text(key: Any) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)
