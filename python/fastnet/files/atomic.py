"""Atomic writing of files, also in a background thread."""

import errno
import os
import secrets
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

__all__ = ["Beside", "atomic_write", "check_overwrite", "check_writable", "remove_leftovers"]

_ACCESS_LIST = "system.posix_acl_access"
_T = TypeVar("_T")


@contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a file for writing that appears under its name only once it is complete.

    The body writes to a temporary file in the same folder. At the end this file is flushed to the disk and replaces
    `path` in one step. If the body raises, the temporary file is removed and an earlier file at `path` is not changed.
    If the process is killed or the power fails, `path` is the earlier file or the new one, and a file
    ``.fastnet-*.tmp`` may be left next to it. A symbolic link keeps its target; a device or a pipe (``/dev/null``) is
    written to directly.

    The new file has the permissions, the access control list and, if the process may set them, the owner and the group
    of the file that it replaces. Until it is complete, only its owner can read it. A file that cannot be opened for
    writing, such as a read-only file, is not replaced.

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
        denied, the disk is full. It has the type of its cause (FileNotFoundError, PermissionError, ...).

    Examples
    --------
    >>> with atomic_write("answer.txt", "w") as file:
    ...     _ = file.write("42")
    >>> Path("answer.txt").read_text()
    '42'
    """
    if mode not in ("wb", "w"):
        raise ValueError(f"mode must be 'wb' or 'w'; got {mode!r}")
    target = check_writable(path)
    special = target.exists() and not target.is_file()
    written = target if special else target.with_name(f".fastnet-{secrets.token_hex(4)}.tmp")
    permissions = 0o600 if target.exists() else 0o666  # minus the umask
    try:
        with _open(written, mode if special else mode.replace("w", "x"), permissions) as file:
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


def check_overwrite(path: str | os.PathLike[str], overwrite: bool) -> None:
    """Raise FileExistsError if there is a file that may not be replaced."""
    if not overwrite and Path(path).exists():
        raise FileExistsError(f"{os.fspath(path)} exists; pass overwrite=True to replace it")


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Return the file that writing to a path replaces or creates, with symbolic links resolved.

    Raises
    ------
    OSError
        The file cannot be opened for writing, or the path is a folder or a cycle of links.
    """
    target = Path(os.path.realpath(path))
    effective = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
    if target.is_symlink():
        raise _explained(OSError(errno.ELOOP, os.strerror(errno.ELOOP)), path)
    if target.is_dir():
        raise _explained(IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR)), path)
    if target.exists() and not os.access(target, os.W_OK, **effective):
        raise _explained(PermissionError(errno.EACCES, "permission denied, the file is read-only"), path)
    return target


def _is_about(error: OSError, path: Path) -> bool:
    """Return whether an error comes from writing this file, not from other code in the body."""
    if error.filename is None:  # as in errors of write()
        return error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
    return error.filename in {str(path), path, str(path.parent)}


def _open(path: Path, mode: str, permissions: int) -> IO[Any]:
    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, permissions)

    if "b" in mode:
        return open(path, mode, opener=opener)
    return open(path, mode, encoding="utf-8", newline="\n", opener=opener)


def _replace(temporary: Path, target: Path) -> None:
    """Move the finished file to its name, and make sure that the move survives a power failure."""
    if target.exists():
        _take_over(temporary, target)
    temporary.replace(target)
    if os.name == "posix":
        with suppress(PermissionError):  # a folder may be writable without being readable
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                _to_disk(folder)
            except OSError as error:
                if error.errno not in {errno.EINVAL, errno.ENOTSUP}:  # the file system does not flush folders
                    raise
            finally:
                os.close(folder)


def _take_over(temporary: Path, target: Path) -> None:
    """Copy the owner and the permissions of the replaced file to a file."""
    old, new = target.stat(), temporary.stat()
    permissions = stat.S_IMODE(old.st_mode) & 0o777
    if new.st_uid != old.st_uid:
        with suppress(OSError):  # only root may change the owner
            os.chown(temporary, old.st_uid, -1)
    if new.st_gid != old.st_gid:
        try:
            os.chown(temporary, -1, old.st_gid)
        except OSError:  # another group gets the permissions of everybody
            permissions = permissions & 0o707 | (permissions & 0o007) << 3
    if sys.platform == "linux":
        try:
            os.setxattr(temporary, _ACCESS_LIST, os.getxattr(target, _ACCESS_LIST))
        except OSError:  # the old file has none; remove the default of the folder
            with suppress(OSError):
                os.removexattr(temporary, _ACCESS_LIST)
    temporary.chmod(permissions)


def flush_to_disk(file: IO[Any]) -> None:
    """Flush a file, so that its contents survive a power failure."""
    file.flush()
    _to_disk(file.fileno())


def _to_disk(descriptor: int) -> None:
    """Flush an open file or folder."""
    os.fsync(descriptor)
    if sys.platform == "darwin":  # fsync leaves the data in the cache of the drive
        import fcntl

        with suppress(OSError):  # the file system does not support it
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


class Beside(Generic[_T]):
    """A call in a background thread; if no thread can be started, the call is made at once.

    Parameters
    ----------
    function : callable
        The function to call.
    """

    def __init__(self, function: Callable[[], _T]) -> None:
        self._function = function
        self._outcome: list[_T] = []
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._call)
        try:
            self._thread.start()
        except RuntimeError:  # a limit of threads or memory is reached
            self._thread = None
            self._call()

    def _call(self) -> None:
        try:
            self._outcome.append(self._function())
        except BaseException as error:  # `result` raises it
            self._error = error

    def result(self) -> _T | None:
        """Wait for the call to end and return what it returned.

        In a child that was forked meanwhile the thread does not exist; the result is None.
        """
        self.wait()
        if self._error is not None:
            raise self._error
        return self._outcome[0] if self._outcome else None

    def wait(self) -> None:
        """Wait for the call to end, whether it returns or raises."""
        if self._thread is not None:
            self._thread.join()
