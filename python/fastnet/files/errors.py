"""A single error type for everything that a damaged file can cause."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from fastnet.files.names import hint_for

LONGEST_REASON = 400  # characters; a file may have long names
_AT_THE_END = 150  # of these: what came, after a list of what is accepted


@contextmanager
def refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Convert every error that a bad file can cause to a ValueError that names the file."""
    try:
        yield
    except RecursionError as error:
        raise ValueError(f"cannot load {os.fspath(path)}: it is nested too deep") from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = f"its configuration lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        if len(reason) > LONGEST_REASON:
            reason = f"{reason[: LONGEST_REASON - _AT_THE_END]} ... {reason[-_AT_THE_END:]}"
        raise ValueError(f"cannot load {os.fspath(path)}: {reason or type(error).__name__}{hint_for(path)}") from error
