"""IMDB: 25,000 training and 25,000 test reviews of movies as lists of word numbers, with their sentiment.

The file of Keras, imdb.npz, is looked for in the subfolder ``imdb`` of the folder that the environment variable FASTNET_DATA
names, in that folder itself and in the cache (FASTNET_CACHE, else ``~/.cache/fastnet``), and then downloaded into the cache. Its
lists are a pickle, of which only plain data are read: nothing in the file is executed.

Source: A. L. Maas, R. E. Daly, P. T. Pham, D. Huang, A. Y. Ng, C. Potts, "Learning Word Vectors for Sentiment Analysis", ACL 2011.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._damage import refusing
from fastnet.datasets._keras_files import PublicFile, Shuffling, read_objects
from fastnet.datasets._sequences import Words, as_objects, check_texts
from fastnet.datasets._word_index import read_word_index

__all__ = ["get_word_index", "load_data"]

FILE = PublicFile("imdb", "imdb.npz", "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f")
WORD_INDEX = PublicFile("imdb", "imdb_word_index.json", "bfafd718b763782e994055a2d397834f")

Arrays = tuple[NDArray[Any], NDArray[Any]]


def load_data(
    path: str | os.PathLike[str] = "imdb.npz",
    num_words: int | None = None,
    skip_top: int = 0,
    maxlen: int | None = None,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[Arrays, Arrays]:
    """Return the reviews as Keras's function of this name does.

    Parameters
    ----------
    path : str, default "imdb.npz"
        The name of the file in its folder, or a path to it.
    num_words : int, optional
        Only words with a number below it are kept, the most frequent ones; None or 0 keeps all but the last.
    skip_top : int, default 0
        The most frequent words to leave out, too.
    maxlen : int, optional
        Only texts shorter than this are kept, as in Keras.
    seed : int, default 113
        The order of the reviews is Keras's for this seed.
    start_char : int or None, default 1
        The number that marks the start of every text.
    oov_char : int or None, default 2
        The number in the place of words that are left out; with None they are dropped.
    index_from : int, default 3
        Added to the number of every word.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of ndarray
        Arrays of lists of integers, of shape (25000,) each, and their labels, 1 for a positive review, else 0.

    Raises
    ------
    ConnectionError
        If the file is not there and cannot be downloaded.
    ValueError
        If the file is damaged, or an argument is not possible.

    Examples
    --------
    >>> from fastnet.datasets import imdb
    >>> (x_train, y_train), (x_test, y_test) = imdb.load_data(num_words=10000)  # doctest: +SKIP
    >>> x_train[0][:5]  # doctest: +SKIP
    [1, 14, 22, 16, 43]
    """
    words = Words(num_words, skip_top, maxlen, start_char, oov_char, index_from)
    shuffling = Shuffling(seed)
    found = FILE.find(path)
    arrays = read_objects(found, ("x_train", "y_train", "x_test", "y_test"))
    with refusing(found, "is not a data set of texts"):
        check_texts(arrays[:2], arrays[2:])
        parts = []
        for part in (arrays[:2], arrays[2:]):
            texts, labels = shuffling.of(*part)
            parts.append(words.short_enough(words.shifted(texts.tolist()), labels))
        (x_train, y_train), (x_test, y_test) = parts
        limited = words.limited([*x_train, *x_test])
    count = len(x_train)
    return (as_objects(limited[:count]), np.asarray(y_train)), (as_objects(limited[count:]), np.asarray(y_test))


def get_word_index(path: str | os.PathLike[str] = "imdb_word_index.json") -> dict[str, int]:
    """Return the number of every word, from 1 for the most frequent one; `load_data` adds `index_from` to it.

    Parameters
    ----------
    path : str, default "imdb_word_index.json"
        The name of the file in its folder, or a path to it.

    Raises
    ------
    ConnectionError
        If the file is not there and cannot be downloaded.
    ValueError
        If the file is damaged.
    """
    return read_word_index(WORD_INDEX.find(path))
