"""One kind of error for all that a damaged file can cause."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["in_short", "refusing"]

_LONGEST_REASON = 400  # characters, where a file has long names


@contextmanager
def refusing(path: Path, what: str) -> Iterator[None]:
    """Make a ValueError that names the file out of whatever the library that reads it raises.

    Errors of the file system, of missing packages and of too little memory pass, and so does a ValueError that names the file.

    Parameters
    ----------
    path : Path
    what : str
        What is said of the file, before the reason.
    """
    try:
        yield
    except BaseException as error:
        if _passes(error) or (isinstance(error, ValueError) and str(path) in str(error)):
            raise
        raise ValueError(f"{path} {what}: {in_short(error)}") from error


def in_short(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error) or type(error).__name__).splitlines()[0][:_LONGEST_REASON]


def _passes(error: BaseException) -> bool:
    """Whether an error is not about the content of a file."""
    if isinstance(error, OSError):
        return error.errno not in (None, errno.EINVAL)  # which it is to seek a place before the beginning
    if isinstance(error, MemoryError):
        return not type(error).__module__.startswith("pyarrow")  # whose sizes are those that a file claims
    panic = type(error).__name__ == "PanicException"  # of polars, which is not an Exception
    return isinstance(error, ImportError) or not (panic or isinstance(error, Exception))
