"""input_gradients gives the slopes of the loss of evaluate by the samples."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

import fastnet as fn
from fastnet import layers
from fastnet.layers import Dense
from oracle.networks import LOSSES
from toy import LABELS, ONE_HOT, X, classifier

STEP = 1e-6
SLOPE_TOLERANCE = 1e-7  # of central differences of a loss around 1 in float64
ROWS = 6
RNG = np.random.default_rng(0)
SAMPLES = RNG.normal(size=(ROWS, 4))
WEIGHTS = RNG.uniform(0.5, 2.0, ROWS)


def slopes_of_evaluate(model: fn.Sequential, x: NDArray[Any], y: Any, weight: Any = None) -> NDArray[Any]:
    result = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        losses = []
        for step in (STEP, -STEP):
            moved = x.copy()
            moved[place] += step
            losses.append(model.evaluate(moved, y, sample_weight=weight, verbose=0, return_dict=True)["loss"])
        result[place] = (losses[0] - losses[1]) / (2 * STEP)
    return result


def model_with(last: str, outputs: int, loss: Any, *, dtype: str = "float64") -> fn.Sequential:
    stack = [layers.Rescaling(0.7, 0.1, input_shape=(4,)), Dense(5, "tanh"), layers.Dropout(0.5)]
    model = fn.Sequential([*stack, layers.BatchNormalization(), Dense(outputs, last)], dtype=dtype, seed=0)
    weights = model.get_weights()
    model.set_weights([np.random.default_rng(2).uniform(0.3, 1.5, w.shape) if w.ndim == 1 else w for w in weights])
    model.compile("sgd", loss=loss)
    return model


POSITIVE = RNG.uniform(0.1, 0.9, (ROWS, 3))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weight", [None, WEIGHTS], ids=["no weights", "weights"])
def test_the_gradients_are_the_slopes_of_evaluate(loss: str, weight: Any) -> None:
    targets = LOSSES[loss]
    y = targets.draw(np.random.default_rng(3), ROWS, 3)
    model = model_with(targets.activations[0], 3, loss)
    expected = slopes_of_evaluate(model, SAMPLES, y, weight)
    result = model.input_gradients(SAMPLES, y, sample_weight=weight)
    assert result.dtype == np.float64
    assert_allclose(result, expected, rtol=0, atol=SLOPE_TOLERANCE * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("last", ["linear", "relu", "softmax"])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_losses_from_logits_and_their_reductions(last: str, reduction: str) -> None:
    loss = fn.losses.SparseCategoricalCrossentropy(from_logits=last != "softmax", reduction=reduction)
    model = model_with(last, 3, loss)
    y = np.arange(ROWS) % 3
    expected = slopes_of_evaluate(model, SAMPLES, y, WEIGHTS)
    assert_allclose(model.input_gradients(SAMPLES, y, WEIGHTS), expected, rtol=0, atol=10 * SLOPE_TOLERANCE)


def test_a_loss_of_ones_own() -> None:
    def cubed(y_true: NDArray[Any], y_pred: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        error = y_pred - y_true
        return float((error**3).mean()), 3 * error**2 / error.size

    model = model_with("softplus", 3, cubed)
    expected = slopes_of_evaluate(model, SAMPLES, POSITIVE)
    assert_allclose(model.input_gradients(SAMPLES, POSITIVE), expected, rtol=0, atol=SLOPE_TOLERANCE)
    with pytest.raises(ValueError, match="takes no weights of samples"):
        model.input_gradients(SAMPLES, POSITIVE, WEIGHTS)


def test_the_gradient_of_a_sample_alone_is_as_many_times_larger_as_there_are_samples() -> None:
    model = classifier(dtype="float64")
    together = model.input_gradients(X, LABELS)
    alone = [model.input_gradients(X[i : i + 1], LABELS[i : i + 1])[0] for i in range(len(X))]
    assert_allclose(len(X) * together, alone, rtol=1e-12)


def test_the_gradients_are_those_of_the_jacobian_times_those_by_the_outputs() -> None:
    model = model_with("linear", 3, "mse", dtype="float32")
    by_output = 2 * (model.predict(SAMPLES) - POSITIVE) / POSITIVE.size
    expected = np.einsum("no,nof->nf", by_output, model.jacobian(SAMPLES))
    assert_allclose(model.input_gradients(SAMPLES, POSITIVE), expected, rtol=0, atol=1e-6)


def test_penalties_on_weights_have_no_part_in_it() -> None:
    plain, penalized = (
        fn.Sequential([Dense(2, kernel_regularizer=regularizer, input_shape=(4,))], seed=0)
        for regularizer in (None, fn.regularizers.L2(10.0))
    )
    for model in (plain, penalized):
        model.compile("sgd", "mse")
    assert_array_equal(penalized.input_gradients(X, ONE_HOT[:, :2]), plain.input_gradients(X, ONE_HOT[:, :2]))


def test_the_result_has_the_shape_of_the_samples() -> None:
    model = fn.Sequential([layers.Flatten(input_shape=(2, 2)), Dense(3, "softmax")], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.input_gradients(X.reshape(-1, 2, 2), LABELS).shape == (30, 2, 2)
    line = fn.Sequential([Dense(1, input_shape=(1,))], seed=0)
    line.compile("sgd", "mse")
    assert line.input_gradients([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]).shape == (3,)
    assert line.input_gradients([[1.0], [2.0]], [1.0, 2.0]).shape == (2, 1)


def test_many_samples_are_those_of_few() -> None:
    model = classifier(dtype="float64")
    x, y = np.tile(X, (40, 1)), np.tile(LABELS, 40)
    expected = np.tile(model.input_gradients(X, LABELS) / 40, (40, 1))
    assert_allclose(model.input_gradients(x, y), expected, rtol=1e-12)


def test_a_fast_gradient_sign_attack_raises_the_loss() -> None:
    model = classifier()
    model.fit(X, LABELS, epochs=20, verbose=0)
    attacked = X + 0.1 * np.sign(model.input_gradients(X, LABELS))
    before, after = (model.evaluate(x, LABELS, verbose=0, return_dict=True)["loss"] for x in (X, attacked))
    assert after > before + 0.01


def test_bad_input_is_refused() -> None:
    model = classifier()
    for arguments, message in [
        ((X, LABELS[:5]), "30"),
        ((X[:, :3], LABELS), r"x must have shape \(samples, 4\); got \(30, 3\)"),
        ((X, LABELS + 1), "label"),
        ((X[:0], LABELS[:0]), "at least one"),
        ((np.full_like(X, np.nan), LABELS), "NaN"),
        ((X[0], LABELS[:1]), r"x must have shape \(samples, 4\)"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.input_gradients(*arguments)
    with pytest.raises(ValueError, match=r"call compile\(optimizer, loss\) before input_gradients\(\)"):
        fn.Sequential([Dense(1, input_shape=(4,))]).input_gradients(X, LABELS)
