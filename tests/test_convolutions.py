"""Convolutions: shapes, weights, arguments as Keras has them, and values against the definition."""

import json
import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers
from fastnet.layers import (
    Conv1D,
    Conv1DTranspose,
    Conv2D,
    Conv2DTranspose,
    DepthwiseConv2D,
    Input,
    SeparableConv2D,
)

Array = np.ndarray[Any, Any]

IMAGE = (6, 7, 4)
RNG = np.random.default_rng(0)
X = RNG.standard_normal((2, *IMAGE))

ALL = [
    lambda: Conv2D(6, 3, name="c"),
    lambda: Conv2D(6, (3, 2), (1, 2), "same", None, 1, 2, "relu", False, "he_normal", kernel_regularizer="l2"),
    lambda: DepthwiseConv2D(3, 2, "same", 2, depthwise_regularizer="l1", activation="tanh"),
    lambda: SeparableConv2D(5, 3, depth_multiplier=2, pointwise_initializer="ones", bias_regularizer="l2"),
    lambda: Conv2DTranspose(3, 3, 2, output_padding=1, activation={"name": "leaky_relu", "negative_slope": 0.1}),
]
OF_SEQUENCES = [lambda: Conv1D(5, 3, padding="causal", dilation_rate=2), lambda: Conv1DTranspose(5, 4, 2, "same")]


def built(layer: layers.Layer, shape: tuple[int, ...] = IMAGE, **keywords: Any) -> fn.Sequential:
    """Return a model of a layer in float64 whose weights are all random."""
    model = fn.Sequential([Input(shape), layer], dtype="float64", seed=0, **keywords)
    rng = np.random.default_rng(1)
    model.set_weights([rng.standard_normal(array.shape) for array in model.get_weights()])
    return model


# --- Shapes, weights and names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "output", "weights"),
    [
        (Conv2D(6, 3), (4, 5, 6), {"kernel": (3, 3, 4, 6), "bias": (6,)}),
        (Conv2D(6, (3, 2), 2, "same"), (3, 4, 6), {"kernel": (3, 2, 4, 6), "bias": (6,)}),
        (Conv2D(6, 2, dilation_rate=(2, 3), groups=2), (4, 4, 6), {"kernel": (2, 2, 2, 6), "bias": (6,)}),
        (Conv2D(6, 1, use_bias=False), (6, 7, 6), {"kernel": (1, 1, 4, 6)}),
        (DepthwiseConv2D(3, depth_multiplier=2), (4, 5, 8), {"kernel": (3, 3, 4, 2), "bias": (8,)}),
        (
            SeparableConv2D(5, 3, 2, "same", depth_multiplier=3),
            (3, 4, 5),
            {"depthwise_kernel": (3, 3, 4, 3), "pointwise_kernel": (1, 1, 12, 5), "bias": (5,)},
        ),
        (Conv2DTranspose(3, 3, 2), (13, 15, 3), {"kernel": (3, 3, 3, 4), "bias": (3,)}),
        (Conv2DTranspose(3, 3, 2, "same"), (12, 14, 3), {"kernel": (3, 3, 3, 4), "bias": (3,)}),
        (Conv2DTranspose(3, 3, 2, "same", output_padding=0), (11, 13, 3), {"kernel": (3, 3, 3, 4), "bias": (3,)}),
        (Conv2DTranspose(3, 1, 3), (18, 21, 3), {"kernel": (1, 1, 3, 4), "bias": (3,)}),
    ],
    ids=lambda value: value.default_name() if isinstance(value, layers.Layer) else None,
)
def test_shapes_and_weights_are_those_of_keras(
    layer: layers.Layer, output: tuple[int, ...], weights: dict[str, tuple[int, ...]]
) -> None:
    model = fn.Sequential([Input(IMAGE), layer])
    assert model.output_shape == layer.output_shape == output
    assert layer.weight_names == list(weights)
    assert [array.shape for array in layer.get_weights()] == list(weights.values())
    assert layer.count_params() == sum(map(math.prod, weights.values()))
    assert model.predict(X).shape == (2, *output)


@pytest.mark.parametrize(
    ("layer", "output", "kernel"),
    [
        (Conv1D(6, 3, strides=2, groups=2), (4, 6), (3, 2, 6)),
        (Conv1D(6, 3, padding="causal"), (9, 6), (3, 4, 6)),
        (Conv1DTranspose(6, 4, 2), (20, 6), (4, 6, 4)),
    ],
)
def test_sequences_have_one_axis_less(layer: Any, output: tuple[int, ...], kernel: tuple[int, ...]) -> None:
    model = fn.Sequential([Input((9, 4)), layer])
    assert model.output_shape == output
    assert [array.shape for array in layer.get_weights()] == [kernel, (6,)]


def test_default_names_are_those_of_keras() -> None:
    model = fn.Sequential(
        [Conv2D(4, 1), Conv2D(4, 1), DepthwiseConv2D(1), SeparableConv2D(4, 1), Conv2DTranspose(4, 1)]
    )
    names = ["conv2d", "conv2d_1", "depthwise_conv2d", "separable_conv2d", "conv2d_transpose"]
    assert [layer.name for layer in model.layers] == names
    assert [layer.name for layer in (Conv1D(1, 1), Conv1DTranspose(1, 1))] == ["conv1d", "conv1d_transpose"]


@pytest.mark.parametrize("name", ["Convolution1D", "Convolution2D", "Convolution2DTranspose", "SeparableConvolution2D"])
def test_other_names_of_keras_are_the_same_classes(name: str) -> None:
    made = layers.deserialize({"class_name": name, "config": {"filters": 2, "kernel_size": 1}})
    assert type(made) is getattr(layers, name)
    assert type(made).__name__ == name.replace("Convolution", "Conv")


@pytest.mark.parametrize("make", [*ALL, *OF_SEQUENCES])
def test_a_configuration_is_json_and_makes_an_equal_layer(make: Any) -> None:
    layer, shape = make(), (9, 4) if make in OF_SEQUENCES else IMAGE
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert list(again.descriptions(shape)) == list(layer.descriptions(shape))


def test_configurations_have_the_keys_of_keras() -> None:
    config = Conv2D(6, 3, (1, 2)).get_config()
    assert {key: config[key] for key in ("kernel_size", "strides", "dilation_rate", "data_format", "padding")} == {
        "kernel_size": [3, 3],
        "strides": [1, 2],
        "dilation_rate": [1, 1],
        "data_format": "channels_last",
        "padding": "valid",
    }
    own = {"depth_multiplier", "depthwise_initializer", "pointwise_initializer", "bias_initializer", "filters"}
    assert own < set(SeparableConv2D(2, 3).get_config())
    assert {"depthwise_initializer", "bias_initializer"} < set(DepthwiseConv2D(3).get_config())
    assert Conv2DTranspose(2, 3).get_config()["output_padding"] is None
    assert Conv2DTranspose(2, 3, 2, output_padding=1).get_config()["output_padding"] == [1, 1]


def test_arguments_can_be_set_until_the_layer_is_built() -> None:
    layer = Conv2D(6, 3)
    layer.kernel_size = 5
    layer.padding = "SAME"
    assert (layer.kernel_size, layer.padding) == ((5, 5), "same")
    fn.Sequential([Input(IMAGE), layer])
    with pytest.raises(AttributeError, match=r"Conv2D\.strides cannot change after the layer is built"):
        layer.strides = 2
    layer.kernel = np.zeros((5, 5, 4, 6))
    assert not layer.get_weights()[0].any()


# --- Values ----------------------------------------------------------------------------------------------------------


def window_sums(
    x: Array, kernel: Array, stride: tuple[int, int], dilation: tuple[int, int], output: tuple[int, int]
) -> Array:
    """Return the convolution of padded images by its definition."""
    result = np.zeros((len(x), *output, kernel.shape[3]))
    for i in range(output[0]):
        for j in range(output[1]):
            for u in range(kernel.shape[0]):
                for v in range(kernel.shape[1]):
                    pixel = x[:, i * stride[0] + u * dilation[0], j * stride[1] + v * dilation[1]]
                    result[:, i, j] += pixel @ kernel[u, v]
    return result


def test_valid_takes_the_windows_inside() -> None:
    model = built(Conv2D(6, (3, 2), (2, 1), activation="relu"))
    kernel, bias = model.get_weights()
    expected = np.maximum(window_sums(X, kernel, (2, 1), (1, 1), (2, 6)) + bias, 0.0)
    assert_allclose(model.predict(X), expected, rtol=1e-12)


def test_same_pads_with_zeros_the_odd_one_behind() -> None:
    model = built(Conv2D(6, (4, 3), (2, 3), padding="same"))
    kernel, bias = model.get_weights()
    padded = np.pad(X, ((0, 0), (1, 1), (1, 1), (0, 0)))  # 2 rows; 2 columns of 3 windows from -1 on
    assert_allclose(model.predict(X), window_sums(padded, kernel, (2, 3), (1, 1), (3, 3)) + bias, rtol=1e-12)
    model = built(Conv2D(6, (2, 2), padding="same"))
    kernel, bias = model.get_weights()
    padded = np.pad(X, ((0, 0), (0, 1), (0, 1), (0, 0)))
    assert_allclose(model.predict(X), window_sums(padded, kernel, (1, 1), (1, 1), (6, 7)) + bias, rtol=1e-12)


def test_dilated_windows_skip_values() -> None:
    model = built(Conv2D(6, 2, dilation_rate=(2, 3)))
    kernel, bias = model.get_weights()
    assert_allclose(model.predict(X), window_sums(X, kernel, (1, 1), (2, 3), (4, 4)) + bias, rtol=1e-12)


def test_groups_see_their_part_of_the_channels() -> None:
    model = built(Conv2D(6, 3, groups=2))
    kernel, bias = model.get_weights()
    halves = [
        window_sums(X[..., 2 * g : 2 * g + 2], kernel[..., 3 * g : 3 * g + 3], (1, 1), (1, 1), (4, 5)) for g in (0, 1)
    ]
    assert_allclose(model.predict(X), np.concatenate(halves, axis=-1) + bias, rtol=1e-12)


def test_depthwise_gives_each_channel_its_own_next_to_each_other() -> None:
    model = built(DepthwiseConv2D(3, depth_multiplier=2))
    kernel, bias = model.get_weights()
    each = [window_sums(X[..., c : c + 1], kernel[:, :, c : c + 1], (1, 1), (1, 1), (4, 5)) for c in range(4)]
    assert_allclose(model.predict(X), np.concatenate(each, axis=-1) + bias, rtol=1e-12)


def test_separable_is_depthwise_and_then_a_product_of_the_channels() -> None:
    model = built(SeparableConv2D(5, 3, padding="same", depth_multiplier=2, activation="tanh"))
    depthwise, pointwise, bias = model.get_weights()
    first = built(DepthwiseConv2D(3, padding="same", depth_multiplier=2, use_bias=False))
    first.set_weights([depthwise])
    assert_allclose(model.predict(X), np.tanh(first.predict(X) @ pointwise[0, 0] + bias), rtol=1e-12)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_transposed_convolution_is_the_gradient_of_a_convolution(padding: str) -> None:
    model = built(Conv2DTranspose(3, (3, 2), 2, padding, use_bias=False))
    (kernel,) = model.get_weights()
    assert model.output_shape is not None
    forward = fn.Sequential([Input(model.output_shape), Conv2D(4, (3, 2), 2, padding, use_bias=False)], dtype="float64")
    forward.set_weights([kernel])
    zero = np.zeros(model.output_shape)
    by_input = np.tensordot(X, forward.jacobian(zero), axes=3)
    assert_allclose(model.predict(X), by_input, rtol=1e-12, atol=1e-12)


def test_no_output_of_a_causal_convolution_depends_on_a_later_step() -> None:
    model = built(Conv1D(2, 3, padding="causal", dilation_rate=2), (9, 4))
    derivatives = np.abs(model.jacobian(np.zeros((9, 4)))).sum(axis=(1, 3))
    steps = np.subtract.outer(np.arange(9), np.arange(9))
    assert_array_equal(derivatives > 0, np.isin(steps, [0, 2, 4]))


def test_a_sequence_is_an_image_of_height_1() -> None:
    x = np.random.default_rng(2).standard_normal((3, 9, 4))
    model, image = built(Conv1D(5, 3, 2, "same"), (9, 4)), built(Conv2D(5, (1, 3), (1, 2), "same"), (1, 9, 4))
    kernel, bias = model.get_weights()
    image.set_weights([kernel[None], bias])
    assert_array_equal(model.predict(x), image.predict(x[:, None])[:, 0])


def test_an_activation_of_rows_acts_on_the_channels() -> None:
    model = built(Conv2D(6, 3, activation="softmax"))
    assert_allclose(model.predict(X).sum(axis=-1), 1.0, rtol=1e-12)


# --- Training --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ALL)
def test_gradients_are_those_of_central_differences(make: Any) -> None:
    model = built(make())
    model.compile("sgd", "mse")
    assert model.output_shape is not None
    x, y = X, np.random.default_rng(3).standard_normal((2, *model.output_shape))
    _, gradients = model.loss_and_gradients(x, y)
    weights = model.get_weights()
    rng = np.random.default_rng(4)
    for number, gradient in enumerate(gradients):
        direction = rng.standard_normal(gradient.shape)
        losses = []
        for step in (1e-5, -1e-5):
            model.set_weights([w + step * direction if i == number else w for i, w in enumerate(weights)])
            losses.append(model.loss_and_gradients(x, y)[0])
        assert_allclose((losses[0] - losses[1]) / 2e-5, np.sum(gradient * direction), rtol=1e-6, atol=1e-9)
    model.set_weights(weights)


def test_regularizers_of_every_weight_count() -> None:
    layer = SeparableConv2D(
        2, 1, depthwise_regularizer="l2", pointwise_regularizer=fn.regularizers.L1(0.5), bias_regularizer="l1"
    )
    model = built(layer, (2, 2, 2))
    depthwise, pointwise, bias = model.get_weights()
    model.compile("sgd", "mse")
    x = np.zeros((1, 2, 2, 2))
    loss, _ = model.loss_and_gradients(x, model.predict(x))
    penalty = 0.01 * np.square(depthwise).sum() + 0.5 * np.abs(pointwise).sum() + 0.01 * np.abs(bias).sum()
    assert_allclose(loss, penalty, rtol=1e-12)


@pytest.mark.parametrize(
    ("layer", "fans"),
    [
        (Conv2D(32, 3), 9 * (4 + 32)),
        (Conv2D(32, 3, groups=2), 9 * (2 + 32)),
        (DepthwiseConv2D(3, depth_multiplier=2), 9 * (4 + 2)),
        (Conv2DTranspose(32, 3), 9 * (32 + 4)),
    ],
)
def test_glorot_takes_the_window_and_the_last_two_axes_of_the_kernel(layer: layers.Layer, fans: int) -> None:
    fn.Sequential([Input(IMAGE), layer], seed=0)
    kernel, bias = layer.get_weights()
    limit = math.sqrt(6 / fans)
    assert 0.9 * limit < np.abs(kernel).max() <= np.float32(limit)
    assert not bias.any()


def test_frozen_kernels_stay() -> None:
    model = fn.Sequential([Input(IMAGE), SeparableConv2D(2, 3, trainable=False), Conv2D(2, 3)], seed=0)
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(X, np.ones((2, 2, 3, 2)))
    changed = [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, False, True, True]
    assert len(model.trainable_weights) == 2


# --- FLOPs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "flops"),
    [
        (Conv2D(6, 3), 4 * 5 * 6 * (2 * 9 * 4 + 1)),
        (Conv2D(6, 3, activation="relu", use_bias=False), 4 * 5 * 6 * (2 * 9 * 4 + 1)),
        (Conv2D(6, 3, groups=2, activation="relu"), 4 * 5 * 6 * (2 * 9 * 2 + 2)),
        (DepthwiseConv2D(3, depth_multiplier=2), 4 * 5 * 8 * (2 * 9 + 1)),
        (SeparableConv2D(5, 3, activation="relu"), 4 * 5 * (4 * 2 * 9 + 5 * (2 * 4 + 2))),
        (Conv2DTranspose(3, 3, 2, "same"), 6 * 7 * 4 * 9 * 3 * 2 + 12 * 14 * 3),
    ],
)
def test_flops_count_every_product_of_the_kernel(layer: layers.Layer, flops: int) -> None:
    fn.Sequential([Input(IMAGE), layer])
    assert layer.count_flops() == flops


# --- Errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Conv2D(0, 3), ValueError, "filters must be at least 1; got 0"),
        (lambda: Conv2D(6, 3, groups=4), ValueError, "filters must be a multiple of groups=4; got 6"),
        (lambda: Conv2D(6, 3, 2, dilation_rate=2), ValueError, r"strides and dilation_rate cannot both .*=\(2, 2\)"),
        (lambda: DepthwiseConv2D(3, depth_multiplier=0), ValueError, "depth_multiplier must be at least 1; got 0"),
        (lambda: Conv2DTranspose(6, 3, 2, output_padding=2), ValueError, r"output_padding must be less than strides"),
        (lambda: Conv2D(6, 3, padding="causal"), ValueError, "padding must be one of 'valid', 'same'"),
        (lambda: Conv2D(6, 3, data_format="channels_first"), NotImplementedError, "channels_first"),
        (lambda: Conv2D(6, 3, kernel_constraint="max_norm"), NotImplementedError, "only kernel_constraint=None"),
        (lambda: DepthwiseConv2D(3, depthwise_constraint="x"), NotImplementedError, "only depthwise_constraint=None"),
        (lambda: SeparableConv2D(2, 3, pointwise_constraint="x"), NotImplementedError, "pointwise_constraint=None"),
        (lambda: Conv2D(6, 3, activity_regularizer="l2"), NotImplementedError, "only activity_regularizer=None"),
        (lambda: Conv2D(6, 3, kernel="x"), TypeError, "kernel"),
        (lambda: Conv2D(6, 3, activation="rleu"), ValueError, "did you mean 'relu'"),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv2D(6, 3), (28, 28), r"shape \(height, width, channels\); got \(28, 28\): Reshape\(\(28, 28, 1\)\)"),
        (Conv2D(6, 3), (784,), r"takes samples of shape \(height, width, channels\); got \(784,\)$"),
        (Conv1D(6, 3), (9,), r"takes samples of shape \(steps, channels\); got \(9,\): Reshape\(\(9, 1\)\)"),
        (Conv2D(6, 7), IMAGE, r"'conv2d' would make an output of shape \(0, 1, 6\) of samples of shape \(6, 7, 4\)"),
        (Conv2D(6, 3, groups=3), IMAGE, r"groups=3, which must divide the channels of its input; got .* \(6, 7, 4\)"),
        (Conv2DTranspose(2, 2, padding="same", output_padding=0), (1, 1, 1), r"an output of shape \(0, 0, 2\)"),
    ],
)
def test_samples_that_do_not_fit_are_refused(layer: layers.Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fn.Sequential([Input(shape), layer])
