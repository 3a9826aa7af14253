"""Layers that prepare the values of samples."""

from typing import Any

import numpy as np

from fastnet._layer import Layer, layers
from fastnet._validation import check_number, describe, unsupported


@layers.add()
class Rescaling(Layer):
    """Multiplies every value by `scale` and adds `offset`.

    As the first layer, ``Rescaling(1 / 255)`` lets a model take images of uint8 as they are: they are scaled batch by
    batch, never copied as a whole.

    Parameters
    ----------
    scale : float
        The factor.
    offset : float, default 0.0
        What is added to the product.
    input_shape, input_dim, name
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Rescaling(1 / 255, input_shape=(2,))])
    >>> model.predict(np.array([[0, 255]], np.uint8))
    array([[0., 1.]], dtype=float32)
    """

    def __init__(self, scale: float, offset: float = 0.0, **keywords: Any) -> None:
        super().__init__(**keywords)
        for name, value in {"scale": scale, "offset": offset}.items():
            if np.ndim(value):
                raise unsupported(f"Rescaling takes one number as {name}; got {describe(value)}")
        self.scale = check_number("scale", scale)
        self.offset = check_number("offset", offset)

    def description(self) -> dict[str, Any]:
        return {"type": "rescaling", "scale": self.scale, "offset": self.offset}

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "offset": self.offset, **super().get_config()}
