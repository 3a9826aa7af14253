"""Training data: files in common formats, well-known data sets, and splitting.

`load` reads a data set by name or from a file, `train_test_split` splits arrays. The modules `digits`, `mnist` and
`fashion_mnist` have a `load_data` like Keras's.
"""

from fastnet.datasets import digits, fashion_mnist, mnist
from fastnet.datasets._dataset import Dataset
from fastnet.datasets._load import load
from fastnet.datasets._split import train_test_split
from fastnet.support.missing_names import explain_missing

__all__ = ["Dataset", "digits", "fashion_mnist", "load", "mnist", "train_test_split"]

explain_missing(__name__)
