"""Labels, weights and samples of both kinds of estimators: what they become in files, and what is refused."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from asking import ask
from command import Run
from fastnet.reports._predictions import Classes, predictions_of
from fastnet.serve import create_app
from fastnet.sklearn import FastnetClassifier, FastnetRegressor, MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 3))
YES = X[:, 0] > 0
CODES = np.array(["007", "7"])[YES.astype(int)]
DAYS = pd.date_range("2020-01-01", periods=60)


def network(n_classes: int, target_type: str) -> fn.Sequential:
    kind = {"binary": (1, "sigmoid"), "multiclass": (n_classes, "softmax")}.get(target_type, (n_classes, "sigmoid"))
    return fn.Sequential([fn.Dense(8, "relu"), fn.Dense(*kind)])


def perceptron(**parameters: Any) -> MLPClassifier:
    return MLPClassifier(8, max_iter=20, random_state=0, **parameters)


def wrapped(**parameters: Any) -> FastnetClassifier:
    return FastnetClassifier(network, epochs=5, random_state=0, **parameters)


def regression_network(n_outputs: int) -> fn.Sequential:
    return fn.Sequential([fn.Dense(n_outputs)])


def perceptron_of_numbers(**parameters: Any) -> MLPRegressor:
    return MLPRegressor(hidden_layer_sizes=8, max_iter=5, random_state=0, **parameters)


def wrapped_of_numbers(**parameters: Any) -> FastnetRegressor:
    return FastnetRegressor(regression_network, random_state=0, **parameters)


CLASSIFIERS = pytest.mark.parametrize("kind", [perceptron, wrapped])
REGRESSORS = pytest.mark.parametrize("kind", [perceptron_of_numbers, wrapped_of_numbers])
ALL = pytest.mark.parametrize("kind", [perceptron, wrapped, perceptron_of_numbers, wrapped_of_numbers])


def sequential(estimator: Any) -> fn.Sequential:
    model = estimator.to_sequential() if isinstance(estimator, MLPClassifier) else estimator.model_
    assert isinstance(model, fn.Sequential)
    return model


# ---- Labels ---------------------------------------------------------------------------------------------------------

LABELS = {
    "1 and 2": np.where(YES, 2, 1),
    "signs": np.where(YES, 1, -1),
    "words": np.where(YES, "yes", "no"),
    "truth values": YES,
    "floats": np.where(YES, 2.0, 1.0),
    "codes": CODES,
    "three": np.array(["a", "b", "c"])[np.arange(60) % 3],
}


@CLASSIFIERS
@pytest.mark.parametrize("labels", LABELS)
def test_every_form_of_a_classifier_gives_its_labels(kind: Any, labels: str, run: Run, tmp_path: Path) -> None:
    estimator = kind().fit(X, LABELS[labels])
    expected = [str(label) for label in estimator.predict(X)]
    model = sequential(estimator)
    assert model.class_names == [str(label) for label in np.unique(LABELS[labels])]
    model.save(tmp_path / "model.safetensors")
    (tmp_path / "new.csv").write_text("a,b,c\n" + "\n".join(",".join(map(repr, row)) for row in X.tolist()))
    rows = csv.DictReader(io.StringIO(run("predict", "model.safetensors", "new.csv", "--quiet").out))
    assert [row["class"] for row in rows] == expected
    answer = ask(create_app(model), "POST", "/predict", json={"instances": X.tolist()}).json()
    assert [row["class"] for row in answer["predictions"]] == expected


@CLASSIFIERS
def test_the_two_labels_of_one_output_are_in_every_export(kind: Any, tmp_path: Path) -> None:
    model = sequential(kind().fit(X, CODES))
    assert model.output_shape == (1,)
    model.save(tmp_path / "model.safetensors")
    model.to_onnx(tmp_path / "model.onnx", label=True)
    small = model.quantize(X)
    for other in (fn.load_model(tmp_path / "model.safetensors"), fn.from_onnx(tmp_path / "model.onnx"), small):
        assert other.class_names == ["007", "7"]
    model.to_c(tmp_path / "model.c", check=False)
    assert '"007",\n    "7",' in (tmp_path / "model.c").read_text()
    found = predictions_of(model, X, CODES)
    assert isinstance(found, Classes)
    assert found.names == ["007", "7"]
    assert_array_equal(found.true, YES)


def test_one_class_has_a_name_and_so_has_its_absence() -> None:
    assert sequential(perceptron().fit(X, np.full(60, "only"))).class_names == ["only", "not only"]


@CLASSIFIERS
def test_several_labels_are_numbered(kind: Any) -> None:
    assert sequential(kind().fit(X, (X > 0).astype(int))).class_names == ["0", "1", "2"]


# ---- Weights of classes ---------------------------------------------------------------------------------------------


def weights_of(estimator: Any) -> list[np.ndarray[Any, Any]]:
    return sequential(estimator).get_weights()


@CLASSIFIERS
@pytest.mark.parametrize("labels", [np.array(["1", "2"]), np.array(["007", "7"]), np.array(["007", "042"])])
def test_text_that_looks_like_numbers_keeps_its_own_weights(kind: Any, labels: Any) -> None:
    text, words = labels[YES.astype(int)], np.array(["a", "b"])[YES.astype(int)]
    pairs = [
        ({labels[0]: 1.0, labels[1]: 5.0}, {"a": 1.0, "b": 5.0}),
        ({labels[1]: 5.0}, {"b": 5.0}),
        ("balanced",) * 2,
    ]
    for own, same in pairs:
        one, other = kind(class_weight=own).fit(X, text), kind(class_weight=same).fit(X, words)
        for a, b in zip(weights_of(one), weights_of(other), strict=True):
            assert_array_equal(a, b)


@CLASSIFIERS
@pytest.mark.parametrize("balanced", [False, True])
def test_weights_of_classes_are_those_of_their_samples(kind: Any, balanced: bool) -> None:
    counts = np.bincount(YES)
    of_class = len(YES) / (2 * counts) if balanced else np.array([1.0, 3.0])
    weight: Any = "balanced" if balanced else {True: 3.0}
    one = kind(class_weight=weight).fit(X, YES, np.arange(60) + 1.0)
    other = kind().fit(X, YES, (np.arange(60) + 1.0) * of_class[YES.astype(int)])
    for a, b in zip(weights_of(one), weights_of(other), strict=True):
        assert_array_equal(a, b)


@CLASSIFIERS
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ({"7": 2.0, "x": 1.0}, r"The classes, \['007'\], are not in class_weight, which has weights of \['x'\]"),
        ({7: 2.0, "007": 1.0}, r"The classes, \['7'\], are not in class_weight, which has weights of \[7\]"),
        ({"7": -1.0}, r"class_weight\['7'\] must be at least 0; got -1"),
        ({"7": float("nan")}, r"class_weight\['7'\] must be at least 0; got nan"),
        ([1.0, 2.0], "class_weight must be a dictionary or 'balanced'"),
    ],
)
def test_weights_that_fit_no_label_are_refused(kind: Any, weight: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(class_weight=weight).fit(X, CODES)


@CLASSIFIERS
def test_negative_weights_of_several_labels_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"class_weight\[1\] must be at least 0"):
        kind(class_weight=[{0: 1.0, 1: -2.0}] * 3).fit(X, (X > 0).astype(int))


# ---- eval_set -------------------------------------------------------------------------------------------------------


@ALL
def test_an_eval_set_may_stand_in_a_list(kind: Any) -> None:
    y = CODES if kind in (perceptron, wrapped) else X[:, 1]
    weight = np.linspace(1, 2, 60)
    for given, same in {"pair": ((X, y), [(X, y)]), "weighted": ((X, y, weight), [(X, y, weight)])}.values():
        assert kind().fit(X, y, eval_set=given).history_ == kind().fit(X, y, eval_set=same).history_
    assert kind().fit(X, y, eval_set=(X, y, weight)).history_ != kind().fit(X, y, eval_set=(X, y)).history_
    assert kind().fit(X, y, eval_set=(X, y, None)).history_ == kind().fit(X, y, eval_set=[X, y]).history_


@ALL
def test_an_eval_set_of_another_form_is_explained(kind: Any) -> None:
    y = CODES if kind in (perceptron, wrapped) else X[:, 1]
    for given in ((X,), [(X,)], [], X, "ab", {"X": X, "y": y}):
        with pytest.raises(ValueError, match=r"eval_set must be \(X, y\) or \(X, y, sample_weight\); got "):
            kind().fit(X, y, eval_set=given)
    with pytest.raises(ValueError, match="eval_set must be one set of samples; got a list of 2"):
        kind().fit(X, y, eval_set=[(X, y), (X, y)])


# ---- What is not data -----------------------------------------------------------------------------------------------


@ALL
def test_what_is_masked_is_refused(kind: Any) -> None:
    y: Any = YES.astype(int) if kind in (perceptron, wrapped) else X[:, 1]
    masked, row = np.ma.masked_array(X, X > 1.5), int(np.argwhere(X > 1.5)[0][0])
    with pytest.raises(ValueError, match=f"X has a masked value in row {row}"):
        kind().fit(masked, y)
    with pytest.raises(ValueError, match=f"X has a masked value in row {row}"):
        kind().fit(X, y, eval_set=(masked, y))
    with pytest.raises(ValueError, match="y has a masked value in row 0"):
        kind().fit(X, np.ma.masked_array(y, np.arange(60) < 2))
    with pytest.raises(ValueError, match="sample_weight has a masked value in row 0"):
        kind().fit(X, y, np.ma.masked_array(np.ones(60), np.arange(60) < 2))
    estimator = kind().fit(np.ma.array(X), y)
    with pytest.raises(ValueError, match=f"X has a masked value in row {row}"):
        estimator.predict(masked)
    assert_array_equal(estimator.predict(np.ma.masked_array(X, False)), estimator.predict(X))


@ALL
@pytest.mark.parametrize(
    ("table", "name"),
    [
        (pd.DataFrame({"a": X[:, 0], "day": DAYS}), "column 'day' of X"),
        (pd.DataFrame({"day": DAYS}), "column 'day' of X"),
        (pd.DataFrame({"day": DAYS - DAYS[0]}), "column 'day' of X"),
        (pl.DataFrame({"day": DAYS}), "column 'day' of X"),
        (pa.table({"day": DAYS}), "column 'day' of X"),
        (DAYS.to_numpy()[:, None], "X"),
    ],
)
def test_dates_are_not_features(kind: Any, table: Any, name: str) -> None:
    y = YES if kind in (perceptron, wrapped) else X[:, 1]
    with pytest.raises(TypeError, match=f"^{name} must hold numbers; got"):
        kind().fit(table, y)


@REGRESSORS
@pytest.mark.parametrize(
    "y",
    [
        DAYS.to_numpy(),
        pd.Series(DAYS),
        pd.Series(DAYS.tz_localize("UTC")),
        DAYS - DAYS[0],
        pl.Series(DAYS),
        pa.array(DAYS),
    ],
    ids=["array", "pandas", "zone", "spans", "polars", "pyarrow"],
)
def test_dates_are_not_targets_of_a_regression(kind: Any, y: Any) -> None:
    with pytest.raises(TypeError, match=r"^y must hold numbers; got"):
        kind().fit(X, y)
    with pytest.raises(TypeError, match=r"^y must hold numbers; got"):
        kind().fit(X, X[:, 1], eval_set=(X, y))


@CLASSIFIERS
def test_numbers_beyond_float32_do_not_become_the_first_class(kind: Any) -> None:
    estimator = kind().fit(X.astype(np.float32), YES)
    huge = X.copy()
    huge[4, 1] = 1e300
    for samples in (huge, huge.tolist()):
        with pytest.raises(ValueError, match="X has a number in row 4 that is too large for float32"):
            estimator.predict(samples)


@CLASSIFIERS
def test_an_output_that_is_not_a_number_is_not_a_class(kind: Any) -> None:
    estimator = kind().fit(X, YES)
    if kind is perceptron:
        estimator.coefs_[0][:] = np.nan
    else:
        estimator.model_.set_weights([np.full_like(array, np.nan) for array in estimator.model_.get_weights()])
    with pytest.raises(ValueError, match="the model's output for row 0 of X is not finite"):
        estimator.predict(X)


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}, {"solver": "lbfgs"}, {"solver": "sgd"}])
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_targets_and_weights_beyond_float32_are_told(parameters: dict[str, Any]) -> None:
    model = perceptron_of_numbers(dtype="float32", **parameters)
    with pytest.raises(ValueError, match="In particular, y has a number in row 0 that is too large for float32"):
        model.fit(X, np.full(60, 1e300))
    with pytest.raises(ValueError, match="In particular, sample_weight has a number in row 0"):
        model.fit(X, X[:, 1], np.full(60, 1e300))
    with pytest.raises(ValueError, match="X has a number in row 0 that is too large for float32"):
        model.fit(np.full((60, 3), 1e300), X[:, 1])
