"""Fashion-MNIST: 60,000 training and 10,000 test images of ten kinds of clothing, 28 x 28 pixels.

The files have the names of MNIST's. They are looked for in the subfolder ``fashion_mnist`` of the folder that the
environment variable FASTNET_DATA names, then in the cache (FASTNET_CACHE, else ``~/.cache/fastnet``), and then
downloaded into the cache.

Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", 2017 (https://github.com/zalandoresearch/fashion-mnist, MIT license).
"""

from typing import Any

from numpy.typing import NDArray

from fastnet.datasets.download import Collection

__all__ = ["CLASS_NAMES", "load_data", "test_images", "test_labels", "train_images", "train_labels"]

CLASS_NAMES = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]

COLLECTION = Collection(
    name="fashion_mnist",
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    sha256={
        "train-images-idx3-ubyte": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "train-labels-idx1-ubyte": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "t10k-images-idx3-ubyte": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "t10k-labels-idx1-ubyte": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    },
    compressed=True,
)

Arrays = tuple[NDArray[Any], NDArray[Any]]


def load_data() -> tuple[Arrays, Arrays]:
    """Return Fashion-MNIST as Keras's function of this name does.

    Returns
    -------
    (x_train, y_train), (x_test, y_test) : tuples of ndarray, uint8
        Images of shape (60000, 28, 28) and (10000, 28, 28), values 0 to 255; labels of shape (60000,) and (10000,),
        values 0 to 9, which count in `CLASS_NAMES`.

    Raises
    ------
    ConnectionError
        If the files are not there and cannot be downloaded.
    ValueError
        If a file is damaged.

    Examples
    --------
    >>> from fastnet.datasets import fashion_mnist
    >>> (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()  # doctest: +SKIP
    >>> x_train.shape, x_train.dtype  # doctest: +SKIP
    ((60000, 28, 28), dtype('uint8'))
    """
    return COLLECTION.read()


train_images = COLLECTION.train_images
train_labels = COLLECTION.train_labels
test_images = COLLECTION.test_images
test_labels = COLLECTION.test_labels
