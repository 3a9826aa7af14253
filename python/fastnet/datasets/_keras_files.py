"""The files of Keras's data sets: found in FASTNET_DATA or in the cache, or downloaded with a checksum."""

import hashlib
import io
import math
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._damage import refusing
from fastnet.datasets._streams import CHUNK
from fastnet.datasets.download import cache_folder, fetch
from fastnet.files.pickled import plain_data
from fastnet.support.validation import check_integer, check_number, describe

__all__ = ["PublicFile", "Shuffling", "read_objects", "split_at"]

ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_LARGEST = 1 << 30  # bytes of a member of an archive


@dataclass(frozen=True)
class PublicFile:
    """A file of a public data set.

    Attributes
    ----------
    collection : str
        The data set: the subfolder of its files in FASTNET_DATA and in the cache.
    name : str
        The name of the file.
    digest : str
        Its SHA-256 or, where Keras has no other, its MD5, in hexadecimal digits.
    origin : str
        The URL of its folder.
    """

    collection: str
    name: str
    digest: str
    origin: str = ORIGIN

    def find(self, path: str | os.PathLike[str] | None = None) -> Path:
        """Return the path of the file, after a download into the cache if it is nowhere.

        Parameters
        ----------
        path : str or os.PathLike, optional
            Another name for the file, as Keras's `path`, or a path to it.

        Raises
        ------
        FileNotFoundError
            `path` is absolute and there is no such file, or there is no folder for a cache.
        ConnectionError
            The file cannot be downloaded; the message says where to put it.
        """
        if path is not None and not isinstance(path, str | os.PathLike):
            raise TypeError(f"path must be the name of a file; got {describe(path)}")
        given = Path(self.name if path is None else path)
        if given.is_absolute():
            if not given.is_file():
                raise FileNotFoundError(f"{given}: there is no such file of {self.collection}")
            return given
        root = os.environ.get("FASTNET_DATA")
        folders = [Path(root, self.collection), Path(root)] if root else []
        cache = cache_folder() / self.collection
        found = next((folder / given for folder in (*folders, cache) if (folder / given).is_file()), None)
        if found is None:
            found = cache / given
            fetch(self.collection, (self.origin + self.name,), found, self._verify)
        return found

    def _verify(self, path: Path) -> None:
        # MD5 tells damage, and is what Keras has for a few files, of plain JSON; the others have SHA-256.
        digest = hashlib.sha256() if len(self.digest) == 64 else hashlib.md5(usedforsecurity=False)
        with path.open("rb") as stream:
            while piece := stream.read(CHUNK):
                digest.update(piece)
        if digest.hexdigest() != self.digest:
            raise ValueError(f"the checksum is wrong: {digest.name} {digest.hexdigest()}, expected {self.digest}")


def read_objects(path: Path, keys: tuple[str, ...]) -> list[NDArray[Any]]:
    """Return arrays of an .npz file, those of lists included, which NumPy keeps as pickles; no pickle is loaded.

    Raises
    ------
    ValueError
        The file is damaged, lacks an array, or has something else than numbers and lists of them.
    """
    with refusing(path, "is damaged or not such a data set"), zipfile.ZipFile(path) as archive:
        members = {name.removesuffix(".npy"): name for name in archive.namelist()}
        missing = [key for key in keys if key not in members]
        if missing:
            raise ValueError(f"it has no array {missing[0]!r}; its arrays are {', '.join(sorted(members)) or 'none'}")
        return [_array(archive, members[key]) for key in keys]


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    if archive.getinfo(name).file_size > _LARGEST:
        raise ValueError(f"array {name!r} claims {archive.getinfo(name).file_size} bytes; at most {_LARGEST} are read")
    stream = io.BytesIO(archive.read(name))
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.kind not in "biufO" or not dtype.itemsize:
        raise ValueError(f"array {name!r} has dtype {dtype}; only numbers and lists of them are read")
    if 0 in shape[1:]:  # a header alone would claim any number of rows
        raise ValueError(f"array {name!r} has rows without values: shape {shape}")
    data = stream.read()
    if dtype.hasobject:
        found = plain_data(data)
    elif math.prod(shape) * dtype.itemsize == len(data):
        stream.seek(0)
        found = np.lib.format.read_array(stream, allow_pickle=False)
    else:
        found = None
    if not isinstance(found, np.ndarray) or found.shape != shape:
        raise ValueError(f"array {name!r} is not what its header says")
    return found


class Shuffling:
    """The orders in which Keras has the parts of a data set for a seed, one after the other."""

    def __init__(self, seed: int) -> None:
        # Keras's generator, whose order programs know.
        self._generator = np.random.RandomState(check_integer("seed", seed, minimum=0, maximum=2**32 - 1))

    def of(self, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the arrays of one part in the next order."""
        order = np.arange(len(arrays[0]))
        self._generator.shuffle(order)
        return [array[order] for array in arrays]


def split_at(test_split: float, rows: int) -> int:
    """Return how many rows are for training.

    Raises
    ------
    ValueError, TypeError
        `test_split` is not a number from 0 to below 1.
    """
    return int(rows * (1 - check_number("test_split", test_split, minimum=0.0, below=1.0)))
