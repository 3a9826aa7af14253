"""The digits of scikit-learn: 1,797 images of handwritten digits, 8 x 8 pixels, values 0 to 16. Part of the package.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998
(https://doi.org/10.24432/C50P49), its test part, under the license CC BY 4.0
(https://creativecommons.org/licenses/by/4.0/), as scikit-learn distributes it; stored as bytes.
"""

from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["load_data"]


def load_data() -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the images and their labels.

    Returns
    -------
    x : ndarray of shape (1797, 64), uint8
        An image in each row, row after row of pixels, values 0 to 16.
    y : ndarray of shape (1797,), uint8
        The digits, 0 to 9.

    Examples
    --------
    >>> from fastnet.datasets import digits
    >>> x, y = digits.load_data()
    >>> x.shape, y[:5].tolist()
    ((1797, 64), [0, 1, 2, 3, 4])
    """
    with resources.files(__package__).joinpath("digits.npz").open("rb") as file:
        data = np.load(file, allow_pickle=False)
        return data["x"], data["y"]
