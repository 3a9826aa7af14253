"""Training data: files in common formats, well-known data sets, and splitting.

`load` reads a data set by name or from a file, `open` opens one that is larger than memory, `train_test_split` splits
arrays. The modules `digits`, `mnist` and
`fashion_mnist` have a `load_data` like Keras's.
"""

from fastnet.datasets import digits, fashion_mnist, mnist
from fastnet.datasets._dataset import Dataset
from fastnet.datasets._load import load
from fastnet.datasets._open import open
from fastnet.datasets._split import train_test_split
from fastnet.files.stored import StoredDataset
from fastnet.support.missing_names import explain_missing

__all__ = ["Dataset", "StoredDataset", "digits", "fashion_mnist", "load", "mnist", "open", "train_test_split"]

explain_missing(__name__)
