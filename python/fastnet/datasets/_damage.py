"""A single error type for everything that a damaged file can cause."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["in_short", "refusing"]

_LONGEST_REASON = 400  # characters; a file may have long names


@contextmanager
def refusing(path: Path, what: str) -> Iterator[None]:
    """Convert the errors of a library that reads a file to a ValueError that names the file.

    Errors of the file system, of missing packages and of memory pass unchanged, as does a ValueError that names the
    file.

    Parameters
    ----------
    path : Path
    what : str
        The statement about the file, before the reason.
    """
    try:
        yield
    except BaseException as error:
        if _passes(error) or (isinstance(error, ValueError) and str(path) in str(error)):
            raise
        raise ValueError(f"{path} {what}: {in_short(error)}") from error


def in_short(error: BaseException) -> str:
    """Return the first line of an error message."""
    return (str(error) or type(error).__name__).splitlines()[0][:_LONGEST_REASON]


def _passes(error: BaseException) -> bool:
    """Return whether an error is not about the content of a file."""
    if isinstance(error, OSError):
        return error.errno not in (None, errno.EINVAL)  # EINVAL: seeking before the beginning, as in a damaged file
    if isinstance(error, MemoryError):
        return not type(error).__module__.startswith("pyarrow")  # pyarrow allocates the sizes that a file claims
    panic = type(error).__name__ == "PanicException"  # of polars; not an Exception
    return isinstance(error, ImportError) or not (panic or isinstance(error, Exception))
