"""Text for users: escaping for terminals, and suggestions for mistyped names."""

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["closest", "did_you_mean", "letters", "visible"]

# Control characters C0, DEL and C1, those for the direction of text, the separators of lines and paragraphs, and
# surrogates, which occur in file names.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_LONGEST_NAME = 100  # that is compared with others; a file may contain longer ones


def visible(text: str, keep: str = "") -> str:
    r"""Return text with escaped control characters, as in JSON, Python and C.

    A name in a file may contain a sequence that colors a terminal, hides its lines or reverses its text.

    Parameters
    ----------
    text : str
        Any text.
    keep : str
        Control characters to keep, such as "\n".

    Examples
    --------
    >>> print(visible("\x1b[31mred"))
    \u001b[31mred
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the closest known name, or nothing.

    Examples
    --------
    >>> did_you_mean("ReLU ", ["relu", "elu"]), did_you_mean("xyz", ["relu"])
    ("; did you mean 'relu'?", '')
    """
    near = closest(name, known)
    return f"; did you mean {near!r}?" if near else ""


def closest(name: Any, known: Iterable[str]) -> str | None:
    """Return the closest known name, ignoring case and punctuation; None if none is close."""
    import difflib  # not at the top: few programs need it

    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not letters(name):
        return None
    by_letters: dict[str, list[str]] = {}
    for one in known:
        by_letters.setdefault(letters(one), []).append(one)
    if not (near := difflib.get_close_matches(letters(name), by_letters, n=1)):
        return None
    # "adam" before "Adam", but a class where the name has capitals instead of underscores
    return max(by_letters[near[0]], key=lambda one: (("_" in one) == ("_" in name), one.islower()))


def letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
