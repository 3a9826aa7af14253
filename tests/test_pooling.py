"""Poolings: shapes, arguments as Keras has them, and values and gradients against the definition."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers
from fastnet.layers import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    Input,
    MaxPooling1D,
    MaxPooling2D,
)

X = np.random.default_rng(0).standard_normal((2, 7, 8, 3))
ALL = [
    lambda: MaxPooling2D((3, 2), 2, "same", name="pool"),
    lambda: AveragePooling2D(3),
    lambda: GlobalAveragePooling2D(keepdims=True),
    GlobalMaxPooling2D,
]
OF_SEQUENCES = [lambda: MaxPooling1D(3, 2), AveragePooling1D, GlobalAveragePooling1D, GlobalMaxPooling1D]


def apply(layer: layers.Layer, x: Any) -> np.ndarray:
    return fn.Sequential([layer], dtype="float64").predict(np.asarray(x, np.float64))


@pytest.mark.parametrize(
    ("layer", "shape", "output"),
    [
        (MaxPooling2D(), (7, 8, 3), (3, 4, 3)),
        (MaxPooling2D(padding="same"), (7, 8, 3), (4, 4, 3)),
        (AveragePooling2D((3, 2), 1), (7, 8, 3), (5, 7, 3)),
        (AveragePooling2D(2, (3, 1), "same"), (7, 8, 3), (3, 8, 3)),
        (MaxPooling1D(3, 2), (9, 4), (4, 4)),
        (AveragePooling1D(), (9, 4), (4, 4)),
        (GlobalMaxPooling2D(), (7, 8, 3), (3,)),
        (GlobalAveragePooling2D(keepdims=True), (7, 8, 3), (1, 1, 3)),
        (GlobalAveragePooling1D(), (9, 4), (4,)),
        (GlobalMaxPooling1D(keepdims=True), (9, 4), (1, 4)),
    ],
    ids=lambda value: value.default_name() if isinstance(value, layers.Layer) else None,
)
def test_shapes_are_those_of_keras(layer: layers.Layer, shape: tuple[int, ...], output: tuple[int, ...]) -> None:
    model = fn.Sequential([Input(shape), layer])
    assert model.output_shape == output
    assert layer.count_params() == 0
    assert model.predict(np.zeros((2, *shape))).shape == (2, *output)


def test_default_names_are_those_of_keras() -> None:
    names = ["max_pooling2d", "average_pooling1d", "global_average_pooling2d", "global_max_pooling1d"]
    kinds = [MaxPooling2D, AveragePooling1D, GlobalAveragePooling2D, GlobalMaxPooling1D]
    assert [kind.default_name() for kind in kinds] == names


@pytest.mark.parametrize("short", ["MaxPool2D", "AvgPool1D", "GlobalAvgPool2D", "GlobalMaxPool1D"])
def test_short_names_of_keras_are_the_same_classes(short: str) -> None:
    kind = getattr(layers, short)
    assert kind.__name__ == short.replace("Pool", "Pooling").replace("Avg", "Average")
    assert type(layers.get(short)) is kind


@pytest.mark.parametrize("make", [*ALL, *OF_SEQUENCES])
def test_a_configuration_is_json_and_makes_an_equal_layer(make: Any) -> None:
    layer, shape = make(), (9, 4) if make in OF_SEQUENCES else (7, 8, 3)
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert list(again.descriptions(shape)) == list(layer.descriptions(shape))


def test_configurations_have_the_keys_of_keras() -> None:
    config = MaxPooling2D(2, name="p").get_config()
    own = {"pool_size": [2, 2], "strides": [2, 2], "padding": "valid", "data_format": "channels_last"}
    assert config == {**own, "name": "p"}
    assert GlobalMaxPooling1D(name="p").get_config() == {"data_format": "channels_last", "keepdims": False, "name": "p"}


# --- Values ----------------------------------------------------------------------------------------------------------


def windows(x: np.ndarray, size: tuple[int, int], stride: tuple[int, int], fill: float) -> np.ndarray:
    """Return the windows of images that were padded behind by `fill` as needed, with the axes of a window last."""
    down, right = -(-x.shape[1] // stride[0]), -(-x.shape[2] // stride[1])
    behind = [(down - 1) * stride[0] + size[0] - x.shape[1], (right - 1) * stride[1] + size[1] - x.shape[2]]
    padded = np.pad(x, [(0, 0), (0, max(behind[0], 0)), (0, max(behind[1], 0)), (0, 0)], constant_values=fill)
    every = np.lib.stride_tricks.sliding_window_view(padded, size, axis=(1, 2))
    return every[:, :: stride[0], :: stride[1]][:, :down, :right]


def test_the_maximum_of_every_window() -> None:
    assert_array_equal(apply(MaxPooling2D(2), X), windows(X[:, :6], (2, 2), (2, 2), 0.0).max(axis=(-2, -1)))
    overlapping = np.lib.stride_tricks.sliding_window_view(X, (3, 2), axis=(1, 2)).max(axis=(-2, -1))
    assert_array_equal(apply(MaxPooling2D((3, 2), 1), X), overlapping)


def test_the_padding_is_never_the_maximum() -> None:
    x = X - 10.0
    assert_array_equal(
        apply(MaxPooling2D(2, padding="same"), x), windows(x, (2, 2), (2, 2), -np.inf).max(axis=(-2, -1))
    )


def test_the_padding_does_not_count_in_a_mean() -> None:
    found = windows(X, (2, 3), (2, 3), np.nan)
    assert_allclose(apply(AveragePooling2D((2, 3), padding="same"), X), np.nanmean(found, axis=(-2, -1)), rtol=1e-12)


def test_sequences_are_pooled_along_their_steps() -> None:
    x = X[:, :, 0]
    assert_array_equal(apply(MaxPooling1D(3, 2), x), np.stack([x[:, i : i + 3].max(axis=1) for i in (0, 2, 4)], axis=1))
    assert_allclose(apply(AveragePooling1D(7), x), x.mean(axis=1, keepdims=True), rtol=1e-12)


def test_global_pooling_leaves_one_value_of_each_channel() -> None:
    assert_allclose(apply(GlobalAveragePooling2D(), X), X.mean(axis=(1, 2)), rtol=1e-12)
    assert_array_equal(apply(GlobalMaxPooling2D(keepdims=True), X), X.max(axis=(1, 2), keepdims=True))
    assert_allclose(apply(GlobalAveragePooling1D(), X[:, 0]), X[:, 0].mean(axis=1), rtol=1e-12)
    assert_array_equal(apply(GlobalMaxPooling1D(), X[:, 0]), X[:, 0].max(axis=1))


def test_a_nan_is_the_maximum_of_its_window() -> None:
    x = np.arange(8.0).reshape(1, 2, 4, 1)
    x[0, 1, 0] = np.nan
    assert_array_equal(apply(MaxPooling2D(2), x).reshape(-1), [np.nan, 7.0])


def test_the_first_of_equal_maxima_has_the_gradient() -> None:
    model = fn.Sequential([Input((2, 4, 1)), MaxPooling2D(2)], dtype="float64")
    x = np.array([[0.0, 0.0, 1.0, 2.0], [0.0, 0.0, 2.0, 0.0]])[..., None]
    by_input = model.jacobian(x).sum(axis=(0, 1, 2))
    assert_array_equal(by_input[..., 0], [[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])


@pytest.mark.parametrize(
    "layer", [MaxPooling2D(3, 2, "same"), AveragePooling2D(3, 2, "same"), GlobalAveragePooling2D()]
)
def test_gradients_add_up_over_windows(layer: layers.Layer) -> None:
    model = fn.Sequential([Input((7, 8, 3)), layer], dtype="float64")
    outputs, step = model.predict(X[:1])[0], 1e-6
    by_input = model.jacobian(X[0])
    direction = np.random.default_rng(1).standard_normal(X[0].shape)
    moved = (model.predict((X[0] + step * direction)[None])[0] - outputs) / step
    assert_allclose(moved, np.tensordot(by_input, direction, axes=3), rtol=1e-6, atol=1e-8)


# --- FLOPs and errors ------------------------------------------------------------------------------------------------


def test_flops_count_every_value_of_every_window() -> None:
    for layer, flops in [(MaxPooling2D(2), 3 * 4 * 3 * 4), (AveragePooling2D(3, 1), 5 * 6 * 3 * 9)]:
        fn.Sequential([Input((7, 8, 3)), layer])
        assert layer.count_flops() == flops
    layer = GlobalAveragePooling2D()
    fn.Sequential([Input((7, 8, 3)), layer])
    assert layer.count_flops() == 7 * 8 * 3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: MaxPooling2D(0), ValueError, "pool_size must be at least 1; got 0"),
        (lambda: MaxPooling2D(2, 0), ValueError, "strides must be at least 1; got 0"),
        (lambda: MaxPooling1D((2, 2)), ValueError, "pool_size must be an integer or 1 integers"),
        (lambda: AveragePooling2D(padding="full"), ValueError, "padding must be one of 'valid', 'same'"),
        (lambda: MaxPooling2D(data_format="channels_first"), NotImplementedError, "channels_first"),
        (lambda: GlobalMaxPooling2D(keepdims=1), TypeError, "keepdims must be True or False"),
        (lambda: fn.Sequential([MaxPooling2D(8, input_shape=(7, 8, 3))]), ValueError, r"output of shape \(0, 1, 3\)"),
        (lambda: fn.Sequential([MaxPooling2D(2, input_shape=(7, 8))]), ValueError, r"Reshape\(\(7, 8, 1\)\)"),
        (lambda: fn.Sequential([GlobalMaxPooling1D(input_shape=(7, 8, 3))]), ValueError, r"shape \(steps, channels\)"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
