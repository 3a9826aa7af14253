"""The activation functions with Keras's arguments, against NumPy in float64."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import activations, functional

X = np.random.default_rng(0).normal(scale=3.0, size=(4, 6))


@pytest.mark.parametrize("slope", [0.0, 0.25])
@pytest.mark.parametrize("most", [None, 2.0, 6.0])
@pytest.mark.parametrize("threshold", [0.0, 1.5, -1.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_relu_has_the_options_of_keras(dtype: Any, threshold: float, most: float | None, slope: float) -> None:
    x = X.astype(dtype)
    above = np.where(threshold < X, X, 0.0)
    expected = (above if most is None else np.clip(above, 0.0, most)) - slope * np.maximum(threshold - X, 0.0)
    if threshold == 0.0 and most is None:
        expected = np.where(X > 0, X, slope * X)
    result = activations.relu(x, slope, most, threshold)
    assert result.dtype == dtype
    assert_allclose(result, expected, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


def test_leaky_relu_has_the_slope_of_keras_as_a_function_and_as_a_layer() -> None:
    assert_allclose(activations.leaky_relu(X), np.where(X > 0, X, 0.2 * X))
    assert fn.Dense(2, activation=activations.leaky_relu).activation.alpha == 0.2
    assert fn.Dense(2, activation=functional.leaky_relu).activation.alpha == 0.01


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_glu_is_one_half_times_the_sigmoid_of_the_other(axis: int) -> None:
    first, second = np.split(X, 2, axis=axis)
    assert_allclose(activations.glu(X, axis), first / (1 + np.exp(-second)))
    with pytest.raises(ValueError, match="x must have an even size along axis 0"):
        activations.glu(np.ones((3, 2)), axis=0)


@pytest.mark.parametrize("scale", [0.1, 1.0, 1e6])
def test_sparsemax_is_the_closest_distribution(scale: float) -> None:
    x = X * scale
    p = activations.sparsemax(x)
    assert_allclose(p.sum(axis=1), 1.0)
    assert (p >= 0.0).all()
    # The conditions of Karush, Kuhn and Tucker: x - p is the same where p is positive, and less elsewhere.
    for row, of_row in zip(x, p, strict=True):
        rest = row - of_row
        assert np.ptp(rest[of_row > 0]) < 1e-9 * scale
        assert (rest[of_row == 0] <= rest[of_row > 0].max() + 1e-9 * scale).all()
    assert_allclose(activations.sparsemax(x, axis=0), activations.sparsemax(x.T).T)


def test_threshold_keeps_what_is_above() -> None:
    assert_array_equal(activations.threshold(X, 0.5, -2.0), np.where(X > 0.5, X, -2.0))


@pytest.mark.parametrize("axis", [-1, 0, 1, 2, (1, 2), (0, 2), (2, 0), (0, 1, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_takes_any_axes_and_has_its_gradient(dtype: Any, axis: Any) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 4))
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    expected = e / e.sum(axis=axis, keepdims=True)
    eps = 16 * np.finfo(dtype).eps
    assert_allclose(activations.softmax(x.astype(dtype), axis), expected, rtol=eps)
    assert_allclose(activations.log_softmax(x.astype(dtype), axis), np.log(expected), rtol=eps)
    if dtype == np.float32:
        return
    g = np.random.default_rng(2).normal(size=x.shape)
    for name in ("softmax", "log_softmax"):
        function: Callable[..., Any] = getattr(functional, name)
        by_x = getattr(functional, f"{name}_backward")(g, function(x, axis), axis)
        for index in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[index] = 1e-6
            slope = ((function(x + step, axis) - function(x - step, axis)) * g).sum() / 2e-6
            assert by_x[index] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_nan_gives_nan() -> None:
    x = np.array([1.0, np.nan])
    assert np.isnan(activations.relu(x, max_value=2.0)[1])
    assert np.isnan(activations.relu(x, negative_slope=0.1, threshold=1.0)[1])
    assert np.isnan(activations.threshold(x, 0.0, 1.0)[1])
    assert np.isnan(activations.sparsemax(x)).all()


def test_names_and_functions_stand_for_each_other() -> None:
    functions = [name for name in activations.__all__ if name not in ("get", "serialize", "deserialize")]
    for name in functions:
        function = activations.get(name)
        assert activations.get(function) is function
        assert activations.deserialize(activations.serialize(function)) is function
    assert activations.get(None) is activations.linear
    assert activations.get("swish") is activations.silu
    with pytest.raises(ValueError, match=r"must be one of 'celu', .*; got 'rellu'; did you mean 'relu'\?"):
        activations.get("rellu")
    with pytest.raises(TypeError, match="must be None, a name or a function; got 3"):
        activations.get(3)
    with pytest.raises(ValueError, match=r"must be a function of fastnet\.activations"):
        activations.serialize(np.tanh)


@pytest.mark.parametrize(
    ("options", "activation"),
    [
        ({}, "relu"),
        ({"max_value": 6.0}, "relu6"),
        ({"max_value": 2}, {"name": "relu6", "max_value": 2.0}),
        ({"negative_slope": 0.1}, {"name": "leaky_relu", "negative_slope": 0.1}),
        ({"threshold": 0.5}, {"name": "thresholded_relu", "theta": 0.5}),
    ],
)
def test_the_layer_relu_has_them_as_activations(options: dict[str, float], activation: Any) -> None:
    layer = fn.layers.ReLU(**options, input_shape=(6,))
    assert layer.activation.config == activation
    again = fn.layers.deserialize(fn.layers.serialize(layer))
    model = fn.Sequential([again], dtype="float64")
    assert_allclose(model.predict(X), activations.relu(X, **options))
    with pytest.raises(ValueError, match="max_value must be at least 0"):
        fn.layers.ReLU(max_value=-1.0)


SEVERAL = [
    {"max_value": most, "negative_slope": slope, "threshold": threshold}
    for most in (None, 0.0, 2.5, 6.0)
    for slope in (0.0, 0.3)
    for threshold in (0.0, 1.0, 4.0)
    if (most is not None) + (slope > 0) + (threshold > 0) > 1
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", SEVERAL)
def test_the_layer_relu_has_several_at_once(options: dict[str, Any], dtype: Any, tmp_path: Path) -> None:
    x = np.linspace(-3.0, 9.0, 49, dtype=dtype).reshape(7, 7)
    layer = fn.layers.deserialize(fn.layers.serialize(fn.layers.ReLU(**options)))
    assert {name: getattr(layer, name) for name in options} == options
    model = fn.Sequential([fn.Input((7,)), layer], dtype=dtype)
    expected = activations.relu(x, **options)
    assert_array_equal(model.predict(x), expected)
    assert_array_equal(copy.deepcopy(model).predict(x), expected)
    for ending in ("safetensors", "keras"):
        model.save(tmp_path / f"m.{ending}")
        assert_array_equal(fn.load_model(tmp_path / f"m.{ending}").predict(x), expected)
    assert layer.count_flops() == 7 * sum(part.count_flops() // 7 for part in layer.parts)


@pytest.mark.parametrize("options", SEVERAL)
def test_gradients_of_several_options_are_slopes(options: dict[str, Any]) -> None:
    x = np.linspace(-3.0, 9.0, 48).reshape(6, 8) + 0.01
    model = fn.Sequential([fn.Input((8,)), fn.layers.ReLU(**options)], dtype="float64")
    model.compile("sgd", fn.losses.MeanSquaredError(reduction="sum"))
    y = model.predict(x)
    above = (x > options["threshold"]) & (x < (np.inf if options["max_value"] is None else options["max_value"]))
    slopes = np.where(x > options["threshold"], above, options["negative_slope"])
    assert_allclose(model.input_gradients(x, y + 4.0), -slopes)


def test_several_options_of_relu_are_a_layer_of_their_own() -> None:
    several = fn.layers.ReLU(max_value=6, negative_slope=0.1)
    with pytest.raises(NotImplementedError, match="several of its options is a layer of its own"):
        fn.Dense(2, activation=several)
    with pytest.raises(AttributeError, match="max_value cannot change: make a new layer"):
        several.max_value = 3.0
    model = fn.Sequential([fn.Dense(2, input_shape=(2,)), several], seed=0)
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match="plot_backpropagation draws layers Dense and activations; 're_lu'"):
        fn.plotting.plot_backpropagation(model, [1.0, 2.0], [0.0, 1.0])


def test_parameters_of_layers_are_checked() -> None:
    assert fn.Dense(2, activation={"name": "celu", "alpha": 2.0}).activation.alpha == 2.0
    for name, parameter in (("celu", "alpha"), ("squareplus", "b")):
        with pytest.raises(ValueError, match=f"{parameter} must be above 0; got 0"):
            fn.Dense(2, activation={"name": name, parameter: 0.0})


def test_softmax_takes_the_last_axis_by_its_number() -> None:
    model = fn.Sequential([fn.layers.Softmax(axis=2, input_shape=(3, 4))], dtype="float64")
    x = np.random.default_rng(3).normal(size=(2, 3, 4))
    assert_allclose(model.predict(x), activations.softmax(x, axis=2))
    assert fn.layers.deserialize(fn.layers.serialize(model.layers[0])).axis == 2
    with pytest.raises(NotImplementedError, match="only the last axis"):
        fn.Sequential([fn.layers.Softmax(axis=1, input_shape=(3, 4))])
