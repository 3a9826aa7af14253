"""ELU, GELU and the other activations beyond the first few: bounds of their errors, limits, slopes, names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import reference
from cases import DTYPES, LAYOUTS, takes_input
from fastnet import _core
from fastnet.functional.activations import table
from fastnet.layers import ELU, Activation, Dense
from reference_activations import ACTIVATIONS, BOUNDS, LIMITS

RECORDED = json.loads((Path(__file__).parent / "data" / "activations.json").read_text(encoding="utf-8"))
ALPHA = {"leaky_relu": 0.2, "elu": 1.5}  # of the recorded numbers
NAMES = sorted(ACTIVATIONS)
ELEMENTWISE = [name for name in NAMES if not table.ACTIVATIONS[name].by_row]
FROM_INPUT = [name for name in _core.activation_names() if takes_input(name)]


def grid(dtype: Any, widest: float = 80.0) -> np.ndarray:
    fine = np.linspace(-widest, widest, 40_001)
    small = np.concatenate([sign * 10.0 ** np.linspace(-30, 0, 301) for sign in (1, -1)])
    return np.concatenate([fine, fine / 10, small, [0.0]]).astype(dtype)


def bound(name: str, x: np.ndarray, dtype: Any) -> np.ndarray:
    return BOUNDS.get(name, lambda x: np.full(x.shape, 6.0))(x) * np.finfo(dtype).eps


def default(name: str) -> float:
    """The parameter of a layer that names the activation alone."""
    parameter = table.ACTIVATIONS[name].parameter
    return 0.0 if parameter is None else parameter[1]


def core(name: str, x: np.ndarray, alpha: float | None = None) -> np.ndarray:
    return _core.activation(name, x, default(name) if alpha is None else alpha)


def core_backward(name: str, gradient: np.ndarray, second: np.ndarray) -> np.ndarray:
    return _core.activation_backward(name, gradient, second, default(name))


# --- Values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_value_is_within_its_bound(dtype: Any, name: str) -> None:
    x = grid(dtype)
    with np.errstate(all="ignore"):
        expected = ACTIVATIONS[name][0](x.astype(np.float64))
    kept = (np.abs(expected) > 10 * np.finfo(dtype).tiny) & (np.abs(expected) < np.finfo(dtype).max) | (expected == 0)
    if name == "hard_sigmoid":  # x + 3 loses the digits of x near -3
        kept &= np.abs(x + 3) > 0.1
    result, x, expected = core(name, x)[kept], x[kept].astype(np.float64), expected[kept]
    error = np.abs(result - expected) / np.where(expected == 0, 1, np.abs(expected))
    worst = (error / bound(name, x, dtype)).argmax()
    assert (error <= bound(name, x, dtype)).all(), f"{error[worst] / np.finfo(dtype).eps} eps at {x[worst]}"


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_slope_is_within_its_bound(dtype: Any, name: str) -> None:
    x = grid(dtype, widest=30.0)
    x = x[(np.abs(np.abs(x) - 3.0) > 1e-3)]
    with np.errstate(all="ignore"):
        expected = ACTIVATIONS[name][1](np.ones(x.shape), x.astype(np.float64))
    second = x if name in FROM_INPUT else core(name, x)
    result = core_backward(name, np.ones_like(x), second)
    # Slopes are sums of terms near 1: the error is a few eps of 1, more where an exponential is large.
    scale = np.maximum(1.0, np.abs(expected))
    assert (np.abs(result - expected) <= 20 * np.finfo(dtype).eps * scale).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_bits(layout: str, dtype: Any, name: str) -> None:
    x = np.random.default_rng(0).normal(scale=3.0, size=(13, 37)).astype(dtype)
    expected = core(name, x)
    assert_array_equal(core(name, LAYOUTS[layout](x)), expected)
    assert_allclose(
        expected,
        ACTIVATIONS[name][0](x.astype(np.float64)),
        rtol=1e4 * np.finfo(dtype).eps,
        atol=400 * np.finfo(dtype).eps,
    )
    gradient = np.random.default_rng(1).normal(size=x.shape).astype(dtype)
    second = x if name in FROM_INPUT else expected
    by_x = core_backward(name, LAYOUTS[layout](gradient), LAYOUTS[layout](second))
    assert_array_equal(by_x, core_backward(name, gradient, second))


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_entry_does_not_depend_on_its_neighbors(dtype: Any, name: str) -> None:
    x = np.random.default_rng(1).normal(scale=4.0, size=70).astype(dtype)
    whole = core(name, x)
    for size in range(len(x)):
        assert_array_equal(core(name, x[:size]), whole[:size])


# --- Limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_limits_are_exact(dtype: Any) -> None:
    far = np.array([-np.inf, -1e30, 1e30, np.inf], dtype)
    for name in set(ELEMENTWISE) - {"selu"}:
        expected = LIMITS.get(name, lambda x: np.maximum(x, 0.0))
        assert_array_equal(core(name, far), expected(far), err_msg=name)
        if name in FROM_INPUT and name not in LIMITS:
            assert_array_equal(_core.activation_backward(name, np.ones_like(far), far, 0.0), [0, 0, 1, 1], err_msg=name)
    assert_array_equal(core("hard_sigmoid", np.array([-3, 0, 3], dtype)), [0, 0.5, 1])
    assert_allclose(core("selu", far)[:2], -1.7580993408473766, rtol=2 * np.finfo(dtype).eps)
    zeros = np.zeros(3, dtype)
    for name in ELEMENTWISE:
        if not ACTIVATIONS[name][0](np.zeros(1)).any():
            assert_array_equal(core(name, zeros), zeros, err_msg=name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_comes_out_where_it_goes_in(dtype: Any, name: str) -> None:
    x = np.random.default_rng(7).normal(size=(9, 50)).astype(dtype)
    x[3, 40] = x[8, 49] = np.nan
    rows = np.isnan(x).any(axis=1)
    expected = np.repeat(rows[:, None], 50, 1) if name == "log_softmax" else np.isnan(x)
    assert_array_equal(np.isnan(core(name, x)), expected)
    if name in FROM_INPUT:
        assert_array_equal(np.isnan(_core.activation_backward(name, np.ones_like(x), x, 1.0)), np.isnan(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_softmax_of_huge_entries_is_the_limit(dtype: Any) -> None:
    x = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -2e4], [1e30, 1e30, -1e30]], dtype)
    half = np.log(dtype(0.5))
    expected = np.array([[0, -1e4, -2e4], [half, half, half - 1e4], [half, half, -2e30]], dtype)
    assert_allclose(fn.log_softmax(x), expected, rtol=2 * np.finfo(dtype).eps)
    assert fn.log_softmax(np.empty((3, 0), dtype)).shape == (3, 0)


# --- Parity ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", RECORDED["activations"], ids=lambda entry: entry["name"])
def test_values_and_gradients_are_those_of_keras(entry: dict[str, Any]) -> None:
    name, x = entry["name"], np.array([RECORDED["points"]])
    alpha = ALPHA.get(name, default(name))
    y = core(name, x, alpha)
    gradient = np.cos(np.arange(x.size, dtype=np.float64))[None]
    by_x = _core.activation_backward(name, gradient, x if name in FROM_INPUT else y, alpha)
    assert_allclose(y[0], entry["values"], rtol=1e-12, atol=1e-15)
    # hard_sigmoid at its corners, -3 and 3, is a matter of taste
    corner = (np.abs(x[0]) == 3.0) & (name == "hard_sigmoid")
    precision = 1e-7 if name == "hard_sigmoid" else 1e-11  # of Keras's own: 1 / 6 in float32
    assert_allclose(by_x[0][~corner], np.array(entry["gradient"])[~corner], rtol=precision, atol=1e-15)


def test_every_activation_of_the_installed_keras_is_recorded() -> None:
    recorded = {entry["name"] for entry in RECORDED["activations"]}
    assert recorded <= set(_core.activation_names())
    keras = pytest.importorskip("keras")
    assert {name for name in _core.activation_names() if hasattr(keras.activations, name)} <= recorded


# --- Names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", _core.activation_names())
def test_a_name_is_a_layer_and_a_function_of_the_same_values(name: str) -> None:
    x = np.random.default_rng(0).normal(size=(5, 4))
    model = fn.Sequential([Activation(name, input_shape=(4,))], dtype="float64")
    facts = table.ACTIVATIONS[name]
    arguments = {**facts.arguments, **({facts.parameter[0]: facts.parameter[1]} if facts.parameter else {})}
    assert_array_equal(model.predict(x), facts.function(x, **arguments))


def test_swish_is_silu_and_functions_name_themselves() -> None:
    assert Dense(2, activation="swish").get_config()["activation"] == "silu"
    assert Dense(2, activation="hard_swish").get_config()["activation"] == "hard_silu"
    for function in (fn.gelu, fn.mish, fn.elu, fn.functional.exponential, fn.functional.hard_silu):
        assert Dense(2, activation=function).get_config()["activation"] == function.__name__


def test_elu_takes_its_parameter() -> None:
    x = np.array([[-1.0, 2.0]])
    layer = ELU(2.0)
    assert_allclose(fn.Sequential([layer]).predict(x), [[2 * np.expm1(-1.0), 2.0]], rtol=1e-6)
    assert Dense(2, activation=layer).get_config()["activation"] == {"name": "elu", "alpha": 2.0}
    assert layer.get_config() == {"alpha": 2.0, "name": "elu"}
    with pytest.raises(ValueError, match="alpha must be at least 0"):
        ELU(-1.0)


def test_gradients_by_the_input_name_their_argument() -> None:
    with pytest.raises(ValueError, match="grad_output must have the shape of x"):
        fn.functional.gelu_backward([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="grad_output must have the shape of output"):
        fn.functional.elu_backward([1.0], [1.0, 2.0])


def test_prelu_and_its_gradients() -> None:
    rng = np.random.default_rng(0)
    x, alpha, gradient = rng.normal(size=(6, 3)), rng.normal(size=3), rng.normal(size=(6, 3))
    assert_array_equal(fn.prelu(x, alpha), np.where(x > 0, x, alpha * x))
    by_x, by_alpha = fn.functional.prelu_backward(gradient, x, alpha)
    assert_allclose(by_x, gradient * np.where(x > 0, 1, alpha))
    assert_allclose(by_alpha, (gradient * x * (x <= 0)).sum(axis=0))
    with pytest.raises(ValueError, match="one value for every column"):
        fn.prelu(x, [1.0])


@pytest.mark.parametrize("name", _core.activation_names())
def test_the_row_of_an_activation_is_true(name: str) -> None:
    facts = table.ACTIVATIONS[name]
    values = facts.values(grid(np.float64)[:, None])
    assert facts.range[0] <= values.min() <= values.max() <= facts.range[1]
    assert name == "linear" or facts.onnx[-1].float64  # the last of the ways is for all
    assert facts.by_row == ("softmax" in name)
    for public in (facts.function.__name__, f"{facts.function.__name__}_backward"):
        assert public in fn.functional.__all__


def test_the_reference_has_every_activation() -> None:
    assert set(reference.ACTIVATIONS) == set(_core.activation_names())
