"""Writing files so that a reader never meets half of one."""

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

__all__ = ["atomic_write", "remove_leftovers"]


@contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only when it is complete.

    What the body writes goes to a temporary file in the same folder. At the end it is flushed to the disk and takes
    the place of `path` in one step, with the permissions of the file that it replaces. When the body raises, the
    temporary file is removed and an earlier file at `path` stays as it was. When the process is killed or the power
    fails, `path` is the earlier file or the new one, and a file ``.fastnet-*.tmp`` may be left beside it. A symbolic link keeps pointing where it
    did; a device or a pipe (``/dev/null``) is written to directly.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write. Its folder must exist.
    mode : {"wb", "w"}, default "wb"
        Bytes, or text in UTF-8 with ``\\n`` at the end of a line.

    Yields
    ------
    file object
        Open for writing.

    Raises
    ------
    OSError
        If the file cannot be written, with the reason: the folder does not exist, `path` is a folder, permission is
        denied, the disk is full. Its type is that of the error behind it (FileNotFoundError, PermissionError, ...).

    Examples
    --------
    >>> with atomic_write("answer.txt", "w") as file:
    ...     _ = file.write("42")
    >>> Path("answer.txt").read_text()
    '42'
    """
    if mode not in ("wb", "w"):
        raise ValueError(f"mode must be 'wb' or 'w'; got {mode!r}")
    target = Path(os.path.realpath(path))
    special = target.exists() and not target.is_file()
    written = target if special else target.with_name(f".fastnet-{secrets.token_hex(4)}.tmp")
    try:
        with _open(written, mode if special else mode.replace("w", "x")) as file:
            yield file
            if special:
                file.flush()
            else:
                flush_to_disk(file)
        if not special:
            _replace(written, target)
    except BaseException as error:
        if not special:
            with suppress(OSError):
                written.unlink(missing_ok=True)
        if isinstance(error, OSError) and _is_about(error, written):
            raise _explained(error, path) from error
        raise


def _is_about(error: OSError, path: Path) -> bool:
    """Whether an error comes from writing this file, not from something else that the body does."""
    if error.filename is None:  # as write() raises it
        return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
    return error.filename in {str(path), path, str(path.parent)}


def _open(path: Path, mode: str) -> IO[Any]:
    if "b" in mode:
        return path.open(mode)
    return path.open(mode, encoding="utf-8", newline="\n")


def _replace(temporary: Path, target: Path) -> None:
    """Move the finished file to its name and make the move last through a loss of power."""
    if target.exists():
        temporary.chmod(stat.S_IMODE(target.stat().st_mode))
    temporary.replace(target)
    if os.name == "posix":
        with suppress(PermissionError):  # to write in a folder one need not be allowed to read it
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                _to_disk(folder)
            except OSError as error:
                if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # a file system whose folders need no flush
                    raise
            finally:
                os.close(folder)


def flush_to_disk(file: IO[Any]) -> None:
    """Return when what was written to a file would outlast a loss of power."""
    file.flush()
    _to_disk(file.fileno())


def _to_disk(descriptor: int) -> None:
    """Flush an open file or folder."""
    os.fsync(descriptor)
    if sys.platform == "darwin":  # where that leaves it in the cache of the drive
        import fcntl

        with suppress(OSError):  # a file system that does not know how
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)


def _explained(error: OSError, path: str | os.PathLike[str]) -> OSError:
    folder = Path(path).parent
    if isinstance(error, FileNotFoundError):
        reason = f"the folder {folder} does not exist"
    elif isinstance(error, IsADirectoryError):
        reason = "it is a folder"
    else:
        reason = (error.strerror or str(error)).lower()
    explained = type(error)(f"cannot write {os.fspath(path)}: {reason}")
    explained.errno = error.errno
    return explained


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files of `atomic_write` that a killed process left in a folder."""
    for path in Path(folder).glob(".fastnet-????????.tmp"):
        path.unlink(missing_ok=True)
