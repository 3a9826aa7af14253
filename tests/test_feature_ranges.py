"""A model keeps the ranges of the features of the tables that it was trained on, and so does its file."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fastnet as fn
from command import Run
from fastnet.files import safetensors
from fastnet.sklearn import FastnetClassifier, MLPClassifier, MLPRegressor

ROWS = np.array([[1.5, 10], [4.3, 30], [2.5, 20]], dtype=np.float32)
RANGES = [(1.5, 2.5, 4.3), (10.0, 20.0, 30.0)]
Y = np.array([0, 1, 0])


def model_of(features: int, **keywords: Any) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(2, "softmax", input_shape=(features,))], seed=0, **keywords)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def trained(x: Any, y: Any = Y) -> fn.Sequential:
    model = model_of(np.shape(x)[1])
    model.fit(x, y, epochs=1, verbose=0)
    return model


@pytest.mark.parametrize(
    "x", [ROWS, ROWS.astype(np.float64).round(2), np.asfortranarray(ROWS), pd.DataFrame(ROWS, columns=["a", "b"])]
)
def test_fit_keeps_the_minimum_the_median_and_the_maximum_of_each_feature(x: Any) -> None:
    assert trained(x).feature_ranges == RANGES
    assert model_of(2).feature_ranges is None


def test_more_training_widens_the_ranges() -> None:
    model = trained(ROWS)
    model.fit(ROWS[:1] + 9, Y[:1], epochs=1, verbose=0)
    assert model.feature_ranges == [(1.5, 10.5, 10.5), (10.0, 19.0, 30.0)]


def test_of_many_rows_some_are_looked_at() -> None:
    x = np.arange(50_000.0)[:, None]
    (found,) = trained(x, np.zeros(50_000, np.int64)).feature_ranges or []
    assert found == (0.0, 24_995.0, 49_995.0)


def test_rows_on_the_disk_have_ranges_too(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", ROWS)
    np.save(tmp_path / "y.npy", Y)
    model = model_of(2)
    model.fit(fn.datasets.open(tmp_path / "x.npy", tmp_path / "y.npy"), epochs=1, verbose=0)
    assert model.feature_ranges == RANGES


def test_images_sparse_rows_batches_and_wide_tables_have_none() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    assert trained(sparse.csr_array(ROWS)).feature_ranges is None
    assert trained(np.ones((3, 101))).feature_ranges is None
    batches = model_of(2)
    batches.fit(iter([(ROWS, Y)]), steps_per_epoch=1, epochs=1, verbose=0)
    assert batches.feature_ranges is None
    images = fn.Sequential([fn.Flatten(input_shape=(2, 2)), fn.Dense(2, "softmax")])
    images.compile("sgd", "sparse_categorical_crossentropy")
    images.fit(np.ones((3, 2, 2)), Y, epochs=1, verbose=0)
    assert images.feature_ranges is None


def test_the_ranges_are_in_the_file_and_in_copies(tmp_path: Path) -> None:
    model = trained(ROWS)
    path = tmp_path / "model.safetensors"
    model.save(path)
    assert json.loads(fn.serialization.read_metadata(path)["feature_ranges"]) == [list(one) for one in RANGES]
    small = model.quantize(ROWS)
    small.save(tmp_path / "small.safetensors")
    for again in (
        fn.load_model(path),
        pickle.loads(pickle.dumps(model)),
        small,
        fn.load_model(tmp_path / "small.safetensors"),
    ):
        assert again.feature_ranges == RANGES


def test_a_file_without_ranges_is_read(tmp_path: Path) -> None:
    model_of(2).save(tmp_path / "model.safetensors")
    assert "feature_ranges" not in fn.serialization.read_metadata(tmp_path / "model.safetensors")
    assert fn.load_model(tmp_path / "model.safetensors").feature_ranges is None


@pytest.mark.parametrize("wrong", ["[1]", "[[1, 2]]", "[[3, 2, 1]]", '[["a", "b", "c"]]', "[[0, null, 1]]"])
def test_a_file_with_wrong_ranges_is_refused(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "model.safetensors"
    trained(ROWS).save(path)
    with safetensors.opened(path) as file:
        metadata, arrays = dict(file.metadata), file.read()
    metadata.pop("checksum", None)
    safetensors.write(path, arrays, {**metadata, "feature_ranges": wrong})
    with pytest.raises(ValueError, match=r"model.safetensors.*feature_ranges must be None or a list"):
        fn.load_model(path)


def test_ranges_that_are_set_wrongly_are_not_saved(tmp_path: Path) -> None:
    model = model_of(2)
    model.feature_ranges = [(0.0, float("nan"), 1.0)]
    with pytest.raises(ValueError, match="feature_ranges must be None or a list"):
        model.save(tmp_path / "model.safetensors")


def test_a_search_for_a_learning_rate_leaves_them_as_they_are() -> None:
    model = model_of(2)
    fn.find_learning_rate(model, ROWS, Y, steps=10)
    assert model.feature_ranges is None


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_estimators_keep_them_for_the_model(solver: str) -> None:
    table = pd.DataFrame(ROWS, columns=["a", "b"])
    for estimator in (
        MLPClassifier(2, solver=solver, tol=10.0),
        MLPRegressor(hidden_layer_sizes=2, solver=solver, tol=10.0),
    ):
        estimator.fit(table, Y)
        assert estimator.to_sequential().feature_ranges == RANGES


def test_partial_fit_widens_them_and_fit_starts_over() -> None:
    estimator = MLPClassifier(2, tol=10.0)
    estimator.partial_fit(ROWS[:2], Y[:2], classes=[0, 1])
    estimator.partial_fit(ROWS[2:] + 50, Y[2:])
    assert estimator.to_sequential().feature_ranges == [(1.5, 52.5, 52.5), (10.0, 70.0, 70.0)]
    estimator.fit(ROWS, Y)
    assert estimator.to_sequential().feature_ranges == RANGES


def test_a_wrapped_model_keeps_them() -> None:
    estimator = FastnetClassifier(model_of(2), epochs=1, random_state=0).fit(ROWS, Y)
    assert estimator.model_.feature_ranges == RANGES


def test_the_command_line_keeps_them(run: Run, flowers: Path) -> None:
    run("train", flowers, "--out", "flowers.safetensors", "--epochs", 2, "--quiet")
    ranges = fn.load_model("flowers.safetensors").feature_ranges
    table = pd.read_csv(flowers)
    assert ranges is not None
    for one, name in zip(ranges, ["width", "height"], strict=True):
        assert table[name].min() <= one.minimum <= one.median <= one.maximum <= table[name].max()
