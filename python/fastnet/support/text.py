"""Words for people: text that a terminal may be sent, and the name that a mistyped one may have meant."""

import re
from collections.abc import Iterable
from typing import Any

__all__ = ["closest", "did_you_mean", "letters", "visible"]

# The controls C0, DEL and C1, those of the direction of text, the separators of lines and paragraphs, and halves of
# surrogate pairs, as names of files have them.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_LONGEST_NAME = 100  # that is compared with others; a file may have one of any length


def visible(text: str, keep: str = "") -> str:
    r"""Return text whose control characters are written out, as JSON, Python and C write them.

    A name in a file may hold a sequence that colors a terminal, hides its lines or turns the direction of its text.

    Parameters
    ----------
    text : str
        Any text.
    keep : str
        Control characters to leave, such as "\n".

    Examples
    --------
    >>> print(visible("\x1b[31mred"))
    \u001b[31mred
    """
    return _CONTROLS.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the closest one that is known, or nothing where none is close.

    Examples
    --------
    >>> did_you_mean("ReLU ", ["relu", "elu"]), did_you_mean("xyz", ["relu"])
    ("; did you mean 'relu'?", '')
    """
    near = closest(name, known)
    return f"; did you mean {near!r}?" if near else ""


def closest(name: Any, known: Iterable[str]) -> str | None:
    """Return the known name that is closest to one, whatever its case and its punctuation; None where none is close."""
    import difflib  # here, since few programs need it

    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not letters(name):
        return None
    by_letters: dict[str, list[str]] = {}
    for one in known:
        by_letters.setdefault(letters(one), []).append(one)
    if not (near := difflib.get_close_matches(letters(name), by_letters, n=1)):
        return None
    return max(by_letters[near[0]], key=str.islower)  # "adam" before "Adam"


def letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))
