"""Pipes as files: data that can be read only once are copied first."""

import os
import re
import select
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastnet.datasets._streams import CHUNK

__all__ = ["as_file", "short_name"]

LONGEST_WAIT = 4.0  # seconds for a program that writes to a named pipe to open it
MOST_BYTES = 1 << 32  # of a pipe, which may be endless


@contextmanager
def as_file(path: Path) -> Iterator[Path]:
    """Yield the path of a file that can be opened repeatedly: `path` itself, or a copy of the data of a pipe.

    Pipes are named pipes, ``/dev/stdin`` and the paths that a shell passes for ``<(...)``. A copy is removed at the
    end; in the message of a ValueError, its path is replaced by that of the pipe.

    Raises
    ------
    ValueError
        `path` is a device, a socket or closed standard input, no program writes to the pipe, or it gives more than 4
        GiB.
    """
    descriptor = _descriptor(path)
    try:
        mode = (path.stat() if descriptor is None else os.fstat(descriptor)).st_mode
    except (FileNotFoundError, NotADirectoryError):  # it may lead into an archive
        yield path
        return
    except OSError as error:
        if descriptor is None:
            raise
        raise ValueError(f"{path} is not open") from error
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        yield path
        return
    if not (stat.S_ISFIFO(mode) or (stat.S_ISSOCK(mode) and descriptor is not None)):
        raise ValueError(f"{path} is a device or a socket; expected a file, a folder or a pipe")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        copy = Path(folder, short_name(path))
        _copy(path, descriptor, copy)
        try:
            yield copy
        except ValueError as error:
            raise ValueError(str(error).replace(str(copy), str(path))) from error


def short_name(path: Path) -> str:
    """Return a name for the data at a path; /dev/fd/63 would be meaningless."""
    return "pipe" if path.name.isdigit() and _descriptor(path) is not None else path.name


def _descriptor(path: Path) -> int | None:
    """Return the file descriptor of a path such as /dev/fd/63, else None."""
    match = re.fullmatch(r"/dev/stdin|(?:/dev|/proc/self)/fd/(\d{1,9})", path.as_posix())
    return int(match[1] or 0) if match else None


def _copy(path: Path, descriptor: int | None, copy: Path) -> None:
    """Copy the data of a pipe to a file."""
    source, piece = (os.dup(descriptor), b"") if descriptor is not None else _open_named(path)
    with os.fdopen(source, "rb", buffering=0) as pipe, copy.open("wb") as file:
        size = file.write(piece)
        while piece := pipe.read(CHUNK):
            size += file.write(piece)
            if size > MOST_BYTES:
                raise ValueError(
                    f"{path} is a pipe that gives more than {MOST_BYTES >> 30} GiB; save the data to a file"
                )


def _open_named(path: Path) -> tuple[int, bytes]:
    """Return a descriptor of a named pipe and its first bytes, once another program has written some."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a blocking open may wait forever
    try:
        deadline = time.monotonic() + LONGEST_WAIT
        while time.monotonic() < deadline:
            try:
                if piece := os.read(descriptor, CHUNK):
                    os.set_blocking(descriptor, True)
                    return descriptor, piece
                time.sleep(0.02)  # no program has it open for writing
            except BlockingIOError:  # a program has, and has not written yet
                select.select([descriptor], [], [])
                deadline = time.monotonic() + LONGEST_WAIT
        raise ValueError(f"{path} is a pipe that no program writes to; waited for {LONGEST_WAIT:g} s")
    except BaseException:
        os.close(descriptor)
        raise
