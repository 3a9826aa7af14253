"""The circle loss, which compares the embeddings of a batch with each other, against Keras's numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet.losses import Circle, circle
from record_losses import EMBEDDINGS, LABELS, WEIGHTS

RECORDED = json.loads((Path(__file__).parent / "data" / "losses.json").read_text(encoding="utf-8"))["circle"]
RNG = np.random.default_rng(4)
X = RNG.normal(size=(90, 2)) * 0.4
Y = np.arange(90) % 3
X[:, 0] += 2 * Y


def unit_rows(size: int) -> list[fn.layers.Layer]:
    """Layers that give rows of length 1."""
    normalization = fn.layers.LayerNormalization(center=False, scale=False, epsilon=1e-9)
    return [fn.Dense(size), normalization, fn.Rescaling(size**-0.5)]


@pytest.mark.parametrize("entry", RECORDED)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients_are_those_of_keras(dtype: Any, entry: dict[str, Any]) -> None:
    loss, tolerance = Circle(**entry["arguments"]), 1e-4 if dtype == np.float32 else 5e-6
    pred = EMBEDDINGS.astype(dtype)
    assert_allclose(loss.sample_losses(LABELS, pred), entry["losses"], rtol=tolerance, atol=tolerance)
    value, gradient = loss.value_and_gradient(LABELS, pred, WEIGHTS)
    assert value == pytest.approx(entry["weighted"], rel=tolerance)
    assert value == pytest.approx(loss(LABELS[:, None], pred, WEIGHTS))
    assert gradient.dtype == dtype
    scale = np.abs(entry["gradient"]).max()
    assert_allclose(gradient, entry["gradient"], atol=tolerance * scale)


@pytest.mark.parametrize("arguments", [{"gamma": 3.0}, {"gamma": 2.0, "margin": -0.5, "remove_diagonal": False}])
def test_the_gradient_is_the_slope_of_the_mean(arguments: dict[str, Any]) -> None:
    loss, pred, step = Circle(**arguments), EMBEDDINGS * 0.9, 1e-6
    slopes = np.empty_like(pred)
    for index in np.ndindex(pred.shape):
        moved = [pred.copy(), pred.copy()]
        moved[0][index] += step
        moved[1][index] -= step
        slopes[index] = (loss(LABELS, moved[0]) - loss(LABELS, moved[1])) / (2 * step)
    assert_allclose(loss.gradient(LABELS, pred), slopes, rtol=1e-6, atol=1e-8)


def test_samples_without_another_of_their_label_or_of_other_labels_do_not_count() -> None:
    loss = Circle(gamma=2.0)
    each = loss.sample_losses(LABELS, EMBEDDINGS)
    assert each[-1] == 0.0
    assert (each[:-1] > 0).all()
    assert loss(LABELS, EMBEDDINGS) == pytest.approx(each[:-1].mean())
    assert loss([3, 3], EMBEDDINGS[:2]) == 0.0
    assert loss([3, 4], EMBEDDINGS[:2]) == 0.0
    assert_array_equal(loss.gradient([3, 4], EMBEDDINGS[:2]), np.zeros((2, 4)))
    spoiled = EMBEDDINGS.copy()
    spoiled[0, 0] = np.nan
    assert np.isnan(loss(LABELS, spoiled))


def test_the_function_compares_with_references() -> None:
    assert_allclose(circle(LABELS, EMBEDDINGS, gamma=4.0, margin=0.25), RECORDED[1]["losses"], rtol=5e-6, atol=1e-9)
    assert_allclose(circle(LABELS, EMBEDDINGS, LABELS, EMBEDDINGS, gamma=3.0), circle(LABELS, EMBEDDINGS, gamma=3.0))
    near, far = 1 - EMBEDDINGS[0] @ EMBEDDINGS[1], 1 - EMBEDDINGS[0] @ EMBEDDINGS[2]
    m, gamma = 0.4, 2.0
    expected = np.log1p(np.exp(-gamma * (m + near) * (m - near) + gamma * (1 + m - far) * (1 - m - far)))
    given = circle([5], EMBEDDINGS[:1], [5, 6], EMBEDDINGS[1:3], remove_diagonal=False, gamma=gamma)
    assert given == pytest.approx([expected])


def test_a_model_learns_embeddings_that_keep_classes_apart_and_its_file_keeps_the_loss(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Input((2,)), fn.Dense(16, "relu"), *unit_rows(4)], seed=0)
    model.compile(fn.optimizers.Adam(0.01), Circle(gamma=16.0))
    history = model.fit(X, Y * 1000 - 1000, batch_size=45, epochs=60, verbose=0).history["loss"]
    assert history[-1] < 0.4 * history[0]
    embedded = model.predict(X)
    assert_allclose(np.linalg.norm(embedded, axis=1), 1.0, rtol=1e-5)
    cosines = embedded @ embedded.T
    same = Y[:, None] == Y
    assert cosines[same].mean() > cosines[~same].mean() + 0.8
    model.save(tmp_path / "m.safetensors")
    loaded = fn.load_model(tmp_path / "m.safetensors")
    assert loaded.loss.get_config() == model.loss.get_config()
    assert loaded.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))


def test_a_model_has_the_true_gradient() -> None:
    model = fn.Sequential([fn.Input((2,)), *unit_rows(3)], seed=2, dtype="float64")
    model.compile("sgd", Circle(gamma=2.0))
    x, y = X[:12], Y[:12]
    kernel, bias = model.get_weights()
    _, (by_kernel, _) = model.loss_and_gradients(x, y)
    slopes, step = np.empty_like(kernel), 1e-6
    for index in np.ndindex(kernel.shape):
        ends = []
        for sign in (step, -step):
            moved = kernel.copy()
            moved[index] += sign
            model.set_weights([moved, bias])
            ends.append(model.evaluate(x, y, verbose=0))
        slopes[index] = (ends[0] - ends[1]) / (2 * step)
    assert_allclose(by_kernel, slopes, rtol=1e-4, atol=1e-7)


def test_accuracy_with_labels_of_outputs_is_computed_from_them() -> None:
    model = fn.Sequential([fn.Input((2,)), *unit_rows(3)], seed=2)
    model.compile("sgd", "circle", metrics=["accuracy"])
    figures = model.evaluate(X, Y, verbose=0)
    assert figures[1] == pytest.approx((model.predict(X).argmax(axis=1) == Y).mean())


def test_the_loss_is_a_metric_and_the_doctor_takes_any_labels() -> None:
    model = fn.Sequential([fn.Input((2,)), *unit_rows(3)], seed=2)
    model.compile("sgd", "circle", metrics=["circle"])
    loss, metric = model.evaluate(X, Y * 1000, batch_size=90, verbose=0)
    assert metric == pytest.approx(loss)
    assert fn.doctor(model, X, Y * 1000).codes == []


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.eye(3)[Y], r"y must have one label a row, of shape \(n,\) or \(n, 1\), for circle; got \(90, 3\)"),
        (np.where(Y == 1, 1e300, 0.0), r"y has label 1e\+300 at row 1; labels must be less than 2\*\*63"),
        (Y + 0.5, "y has label 0.5 at row 0; labels must be whole numbers"),
    ],
)
def test_training_refuses_what_are_not_labels(labels: Any, message: str) -> None:
    model = fn.Sequential([fn.Input((2,)), fn.Dense(3)])
    model.compile("sgd", "circle")
    with pytest.raises(ValueError, match=message):
        model.fit(X, labels, verbose=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Circle(gamma=0.0), ValueError, "gamma must be above 0"),
        (lambda: Circle(remove_diagonal="no"), TypeError, "remove_diagonal must be True or False"),
        (lambda: Circle()([1], EMBEDDINGS), ValueError, "y_true must have a label for each of 6 embeddings; got 1"),
        (lambda: Circle()(LABELS, LABELS), ValueError, r"y_pred must have shape \(n, features\), .* got \(6,\)"),
        (lambda: Circle()(EMBEDDINGS, EMBEDDINGS), ValueError, r"y_true must have shape \(n,\) or \(n, 1\)"),
        (lambda: Circle()(LABELS + 0.5, EMBEDDINGS), ValueError, "y_true must hold whole numbers; got 0.5"),
        (lambda: Circle()(LABELS * 1e30, EMBEDDINGS), ValueError, r"y_true must hold labels of less than 2\*\*63; got"),
        (lambda: Circle()(["a"] * 6, EMBEDDINGS), ValueError, "y_true must have shape"),
        (
            lambda: circle(LABELS, EMBEDDINGS, [1], np.ones((1, 3))),
            ValueError,
            r"ref_embeddings must have 4 columns, as y_pred; got shape \(1, 3\)",
        ),
        (lambda: circle(LABELS, EMBEDDINGS, [1]), ValueError, "ref_labels must have a label for each of 6"),
    ],
)
def test_what_does_not_fit_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
