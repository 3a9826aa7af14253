"""Sections of a report about probabilities: every threshold, and calibration."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.metrics import calibration_bins, class_calibration_bins
from fastnet.metrics.calibration import CalibrationBins
from fastnet.plotting import (
    plot_calibration,
    plot_class_calibration,
    plot_precision_recall_curve,
    plot_roc_curve,
)
from fastnet.reports._pictures import HALF, WHOLE, Picture, draw
from fastnet.reports._section import Section, Table, number, percent
from fastnet.support.figures import write_title

if TYPE_CHECKING:
    from fastnet.reports._predictions import Classes, Labels

_MOST_CLASSES = 10  # in a picture
_HEIGHT = 3.9  # inches
_SLIGHT = 0.0005  # a difference that is shown as 0.0%


def threshold_sections(true: NDArray[Any], probabilities: NDArray[np.float64], names: Sequence[str]) -> list[Section]:
    """Return the curves over all thresholds with their table; nothing where all samples are of one class."""
    shares = _belonging(true, len(names)).mean(axis=0)
    if not ((shares > 0) & (shares < 1)).any():
        return []
    what = "label" if true.ndim == 2 else "class"
    some = "" if len(names) <= _MOST_CLASSES else f" The {_MOST_CLASSES} with the lowest are drawn."
    return [
        Section(
            "Thresholds",
            f"Each {what} told from all others, at every threshold of its probability. The area under the ROC curve "
            "(AUC) is 1 at best and 0.5 by chance; the average precision is 1 at best and the share of the "
            f"{what} by chance." + some,
            [
                _picture(plot_roc_curve, "ROC curves", what, true, probabilities, names),
                _picture(plot_precision_recall_curve, "Precision-recall curves", what, true, probabilities, names),
            ],
        )
    ]


def _picture(
    plot: Any, title: str, what: str, true: NDArray[Any], probabilities: NDArray[np.float64], names: Sequence[str]
) -> Picture:
    def paint(axes: Any, _: Any) -> None:
        plot(true, probabilities, class_names=names, max_classes=_MOST_CLASSES, axes=axes)
        write_title(axes, title)

    shown = min(len(names), _MOST_CLASSES)
    return draw(
        paint, f"{title} of {shown} of {len(names)} {what}es.".replace("labeles", "labels"), size=(HALF, _HEIGHT)
    )


def areas(found: "Classes | Labels") -> NDArray[np.float64]:
    """Return the area under the ROC curve and the average precision of each class: shape (classes, 2); NaN without."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    belongs = _belonging(found.true, len(found.names))
    scores = np.full((len(found.names), 2), np.nan)
    for row, truth, column in zip(scores, belongs.T, found.probabilities.T, strict=True):
        if 0 < truth.sum() < len(truth):
            row[:] = roc_auc_score(truth, column), average_precision_score(truth, column)
    return scores


def _belonging(true: NDArray[Any], classes: int) -> NDArray[np.bool_]:
    """Return which samples belong to each class."""
    belongs: NDArray[np.bool_] = true if true.ndim == 2 else true[:, None] == np.arange(classes)
    return belongs


def calibration_section(
    true: NDArray[Any], probabilities: NDArray[np.float64], names: Sequence[str] | None = None
) -> Section:
    """Return the calibration curve, the direction of its error, and with names the calibration of each class."""
    bins = calibration_bins(true, probabilities)

    def paint(axes: Any, _: Any) -> None:
        plot_calibration(true, probabilities, axes=axes)
        write_title(axes, "Predicted classes" if names else "")  # the key figures have the error

    picture = draw(
        paint,
        f"Calibration curve with {int((bins.counts > 0).sum())} points; expected calibration error "
        f"{number(bins.expected_error)}.",
        size=(HALF if names else WHOLE, _HEIGHT),
    )
    shares = bins.counts / bins.counts.sum()
    gap = float(np.nansum(shares * (bins.confidence - bins.accuracy)))
    tendency = f"{'over' if gap > 0 else 'under'}confident by {percent(abs(gap))}"
    if abs(gap) < _SLIGHT:
        tendency = "neither overconfident nor underconfident"
    text = (
        "Of the predictions with a probability of 80%, 80% should be right: the curve should follow the diagonal. "
        f"Below it the model is overconfident. On average it is {tendency}."
    )
    if names is None:
        return Section("Calibration", text, [picture])
    classes = class_calibration_bins(true, probabilities)
    pictures = [picture, _class_picture(true, probabilities, names)]
    return Section("Calibration", text, pictures, [_calibration_table(classes, true, names)])


def _class_picture(true: NDArray[Any], probabilities: NDArray[np.float64], names: Sequence[str]) -> Picture:
    def paint(axes: Any, _: Any) -> None:
        plot_class_calibration(true, probabilities, class_names=names, max_classes=_MOST_CLASSES, axes=axes)
        write_title(axes, "Each class")

    shown = min(len(names), _MOST_CLASSES)
    alt = f"Calibration curves of {shown} of {len(names)} classes: the share of samples over the probability of the class."
    return draw(paint, alt, size=(HALF, _HEIGHT))


def _calibration_table(classes: Sequence[CalibrationBins], true: NDArray[Any], names: Sequence[str]) -> Table:
    rows = []
    for code, (name, bins) in enumerate(zip(names, classes, strict=True)):
        mean = float(np.nansum(bins.counts * bins.confidence) / bins.counts.sum())
        rows.append([name, percent(mean), percent(float((true == code).mean())), f"{bins.expected_error:.4f}"])
    headers = ["Class", "Mean probability", "Share of the class", "Calibration error"]
    return Table("Calibration of each class", headers, rows)
