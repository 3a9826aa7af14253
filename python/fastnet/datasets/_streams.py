"""Opening data files, gzip-compressed or not."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

__all__ = ["open_data", "read_at_most"]

CHUNK = 1 << 20


@contextmanager
def open_data(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes; one that begins as gzip does is decompressed on the way.

    Raises ValueError, naming the file, when the compressed data turns out to be damaged while it is read.
    """
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if compressed:
                with gzip.GzipFile(fileobj=file) as stream:
                    yield cast(BinaryIO, stream)
            else:
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: the gzip data is damaged or cut short ({error})") from error


def read_at_most(stream: BinaryIO, size: int) -> bytearray:
    """Read up to `size` bytes, in pieces: memory grows with what is there, not with what a header promises."""
    data = bytearray()
    while len(data) < size and (piece := stream.read(min(CHUNK, size - len(data)))):
        data += piece
    return data
