"""Finding the files of a public data set: in FASTNET_DATA, in the cache, or on the internet with a checksum."""

import hashlib
import importlib.util
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets import idx
from fastnet.datasets._streams import CHUNK, open_data
from fastnet.files.atomic import atomic_write

__all__ = ["Collection", "cache_folder", "fetch"]

TIMEOUT = 30  # seconds without an answer


def cache_folder() -> Path:
    """Return the folder for downloads: FASTNET_CACHE, or ``fastnet`` in the user's cache (XDG_CACHE_HOME).

    Raises FileNotFoundError if neither is set and the user has no home.
    """
    if folder := os.environ.get("FASTNET_CACHE"):
        return Path(folder)
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base, "fastnet")
    try:
        return Path.home() / ".cache" / "fastnet"
    except RuntimeError as error:
        raise FileNotFoundError(
            "the user has no home folder to keep downloads in: set the environment variable FASTNET_CACHE to a folder"
        ) from error


@dataclass(frozen=True)
class Collection:
    """A data set in files named like those of MNIST.

    Attributes
    ----------
    name : str
        Its subfolder in FASTNET_DATA and in the cache.
    mirrors : tuple of str
        URLs that end in "/"; the name of a file with ".gz" is appended.
    sha256 : mapping of str to str
        The checksum of each file, by name without ".gz".
    compressed : bool
        Whether the checksums are those of the compressed files, or of the decompressed data. Mirrors may have
        compressed the same data differently.
    in_root : bool
        Whether the files may also be in FASTNET_DATA itself; possible for only one data set with these file names.
    """

    name: str
    mirrors: tuple[str, ...]
    sha256: Mapping[str, str]
    compressed: bool = False
    in_root: bool = False

    def folder(self, *names: str) -> Path:
        """Return a folder with these files, downloading them into the cache if needed.

        Raises
        ------
        FileNotFoundError
            If there is no folder for a cache.
        ConnectionError
            If they cannot be downloaded; the message says where to put them manually.
        """
        for folder in self._own_folders():
            if any(idx.find(folder, name) for name in idx.FILES):
                return folder
        cache = cache_folder() / self.name
        for name in names or idx.FILES:
            if idx.find(cache, name) is None:
                self._download(name, cache)
        return cache

    def present(self) -> Path | None:
        """Return a folder with all of these files; None if they must be downloaded."""
        folders = self._own_folders()
        with suppress(FileNotFoundError):  # without a home there is no cache
            folders.append(cache_folder() / self.name)
        return next((folder for folder in folders if all(idx.find(folder, name) for name in idx.FILES)), None)

    def read(self) -> tuple[tuple[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]:
        """Return ``(x_train, y_train), (x_test, y_test)``."""
        folder = self.folder()
        return idx.read_part(folder, idx.PARTS[0]), idx.read_part(folder, idx.PARTS[1])

    def train_images(self) -> NDArray[Any]:
        """Return the training images, uint8 of shape (60000, 28, 28)."""
        return self._read_file(idx.FILES[0])

    def train_labels(self) -> NDArray[Any]:
        """Return the training labels, uint8 of shape (60000,)."""
        return self._read_file(idx.FILES[1])

    def test_images(self) -> NDArray[Any]:
        """Return the test images, uint8 of shape (10000, 28, 28)."""
        return self._read_file(idx.FILES[2])

    def test_labels(self) -> NDArray[Any]:
        """Return the test labels, uint8 of shape (10000,)."""
        return self._read_file(idx.FILES[3])

    def _read_file(self, name: str) -> NDArray[np.uint8]:
        return idx.read(idx.require(self.folder(name), name))

    def _own_folders(self) -> list[Path]:
        root = os.environ.get("FASTNET_DATA")
        if not root:
            return []
        return [Path(root, self.name), *([Path(root)] if self.in_root else [])]

    def _download(self, name: str, cache: Path) -> None:
        path = cache / f"{name}.gz"
        files = [f"{file}.gz" for file in idx.FILES]
        fetch(self.name, [mirror + path.name for mirror in self.mirrors], path, partial(self._verify, name=name), files)

    def _verify(self, path: Path, name: str) -> None:
        digest = hashlib.sha256()
        with path.open("rb") if self.compressed else open_data(path) as stream:
            while piece := stream.read(CHUNK):
                digest.update(piece)
        if digest.hexdigest() != self.sha256[name]:
            raise ValueError(f"the checksum is wrong: sha256 {digest.hexdigest()}, expected {self.sha256[name]}")


def fetch(
    collection: str, urls: Sequence[str], path: Path, verify: Callable[[Path], None], files: Sequence[str] = ()
) -> None:
    """Download a file from the first URL that has it; it is complete and verified, or absent.

    Parameters
    ----------
    collection : str
        The data set, for messages: the subfolder of its files.
    urls : sequence of str
        Where the file is.
    path : Path
        The file to write.
    verify : callable
        Raises a ValueError where the checksum of a file is wrong.
    files : sequence of str
        All files of the data set, for messages; by default this one.

    Raises
    ------
    ConnectionError
        It cannot be downloaded; the message says where to put it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    problems = []
    for url in () if os.environ.get("FASTNET_OFFLINE") else urls:
        try:
            with atomic_write(path) as file:
                _transfer(url, file)
                file.flush()
                verify(Path(file.name))
            return
        except (OSError, ValueError) as error:
            problems.append(f"{url.rpartition('/')[0]}/: {_one_line(error)}")
    reason = "; ".join(problems) or "FASTNET_OFFLINE is set"
    needed = f"the files {', '.join(files)}" if files else f"the file {path.name}"
    raise ConnectionError(
        f"{collection}: {path.name} cannot be downloaded ({reason}). To do without, put {needed} into {path.parent}, or "
        f"into the folder {collection} of a folder that the environment variable FASTNET_DATA names"
    )


def _transfer(url: str, file: IO[bytes]) -> None:
    """Download a URL to a file, with pooch if it is installed."""
    if importlib.util.find_spec("pooch"):
        import pooch

        pooch.HTTPDownloader(timeout=TIMEOUT)(url, file, None)
    else:
        from urllib.error import HTTPError
        from urllib.request import urlopen

        try:
            with urlopen(url, timeout=TIMEOUT) as response:
                shutil.copyfileobj(response, file, CHUNK)
        except HTTPError as error:
            error.close()  # it is also the open answer
            raise


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
