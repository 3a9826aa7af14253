"""Training with SparseCategoricalCrossentropy(ignore_class=...): samples whose label says nothing."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet.losses import SparseCategoricalCrossentropy

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)).astype(np.float32)
LABELS = RNG.integers(0, 4, 60)
LABELS[RNG.random(60) < 0.3] = -1
WEIGHTS = RNG.random(60)
WEIGHTS[LABELS.argmax()] = 0.0  # of a sample that counts
KNOWN = LABELS >= 0


def model_of(ignore_class: int | None, reduction: str = "sum_over_batch_size", **compiled: Any) -> fn.Sequential:
    model = fn.Sequential([fn.Input((5,)), fn.Dense(4, "softmax")], seed=1, dtype="float64")
    loss = SparseCategoricalCrossentropy(ignore_class=ignore_class, reduction=reduction)
    model.compile(fn.optimizers.SGD(0.5), loss, **compiled)
    return model


@pytest.mark.parametrize("weights", [None, WEIGHTS])
@pytest.mark.parametrize(
    ("reduction", "divisor"),
    [
        ("sum_over_batch_size", lambda weights: KNOWN.sum()),
        ("sum", lambda weights: 1.0),
        ("mean_with_sample_weight", lambda weights: weights[KNOWN].sum()),
    ],
)
def test_loss_and_gradients_leave_out_the_samples(weights: Any, reduction: str, divisor: Any) -> None:
    model = model_of(-1, reduction)
    loss, (by_kernel, by_bias) = model.loss_and_gradients(X, LABELS, weights)
    probabilities, given = model.predict(X), np.ones(60) if weights is None else weights
    chosen = np.where(KNOWN, LABELS, 0)
    scale = np.where(KNOWN, given, 0.0) / divisor(given)
    assert loss == pytest.approx(-(scale * np.log(probabilities[np.arange(60), chosen])).sum())
    error = scale[:, None] * (probabilities - np.eye(4)[chosen])
    assert_allclose(by_kernel, X.T @ error, atol=1e-12)
    assert_allclose(by_bias, error.sum(axis=0), atol=1e-12)
    assert (model.input_gradients(X, LABELS, weights)[~KNOWN] == 0).all()


def test_a_batch_of_training_is_that_of_the_other_samples_alone() -> None:
    ignoring, others = model_of(-1), model_of(None)
    history = ignoring.fit(X, LABELS, batch_size=60, epochs=3, shuffle=False, verbose=0)
    expected = others.fit(X[KNOWN], LABELS[KNOWN], batch_size=60, epochs=3, shuffle=False, verbose=0)
    assert_allclose(history.history["loss"], expected.history["loss"])
    for array, wanted in zip(ignoring.get_weights(), others.get_weights(), strict=True):
        assert_allclose(array, wanted)


def test_means_are_taken_batch_by_batch_in_fit_and_evaluate() -> None:
    model, rate_0 = model_of(-1), fn.optimizers.SGD(0.0)
    model.compile(rate_0, model.loss)
    each = SparseCategoricalCrossentropy()
    outputs = model.predict(X)
    means = [each(LABELS[rows][KNOWN[rows]], outputs[rows][KNOWN[rows]]) for rows in (slice(0, 40), slice(40, 60))]
    expected = (means[0] * 40 + means[1] * 20) / 60
    history = model.fit(X, LABELS, batch_size=40, shuffle=False, verbose=0, validation_data=(X, LABELS))
    assert history.history["loss"] == [pytest.approx(expected)]
    assert model.evaluate(X, LABELS, batch_size=40, verbose=0) == pytest.approx(expected)


def test_evaluation_and_validation_take_batches_as_keras_does() -> None:
    model = model_of(-1)
    model.compile(fn.optimizers.SGD(0.0), model.loss)
    by_16, by_32, whole = (model.evaluate(X, LABELS, batch_size=size, verbose=0) for size in (16, 32, 60))
    assert len({by_16, by_32, whole}) == 3
    assert model.evaluate(X, LABELS, verbose=0) == by_32
    assert model.test_on_batch(np.tile(X, (6, 1)), np.tile(LABELS, 6)) == pytest.approx(whole, rel=1e-12)
    logs = model.fit(X, LABELS, batch_size=16, validation_data=(X, LABELS), verbose=0).history
    assert logs["val_loss"] == [by_16]
    logs = model.fit(X, LABELS, batch_size=16, validation_data=(X, LABELS), validation_batch_size=60, verbose=0).history
    assert logs["val_loss"] == [whole]


def test_accuracy_counts_the_samples_of_a_class_and_metrics_that_ignore_a_label_see_all() -> None:
    own = fn.metrics.SparseCategoricalCrossentropy(ignore_class=-1)
    model = model_of(-1, metrics=["accuracy", own], weighted_metrics=["sparse_categorical_accuracy"])
    logs = model.evaluate(X, LABELS, verbose=0, return_dict=True, sample_weight=WEIGHTS)
    right = model.predict(X).argmax(axis=1) == LABELS
    assert logs["accuracy"] == pytest.approx(right[KNOWN].mean())
    assert logs["sparse_categorical_accuracy"] == pytest.approx(np.average(right[KNOWN], weights=WEIGHTS[KNOWN]))
    loss = SparseCategoricalCrossentropy(ignore_class=-1)(LABELS, model.predict(X))
    assert logs["sparse_categorical_crossentropy"] == pytest.approx(loss * KNOWN.mean())
    ignored_class = model_of(2, metrics=["accuracy"])
    labels = np.where(KNOWN, LABELS, 2)
    assert ignored_class.evaluate(X, labels, verbose=0)[1] == pytest.approx(
        (ignored_class.predict(X).argmax(axis=1) == labels).mean()
    )


def test_a_batch_without_other_samples_changes_nothing() -> None:
    model = model_of(255, metrics=["accuracy"])
    before = model.get_weights()
    assert model.train_on_batch(X, np.full(60, 255))[0] == 0.0
    for array, wanted in zip(model.get_weights(), before, strict=True):
        assert_array_equal(array, wanted)


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.int64])
def test_labels_come_in_any_dtype_as_a_column_and_as_logits(dtype: Any) -> None:
    logits = fn.Sequential([fn.Input((5,)), fn.Dense(4)], seed=1, dtype="float64")
    logits.compile(fn.optimizers.SGD(0.5), SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1))
    logits.fit(X, LABELS.astype(dtype)[:, None], batch_size=20, shuffle=False, verbose=0, class_weight={1: 2.0})
    expected = model_of(-1)
    expected.fit(X, LABELS, batch_size=20, shuffle=False, verbose=0, sample_weight=np.where(LABELS == 1, 2.0, 1.0))
    assert_allclose(logits.get_weights()[0], expected.get_weights()[0])


def test_results_do_not_depend_on_threads_and_a_file_keeps_the_class(tmp_path: Any) -> None:
    before, weights = fn.get_num_threads(), []
    try:
        for number in (1, 2):
            fn.set_num_threads(number)
            model = model_of(-1)
            model.fit(X, LABELS, batch_size=16, epochs=2, verbose=0)
            weights.append(model.get_weights()[0])
    finally:
        fn.set_num_threads(before)
    assert_array_equal(*weights)
    model.save(tmp_path / "m.safetensors")
    loaded = fn.load_model(tmp_path / "m.safetensors")
    assert loaded.loss.ignore_class == -1
    assert loaded.evaluate(X, LABELS, verbose=0) == pytest.approx(model.evaluate(X, LABELS, verbose=0))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.where(KNOWN, LABELS, -2), r"label -2 at row \d+; .* labels must be in 0..3 or -1, which is ignored"),
        (np.where(KNOWN, LABELS, 4), "labels must be in 0..3 or -1"),
        (np.eye(4)[np.abs(LABELS)], r"y must have one label a row, of shape .* got \(60, 4\)"),
    ],
)
def test_other_labels_are_refused(labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_of(-1).evaluate(X, labels, verbose=0)
    with pytest.raises(ValueError, match=message):
        model_of(-1).fit(X, labels, batch_size=60, verbose=0)


def test_the_doctor_takes_such_labels() -> None:
    assert "FN202" not in fn.doctor(model_of(-1), X, LABELS).codes
    assert "FN202" in fn.doctor(model_of(-1), X, np.where(KNOWN, LABELS, -2)).codes
    assert "FN202" not in fn.doctor(model_of(-1), X, np.full(60, -1)).codes
