"""Reuters: 11,228 news of the agency as lists of word numbers, with one of 46 topics each.

The file of Keras, reuters.npz, is looked for in the subfolder ``reuters`` of the folder that the environment variable
FASTNET_DATA names, in that folder itself and in the cache (FASTNET_CACHE, else ``~/.cache/fastnet``), and then downloaded into the
cache. Its lists are a pickle, of which only plain data are read: nothing in the file is executed.

Source: the Reuters-21578 collection of D. D. Lewis, as Keras distributes it.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._damage import refusing
from fastnet.datasets._keras_files import PublicFile, Shuffling, read_objects, split_at
from fastnet.datasets._sequences import Words, as_objects, check_texts
from fastnet.datasets._word_index import read_word_index

__all__ = ["get_label_names", "get_word_index", "load_data"]

FILE = PublicFile("reuters", "reuters.npz", "d6586e694ee56d7a4e65172e12b3e987c03096cb01eab99753921ef915959916")
WORD_INDEX = PublicFile("reuters", "reuters_word_index.json", "4d44cc38712099c9e383dc6e5f11a921")

TOPICS = (
    *("cocoa", "grain", "veg-oil", "earn", "acq", "wheat", "copper", "housing"),
    *("money-supply", "coffee", "sugar", "trade", "reserves", "ship", "cotton", "carcass"),
    *("crude", "nat-gas", "cpi", "money-fx", "interest", "gnp", "meal-feed", "alum"),
    *("oilseed", "gold", "tin", "strategic-metal", "livestock", "retail", "ipi", "iron-steel"),
    *("rubber", "heat", "jobs", "lei", "bop", "zinc", "orange", "pet-chem"),
    *("dlr", "gas", "silver", "wpi", "hog", "lead"),
)

Arrays = tuple[NDArray[Any], NDArray[Any]]


def load_data(
    path: str | os.PathLike[str] = "reuters.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    test_split: float = 0.2,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[Arrays, Arrays]:
    """Return the news as Keras's function of this name does.

    Parameters
    ----------
    path, num_words, skip_top, maxlen, seed, start_char, oov_char, index_from
        As in `fastnet.datasets.imdb.load_data`.
    test_split : float, default 0.2
        The share of the news that are for tests, from 0 to below 1.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of ndarray
        Arrays of lists of integers, of shape (8982,) and (2246,), and their topics, which count in `get_label_names`.

    Raises
    ------
    ConnectionError
        If the file is not there and cannot be downloaded.
    ValueError
        If the file is damaged, or an argument is not possible.

    Examples
    --------
    >>> from fastnet.datasets import reuters
    >>> (x_train, y_train), (x_test, y_test) = reuters.load_data(num_words=10000)  # doctest: +SKIP
    >>> len(x_train), len(x_test)  # doctest: +SKIP
    (8982, 2246)
    """
    words = Words(num_words, skip_top, maxlen, start_char, oov_char, index_from)
    split_at(test_split, 0)
    shuffling = Shuffling(seed)
    found = FILE.find(path)
    arrays = read_objects(found, ("x", "y"))
    with refusing(found, "is not a data set of texts"):
        check_texts(arrays)
        x, y = shuffling.of(*arrays)
        texts, labels = words.short_enough(words.shifted(x.tolist()), y)
        texts = words.limited(texts)
    count = split_at(test_split, len(texts))
    return (as_objects(texts[:count]), np.array(labels[:count])), (as_objects(texts[count:]), np.array(labels[count:]))


def get_word_index(path: str | os.PathLike[str] = "reuters_word_index.json") -> dict[str, int]:
    """Return the number of every word, from 1 for the most frequent one: see `fastnet.datasets.imdb.get_word_index`."""
    return read_word_index(WORD_INDEX.find(path))


def get_label_names() -> tuple[str, ...]:
    """Return the names of the 46 topics, in the order of their numbers.

    Examples
    --------
    >>> from fastnet.datasets import reuters
    >>> len(reuters.get_label_names()), reuters.get_label_names()[3]
    (46, 'earn')
    """
    return TOPICS
