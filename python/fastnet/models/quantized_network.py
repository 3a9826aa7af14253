"""The network of the core that computes the operations of a quantized model."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnet._core import Network32
from fastnet.layers.geometry import Pair
from fastnet.operations import steps
from fastnet.operations.quantizing import QuantizedConvolution, QuantizedMultiplication
from fastnet.operations.steps import Array, Operation, arrays_of, repeated
from fastnet.support.validation import describe


def network_of(operations: Sequence[Operation], input_size: int) -> Network32:
    """Return a network that computes the operations, in float32 but for those that are quantized.

    Raises
    ------
    ValueError
        An operation does not fit the one before it.
    """
    network = Network32(input_size, [_description(operation) for operation in operations])
    network.set_pieces(
        [
            (offset, np.ascontiguousarray(_parameters(operations[index])[name], np.float32).reshape(-1))
            for index, name, offset, _, _ in network.parameter_slots
        ]
    )
    return network


def _description(operation: Operation) -> dict[str, Any]:
    """Return the description of an operation for the core."""
    match operation:
        case QuantizedMultiplication() | QuantizedConvolution():
            own = _image_description(operation) if isinstance(operation, QuantizedConvolution) else {}
            return {
                **own,
                "type": "quantized_conv2d" if own else "quantized_dense",
                "use_bias": operation.bias is not None,
                "kernel": operation.kernel.reshape(-1, len(operation.scale)),
                "kernel_scale": operation.scale,
                "input_scale": operation.input_scale,
                "zero_point": operation.zero_point,
            }
        case steps.Multiplication(size=size, bias=bias):
            return {"type": "dense", "units": size, "use_bias": bias is not None}
        case steps.Scaling(center=center, factor=factor, offset=offset):
            if factor.ndim == center.ndim == offset.ndim == 0:
                return {"type": "rescaling", "scale": float(factor), "offset": float(offset - center * factor)}
            return {"type": "batch_normalization", "positions": operation.size // _width(operation)}  # of variance 1
        case steps.Activating(function=function, alpha=alpha, rows=rows):
            return {"type": "activation", "activation": function, "alpha": alpha, "positions": rows}
        case steps.SlopedActivating(size=size, slope=slope):
            return {"type": "prelu", "positions": size // slope.size}
        case steps.LayerNormalizing(epsilon=epsilon, gamma=gamma, beta=beta, rows=rows):
            given = {"use_gamma": gamma is not None, "use_beta": beta is not None}
            return {"type": "layer_normalization", "epsilon": epsilon, "positions": rows, **given}
        case steps.Remembering():
            return {"type": "residual_begin"}
        case steps.Exchanging():
            return {"type": "residual_shortcut"}
        case steps.Addition():
            return {"type": "residual_end"}
        case steps.Permuting(shape=shape, axes=axes):
            return {"type": "permutation", "shape": shape, "axes": axes}
        case steps.ImageOperation():
            return _image_description(operation)
        case other:
            raise TypeError(f"a quantized model cannot compute {describe(other)}")


def _image_description(operation: steps.ImageOperation) -> dict[str, Any]:
    image, output = operation.image._asdict(), _pair("output", operation.output[:2])
    match operation:
        case steps.Upsampling(factors=factors, interpolation=interpolation):
            own = {"type": "upsampling2d", "bilinear": interpolation == "bilinear"}
            return {**image, **own, **_pair("factor", factors)}
        case steps.Padding(before=(top, left)):
            return {**image, **output, "type": "padding2d", "top": top, "left": left}
        case steps.Pooling(function=function, window=window):
            own = {"type": f"{function}_pooling2d", **_pair("pool", window)}
        case steps.TransposedConvolution(bias=bias):
            own = {"type": "conv2d_transpose", "use_bias": bias is not None}
        case steps.Convolution(bias=bias, groups=groups):
            own = {"type": "conv2d", "use_bias": bias is not None, "groups": groups}
        case QuantizedConvolution():
            own = {}
        case other:
            raise TypeError(f"a quantized model cannot compute {describe(other)}")
    top, left = operation.before
    windows = {**_pair("stride", operation.strides), "top": top, "left": left}
    if not isinstance(operation, steps.Pooling):
        sizes = {**_pair("kernel", operation.kernel.shape[:2]), **_pair("dilation", operation.dilation)}
        windows.update(sizes, filters=operation.output.channels)
    return {**image, **output, **windows, **own}


def _pair(name: str, sizes: Pair) -> dict[str, int]:
    height, width = sizes
    return {f"{name}_height": height, f"{name}_width": width}


def _width(scaling: steps.Scaling) -> int:
    """Return the number of values after which a scaling repeats."""
    return max(array.size for array in (scaling.center, scaling.factor, scaling.offset))


def _parameters(operation: Operation) -> dict[str, Array]:
    """Return the arrays of an operation under their names in the core."""
    match operation:
        case steps.Scaling():
            one = np.ones(_width(operation))
            gamma, beta, mean = (
                repeated(a, len(one)) * one for a in (operation.factor, operation.offset, operation.center)
            )
            return {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": one}
        case steps.SlopedActivating(slope=slope):
            return {"alpha": slope}
        case _:
            return arrays_of(operation)
