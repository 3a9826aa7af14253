"""CIFAR-100: 50,000 training and 10,000 test images in color, 32 x 32 pixels, of 100 kinds of things.

The archive of its authors, cifar-100-python.tar.gz, is looked for in the subfolder ``cifar100`` of the folder that the
environment variable FASTNET_DATA names, in that folder itself and in the cache (FASTNET_CACHE, else ``~/.cache/fastnet``), and then
downloaded into the cache. It is a pickle, of which only plain data are read: nothing in the file is executed.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

from typing import Any

from numpy.typing import NDArray

from fastnet.datasets._cifar import ORIGIN, read_batches
from fastnet.datasets._keras_files import PublicFile
from fastnet.support.validation import check_choice

__all__ = ["load_data"]

FILE = PublicFile(
    "cifar100", "cifar-100-python.tar.gz", "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7", ORIGIN
)

Arrays = tuple[NDArray[Any], NDArray[Any]]


def load_data(label_mode: str = "fine") -> tuple[Arrays, Arrays]:
    """Return CIFAR-100 as Keras's function of this name does.

    Parameters
    ----------
    label_mode : {"fine", "coarse"}, default "fine"
        Whether labels are one of 100 kinds or one of 20 groups of kinds.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of ndarray, uint8
        Images of shape (50000, 32, 32, 3) and (10000, 32, 32, 3), values 0 to 255; labels of shape (50000, 1) and
        (10000, 1).

    Raises
    ------
    ConnectionError
        If the file is not there and cannot be downloaded.
    ValueError
        If the file is damaged, or an argument is not possible.

    Examples
    --------
    >>> from fastnet.datasets import cifar100
    >>> (x_train, y_train), (x_test, y_test) = cifar100.load_data()  # doctest: +SKIP
    >>> x_train.shape, y_train.shape  # doctest: +SKIP
    ((50000, 32, 32, 3), (50000, 1))
    """
    labels = f"{check_choice('label_mode', label_mode, ('fine', 'coarse'))}_labels"
    path = FILE.find()
    train, test = (read_batches(path, [f"cifar-100-python/{part}"], labels) for part in ("train", "test"))
    return train, test
