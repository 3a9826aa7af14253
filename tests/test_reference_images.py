"""The reference of image layers is right: slopes of its outputs, numbers worked by hand, and Keras's recorded numbers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import reference_images as ref
from image_descriptions import (
    Axes,
    Description,
    Shape,
    by_channel,
    conv2d,
    conv2d_transpose,
    dense,
    output_shape,
    padding2d,
    permutation,
    pooling,
    spatial_dropout,
    transposed_windows,
    upsampling2d,
    windows,
)
from record_image_layers import BATCH, inputs, summary, weights
from record_layers import values
from reference_networks import Network
from test_reference import SLOPE_TOLERANCE, slopes

IN_SINGLE_PRECISION = "BatchNormalization", "LayerNormalization", "GlobalAveragePooling2D", "GlobalAveragePooling1D"
RECORDED = json.loads((Path(__file__).parent / "data" / "image_layers.json").read_text(encoding="utf-8"))["layers"]
TOLERANCE = 10.0 * SLOPE_TOLERANCE  # the sums that are differentiated here are around 50
AXES: dict[str, Axes] = {
    "valid": (ref.valid(5, 3), ref.valid(4, 2)),
    "same": (ref.same(5, 4, 2), ref.same(4, 3, 3)),
    "dilated": (ref.same(5, 2, 1, 2), ref.valid(4, 2, 1, 3)),
    "causal": (ref.causal(5, 3, 2), ref.causal(4, 2)),
    "cut": (ref.Axis(5, 2, 2, stride=2, before=-1), ref.Axis(4, 3, 2, before=-1)),
    "without the image": (ref.Axis(5, 2, 4, stride=3, before=4), ref.Axis(4, 1, 3, stride=2, before=1)),
}


# ---- Backward passes are the slopes ----------------------------------------------------------------------------------


def assert_slopes(forward: Callable[..., np.ndarray], backward: Callable[..., Any], *arrays: np.ndarray) -> None:
    gradient = np.random.default_rng(1).normal(size=forward(*arrays).shape)
    by_x, by_weights = backward(gradient, *arrays)
    for array, slope in zip(arrays, (by_x, *by_weights), strict=True):
        expected = slopes(lambda: float((gradient * forward(*arrays)).sum()), array)
        assert_allclose(slope, expected, rtol=0, atol=TOLERANCE)


def random(*sizes: Shape) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [rng.normal(size=size) for size in sizes]


def window_of(axes: Axes) -> tuple[int, int]:
    return axes[0].window, axes[1].window


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
@pytest.mark.parametrize("groups", [1, 2])
def test_the_backward_of_a_convolution_is_its_slope(axes: Axes, groups: int) -> None:
    x, kernel = random((2, 5, 4, 4), (*window_of(axes), 4 // groups, 6))
    assert_slopes(
        lambda *arrays: ref.convolution(*arrays, axes, groups),
        lambda *arrays: ref.convolution_backward(*arrays, axes, groups),
        x,
        kernel,
    )


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_a_depthwise_convolution_is_one_of_as_many_groups_as_channels(axes: Axes) -> None:
    x, kernel, g = random((2, 5, 4, 3), (*window_of(axes), 3, 2), (2, axes[0].output, axes[1].output, 6))
    grouped = kernel.reshape(*window_of(axes), 1, 6)
    assert_allclose(ref.depthwise(x, kernel, axes), ref.convolution(x, grouped, axes, 3), rtol=0, atol=1e-14)
    by_x, (by_kernel,) = ref.depthwise_backward(g, x, kernel, axes)
    expected_x, (expected_kernel,) = ref.convolution_backward(g, x, grouped, axes, 3)
    assert_allclose(by_x, expected_x, rtol=0, atol=1e-14)
    assert_allclose(by_kernel, expected_kernel.reshape(kernel.shape), rtol=0, atol=1e-14)


@pytest.mark.parametrize("axes", AXES.values(), ids=AXES)
def test_a_transposed_convolution_is_the_gradient_of_a_convolution_by_its_input(axes: Axes) -> None:
    g, kernel, x = random((2, axes[0].output, axes[1].output, 3), (*window_of(axes), 2, 3), (2, 5, 4, 2))
    by_x, _ = ref.convolution_backward(g, x, kernel, axes)
    assert_allclose(ref.transposed_convolution(g, kernel, axes), by_x, rtol=0, atol=1e-14)
    assert_slopes(
        lambda *arrays: ref.transposed_convolution(*arrays, axes),
        lambda *arrays: ref.transposed_convolution_backward(*arrays, axes),
        g,
        kernel,
    )


@pytest.mark.parametrize("name", [name for name in AXES if name != "without the image"])
@pytest.mark.parametrize("kind", ["max_pooling", "average_pooling"])
def test_the_backward_of_a_pooling_is_its_slope(kind: str, name: str) -> None:
    forward, backward = getattr(ref, kind), getattr(ref, f"{kind}_backward")
    axes = AXES[name]
    assert_slopes(lambda x: forward(x, axes), lambda g, x: backward(g, x, axes), *random((2, 5, 4, 2)))


@pytest.mark.parametrize("bilinear", [False, True])
def test_the_other_backward_passes_are_slopes(bilinear: bool) -> None:
    x, mask = random((2, 3, 4, 2), (2, 2))
    moved = ref.Axis(3, 1, 5, before=1), ref.Axis(4, 1, 2, before=-1)
    for forward, settings in (
        (ref.upsampling, ((2, 3), bilinear)),
        (ref.shifted, (moved,)),
        (ref.permutation, ((2, 0, 1),)),
        (ref.spatial_dropout, (mask,)),
    ):
        backward = getattr(ref, f"{forward.__name__}_backward")
        assert_slopes(lambda x: forward(x, *settings), lambda g, x: backward(g, x, *settings), x)  # noqa: B023


# ---- Numbers worked by hand ------------------------------------------------------------------------------------------


def image(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float64)[None, :, :, None]


def test_convolutions_of_one_row_worked_by_hand() -> None:
    x, kernel = image([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 10.0]).reshape(1, 2, 1, 1)
    one = ref.valid(1, 1)

    def row(axis: ref.Axis) -> list[float]:
        return list(ref.convolution(x, kernel, (one, axis)).ravel())

    assert row(ref.valid(4, 2)) == [21.0, 32.0, 43.0]
    assert row(ref.valid(4, 2, 2)) == [21.0, 43.0]
    assert row(ref.same(4, 2)) == [21.0, 32.0, 43.0, 4.0]  # the odd zero is behind
    assert row(ref.same(4, 2, 1, 2)) == [20.0, 31.0, 42.0, 3.0]
    assert row(ref.causal(4, 2)) == [10.0, 21.0, 32.0, 43.0]
    assert list(ref.transposed_convolution(x, kernel, (one, ref.transposed_valid(4, 2))).ravel()) == [1, 12, 23, 34, 40]
    wide = ref.transposed_valid(4, 2, 3)  # a zero after each but none is missing
    assert list(ref.transposed_convolution(x, kernel, (one, wide)).ravel()) == [1, 10, 0, 2, 20, 0, 3, 30, 0, 4, 40, 0]


def test_the_first_of_equal_pixels_gets_the_gradient_and_nan_is_the_largest() -> None:
    axes = ref.valid(2, 2), ref.valid(3, 2)
    x, gradient = image([0.0, 0.0, 1.0], [0.0, 1.0, 1.0]), image([2.0, 3.0])
    assert_array_equal(ref.max_pooling(x, axes), image([1.0, 1.0]))
    assert_array_equal(ref.max_pooling_backward(gradient, x, axes)[0], image([0.0, 0.0, 3.0], [0.0, 2.0, 0.0]))
    x = image([0.0, np.inf, 1.0], [0.0, np.nan, np.nan])
    assert_array_equal(ref.max_pooling(x, axes), image([np.nan, np.nan]))
    assert_array_equal(ref.max_pooling_backward(gradient, x, axes)[0], image([0.0, 0.0, 0.0], [0.0, 5.0, 0.0]))


def test_pooling_counts_no_padding() -> None:
    x, axes = image([-1.0, -3.0, -5.0]), (ref.same(1, 3), ref.same(3, 3, 2))
    assert_array_equal(ref.max_pooling(x, axes), image([-1.0, -3.0]))
    assert_array_equal(ref.average_pooling(x, axes), image([-2.0, -4.0]))


def test_upsampling_worked_by_hand() -> None:
    assert_array_equal(ref.shares(2, 2, False), [[1, 0], [1, 0], [0, 1], [0, 1]])
    assert_array_equal(ref.shares(2, 2, True), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])


# ---- Keras's recorded numbers ----------------------------------------------------------------------------------------


def pair(value: Any) -> tuple[Any, Any]:
    return (value, value) if value is None or isinstance(value, int) else tuple(value)


def described(name: str, given: dict[str, Any], shape: Shape) -> list[Description]:
    """Return the core's descriptions of a layer of Keras for images; those of lines are images of one row."""
    if name.endswith("1D"):
        settings = {"kernel_size": 1, "pool_size": 1, "strides": 1, "dilation_rate": 1}
        given = {key: [settings[key], value] if key in settings else value for key, value in given.items()}
        return described(f"{name[:-2]}2D", given, shape)
    padding, activation = given.get("padding", "valid"), given.get("activation", "linear")
    size = pair(given.get("kernel_size", given.get("pool_size", 2)))
    steps = pair(given.get("strides", given.get("pool_size", 2) if "Pooling" in name else 1))
    match name:
        case "Conv2DTranspose":
            margin, holes = pair(given.get("output_padding")), pair(given.get("dilation_rate", 1))
            axes = transposed_windows(shape, size, steps, padding, holes, margin)
            return [conv2d_transpose(shape, axes, given["filters"], activation)]
        case "GlobalMaxPooling2D" | "GlobalAveragePooling2D":
            return [pooling("max" if "Max" in name else "average", shape, windows(shape, (shape[0], shape[1])))]
        case "MaxPooling2D" | "AveragePooling2D":
            return [pooling("max" if "Max" in name else "average", shape, windows(shape, size, steps, padding))]
        case "ZeroPadding2D":
            return [padding2d(shape, *zip(*given["padding"], strict=True))]
        case "Cropping2D":
            (top, bottom), (left, right) = given["cropping"]
            return [padding2d(shape, (-top, -left), (-bottom, -right))]
        case "UpSampling2D":
            return [upsampling2d(shape, tuple(given["size"]), bilinear="interpolation" in given)]
        case "Permute":
            return [permutation(shape, [axis - 1 for axis in given["dims"]])]
        case "Dense":
            return [dense(shape, given["units"], activation)]
        case "Softmax":
            return [by_channel("activation", shape, activation="softmax", alpha=0.0)]
        case "PReLU":
            return [by_channel("prelu", shape)]
        case "BatchNormalization" | "LayerNormalization":
            kind = "batch_normalization" if name.startswith("Batch") else "layer_normalization"
            momentum = {"momentum": 0.99} if name.startswith("Batch") else {}
            return [by_channel(kind, shape, epsilon=given["epsilon"], use_gamma=True, use_beta=True, **momentum)]
    axes = windows(shape, size, steps, padding, pair(given.get("dilation_rate", 1)))
    use_bias, groups = given.get("use_bias", True), given.get("groups", 1)
    if name == "Conv2D":
        return [conv2d(shape, axes, given["filters"], activation, groups=groups, use_bias=use_bias)]
    filters = shape[2] * given.get("depth_multiplier", 1)
    if name == "DepthwiseConv2D":
        return [conv2d(shape, axes, filters, activation, groups=shape[2])]
    assert name == "SeparableConv2D"
    first = conv2d(shape, axes, filters, groups=shape[2], use_bias=False)
    between = output_shape(first, shape)
    return [first, conv2d(between, windows(between, (1, 1)), given["filters"], activation)]


@pytest.mark.parametrize("entry", RECORDED, ids=lambda entry: f"{entry['layer']}{entry['arguments']}")
def test_values_and_gradients_are_those_of_keras(entry: dict[str, Any]) -> None:
    shape = tuple(entry["input_shape"])
    line = entry["layer"].endswith("1D")
    layers = described(entry["layer"], entry["arguments"], (1, *shape) if line else shape)
    start = list(weights([tuple(size) for size in entry["weights"]]))
    channels = [np.zeros(shape[-1]), np.ones(shape[-1])] if entry["layer"] == "BatchNormalization" else []
    x = inputs(entry["layer"], shape).reshape(BATCH, -1)
    network = Network(layers, x.shape[1], [weight.ravel() for weight in (*start, *channels)])
    y = network.predict(x)
    tolerance = 1e-6 if entry["layer"] in IN_SINGLE_PRECISION else 1e-12  # means, which Keras takes in float32
    assert y.shape == (BATCH, np.prod(entry["output_shape"]))
    assert_allclose(summary(y), entry["output"], rtol=tolerance, atol=tolerance)
    by_x = network.input_gradients(x, values(y.size, 200).reshape(y.shape))
    gradients = [by_x, *(gradient for layer in network.layers for gradient in layer.gradients)]
    assert [gradient.size for gradient in gradients[1:]] == [weight.size for weight in start]
    for gradient, expected in zip(gradients, entry["gradients"], strict=True):
        assert_allclose(summary(gradient), expected, rtol=tolerance, atol=tolerance)


def test_a_mask_of_spatial_dropout_holds_for_whole_channels() -> None:
    network = Network([spatial_dropout((2, 3, 4), 0.5, 7)], 24, [])
    y = network.predict(np.ones((5, 24))).reshape(5, 6, 4)
    assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    assert set(y.ravel()) == {0.0, 2.0}
    network.in_training(False)
    assert_array_equal(network.predict(np.ones((5, 24))), np.ones((5, 24)))
