"""Boston housing: the median house value of 506 places near Boston in the 1970s, and thirteen numbers about each.

One of the thirteen, B, is derived from the share of Black residents, on an assumption about segregation and prices. Take
`fastnet.datasets.california_housing` for anything but the repetition of older work.

The file of Keras, boston_housing.npz, is looked for in the subfolder ``boston_housing`` of the folder that the environment variable
FASTNET_DATA names, in that folder itself and in the cache (FASTNET_CACHE, else ``~/.cache/fastnet``), and then downloaded into the
cache.

Source: D. Harrison, D. L. Rubinfeld, "Hedonic housing prices and the demand for clean air", 1978, from StatLib.
"""

import os
from typing import Any

from numpy.typing import NDArray

from fastnet.datasets._keras_files import PublicFile, Shuffling, read_objects, split_at

__all__ = ["load_data"]

FILE = PublicFile(
    "boston_housing", "boston_housing.npz", "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5"
)

Arrays = tuple[NDArray[Any], NDArray[Any]]


def load_data(
    path: str | os.PathLike[str] = "boston_housing.npz", test_split: float = 0.2, seed: int = 113
) -> tuple[Arrays, Arrays]:
    """Return the data as Keras's function of this name does.

    Parameters
    ----------
    path : str, default "boston_housing.npz"
        The name of the file in its folder, or a path to it.
    test_split : float, default 0.2
        The share of the rows that are for tests, from 0 to below 1.
    seed : int, default 113
        The order of the rows is Keras's for this seed.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of ndarray
        Rows of 13 numbers, and house values in thousands of dollars.

    Raises
    ------
    ConnectionError
        If the file is not there and cannot be downloaded.
    ValueError
        If the file is damaged, or an argument is not possible.

    Examples
    --------
    >>> from fastnet.datasets import boston_housing
    >>> (x_train, y_train), (x_test, y_test) = boston_housing.load_data()  # doctest: +SKIP
    >>> x_train.shape  # doctest: +SKIP
    (404, 13)
    """
    split_at(test_split, 0)
    shuffling = Shuffling(seed)
    found = FILE.find(path)
    x, y = read_objects(found, ("x", "y"))
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"{found} must have rows x and one number y for each; got shapes {x.shape} and {y.shape}")
    x, y = shuffling.of(x, y)
    count = split_at(test_split, len(x))
    return (x[:count], y[:count]), (x[count:], y[count:])
