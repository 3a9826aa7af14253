"""A NaN shows: one among predictions or targets gives NaN in every loss, its gradient, every metric and every activation.

The instruction sets of this machine each run in a process of their own, as FASTNET_ISA is read once: this file is that program too.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet import _core
from fastnet.losses.base import losses
from fastnet.metrics.base import metrics

AVAILABLE = fn.show_config(mode="dict")["available_isas"]
DTYPES = ("float32", "float64")
COLUMNS = (1, 2, 7, 16, 35)  # less than a vector, whole vectors, and what is left of one

# What comparisons make of a NaN: Keras's slopes on JAX, of which relu's is that of "not above zero".
SLOPES = {
    **dict.fromkeys(["linear", "hard_shrink", "soft_shrink"], 1.0),
    **dict.fromkeys(["relu", "relu6", "thresholded_relu", "hard_sigmoid", "hard_tanh", "sparse_sigmoid"], 0.0),
    "leaky_relu": 0.2,
}


def with_nan(array: np.ndarray, row: int, column: int) -> np.ndarray:
    changed = array.copy()
    changed[row, column] = np.nan
    return changed


# --- Losses and activations of the core, which `python test_nan.py` checks in the instruction set that it runs in --------


def losses_of_the_core() -> Iterator[tuple[str, list[float], bool]]:
    """Yield the names of all losses with settings that take each of their branches, and whether the predictions are logits."""
    settings = ([0.0, 0.0, 0.0, 0.0], [0.1, 0.5, 0.25, 1.0], [0.0, 1e-7, 0.0, 0.0])
    for name, chosen, logits in itertools.product(_core.loss_names(), settings, (False, True)):
        try:
            _core.loss(name, np.ones((1, 2)), np.ones((1, 2)), chosen, logits)
        except ValueError:
            assert logits, name
            continue
        yield name, chosen, logits


def check_loss(name: str, settings: list[float], logits: bool, dtype: str, columns: int) -> None:
    rng = np.random.default_rng(columns)
    pred = rng.choice([0.0, 0.3, 0.7, 1.0], size=(5, columns)).astype(dtype)  # some are clipped
    true = rng.choice([0.0, 0.4, 1.0], size=(5, columns)).astype(dtype)
    value = _core.loss(name, true, pred, settings, logits)
    others = np.arange(5) != 2
    for column in {0, columns // 2, columns - 1}:
        for t, p in ((true, with_nan(pred, 2, column)), (with_nan(true, 2, column), pred)):
            got = _core.loss(name, t, p, settings, logits)
            where = f"{name} {settings} logits={logits} {dtype} column {column} of {columns}"
            assert np.isnan(got[2]), where
            assert_array_equal(got[others], value[others], where)
            assert np.isnan(_core.loss_backward(name, t, p, settings, logits)[2, column]), where


def check_activation(name: str, dtype: str, columns: int) -> None:
    x = np.random.default_rng(columns).normal(size=(5, columns)).astype(dtype)
    of_rows = name.endswith("softmax")
    y = _core.activation(name, x, 0.2)
    for column in {0, columns // 2, columns - 1}:
        got = _core.activation(name, with_nan(x, 2, column), 0.2)
        where = f"{name} {dtype} column {column} of {columns}"
        assert np.isnan(got[2] if of_rows else got[2, column]).all(), where
        assert np.isnan(got).sum() == (columns if of_rows else 1), where
        assert_array_equal(got[[0, 1, 3, 4]], y[[0, 1, 3, 4]], where)
        slope = _core.activation_backward(name, np.ones_like(x), with_nan(x, 2, column), 0.2)
        assert_array_equal(slope[2, column], np.asarray(SLOPES.get(name, np.nan), dtype), where)
        incoming = _core.activation_backward(name, with_nan(np.ones_like(x), 2, column), x, 0.2)
        assert np.isnan(incoming[2, column]), where


def check_the_core() -> None:
    for (name, settings, logits), dtype, columns in itertools.product(losses_of_the_core(), DTYPES, COLUMNS):
        check_loss(name, settings, logits, dtype, columns)
    for name, dtype, columns in itertools.product(_core.activation_names(), DTYPES, COLUMNS):
        check_activation(name, dtype, columns)


@pytest.mark.parametrize("isa", AVAILABLE)
def test_nan_passes_through_losses_and_activations_of_every_instruction_set(isa: str) -> None:
    environment = {**os.environ, "FASTNET_ISA": isa}
    done = subprocess.run([sys.executable, __file__], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == isa


# --- Losses of Python ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted({cls.__name__ for cls in losses._classes.values()}))
def test_nan_passes_through_every_loss_in_a_network(kind: str) -> None:
    loss = getattr(fn.losses, kind)()
    last = "softmax" if "ategorical" in kind or kind == "KLDivergence" else "sigmoid"
    of_labels = kind.startswith("Sparse") or kind == "Circle"
    y = np.array([0, 1, 2, 0]) if of_labels else np.eye(3)[[0, 1, 2, 0]]
    metric = "sparse_categorical_accuracy" if of_labels else "mae"
    for activation, dtype in itertools.product({last, "linear", "relu"}, DTYPES):
        model = fn.Sequential([fn.Dense(4, "tanh", input_shape=(2,)), fn.Dense(3, activation)], seed=0, dtype=dtype)
        model.compile("sgd", loss, metrics=[metric, "accuracy"])
        x = np.arange(8.0).reshape(4, 2) / 8
        model.build((2,))
        weights = model.get_weights()
        weights[2][1, 1] = np.nan
        model.set_weights(weights)
        assert np.isnan(model.predict(x)).any(axis=1).all()
        for sample_weight in (None, np.array([0.0, 1.0, 2.0, 3.0])):
            assert np.isnan(model.evaluate(x, y, verbose=0, sample_weight=sample_weight)).all()
            value, gradients = model.loss_and_gradients(x, y, sample_weight)
            assert np.isnan(value)
            assert all(np.isnan(gradient).any() for gradient in gradients)
        assert np.isnan(model.train_on_batch(x, y)).all()


# --- Metrics ---------------------------------------------------------------------------------------------------------


NOT_OF_ROWS = {"Mean", "Sum", "IoU", "MeanIoU"}  # they take values or labels
ARGUMENTS: dict[str, dict[str, Any]] = {
    "F1Score": {"average": "macro"},
    "FBetaScore": {"average": "macro"},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [0, 2]},
    "OneHotMeanIoU": {"num_classes": 3},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
}


@pytest.mark.parametrize("kind", sorted({cls.__name__ for cls in metrics._classes.values()} - NOT_OF_ROWS))
@pytest.mark.parametrize("columns", [1, 3])
def test_nan_passes_through_every_metric(kind: str, columns: int) -> None:
    of_whole_rows = kind.startswith("OneHot") or "Correlation" in kind
    if columns == 1 and ("TopK" in kind or of_whole_rows):
        pytest.skip("the classes need an output each")
    arguments = ARGUMENTS.get(kind, {})
    true = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]], float)[:, :columns]
    pred = np.array([[0.1, 0.8, 0.1], [0.9, 0.0, 0.1], [0.3, 0.3, 0.4], [0.2, 0.7, 0.1]])[:, :columns]
    labels = true[:, 0] if columns == 1 else true.argmax(axis=1).astype(float)
    label_of_nan = np.where(np.arange(4) == 2, np.nan, labels)
    metric = getattr(fn.metrics, kind)(**arguments)
    for _ in range(2):  # what it saw before makes no difference, and it forgets a NaN
        expected = metric(true, pred)
        assert np.isfinite(expected)
        by_label = [] if of_whole_rows or kind == "BinaryIoU" else [(label_of_nan, pred)]
        for t, p in [(true, with_nan(pred, 1, 0)), (with_nan(true, 2, columns - 1), pred), *by_label]:
            metric.reset_state()
            metric.update_state(true, pred)
            assert np.isnan(metric(t, p))
            assert np.isnan(metric(true, pred))
        metric.reset_state()
        metric.update_state(true[2:], pred[2:])
        assert metric(true[:2], pred[:2]) == pytest.approx(expected)
        metric.reset_state()


def test_r2_of_a_constant_target_shows_a_nan() -> None:
    assert np.isnan(fn.metrics.R2Score()([1.0, 1.0], [1.0, np.nan]))


def test_means_and_functions_show_a_nan() -> None:
    assert np.isnan(fn.metrics.Mean()([1.0, np.nan]))
    always = fn.metrics.get(lambda y_true, y_pred: 1.0)
    assert always([1.0], [1.0]) == 1.0
    assert np.isnan(always([1.0], [np.nan]))


@pytest.mark.parametrize(("outputs", "loss"), [(1, "binary_crossentropy"), (3, "sparse_categorical_crossentropy")])
def test_the_accuracy_of_an_epoch_shows_that_weights_are_nan(outputs: int, loss: str) -> None:
    model = fn.Sequential([fn.Dense(outputs, "sigmoid", input_shape=(2,))], seed=0)
    model.compile("sgd", loss, metrics=["accuracy"])
    model.set_weights([np.full((2, outputs), np.nan), np.zeros(outputs)])
    with pytest.warns(fn.exceptions.NonFiniteLossWarning):
        history = model.fit(np.ones((8, 2)), np.zeros(8), verbose=0, validation_split=0.5).history
    assert all(np.isnan(values).all() for values in history.values())


# --- Networks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [*DTYPES, "mixed_bfloat16"])
@pytest.mark.parametrize("name", _core.activation_names())
def test_nan_in_a_row_shows_in_its_outputs_and_in_no_other(name: str, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 20))
    x[rng.random(x.shape) < 0.5] = 0.0
    wrong = with_nan(x, 4, 3)
    layers = [fn.Dense(17, name, input_shape=(20,)), fn.PReLU(), fn.Dense(5, name), fn.Activation(name)]
    model = fn.Sequential(layers, seed=0, dtype=dtype)
    expected = model.predict(x)
    for form in (np.asarray, sp.csr_matrix):
        got = model.predict(form(wrong))
        assert np.isnan(got[4]).all()
        assert_array_equal(np.delete(got, 4, 0), np.delete(expected, 4, 0))
    assert_array_equal(model(wrong), got)


def test_quantized_models_and_prelu_show_a_nan() -> None:
    x = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    model = fn.Sequential([fn.Dense(5, "relu", input_shape=(4,)), fn.Dense(3, "hard_sigmoid")], seed=0).quantize(x)
    got = model.predict(with_nan(x, 4, 3))
    assert np.isnan(got[4]).all()
    assert_array_equal(np.delete(got, 4, 0), np.delete(model.predict(x), 4, 0))
    slope = np.full(4, 0.25)
    assert_array_equal(np.isnan(fn.functional.prelu(with_nan(x, 4, 3), slope)), np.isnan(with_nan(x, 4, 3)))
    by_x, by_slope = fn.functional.prelu_backward(np.ones_like(x), with_nan(x, 4, 3), slope)
    assert by_x[4, 3] == 0.25
    assert np.isnan(by_slope[3])


if __name__ == "__main__":
    check_the_core()
    print(fn.show_config(mode="dict")["isa"])
