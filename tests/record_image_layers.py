"""Record what Keras's layers for images compute, and their gradients, in double precision, for test_reference_images.py.

usage: KERAS_BACKEND=jax JAX_ENABLE_X64=1 python tests/record_image_layers.py > tests/data/image_layers.json

Needs keras and jax, which the tests do not. The weights, the inputs and the gradient by the outputs are what `values`
makes of their sizes. An array is recorded as its products with two others, which tell it from one that is wrong somewhere.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from record_layers import values

BATCH = 2
Case = tuple[str, dict[str, Any], tuple[int, ...]]
TALL, WIDE, LINE = (7, 5, 2), (4, 6, 3), (9, 3)
CASES: list[Case] = [
    ("Conv2D", {"filters": 3, "kernel_size": 3}, TALL),
    ("Conv2D", {"filters": 3, "kernel_size": 3, "padding": "same", "activation": "relu"}, TALL),
    ("Conv2D", {"filters": 3, "kernel_size": [2, 4], "padding": "same", "use_bias": False}, TALL),
    ("Conv2D", {"filters": 3, "kernel_size": [3, 2], "strides": [2, 3], "padding": "same"}, TALL),
    ("Conv2D", {"filters": 3, "kernel_size": [3, 2], "strides": [2, 3]}, TALL),
    ("Conv2D", {"filters": 3, "kernel_size": [3, 2], "dilation_rate": [2, 3], "padding": "same"}, TALL),
    ("Conv2D", {"filters": 3, "kernel_size": 2, "dilation_rate": 2}, TALL),
    ("Conv2D", {"filters": 4, "kernel_size": 3, "groups": 2, "padding": "same", "activation": "softmax"}, TALL),
    ("Conv2D", {"filters": 6, "kernel_size": 1, "groups": 3, "strides": 2}, WIDE),
    ("Conv1D", {"filters": 2, "kernel_size": 4, "padding": "same"}, LINE),
    ("Conv1D", {"filters": 2, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, LINE),
    ("Conv1D", {"filters": 2, "kernel_size": 3, "padding": "causal", "strides": 2}, LINE),
    ("DepthwiseConv2D", {"kernel_size": [2, 3], "depth_multiplier": 2}, WIDE),
    ("DepthwiseConv2D", {"kernel_size": 3, "padding": "same", "strides": 2, "activation": "relu"}, WIDE),
    ("DepthwiseConv2D", {"kernel_size": 2, "padding": "same", "dilation_rate": 2, "depth_multiplier": 3}, WIDE),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 3, "padding": "same", "activation": "relu"}, WIDE),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 2, "strides": 2, "depth_multiplier": 2}, WIDE),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3}, WIDE),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 2, "strides": 3}, WIDE),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": [3, 4], "strides": 2, "padding": "same"}, WIDE),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 4, "strides": 3, "output_padding": 1}, WIDE),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 4, "strides": 3, "padding": "same", "output_padding": 2}, WIDE),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 3, "strides": 2, "padding": "same", "output_padding": 1}, WIDE),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 2, "padding": "same", "dilation_rate": 2}, WIDE),
    ("MaxPooling2D", {}, TALL),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, TALL),
    ("MaxPooling2D", {"pool_size": [3, 2], "strides": 1}, TALL),
    ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}, LINE),
    ("AveragePooling2D", {"pool_size": 2}, TALL),
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, TALL),
    ("AveragePooling2D", {"pool_size": [3, 2], "strides": 1}, TALL),
    ("AveragePooling1D", {"pool_size": 4, "strides": 3, "padding": "same"}, LINE),
    ("GlobalMaxPooling2D", {}, TALL),
    ("GlobalAveragePooling2D", {"keepdims": True}, TALL),
    ("GlobalAveragePooling1D", {}, LINE),
    ("ZeroPadding2D", {"padding": [[1, 2], [3, 0]]}, WIDE),
    ("Cropping2D", {"cropping": [[1, 0], [2, 1]]}, WIDE),
    ("UpSampling2D", {"size": [2, 3]}, WIDE),
    ("UpSampling2D", {"size": [2, 3], "interpolation": "bilinear"}, WIDE),
    ("UpSampling2D", {"size": [4, 1], "interpolation": "bilinear"}, (1, 2, 1)),
    ("Permute", {"dims": [3, 1, 2]}, WIDE),
    ("Permute", {"dims": [2, 1]}, LINE),
    ("Dense", {"units": 4, "activation": "softmax"}, WIDE),
    ("Softmax", {}, WIDE),
    ("BatchNormalization", {"epsilon": 0.25}, WIDE),
    ("LayerNormalization", {"epsilon": 0.25}, WIDE),
    ("PReLU", {"shared_axes": [1, 2]}, WIDE),
]


def inputs(name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the samples of a case: whole numbers where the largest of a window are chosen, so that many are equal."""
    x = values(BATCH * int(np.prod(shape)), 100).reshape(BATCH, *shape)
    return np.rint(1.5 * x) if name.startswith("Max") else x


def weights(shapes: list[tuple[int, ...]]) -> Iterator[NDArray[np.float64]]:
    return (values(int(np.prod(shape)), i).reshape(shape) for i, shape in enumerate(shapes))


def summary(array: NDArray[np.float64]) -> list[float]:
    """Return the products of an array with two others, to 13 digits."""
    return [float(f"{array.ravel() @ values(array.size, seed):.13g}") for seed in (1, 2)]


def recorded(name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> dict[str, Any]:
    import jax  # here, so that the tests can import the rest
    import keras

    layer = getattr(keras.layers, name)(**arguments)
    layer.build((BATCH, *shape))
    fixed = [variable.numpy() for variable in layer.non_trainable_variables]
    mode = {"training": True} if name == "BatchNormalization" else {}
    start = list(weights([tuple(variable.shape) for variable in layer.trainable_variables]))

    def product(x: Any, trained: Any) -> Any:
        y = layer.stateless_call(trained, fixed, x, **mode)[0]
        return (y * values(y.size, 200).reshape(y.shape)).sum(), y

    x = inputs(name, shape)
    (by_x, by_weights), y = jax.grad(product, argnums=(0, 1), has_aux=True)(x, start)
    assert y.dtype == by_x.dtype == np.float64
    return {
        "layer": name,
        "arguments": arguments,
        "input_shape": shape,
        "output_shape": y.shape[1:],
        "weights": [weight.shape for weight in start],
        "output": summary(np.array(y)),
        "gradients": [summary(np.array(gradient)) for gradient in (by_x, *by_weights)],
    }


if __name__ == "__main__":
    import keras

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    lines = ",\n".join(json.dumps(recorded(*case)) for case in CASES)
    sys.stdout.write(f'{{"keras": "{keras.__version__}",\n"layers": [\n{lines}\n]}}\n')
