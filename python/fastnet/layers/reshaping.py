"""Layers that change the shape of samples."""

import math
from collections.abc import Sequence
from typing import Any

from fastnet.layers.base import Layer, Shape, layers
from fastnet.layers.geometry import check_data_format
from fastnet.support.validation import check_integer, check_shape, describe, unsupported

_MOST_DIMENSIONS = 3  # of samples that the core permutes


@layers.add()
class Flatten(Layer):
    """Makes one dimension of all dimensions of a sample; it costs nothing.

    Parameters
    ----------
    data_format : {"channels_last"}, optional
        The values keep their order: those of the last axis stay next to each other.
    input_shape, input_dim, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.Flatten(input_shape=(28, 28))]).output_shape
    (784,)
    """

    def __init__(self, data_format: str | None = None, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.data_format = check_data_format(data_format)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (math.prod(input_shape),)

    def description(self, _input_shape: Shape, /) -> None:
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

    def description(self, _input_shape: Shape, /) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {"target_shape": list(self.target_shape), **super().get_config()}


@layers.add()
class Permute(Layer):
    """Puts the dimensions of samples into another order.

    Parameters
    ----------
    dims : tuple of int
        The dimensions of the input, counted from 1, in the order of the output.
    input_shape, input_dim, name
        See `Layer`.

    Raises
    ------
    ValueError
        `dims` does not have every dimension of a sample once.
    NotImplementedError
        Samples have more than 3 dimensions.

    Examples
    --------
    Images with the channels first, as PyTorch has them, for layers that take them last:

    >>> import fastnet as fn
    >>> fn.Sequential([fn.layers.Permute((2, 3, 1), input_shape=(3, 28, 32))]).output_shape
    (28, 32, 3)
    """

    def __init__(self, dims: Any, **keywords: Any) -> None:
        super().__init__(**keywords)
        if not isinstance(dims, list | tuple):
            raise TypeError(f"dims must be a tuple of integers such as (2, 1); got {describe(dims)}")
        self.dims = tuple(check_integer("every entry of dims", dim) for dim in dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"dims must have every integer from 1 to {len(self.dims)} once; got {self.dims}")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) > _MOST_DIMENSIONS:
            raise unsupported(f"Permute for samples of shape {input_shape} is not available: at most 3 dimensions are")
        if len(self.dims) != len(input_shape):
            raise ValueError(
                f"layer {self.name!r} has dims={self.dims}, which do not fit samples of shape {input_shape}"
            )
        return tuple(input_shape[dim - 1] for dim in self.dims)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        ones = _MOST_DIMENSIONS - len(input_shape)
        axes = [*range(ones), *(ones + dim - 1 for dim in self.dims)]
        return {"type": "permutation", "shape": [1] * ones + list(input_shape), "axes": axes}

    def _flops(self, _input_shape: Shape, /) -> int:
        return 0

    def get_config(self) -> dict[str, Any]:
        return {"dims": list(self.dims), **super().get_config()}
