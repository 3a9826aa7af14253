"""Descriptions of the built-in data sets, without loading them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fastnet.datasets import fashion_mnist, mnist
from fastnet.datasets.download import Collection

__all__ = ["CATALOGUE", "Description"]


@dataclass(frozen=True)
class Description:
    """Description of a built-in data set.

    Attributes
    ----------
    title : str
        What the images show.
    rows, test_rows : int
        The numbers of training and test samples.
    shape : tuple of int
        The shape of a sample.
    values : str
        The range of a pixel.
    classes : sequence of str
        The names of the classes.
    source, license : str
        Its authors, and its license.
    collection : Collection or None
        Its files; None if it is part of the package.
    download_bytes : int
        The size of the download.
    """

    title: str
    rows: int
    test_rows: int
    shape: tuple[int, ...]
    values: str
    source: str
    license: str
    classes: Sequence[str] = field(default_factory=lambda: [str(digit) for digit in range(10)])
    collection: Collection | None = None
    download_bytes: int = 0

    @property
    def folder(self) -> Path | None:
        """The folder of its files; None if some are missing, or if it is part of the package."""
        return None if self.collection is None else self.collection.present()

    @property
    def is_here(self) -> bool:
        """Whether it can be loaded without a download."""
        return self.collection is None or self.folder is not None


CATALOGUE: dict[str, Description] = {
    "digits": Description(
        title="small handwritten digits",
        rows=1_797,
        test_rows=0,
        shape=(8, 8),
        values="0 to 16",
        source="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits (test part), UCI, 1998",
        license="CC BY 4.0",
    ),
    "mnist": Description(
        title="handwritten digits",
        rows=60_000,
        test_rows=10_000,
        shape=(28, 28),
        values="0 to 255",
        source="Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits",
        license="CC BY-SA 3.0",
        collection=mnist.COLLECTION,
        download_bytes=11_594_722,
    ),
    "fashion_mnist": Description(
        title="pieces of clothing",
        rows=60_000,
        test_rows=10_000,
        shape=(28, 28),
        values="0 to 255",
        source="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST, https://github.com/zalandoresearch/fashion-mnist",
        license="MIT",
        classes=fashion_mnist.CLASS_NAMES,
        collection=fashion_mnist.COLLECTION,
        download_bytes=30_878_645,
    ),
}
