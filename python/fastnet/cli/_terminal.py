"""What a terminal may be sent: colors, and lines that change."""

import os
from typing import TextIO

__all__ = ["has_colors", "is_live", "styled", "terminal_width"]

CODES = {"bold": 1, "red": 31, "green": 32, "yellow": 33}


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
    """Return text for a file in a style: "bold", "red", "green" or "yellow"; as it is where there are no colors."""
    return f"\x1b[{CODES[style]}m{text}\x1b[0m" if has_colors(file) else text
