"""Curves over thresholds, and the calibration of classes, are those of scikit-learn and of the definition."""

import re
import sys
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from fastnet.metrics import class_calibration_bins
from fastnet.plotting import plot_class_calibration, plot_precision_recall_curve, plot_roc_curve

mpl = pytest.importorskip("matplotlib")
mpl.use("Agg")

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 400)
LOGITS = RNG.normal(size=(400, 3)) + 1.5 * np.eye(3)[LABELS]
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def curves(axes: Any) -> dict[str, tuple[Any, Any, float]]:
    """The x and y values of every curve with a name, and the score beside the name."""
    found = {}
    for line in axes.lines:
        if label := re.fullmatch(r"(.*) \((\d\.\d{3})\)", line.get_label()):
            found[label[1]] = (*line.get_data(), float(label[2]))
    return found


def test_a_roc_curve_of_each_class_has_its_area() -> None:
    drawn = curves(plot_roc_curve(LABELS, PROBABILITIES, class_names=["a", "b", "c"]))
    assert list(drawn) == ["a", "b", "c"]
    for code, (x, y, score) in enumerate(drawn.values()):
        assert score == pytest.approx(roc_auc_score(code == LABELS, PROBABILITIES[:, code]), abs=6e-4)
        assert auc(x, y) == pytest.approx(score, abs=5e-3)
        assert {*zip(x, y, strict=True)} <= {*zip(*roc_curve(code == LABELS, PROBABILITIES[:, code])[:2], strict=True)}


def test_a_precision_recall_curve_of_each_class_has_its_average_precision() -> None:
    for code, (x, y, score) in enumerate(curves(plot_precision_recall_curve(LABELS, PROBABILITIES)).values()):
        true, probability = code == LABELS, PROBABILITIES[:, code]
        assert score == pytest.approx(average_precision_score(true, probability), abs=6e-4)
        precision, recall, _ = precision_recall_curve(true, probability)
        assert {*zip(x, y, strict=True)} <= {*zip(recall, precision, strict=True)}


def test_one_hot_rows_and_several_labels_are_understood() -> None:
    assert curves(plot_roc_curve(np.eye(3)[LABELS], PROBABILITIES)).keys() == {"0", "1", "2"}
    several = (RNG.random((400, 2)) < 0.5).astype(int)
    drawn = curves(plot_roc_curve(several, RNG.random((400, 2))))
    assert drawn.keys() == {"0", "1"}


def test_of_two_classes_the_second_has_a_roc_curve() -> None:
    y, p = LABELS % 2, RNG.random(400)
    for given in (p, p[:, None], np.stack([1 - p, p], axis=1)):
        drawn = curves(plot_roc_curve(y, given, class_names=["no", "yes"]))
        assert list(drawn) == ["yes"]
        assert drawn["yes"][2] == pytest.approx(roc_auc_score(y, p), abs=6e-4)
        assert list(curves(plot_precision_recall_curve(y, given, class_names=["no", "yes"]))) == ["no", "yes"]


def test_of_many_classes_the_worst_are_drawn() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(1200) % 12
    probabilities = rng.dirichlet(np.ones(12), 1200)
    scores = [roc_auc_score(labels == code, probabilities[:, code]) for code in range(12)]
    drawn = curves(plot_roc_curve(labels, probabilities, max_classes=4))
    assert list(drawn) == [str(code) for code in sorted(np.argsort(scores)[:4])]
    errors = [bins.expected_error for bins in class_calibration_bins(labels, probabilities, n_bins=10)]
    drawn = curves(plot_class_calibration(labels, probabilities, max_classes=3))
    assert list(drawn) == [str(code) for code in sorted(np.argsort(errors)[-3:])]


def test_a_curve_of_many_samples_has_few_points() -> None:
    y = RNG.integers(0, 2, 100_000)
    ((x, _, score),) = curves(plot_roc_curve(y, RNG.random(100_000))).values()
    assert len(x) < 1500
    assert abs(score - 0.5) < 0.02


def test_the_calibration_of_a_class_is_that_of_the_definition() -> None:
    drawn = curves(plot_class_calibration(LABELS, PROBABILITIES, n_bins=5))
    for code, (x, y, error) in enumerate(drawn.values()):
        p = PROBABILITIES[:, code]
        places = np.minimum((p * 5).astype(int), 4)
        filled = [place for place in range(5) if (places == place).any()]
        assert_allclose(x, [p[places == place].mean() for place in filled])
        assert_allclose(y, [(code == LABELS)[places == place].mean() for place in filled])
        gaps = [abs(p[places == place].sum() - (code == LABELS)[places == place].sum()) for place in filled]
        assert error == pytest.approx(sum(gaps) / 400, abs=6e-4)


@pytest.mark.parametrize(
    ("arguments", "keywords", "message"),
    [
        (([0, 1, 2], [0.1, 0.2, 0.3]), {}, "y_true must hold labels from 0 to 1; got 2"),
        (([0, 1], [0.1]), {}, "y_prob must have a row for each of the 2 rows of y_true"),
        (([], []), {}, "at least one"),
        (([0, 0], [0.1, 0.2]), {}, "y_true must have a class with samples that belong to it and samples that do not"),
        (([0, 1], [0.1, float("nan")]), {}, "y_prob must hold probabilities; got NaN"),
        (([0, 0.5], [0.1, 0.2]), {}, "y_true must hold labels"),
        (([[0, 3], [1, 0]], [[0.1, 0.2], [0.3, 0.4]]), {}, "y_true must hold labels, or rows of zeros and ones"),
        (
            ([0, 1], [0.1, 0.2]),
            {"class_names": ["a"]},
            "class_names must have one name for each of the 2 classes; got 1",
        ),
        (([0, 1], [0.1, 0.2]), {"max_classes": 0}, "max_classes must be"),
    ],
)
def test_wrong_arguments_are_named(arguments: Any, keywords: Any, message: str) -> None:
    for plot in (plot_roc_curve, plot_precision_recall_curve):
        with pytest.raises(ValueError, match=re.escape(message)):
            plot(*arguments, **keywords)


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'plot_roc_curve needs scikit-learn: pip install "fastnet-nn\[report\]"'):
        plot_roc_curve([0, 1], [0.1, 0.2])
