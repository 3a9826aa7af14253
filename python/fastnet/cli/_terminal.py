"""What a terminal may be sent: text without control characters, colors, and lines that change."""

import errno
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, TextIO, cast

from fastnet.support.text import visible

__all__ = ["Guarded", "discard", "guarded_output", "has_colors", "is_live", "styled", "terminal_width", "unfiltered"]

CODES = {"bold": 1, "red": 31, "green": 32, "yellow": 33}
# Stands for the escape character of a color on its way to `Guarded`: no name in a file can guess it.
ESCAPE = f"\ufdd0{os.urandom(8).hex()}\ufdd0"


class Guarded:
    """A text file for people, which writes out control characters but those of `styled` and the ends of lines.

    A terminal that is gone, as after SIGHUP, is no error: what it would have shown goes nowhere.
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
        """Write what is buffered."""
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
    """Guard standard output and standard error, where the process has them."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (file and cast(TextIO, Guarded(file)) for file in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def unfiltered(file: TextIO) -> TextIO:
    """Return a file that leaves control characters in what is written, for those who move the cursor."""
    return cast(TextIO, Guarded(file.file, filtered=False)) if isinstance(file, Guarded) else file


def discard(file: IO[str]) -> None:
    """Let what is written to a file, and what is still buffered, go nowhere, so that Python does not complain at its exit."""
    with suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, file.fileno())
        os.close(sink)


def is_live(file: TextIO) -> bool:
    """Return whether a line that was written can be written over, as a progress bar does."""
    return file.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width(file: TextIO) -> int:
    """Return the columns of a terminal; 0 where it does not know them."""
    try:
        return os.get_terminal_size(file.fileno()).columns
    except (OSError, ValueError):  # no terminal, or no file
        return 0


def has_colors(file: TextIO) -> bool:
    """Return whether text may be colored: on a terminal, unless NO_COLOR (https://no-color.org) is set."""
    if os.environ.get("NO_COLOR") or not is_live(file):
        return False
    return os.name != "nt" or "WT_SESSION" in os.environ or "TERM" in os.environ  # older consoles print the codes


def styled(text: str, style: str, file: TextIO) -> str:
    """Return text for a guarded file in a style: "bold", "red", "green" or "yellow"; as it is where there are no colors."""
    return f"{ESCAPE}[{CODES[style]}m{text}{ESCAPE}[0m" if has_colors(file) else text
