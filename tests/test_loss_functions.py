"""Losses as functions and with the options of Keras, against formulas in NumPy and float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special

import fastnet as fn
from fastnet import losses

RNG = np.random.default_rng(0)
NUMBERS, OTHERS = RNG.normal(size=(2, 5, 4))
YES, P = (RNG.uniform(size=(5, 4)) > 0.5).astype(float), RNG.uniform(0.05, 0.95, size=(5, 4))
LABELS = np.array([0, 3, 1, 1, 2])
ONE_HOT, SHARES = np.eye(4)[LABELS], P / P.sum(axis=1, keepdims=True)
SIGNS = 2 * YES - 1
EPSILON = 1e-7


def bce(t: Any, p: Any) -> Any:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def unit(x: Any) -> Any:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


Case = tuple[Any, Any, dict[str, Any], Callable[[Any, Any], Any]]
CASES: dict[str, Case] = {
    "mean_squared_error": (NUMBERS, OTHERS, {}, lambda t, p: ((t - p) ** 2).mean(axis=1)),
    "mean_absolute_error": (NUMBERS, OTHERS, {}, lambda t, p: np.abs(t - p).mean(axis=1)),
    "mean_absolute_percentage_error": (NUMBERS, OTHERS, {}, lambda t, p: 100 * np.abs((t - p) / t).mean(axis=1)),
    "mean_squared_logarithmic_error": (P, SHARES, {}, lambda t, p: ((np.log1p(t) - np.log1p(p)) ** 2).mean(axis=1)),
    "huber": (NUMBERS, OTHERS, {"delta": 0.5}, lambda t, p: special.huber(0.5, t - p).mean(axis=1)),
    "log_cosh": (NUMBERS, OTHERS, {}, lambda t, p: np.log(np.cosh(t - p)).mean(axis=1)),
    "poisson": (YES, P, {}, lambda t, p: (p - t * np.log(p + EPSILON)).mean(axis=1)),
    "cosine_similarity": (NUMBERS, OTHERS, {}, lambda t, p: -(unit(t) * unit(p)).sum(axis=1)),
    "hinge": (SIGNS, OTHERS, {}, lambda t, p: np.maximum(1 - t * p, 0).mean(axis=1)),
    "squared_hinge": (SIGNS, OTHERS, {}, lambda t, p: (np.maximum(1 - t * p, 0) ** 2).mean(axis=1)),
    "categorical_hinge": (ONE_HOT, OTHERS, {}, lambda t, p: np.maximum(((1 - t) * p).max(axis=1) - (t * p).sum(axis=1) + 1, 0)),
    "kl_divergence": (SHARES[::-1], SHARES, {}, lambda t, p: (t * np.log(t / p)).sum(axis=1)),
    "binary_crossentropy": (YES, P, {"label_smoothing": 0.2}, lambda t, p: bce(t * 0.8 + 0.1, p).mean(axis=1)),
    "binary_focal_crossentropy": (YES, P, {"gamma": 1.5}, lambda t, p: ((1 - np.where(t, p, 1 - p)) ** 1.5 * bce(t, p)).mean(axis=1)),
    "categorical_crossentropy": (ONE_HOT, OTHERS, {"from_logits": True}, lambda t, p: -(t * special.log_softmax(p, axis=1)).sum(axis=1)),
    "categorical_focal_crossentropy": (ONE_HOT, SHARES, {"alpha": 0.5}, lambda t, p: -(t * 0.5 * (1 - p) ** 2 * np.log(p)).sum(axis=1)),
    "sparse_categorical_crossentropy": (LABELS, SHARES, {}, lambda t, p: -np.log(p[np.arange(5), t])),
    "categorical_generalized_cross_entropy": (LABELS, SHARES, {"q": 0.7}, lambda t, p: (1 - p[np.arange(5), t] ** 0.7) / 0.7),
    "dice": (YES, P, {"axis": 1}, lambda t, p: 1 - 2 * (t * p).sum(axis=1) / (t.sum(axis=1) + p.sum(axis=1) + EPSILON)),
    "tversky": (YES, P, {"alpha": 0.25, "beta": 2.0, "axis": 1}, lambda t, p: 1 - (t * p).sum(axis=1) / ((t * p).sum(axis=1) + 0.25 * (t * (1 - p)).sum(axis=1) + 2 * (p * (1 - t)).sum(axis=1) + EPSILON)),
}  # fmt: skip


def test_every_function_is_tested() -> None:
    assert set(CASES) == {name for name in losses.__all__ if name.islower()} - {
        *("get", "serialize", "deserialize"),
        "circle",  # which test_circle_loss.py tests
    }


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_function_has_the_loss_of_each_sample(dtype: Any, name: str) -> None:
    true, pred, arguments, formula = CASES[name]
    given = true if true.dtype.kind == "i" else true.astype(dtype)
    values = getattr(losses, name)(given, pred.astype(dtype), **arguments)
    tolerance = 3e-5 if dtype == np.float32 else 1e-6 if name in ("dice", "tversky") else 1e-10
    assert_allclose(values, formula(true, pred), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_rows_of_more_dimensions_are_rows(name: str) -> None:
    true, pred, arguments, _ = CASES[name]
    if "axis" in arguments:
        arguments = {**arguments, "axis": 2}
    function = getattr(losses, name)
    deep = function(np.stack([true, true[::-1]]), np.stack([pred, pred[::-1]]), **arguments)
    flat = function(true, pred, **CASES[name][2])
    assert_allclose(deep, np.stack([flat, flat[::-1]]))


@pytest.mark.parametrize("name", CASES)
def test_compile_takes_a_function_and_a_metric_of_it(name: str) -> None:
    model = fn.Sequential([fn.Dense(2, "sigmoid", input_shape=(3,))], seed=0)
    model.compile("sgd", getattr(losses, name), metrics=[getattr(losses, name)])
    y = np.array([0, 1]) if "sparse" in name or "generalized" in name else np.eye(2)
    logs = model.fit(np.ones((2, 3)), y, verbose=0).history
    if name not in ("dice", "tversky"):
        assert logs[name] == pytest.approx(logs["loss"], rel=1e-5)


def test_vectors_are_one_sample() -> None:
    assert losses.mean_squared_error([1.0, 3.0], [0.0, 0.0]) == 5.0
    assert losses.mean_squared_error([1.0, 3.0], [0.0, 0.0]).shape == ()


def test_crossentropies_take_the_axis_of_the_classes() -> None:
    expected = losses.categorical_crossentropy(ONE_HOT, SHARES)
    assert_allclose(losses.categorical_crossentropy(ONE_HOT.T, SHARES.T, axis=0), expected)
    assert_allclose(losses.sparse_categorical_crossentropy(LABELS, SHARES.T, axis=0), expected)
    assert losses.CategoricalCrossentropy(axis=0)(ONE_HOT.T, SHARES.T) == pytest.approx(expected.mean())
    with pytest.raises(ValueError, match="axis must be an axis of y_pred"):
        losses.CategoricalCrossentropy(axis=3)(ONE_HOT, SHARES)


# ---- Weights and shapes ---------------------------------------------------------------------------------------------


def test_weights_are_a_number_or_those_of_samples_or_of_steps() -> None:
    mse = losses.MeanSquaredError()
    true, pred = RNG.normal(size=(2, 2, 3, 4))
    each = ((true - pred) ** 2).mean(axis=2)
    of_samples, of_steps = np.array([0.5, 2.0]), RNG.uniform(size=(2, 3))
    assert mse(true, pred, sample_weight=2.5) == pytest.approx(2.5 * each.mean())
    assert mse(true, pred, sample_weight=of_samples) == pytest.approx((each * of_samples[:, None]).mean())
    assert mse(true, pred, sample_weight=of_samples[:, None]) == pytest.approx((each * of_samples[:, None]).mean())
    assert mse(true, pred, sample_weight=of_steps) == pytest.approx((each * of_steps).mean())
    assert_allclose(losses.MeanSquaredError(reduction="none")(true, pred, of_steps), each * of_steps)
    mean = losses.MeanSquaredError(reduction="mean_with_sample_weight")
    assert mean(true, pred, of_steps) == pytest.approx(np.average(each, weights=of_steps))
    assert mean(true, pred, 0.0) == 0.0
    with pytest.raises(ValueError, match="sample_weight must have 2 values, one for each sample"):
        mse(true, pred, [1.0, 2.0, 3.0])


def test_a_column_stands_for_a_vector() -> None:
    true, pred = NUMBERS[:, 0], OTHERS[:, :1]
    expected = ((true - pred[:, 0]) ** 2).mean()
    for t, p in ((true, pred), (true[:, None], pred), (true[:, None], pred[:, 0]), (true, pred[:, 0])):
        assert losses.MeanSquaredError()(t, p) == pytest.approx(expected)
        assert losses.MeanSquaredError().gradient(t, p).shape == np.shape(p)
    for labels in (LABELS, LABELS[:, None], LABELS.astype(float), ONE_HOT):
        assert losses.SparseCategoricalCrossentropy()(labels, SHARES) == pytest.approx(
            losses.CategoricalCrossentropy()(ONE_HOT, SHARES)
        )


def test_the_dtype_is_that_of_the_predictions_or_the_given_one() -> None:
    p = np.array([[1.0], [0.0]])
    exact = -np.log(1e-7)  # float32 keeps probabilities 1.19e-7 away from 1
    assert losses.BinaryCrossentropy()([[0], [1]], p) == pytest.approx(exact)
    assert losses.BinaryCrossentropy(dtype="float32")([[0], [1]], p) != pytest.approx(exact, rel=1e-3)
    assert losses.BinaryCrossentropy()([[0], [1]], p.astype(np.float32)) != pytest.approx(exact, rel=1e-3)
    assert losses.BinaryCrossentropy(dtype=np.float64)([[0], [1]], p.astype(np.float32)) == pytest.approx(exact)
    with pytest.raises(ValueError, match=r"dtype must be None or one of 'float16', .*; got 'int8'"):
        losses.MeanSquaredError(dtype="int8")


# ---- Labels that say nothing ----------------------------------------------------------------------------------------


def test_ignored_labels_count_neither_in_means_nor_in_gradients() -> None:
    labels = np.array([0, -1, 1, -1, 2])
    kept = labels >= 0
    weight = np.array([1.0, 5.0, 2.0, 7.0, 0.5])
    for logits in (False, True):
        loss = losses.SparseCategoricalCrossentropy(from_logits=logits, ignore_class=-1)
        p = OTHERS if logits else SHARES
        each = -np.log(special.softmax(p, axis=1) if logits else p)[np.arange(5), np.maximum(labels, 0)]
        assert_allclose(losses.sparse_categorical_crossentropy(labels, p, logits, -1), each * kept)
        assert loss(labels, p) == pytest.approx(each[kept].mean())
        assert loss(labels[:, None], p) == pytest.approx(each[kept].mean())
        assert loss(labels, p, weight) == pytest.approx((each * weight)[kept].sum() / 3)
        _, gradient = loss.value_and_gradient(labels, p, weight)
        assert (gradient[~kept] == 0.0).all()
        for index in np.ndindex(p.shape):
            step = np.zeros_like(p)
            step[index] = 1e-6
            slope = (loss(labels, p + step, weight) - loss(labels, p - step, weight)) / 2e-6
            assert gradient[index] == pytest.approx(slope, rel=1e-5, abs=1e-8)
    assert losses.SparseCategoricalCrossentropy(ignore_class=3)([3, 3], SHARES[:2]) == 0.0
    with pytest.raises(ValueError, match="ignore_class needs labels"):
        losses.SparseCategoricalCrossentropy(ignore_class=3)(ONE_HOT, SHARES)


# ---- Losses of whole batches ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", [losses.Dice(), losses.Tversky(0.3, 1.5)], ids=["dice", "tversky"])
def test_overlaps_are_those_of_the_whole_batch(loss: losses.Loss) -> None:
    alpha, beta = (loss.alpha, loss.beta) if isinstance(loss, losses.Tversky) else (0.5, 0.5)
    both = (YES * P).sum()
    expected = 1 - both / (both + alpha * (YES * (1 - P)).sum() + beta * (P * (1 - YES)).sum())
    assert loss(YES, P) == pytest.approx(expected, rel=1e-6)
    assert loss(YES, P, sample_weight=2.0) == pytest.approx(2 * expected, rel=1e-6)
    gradient = loss.gradient(YES, P)
    for index in np.ndindex(P.shape):
        step = np.zeros_like(P)
        step[index] = 1e-6
        assert gradient[index] == pytest.approx((loss(YES, P + step) - loss(YES, P - step)) / 2e-6, rel=1e-5, abs=1e-9)
    assert type(losses.get(loss.identifier_or_config)) is type(loss)


@pytest.mark.parametrize("shape", [(12,), (3, 4, 1)])
def test_a_model_learns_masks_with_dice(shape: tuple[int, ...]) -> None:
    x = RNG.normal(size=(60, 12))
    y = (x > 0.3).astype(float).reshape(60, *shape)
    model = fn.Sequential([fn.Dense(12, "sigmoid", input_shape=(12,)), fn.layers.Reshape(shape)], seed=0)
    model.compile(fn.optimizers.Adam(0.05), "dice", metrics=["binary_accuracy"])
    before = model.evaluate(x, y, verbose=0)[0]
    history = model.fit(x, y, epochs=40, batch_size=20, verbose=0).history
    assert history["loss"][-1] < 0.5 * before
    assert history["binary_accuracy"][-1] > 0.9
    if len(shape) > 1:
        model.compile("sgd", losses.Dice(axis=(1, 2)))
        with pytest.raises(ValueError, match="takes outputs of one dimension"):
            model.fit(x, y, verbose=0)


def test_a_generalized_crossentropy_of_no_probability_has_a_finite_gradient() -> None:
    loss = losses.CategoricalGeneralizedCrossEntropy(0.5)
    assert loss([0], [[0.0, 1.0]]) == 2.0
    assert np.isfinite(loss.gradient([0], [[0.0, 1.0]])).all()
    for q in (0.0, 1.0):
        with pytest.raises(ValueError, match="q must be"):
            losses.CategoricalGeneralizedCrossEntropy(q)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.Dice(axis="x"), "axis must be None, an integer or a sequence"),
        (lambda: losses.Tversky(alpha=-1.0), "alpha must be at least 0"),
        (lambda: losses.Dice()([[1.0]], [[0.5, 0.5]]), "y_true must have the shape of y_pred"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make()


def test_focal_losses_take_logits() -> None:
    binary = losses.BinaryFocalCrossentropy(from_logits=True)
    assert binary(YES, OTHERS) == pytest.approx(losses.BinaryFocalCrossentropy()(YES, special.expit(OTHERS)), rel=1e-9)
    rows = losses.CategoricalFocalCrossentropy(from_logits=True)
    expected = losses.CategoricalFocalCrossentropy()(ONE_HOT, special.softmax(OTHERS, axis=1))
    assert rows(ONE_HOT, OTHERS) == pytest.approx(expected, rel=1e-9)
    assert_array_equal(rows(LABELS, OTHERS), rows(ONE_HOT, OTHERS))
