"""The compiled core's layers of images compute what the reference does: values and all gradients, in any geometry."""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import image_descriptions as describe
import reference
from fastnet import _core
from image_cases import BATCHES, CHANNELS, LAYERS, SGD, SIZES, arrays_of, assert_near, conv2d, core_of, drawn_shape
from image_descriptions import Description, Shape
from reference_images import Axis
from reference_networks import Network

# Relative to the largest number of an array: a sum of n terms is some sqrt(n) roundings of 1e-16 (6e-8) from the exact one.
TOLERANCE = {np.float64: 1e-12, np.float32: 1e-5}


def assert_is_the_reference(
    layers: Sequence[Description],
    size: int,
    batch: int,
    dtype: Any = np.float64,
    *,
    whole: bool = False,
    seed: int = 0,
    by_inputs: bool = True,
) -> None:
    """Compare predictions, their derivatives by the inputs, the loss and its gradients; `whole` inputs are often equal."""
    rng = np.random.default_rng(seed)
    core, weights = core_of(layers, size, dtype, seed=seed)
    network, tolerance = Network(layers, size, weights), TOLERANCE[dtype]
    x = (rng.integers(-1, 3, (batch, size)) if whole else rng.normal(size=(batch, size))).astype(dtype)
    network.in_training(False)
    expected = network.predict(x)
    y = rng.normal(size=expected.shape).astype(dtype)
    assert_near([core.predict(x, 256)], [expected], tolerance)
    if by_inputs:
        expected = network.input_gradients(x.astype(np.float64), y.astype(np.float64))
        assert_near([core.differentiate(x, "weighted_outputs", y)], [expected], tolerance, least=0.01)
    network.in_training(True)
    loss, gradients = core.loss_and_gradients(x, y, None)
    expected_loss, expected_gradients = network.loss_and_gradients(x, y)
    assert loss == pytest.approx(expected_loss, rel=tolerance)
    assert_near(arrays_of(core, gradients), expected_gradients, tolerance, least=0.01 / y.size)


def assert_is_the_reference_anywhere(layer: Description, shape: Shape, batch: int, **options: Any) -> None:
    """Compare a layer as the first one, and behind one whose kernel, with one row for each sample, is the images."""
    size = prod(shape)
    assert_is_the_reference([layer], size, batch, **options)
    if not options.pop("whole", False):
        images = describe.dense((batch,), size, use_bias=False)
        assert_is_the_reference([images, layer], batch, batch, by_inputs=False, **options)


# ---- Values and gradients --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYERS)
@settings(max_examples=25)
@given(data=st.data())
def test_a_layer_is_the_reference(kind: str, data: st.DataObject) -> None:
    def pick(*choices: Any) -> Any:
        return data.draw(st.sampled_from(choices))

    batch = pick(*BATCHES)
    shape = drawn_shape(pick, batch)
    layer = LAYERS[kind](pick, shape)
    whole = kind == "max_pooling2d" and pick(False, True)
    assert_is_the_reference_anywhere(layer, shape, batch, whole=whole, seed=pick(0, 1))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("shape", [(17, 16, 3), (9, 1, 33), (8, 31, 8)])
def test_a_layer_in_single_precision_is_the_reference(kind: str, shape: Shape) -> None:
    rng = np.random.default_rng(sum(shape))
    for _ in range(4):
        layer = LAYERS[kind](lambda *choices: choices[rng.integers(len(choices))], shape)
        assert_is_the_reference_anywhere(layer, shape, 7, dtype=np.float32)


@pytest.mark.parametrize("kind", ["conv2d", "conv2d_transpose", "dense"])
@pytest.mark.parametrize("activation", _core.activation_names())
def test_an_activation_of_a_layer_acts_on_every_pixel(kind: str, activation: str) -> None:
    shape, rng = (5, 4, 3), np.random.default_rng(0)
    axes = describe.transposed_windows(shape, (3, 2)) if kind == "conv2d_transpose" else describe.windows(shape, (3, 2))
    layer = (
        describe.dense(shape, 17, activation)
        if kind == "dense"
        else getattr(describe, kind)(shape, axes, 17, activation)
    )
    assert_is_the_reference([layer], prod(shape), 5)
    apart = {**layer, "activation": "linear"}
    later = describe.by_channel("activation", describe.output_shape(layer, shape), activation=activation, alpha=0.2)
    x = rng.normal(size=(5, prod(shape)))
    together, separate = (core_of(layers, prod(shape))[0] for layers in ([layer], [apart, later]))
    assert_array_equal(together.predict(x, 5), separate.predict(x, 5))


@pytest.mark.parametrize("kind", ["dense", "conv2d"])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("rows", [1, 2, 4, 16])
def test_a_softmax_takes_the_rows_that_it_is_told_whatever_made_them(kind: str, name: str, rows: int) -> None:
    made = {
        "dense": describe.dense((8,), 16),
        "conv2d": describe.conv2d((2, 4, 1), describe.windows((2, 4, 1), (1, 1)), 2),
    }
    softmax = {"type": "activation", "activation": name, "alpha": 0.0, "positions": rows}
    assert_is_the_reference([made[kind], softmax], 8, 5)
    core, weights = core_of([made[kind], softmax], 8)
    x, y = np.random.default_rng(0).normal(size=(2, 5, 16))
    core.train_epoch(x[:, :8], y, None, 5, None, None)
    network = Network([made[kind], softmax], 8, weights)
    network.fit(x[:, :8], y, reference.SGD(SGD["learning_rate"]), 5)
    assert_near([core.get_parameters()], [np.concatenate(network.weights, axis=None)], TOLERANCE[np.float64])


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
@pytest.mark.parametrize("filters", [6, 12, 30])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_groups_see_their_channels(groups: int, filters: int, size: int) -> None:
    shape = 8, 9, 6
    layer = describe.conv2d(shape, describe.windows(shape, (size, size), padding="same"), filters, groups=groups)
    assert_is_the_reference_anywhere(layer, shape, 3)


@pytest.mark.parametrize("batch", [1, 2, 3, 17, 64, 300])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_image_of_one_channel_is_convolved_in_any_batch(batch: int, dtype: Any) -> None:
    shape = 12, 12, 1
    layer = describe.conv2d(shape, describe.windows(shape, (5, 5), padding="same"), 8, "relu")
    assert_is_the_reference_anywhere(layer, shape, batch, dtype=dtype)


def test_windows_beside_the_image_see_zeros() -> None:
    shape = 1, 2, 3
    axes = Axis(1, 2, 1, dilation=2, before=1), Axis(2, 3, 2)
    assert_is_the_reference_anywhere(describe.conv2d(shape, axes, 4), shape, 3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", CHANNELS)
def test_the_largest_and_the_mean_of_whole_images(size: int, channels: int) -> None:
    shape = size, 3, channels
    rng = np.random.default_rng(size)
    x = rng.normal(size=(4, *shape))
    for kind, expected in (("max", x.max(axis=(1, 2))), ("average", x.mean(axis=(1, 2)))):
        layer = describe.pooling(kind, shape, describe.windows(shape, (size, 3)))
        result = core_of([layer], prod(shape))[0].predict(x.reshape(4, -1), 4)
        assert_near([result], [expected], 1e-14)


def test_weights_have_the_shapes_of_keras() -> None:
    shape = 4, 5, 6
    axes, transposed_axes = describe.windows(shape, (2, 3)), describe.transposed_windows(shape, (2, 3))
    shapes = {
        (2, 3, 3, 8): describe.conv2d(shape, axes, 8, groups=2, use_bias=False),
        (2, 3, 1, 12): describe.conv2d(shape, axes, 12, groups=6, use_bias=False),
        (2, 3, 8, 6): describe.conv2d_transpose(shape, transposed_axes, 8, use_bias=False),
        (6, 8): describe.dense(shape, 8, use_bias=False),
        (6,): describe.by_channel("prelu", shape),
    }
    for expected, layer in shapes.items():
        (slot,) = core_of([layer], prod(shape))[0].parameter_slots
        assert slot[2:] == (0, expected, True)


# ---- The largest of a window -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("channels", CHANNELS)
def test_nan_in_a_window_gives_nan(channels: int, dtype: Any) -> None:
    shape, rng = (7, 8, channels), np.random.default_rng(0)
    layer = describe.pooling("max", shape, describe.windows(shape, (3, 2), (2, 2), "same"))
    core, weights = core_of([layer], prod(shape), dtype)
    network = Network([layer], prod(shape), weights)
    for _ in range(20):
        x = rng.normal(size=(2, prod(shape))).astype(dtype)
        x[rng.integers(2), rng.integers(prod(shape), size=3)] = np.nan
        x[rng.integers(2), rng.integers(prod(shape))] = rng.choice([np.inf, -np.inf])
        assert_array_equal(core.predict(x, 2), network.predict(x).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_first_of_the_largest_gets_the_gradient(dtype: Any) -> None:
    shape = 4, 6, 2
    layer = describe.pooling("max", shape, describe.windows(shape, (2, 2), (2, 2)))
    by_input = core_of([layer], prod(shape), dtype)[0].differentiate(
        np.zeros((1, prod(shape)), dtype), "weighted_outputs", np.ones((1, 12), dtype)
    )
    expected = np.zeros(shape)
    expected[::2, ::2] = 1.0
    assert_array_equal(by_input.reshape(shape), expected)


@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 1)])
@pytest.mark.parametrize("channels", [1, 5, 16])
def test_a_rectified_convolution_before_pooling_is_both_in_turn(strides: tuple[int, int], channels: int) -> None:
    shape = 10, 9, channels
    conv = describe.conv2d(shape, describe.windows(shape, (3, 3)), 7, "relu")
    inner = describe.output_shape(conv, shape)
    pool = describe.pooling("max", inner, describe.windows(inner, (2, 2), strides, "same"))
    assert_is_the_reference([conv, pool], prod(shape), 6)


# ---- Several layers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 17, 64])
def test_a_residual_block_of_convolutions_is_the_reference(batch: int) -> None:
    shape = 6, 5, 4
    conv = describe.conv2d(shape, describe.windows(shape, (3, 3), padding="same"), 4, "tanh")
    normalized = {"momentum": 0.9, "epsilon": 0.1, "use_gamma": True, "use_beta": True}
    block = [{"type": "residual_begin"}, conv, conv, {"type": "residual_end"}]
    layers = [conv, *block, describe.by_channel("batch_normalization", shape, **normalized), *block]
    assert_is_the_reference(layers, prod(shape), batch)


@pytest.mark.parametrize("batch", [7, 64, 130, 300])
@pytest.mark.parametrize("shape", [(8, 8, 6), (3, 4, 16)])
@pytest.mark.parametrize("behind", ["conv2d", "max_pooling2d"])
def test_a_batch_normalization_takes_the_whole_batch_whatever_is_behind_it(
    behind: str, shape: Shape, batch: int
) -> None:
    rng = np.random.default_rng(1)
    conv = describe.conv2d(shape, describe.windows(shape, (3, 3), padding="same"), shape[2], "tanh")
    normalized = describe.by_channel(
        "batch_normalization", shape, momentum=0.9, epsilon=0.1, use_gamma=True, use_beta=True
    )
    last = LAYERS[behind](lambda *choices: choices[rng.integers(len(choices))], shape)
    assert_is_the_reference([conv, normalized, last], prod(shape), batch)


@settings(max_examples=30)
@given(data=st.data())
def test_convolutions_in_a_row_are_the_reference(data: st.DataObject) -> None:
    def pick(*choices: Any) -> Any:
        return data.draw(st.sampled_from(choices))

    batch = pick(1, 2, 17)
    shape = drawn_shape(pick, 8 * batch, (1, 2, 5, 8, 9), (1, 3, 8))
    layers, size = [], prod(shape)
    for _ in range(3):
        layers.append(conv2d(pick, shape, pick("linear", "relu", "tanh", "gelu")))
        shape = describe.output_shape(layers[-1], shape)
    assert_is_the_reference(layers, size, batch)


def test_a_softmax_of_pixels_is_not_joined_with_the_cross_entropy_of_a_row() -> None:
    """The loss is that of the outputs, which have several distributions in a row."""
    shape = 2, 3, 4
    layer = describe.conv2d(shape, describe.windows(shape, (1, 1)), 4, "softmax")
    core = core_of([layer], prod(shape), np.float64, loss="categorical_crossentropy")[0]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, prod(shape))), rng.dirichlet(np.ones(24), 3)
    shares = core.predict(x, 3)
    np.testing.assert_allclose(shares.reshape(3, 6, 4).sum(axis=2), 1.0)
    expected = -(y * np.log(shares / shares.sum(axis=1, keepdims=True))).sum(axis=1).mean()
    np.testing.assert_allclose(core.loss_and_gradients(x, y, None)[0], expected, rtol=1e-12)
