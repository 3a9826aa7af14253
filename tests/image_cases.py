"""Random layers for images, and networks of the compiled core with random weights."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

import image_descriptions as describe
from fastnet import _core
from image_descriptions import Axes, Description, Shape
from reference_images import Axis

Array = NDArray[Any]
Pick = Callable[..., Any]  # one of its arguments, at random

SIZES = 1, 2, 3, 7, 8, 9, 16, 17, 31, 33
CHANNELS = 1, 3, 6, 8, 16, 17, 32
BATCHES = 1, 2, 3, 17, 64
WORK = 30_000  # numbers in a batch, which the reference computes in milliseconds

SGD = {"learning_rate": 0.1, "momentum": 0.0, "dampening": 0.0, "nesterov": 0.0, "weight_decay": 0.0}


# ---- Layers at random ------------------------------------------------------------------------------------------------


def some(pick: Pick, choices: Sequence[int], most: float) -> int:
    """Pick one of the numbers up to `most`."""
    return int(pick(*[choice for choice in choices if choice <= most] or [1]))


def drawn_shape(pick: Pick, batch: int, sizes: Sequence[int] = SIZES, channels: Sequence[int] = CHANNELS) -> Shape:
    height = some(pick, sizes, WORK // batch)
    width = some(pick, sizes, WORK // batch // height)
    return height, width, some(pick, channels, WORK // batch // height // width)


def drawn_axis(pick: Pick, size: int, windows: Sequence[int], dilations: Sequence[int] = (1,)) -> Axis:
    """Return where windows lie on an axis of an image: as Keras would place them, or anywhere on it."""
    window, dilation = pick(*windows), pick(*dilations)
    stride = pick(1, 1, 2, 3) if dilation == 1 else 1  # the core takes one of both, as Keras does
    reach, padding = (window - 1) * dilation + 1, pick("same", "valid", "any")
    if padding == "same" or (padding == "valid" and reach > size):
        return describe.AXES["same"](size, window, stride, dilation)
    if padding == "valid":
        return describe.AXES["valid"](size, window, stride, dilation)
    before = pick(*range(reach))
    return Axis(size, window, pick(*range(1, (size - 1 + before) // stride + 2)), stride, dilation, before)


def drawn_axes(pick: Pick, shape: Shape, windows: Sequence[int], dilations: Sequence[int] = (1,)) -> Axes:
    return drawn_axis(pick, shape[0], windows, dilations), drawn_axis(pick, shape[1], windows, dilations)


def drawn_transposed_axis(pick: Pick, size: int) -> Axis:
    window, stride = pick(1, 2, 3, 4), pick(1, 2, 3)
    dilation = pick(1, 1, 2) if stride == 1 else 1
    padding, margin = pick(*describe.TRANSPOSED), pick(None, *range(stride))
    axis = describe.TRANSPOSED[padding](size, window, stride, dilation, margin)
    return axis if axis.image > 0 else describe.TRANSPOSED["valid"](size, window, stride, dilation)


def conv2d(pick: Pick, shape: Shape, activation: str = "linear") -> Description:
    axes = drawn_axes(pick, shape, (1, 2, 3, 5), (1, 1, 2))
    groups = pick(*[groups for groups in (1, 1, 2, 3, shape[2]) if shape[2] % groups == 0])
    filters = groups * pick(*[each for each in (1, 2, 3, 8, 17) if each * groups <= 33])
    return describe.conv2d(shape, axes, filters, activation, groups=groups, use_bias=pick(True, True, False))


def conv2d_transpose(pick: Pick, shape: Shape, activation: str = "linear") -> Description:
    axes = drawn_transposed_axis(pick, shape[0]), drawn_transposed_axis(pick, shape[1])
    return describe.conv2d_transpose(shape, axes, pick(1, 2, 3, 8, 17), activation, use_bias=pick(True, True, False))


def pooling(pick: Pick, shape: Shape, kind: str) -> Description:
    whole = pick(False, False, True)
    axes = describe.windows(shape, (shape[0], shape[1])) if whole else drawn_axes(pick, shape, (1, 2, 3, 4))
    return describe.pooling(kind, shape, axes)


def padding2d(pick: Pick, shape: Shape) -> Description:
    before = pick(-1, 0, 1, 2), pick(-1, 0, 2)
    after = pick(-1, 0, 1), pick(-1, 0, 3)
    sides = zip(before, after, shape[:2], strict=True)
    (top, bottom), (left, right) = (
        (max(first, 0), max(last, 0)) if size <= 2 else (first, last) for first, last, size in sides
    )
    return describe.padding2d(shape, (top, left), (bottom, right))


def upsampling2d(pick: Pick, shape: Shape) -> Description:
    return describe.upsampling2d(shape, (pick(1, 2, 3), pick(1, 2, 4)), bilinear=pick(False, True))


def permutation(pick: Pick, shape: Shape) -> Description:
    return describe.permutation(shape, pick((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)))


def normalized(pick: Pick) -> Description:
    return {"epsilon": pick(1e-3, 0.1), "use_gamma": pick(True, False), "use_beta": pick(True, False)}


LAYERS: dict[str, Callable[[Pick, Shape], Description]] = {
    "conv2d": conv2d,
    "conv2d_transpose": conv2d_transpose,
    "max_pooling2d": lambda pick, shape: pooling(pick, shape, "max"),
    "average_pooling2d": lambda pick, shape: pooling(pick, shape, "average"),
    "padding2d": padding2d,
    "upsampling2d": upsampling2d,
    "permutation": permutation,
    "spatial_dropout": lambda pick, shape: describe.spatial_dropout(shape, pick(0.0, 0.25, 0.5), pick(0, 2**40 + 3)),
    "dense": lambda pick, shape: describe.dense(shape, pick(1, 3, 8, 17), use_bias=pick(True, True, False)),
    "batch_normalization": lambda pick, shape: describe.by_channel(
        "batch_normalization", shape, momentum=pick(0.5, 0.99), **normalized(pick)
    ),
    "layer_normalization": lambda pick, shape: describe.by_channel("layer_normalization", shape, **normalized(pick)),
    "normalization": lambda pick, shape: describe.by_channel("normalization", shape, epsilon=pick(0.0, 0.1)),
    "prelu": lambda pick, shape: describe.by_channel("prelu", shape),
    "activation": lambda pick, shape: describe.by_channel("activation", shape, activation="softmax", alpha=0.0),
}


# ---- Networks --------------------------------------------------------------------------------------------------------

Core = _core.Network32 | _core.Network64


def arrays_of(core: Core, flat: Array, trained: bool = True) -> list[Array]:
    """Cut the weights out of a flat array: those that are trained, or all."""
    slots = [slot for slot in core.parameter_slots if slot[4] or not trained]
    return [flat[offset : offset + prod(shape)] for _, _, offset, shape, _ in slots]


def random_weights(core: Core, seed: int) -> Iterator[Array]:
    """Draw weights: of kernels as large as keep the outputs near 1; all others are positive, as variances must be."""
    rng = np.random.default_rng(seed)
    for _, name, _, shape, _ in core.parameter_slots:
        if name == "kernel":
            yield rng.normal(scale=prod(shape[:-1]) ** -0.5, size=prod(shape))
        else:
            yield np.abs(1.0 + 0.3 * rng.normal(size=prod(shape))) + 0.05


def core_of(
    layers: Sequence[Description],
    size: int,
    dtype: Any = np.float64,
    *,
    loss: str = "mse",
    optimizer: str = "sgd",
    settings: Mapping[str, float] = SGD,
    seed: int = 0,
) -> tuple[Core, list[Array]]:
    """Return the core's compiled network of these layers, and its weights, which are random."""
    core = (_core.Network64 if dtype == np.float64 else _core.Network32)(size, layers)
    weights = [weight.astype(dtype) for weight in random_weights(core, seed)]
    for weight, slot in zip(weights, core.parameter_slots, strict=True):
        core.set_parameters(weight, slot[2])
    core.compile(loss, "", optimizer, dict(settings))
    return core, weights


def distances(results: Sequence[Array], expected: Sequence[Array], floor: float, least: float = 1e-300) -> list[float]:
    """Return the largest difference of each array relative to its largest number, or to others that are larger.

    Those are `floor` times the largest number of all arrays, and `least`: below them, sums that cancel leave rounding.
    """
    largest = max((np.abs(array).max(initial=0.0) for array in expected), default=0.0)
    return [
        float(np.abs(a.ravel() - b.ravel()).max() / max(np.abs(b).max(), floor * largest, least))
        for a, b in zip(results, expected, strict=True)
    ]


def assert_near(results: Sequence[Array], expected: Sequence[Array], tolerance: float, least: float = 1e-300) -> None:
    far = distances(results, expected, 0.01, least)
    assert max(far, default=0.0) <= tolerance, far
