"""A convolution and the max pooling behind it, which the core computes together, give the bits of the two layers."""

from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet import layers

Shape = tuple[int, int, int]
ROWS, LABELS = 37, 4

CASES: dict[str, tuple[Shape, dict[str, Any], dict[str, Any]]] = {
    "LeNet": ((12, 12, 1), {"filters": 6, "kernel_size": 5}, {"pool_size": 2}),
    "whole vectors": ((10, 9, 3), {"filters": 32, "kernel_size": 3, "padding": "same"}, {"pool_size": 2}),
    "odd sizes": ((11, 7, 2), {"filters": 17, "kernel_size": 3}, {"pool_size": 2}),
    "odd sizes, same": ((11, 7, 2), {"filters": 7, "kernel_size": 2}, {"pool_size": 2, "padding": "same"}),
    "wide windows": ((13, 16, 1), {"filters": 5, "kernel_size": 3}, {"pool_size": (3, 4)}),
    "one window": ((6, 5, 3), {"filters": 8, "kernel_size": 3}, {"pool_size": (4, 3)}),
    "strides": ((15, 14, 4), {"filters": 9, "kernel_size": 3, "strides": 2, "padding": "same"}, {"pool_size": 2}),
    "dilation and groups": (
        (12, 12, 4),
        {"filters": 6, "kernel_size": 3, "dilation_rate": 2, "groups": 2, "use_bias": False},
        {"pool_size": 2},
    ),
    "many lines": ((64, 40, 1), {"filters": 24, "kernel_size": 3}, {"pool_size": 2}),
    "windows that overlap": ((9, 9, 2), {"filters": 5, "kernel_size": 3}, {"pool_size": 3, "strides": 2}),
    "large windows": ((40, 40, 1), {"filters": 3, "kernel_size": 3}, {"pool_size": 19}),
}


def model(case: str, activation: str, dtype: str, *, apart: bool) -> fn.Sequential:
    """Return a network of two such pairs; a layer that changes nothing keeps convolution and pooling apart."""
    shape, convolution, pooling = CASES[case]
    between, further = [[layers.Rescaling(1.0)] if apart else [] for _ in range(2)]
    pair = [layers.Conv2D(activation=activation, **convolution), *between, layers.MaxPooling2D(**pooling)]
    second = [layers.Conv2D(10, 1, activation=activation), *further, layers.MaxPooling2D((2, 1), padding="same")]
    dense = [layers.Flatten(), layers.Dense(LABELS, "softmax")]
    result = fn.Sequential([fn.Input(shape), *pair, *second, *dense], seed=1, dtype=dtype)
    result.compile("adam", "sparse_categorical_crossentropy")
    return result


def data(case: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(len(case))
    return rng.normal(size=(ROWS, *CASES[case][0])).astype(np.float32), rng.integers(0, LABELS, ROWS)


def assert_equal(arrays: Any, others: Any) -> None:
    """Biases may differ by rounding: their gradients are sums over other pixels, all others being zero."""
    for array, other in zip(arrays, others, strict=True):
        if array.ndim == 1:
            np.testing.assert_allclose(array, other, rtol=1e-4, atol=1e-6)
        else:
            np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
@pytest.mark.parametrize("case", CASES)
def test_predictions_and_gradients_are_those_of_two_layers(case: str, activation: str, dtype: str) -> None:
    x, y = data(case)
    both, two = (model(case, activation, dtype, apart=apart) for apart in (False, True))
    np.testing.assert_array_equal(both.predict(x, verbose=0), two.predict(x, verbose=0))
    loss, gradients = both.loss_and_gradients(x, y)
    expected, of_two = two.loss_and_gradients(x, y)
    assert loss == expected
    assert_equal(gradients, of_two)
    np.testing.assert_array_equal(both.input_gradients(x, y), two.input_gradients(x, y))
    np.testing.assert_array_equal(both.jacobian(x[:5]), two.jacobian(x[:5]))


@pytest.mark.parametrize("case", CASES)
def test_training_gives_the_same_bits_on_any_number_of_threads(case: str, thread_count: int) -> None:
    x, y = data(case)
    trained = model(case, "relu", "float32", apart=False)
    trained.fit(x, y, batch_size=16, epochs=2, verbose=0)
    fn.set_num_threads(1)
    one = model(case, "relu", "float32", apart=False)
    one.fit(x, y, batch_size=16, epochs=2, verbose=0)
    for array, other in zip(trained.get_weights(), one.get_weights(), strict=True):
        assert array.tobytes() == other.tobytes(), thread_count


def test_the_first_of_equal_values_gets_the_gradient() -> None:
    convolution = layers.Conv2D(1, 1, use_bias=False)
    ties = fn.Sequential([fn.Input((2, 2, 1)), convolution, layers.MaxPooling2D(2), layers.Flatten()])
    ties.compile("sgd", "mse")
    convolution.set_weights([np.ones((1, 1, 1, 1))])
    x = np.array([[[3.0], [3.0]], [[3.0], [1.0]]])[None]
    np.testing.assert_array_equal(ties.jacobian(x)[0, 0, :, :, 0], [[1, 0], [0, 0]])


def test_nan_in_a_window_gives_nan() -> None:
    network = fn.Sequential([fn.Input((2, 4, 1)), layers.Conv2D(3, 1), layers.MaxPooling2D(2)], seed=0)
    x = np.ones((1, 2, 4, 1), np.float32)
    x[0, 1, 1] = np.nan
    found = network.predict(x, verbose=0)
    assert np.isnan(found[0, 0, 0]).all()
    assert np.isfinite(found[0, 0, 1]).all()


def test_a_residual_that_begins_at_the_convolution_keeps_its_output() -> None:
    rng = np.random.default_rng(0)
    inner = [layers.MaxPooling2D(2), layers.UpSampling2D(2)]
    network = fn.Sequential(
        [fn.Input((4, 4, 2)), layers.Conv2D(3, 3, padding="same"), fn.Residual(inner)], seed=0, dtype="float64"
    )
    x = rng.normal(size=(2, 4, 4, 2))
    convolved = fn.Sequential([fn.Input((4, 4, 2)), layers.Conv2D(3, 3, padding="same")], dtype="float64")
    convolved.set_weights(network.get_weights())
    y = convolved.predict(x, verbose=0)
    largest = y.reshape(2, 2, 2, 2, 2, 3).max(axis=(2, 4)).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(network.predict(x, verbose=0), y + largest, rtol=1e-12)


def test_a_pooling_of_other_pixels_stays_a_layer_of_its_own() -> None:
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 1)).astype(np.float32)
    shaped = [layers.Conv2D(4, 3), layers.Reshape((8, 8, 1))]
    network = fn.Sequential([fn.Input((6, 6, 1)), *shaped, layers.MaxPooling2D(2)], seed=0)
    front = fn.Sequential([fn.Input((6, 6, 1)), *[type(layer).from_config(layer.get_config()) for layer in shaped]])
    front.set_weights(network.get_weights())
    y = front.predict(x, verbose=0)
    expected = y.reshape(3, 4, 2, 4, 2, 1).max(axis=(2, 4))
    np.testing.assert_array_equal(network.predict(x, verbose=0), expected)
