"""Built models of images: every layer of them, and random stacks, whose weights and statistics are no defaults."""

from collections.abc import Callable, Sequence
from math import prod
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

import fastnet as fn
from fastnet.layers import (
    Activation,
    AveragePooling1D,
    AveragePooling2D,
    BatchNormalization,
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    Cropping1D,
    Cropping2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    Layer,
    LayerNormalization,
    MaxPooling1D,
    MaxPooling2D,
    Normalization,
    Permute,
    PReLU,
    RandomBrightness,
    RandomContrast,
    RandomCrop,
    RandomElasticTransform,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Rescaling,
    Reshape,
    Residual,
    SeparableConv2D,
    Softmax,
    SpatialDropout1D,
    SpatialDropout2D,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
)
from fastnet.operations import making
from fastnet.operations.steps import Operation

Shape = tuple[int, ...]

_IMAGE = (7, 6, 4)
_LAYERS: dict[str, tuple[Shape, Callable[[], list[Layer]]]] = {
    "conv2d": (_IMAGE, lambda: [Conv2D(3, (3, 2), activation="relu"), Conv2D(2, 2, use_bias=False)]),
    "conv2d_strides": (_IMAGE, lambda: [Conv2D(3, 3, strides=(2, 3))]),
    "conv2d_same": (_IMAGE, lambda: [Conv2D(3, (4, 2), padding="same"), Conv2D(2, 5, padding="same", strides=2)]),
    "conv2d_groups": (_IMAGE, lambda: [Conv2D(6, 3, groups=2, padding="same", dilation_rate=(1, 2))]),
    "conv1d": ((9, 2), lambda: [Conv1D(3, 3, padding="causal", dilation_rate=2), Conv1D(2, 4, strides=2)]),
    "depthwise": (_IMAGE, lambda: [DepthwiseConv2D(3, depth_multiplier=2, activation="elu"), DepthwiseConv2D(2)]),
    "separable": (_IMAGE, lambda: [SeparableConv2D(5, 3, padding="same", depth_multiplier=2, activation="tanh")]),
    "transposed": (_IMAGE, lambda: [Conv2DTranspose(3, (3, 2), strides=(2, 1), activation="relu")]),
    "transposed_same": (_IMAGE, lambda: [Conv2DTranspose(3, (4, 3), strides=2, padding="same")]),
    "transposed_gaps": (_IMAGE, lambda: [Conv2DTranspose(3, (1, 2), strides=3, use_bias=False)]),
    "transposed_more": (_IMAGE, lambda: [Conv2DTranspose(3, 3, strides=3, padding="same", output_padding=(2, 0))]),
    "transposed_dilation": (_IMAGE, lambda: [Conv2DTranspose(2, (2, 3), padding="same", dilation_rate=(3, 2))]),
    "transposed_1d": ((5, 2), lambda: [Conv1DTranspose(3, 4, strides=3), Conv1DTranspose(2, 3, padding="same")]),
    "max_pooling": (_IMAGE, lambda: [MaxPooling2D((2, 3), strides=(1, 2)), MaxPooling2D(2, padding="same")]),
    "average_pooling": (_IMAGE, lambda: [AveragePooling2D(3, strides=2, padding="same"), AveragePooling2D((2, 1))]),
    "pooling_1d": ((9, 2), lambda: [MaxPooling1D(2), AveragePooling1D(3, strides=1, padding="same")]),
    "global_average": (_IMAGE, lambda: [GlobalAveragePooling2D(), Dense(3, "softmax")]),
    "global_max": (_IMAGE, lambda: [GlobalMaxPooling2D(keepdims=True), Conv2D(3, 1, activation="softmax")]),
    "global_1d": ((9, 2), lambda: [Residual([Conv1D(2, 3, padding="same")]), GlobalAveragePooling1D(), Dense(2)]),
    "global_max_1d": ((9, 2), lambda: [GlobalMaxPooling1D()]),
    "padding": (_IMAGE, lambda: [ZeroPadding2D(((1, 0), (2, 3))), Conv2D(2, 3), ZeroPadding2D(1)]),
    "cropping": (_IMAGE, lambda: [Cropping2D(((1, 0), (2, 1))), Conv2D(2, 2), Cropping2D((1, 0))]),
    "framing_1d": ((9, 2), lambda: [ZeroPadding1D((2, 0)), Conv1D(3, 2), Cropping1D((0, 3))]),
    "nearest": (_IMAGE, lambda: [UpSampling2D((2, 3)), Conv2D(2, 3)]),
    "bilinear": (_IMAGE, lambda: [UpSampling2D((3, 2), interpolation="bilinear"), Conv2D(2, 3)]),
    "upsampling_1d": ((4, 2), lambda: [UpSampling1D(3), Flatten(), Dense(2)]),
    "permute": (_IMAGE, lambda: [Permute((3, 1, 2)), Conv2D(2, 2), Permute((2, 1, 3)), Flatten(), Dense(2)]),
    "permute_first": ((4, 7, 6), lambda: [Permute((2, 3, 1)), Conv2D(2, 2), Flatten(), Dense(2)]),
    "permute_1d": ((4, 3), lambda: [Permute((2, 1)), Dense(2)]),
    "dense_on_images": (_IMAGE, lambda: [Dense(3, "relu"), Dense(2, "softmax")]),
    "dense_on_sequences": ((5, 3), lambda: [Dense(4, "log_softmax"), Flatten(), Dense(2)]),
    "dense_on_four_axes": ((2, 3, 2, 3), lambda: [Dense(4, "tanh"), Reshape((6, 8)), Dense(2)]),
    "normalizations": (
        _IMAGE,
        lambda: [
            Normalization(mean=[1.0, 2.0, 3.0, 0.0], variance=[1.0, 0.1, 9.0, 2.0]),
            Conv2D(3, 3, padding="same"),
            BatchNormalization(),
            Activation("relu"),
            LayerNormalization(),
            BatchNormalization(scale=False),
            Conv2D(2, 1),
            LayerNormalization(scale=False, center=False),
            Flatten(),
            BatchNormalization(),
            LayerNormalization(),
            Dense(2),
        ],
    ),
    "batch_normalization_folds": (
        _IMAGE,
        lambda: [
            Conv2D(4, 3, groups=2, use_bias=False),
            BatchNormalization(),
            Conv2DTranspose(3, 2, strides=2),
            BatchNormalization(center=False),
            DepthwiseConv2D(2),
            BatchNormalization(),
            SeparableConv2D(2, 2),
            Rescaling(0.5, 1.0),
            Dense(3),
            BatchNormalization(),
        ],
    ),
    "batch_normalization_of_parts": (
        _IMAGE,
        lambda: [Conv2D(4, 3), Reshape((5, 8, 2)), BatchNormalization(), Flatten(), BatchNormalization()],
    ),
    "prelu": (
        _IMAGE,
        lambda: [Conv2D(3, 2), PReLU(), PReLU(shared_axes=[1, 2]), PReLU(shared_axes=1), Flatten(), PReLU()],
    ),
    "softmax": (_IMAGE, lambda: [Softmax(), Conv2D(3, 2, activation="softmax"), Flatten(), Activation("softmax")]),
    "rescaled": ((8, 8, 1), lambda: [Rescaling(1 / 255), Conv2D(3, 3, activation="relu"), Flatten(), Dense(2)]),
    "training_only": (_IMAGE, lambda: [SpatialDropout2D(0.5), Dropout(0.5), GaussianNoise(1.0), Conv2D(2, 2)]),
    "augmented": (
        _IMAGE,
        lambda: [
            *(RandomFlip(), RandomTranslation(0.2, 0.1), RandomRotation(0.1), RandomZoom(0.2), RandomContrast(0.3)),
            *(RandomBrightness(0.1, (0, 1)), RandomElasticTransform(), Conv2D(2, 2)),
        ],
    ),
    "random_crop": (_IMAGE, lambda: [RandomCrop(4, 3), Conv2D(2, 2)]),
    "only_dropout": ((5, 2), lambda: [SpatialDropout1D(0.5)]),
    "reshapes": (
        (6, 4),
        lambda: [Reshape((4, 6, 1)), Conv2D(2, 3), Reshape((2, 4, 2)), Conv2D(4, 2), Reshape((6, 2)), Conv1D(2, 2)],
    ),
    "residual": (
        _IMAGE,
        lambda: [
            Conv2D(4, 3, padding="same", use_bias=False),
            BatchNormalization(),
            Residual(
                [
                    Conv2D(4, 3, padding="same", use_bias=False),
                    BatchNormalization(),
                    Activation("relu"),
                    Residual([Flatten(), Dense(168), Reshape(_IMAGE)]),
                    Conv2D(4, 3, padding="same"),
                ]
            ),
            Activation("relu"),
            MaxPooling2D(2),
            Residual([DepthwiseConv2D(3, padding="same"), Dense(4, "gelu")]),
            Flatten(),
            Residual([Dense(36)]),
            Dense(2, "softmax"),
        ],
    ),
    "residual_shortcut": (
        _IMAGE,
        lambda: [
            Residual(
                [Conv2D(6, 3, strides=2, padding="same", use_bias=False), BatchNormalization(), Activation("relu")],
                shortcut=[Conv2D(6, 1, strides=2), BatchNormalization()],
            ),
            Residual([Flatten(), Dense(5)], shortcut=[GlobalAveragePooling2D(), Dense(5)]),
            Dense(2, "softmax"),
        ],
    ),
    "residual_in_front": (_IMAGE, lambda: [Residual([Conv2D(4, 3, padding="same")]), Residual([Dense(4)])]),
    "residual_permuted": (
        (5, 5, 2),
        lambda: [
            Residual([Permute((2, 1, 3))]),
            Residual([Conv2D(2, 3, padding="same"), Permute((2, 1, 3))]),
            Residual([Flatten(), Dense(50), Reshape((5, 5, 2)), Permute((2, 1, 3)), Conv2D(2, 3, padding="same")]),
        ],
    ),
    "lenet": (
        (28, 28, 1),
        lambda: [
            Rescaling(1 / 255),
            Conv2D(6, 5, padding="same", activation="tanh"),
            AveragePooling2D(),
            Conv2D(16, 5, activation="tanh"),
            AveragePooling2D(),
            Flatten(),
            Dense(120, "tanh"),
            Dense(84, "tanh"),
            Dense(10, "softmax"),
        ],
    ),
}
MODELS = sorted(_LAYERS)


def build(name: str, dtype: str = "float32", seed: int = 0) -> fn.Sequential:
    """Return the built model of this name."""
    shape, layers = _LAYERS[name]
    return _built(shape, layers(), dtype, seed)


def random_model(seed: int, dtype: str = "float32") -> fn.Sequential:
    """Return a stack of three to eight layers for images of a random shape; every other one ends in classes."""
    rng = np.random.default_rng([seed, 21])
    shape = tuple(int(size) for size in rng.integers(3, 10, 3))
    layers: list[Layer] = []
    image = shape
    for _ in range(int(rng.integers(3, 9))):
        layer = _random_layer(rng, image)
        try:
            output = layer.compute_output_shape(image)
        except ValueError:  # the image is too small for it
            continue
        if prod(output) <= 2000:
            layers.append(layer)
            image = output
    if seed % 2:
        layers += [[Flatten(), GlobalAveragePooling2D()][seed % 4 == 1], Dense(3, "softmax")]
    return _built(shape, layers, dtype, seed)


def _random_layer(rng: np.random.Generator, image: Shape) -> Layer:
    def pick(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    height, width, channels = image
    window = pick(1, 2, 3, (1, 3), (3, 2))
    padding, activation = pick("valid", "same"), pick("relu", "tanh", None, "elu", "hard_sigmoid", "gelu", "softmax")
    moved: dict[str, Any] = {"padding": padding, **pick({}, {}, {"strides": pick(2, (1, 2), (3, 2))})}
    dilated = pick(moved, {"padding": padding, "dilation_rate": pick(2, (1, 2))})
    convolving: dict[str, Any] = {"activation": activation, "use_bias": pick(True, False)}
    groups = pick(*[groups for groups in (1, 1, 2, 3, channels) if channels % groups == 0])
    makers = [
        lambda: Conv2D(groups * pick(1, 2, 3), window, **dilated, groups=groups, **convolving),
        lambda: Conv2D(pick(2, 3, 5), window, **dilated, **convolving),
        lambda: DepthwiseConv2D(window, **moved, depth_multiplier=pick(1, 2), **convolving),
        lambda: SeparableConv2D(pick(2, 4), window, **dilated, depth_multiplier=pick(1, 2), **convolving),
        lambda: Conv2DTranspose(pick(2, 3), window, **moved, **convolving),
        lambda: MaxPooling2D(pick(1, 2, (3, 2)), **moved),
        lambda: AveragePooling2D(pick(2, 3, (1, 2)), **moved),
        lambda: pick(ZeroPadding2D, Cropping2D)(pick(1, (1, 0), ((0, 1), (1, 0)))),
        lambda: UpSampling2D(pick(2, (1, 2)), interpolation=pick("nearest", "bilinear")),
        BatchNormalization,
        LayerNormalization,
        lambda: PReLU(shared_axes=pick(None, [1], [1, 2])),
        lambda: Dense(pick(2, 3), activation),
        lambda: Reshape(pick((width, height, channels), (1, height * width, channels), (height, channels, width))),
        lambda: Permute(pick((2, 1, 3), (3, 1, 2), (1, 3, 2))),
        lambda: pick(
            _block(channels, window, activation),
            _block_of_another_shape(pick(2, 3, 5), pick(1, 2, (1, 2)), window, activation),
        ),
    ]
    layer: Layer = pick(*makers)()
    return layer


def _block(channels: int, window: Any, activation: str | None) -> Layer:
    convolution = Conv2D(channels, window, padding="same", activation=activation)
    return Residual([BatchNormalization(), convolution, BatchNormalization()])


def _block_of_another_shape(filters: int, strides: Any, window: Any, activation: str | None) -> Layer:
    body = [
        Conv2D(filters, window, strides=strides, padding="same", use_bias=False),
        BatchNormalization(),
        Activation(activation),
        LayerNormalization(),
    ]
    return Residual(body, shortcut=[Conv2D(filters, 1, strides=strides), BatchNormalization()])


def _built(shape: Shape, layers: list[Layer], dtype: str, seed: int) -> fn.Sequential:
    """Return a model whose weights are from a normal distribution, and its variances positive."""
    model = fn.Sequential([fn.Input(shape), *layers], seed=seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if not isinstance(layer, Normalization):
            layer.set_weights(
                [_values(rng, *pair) for pair in zip(layer.weight_names, layer.get_weights(), strict=True)]
            )
    return model


def _values(rng: np.random.Generator, name: str, weight: Any) -> np.ndarray:
    values = rng.normal(scale=1 / np.sqrt(max(1, prod(weight.shape[:-1]))), size=weight.shape)
    return np.abs(values) + 0.1 if "variance" in name else values


def block_with_shortcut() -> tuple[list[Operation], list[fn.Sequential]]:
    """Return the operations of a block that adds a convolution to one of 1 x 1, and a model of each of the two."""
    convolutions = [Conv2D(5, 3, strides=2, padding="same", use_bias=False), Conv2D(5, 1, strides=2)]
    models = [_built((4, 6, 3), [layer], "float32", seed) for seed, layer in enumerate(convolutions)]
    first, second = (layer.description((4, 6, 3)) for layer in convolutions)
    descriptions = [
        ((), {"type": "residual_begin"}),
        (("f.kernel",), first),
        ((), {"type": "residual_shortcut"}),
        (("g.kernel", "g.bias"), second),
        ((), {"type": "residual_end"}),
    ]
    weights = [array for model in models for array in model.get_weights()]
    return operations_of_descriptions((4, 6, 3), descriptions, ["f.kernel", "g.kernel", "g.bias"], weights), models


def operations_of_descriptions(
    shape: Shape, descriptions: list[Any], names: Sequence[str] = (), weights: Sequence[np.ndarray] = ()
) -> list[Operation]:
    """Return the operations of a layer with these descriptions for the core."""
    layer = SimpleNamespace(name="layer", input_shape=shape, weight_names=names, descriptions=lambda _: descriptions)
    return list(making._operations_of_layer(cast(Layer, layer), list(weights)))
