"""Texts as lists of word numbers, with Keras's arguments."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.support.validation import check_integer

__all__ = ["Words", "as_objects", "check_texts"]

Lists = list[list[int]]
_MOST_WORDS = 30_000_000  # a file may refer to one text many times; IMDB has 12 million


def check_texts(*parts: Sequence[NDArray[Any]]) -> None:
    """Refuse parts of a data set that are not texts with a label for each.

    Parameters
    ----------
    *parts : pairs of ndarray
        The texts and the labels of each part.

    Raises
    ------
    ValueError
        The texts are not an array of lists, the labels are not one number for each, or there are too many words.
    """
    for texts, labels in parts:
        if texts.dtype != object or texts.ndim != 1:
            raise ValueError(f"its texts are an array of dtype {texts.dtype} and shape {texts.shape}, not of lists")
        if labels.shape != texts.shape or labels.dtype.kind not in "iuf":
            found = f"dtype {labels.dtype} and shape {labels.shape}"
            raise ValueError(f"its labels are not a number for each of {len(texts)} texts: {found}")
    if sum(len(text) for texts, _ in parts for text in texts if isinstance(text, list)) > _MOST_WORDS:
        raise ValueError(f"the texts in it have more than {_MOST_WORDS:,} words together")


class Words:
    """Which words of a text are kept, and how they are numbered.

    Parameters
    ----------
    num_words, skip_top, maxlen, start_char, oov_char, index_from
        As in `fastnet.datasets.imdb.load_data`.
    """

    def __init__(
        self,
        num_words: int | None,
        skip_top: int,
        maxlen: int | None,
        start_char: int | None,
        oov_char: int | None,
        index_from: int,
    ) -> None:
        for name, value in {"num_words": num_words, "maxlen": maxlen}.items():
            if value is not None:
                check_integer(name, value, minimum=0)
        for name, value in {"start_char": start_char, "oov_char": oov_char}.items():
            if value is not None:
                check_integer(name, value, minimum=-(2**31))
        self._num_words, self._maxlen = num_words, maxlen
        self._skip_top = check_integer("skip_top", skip_top, minimum=0)
        self._start_char, self._oov_char = start_char, oov_char
        self._index_from = check_integer("index_from", index_from, minimum=-(2**31))

    def shifted(self, texts: Sequence[Any]) -> Lists:
        """Return texts with their numbers moved and the start marked.

        Raises
        ------
        ValueError
            Something is not a list of integers.
        """
        start = [] if self._start_char is None else [self._start_char]
        shift = self._index_from
        result = []
        for text in texts:
            if not isinstance(text, list) or not set(map(type, text)) <= {int}:
                raise ValueError("a text in it is not a list of integers")
            result.append(start + [word + shift for word in text])
        return result

    def short_enough(self, texts: Lists, labels: NDArray[Any]) -> tuple[Lists, NDArray[Any]]:
        """Return the texts that are shorter than `maxlen`, and their labels.

        Raises
        ------
        ValueError
            There are none.
        """
        if not self._maxlen:
            return texts, labels
        kept = [number for number, text in enumerate(texts) if len(text) < self._maxlen]
        if not kept:
            raise ValueError(f"no text is shorter than maxlen={self._maxlen}: give a larger one")
        return [texts[number] for number in kept], labels[kept]

    def limited(self, texts: Lists) -> Lists:
        """Return texts whose rare and whose most frequent words are left out or replaced by `oov_char`."""
        most = self._num_words or max(map(max, filter(None, texts)), default=0)
        low, other = self._skip_top, self._oov_char
        if other is None:
            return [[word for word in text if low <= word < most] for text in texts]
        return [[word if low <= word < most else other for word in text] for text in texts]


def as_objects(texts: Lists) -> NDArray[Any]:
    """Return an array whose entries are the lists."""
    array = np.empty(len(texts), object)
    for number, text in enumerate(texts):
        array[number] = text
    return array
