"""CIFAR-10: 50,000 training and 10,000 test images in color, 32 x 32 pixels, of 10 kinds of things.

The archive of its authors, cifar-10-python.tar.gz, is looked for in the subfolder ``cifar10`` of the folder that the
environment variable FASTNET_DATA names, in that folder itself and in the cache (FASTNET_CACHE, else ``~/.cache/fastnet``), and then
downloaded into the cache. It is a pickle, of which only plain data are read: nothing in the file is executed.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

from typing import Any

from numpy.typing import NDArray

from fastnet.datasets._cifar import ORIGIN, read_batches
from fastnet.datasets._keras_files import PublicFile

__all__ = ["CLASS_NAMES", "load_data"]

CLASS_NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]

FILE = PublicFile(
    "cifar10", "cifar-10-python.tar.gz", "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce", ORIGIN
)

Arrays = tuple[NDArray[Any], NDArray[Any]]


def load_data() -> tuple[Arrays, Arrays]:
    """Return CIFAR-10 as Keras's function of this name does.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of ndarray, uint8
        Images of shape (50000, 32, 32, 3) and (10000, 32, 32, 3), values 0 to 255; labels of shape (50000, 1) and
        (10000, 1), which count in `CLASS_NAMES`.

    Raises
    ------
    ConnectionError
        If the file is not there and cannot be downloaded.
    ValueError
        If the file is damaged.

    Examples
    --------
    >>> from fastnet.datasets import cifar10
    >>> (x_train, y_train), (x_test, y_test) = cifar10.load_data()  # doctest: +SKIP
    >>> x_train.shape, y_train.shape  # doctest: +SKIP
    ((50000, 32, 32, 3), (50000, 1))
    """
    path = FILE.find()
    batches = [f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)]
    return read_batches(path, batches, "labels"), read_batches(path, ["cifar-10-batches-py/test_batch"], "labels")
