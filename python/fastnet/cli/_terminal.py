"""Output to a terminal: text without control characters, colors, and lines that are overwritten."""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, TextIO, cast

from fastnet.support.text import visible

__all__ = ["Guarded", "discard", "guarded_output", "has_colors", "is_live", "styled", "terminal_width", "unfiltered"]

CODES = {"bold": 1, "red": 31, "green": 32, "yellow": 33}
# A random placeholder for the escape character of colors, which no text from a file can contain.
ESCAPE = f"\ufdd0{os.urandom(8).hex()}\ufdd0"


class Guarded:
    """A text file that escapes control characters, except line ends and those of `styled`.

    A closed terminal, as after SIGHUP, is not an error: the output is dropped.
    """

    def __init__(self, file: IO[str], *, filtered: bool = True) -> None:
        self.file = file
        self._filtered = filtered
        self._is_terminal = file.isatty()

    def write(self, text: str) -> int:
        """Write text."""
        shown = visible(text, keep="\n\t").replace(ESCAPE, "\x1b") if self._filtered else text
        self._unless_gone(self.file.write, shown)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the buffer."""
        self._unless_gone(self.file.flush)

    def _unless_gone(self, function: Callable[..., Any], *arguments: str) -> None:
        try:
            function(*arguments)
        except OSError as error:
            if not (self._is_terminal and error.errno == errno.EIO):
                raise
            discard(self.file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@contextmanager
def guarded_output() -> Iterator[None]:
    """Guard standard output and standard error, if the process has them."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (file and cast(TextIO, Guarded(file)) for file in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def unfiltered(file: TextIO) -> TextIO:
    """Return the unguarded file, for output that moves the cursor."""
    return cast(TextIO, Guarded(file.file, filtered=False)) if isinstance(file, Guarded) else file


def discard(file: IO[str]) -> None:
    """Drop buffered and future output of a file, so that Python prints no error at exit."""
    with suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, file.fileno())
        os.close(sink)


def is_live(file: TextIO) -> bool:
    """Return whether lines can be overwritten, as by a progress bar."""
    return file.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width(file: TextIO) -> int:
    """Return the width of a terminal in columns; 0 if it is unknown."""
    try:
        return os.get_terminal_size(file.fileno()).columns
    except (OSError, ValueError):  # not a terminal, or not a file
        return 0


def has_colors(file: TextIO) -> bool:
    """Return whether text may be colored: on a terminal, unless NO_COLOR (https://no-color.org) is set."""
    if os.environ.get("NO_COLOR") or not is_live(file):
        return False
    return (
        os.name != "nt" or "WT_SESSION" in os.environ or "TERM" in os.environ
    )  # older consoles print the escape codes


def styled(text: str, style: str, file: TextIO) -> str:
    """Return text for a guarded file in a style: "bold", "red", "green" or "yellow"; unchanged without colors."""
    return f"{ESCAPE}[{CODES[style]}m{text}{ESCAPE}[0m" if has_colors(file) else text
