"""Options of metrics that Keras has: thresholds, curves as sums, classes, correlations, names of losses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import losses, metrics

RNG = np.random.default_rng(0)
N = 60
Y = (RNG.uniform(size=N) > 0.4).astype(int)
P = np.round(np.clip(0.3 * Y + RNG.uniform(0, 0.7, N), 0, 1), 2)
W = RNG.uniform(0.1, 2.0, N)
LABELS = RNG.integers(0, 3, N)
SHARES = RNG.dirichlet(np.ones(3), N)
ONE_HOT = np.eye(3)[LABELS]
THRESHOLDS = [0.25, 0.5, 0.75]


def counts(y: Any, p: Any, threshold: float, w: Any) -> dict[str, float]:
    """The counts at one threshold, by their definition."""
    yes, said = np.asarray(y) > 0.5, np.asarray(p) > threshold
    kinds = {"tp": yes & said, "fp": ~yes & said, "tn": ~yes & ~said, "fn": yes & ~said}
    return {name: float((np.broadcast_to(w, yes.shape) * kind).sum()) for name, kind in kinds.items()}


KINDS = {
    "tp": metrics.TruePositives,
    "fp": metrics.FalsePositives,
    "tn": metrics.TrueNegatives,
    "fn": metrics.FalseNegatives,
}


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_those_of_their_definition(kind: str) -> None:
    assert KINDS[kind]()(Y, P, W) == pytest.approx(counts(Y, P, 0.5, W)[kind])
    several = KINDS[kind](thresholds=THRESHOLDS)
    for rows in np.array_split(np.arange(N), 4):
        several.update_state(Y[rows], P[rows], W[rows])
    assert_allclose(several.result(), [counts(Y, P, t, W)[kind] for t in THRESHOLDS])
    of_values = RNG.uniform(size=ONE_HOT.shape)
    assert KINDS[kind]()(ONE_HOT, SHARES, of_values) == pytest.approx(counts(ONE_HOT, SHARES, 0.5, of_values)[kind])


def test_precision_and_recall_take_thresholds_and_the_largest_outputs() -> None:
    at = [counts(Y, P, t, 1.0) for t in THRESHOLDS]
    assert_allclose(metrics.Precision(THRESHOLDS)(Y, P), [c["tp"] / (c["tp"] + c["fp"]) for c in at])
    assert_allclose(metrics.Recall(THRESHOLDS)(Y, P), [c["tp"] / (c["tp"] + c["fn"]) for c in at])
    first_two = np.argsort(-SHARES, axis=1)[:, :2]
    hits = (first_two == LABELS[:, None]).sum()
    assert metrics.Precision(top_k=2)(ONE_HOT, SHARES) == pytest.approx(hits / (2 * N))
    assert metrics.Recall(top_k=2)(ONE_HOT, SHARES) == pytest.approx(hits / N)
    assert metrics.Precision(top_k=2, class_id=1)(ONE_HOT, SHARES) == pytest.approx(
        ((first_two == 1).any(axis=1) & (LABELS == 1)).sum() / (first_two == 1).any(axis=1).sum()
    )
    assert metrics.Precision(top_k=2)([0, 1, 1, 0], [0.9, 0.8, 0.7, 0.1]) == 0.5  # a vector is one row


@pytest.mark.parametrize(
    ("metric", "required", "reported"),
    [
        (metrics.SensitivityAtSpecificity, ("tn", "fp"), ("tp", "fn")),
        (metrics.SpecificityAtSensitivity, ("tp", "fn"), ("tn", "fp")),
        (metrics.PrecisionAtRecall, ("tp", "fn"), ("tp", "fp")),
        (metrics.RecallAtPrecision, ("tp", "fp"), ("tp", "fn")),
    ],
)
@pytest.mark.parametrize("value", [0.0, 0.3, 0.7, 0.95])
def test_the_best_of_one_figure_where_another_is_high_enough(
    metric: Any, required: tuple[str, str], reported: tuple[str, str], value: float
) -> None:
    def share(found: dict[str, float], pair: tuple[str, str]) -> float:
        total = found[pair[0]] + found[pair[1]]
        return found[pair[0]] / total if total else 0.0

    found = [counts(Y, P, t, W) for t in np.linspace(0, 1, 200)]
    best = max([share(one, reported) for one in found if share(one, required) >= value], default=0.0)
    made = metric(value)
    for rows in np.array_split(np.arange(N), 3):
        made.update_state(Y[rows], P[rows], W[rows])
    assert made.result() == pytest.approx(best)
    assert repr(metrics.deserialize(metrics.serialize(made))) == repr(made)


# ---- AUC ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("curve", ["ROC", "PR"])
@pytest.mark.parametrize("method", ["interpolation", "minoring", "majoring"])
def test_auc_is_the_sum_over_the_thresholds(method: str, curve: str) -> None:
    limits = [-1e-7, *np.linspace(0, 1, 50)[1:-1], 1 + 1e-7]
    found = [counts(Y, P, t, W) for t in limits]
    tp, fp, tn, fn_ = (np.array([one[name] for one in found]) for name in ("tp", "fp", "tn", "fn"))
    recall = tp / (tp + fn_)
    precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0)
    x, y = (fp / (fp + tn), recall) if curve == "ROC" else (recall, precision)
    heights = {
        "interpolation": (y[:-1] + y[1:]) / 2,
        "minoring": np.minimum(y[:-1], y[1:]),
        "majoring": np.maximum(y[:-1], y[1:]),
    }[method]
    made = metrics.AUC(50, curve, method)
    for rows in np.array_split(np.arange(N), 3):
        made.update_state(Y[rows], P[rows], W[rows])
    if (curve, method) == ("PR", "interpolation"):  # of another kind: Davis and Goadrich's
        assert made.result() == pytest.approx(sk.average_precision_score(Y, P, sample_weight=W), abs=0.02)
    else:
        assert made.result() == pytest.approx((-np.diff(x) * heights).sum())
    assert repr(metrics.deserialize(metrics.serialize(made))) == repr(made)


def test_many_thresholds_come_close_to_the_exact_area() -> None:
    assert metrics.AUC(10_000)(Y, P) == pytest.approx(sk.roc_auc_score(Y, P), abs=1e-9)  # P has two decimals
    assert metrics.AUC()(Y, P) == pytest.approx(sk.roc_auc_score(Y, P), abs=1e-12)
    assert metrics.AUC(thresholds=np.arange(0.005, 1, 0.01))(Y, P) == pytest.approx(sk.roc_auc_score(Y, P), abs=1e-9)


@pytest.mark.parametrize("thresholds", [None, 10_000])
def test_auc_of_each_output_and_weights_of_outputs(thresholds: int | None) -> None:
    each = [sk.roc_auc_score(ONE_HOT[:, i], SHARES[:, i]) for i in range(3)]
    tolerance = 1e-12 if thresholds is None else 1e-3
    assert metrics.AUC(thresholds, multi_label=True)(ONE_HOT, SHARES) == pytest.approx(np.mean(each), abs=tolerance)
    weights = [0.2, 0.3, 0.5]
    weighted = metrics.AUC(thresholds, multi_label=True, num_labels=3, label_weights=weights)
    assert weighted(ONE_HOT, SHARES) == pytest.approx(np.average(each, weights=weights), abs=tolerance)
    together = metrics.AUC(thresholds, label_weights=weights)(ONE_HOT, SHARES)
    expected = sk.roc_auc_score(ONE_HOT.ravel(), SHARES.ravel(), sample_weight=np.tile(weights, N))
    assert together == pytest.approx(expected, abs=tolerance)


def test_auc_of_logits_and_of_gains() -> None:
    logits = np.log(np.clip(P, 0.01, 0.99) / (1 - np.clip(P, 0.01, 0.99)))
    assert metrics.AUC(from_logits=True)(Y, logits) == pytest.approx(sk.roc_auc_score(Y, np.clip(P, 0.01, 0.99)))
    assert metrics.AUC(curve="PRGAIN")([0, 1], [0.0, 1.0]) == pytest.approx(1.0)


# ---- Scores ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("average", ["micro", "macro", "weighted", None])
def test_fbeta_is_that_of_scikit_learn(average: str | None, beta: float) -> None:
    made = metrics.FBetaScore(average, beta)
    for rows in np.array_split(np.arange(N), 4):
        made.update_state(LABELS[rows], SHARES[rows], W[rows])
    expected = sk.fbeta_score(LABELS, SHARES.argmax(axis=1), beta=beta, average=average, sample_weight=W)
    assert_allclose(made.result(), expected)
    assert repr(metrics.deserialize(metrics.serialize(made))) == repr(made)


def test_a_figure_of_each_class_is_not_for_fit() -> None:
    model = fn.Sequential([fn.Dense(3, "softmax", input_shape=(2,))], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[metrics.F1Score()])
    with pytest.raises(TypeError, match="must return a number"):
        model.fit(np.ones((N, 2)), LABELS, verbose=0)


@pytest.mark.parametrize("aggregation", ["uniform_average", "variance_weighted_average", None])
@pytest.mark.parametrize("regressors", [0, 4])
def test_r2_has_aggregations_and_regressors(aggregation: str | None, regressors: int) -> None:
    true, pred = RNG.normal(size=(2, N, 3))
    pred = 0.7 * true * [1, 2, 0.5] + 0.3 * pred
    made = metrics.R2Score(aggregation, regressors)
    for rows in np.array_split(np.arange(N), 4):
        made.update_state(true[rows], pred[rows], W[rows])
    names = {"variance_weighted_average": "variance_weighted", None: "raw_values"}
    plain = sk.r2_score(true, pred, sample_weight=W, multioutput=names.get(aggregation, aggregation))
    n = 3 * N
    adjusted = 1 - (1 - plain) * (n - 1) / (n - regressors - 1) if regressors else plain
    assert_allclose(made.result(), adjusted, rtol=1e-10)
    assert repr(metrics.deserialize(metrics.serialize(made))) == repr(made)


def test_r2_of_too_few_targets_is_not_adjusted() -> None:
    with pytest.warns(UserWarning, match="needs more than 3 targets; got 3"):
        assert metrics.R2Score(num_regressors=2)([1.0, 2.0, 3.0], [1.0, 2.0, 3.5]) == pytest.approx(0.875)


# ---- Intersection over union ----------------------------------------------------------------------------------------


def test_iou_is_the_jaccard_score() -> None:
    guess = RNG.integers(0, 3, N)
    each = sk.jaccard_score(LABELS, guess, average=None, sample_weight=W)
    for ids in ([0], [0, 2], [0, 1, 2]):
        made = metrics.IoU(3, ids)
        for rows in np.array_split(np.arange(N), 3):
            made.update_state(LABELS[rows], guess[rows], W[rows])
        assert made.result() == pytest.approx(each[ids].mean())
        assert repr(metrics.deserialize(metrics.serialize(made))) == repr(made)
    assert metrics.MeanIoU(3)(LABELS, guess, W) == pytest.approx(each.mean())
    assert metrics.OneHotMeanIoU(3)(ONE_HOT, np.eye(3)[guess], W) == pytest.approx(each.mean())
    assert metrics.OneHotIoU(3, [1])(ONE_HOT, np.eye(3)[guess], W) == pytest.approx(each[1])
    assert metrics.OneHotIoU(3, [1], axis=0)(ONE_HOT.T, np.eye(3)[guess].T, W) == pytest.approx(each[1])
    assert metrics.MeanIoU(3)(LABELS.reshape(6, 10), guess.reshape(6, 10)) == pytest.approx(
        sk.jaccard_score(LABELS, guess, average="macro")
    )


def test_iou_leaves_out_labels_and_absent_classes() -> None:
    kept = LABELS != 2
    guess = RNG.integers(0, 2, N)
    expected = sk.jaccard_score(LABELS[kept], guess[kept], average="macro")
    assert metrics.MeanIoU(3, ignore_class=2)(LABELS, guess) == pytest.approx(expected)
    assert metrics.MeanIoU(2)(LABELS, guess) == pytest.approx(expected)  # 2 is no class
    assert metrics.MeanIoU(2).result() == 0.0
    expected = sk.jaccard_score(Y, P >= 0.3, average=None)
    assert metrics.BinaryIoU(threshold=0.3)(Y, P) == pytest.approx(expected.mean())
    assert metrics.BinaryIoU([1], 0.3)(Y, P) == pytest.approx(expected[1])


# ---- Correlations and means -----------------------------------------------------------------------------------------


def test_correlations_are_those_of_their_definition() -> None:
    true, pred = RNG.normal(size=(2, 5, 30))
    each = [np.corrcoef(t, p)[0, 1] for t, p in zip(true, pred, strict=True)]
    assert metrics.PearsonCorrelation()(true, pred) == pytest.approx(np.mean(each))
    assert_allclose(metrics.pearson_correlation(true, pred), each)
    assert metrics.PearsonCorrelation(axis=0)(true.T, pred.T) == pytest.approx(np.mean(each))
    constant = np.full((2, 10), [[0.1], [1 / 3]])  # the mean of ten times 0.1 is not 0.1
    assert np.isnan(metrics.pearson_correlation(constant, pred[:2, :10])).all()
    assert np.isnan(metrics.pearson_correlation(pred[:2, :10].T, constant.T, axis=0)).all()
    assert_array_equal(metrics.concordance_correlation(constant, pred[:2, :10]), [0.0, 0.0])
    t, p = true[0], pred[0]
    lin = 2 * np.cov(t, p, ddof=0)[0, 1] / (t.var() + p.var() + (t.mean() - p.mean()) ** 2)
    assert metrics.ConcordanceCorrelation()(true[:1], pred[:1]) == pytest.approx(lin, rel=1e-6)


def test_means_and_sums_take_weights_of_any_shape() -> None:
    values, weights = RNG.normal(size=(4, 3)), RNG.uniform(size=(4, 3))
    assert metrics.Mean()(values) == pytest.approx(values.mean())
    assert metrics.Mean()(values, weights) == pytest.approx(np.average(values, weights=weights))
    assert metrics.Mean()(values, weights[:, 0]) == pytest.approx(
        np.average(values.mean(axis=1), weights=weights[:, 0])
    )
    assert metrics.Sum()(values, 2.0) == pytest.approx(2 * values.sum())
    total = metrics.Sum()
    assert (total.result(), total([1.0, 2.0]), total(4.0)) == (0.0, 3.0, 7.0)


def test_a_function_gets_its_arguments() -> None:
    made = metrics.MeanMetricWrapper(losses.huber, name="bent", delta=0.5)
    assert made(P[:, None], Y[:, None]) == pytest.approx(losses.huber(P[:, None], Y[:, None], 0.5).mean())
    assert (made.name, made.direction) == ("bent", "down")


def compiled_with(*metrics_given: Any) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(3, "softmax", input_shape=(4,))], seed=0)
    model.compile("sgd", "categorical_crossentropy", metrics=list(metrics_given))
    return model


def test_own_functions_with_arguments_are_read_from_a_file(tmp_path: Path) -> None:
    bent = metrics.MeanMetricWrapper(losses.huber, name="bent", delta=np.float32(0.0625))
    named = metrics.FunctionMetric(losses.huber, name="plain")
    model = compiled_with(losses.huber, metrics.categorical_accuracy, metrics.pearson_correlation, bent, named)
    model.save(tmp_path / "m.safetensors")
    again = fn.load_model(tmp_path / "m.safetensors")
    x = RNG.normal(size=(N, 4))
    expected = model.evaluate(x, ONE_HOT, verbose=0, return_dict=True)
    assert again.evaluate(x, ONE_HOT, verbose=0, return_dict=True) == expected
    assert list(expected)[1:] == ["huber", "categorical_accuracy", "pearson_correlation", "bent", "plain"]
    assert expected["bent"] < expected["huber"] == expected["plain"]
    again.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()


def test_arguments_of_a_function_of_ones_own_are_in_the_file(tmp_path: Path) -> None:
    def huber(y_true: Any, y_pred: Any, scale: float = 1.0) -> float:  # the name of one of fastnet
        return scale * float(np.abs(y_pred - y_true).max())

    model = compiled_with(metrics.MeanMetricWrapper(huber, name="most", scale=100.0))
    model.save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match="the Python function 'huber', which a file cannot contain: pass it in"):
        fn.load_model(tmp_path / "m.safetensors")
    again = fn.load_model(tmp_path / "m.safetensors", custom_objects={"huber": huber})
    x = RNG.normal(size=(N, 4))
    assert again.evaluate(x, ONE_HOT, verbose=0) == model.evaluate(x, ONE_HOT, verbose=0)
    assert again.metrics_names == ["loss", "most"]


def test_arguments_that_no_file_can_hold_are_asked_for(tmp_path: Path) -> None:
    def scaled(y_true: Any, y_pred: Any, by: Callable[[Any], Any]) -> float:
        return float(np.mean(by(y_pred - y_true)))

    metric = metrics.MeanMetricWrapper(scaled, by=np.abs)
    compiled_with(metric).save(tmp_path / "m.safetensors")
    with pytest.raises(ValueError, match=r"arguments that a file cannot contain, \['by'\]: pass the whole metric"):
        fn.load_model(tmp_path / "m.safetensors", custom_objects={"scaled": scaled})
    again = fn.load_model(tmp_path / "m.safetensors", custom_objects={"scaled": metric})
    assert again.metrics_names == ["loss", "scaled"]


# ---- Messages -----------------------------------------------------------------------------------------------------


TWO, THREE = np.ones((2, 2)), np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.MeanSquaredError()(TWO[:0], TWO[:0]), ValueError, r"at least one value; got shape \(0, 2\)"),
        (lambda: metrics.AUC()([], []), ValueError, r"at least one value; got shape \(0,\)"),
        (lambda: metrics.categorical_accuracy(TWO[:0], TWO[:0]), ValueError, r"at least one value; got shape \(0, 2\)"),
        (lambda: metrics.pearson_correlation(TWO[:0], TWO[:0]), ValueError, r"at least one value; got shape \(0, 2\)"),
        (lambda: metrics.PearsonCorrelation()([1, 2, 3], [1, 2]), ValueError, r"one shape, .*; got \(3,\) and \(2,\)"),
        (lambda: metrics.PearsonCorrelation()([0, 1], THREE), ValueError, r"one shape, .*; got \(2,\) and \(2, 3\)"),
        (lambda: metrics.PearsonCorrelation()(1.0, 2.0), ValueError, r"one shape, of rows; got \(\) and \(\)"),
        (lambda: metrics.PearsonCorrelation(axis=2)(TWO, TWO), ValueError, r"of y_pred, of shape \(2, 2\); got 2"),
        (lambda: metrics.pearson_correlation(TWO, TWO, axis=-3), ValueError, r"of y_pred, of shape \(2, 2\); got -3"),
        (lambda: metrics.concordance_correlation(TWO, TWO, axis=2), ValueError, r"of y_pred, of shape .*; got 2"),
        (
            lambda: losses.dice(TWO, TWO, axis=5),
            ValueError,
            r"axis must be an axis of y_pred, of shape \(2, 2\); got 5",
        ),
        (lambda: fn.activations.sparsemax(TWO, axis=4), ValueError, r"axis must be an axis of x, of shape .*; got 4"),
        (lambda: fn.activations.softmax(TWO, axis=4), ValueError, r"axis must be an axis of x, of shape .*; got 4"),
        (lambda: fn.activations.glu(TWO, axis=4), ValueError, r"axis must be an axis of x, of shape \(2, 2\); got 4"),
        (
            lambda: metrics.get("MeanIoU"),
            TypeError,
            r"needs arguments: use fastnet\.metrics\.MeanIoU\(num_classes=\.\.\.\)",
        ),
        (lambda: metrics.get(metrics.PrecisionAtRecall), TypeError, r"PrecisionAtRecall\(recall=\.\.\.\)"),
    ],
)
def test_wrong_arguments_are_named(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_a_figure_for_each_class_says_how_to_combine_them() -> None:
    model = compiled_with("f1_score")
    with pytest.raises(TypeError, match=r'must return a number; .*: use F1Score\(average="macro"\)'):
        model.evaluate(RNG.normal(size=(N, 4)), ONE_HOT, verbose=0)


# ---- Images -------------------------------------------------------------------------------------------------------


OF_PIXELS = [
    metrics.BinaryIoU,
    lambda: metrics.BinaryIoU([1], threshold=0.4),
    lambda: metrics.MeanIoU(num_classes=2),
    lambda: metrics.IoU(num_classes=2, target_class_ids=[0]),
    metrics.Precision,
    metrics.Recall,
    metrics.TruePositives,
    metrics.FalseNegatives,
    lambda: metrics.PrecisionAtRecall(0.5),
    metrics.AUC,
    lambda: metrics.AUC(num_thresholds=20, curve="PR"),
]


@pytest.mark.parametrize("make", OF_PIXELS)
def test_metrics_of_values_take_every_pixel(make: Callable[[], fn.metrics.Metric]) -> None:
    model = fn.Sequential([fn.layers.Conv2D(1, 3, padding="same", activation="sigmoid", input_shape=(4, 3, 1))], seed=0)
    plain, weighted = make(), make()
    model.compile("sgd", "binary_crossentropy", metrics=[plain], weighted_metrics=[weighted])
    x, y, weights = RNG.normal(size=(9, 4, 3, 1)), RNG.integers(0, 2, (9, 4, 3, 1)), RNG.uniform(0.5, 1.5, 9)
    found = model.evaluate(x, y, batch_size=4, sample_weight=weights, verbose=0)[1:]
    pixels, outputs = y.reshape(-1), model.predict(x).reshape(-1)
    assert found == pytest.approx([make()(pixels, outputs), make()(pixels, outputs, np.repeat(weights, 12))], rel=1e-6)


@pytest.mark.parametrize(
    "metric",
    [
        metrics.Precision(class_id=0),
        metrics.Recall(top_k=1),
        metrics.AUC(multi_label=True),
        metrics.AUC(label_weights=[1.0]),
        metrics.OneHotMeanIoU(num_classes=2),
    ],
)
def test_metrics_of_classes_do_not_take_pixels(metric: fn.metrics.Metric) -> None:
    model = fn.Sequential([fn.layers.Conv2D(1, 3, padding="same", activation="sigmoid", input_shape=(4, 3, 1))])
    model.compile("sgd", "binary_crossentropy", metrics=[metric])
    with pytest.raises(ValueError, match=f"{metric.name} takes outputs of one dimension"):
        model.evaluate(np.ones((2, 4, 3, 1)), np.ones((2, 4, 3, 1)), verbose=0)


# ---- Accuracies -----------------------------------------------------------------------------------------------------


def test_accuracies_are_functions_too() -> None:
    assert_array_equal(metrics.binary_accuracy(Y, P, 0.4), ((P > 0.4) == Y).astype(float))
    right = (SHARES.argmax(axis=1) == LABELS).astype(float)
    assert_array_equal(metrics.categorical_accuracy(ONE_HOT, SHARES), right)
    assert_array_equal(metrics.sparse_categorical_accuracy(LABELS[:, None], SHARES), right)
    deep = metrics.sparse_categorical_accuracy(LABELS.reshape(6, 10), SHARES.reshape(6, 10, 3))
    assert_array_equal(deep, right.reshape(6, 10))
    among = (np.argsort(-SHARES, axis=1)[:, :2] == LABELS[:, None]).any(axis=1).astype(float)
    assert_array_equal(metrics.top_k_categorical_accuracy(ONE_HOT, SHARES, k=2), among)
    assert_array_equal(metrics.sparse_top_k_categorical_accuracy(LABELS, SHARES, k=2), among)
    sorted_ids = metrics.SparseTopKCategoricalAccuracy(2, from_sorted_ids=True)
    assert sorted_ids(LABELS, np.argsort(-SHARES, axis=1)) == pytest.approx(among.mean())


def test_accuracies_take_steps_and_weights_of_steps() -> None:
    weights = RNG.uniform(size=(6, 10))
    right = SHARES.argmax(axis=1) == LABELS
    made = metrics.SparseCategoricalAccuracy()
    assert made(LABELS.reshape(6, 10), SHARES.reshape(6, 10, 3), weights) == pytest.approx(
        np.average(right, weights=weights.ravel())
    )
    of_values = RNG.uniform(size=(N, 3))
    assert metrics.BinaryAccuracy()(ONE_HOT, SHARES, of_values) == pytest.approx(
        np.average((SHARES > 0.5) == ONE_HOT, weights=of_values)
    )


# ---- Losses by name -------------------------------------------------------------------------------------------------

NUMBERS = ["mse", "mae", "mape", "msle", "huber", "log_cosh", "logcosh", "poisson", "quantile", "cosine_similarity"]
MARGINS = ["hinge", "squared_hinge", "binary_crossentropy", "bce", "binary_focal_crossentropy"]
ROWS = ["categorical_crossentropy", "sparse_categorical_crossentropy", "categorical_hinge", "kl_divergence"]


@pytest.mark.parametrize("name", [*NUMBERS, *MARGINS, *ROWS])
def test_the_name_of_a_loss_is_a_metric(name: str) -> None:
    last = "softmax" if name in ROWS else "sigmoid"
    y = ONE_HOT if name in ROWS else RNG.integers(0, 2, (N, 3)).astype(float)
    model = fn.Sequential([fn.Dense(3, last, input_shape=(2,))], seed=0, dtype="float64")
    model.compile("sgd", name, metrics=[name], weighted_metrics=[metrics.get(name)])
    x = RNG.normal(size=(N, 2))
    logs = model.evaluate(x, y, verbose=0, return_dict=True, sample_weight=W)
    sign = -1.0 if name == "cosine_similarity" else 1.0  # the metric is the cosine itself
    loss = losses.get(name)
    assert logs[name] == pytest.approx(sign * loss(y, model.predict(x)))
    assert logs[f"{name}_1"] == pytest.approx(sign * logs["loss"] * N / W.sum())


def test_metrics_of_losses_have_their_arguments() -> None:
    logits = np.log(SHARES)
    assert metrics.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(ONE_HOT, logits) == pytest.approx(
        losses.CategoricalCrossentropy(True, 0.1)(ONE_HOT, logits)
    )
    assert metrics.CategoricalCrossentropy(axis=0)(ONE_HOT.T, SHARES.T) == pytest.approx(
        losses.CategoricalCrossentropy()(ONE_HOT, SHARES)
    )
    assert metrics.BinaryCrossentropy(from_logits=True)(ONE_HOT, logits) == pytest.approx(
        losses.BinaryCrossentropy(True)(ONE_HOT, logits)
    )
    ignored = metrics.SparseCategoricalCrossentropy(ignore_class=2)
    each = losses.sparse_categorical_crossentropy(LABELS, SHARES, ignore_class=2)
    assert ignored(LABELS, SHARES) == pytest.approx(each.mean())
    ignored.reset_state()
    assert ignored(LABELS, SHARES, W) == pytest.approx((each * W).sum() / W[LABELS != 2].sum())
    for made in (ignored, metrics.CategoricalCrossentropy(axis=0), metrics.CosineSimilarity(axis=1, dtype="float32")):
        assert repr(metrics.deserialize(metrics.serialize(made))) == repr(made)
