"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 pixels.

The files are looked for in the folder that the environment variable FASTNET_DATA names (its subfolder ``mnist``, then
the folder itself), then in the cache (FASTNET_CACHE, else ``~/.cache/fastnet``), and then downloaded into the cache.

`train_images`, `train_labels`, `test_images` and `test_labels` are the functions of the PyPI package ``mnist``.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
"""

from typing import Any

from numpy.typing import NDArray

from fastnet.datasets.download import Collection

__all__ = ["load_data", "test_images", "test_labels", "train_images", "train_labels"]

COLLECTION = Collection(
    name="mnist",
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    sha256={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    in_root=True,
)

Arrays = tuple[NDArray[Any], NDArray[Any]]


def load_data() -> tuple[Arrays, Arrays]:
    """Return MNIST as Keras's function of this name does.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of ndarray, uint8
        Images of shape (60000, 28, 28) and (10000, 28, 28), values 0 to 255; labels of shape (60000,) and (10000,),
        values 0 to 9.

    Raises
    ------
    ConnectionError
        If the files are not there and cannot be downloaded.
    ValueError
        If a file is damaged.

    Examples
    --------
    >>> from fastnet.datasets import mnist
    >>> (x_train, y_train), (x_test, y_test) = mnist.load_data()  # doctest: +SKIP
    >>> x_train.shape, x_train.dtype  # doctest: +SKIP
    ((60000, 28, 28), dtype('uint8'))
    """
    return COLLECTION.read()


train_images = COLLECTION.train_images
train_labels = COLLECTION.train_labels
test_images = COLLECTION.test_images
test_labels = COLLECTION.test_labels
