"""The numbers of words, as a JSON file has them."""

import json
from pathlib import Path

from fastnet.datasets._damage import refusing

__all__ = ["read_word_index"]


def read_word_index(path: Path) -> dict[str, int]:
    """Return the number of every word.

    Raises
    ------
    ValueError
        The file is not a JSON object of words and numbers; the message names it.
    """
    with refusing(path, "is damaged or not a word index"):
        index = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(index, dict) or not all(type(number) is int for number in index.values()):
            raise ValueError("it is not a JSON object of words and their numbers")
        return index
