"""Training on data that stay on the disk: the figures and the bits of arrays in memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.callbacks import Callback, LambdaCallback
from stored import CLASSES, FEATURES, ROWS, X, Y, fitted, in_small_blocks, model, opened, written  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_small_blocks")


def test_rows_in_order_give_the_bits_of_arrays_in_memory(tmp_path: Path) -> None:
    stored = fitted(opened(tmp_path), shuffle=False)
    assert stored == fitted(X, Y, shuffle=False)


@pytest.mark.parametrize(
    "arguments",
    [
        {"sample_weight": np.linspace(0, 2, ROWS)},
        {"class_weight": {0: 2.0, 2: 0.5}},
        {"validation_split": 0.21, "validation_freq": 2},
        {"steps_per_epoch": 11, "epochs": 15},
        {"callbacks": [LambdaCallback(on_train_batch_end=lambda batch, logs: None)]},
        {"debug": True},
        {"batch_size": 700},
        {"batch_size": 5000},
    ],
    ids=lambda arguments: "-".join([*arguments, str(arguments.get("batch_size", ""))]),
)
def test_everything_that_fit_takes_gives_the_bits_of_arrays_in_memory(arguments: Any, tmp_path: Path) -> None:
    arguments = {"shuffle": False, **arguments}
    (weights, figures), (expected, expected_figures) = fitted(opened(tmp_path), **arguments), fitted(X, Y, **arguments)
    assert weights == expected
    assert figures.keys() == expected_figures.keys()
    for name, values in figures.items():
        np.testing.assert_allclose(values, expected_figures[name], rtol=1e-12)


@pytest.mark.parametrize(
    "made",
    [
        lambda: model(fn.optimizers.Adam(fn.schedules.CosineDecay(0.01, 200))),
        lambda: model(fn.optimizers.SGD(fn.schedules.ExponentialDecay(0.1, 100, 0.5), gradient_accumulation_steps=3)),
        lambda: model(metrics=["accuracy", "AUC"]),
    ],
)
def test_schedules_and_metrics_of_python_give_the_bits_of_arrays_in_memory(made: Any, tmp_path: Path) -> None:
    assert fitted(opened(tmp_path), made=made(), shuffle=False) == fitted(X, Y, made=made(), shuffle=False)


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64", ">f4", "float16", "bool"])
def test_samples_of_any_dtype_give_the_bits_of_arrays_in_memory(dtype: str, tmp_path: Path) -> None:
    x = (np.abs(X) * 3).astype(dtype)
    data = fn.datasets.open(written(tmp_path, x))
    assert data.dtype == dtype
    assert fitted(data, shuffle=False) == fitted(x, Y, shuffle=False)


def test_numbers_are_targets_too(tmp_path: Path) -> None:
    targets = (X @ X[:2].T).astype("f8")
    data = fn.datasets.open(written(tmp_path, X, targets), encode=False)

    def regression() -> fn.Sequential:
        made = fn.Sequential([fn.Dense(2, input_shape=(FEATURES,))], seed=0)
        made.compile("sgd", "mse")
        return made

    assert fitted(data, made=regression(), shuffle=False) == fitted(X, targets, made=regression(), shuffle=False)


def test_a_part_is_the_same_rows_in_memory(tmp_path: Path) -> None:
    data = opened(tmp_path)
    arguments = {"sample_weight": np.linspace(0, 2, 600), "validation_split": 0.2, "shuffle": False}
    found = fitted(data.part(150, 900).part(50, 650), **arguments)
    expected = fitted(X[200:800], Y[200:800], **arguments)
    assert found[0] == expected[0]
    np.testing.assert_allclose(found[1]["val_loss"], expected[1]["val_loss"], rtol=1e-12)
    weights = np.linspace(0, 2, 1000)
    blocks = data.blocks[::-1]
    rows = np.concatenate([np.arange(*block) for block in blocks])
    arguments = {"sample_weight": weights, "shuffle": False}
    assert fitted(data.with_blocks(blocks), **arguments) == fitted(X[rows], Y[rows], **arguments)


def test_evaluate_and_predict_take_data_on_the_disk(tmp_path: Path) -> None:
    data, made = opened(tmp_path), model(metrics=["accuracy", "AUC"])
    np.testing.assert_allclose(made.evaluate(data, verbose=0), made.evaluate(X, Y, verbose=0), rtol=1e-12)
    weights = np.linspace(0, 2, ROWS)
    found = made.evaluate(data, sample_weight=weights, verbose=0, steps=9, batch_size=10)
    expected = made.evaluate(X[:90], Y[:90], sample_weight=weights[:90], verbose=0, batch_size=10)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert_array_equal(made.predict(data), made.predict(X))
    assert_array_equal(made.predict(data, steps=3, batch_size=50), made.predict(X[:150]))
    assert fitted(X, Y, validation_data=data)[1]["val_loss"] == pytest.approx(
        fitted(X, Y, validation_data=(X, Y))[1]["val_loss"], rel=1e-12
    )


def test_a_model_that_is_not_built_takes_its_shape_from_the_data(tmp_path: Path) -> None:
    made = fn.Sequential([fn.Dense(CLASSES, "softmax")], seed=0)
    made.compile("sgd", "sparse_categorical_crossentropy")
    made.fit(opened(tmp_path), verbose=0)
    assert made.input_shape == (FEATURES,)


def test_training_is_verified(tmp_path: Path) -> None:
    data, made = opened(tmp_path), model()
    made.fit(data, epochs=2, verbose=0)
    described = made.receipt["runs"][0]["data"]
    assert described["x"]["shape"] == [ROWS, FEATURES]
    assert described["x"]["places"] == 8
    assert fn.verify(made, data).identical
    np.save(tmp_path / "y.npy", Y[::-1])
    assert list(fn.verify(made, fn.datasets.open(tmp_path / "x.npy")).differences) == ["y"]


@pytest.mark.parametrize("batch_size", [1, 7, 64, 5000])
def test_predictions_of_blocks_of_any_size_are_those_of_arrays(batch_size: int, tmp_path: Path) -> None:
    data, made = opened(tmp_path), model()
    blocks = [(900, 1000), (0, 333), (333, 334), (334, 800)]
    rows = np.concatenate([np.arange(*block) for block in blocks])
    assert_array_equal(made.predict(data.with_blocks(blocks), batch_size), made.predict(X[rows], batch_size))


class Noted(Callback):
    """Notes which hooks of predictions were called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def on_predict_begin(self, logs: Any = None) -> None:
        self.calls.append(self.params["steps"])

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls.append((batch, len(logs["outputs"])))

    def on_predict_end(self, logs: Any = None) -> None:
        self.calls.append("end")


@pytest.mark.parametrize("batch_size", [64, 100, 700])
def test_callbacks_see_one_prediction_of_all_rows(batch_size: int, tmp_path: Path) -> None:
    data, made, calls = opened(tmp_path), model(), []
    for x in (X, data):
        noted = Noted()
        found = made.predict(x, batch_size, callbacks=[noted])
        assert_array_equal(found, made.predict(X, batch_size))
        calls.append(noted.calls)
    assert calls[0] == calls[1]
    assert calls[0][0] == -(-ROWS // batch_size)
    noted = Noted()
    assert made.predict(X[:0], callbacks=[noted]).shape == (0, CLASSES)
    assert noted.calls == [0, "end"]


def test_all_rows_are_in_spans_of_whole_blocks(tmp_path: Path) -> None:
    data = opened(tmp_path).with_blocks([(900, 1000), (0, 333), (333, 340), (340, 350)])
    row = data.row_bytes
    assert list(data.spans(1)) == [(0, 100), (100, 433), (433, 440), (440, 450)]
    assert list(data.spans(340 * row)) == [(0, 100), (100, 440), (440, 450)]
    assert list(data.spans(10**9)) == [(0, 450)]


def test_the_columns_of_a_table_in_another_order(tmp_path: Path) -> None:
    data = opened(tmp_path)
    turned = data.with_columns([5, 0, 2, 1, 3, 4])
    assert turned.feature_names is None
    assert_array_equal(turned.read(20, 90)[0], X[20:90, [5, 0, 2, 1, 3, 4]])
    assert_array_equal(turned.read(20, 90)[1], Y[20:90])


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda data: data.read(5, 3), r"first and last must be rows of 0\.\.1000 in this order; got 5 and 3"),
        (lambda data: data.read(0.5, 3), "first must be an integer"),
        (lambda data: data.part(-3, 5), "first must be at least 0; got -3"),
        (lambda data: data.part(5000, 6000), "in this order; got 5000 and 1000"),
        (lambda data: data.sample(0), "rows must be at least 1; got 0"),
        (lambda data: data.with_blocks([(900, 1001)]), "blocks must be ranges of the 1000 rows in the files"),
        (lambda data: data.with_blocks([(9, 8)]), "blocks must be ranges"),
        (lambda data: data.with_columns([0, 0, 1, 2, 3, 4]), "order must have each of the 6 columns of a table once"),
        (lambda data: data.reshaped((-1, 6)), "shape must be at least 1"),
    ],
)
def test_rows_and_columns_that_are_not_there_are_refused(use: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        use(opened(tmp_path))
    assert len(opened(tmp_path).part(990, 5000)) == 10
