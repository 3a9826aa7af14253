"""Sections of a report about a multi-label classifier."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet.reports._classification import accuracy_figure, scores_section
from fastnet.reports._curves import calibration_section, threshold_sections
from fastnet.reports._predictions import Labels
from fastnet.reports._samples import MOST_SAMPLES, features_table, gallery
from fastnet.reports._section import Figure, Section, count, percent

if TYPE_CHECKING:
    from fastnet.models import Sequential
    from fastnet.quantization import QuantizedModel


def key_figures(labels: Labels) -> list[Figure]:
    """Return the numbers of samples with all labels right and of wrong labels, and F1."""
    from sklearn.metrics import f1_score

    right = labels.true == labels.predicted
    macro, micro = (
        f1_score(labels.true, labels.predicted, average=kind, zero_division=0) for kind in ("macro", "micro")
    )
    return [
        accuracy_figure("samples with all labels right", int(right.all(axis=1).sum()), len(labels)),
        Figure(f"{int((~right).sum()):,}", "wrong labels", f"of {right.size:,} in {count(len(labels), 'sample')}"),
        Figure(f"{macro:.4f}", "F1, macro", "the mean over the labels"),
        Figure(f"{micro:.4f}", "F1, micro", "of all labels together"),
    ]


def sections(
    model: "Sequential | QuantizedModel", x: Any, labels: Labels, image_shape: tuple[int, ...] | None
) -> list[Section]:
    """Return the sections about the predictions."""
    return [
        scores_section("Labels", labels),
        *threshold_sections(labels.true, labels.probabilities, labels.names),
        calibration_section(labels.true.ravel(), labels.probabilities.ravel()),
        _mistakes(model, x, labels, image_shape),
    ]


def _mistakes(
    model: "Sequential | QuantizedModel", x: Any, labels: Labels, image_shape: tuple[int, ...] | None
) -> Section:
    """Return the wrong labels with the probabilities furthest from 0.5."""
    heading = "Most confidently wrong"
    rows, columns = np.nonzero(labels.true != labels.predicted)
    if not len(rows):
        return Section(heading, "No label is predicted wrong.")
    probabilities = labels.probabilities[rows, columns]
    order = np.argsort(-np.abs(probabilities - 0.5), kind="stable")[:MOST_SAMPLES]
    worst = rows[order]
    names = [labels.names[column] for column in columns[order].tolist()]
    shares = [percent(share) for share in probabilities[order].tolist()]
    true = ["yes" if labels.true[place] else "no" for place in zip(worst, columns[order], strict=True)]
    text = f"{len(worst):,} of {count(len(rows), 'wrong label')}, the most confident first; rows count from 0."
    if image_shape is not None:
        captions = [
            (name if answer == "yes" else f"not {name}", f"{share}; row\N{NO-BREAK SPACE}{row:,}")
            for name, answer, share, row in zip(names, true, shares, worst.tolist(), strict=True)
        ]
        text += " Below each: the true answer, the probability of the label, and the row of the data."
        return Section(heading, text, samples=gallery(model, x, worst, image_shape, captions))
    cells = {"Label": names, "True": true, "Probability": shares}
    table = features_table(model, x, worst, cells, "Wrong labels", words=3)
    return Section(heading, text, tables=[table])
