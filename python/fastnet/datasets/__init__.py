"""Training data: files in common formats, well-known data sets, and splitting.

`load` reads a data set by name or from a file, `open` opens one that is larger than memory, `train_test_split` splits
arrays. The modules of Keras's data sets have its `load_data`, and `digits` has one.
"""

from fastnet.datasets import (
    boston_housing,
    california_housing,
    cifar10,
    cifar100,
    digits,
    fashion_mnist,
    imdb,
    mnist,
    reuters,
)
from fastnet.datasets._dataset import Dataset
from fastnet.datasets._load import load
from fastnet.datasets._open import open
from fastnet.datasets._split import train_test_split
from fastnet.files.stored import StoredDataset
from fastnet.support.missing_names import explain_missing

__all__ = [
    "Dataset",
    "StoredDataset",
    "boston_housing",
    "california_housing",
    "cifar10",
    "cifar100",
    "digits",
    "fashion_mnist",
    "imdb",
    "load",
    "mnist",
    "open",
    "reuters",
    "train_test_split",
]

explain_missing(__name__)
