"""Activations: right to the last units, for every size and layout, at the limits, and with the true gradients.

One ulp is the distance between neighboring floating-point numbers at the exact value.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import fastnet as fn
import reference
from cases import DTYPES, LAYOUTS

SLOPE = 0.2
FORWARD = {
    "relu": fn.relu,
    "leaky_relu": lambda x: fn.leaky_relu(x, negative_slope=SLOPE),
    "sigmoid": fn.sigmoid,
    "tanh": fn.tanh,
    "softmax": fn.softmax,
}
BACKWARD = {
    "relu": fn.functional.relu_backward,
    "leaky_relu": lambda gradient, out: fn.functional.leaky_relu_backward(gradient, out, negative_slope=SLOPE),
    "sigmoid": fn.functional.sigmoid_backward,
    "tanh": fn.functional.tanh_backward,
    "softmax": fn.functional.softmax_backward,
}
ELEMENTWISE = sorted(set(FORWARD) - {"softmax"})

shapes = st.tuples(st.integers(0, 20), st.sampled_from([0, 1, 2, 3, 7, 8, 10, 15, 16, 17, 33, 100]))


def expected_forward(name: str, z: np.ndarray) -> np.ndarray:
    extra = (SLOPE,) if name == "leaky_relu" else ()
    return reference.ACTIVATIONS[name][0](z.astype(np.float64), *extra)


def expected_backward(name: str, gradient: np.ndarray, z: np.ndarray) -> np.ndarray:
    extra = (SLOPE,) if name == "leaky_relu" else ()
    return reference.ACTIVATIONS[name][1](gradient.astype(np.float64), z.astype(np.float64), *extra)


def ulps(result: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Return the error of each entry in units in the last place of the exact value, which has a wider type."""
    return np.abs(result.astype(exact.dtype) - exact) / np.spacing(np.abs(exact).astype(result.dtype))


# --- Values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORWARD)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=60)
@given(shape=shapes, layout=st.sampled_from(sorted(LAYOUTS)), seed=st.integers(0, 2**32 - 1))
def test_value_for_every_size_and_layout(dtype: Any, name: str, shape: tuple[int, int], layout: str, seed: int) -> None:
    z = np.random.default_rng(seed).normal(scale=3.0, size=shape).astype(dtype)
    result = FORWARD[name](LAYOUTS[layout](z))
    assert result.dtype == dtype
    assert result.shape == shape
    # 2 ulp of an exponential and the rounding of a sum and a quotient. Softmax subtracts the largest entry, at most
    # some 30 away, first: 15 ulp more for the rounding of the exponent; and up to 100 terms add up with 50 ulp at most.
    tolerance = (80 if name == "softmax" else 4) * np.finfo(dtype).eps
    np.testing.assert_allclose(result, expected_forward(name, z), rtol=tolerance, atol=0)
    assert_array_equal(result, FORWARD[name](z))  # the layout does not change one bit


@pytest.mark.parametrize("name", FORWARD)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=60)
@given(
    shape=shapes,
    layout=st.sampled_from(sorted(LAYOUTS)),
    layout_of_gradient=st.sampled_from(sorted(LAYOUTS)),
    seed=st.integers(0, 2**32 - 1),
)
def test_gradient_for_every_size_and_layout(
    dtype: Any, name: str, shape: tuple[int, int], layout: str, layout_of_gradient: str, seed: int
) -> None:
    z, gradient = np.random.default_rng(seed).normal(scale=2.0, size=(2, *shape)).astype(dtype)
    out = FORWARD[name](z)
    result = BACKWARD[name](LAYOUTS[layout_of_gradient](gradient), LAYOUTS[layout](out))
    assert result.dtype == dtype
    assert result.shape == shape
    # The slope comes from the output, near 1 known to half an eps: its error is a few eps, whatever its size.
    # Softmax mixes the whole row, and its output carries the error stated in the test of the values.
    per_entry = 80 * np.abs(gradient).sum(-1, keepdims=True) if name == "softmax" else 8 * np.abs(gradient)
    error = np.abs(result - expected_backward(name, gradient, z))
    assert (error <= per_entry * np.finfo(dtype).eps).all()


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_entry_does_not_depend_on_its_neighbors(dtype: Any, name: str) -> None:
    x = np.random.default_rng(1).normal(scale=4.0, size=150).astype(dtype)
    whole = FORWARD[name](x)
    for size in range(len(x)):  # vectors and their remainders give the same bits
        assert_array_equal(FORWARD[name](x[:size]), whole[:size])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 2, 7, 10, 16, 33, 1000])
def test_softmax_row_does_not_depend_on_the_other_rows(dtype: Any, columns: int) -> None:
    x = np.random.default_rng(2).normal(scale=4.0, size=(37, columns)).astype(dtype)
    whole = fn.softmax(x)
    for row in range(len(x)):
        assert_array_equal(fn.softmax(x[row : row + 1])[0], whole[row])


@pytest.mark.parametrize("name", FORWARD)
def test_any_number_of_dimensions(name: str) -> None:
    x = np.random.default_rng(3).normal(size=(2, 3, 4, 5))
    expected = expected_forward(name, x)
    np.testing.assert_allclose(FORWARD[name](x), expected, rtol=1e-14)
    np.testing.assert_allclose(FORWARD[name](x[0, 0, 0]), expected[0, 0, 0], rtol=1e-14)
    np.testing.assert_allclose(FORWARD[name](x.transpose(2, 0, 1, 3)), expected.transpose(2, 0, 1, 3), rtol=1e-14)


# --- Units in the last place -----------------------------------------------------------------------------------------


def every_997th_float32() -> np.ndarray:
    x = np.arange(0, 2**32, 997, dtype=np.int64).astype(np.uint32).view(np.float32)
    return np.append(x[~np.isnan(x)], np.float32([-np.inf, np.inf, 0.0, -0.0]))


def many_float64() -> np.ndarray:
    rng = np.random.default_rng(4)
    powers = np.exp2(rng.uniform(-1074, 1024, 200_000)) * rng.choice([-1.0, 1.0], 200_000)
    return np.concatenate([rng.uniform(-40, 40, 400_000), rng.uniform(-750, 750, 100_000), powers])


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
def test_float32_is_within_two_ulp_over_all_float32(name: str) -> None:
    x = every_997th_float32()
    error = ulps(FORWARD[name](x), expected_forward(name, x))
    worst = error.argmax()
    assert error[worst] <= 2.0, f"{error[worst]} ulp at {x[worst]!r}"


@pytest.mark.parametrize("name", ["tanh", "sigmoid"])
@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="long double has no more digits than float64 here")
def test_float64_is_within_two_ulp(name: str) -> None:
    x = many_float64()
    wide = x.astype(np.longdouble)
    decay = np.exp(-np.abs(wide))
    exact = np.tanh(wide) if name == "tanh" else np.where(wide >= 0, 1, decay) / (1 + decay)
    error = ulps(FORWARD[name](x), exact)
    worst = error.argmax()
    assert error[worst] <= 2.0, f"{error[worst]} ulp at {x[worst]!r}"


@pytest.mark.parametrize(("dtype", "below"), [(np.float32, 17.4), (np.float64, 37.5)])
@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="long double has no more digits than float64 here")
def test_exp_is_within_two_ulp(dtype: Any, below: float) -> None:
    # From there down exp(x) vanishes beside exp(0) = 1: the softmax of 0 and x is 1 and exp(x), with no other rounding.
    lowest = np.log(np.finfo(dtype).tiny)
    x = np.random.default_rng(6).uniform(lowest + 1, -below, 300_000).astype(dtype)
    one, result = fn.softmax(np.stack([np.zeros_like(x), x], axis=1)).T
    assert (one == 1).all()
    error = ulps(result, np.exp(x.astype(np.longdouble)))
    worst = error.argmax()
    assert error[worst] <= 2.0, f"{error[worst]} ulp at {x[worst]!r}"


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_error_is_that_of_its_exponents(dtype: Any) -> None:
    rng = np.random.default_rng(5)
    x = rng.uniform(-80, 0, size=(5000, 10)).astype(dtype)
    x[:, 0] = 0.0  # the largest of its row: subtracting it is exact, which leaves the exponentials
    wide = x.astype(np.float64 if dtype == np.float32 else np.longdouble)
    exact = np.exp(wide) / np.exp(wide).sum(axis=-1, keepdims=True)
    # 2 ulp of the exponential and of the sum, a half of the quotient, and nine additions that rarely round up alike
    assert ulps(fn.softmax(x), exact).max() <= 6.0


# --- Limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_limits_are_exact(dtype: Any) -> None:
    far = np.array([-np.inf, -1e30, -1e4, 1e4, 1e30, np.inf], dtype)
    assert_array_equal(fn.sigmoid(far), [0, 0, 0, 1, 1, 1])
    assert_array_equal(fn.tanh(far), [-1, -1, -1, 1, 1, 1])
    assert_array_equal(fn.relu(far), np.maximum(far, 0))
    assert_array_equal(fn.leaky_relu(far, negative_slope=0.5), np.where(far > 0, far, far / 2))
    assert_array_equal(fn.sigmoid(np.zeros(3, dtype)), [0.5, 0.5, 0.5])


@pytest.mark.parametrize("dtype", DTYPES)
def test_tanh_is_odd_and_keeps_the_sign_of_zero(dtype: Any) -> None:
    x = np.random.default_rng(6).normal(scale=3.0, size=1000).astype(dtype)
    assert_array_equal(fn.tanh(-x), -fn.tanh(x))
    assert_array_equal(np.signbit(fn.tanh(np.array([0.0, -0.0], dtype))), [False, True])


@pytest.mark.parametrize("dtype", DTYPES)
def test_denormals_are_numbers_like_any_other(dtype: Any) -> None:
    tiny = np.finfo(dtype).smallest_subnormal * np.array([1, 5, 1000], dtype)
    for x in (tiny, -tiny):
        assert_array_equal(fn.tanh(x), x)
        assert_array_equal(fn.relu(x), np.maximum(x, 0))
        assert_array_equal(fn.sigmoid(x), [0.5, 0.5, 0.5])
        assert_array_equal(fn.softmax(x), fn.softmax(np.zeros(3, dtype)))


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nan_comes_out_where_it_goes_in(dtype: Any, name: str) -> None:
    x = np.random.default_rng(7).normal(size=(9, 50)).astype(dtype)
    x[3, 40] = x[8, 49] = np.nan
    assert_array_equal(np.isnan(FORWARD[name](x)), np.isnan(x))
    gradient = np.ones_like(x)
    gradient[0, 0] = np.nan
    assert np.isnan(BACKWARD[name](gradient, np.full_like(x, 0.5))[0, 0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("columns", [1, 3, 10, 100])
def test_nan_spoils_its_row_of_a_softmax_and_no_other(dtype: Any, columns: int) -> None:
    x = np.random.default_rng(8).normal(size=(9, columns)).astype(dtype)
    x[4, columns // 2] = np.nan
    assert_array_equal(np.isnan(fn.softmax(x)), np.arange(9)[:, None].repeat(columns, 1) == 4)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_of_huge_entries_is_the_limit(dtype: Any) -> None:
    x = np.array([[1e4, 0, -1e4], [-1e4, -1e4, -2e4], [1e30, 1e30, -1e30], [-np.inf, 0, -np.inf]], dtype)
    assert_array_equal(fn.softmax(x), [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0], [0, 1, 0]])
    assert_array_equal(fn.softmax(np.full((2, 4), np.finfo(dtype).max, dtype)), np.full((2, 4), 0.25))
    spread = np.array([[np.finfo(dtype).max, -np.finfo(dtype).max]], dtype)
    assert_array_equal(fn.softmax(spread), [[1, 0]])


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_rows_sum_to_one_and_ignore_a_shift(dtype: Any) -> None:
    x = np.random.default_rng(9).integers(-40, 40, size=(100, 37)).astype(dtype)  # a shift of integers is exact
    p = fn.softmax(x)
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1, dtype=np.float64), 1.0, rtol=0, atol=40 * np.finfo(dtype).eps)
    assert_array_equal(fn.softmax(x + dtype(1000)), p)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_of_one_column_is_one_and_of_none_is_empty(dtype: Any) -> None:
    assert_array_equal(fn.softmax(np.array([[3.0], [-1e4]], dtype)), [[1], [1]])
    assert fn.softmax(np.empty((3, 0), dtype)).shape == (3, 0)
    assert fn.softmax(np.empty((0, 3), dtype)).shape == (0, 3)


@pytest.mark.parametrize("name", FORWARD)
def test_input_stays_as_it_is_and_integers_become_floats(name: str) -> None:
    x = np.random.default_rng(10).normal(size=(20, 30))
    before = x.tobytes()
    FORWARD[name](x)
    assert x.tobytes() == before
    result = FORWARD[name](np.array([[-1, 0, 2]]))
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, expected_forward(name, np.array([[-1.0, 0.0, 2.0]])), rtol=1e-15)
