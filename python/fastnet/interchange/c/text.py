"""Numbers and names as C reads them. What a user wrote can end neither a comment nor a string."""

import re
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["REALS", "broken", "filled", "in_comment", "number", "number_lines", "packed", "string"]

REALS = {"float32": "float", "float64": "double"}
_SUFFIX = {"float32": "f", "float64": "", "int8": ""}
_NUMBERS_PER_LINE, _INTEGERS_PER_LINE = 8, 19
_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b'"\\?')  # "?" because of trigraphs


def filled(template: str, name: str, dtype: str) -> str:
    """Return a text of C with ``NAME_`` and ``PREFIX_`` replaced by the beginning of functions' and macros' names.

    ``REAL`` becomes float or double, and ``~``, behind functions and constants, the letter f where they are of float.
    """
    meanings = {"NAME_": f"{name}_", "PREFIX_": f"{name.upper()}_", "REAL": REALS[dtype], "~": _SUFFIX[dtype]}
    return re.sub("NAME_|PREFIX_|REAL|~", lambda match: meanings[match[0]], template)


def number(value: Any, dtype: str) -> str:
    """Return a constant of C that is read back as the same number: the shortest decimals, in any locale.

    Raises
    ------
    ValueError
        The number is too large for the dtype.
    """
    with np.errstate(over="ignore"):
        values = np.asarray(value).astype(dtype)
    if not np.isfinite(values):
        raise ValueError(f"{value} cannot be written as a number of {dtype}")
    return numbers(values)[0]


def numbers(values: NDArray[Any]) -> list[str]:
    """Return the constants for all values of an array of floats or of int8, in its order."""
    suffix = _SUFFIX[values.dtype.name]
    with np.printoptions(legacy=False):
        texts: list[str] = values.reshape(-1).astype(str).tolist()
    return [text + suffix for text in texts]


def number_lines(values: NDArray[Any]) -> str:
    """Return the constants for all values of an array, separated by commas, in indented lines.

    Infinity is a macro of <math.h>.
    """
    texts = numbers(values)
    count = _INTEGERS_PER_LINE if values.dtype.kind == "i" else _NUMBERS_PER_LINE
    starts = range(0, len(texts), count)
    lines = ",\n".join("    " + ", ".join(texts[start : start + count]) for start in starts)
    if np.isfinite(values).all():
        return lines
    return re.sub("inf(f?)", lambda match: f"HUGE_VAL{match[1].upper()}", lines)


def string(text: str) -> str:
    """Return a string constant of C whose bytes are the text in UTF-8."""
    data = text.encode("utf-8", "backslashreplace")
    return '"' + "".join(chr(byte) if byte in _PLAIN else f"\\{byte:03o}" for byte in data) + '"'


def in_comment(text: str) -> str:
    """Return a text in quotes, with escapes for whatever is not printable ASCII, that ends no comment and begins none."""
    escaped = text.encode("unicode_escape").decode("ascii").replace("?", "\\?").replace('"', '\\"')
    return '"' + escaped.replace("*/", "*\\/").replace("/*", "/\\*") + '"'


def packed(entries: Iterable[str], width: int = 100) -> Iterator[str]:
    """Yield lines of entries with commas between them, as many to a line as fit."""
    line = ""
    for entry in entries:
        if line and len(line) + 2 + len(entry) > width:
            yield line + ","
            line = entry
        else:
            line = f"{line}, {entry}" if line else entry
    if line:
        yield line


def broken(lines: Iterable[str], width: int = 120) -> Iterator[str]:
    """Yield lines of C, those that are too long in several; comments stay as they are."""
    for line in lines:
        code = line.lstrip()
        if len(line) <= width or code.startswith(("/*", "* ")):
            yield line
        else:
            indent = " " * (len(line) - len(code) + 4)
            yield from textwrap.wrap(
                line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
