"""Layers that change the shape of samples and cost nothing."""

import math
from collections.abc import Sequence
from typing import Any

from fastnet.layers.base import Layer, Shape, layers
from fastnet.support.validation import check_shape, unsupported


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


@layers.add()
class Reshape(Layer):
    """Gives samples another shape with the same number of values; it costs nothing.

    Parameters
    ----------
    target_shape : tuple of int
        The shape of one sample; one entry may be -1, which stands for what is left.
    input_shape, input_dim, name
        See `Layer`.

    Raises
    ------
    ValueError
        The shapes do not have the same number of values.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.layers.Reshape((28, -1), input_shape=(784,))]).output_shape
    (28, 28)
    """

    def __init__(self, target_shape: Sequence[int], **keywords: Any) -> None:
        super().__init__(**keywords)
        unknown = [size for size in target_shape if size == -1]
        if len(unknown) > 1:
            raise ValueError(f"target_shape must have at most one -1; got {tuple(target_shape)}")
        known = check_shape("target_shape", [1 if size == -1 else size for size in target_shape])
        self.target_shape = tuple(-1 if given == -1 else size for given, size in zip(target_shape, known, strict=True))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        total, known = math.prod(input_shape), math.prod(size for size in self.target_shape if size != -1)
        shape = tuple(total // known if size == -1 else size for size in self.target_shape)
        if math.prod(shape) != total:
            raise ValueError(
                f"layer {self.name!r} cannot make shape {self.target_shape} of {input_shape}, which has {total} values"
            )
        return shape

    def description(self) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {"target_shape": list(self.target_shape), **super().get_config()}
