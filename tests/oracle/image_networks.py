"""Random layers for images and lines, as arrays of rows x columns x channels and of steps x channels."""

from collections.abc import Callable
from math import prod
from typing import Any

from fastnet import layers
from oracle.networks import Case, Random, activation, chance, normalized, pick, random_case, random_layers, regularizer

Shape = tuple[int, ...]
Drawn = Callable[[Random, Shape], layers.Layer]
LARGEST = 600  # numbers of a sample between two layers
BATCHES = (1, 2, 3, 7, 16, 33)


def places(random: Random, shape: Shape, paddings: tuple[str, ...] = ("same", "valid")) -> dict[str, Any]:
    """Return a kernel that fits on images of a shape, its strides or dilation, and the padding."""
    rank, padding = len(shape) - 1, pick(random, *paddings)
    stride, dilation = pick(random, (1, 1), (1, 1), (2, 1), (3, 1), (1, 2))
    fitting = [[k for k in (1, 2, 3, 5) if padding != "valid" or (k - 1) * dilation < size] for size in shape[:-1]]
    return {
        "kernel_size": [pick(random, *sizes) for sizes in fitting],
        "strides": stride if chance(random, 0.5) else [pick(random, 1, stride) for _ in range(rank)],
        "padding": padding,
        "dilation_rate": dilation,
    }


def unit(random: Random, *weights: str) -> dict[str, Any]:
    regularizers = {f"{name}_regularizer": regularizer(random) for name in (*weights, "bias")}
    return {"activation": activation(random), "use_bias": chance(random, 0.8), **regularizers}


def convolution(cls: Any, *paddings: str) -> Drawn:
    def drawn(random: Random, shape: Shape) -> layers.Layer:
        groups = pick(random, *[groups for groups in (1, 1, 2, 3) if shape[-1] % groups == 0])
        filters = groups * pick(random, 1, 2, 3, 8)
        taken = places(random, shape, ("same", "valid", *paddings))
        return cls(filters, groups=groups, **taken, **unit(random, "kernel"))

    return drawn


def transposed(cls: Any) -> Drawn:
    def drawn(random: Random, shape: Shape) -> layers.Layer:
        taken = places(random, shape)
        stride = taken["strides"] if isinstance(taken["strides"], int) else min(taken["strides"])
        margin = pick(random, None, None, *range(stride))
        if taken["padding"] == "same" and 1 in shape[:-1]:
            margin = None  # of one pixel, a kernel of even size leaves nothing
        return cls(pick(random, 1, 2, 3, 8), output_padding=margin, **taken, **unit(random, "kernel"))

    return drawn


def depthwise(random: Random, shape: Shape) -> layers.Layer:
    taken = places(random, shape)
    return layers.DepthwiseConv2D(depth_multiplier=pick(random, 1, 2, 3), **taken, **unit(random, "depthwise"))


def separable(random: Random, shape: Shape) -> layers.Layer:
    own = {"filters": pick(random, 1, 3, 8), "depth_multiplier": pick(random, 1, 2)}
    return layers.SeparableConv2D(**own, **places(random, shape), **unit(random, "depthwise", "pointwise"))


def pooling(cls: Any) -> Drawn:
    def drawn(random: Random, shape: Shape) -> layers.Layer:
        padding = pick(random, "same", "valid")
        fitting = [[k for k in (1, 2, 3) if padding == "same" or k <= size] for size in shape[:-1]]
        sizes = [pick(random, *each) for each in fitting]
        return cls(sizes, pick(random, None, 1, 2, 3), padding)

    return drawn


def of_the_whole(cls: Any) -> Drawn:
    return lambda random, shape: cls(keepdims=chance(random, 0.5))


def sides(random: Random, shape: Shape, most: int) -> Any:
    """Return numbers before and behind each axis, which leave something of it when they cut."""
    both = [[int(random.integers(0, 1 + min(most, (size - 1) // 2))) for _ in range(2)] for size in shape[:-1]]
    return both if len(both) == 2 else both[0]


def block(random: Random, shape: Shape) -> list[layers.Layer]:
    """Return layers that keep a shape: convolutions and what may be between them."""
    cls = layers.Conv2D if len(shape) == 3 else layers.Conv1D
    size = pick(random, 1, 3)
    first, last = (cls(shape[-1], size, padding="same", **unit(random, "kernel")) for _ in range(2))
    return [first, ANY[pick(random, "BatchNormalization", "LayerNormalization", "Activation")](random, shape), last]


def residual(random: Random, shape: Shape) -> layers.Residual:
    """Return a block; a shortcut makes another shape of its input, as those of ResNets do."""
    body = block(random, shape)
    if chance(random, 0.5):
        return layers.Residual(body)
    cls = layers.Conv2D if len(shape) == 3 else layers.Conv1D
    filters, strides = pick(random, 1, 2, 3, 8), pick(random, 1, 2)
    last = cls(filters, pick(random, 1, 3), strides=strides, padding="same", **unit(random, "kernel"))
    shortcut = [cls(filters, 1, strides=strides, use_bias=chance(random, 0.5))]
    behind = ANY[pick(random, "BatchNormalization", "LayerNormalization", "Activation")](random, (filters,))
    inner = [layers.Residual(body)] if chance(random, 0.3) else body[:-1]
    return layers.Residual([*inner, last], [*shortcut, *([behind] if chance(random, 0.5) else [])])


# By class: layers for samples of a shape. Dropout draws nothing here: what it drops has tests of its own.
IMAGES: dict[str, Drawn] = {
    "Conv2D": convolution(layers.Conv2D),
    "DepthwiseConv2D": depthwise,
    "SeparableConv2D": separable,
    "Conv2DTranspose": transposed(layers.Conv2DTranspose),
    "MaxPooling2D": pooling(layers.MaxPooling2D),
    "AveragePooling2D": pooling(layers.AveragePooling2D),
    "GlobalMaxPooling2D": of_the_whole(layers.GlobalMaxPooling2D),
    "GlobalAveragePooling2D": of_the_whole(layers.GlobalAveragePooling2D),
    "ZeroPadding2D": lambda random, shape: layers.ZeroPadding2D(sides(random, (9, 9, 1), 2)),
    "Cropping2D": lambda random, shape: layers.Cropping2D(sides(random, shape, 2)),
    "UpSampling2D": lambda random, shape: layers.UpSampling2D(
        (pick(random, 1, 2, 3), pick(random, 1, 2)), interpolation=pick(random, "nearest", "bilinear")
    ),
    "SpatialDropout2D": lambda random, shape: layers.SpatialDropout2D(0.0),
    # Not of lines, whose slopes are a matrix, which Muon treats as one in Keras.
    "PReLU": lambda random, shape: layers.PReLU(shared_axes=pick(random, None, [1, 2])),
}
LINES: dict[str, Drawn] = {
    "Conv1D": convolution(layers.Conv1D, "causal"),
    "Conv1DTranspose": transposed(layers.Conv1DTranspose),
    "MaxPooling1D": pooling(layers.MaxPooling1D),
    "AveragePooling1D": pooling(layers.AveragePooling1D),
    "GlobalMaxPooling1D": of_the_whole(layers.GlobalMaxPooling1D),
    "GlobalAveragePooling1D": of_the_whole(layers.GlobalAveragePooling1D),
    "ZeroPadding1D": lambda random, shape: layers.ZeroPadding1D(sides(random, (9, 1), 2)),
    "Cropping1D": lambda random, shape: layers.Cropping1D(sides(random, shape, 2)),
    "UpSampling1D": lambda random, shape: layers.UpSampling1D(pick(random, 1, 2, 3)),
    "SpatialDropout1D": lambda random, shape: layers.SpatialDropout1D(0.0),
}
ANY: dict[str, Drawn] = {
    "Permute": lambda random, shape: layers.Permute([int(axis) + 1 for axis in random.permutation(len(shape))]),
    "Dense": lambda random, shape: layers.Dense(pick(random, 1, 2, 5, 8), **unit(random, "kernel")),
    "Activation": lambda random, shape: layers.Activation(activation(random)),
    "Softmax": lambda random, shape: layers.Softmax(),
    "BatchNormalization": lambda random, shape: layers.BatchNormalization(
        momentum=pick(random, 0.0, 0.9), **normalized(random)
    ),
    "LayerNormalization": lambda random, shape: layers.LayerNormalization(**normalized(random)),
    "Normalization": lambda random, shape: layers.Normalization(
        mean=random.normal(size=shape[-1]), variance=random.uniform(0.2, 2.0, shape[-1])
    ),
    "Reshape": lambda random, shape: layers.Reshape((*shape[-2::-1], shape[-1])),
    "Residual": residual,
}
_OFTEN = ("Conv", "Conv", "Conv", "MaxPooling", "Residual", "Residual", "Residual", "LayerNormalization")


def random_image_layers(random: Random) -> tuple[Shape, list[layers.Layer]]:
    """Return a shape, one to six layers for samples of it, and what makes rows of numbers of these."""
    sizes = [pick(random, 1, 2, 3, 5, 8) for _ in range(pick(random, 1, 2, 2))]
    shape = start = (*sizes, pick(random, 1, 2, 3, 6))
    chosen: list[layers.Layer] = []
    copied = False  # pixels are equal but for rounding, between which the largest is no smooth choice
    for _ in range(int(random.integers(1, 7))):
        kind = f"{len(shape) - 1}D"
        own = IMAGES if kind == "2D" else LINES
        name = pick(random, *own, *ANY, *_OFTEN)
        name += kind if name in ("Conv", "MaxPooling") else ""
        layer = (own | ANY)[name.replace("Max", "Average") if copied else name](random, shape)
        copied |= name.startswith("UpSampling")
        made = layer.compute_output_shape(shape)
        if prod(made) <= LARGEST:
            chosen, shape = [*chosen, layer], made
        if len(shape) == 1:
            break
    chosen += [layers.Flatten()] if len(shape) > 1 or chance(random, 0.2) else []
    behind, _ = random_layers(random, prod(shape), int(random.integers(0, 2)))
    return start, chosen + behind


def random_image_case(seed: int) -> Case:
    """Return a network for images or lines."""
    return random_case(seed, random_image_layers, BATCHES)
