"""Opening data files: plain, compressed with gzip, or inside a zip archive."""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

__all__ = ["GZIP", "ZIP", "exists", "is_named_tsv", "is_npz", "open_data", "outer_file", "read_at_most"]

CHUNK = 1 << 20
GZIP = b"\x1f\x8b"
ZIP = b"PK\3\4"
MOST_NAMES = 6  # of files in an archive, in a message
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError)


@contextmanager
def open_data(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes; gzip and zip are recognized by their first bytes and decompressed on the fly.

    For a zip archive with several files, the path may continue with the name of one: ``titanic.zip/train.csv``.

    Raises ValueError, naming the file, if compressed data are damaged, possibly only while they are read, or if it is
    ambiguous which file of an archive is meant.
    """
    outer, member = _outer(path)
    try:
        with outer.open("rb") as file:
            magic = file.read(len(ZIP))
            file.seek(0)
            if magic == ZIP:
                with _archive(file) as archive, archive.open(_member(archive, outer, member)) as content:
                    yield cast(BinaryIO, content)
            elif member is not None:
                raise FileNotFoundError(f"there is no file {path}: {outer} is not a zip archive")
            elif magic.startswith(GZIP):
                with gzip.GzipFile(fileobj=file) as stream:
                    yield cast(BinaryIO, stream)
            else:
                yield file
    except DAMAGED as error:
        kind = "gzip data is" if magic.startswith(GZIP) else "zip archive is"
        raise ValueError(f"{path}: the {kind} damaged or cut short ({error})") from error


def exists(path: Path) -> bool:
    """Return whether there is a file or folder, or an archive that the path leads into."""
    return path.exists() or _outer(path)[1] is not None


def is_npz(path: Path) -> bool:
    """Return whether a zip archive contains NumPy arrays."""
    try:
        with path.open("rb") as file, _archive(file) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except DAMAGED as error:
        raise ValueError(f"{path}: the zip archive is damaged or cut short ({error})") from error


def is_named_tsv(stream: BinaryIO) -> bool:
    """Return whether the name of an open file, possibly inside an archive, implies tabs as separators."""
    return str(stream.name).lower().removesuffix(".gz").endswith(".tsv")


def read_at_most(stream: BinaryIO, size: int) -> bytearray:
    """Read up to `size` bytes in pieces, so that memory grows with the data, not with the size in a header."""
    data = bytearray()
    while len(data) < size and (piece := stream.read(min(CHUNK, size - len(data)))):
        data += piece
    return data


def outer_file(path: Path) -> Path:
    """Return the file that a path leads to: the archive, if it names a file inside one."""
    return _outer(path)[0]


def _outer(path: Path) -> tuple[Path, str | None]:
    """Return the file that a path leads to, and the rest of the path inside it."""
    if not path.exists():
        for parent in path.parents:
            if parent.is_file():
                return parent, path.relative_to(parent).as_posix()
    return path, None


def _archive(file: BinaryIO) -> zipfile.ZipFile:
    """Open an archive and check that its directory leads to its files."""
    try:
        archive = zipfile.ZipFile(file)
        for info in archive.infolist():
            if not 0 <= info.header_offset < archive.start_dir:
                raise zipfile.BadZipFile(f"{info.filename} is not where the directory says")
    except OSError as error:  # the directory begins before the file
        raise zipfile.BadZipFile(str(error)) from error
    return archive


def _member(archive: zipfile.ZipFile, path: Path, name: str | None) -> zipfile.ZipInfo:
    """Return the file to read from an archive: the named one, the only one, or the one with the archive's name."""
    files = [info for info in archive.infolist() if not (info.is_dir() or _is_hidden(info.filename))]
    names = [info.filename for info in files]
    own = path.name.removesuffix(".zip")
    wanted = {name} if name is not None else {own, f"{own}.csv"} if len(files) > 1 else set(names)
    found = [info for info in files if info.filename in wanted]
    if len(found) != 1:
        listed = ", ".join(names[:MOST_NAMES] + ["..."] * (len(names) > MOST_NAMES)) or "no files"
        if name is not None:
            raise FileNotFoundError(f"there is no file {name} in the zip archive {path}; it holds {listed}")
        hint = f"; name one of them, such as {path}/{names[0]}" if names else ""
        raise ValueError(f"{path} is a zip archive that holds {listed}{hint}")
    info = found[0]
    if info.flag_bits & 1:
        raise ValueError(f"{path} is an encrypted zip archive; unpack it with its password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{path} is a zip archive with an unsupported compression method; unpack it")
    return info


def _is_hidden(name: str) -> bool:
    """Return whether a file is one that operating systems add to archives."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")
