"""California housing: the median house value of 20,640 districts in 1990, and eight numbers about each.

The file of Keras, california_housing.npz, is looked for in the subfolder ``california_housing`` of the folder that the environment variable
FASTNET_DATA names, in that folder itself and in the cache (FASTNET_CACHE, else ``~/.cache/fastnet``), and then downloaded into the
cache.

Source: R. K. Pace, R. Barry, "Sparse spatial autoregressions", Statistics and Probability Letters 33, 1997, from StatLib.
"""

import os
from typing import Any

from numpy.typing import NDArray

from fastnet.datasets._keras_files import PublicFile, Shuffling, read_objects, split_at
from fastnet.support.validation import check_choice

__all__ = ["FEATURE_NAMES", "load_data"]

FILE = PublicFile(
    "california_housing", "california_housing.npz", "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"
)

FEATURE_NAMES = ["MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"]

_SMALL = 600

Arrays = tuple[NDArray[Any], NDArray[Any]]


def load_data(
    version: str = "large",
    path: str | os.PathLike[str] = "california_housing.npz",
    test_split: float = 0.2,
    seed: int = 113,
) -> tuple[Arrays, Arrays]:
    """Return the data as Keras's function of this name does.

    Parameters
    ----------
    version : {"large", "small"}, default "large"
        All rows, or the first 600.
    path : str, default "california_housing.npz"
        The name of the file in its folder, or a path to it.
    test_split : float, default 0.2
        The share of the rows that are for tests, from 0 to below 1.
    seed : int, default 113
        The order of the rows is Keras's for this seed.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of ndarray
        Rows of the 8 numbers of `FEATURE_NAMES`, and house values in dollars.

    Raises
    ------
    ConnectionError
        If the file is not there and cannot be downloaded.
    ValueError
        If the file is damaged, or an argument is not possible.

    Examples
    --------
    >>> from fastnet.datasets import california_housing
    >>> (x_train, y_train), (x_test, y_test) = california_housing.load_data()  # doctest: +SKIP
    >>> x_train.shape  # doctest: +SKIP
    (16512, 8)
    """
    rows = _SMALL if check_choice("version", version, ("large", "small")) == "small" else None
    split_at(test_split, 0)
    shuffling = Shuffling(seed)
    found = FILE.find(path)
    x, y = read_objects(found, ("x", "y"))
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"{found} must have rows x and one number y for each; got shapes {x.shape} and {y.shape}")
    x, y = shuffling.of(x[:rows], y[:rows])
    count = split_at(test_split, len(x))
    return (x[:count], y[:count]), (x[count:], y[count:])
