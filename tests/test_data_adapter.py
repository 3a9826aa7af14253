"""Samples, targets and weights: what a model accepts, in which forms, and what it says of what does not fit."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.layers import Dense, Flatten, Input, Rescaling
from toy import LABELS, ONE_HOT, RNG, X, assert_same, classifier, regressor

# --- Targets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_labels_and_one_hot_rows_are_the_same_targets(loss: str) -> None:
    results = []
    for y in (
        LABELS,
        LABELS[:, None],
        LABELS.astype(np.uint8),
        LABELS.astype(float),
        LABELS.tolist(),
        ONE_HOT,
        ONE_HOT.astype(np.float64),
        ONE_HOT.astype(bool),
        ONE_HOT.astype(int),
    ):
        model = classifier(loss=loss)
        history = model.fit(X, y, epochs=2, verbose=0, class_weight={0: 2.0})
        results.append((history.history, model.evaluate(X, y, verbose=0)))
    assert all(result == results[0] for result in results)


@pytest.mark.parametrize("y", [X[:, 0], X[:, :1], X[:, 0].astype(np.float64), X[:, 0].tolist()])
def test_one_output_takes_flat_targets(y: Any) -> None:
    assert regressor().evaluate(X, y, verbose=0) == regressor().evaluate(X, X[:, :1], verbose=0)


def test_one_output_takes_truth_values() -> None:
    y = X[:, 0] > 0
    results = [regressor().evaluate(X, targets, verbose=0) for targets in (y, y.astype(int), y.astype(np.uint8))]
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (
            np.where(np.arange(30) == 5, 12, LABELS),
            ValueError,
            r"y has label 12 at row 5; the output layer has 3 units, so labels must be in 0\.\.2",
        ),
        (LABELS - 1, ValueError, r"y has label -1 at row 0"),
        (LABELS + 0.5, ValueError, r"y has label 0\.5 at row 0; labels must be whole numbers"),
        (np.where(np.arange(30) == 7, np.nan, LABELS), ValueError, "y has a NaN or an infinity in row 7"),
        (LABELS[:29], ValueError, r"y must have as many rows as x, 30; got shape \(29,\)"),
        (np.float64(1.0), ValueError, r"y must have as many rows as x, 30; got shape \(\)"),
        (
            ONE_HOT.T,
            ValueError,
            r"y must have as many rows as x, 30; got shape \(3, 30\): samples are rows: give y\.T$",
        ),
        (LABELS[None], ValueError, r"got shape \(1, 30\): samples are rows: give y\.T$"),
        (ONE_HOT[:20].T, ValueError, r"y must have as many rows as x, 30; got shape \(3, 20\)$"),
        (ONE_HOT[:, :2], ValueError, r"y must have shape \(30, 3\) for sparse_categorical_cross.*; got \(30, 2\)"),
        (ONE_HOT[:, :, None], ValueError, r"y must have shape \(30, 3\)"),
        (np.where(np.arange(30)[:, None] == 9, np.inf, ONE_HOT), ValueError, "y has a NaN or an infinity in row 9"),
        (LABELS.astype(str), TypeError, "y must be an array of real numbers; got ndarray with elements of dtype <U"),
        (LABELS.astype(object), TypeError, "dtype object"),
        (LABELS * 1j, TypeError, "dtype complex128"),
        (None, ValueError, "y is missing: got None"),
    ],
)
def test_targets_that_do_not_fit_are_refused(y: Any, error: Any, message: str) -> None:
    model = classifier()
    for method in (model.fit, model.evaluate, model.train_on_batch, model.loss_and_gradients):
        with pytest.raises(error, match=message):
            method(X, y)


def test_labels_for_a_loss_of_rows_point_to_one_hot_rows() -> None:
    with pytest.raises(
        ValueError, match=r"\(30, 3\) for mean_squared_error; got \(30,\): for labels use .*to_categori"
    ):
        regressor(3).fit(X, LABELS)


# --- Samples ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "bool", "float16", "float64", ">f4", "uint8"])
def test_samples_of_any_real_type_are_accepted(dtype: str) -> None:
    x = (np.arange(12).reshape(3, 4) % 2).astype(dtype)
    model = classifier()
    expected = model.predict(x.astype(np.float32))
    assert_array_equal(model.predict(x), expected)
    assert_array_equal(model(x), expected)
    assert_array_equal(model.predict(x.tolist()), expected)
    assert expected.dtype == np.float32


def test_images_are_flattened_by_a_layer() -> None:
    images = RNG.integers(0, 256, size=(10, 4, 5), dtype=np.uint8)
    model = fn.Sequential([Rescaling(1 / 255), Flatten(), Dense(3, activation="softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(images, LABELS[:10], verbose=0)
    assert model.input_shape == (4, 5)
    flat = fn.Sequential([Input((20,)), Rescaling(1 / 255), Dense(3, activation="softmax")])
    flat.set_weights(model.get_weights())
    assert_array_equal(model.predict(images), flat.predict(images.reshape(10, 20)))
    assert_array_equal(model(images), model.predict(images))


def test_large_arrays_are_read_in_place() -> None:
    images = np.broadcast_to(np.uint8(7), (2**40, 28, 28))  # 800 TB, if it were copied
    model = fn.Sequential([Rescaling(1 / 255), Flatten(), Dense(2)])
    model.build((28, 28))
    from fastnet.inputs.samples import as_features

    features = as_features("x", images, (28, 28), "float32")
    assert features.shape == (2**40, 784)
    assert np.shares_memory(features[:1], images[:1])


def test_one_feature_may_be_flat() -> None:
    model = fn.Sequential([Dense(1, input_shape=(1,))], seed=0)
    assert_array_equal(model.predict(np.arange(5.0)), model.predict(np.arange(5.0)[:, None]))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X.T, LABELS, r"y must have as many rows as x, 4; got shape \(30,\): samples are rows: give x\.T$"),
        (X.T, ONE_HOT, r"y must have as many rows as x, 4; got shape \(30, 3\): samples are rows: give x\.T$"),
        (X.T, ONE_HOT.T, r"got shape \(3, 30\): if samples are columns here, give x\.T and y\.T$"),
        (X, LABELS[:29], r"y must have as many rows as x, 30; got shape \(29,\)$"),
    ],
)
def test_a_model_is_not_built_for_samples_that_their_targets_do_not_fit(x: Any, y: Any, message: str) -> None:
    model = fn.Sequential([Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    for method in (
        *(model.fit, model.evaluate, model.train_on_batch, model.loss_and_gradients, model.input_gradients),
        partial(fn.find_learning_rate, model),
        partial(fn.doctor, model),
    ):
        with pytest.raises(ValueError, match=message):
            method(x, y)
        assert not model.built
    model.fit(X, LABELS, verbose=0)
    assert model.input_shape == (4,)


def test_tables_and_validation_data_in_columns_are_told_how_to_transpose() -> None:
    pd, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    model = classifier()
    with pytest.raises(ValueError, match=r"samples are rows: give x\.T$"):
        model.predict(pd.DataFrame(X).T)
    with pytest.raises(ValueError, match=r"samples are rows: give x\.transpose\(\)$"):
        model.predict(polars.DataFrame(X).transpose())
    with pytest.raises(ValueError, match=r"^x of validation_data must have .*: samples are rows: give x\.T$"):
        model.fit(X, LABELS, validation_data=(X.T, LABELS), verbose=0)


def test_data_frames_are_accepted() -> None:
    pd = pytest.importorskip("pandas")
    model = classifier()
    frame, series = pd.DataFrame(X), pd.Series(LABELS, index=np.arange(30) + 100)
    assert model.evaluate(frame, series, verbose=0) == model.evaluate(X, LABELS, verbose=0)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X[:, :3], ValueError, r"x must have shape \(samples, 4\); got \(30, 3\)$"),
        (X[0].tolist(), ValueError, r"x must have shape \(samples, 4\); got \(4,\): one sample is \[x\]"),
        (X[0], ValueError, r"x must have shape \(samples, 4\); got \(4,\): one sample is x\[None\]"),
        (X[None], ValueError, r"x must have shape \(samples, 4\); got \(1, 30, 4\)$"),
        (X.T, ValueError, r"x must have shape \(samples, 4\); got \(4, 30\): samples are rows: give x\.T$"),
        (X[:1].T, ValueError, r"x must have shape \(samples, 4\); got \(4, 1\): samples are rows: give x\.T$"),
        (X.T.tolist(), ValueError, r"got \(4, 30\): samples are rows: give numpy\.transpose\(x\)$"),
        (np.float32(1.0), ValueError, r"x must have shape \(samples, 4\); got \(\)"),
        (X.astype(object), TypeError, "x must be an array of real numbers; got ndarray with elements of dtype object"),
        (X.astype(complex), TypeError, "dtype complex64|dtype complex128"),
        (X.astype(str), TypeError, "dtype <U"),
        ([[1.0], [1.0, 2.0]], ValueError, "x must be an array: "),
        (None, ValueError, "x is missing: got None"),
    ],
)
def test_samples_that_do_not_fit_are_refused(x: Any, error: Any, message: str) -> None:
    model = classifier()
    for use in (lambda: model.fit(x, LABELS), lambda: model.predict(x), lambda: model(x)):
        with pytest.raises(error, match=message):
            use()


def test_a_generator_brings_its_own_targets() -> None:
    with pytest.raises(TypeError, match="x must be an array here; got generator, which yields batches"):
        classifier().fit((row for row in X), LABELS)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_samples_that_are_not_finite_are_refused_in_training(value: float, dtype: str) -> None:
    x = X.astype(dtype)
    x[17, 2] = value
    model = classifier()
    before = model.get_weights()
    for method in (model.fit, model.evaluate, model.train_on_batch, model.loss_and_gradients):
        with pytest.raises(ValueError, match="x has a NaN or an infinity in row 17"):
            method(x, LABELS)
    for now, then in zip(model.get_weights(), before, strict=True):
        assert_array_equal(now, then)


@pytest.mark.parametrize("value", [1e300, -1e300])
def test_numbers_that_the_dtype_of_the_model_cannot_hold_are_refused_in_training(value: float) -> None:
    x, wide = X.astype(np.float64), classifier(dtype="float64")
    x[17, 2] = value
    model = classifier()
    before = model.get_weights()
    for method in (model.fit, model.evaluate, model.train_on_batch, model.loss_and_gradients):
        with pytest.raises(ValueError, match="x has a number in row 17 that is too large for float32"):
            method(x, LABELS)
    for now, then in zip(model.get_weights(), before, strict=True):
        assert_array_equal(now, then)
    wide.evaluate(x, LABELS, verbose=0)
    targets = np.eye(3)[LABELS]
    targets[4, 1] = value
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="y has a number in row 4 that is too large for float32"):
        model.fit(X, targets)


def test_nan_in_a_row_gives_nan_in_its_prediction_only() -> None:
    x = X.copy()
    x[3, 0] = np.nan
    rows = np.isnan(classifier().predict(x)).any(axis=1)
    assert_array_equal(np.flatnonzero(rows), [3])


def test_no_samples_are_refused_in_training_and_give_no_predictions() -> None:
    model = classifier()
    with pytest.raises(ValueError, match=r"x must have at least one row; got shape \(0, 4\)"):
        model.fit(X[:0], LABELS[:0])
    assert model.predict(X[:0]).shape == model(X[:0]).shape == (0, 3)


def test_a_model_without_input_shape_needs_rows() -> None:
    with pytest.raises(ValueError, match=r"x must have a row for every sample, as \(samples, features\); got .*\(4,\)"):
        classifier(input_shape=None).predict(X[0])


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        (np.ones(29), ValueError, r"sample_weight must have shape \(30,\), one weight for every row of x; got \(29,\)"),
        (np.ones((30, 3)), ValueError, r"sample_weight must have shape \(30,\)"),
        (np.full(30, np.nan), ValueError, "sample_weight has a NaN or an infinity in row 0"),
        (["a"] * 30, TypeError, "sample_weight must be an array of real numbers; got list"),
    ],
)
def test_sample_weights_that_do_not_fit_are_refused(weight: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        classifier().fit(X, LABELS, sample_weight=weight)


@pytest.mark.parametrize(
    ("weight", "error", "message"),
    [
        ([1.0, 2.0], TypeError, "class_weight must be a dictionary from label to weight"),
        ({"a": 1.0}, TypeError, r"a label of class_weight must be an integer; got 'a' \(str\)"),
        ({0: -1.0}, ValueError, r"class_weight\[0\] must be at least 0; got -1"),
        ({0: "heavy"}, TypeError, r"class_weight\[0\] must be a number"),
    ],
)
def test_class_weights_that_do_not_fit_are_refused(weight: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        classifier().fit(X, LABELS, class_weight=weight)


def test_class_weights_of_one_output_are_those_of_its_truth_values() -> None:
    y = (X[:, 0] > 0).astype(float)
    models = [regressor() for _ in range(2)]
    models[0].fit(X, y, shuffle=False, class_weight={1: 3.0}, verbose=0)
    models[1].fit(X, y, shuffle=False, sample_weight=1.0 + 2.0 * y, verbose=0)
    assert_same(*models)
