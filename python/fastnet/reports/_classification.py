"""Sections of a report about a classifier."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.metrics import calibration_bins, confusion_matrix
from fastnet.plotting import plot_confusion_matrix
from fastnet.reports._curves import areas, calibration_section, threshold_sections
from fastnet.reports._pictures import WHOLE, draw
from fastnet.reports._predictions import Classes, Labels
from fastnet.reports._samples import MOST_SAMPLES, features_table, gallery
from fastnet.reports._section import Figure, Section, Table, count, fixed, percent

if TYPE_CHECKING:
    from fastnet.models import Sequential
    from fastnet.quantization import QuantizedModel

_CONFIDENCE = 0.95
_MOST_CONFUSIONS = 10


def key_figures(classes: Classes) -> list[Figure]:
    """Return accuracy, F1 and calibration."""
    from sklearn.metrics import f1_score

    right, rows = int((classes.true == classes.predicted).sum()), len(classes)
    f1 = f1_score(classes.true, classes.predicted, average="macro", zero_division=0)
    bins = calibration_bins(classes.true, classes.probabilities)
    return [
        accuracy_figure("accuracy", right, rows),
        Figure(f"{rows - right:,}", "wrong predictions", f"of {count(rows, 'sample')}"),
        Figure(f"{f1:.4f}", "F1, macro", "the mean over the classes"),
        Figure(
            f"{bins.expected_error:.4f}",
            "expected calibration error",
            f"mean probability of the predicted class: {percent(float(classes.confidence.mean()))}",
        ),
    ]


def accuracy_figure(name: str, right: int, rows: int) -> Figure:
    """Return the fraction of right samples with its 95% confidence interval."""
    from scipy.stats import binomtest

    interval = binomtest(right, rows).proportion_ci(_CONFIDENCE, method="wilson")
    low, high = percent(interval.low, 2), percent(interval.high, 2)
    return Figure(percent(right / rows, 2), name, f"{_CONFIDENCE:.0%} confidence interval {low} to {high} (Wilson)")


def sections(
    model: "Sequential | QuantizedModel", x: Any, classes: Classes, image_shape: tuple[int, ...] | None
) -> list[Section]:
    """Return the sections about the predictions."""
    return [
        scores_section("Classes", classes),
        _confusion(classes),
        *threshold_sections(classes.true, classes.probabilities, classes.names),
        calibration_section(classes.true, classes.probabilities, classes.names),
        _mistakes(model, x, classes, image_shape),
    ]


def scores_section(heading: str, found: Classes | Labels) -> Section:
    """Return precision, recall and F1 of every class or label."""
    from sklearn.metrics import precision_recall_fscore_support as scores

    arguments = found.true, found.predicted
    options = {"labels": np.arange(len(found.names)), "zero_division": np.nan}
    columns = np.stack(scores(*arguments, **options), axis=1)
    averages = {kind: scores(*arguments, average=kind, **options)[:3] for kind in ("macro", "weighted")}
    of_curves = areas(found)
    weights = {"macro": np.ones(len(columns)), "weighted": columns[:, 3]}

    def cells(name: str, values: Any, samples: float, curves: Any) -> list[str]:
        return [name, *map(percent, values), f"{int(samples):,}", *(fixed(score) for score in curves)]

    rows = [
        cells(name, values[:3], values[3], curves)
        for name, values, curves in zip(found.names, columns, of_curves, strict=True)
    ]
    rows += [
        cells(f"{kind} mean", values, columns[:, 3].sum(), _mean(of_curves, weights[kind]))
        for kind, values in averages.items()
    ]
    what = "Class" if isinstance(found, Classes) else "Label"
    headers = [what, "Precision", "Recall", "F1", "Samples", "AUC", "Average precision"]
    return Section(
        heading,
        "Precision: of the samples predicted as this class, the share that belongs to it. Recall: of the samples of "
        "this class, the share that is predicted as it. F1: their harmonic mean. AUC: the area under the ROC curve. "
        "Average precision: that under the precision-recall curve.",
        tables=[Table("Per-class scores", headers, rows)],
    )


def _mean(scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the classes that have a score; NaN if none has."""
    known = ~np.isnan(scores[:, 0]) & (weights > 0)
    if not known.any():
        return np.full(scores.shape[1], np.nan)
    mean: NDArray[np.float64] = np.average(scores[known], axis=0, weights=weights[known])
    return mean


def _confusion(classes: Classes) -> Section:
    matrix = confusion_matrix(classes.true, classes.predicted, labels=np.arange(len(classes.names)))

    def paint(axes: Any, colors: Any) -> None:
        plot_confusion_matrix(classes.true, classes.predicted, class_names=classes.names, cmap=colors, axes=axes)
        axes.set_aspect("auto")  # the cells fill the width

    picture = draw(
        paint,
        f"Confusion matrix of {len(classes.names)} classes: rows are true classes, columns predicted ones. "
        f"The numbers off the diagonal are in the table of confusions.",
        size=(WHOLE, min(1.2 + 0.36 * len(classes.names), WHOLE)),
    )
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    cells = [divmod(int(cell), len(wrong)) for cell in order]
    totals = matrix.sum(axis=1)
    rows = [
        [
            classes.names[true],
            classes.names[predicted],
            f"{wrong[true, predicted]:,}",
            percent(wrong[true, predicted] / totals[true]),
        ]
        for true, predicted in cells
        if wrong[true, predicted]
    ]
    headers = ["True class", "Predicted class", "Samples", "Of the true class"]
    tables = [Table("The most frequent confusions", headers, rows, words=2)] if rows else []
    return Section(
        "Confusion matrix",
        "The stronger the color of a cell, the larger its share of the true class, on a square-root scale.",
        [picture],
        tables,
    )


def _mistakes(
    model: "Sequential | QuantizedModel", x: Any, classes: Classes, image_shape: tuple[int, ...] | None
) -> Section:
    wrong = np.flatnonzero(classes.true != classes.predicted)
    heading = "Most confidently wrong"
    if not len(wrong):
        return Section(heading, "No sample is predicted wrong.")
    worst = wrong[np.argsort(-classes.confidence[wrong], kind="stable")][:MOST_SAMPLES]
    text = f"{len(worst):,} of {count(len(wrong), 'wrong prediction')}, the most confident first; rows count from 0."
    names = classes.names
    true = [names[code] for code in classes.true[worst].tolist()]
    predicted = [names[code] for code in classes.predicted[worst].tolist()]
    sure = [percent(share) for share in classes.confidence[worst].tolist()]
    of_true = [percent(share) for share in _probability_of_true(classes, worst)]
    if image_shape is not None:
        captions = [
            (f"{a} \N{RIGHTWARDS ARROW} {b}", f"{p}; row\N{NO-BREAK SPACE}{row:,}")
            for a, b, p, row in zip(true, predicted, sure, worst.tolist(), strict=True)
        ]
        return Section(
            heading,
            text
            + " Below each: the true and the predicted class, the probability of the prediction, and the row of the data.",
            samples=gallery(model, x, worst, image_shape, captions),
        )
    columns = {"True class": true, "Predicted": predicted, "Probability": sure, "Of the true class": of_true}
    table = features_table(model, x, worst, columns, "Wrong predictions", words=3)
    return Section(heading, text, tables=[table])


def _probability_of_true(classes: Classes, rows: NDArray[np.int64]) -> list[float]:
    return [float(share) for share in classes.probabilities[rows, classes.true[rows]]]
