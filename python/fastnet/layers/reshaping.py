"""Layers that change the shape of samples and cost nothing."""

import math
from typing import Any

from fastnet._layer import Layer, Shape, layers
from fastnet._validation import unsupported


@layers.add()
class Flatten(Layer):
    """Makes one dimension of all dimensions of a sample; it costs nothing.

    Parameters
    ----------
    data_format : None
        Only None is available.
    input_shape, input_dim, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.Flatten(input_shape=(28, 28))]).output_shape
    (784,)
    """

    def __init__(self, data_format: None = None, **keywords: Any) -> None:
        if data_format is not None:
            raise unsupported(f"Flatten(data_format={data_format!r}) is not available")
        super().__init__(**keywords)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def description(self) -> None:
        return None
