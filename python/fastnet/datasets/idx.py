"""IDX, the file format of MNIST: a big-endian header, then bytes. Compressed with gzip or not."""

import math
import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._streams import open_data, read_at_most

__all__ = ["FILES", "PARTS", "find", "read", "read_beside", "read_part", "require"]

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
PARTS = ("train", "t10k")
UNSIGNED_BYTE = 0x08
TYPE_NAMES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}


def read(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Return the array in an IDX file of unsigned bytes.

    Parameters
    ----------
    path : str or os.PathLike
        The file; gzip compression is detected from the content.

    Returns
    -------
    ndarray, uint8
        With the shape that the header states: (n, height, width) for images, (n,) for labels.

    Raises
    ------
    ValueError
        If the file is not an IDX file, holds another type than unsigned bytes, has fewer or more bytes than stated in
        its header, or is damaged gzip. The memory used is limited by the size of the file.
    FileNotFoundError
        If there is no such file.
    """
    path = Path(path)
    with open_data(path) as stream:
        shape = _read_shape(stream, path)
        promised = math.prod(shape)
        data = read_at_most(stream, promised + 1)
    if len(data) < promised:
        raise ValueError(f"{path} is truncated: header promises {promised} bytes, {len(data)} found")
    if len(data) > promised:
        raise ValueError(f"{path} is too long: header promises {promised} bytes, more found")
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _read_shape(stream: BinaryIO, path: Path) -> tuple[int, ...]:
    """Return the shape that a file's header states: 0, the type, the number of dimensions, then each dimension."""
    magic = stream.read(4)
    if len(magic) < 4:
        raise ValueError(f"{path} is truncated: {len(magic)} bytes are too few for an IDX header")
    zero, kind, dimensions = struct.unpack(">HBB", magic)
    if zero != 0 or kind not in {UNSIGNED_BYTE, *TYPE_NAMES} or not 1 <= dimensions <= 4:
        raise ValueError(f"{path} is not an IDX file of 1 to 4 dimensions: it begins with 0x{magic.hex()}")
    if kind != UNSIGNED_BYTE:
        raise ValueError(f"{path} holds {TYPE_NAMES[kind]} values; expected unsigned bytes (0x08xx)")
    sizes = stream.read(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise ValueError(f"{path} is truncated: its header ends after {4 + len(sizes)} bytes")
    shape = struct.unpack(f">{dimensions}I", sizes)
    if 0 in shape:
        raise ValueError(f"{path} holds no data: its header states the shape {shape}")
    return shape


def find(folder: Path, name: str) -> Path | None:
    """Return the file with MNIST's name `name` in a folder, plain or compressed, spelled -idx3 or .idx3."""
    for spelling in (name, name.replace("-idx", ".idx")):
        for suffix in (".gz", ""):
            path = folder / (spelling + suffix)
            if path.is_file():
                return path
    return None


def require(folder: Path, name: str) -> Path:
    """Return the result of `find`, or raise FileNotFoundError."""
    path = find(folder, name)
    if path is None:
        raise FileNotFoundError(f"no file {name} or {name}.gz in the folder {folder}")
    return path


def read_part(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the images and the labels of the part "train" or "t10k" in a folder of IDX files."""
    images, labels = (require(folder, name) for name in FILES if name.startswith(part))
    return _paired(images, labels)


def read_beside(images: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Return the images in one file, and their labels if there is a file of labels in the same folder.

    Its name has "labels" instead of "images" and "idx1" instead of "idx3".
    """
    name = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    labels = find(images.parent, name) if "images" in images.name else None
    return (read(images), None) if labels is None else _paired(images, labels)


def _paired(images_path: Path, labels_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    images, labels = read(images_path), read(labels_path)
    if images.ndim < 2:
        raise ValueError(f"{images_path} holds an array of shape {images.shape}; expected images")
    if labels.ndim != 1:
        raise ValueError(f"{labels_path} holds an array of shape {labels.shape}; expected labels, one dimension")
    if len(labels) != len(images):
        raise ValueError(f"{labels_path} holds {len(labels)} labels for the {len(images)} images of {images_path}")
    return images, labels
