"""The losses of fastnet.functional and their gradients by the predictions, as Keras defines them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import reference
from cases import DTYPES, LAYOUTS
from fastnet import functional as F

LOSS: dict[str, Callable[..., float]] = {
    "mse": F.mse,
    "binary_crossentropy": F.binary_crossentropy,
    "categorical_crossentropy": F.categorical_crossentropy,
}
BACKWARD: dict[str, Callable[..., np.ndarray]] = {
    "mse": F.mse_backward,
    "binary_crossentropy": F.binary_crossentropy_backward,
    "categorical_crossentropy": F.categorical_crossentropy_backward,
}
# Of single entries: an operation or two and a logarithm (2 ulp), in units of the largest entry of the row.
ROUNDINGS = 16

shapes = st.tuples(st.integers(1, 40), st.sampled_from([1, 2, 3, 7, 8, 10, 16, 17, 33, 100]))


def probabilities(rng: np.random.Generator, shape: tuple[int, int], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and predictions between 0 and 1, the rows of which are distributions up to a factor."""
    y, p = rng.uniform(0.02, 0.98, size=(2, *shape))
    return (y / y.sum(axis=1, keepdims=True)).astype(dtype), p.astype(dtype)


@pytest.mark.parametrize("name", LOSS)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=50)
@given(shape=shapes, layout=st.sampled_from(sorted(LAYOUTS)), seed=st.integers(0, 2**32 - 1))
def test_value_and_gradient_for_every_size_and_layout(
    dtype: Any, name: str, shape: tuple[int, int], layout: str, seed: int
) -> None:
    y, p = probabilities(np.random.default_rng(seed), shape, dtype)
    forward, backward = reference.LOSSES[name]
    wide = y.astype(np.float64), p.astype(np.float64)
    arranged = LAYOUTS[layout](y), LAYOUTS[layout](p)
    eps = float(np.finfo(dtype).eps)
    # per row: a sum of non-negative terms, each with a few roundings, plus those of adding them up; a loss around 0
    # (one class) still carries the rounding of its probability
    assert LOSS[name](*arranged) == pytest.approx(forward(*wide).mean(), rel=(ROUNDINGS + shape[1]) * eps, abs=4 * eps)
    gradient = BACKWARD[name](*arranged)
    assert gradient.dtype == dtype
    assert gradient.shape == shape
    expected = backward(*wide) / shape[0]
    scale = np.abs(y / p).max(axis=1, keepdims=True) / shape[0] + np.abs(expected).max(axis=1, keepdims=True)
    assert (np.abs(gradient - expected) <= (ROUNDINGS + shape[1]) * eps * scale).all()


def test_numbers_worked_by_hand() -> None:
    assert F.mse([1, 0, 0, 1], [0, 0, 0, 0]) == 0.5
    assert F.mse([[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [2.0, 0.0]]) == 1.5
    assert F.binary_crossentropy([1.0, 0.0], [0.5, 0.5]) == pytest.approx(np.log(2.0), rel=1e-15)
    assert F.categorical_crossentropy([[0, 1], [1, 0]], [[0.75, 0.25], [0.25, 0.75]]) == pytest.approx(
        np.log(4.0), rel=1e-15
    )
    assert F.sparse_categorical_crossentropy([1, 0], [[0.75, 0.25], [0.5, 0.5]]) == pytest.approx(
        np.log(8.0) / 2.0, rel=1e-15
    )
    assert_array_equal(F.mse_backward([[1.0, 2.0]], [[2.0, 0.0]]), [[1.0, -2.0]])
    assert_allclose(F.binary_crossentropy_backward([1.0, 0.0], [0.5, 0.8]), [-1.0, 2.5], rtol=1e-14)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sparse_labels_are_one_hot_rows(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    _, p = probabilities(rng, (20, 5), dtype)
    labels = rng.integers(0, 5, size=20)
    rows = np.eye(5, dtype=dtype)[labels]
    assert F.sparse_categorical_crossentropy(labels, p) == F.categorical_crossentropy(rows, p)
    assert_array_equal(
        F.sparse_categorical_crossentropy_backward(labels, p), F.categorical_crossentropy_backward(rows, p)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_probabilities_of_zero_and_one_are_clipped_and_flat(dtype: Any) -> None:
    certain = np.array([[0.0, 1.0, 0.0]], dtype)
    wrong = np.array([[1.0, 0.0, 0.0]], dtype)
    floor = -np.log(1e-7)
    # 1 - 1e-7 is not a float32: the nearest is 1 - 1.19e-7, whose logarithms differ by 0.18 (as in Keras)
    nearest = -np.log(float(dtype(1) - dtype(1 - dtype(1e-7))))
    assert F.categorical_crossentropy(wrong, certain) == pytest.approx(floor, rel=4 * float(np.finfo(dtype).eps))
    assert F.binary_crossentropy(wrong, certain) == pytest.approx((floor + nearest) / 3, rel=1e-6)
    assert F.categorical_crossentropy(certain, certain) == pytest.approx(
        -np.log(1 - 1e-7), abs=float(np.finfo(dtype).eps)
    )
    for name in ("binary_crossentropy", "categorical_crossentropy"):
        for y in (wrong, certain):
            assert_array_equal(BACKWARD[name](y, certain), np.zeros((1, 3)))


@pytest.mark.parametrize("name", LOSS)
def test_perfect_prediction_has_no_slope_along_the_targets(name: str) -> None:
    p = np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    assert_allclose(BACKWARD[name](p, p), np.zeros((2, 3)), rtol=0, atol=1e-15)


def test_crossentropy_of_classes_depends_on_the_proportions_of_the_outputs_only() -> None:
    y, p = probabilities(np.random.default_rng(2), (5, 4), np.float64)
    assert F.categorical_crossentropy(y, 7.0 * p) == pytest.approx(F.categorical_crossentropy(y, p), rel=1e-14)
    # so the gradient is orthogonal to the outputs
    assert_allclose((F.categorical_crossentropy_backward(y, p) * p).sum(axis=1), np.zeros(5), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", LOSS)
def test_more_dimensions_are_more_samples(name: str) -> None:
    y, p = probabilities(np.random.default_rng(3), (24, 5), np.float64)
    assert LOSS[name](y.reshape(2, 3, 4, 5), p.reshape(2, 3, 4, 5)) == LOSS[name](y, p)
    deep = BACKWARD[name](y.reshape(2, 3, 4, 5), p.reshape(2, 3, 4, 5))
    assert_array_equal(deep, BACKWARD[name](y, p).reshape(2, 3, 4, 5))


@pytest.mark.parametrize("name", LOSS)
def test_nan_in_a_prediction_shows_in_the_loss(name: str) -> None:
    y, p = probabilities(np.random.default_rng(4), (6, 5), np.float64)
    p[3, 2] = np.nan
    assert np.isnan(LOSS[name](y, p))
    gradient = BACKWARD[name](y, p)
    assert np.isnan(gradient[3, 2])
    assert np.isfinite(np.delete(gradient, 3, axis=0)).all()


@pytest.mark.parametrize("function", [*LOSS.values(), *BACKWARD.values()])
def test_shapes_that_do_not_fit_are_refused_by_name(function: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match=r"y_true.*\(2, 3\).*\(2, 2\)"):
        function(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="y_pred"):
        function(np.ones((0, 3)), np.ones((0, 3)))
    with pytest.raises(TypeError, match="y_true"):
        function(np.array([["a"]]), np.ones((1, 1)))


def test_labels_out_of_range_are_refused() -> None:
    for labels in ([0, 3], [-1, 0]):
        with pytest.raises(ValueError, match=f"{labels[0] or labels[1]}"):
            F.sparse_categorical_crossentropy(labels, np.full((2, 3), 1 / 3))
    with pytest.raises(TypeError, match="y_true"):
        F.sparse_categorical_crossentropy([0.5, 1.0], np.full((2, 3), 1 / 3))


def test_loss_classes_are_the_functions() -> None:
    y, p = probabilities(np.random.default_rng(5), (6, 5), np.float64)
    assert fn.losses.MeanSquaredError()(y, p) == F.mse(y, p)
    assert fn.losses.BinaryCrossentropy()(y, p) == F.binary_crossentropy(y, p)
    assert fn.losses.CategoricalCrossentropy()(y, p) == F.categorical_crossentropy(y, p)
    labels = [0, 1, 2, 3, 4, 0]
    assert fn.losses.SparseCategoricalCrossentropy()(labels, p) == F.sparse_categorical_crossentropy(labels, p)
