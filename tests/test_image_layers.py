"""Layers that add, cut off, repeat, permute or drop parts of images, and layers of rows on samples of any shape."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers
from fastnet.layers import (
    BatchNormalization,
    Cropping1D,
    Cropping2D,
    Dense,
    Input,
    LayerNormalization,
    Normalization,
    Permute,
    PReLU,
    Softmax,
    SpatialDropout1D,
    SpatialDropout2D,
    UpSampling1D,
    UpSampling2D,
    ZeroPadding1D,
    ZeroPadding2D,
)

X = np.random.default_rng(0).standard_normal((5, 4, 6, 3))
S = X[:, 0]  # sequences

ALL = [
    lambda: ZeroPadding2D(((1, 0), (2, 3)), name="p"),
    lambda: Cropping2D((1, 2)),
    lambda: UpSampling2D((1, 3), interpolation="bilinear"),
    lambda: Permute((3, 1, 2)),
    lambda: SpatialDropout2D(0.25, seed=3),
    lambda: PReLU("ones", shared_axes=[2, 1]),
    lambda: BatchNormalization(axis=3),
]
OF_SEQUENCES = [lambda: ZeroPadding1D((2, 0)), Cropping1D, lambda: UpSampling1D(3), lambda: SpatialDropout1D(0.5)]


def apply(layer: layers.Layer, x: Any) -> np.ndarray:
    return fn.Sequential([layer], dtype="float64").predict(np.asarray(x, np.float64))


def randomized(layer: layers.Layer) -> fn.Sequential:
    """Return a model of a layer for `X` in float64 whose weights are random and positive."""
    model = fn.Sequential([Input(X.shape[1:]), layer], dtype="float64", seed=0)
    rng = np.random.default_rng(1)
    model.set_weights([rng.random(array.shape) + 0.5 for array in model.get_weights()])
    return model


@pytest.mark.parametrize("make", [*ALL, *OF_SEQUENCES])
def test_a_configuration_is_json_and_makes_an_equal_layer(make: Any) -> None:
    layer, shape = make(), S.shape[1:] if make in OF_SEQUENCES else X.shape[1:]
    again = layers.deserialize(json.loads(json.dumps(layers.serialize(layer))))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert list(again.descriptions(shape)) == list(layer.descriptions(shape))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ZeroPadding2D, "zero_padding2d"),
        (Cropping1D, "cropping1d"),
        (UpSampling2D, "up_sampling2d"),
        (SpatialDropout2D, "spatial_dropout2d"),
        (PReLU, "p_re_lu"),
        (Permute, "permute"),
    ],
)
def test_default_names_are_those_of_keras(kind: type[layers.Layer], name: str) -> None:
    assert kind.default_name() == name


# --- Frames ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "pairs"), [(2, [(2, 2), (2, 2)]), ((1, 0), [(1, 1), (0, 0)]), (((0, 3), (1, 2)), [(0, 3), (1, 2)])]
)
def test_zeros_are_added_at_every_side_and_cut_off_again(given: Any, pairs: list[tuple[int, int]]) -> None:
    padded = np.pad(X, [(0, 0), *pairs, (0, 0)])
    assert_array_equal(apply(ZeroPadding2D(given), X), padded)
    assert_array_equal(apply(Cropping2D(given), padded), X)
    assert ZeroPadding2D(given).get_config()["padding"] == [list(pair) for pair in pairs]


def test_steps_of_zeros_are_added_and_cut_off_again() -> None:
    padded = np.pad(S, [(0, 0), (2, 1), (0, 0)])
    assert_array_equal(apply(ZeroPadding1D((2, 1)), S), padded)
    assert_array_equal(apply(Cropping1D((2, 1)), padded), S)
    assert_array_equal(apply(Cropping1D(), S), S[:, 1:-1])


def test_the_gradient_of_zeros_is_dropped() -> None:
    model = fn.Sequential([Input((1, 2, 1)), ZeroPadding2D(1), Cropping2D(((0, 1), (2, 0)))], dtype="float64")
    by_input = model.jacobian(np.ones((1, 2, 1)))
    assert by_input.sum() == 1.0
    assert by_input[1, 0, 0, 0, 1, 0] == 1.0


# --- Larger images ---------------------------------------------------------------------------------------------------


def test_upsampling_repeats_rows_and_columns() -> None:
    assert_array_equal(apply(UpSampling2D((2, 3)), X), X.repeat(2, axis=1).repeat(3, axis=2))
    assert_array_equal(apply(UpSampling1D(3), S), S.repeat(3, axis=1))


def test_bilinear_upsampling_interpolates_between_the_centers_of_pixels() -> None:
    x = np.array([[1.0, 3.0], [5.0, 11.0]])[None, :, :, None]
    rows = np.array([[1.0, 3.0], [2.0, 5.0], [4.0, 9.0], [5.0, 11.0]])
    expected = rows[:, [0, 0, 1, 1]] * [1.0, 0.75, 0.75, 1.0] + rows[:, [1, 1, 0, 0]] * [0.0, 0.25, 0.25, 0.0]
    assert_allclose(apply(UpSampling2D(2, interpolation="bilinear"), x)[0, :, :, 0], expected, rtol=1e-12)


# --- Order and dropout -----------------------------------------------------------------------------------------------


def test_permute_moves_the_dimensions() -> None:
    assert_array_equal(apply(Permute((3, 1, 2)), X), X.transpose(0, 3, 1, 2))
    assert_array_equal(apply(Permute((2, 1)), S), S.transpose(0, 2, 1))
    model = fn.Sequential([Input((2, 3, 4)), Permute((2, 3, 1))], dtype="float64")
    identity = np.eye(24).reshape(2, 3, 4, 2, 3, 4)
    assert_array_equal(model.jacobian(np.zeros((2, 3, 4))), identity.transpose(1, 2, 0, 3, 4, 5))


def test_spatial_dropout_drops_whole_channels_in_training_only() -> None:
    # The slopes are for a model that can be trained; no value is negative.
    dropout, slopes = SpatialDropout2D(0.25, seed=1), PReLU(shared_axes=[1, 2, 3])
    model = fn.Sequential([Input((4, 6, 32)), dropout, slopes, layers.Flatten()])
    seen = []

    def observed(_y_true: np.ndarray, y_pred: np.ndarray) -> float:
        seen.append(y_pred.reshape(8, 24, 32))
        return 0.0

    model.compile("sgd", "mse", metrics=[observed])
    x = np.ones((8, 4, 6, 32))
    assert_array_equal(model.predict(x), x.reshape(8, -1))
    model.train_on_batch(x, np.zeros((8, 4 * 6 * 32)))
    (masks,) = seen
    assert (masks == masks[:, :1]).all()
    assert_allclose(np.unique(masks), [0.0, 4 / 3], rtol=1e-6)
    assert 0.1 < (masks == 0.0).mean() < 0.4
    assert len(np.unique(masks[:, 0], axis=0)) == 8


def test_the_rate_of_spatial_dropout_can_change_at_any_time() -> None:
    layer = SpatialDropout2D(0.9)
    model = fn.Sequential([Input((2, 2, 3)), layer, layers.Flatten(), Dense(1)], seed=0, dtype="float64")
    model.compile("sgd", "mse")
    layer.rate = 0.0
    x, y = np.ones((4, 2, 2, 3)), np.ones((4, 1))
    evaluated = model.evaluate(x, y, verbose=0)
    assert model.train_on_batch(x, y) == pytest.approx(evaluated, rel=1e-12)
    assert layer.get_config()["rate"] == 0.0


# --- Layers of rows, on the last axis --------------------------------------------------------------------------------


def test_dense_multiplies_the_last_axis() -> None:
    model = randomized(Dense(5, "tanh"))
    kernel, bias = model.get_weights()
    assert kernel.shape == (3, 5)
    assert model.output_shape == (4, 6, 5)
    assert model.layers[0].count_flops() == 4 * 6 * 5 * (2 * 3 + 2)
    assert_allclose(model.predict(X), np.tanh(X @ kernel + bias), rtol=1e-12)


@pytest.mark.parametrize("layer", [Softmax(), layers.Activation("softmax"), Dense(3, "softmax")])
def test_softmax_acts_on_the_last_axis(layer: layers.Layer) -> None:
    outputs = randomized(layer).predict(X)
    assert_allclose(outputs.sum(axis=-1), 1.0, rtol=1e-12)
    if not isinstance(layer, Dense):
        exponentials = np.exp(X)
        assert_allclose(outputs, exponentials / exponentials.sum(axis=-1, keepdims=True), rtol=1e-12)


def test_layer_normalization_normalizes_the_channels_of_a_pixel() -> None:
    model = randomized(LayerNormalization(axis=3, epsilon=0.1))
    gamma, beta = model.get_weights()
    assert gamma.shape == (3,)
    centered = X - X.mean(axis=-1, keepdims=True)
    expected = gamma * centered / np.sqrt(X.var(axis=-1, keepdims=True) + 0.1) + beta
    assert_allclose(model.predict(X), expected, rtol=1e-12)


def test_batch_normalization_takes_the_moments_of_all_pixels_of_a_channel() -> None:
    model = randomized(BatchNormalization(axis=-1, momentum=0.75, epsilon=0.1))
    gamma, beta, mean, variance = model.get_weights()
    assert gamma.shape == (3,)
    assert_allclose(model.predict(X), gamma * (X - mean) / np.sqrt(variance + 0.1) + beta, rtol=1e-12)
    model.compile(fn.optimizers.SGD(0.0), "mse")
    loss = model.train_on_batch(X, X)
    batch_mean, batch_variance = X.mean(axis=(0, 1, 2)), X.var(axis=(0, 1, 2))
    normalized = gamma * (X - batch_mean) / np.sqrt(batch_variance + 0.1) + beta
    assert_allclose(loss, np.square(normalized - X).mean(), rtol=1e-12)
    _, _, moved_mean, moved_variance = model.get_weights()
    assert_allclose(moved_mean, 0.75 * mean + 0.25 * batch_mean, rtol=1e-12)
    assert_allclose(moved_variance, 0.75 * variance + 0.25 * batch_variance, rtol=1e-12)


@pytest.mark.parametrize("built", [True, False])
def test_normalization_adapts_to_the_channels(built: bool) -> None:
    x = np.random.default_rng(2).integers(0, 256, (50, 4, 6, 3)).astype(np.uint8)
    layer = Normalization(axis=3)
    model = fn.Sequential([Input((4, 6, 3))], dtype="float64")
    if built:
        model.add(layer)
    layer.adapt(x)
    if not built:
        model.add(layer)
    mean, variance = layer.get_weights()
    assert_allclose(mean, x.mean(axis=(0, 1, 2)), rtol=1e-12)
    assert_allclose(variance, x.var(axis=(0, 1, 2)), rtol=1e-12)


def test_normalization_of_all_values_has_one_mean_of_images() -> None:
    layer = Normalization(axis=None)
    layer.adapt(X)
    assert_allclose(apply(layer, X), (X - X.mean()) / X.std(), rtol=1e-12)


@pytest.mark.parametrize(
    ("shared", "shape"),
    [(None, (4, 6, 3)), (1, (1, 6, 3)), ([1, 2], (1, 1, 3)), ([2, 1], (1, 1, 3)), ([1, 2, 3], (1, 1, 1))],
)
def test_prelu_shares_slopes_along_axes(shared: Any, shape: tuple[int, ...]) -> None:
    model = randomized(PReLU(shared_axes=shared))
    (alpha,) = model.get_weights()
    assert alpha.shape == shape
    assert_allclose(model.predict(X), np.where(X > 0, X, alpha * X), rtol=1e-12)
    model.compile("sgd", "mse")
    _, (gradient,) = model.loss_and_gradients(X, np.zeros(X.shape))
    by_slope = 2 * np.where(X > 0, 0.0, alpha * X * X) / X[0].size / len(X)
    axes = (0, *(axis + 1 for axis, size in enumerate(shape) if size == 1))
    assert_allclose(gradient, by_slope.sum(axis=axes).reshape(shape), rtol=1e-10)


# --- FLOPs and errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "flops"),
    [
        (ZeroPadding2D(), 0),
        (Cropping2D(1), 0),
        (Permute((2, 1, 3)), 0),
        (SpatialDropout2D(0.5), 0),
        (UpSampling2D(2), 0),
        (UpSampling2D(2, interpolation="bilinear"), 7 * 8 * 12 * 3),
        (PReLU(shared_axes=[1, 2]), 4 * 6 * 3),
    ],
)
def test_moving_values_takes_no_flops(layer: layers.Layer, flops: int) -> None:
    fn.Sequential([Input((4, 6, 3)), layer])
    assert layer.count_flops() == flops


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ZeroPadding2D(-1), ValueError, "padding must be at least 0; got -1"),
        (lambda: Cropping2D((1, 2, 3)), ValueError, "cropping must be an integer, or 2 integers or pairs"),
        (lambda: fn.Sequential([Cropping2D(2, input_shape=(4, 6, 3))]), ValueError, r"output of shape \(0, 2, 3\)"),
        (lambda: fn.Sequential([Cropping1D(3, input_shape=(6, 3))]), ValueError, r"output of shape \(0, 3\)"),
        (lambda: UpSampling2D(0), ValueError, "size must be at least 1; got 0"),
        (lambda: UpSampling2D(interpolation="bicubic"), NotImplementedError, "interpolation='bicubic'"),
        (lambda: UpSampling2D(interpolation="cubic"), ValueError, "interpolation must be one of 'nearest', 'bilinear'"),
        (lambda: fn.Sequential([UpSampling2D(2**31 - 1, input_shape=(9, 9, 9))]), ValueError, "number of values"),
        (lambda: Permute((0, 1)), ValueError, "every entry of dims must be at least 1; got 0"),
        (lambda: Permute((1, 3)), ValueError, r"dims must have every integer from 1 to 2 once; got \(1, 3\)"),
        (lambda: Permute(2), TypeError, "dims must be a tuple of integers"),
        (lambda: fn.Sequential([Permute((2, 1), input_shape=(2, 3, 4))]), ValueError, r"do not fit .* \(2, 3, 4\)"),
        (lambda: fn.Sequential([Permute((1, 2, 3, 4), input_shape=(2, 3, 4, 5))]), NotImplementedError, "at most 3"),
        (lambda: SpatialDropout2D(1.0), ValueError, "rate must be at least 0 and below 1; got 1"),
        (lambda: fn.Sequential([SpatialDropout2D(0.5, input_shape=(6, 3))]), ValueError, "height, width, channels"),
        (lambda: layers.Flatten("channels_first"), NotImplementedError, "channels_first"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
