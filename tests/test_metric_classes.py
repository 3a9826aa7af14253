"""Metrics of batches: those of scikit-learn on the whole set, however the samples are cut, with weights and without."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

import fastnet as fn
from fastnet import metrics

ROUNDING = 1e-12


def data(kind: str, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return targets, predictions and weights: of one yes-or-no, of classes by label, of several numbers."""
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.1, 2.0, n)
    if kind == "binary":
        y = np.concatenate([np.arange(8) % 2, rng.integers(0, 2, n - 8)])
        return y, np.clip(np.round(0.3 * y + rng.uniform(0, 0.7, n), 1), 0, 1)[:, None], weight  # rounded: with ties
    if kind == "classes":
        return np.concatenate([np.arange(8) % 4, rng.integers(0, 4, n - 8)]), rng.dirichlet(np.ones(4), n), weight
    return rng.normal(5.0, 2.0, size=(n, 3)), rng.normal(5.0, 1.0, size=(n, 3)), weight


def said(p: np.ndarray) -> np.ndarray:
    return p.argmax(axis=1) if p.shape[1] > 1 else (p[:, 0] > 0.5).astype(int)


def top_k(y: np.ndarray, p: np.ndarray, w: np.ndarray) -> float:
    return float(sk.top_k_accuracy_score(y, p, k=2, sample_weight=w, labels=range(4)))


def one_hot(y: np.ndarray) -> np.ndarray:
    return np.eye(4, dtype=int)[y]


CASES: dict[str, tuple[str, Callable[[], metrics.Metric], Callable[..., float]]] = {
    "binary accuracy": ("binary", metrics.BinaryAccuracy, lambda y, p, w: sk.accuracy_score(y, said(p), sample_weight=w)),
    "accuracy": ("classes", metrics.CategoricalAccuracy, lambda y, p, w: sk.accuracy_score(y, said(p), sample_weight=w)),
    "sparse": ("classes", metrics.SparseCategoricalAccuracy, lambda y, p, w: sk.accuracy_score(y, said(p), sample_weight=w)),
    "top k": ("classes", lambda: metrics.TopKCategoricalAccuracy(k=2), top_k),
    "precision": ("binary", metrics.Precision, lambda y, p, w: sk.precision_score(y, said(p), sample_weight=w, zero_division=0)),
    "recall": ("binary", metrics.Recall, lambda y, p, w: sk.recall_score(y, said(p), sample_weight=w, zero_division=0)),
    "recall of a class": ("classes", lambda: metrics.Recall(thresholds=0.4, class_id=2), lambda y, p, w: sk.recall_score(y == 2, p[:, 2] > 0.4, sample_weight=w, zero_division=0)),
    "micro precision": ("classes", metrics.Precision, lambda y, p, w: sk.precision_score(one_hot(y), p > 0.5, average="micro", sample_weight=w, zero_division=0)),
    "f1": ("binary", metrics.F1Score, lambda y, p, w: sk.f1_score(y, said(p), sample_weight=w)),
    **{
        f"{average} f1": ("classes", lambda average=average: metrics.F1Score(average), lambda y, p, w, average=average: sk.f1_score(y, said(p), average=average, sample_weight=w))
        for average in ("micro", "macro", "weighted")
    },
    "auc": ("binary", metrics.AUC, lambda y, p, w: sk.roc_auc_score(y, p[:, 0], sample_weight=w)),
    "auc of classes": ("classes", metrics.AUC, lambda y, p, w: sk.roc_auc_score(one_hot(y).ravel(), p.ravel(), sample_weight=w.repeat(4))),
    "average precision": ("binary", lambda: metrics.AUC(curve="PR"), lambda y, p, w: sk.average_precision_score(y, p[:, 0], sample_weight=w)),
    "mse": ("numbers", metrics.MeanSquaredError, lambda y, p, w: sk.mean_squared_error(y, p, sample_weight=w)),
    "rmse": ("numbers", metrics.RootMeanSquaredError, lambda y, p, w: np.sqrt(sk.mean_squared_error(y, p, sample_weight=w))),
    "mae": ("numbers", metrics.MeanAbsoluteError, lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w)),
    "r2": ("numbers", metrics.R2Score, lambda y, p, w: sk.r2_score(y, p, sample_weight=w)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, 60), min_size=1, max_size=5), weighted=st.booleans(), seed=st.integers(0, 2**32))
def test_batches_of_any_size_give_what_scikit_learn_gives_for_all(
    name: str, cuts: list[int], weighted: bool, seed: int
) -> None:
    kind, make, expected = CASES[name]
    n = 8 + sum(cuts)
    y, p, w = data(kind, n, seed)
    metric = make()
    for rows in np.split(np.arange(n), np.cumsum(cuts)):
        metric.update_state(y[rows], p[rows], w[rows] if weighted else None)
    assert metric.result() == pytest.approx(expected(y, p, w if weighted else np.ones(n)), rel=ROUNDING, abs=1e-15)
    metric.reset_state()
    metric.update_state(y[:8], p[:8])
    assert metric.result() == pytest.approx(expected(y[:8], p[:8], np.ones(8)), rel=ROUNDING, abs=1e-15)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[0] == "classes"])
def test_one_hot_rows_stand_for_labels(name: str) -> None:
    _, make, _ = CASES[name]
    y, p, _ = data("classes", 40, 1)
    assert make()(y, p) == make()(one_hot(y), p) == make()(y[:, None], p)


def test_labels_are_whole_numbers() -> None:
    metric = fn.metrics.SparseCategoricalAccuracy()
    metric.update_state([0.0, 1.0], [[0.9, 0.1], [0.2, 0.8]])
    assert metric.result() == 1.0
    with pytest.raises(ValueError, match=r"labels in y_true must be whole numbers; got 0\.7"):
        metric.update_state([0.7, 1.0], [[0.9, 0.1], [0.2, 0.8]])


@pytest.mark.parametrize("name", CASES)
def test_a_metric_goes_on_from_its_state(name: str) -> None:
    kind, make, _ = CASES[name]
    y, p, w = data(kind, 40, 3)
    whole, first, rest = make(), make(), make()
    for metric, rows in ((whole, slice(0, 15)), (whole, slice(15, 40)), (first, slice(0, 15))):
        metric.update_state(y[rows], p[rows], w[rows])
    rest.set_state(first.get_state())
    rest.update_state(y[15:], p[15:], w[15:])
    assert rest.result() == whole.result()


def test_r2_of_numbers_far_from_zero_keeps_its_digits() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(1e8, 1.0, size=1000)
    p = y + rng.normal(0, 0.1, size=1000)
    metric = metrics.R2Score()
    for part in np.split(np.arange(1000), 10):
        metric.update_state(y[part], p[part])
    assert metric.result() == pytest.approx(sk.r2_score(y, p), rel=1e-9)


def test_r2_of_a_constant_target_is_that_of_scikit_learn() -> None:
    for p in ([1.0, 1.0], [1.0, 2.0]):
        assert metrics.R2Score()([1.0, 1.0], p) == sk.r2_score([1.0, 1.0], p)


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1e9 + 0.1])
def test_r2_of_constant_targets_does_not_depend_on_rounding(value: float) -> None:
    y = np.full(10, value)
    for p, expected in ((y, 1.0), (y + 0.5, 0.0)):
        whole, parts = metrics.R2Score(), metrics.R2Score()
        whole.update_state(y, p, np.arange(10.0))
        for part in np.split(np.arange(10), 5):
            parts.update_state(y[part], p[part], part / 3)
        assert whole.result() == parts.result() == expected


@pytest.mark.parametrize("make", [metrics.MeanSquaredError, metrics.CategoricalAccuracy, metrics.Hinge])
def test_samples_without_weights_give_zero_as_in_keras(make: Any) -> None:
    metric = make()
    metric.update_state([[0.0, 1.0]], [[0.5, 0.25]], np.zeros(1))
    assert metric.result() == 0.0
    assert np.isnan(make()([[0.0, 1.0]], [[np.nan, 0.25]], np.zeros(1)))
    metric.reset_state()
    assert np.isnan(metric.result())
    assert metrics.Mean()([1.0, 2.0], [0.0, 0.0]) == 0.0


@pytest.mark.parametrize("make", [metrics.AUC, metrics.R2Score, metrics.MeanSquaredError, metrics.Mean])
def test_nothing_seen_is_not_a_number(make: Any) -> None:
    assert np.isnan(make().result())


def test_an_auc_of_one_class_is_not_a_number() -> None:
    assert np.isnan(metrics.AUC()([1, 1], [0.2, 0.3]))


def test_a_function_is_a_metric() -> None:
    metric = metrics.get(lambda y, p: np.abs(y - p[:, 0]))
    metric.update_state([0.0, 0.0, 0.0], [1.0, 2.0, 3.0])
    metric.update_state([0.0], [6.0])
    assert metric.result() == 3.0

    def bias(y_true: Any, y_pred: Any) -> float:
        return float(np.mean(y_pred[:, 0] - y_true))

    assert metrics.get(bias).name == "bias"
    assert metrics.get(bias)([0.0, 0.0], [1.0, 2.0]) == 1.5
    with pytest.raises(ValueError, match="a number or one for every row"):
        metrics.get(lambda y, p: np.ones(3))([0.0, 0.0], [1.0, 2.0])


def test_names_and_configurations_make_equal_metrics() -> None:
    for metric in (metrics.AUC(curve="PR", name="pr"), metrics.F1Score("macro", 0.3), metrics.Precision(0.7, class_id=1), metrics.TopKCategoricalAccuracy(3)):  # fmt: skip
        again = metrics.deserialize(metrics.serialize(metric))
        assert repr(again) == repr(metric)
    assert (metrics.get("mae").name, metrics.get("AUC").name, metrics.get(metrics.Recall).name) == (
        "mae",
        "AUC",
        "recall",
    )
    assert [m().name for m in (metrics.AUC, metrics.F1Score, metrics.R2Score, metrics.MeanAbsoluteError)] == [
        *["auc", "f1_score", "r2_score", "mean_absolute_error"]
    ]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: metrics.get("precicion"), ValueError, "metric must be one of"),
        (lambda: metrics.get("ConcordanceIndex"), NotImplementedError, "'ConcordanceIndex' is not available"),
        (lambda: metrics.get(3), TypeError, "metric must be"),
        (lambda: metrics.Precision(top_k=0), ValueError, "top_k must be at least 1"),
        (lambda: metrics.Precision([0.1, "0.9"]), TypeError, "thresholds must be a number"),
        (lambda: metrics.Precision("0.5"), TypeError, "thresholds must be a number or a list of numbers"),
        (lambda: metrics.F1Score("mean"), ValueError, "average must be"),
        (lambda: metrics.AUC(curve="XY"), ValueError, "curve must be"),
        (lambda: metrics.AUC(num_labels=2), ValueError, "num_labels is for multi_label=True"),
        (lambda: metrics.AUC(num_thresholds=1), ValueError, "num_thresholds must be at least 2"),
        (lambda: metrics.AUC(summation_method="sum"), ValueError, "summation_method must be"),
        (lambda: metrics.AUC(label_weights=[1.0])([0], [[0.2, 0.8]]), ValueError, "label_weights must have a value for each"),
        (lambda: metrics.FBetaScore(beta=0.0), ValueError, "beta must be above 0"),
        (lambda: metrics.IoU(2, [2]), ValueError, "target_class_ids must be classes below num_classes=2"),
        (lambda: metrics.R2Score("mean"), ValueError, "class_aggregation must be"),
        (lambda: metrics.Mean(dtype="float8"), ValueError, "dtype must be None or one of 'float16'"),
        (lambda: metrics.MeanSquaredError()([1.0], [1.0, 2.0]), ValueError, "the same number of rows"),
        (lambda: metrics.MeanSquaredError()(np.ones((2, 3)), np.ones((2, 2))), ValueError, "y_true must have the shape"),
        (lambda: metrics.CategoricalAccuracy()([4], [[0.5, 0.5]]), ValueError, "labels in y_true must be in 0..1"),
        (lambda: metrics.MeanSquaredError()([1.0], [1.0], [1.0, 2.0]), ValueError, "sample_weight must have 1 values"),
        (lambda: metrics.MeanSquaredError()(["a"], [1.0]), TypeError, "y_true must hold numbers"),
        (lambda: metrics.Recall(class_id=5)([0], [[0.5, 0.5]]), ValueError, "class_id must be below"),
        (lambda: metrics.Mean().update_state([1.0], [1.0, 1.0]), ValueError, "sample_weight"),
        (lambda: metrics.AUC(name=""), TypeError, "name must be"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_metrics_are_loaded_when_they_are_used() -> None:
    assert fn.metrics is metrics
