"""What fit, evaluate and predict take: arrays of any kind, tables, generators, data sets, loaders."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from toy import LABELS, X, assert_same, classifier, regressor

BYTES = (np.abs(X) * 40).astype(np.uint8)


def fitted(x: Any, y: Any = None, **options: Any) -> fn.Sequential:
    model = classifier(input_shape=None)
    model.fit(x, y, **{"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0, **options})
    return model


# --- Arrays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", "?", ">f4", ">i2"])
def test_every_numeric_type_trains_as_its_values_in_float32(dtype: str) -> None:
    x = (BYTES % 2 if dtype == "?" else BYTES % 100).astype(dtype)
    assert_same(fitted(x, LABELS), fitted(x.astype("f4"), LABELS))
    model = fitted(x, LABELS)
    assert_array_equal(model.predict(x), model.predict(x.astype("f4")))


@pytest.mark.parametrize("dtype", ["i2", "u8", "f4"])
@pytest.mark.parametrize("view", [np.asfortranarray, lambda a: a[::-1], lambda a: np.repeat(a, 2, axis=1)[:, ::2]])
def test_every_layout_trains_as_the_plain_one(view: Any, dtype: str) -> None:
    x = view(BYTES.astype(dtype))
    assert_same(fitted(x, LABELS), fitted(np.ascontiguousarray(x), LABELS))


def test_an_array_of_objects_is_refused() -> None:
    with pytest.raises(
        TypeError, match="x must be an array of real numbers; got ndarray with elements of dtype object"
    ):
        fitted(X.astype(object), LABELS)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_of_a_mapped_file_only_the_rows_that_are_used_are_read(tmp_path: Path, dtype: str) -> None:
    code = textwrap.dedent(
        f"""
        import resource
        import numpy as np
        import fastnet as fn
        x = np.memmap("x.dat", {dtype!r}, "w+", shape=(4_000, 250_000))  # a sparse file of 4 or 2 GB
        y = np.zeros(4_000, np.int64)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        x = np.memmap("x.dat", {dtype!r}, "r", shape=x.shape)[:40]
        model = fn.Sequential([fn.Dense(2, "softmax", input_shape=(250_000,))])
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.fit(x, y[:40], batch_size=4, verbose=0)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
        """
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    # 40 rows are 40 MB in float32: the pages that were read, a batch and the weights, but no copy of the file
    assert int(done.stdout) < 150


# --- Tables ----------------------------------------------------------------------------------------------------------

NAMES = ["a", "b", "c", "d"]
TABLES = {
    "pandas": lambda x: pd.DataFrame(x, columns=NAMES),
    "polars": lambda x: pl.DataFrame({name: x[:, i] for i, name in enumerate(NAMES)}),
    "pyarrow": lambda x: pa.table({name: x[:, i] for i, name in enumerate(NAMES)}),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_trains_as_its_array_and_names_the_features(kind: str) -> None:
    table = TABLES[kind](X)
    model = fitted(table, LABELS)
    assert_same(model, fitted(X, LABELS))
    assert model.feature_names == NAMES
    assert_array_equal(model.predict(table), model.predict(X))
    assert model.evaluate(table, LABELS, verbose=0) == model.evaluate(X, LABELS, verbose=0)


@pytest.mark.parametrize("kind", TABLES)
def test_columns_of_several_types_become_one_array(kind: str) -> None:
    mixed = {"a": np.arange(30), "b": X[:, 1], "c": np.arange(30) % 2 == 0, "d": X[:, 3].astype("f8")}
    table = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}[kind](mixed)
    expected = np.stack([np.asarray(column, "f8") for column in mixed.values()], axis=1)
    assert_same(fitted(table, LABELS), fitted(expected, LABELS))


@pytest.mark.parametrize("kind", TABLES)
def test_a_column_of_text_is_named(kind: str) -> None:
    columns = {"a": X[:, 0], "city": np.array(["Rome", "Oslo", "Bonn"] * 10), "c": X[:, 2], "d": X[:, 3]}
    table = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}[kind](columns)
    with pytest.raises(TypeError, match="column 'city' of x must hold numbers; got"):
        fitted(table, LABELS)


def test_a_missing_value_is_refused_with_its_row() -> None:
    table = pd.DataFrame({"a": pd.array([1, None, *range(28)], dtype="Int64"), "b": X[:, 1]})
    with pytest.raises(ValueError, match="x has a NaN or an infinity in row 1"):
        fitted(table, LABELS)


@pytest.mark.parametrize("series", [pd.Series(LABELS), pl.Series(LABELS), pd.DataFrame({"label": LABELS})])
def test_targets_may_be_a_series(series: Any) -> None:
    assert_same(fitted(X, series), fitted(X, LABELS))


# --- Batches ---------------------------------------------------------------------------------------------------------


def batches(weight: Any = None) -> Iterator[Any]:
    for start in range(0, 30, 8):
        rows = slice(start, start + 8)
        yield (X[rows], LABELS[rows]) if weight is None else (X[rows], LABELS[rows], weight[rows])


def endless() -> Iterator[Any]:
    while True:
        yield from batches()


class Loader:
    """Iterated again for every epoch, as PyTorch's DataLoader."""

    def __iter__(self) -> Iterator[Any]:
        return batches()

    def __len__(self) -> int:
        return 4


class Rows:
    """Samples by their number, as PyTorch's Dataset."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> Any:
        return X[index], LABELS[index]


class Parts:
    """Batches by their number, as Keras's PyDataset."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return list(batches())[index]


SOURCES: dict[str, Any] = {"loader": Loader, "rows": Rows, "parts": Parts, "list": lambda: list(batches())}


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_of_batches_trains_as_their_array(kind: str) -> None:
    model = fitted(SOURCES[kind](), validation_data=SOURCES[kind]())
    expected = fitted(X, LABELS, validation_data=(X, LABELS), validation_batch_size=8)
    assert_same(model, expected)
    assert model.history is not None
    assert expected.history is not None
    for name, values in expected.history.history.items():
        assert_allclose(model.history.history[name], values, rtol=1e-6)
    assert model.history.params["steps"] == 4
    assert_allclose(model.evaluate(SOURCES[kind](), batch_size=8, verbose=0), expected.evaluate(X, LABELS, verbose=0), rtol=1e-6)  # fmt: skip


def test_a_generator_trains_step_by_step() -> None:
    assert_same(fitted(endless(), steps_per_epoch=4), fitted(X, LABELS))
    assert_same(fitted(batches(), epochs=1), fitted(X, LABELS, epochs=1))


def test_samples_and_batches_are_shuffled_where_that_is_asked_for() -> None:
    for source in (Rows(), Parts()):
        model, plain = fitted(source, shuffle=True), fitted(source)
        assert (model.get_weights()[0] != plain.get_weights()[0]).any()
    seen = []
    rows = Rows()
    rows.__class__ = type("Seen", (Rows,), {"__getitem__": lambda self, i: seen.append(i) or Rows.__getitem__(self, i)})
    fitted(rows, shuffle=True, epochs=1)
    assert sorted(seen[-30:]) == list(range(30))  # some before that, to tell samples from batches and to build


def test_batches_bring_weights() -> None:
    weight = np.linspace(0.5, 2.0, 30)
    source = list(batches(weight))
    assert_same(fitted(source), fitted(X, LABELS, sample_weight=weight))


def test_an_epoch_and_a_validation_may_be_cut_short() -> None:
    assert_same(fitted(X, LABELS, steps_per_epoch=2, epochs=1), fitted(X[:16], LABELS[:16], epochs=1))
    model = fitted(X, LABELS, validation_data=(X, LABELS), validation_steps=2, validation_batch_size=8)
    assert model.history is not None
    assert model.history.history["val_loss"][-1] == pytest.approx(model.evaluate(X[:16], LABELS[:16], verbose=0)[0])  # type: ignore[index]
    assert model.evaluate(X, LABELS, batch_size=8, steps=2, verbose=0) == pytest.approx(
        model.evaluate(X[:16], LABELS[:16], verbose=0)
    )


def test_callbacks_of_batches_see_those_of_a_source() -> None:
    seen: list[int] = []
    callback = fn.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(batch))
    fitted(Loader(), callbacks=[callback])
    assert seen == [0, 1, 2, 3, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("x", "options", "error", "message"),
    [
        ([X[:8]], {}, ValueError, "y is missing"),
        (iter([X[:8]]), {}, ValueError, r"x must yield \(x, y\) or \(x, y, sample_weight\); got"),
        (iter([]), {}, ValueError, "x must yield at least one batch"),
        (Loader(), {"validation_split": 0.2}, ValueError, "validation_split needs x to be an array"),
        (Loader(), {"class_weight": {0: 2.0}}, ValueError, "class_weight needs x to be an array"),
        (Loader(), {"sample_weight": np.ones(30)}, ValueError, "sample_weight needs x to be an array"),
        (
            iter([(X[:8], LABELS[:8]), (X[:8] * np.nan, LABELS[:8])]),
            {},
            ValueError,
            "x of batch 2 has a NaN or an infinity in row 0",
        ),
        (
            iter([(X[:8], LABELS[:8]), (X[:8, :2], LABELS[:8])]),
            {},
            ValueError,
            r"x of batch 2 must have shape \(samples, 4\)",
        ),
    ],
)
def test_sources_that_do_not_fit_are_refused(x: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fitted(x, **options)


# --- Tasks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "outputs", "last", "loss", "metric"),
    [
        ("regression", 1, "linear", "mse", "r2_score"),
        ("several outputs", 2, "linear", "huber", "mae"),
        ("binary", 1, "sigmoid", "binary_crossentropy", "AUC"),
        ("multi-class", 3, "softmax", "sparse_categorical_crossentropy", "accuracy"),
        ("multi-label", 3, "sigmoid", "binary_crossentropy", "precision"),
    ],
)
def test_every_kind_of_task_is_learned(task: str, outputs: int, last: str, loss: str, metric: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    targets: dict[str, np.ndarray] = {
        "regression": np.sin(x[:, 0]) + x[:, 1],
        "several outputs": np.stack([np.sin(x[:, 0]), x[:, 1] ** 2], axis=1),
        "binary": (x[:, 0] * x[:, 1] > 0).astype(int),
        "multi-class": x.argmax(axis=1),
        "multi-label": (x > 0).astype(int),
    }
    model = fn.Sequential([fn.Dense(32, "relu", input_shape=(3,)), fn.Dense(outputs, last)], seed=0)
    model.compile(fn.optimizers.Adam(0.02), loss, metrics=[metric])
    y = targets[task]
    history = model.fit(x[:300], y[:300], epochs=60, validation_data=(x[300:], y[300:]), verbose=0).history
    assert history["val_loss"][-1] < 0.3 * history["val_loss"][0]
    if metric == "mae":
        assert history["val_mae"][-1] < 0.2
    else:
        assert history[f"val_{metric}"][-1] > 0.9


def test_torch_tensors_and_lists_are_arrays() -> None:
    assert_same(fitted(X.tolist(), LABELS.tolist()), fitted(X.astype("f8"), LABELS))

    class Tensor:
        """What PyTorch's tensor has of an array."""

        shape = X.shape
        dtype = "torch.float32"

        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return X

        def __len__(self) -> int:
            return len(X)

    assert_same(fitted(Tensor(), LABELS), fitted(X, LABELS))


def test_regressors_take_one_column_as_it_comes() -> None:
    model = regressor()
    for y in (X[:, 0], X[:, :1], pd.Series(X[:, 0])):
        model.fit(X, y, verbose=0)


def test_predictions_of_batches_follow_each_other() -> None:
    model = fitted(X, LABELS)
    expected = model.predict(X)
    assert_array_equal(model.predict(Loader()), expected)
    assert_array_equal(model.predict(x for x, _ in batches()), expected)
    assert_array_equal(model.predict(endless(), steps=2), expected[:16])
    assert_array_equal(model.predict(X, batch_size=8, steps=2), expected[:16])


def test_a_batch_of_validation_data_that_does_not_fit_is_named() -> None:
    wrong = [(X[:8], LABELS[:8]), (X[:8] * np.inf, LABELS[:8])]
    with pytest.raises(ValueError, match="x of batch 2 of validation_data has a NaN or an infinity in row 0"):
        fitted(X, LABELS, validation_data=wrong)
