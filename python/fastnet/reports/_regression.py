"""Sections of a report about a regression."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet.plotting import plot_predictions, plot_residuals
from fastnet.reports._pictures import Picture, draw
from fastnet.reports._predictions import Numbers
from fastnet.reports._samples import MOST_SAMPLES, features_table
from fastnet.reports._section import Figure, Section, Table, count, number
from fastnet.support.figures import printable, write_title

if TYPE_CHECKING:
    from fastnet.models import Sequential
    from fastnet.quantization import QuantizedModel

_MOST_PICTURES = 4


def key_figures(numbers: Numbers) -> list[Figure]:
    """Return the errors over all outputs."""
    mae, rmse, r2 = _errors(numbers.true, numbers.predicted)
    spread = float(np.abs(numbers.true - np.median(numbers.true, axis=0)).mean())
    return [
        Figure(number(mae), "mean absolute error", f"{number(spread)} for always predicting the median"),
        Figure(number(rmse), "root mean squared error", "large errors count more"),
        Figure(number(r2), "R\N{SUPERSCRIPT TWO}", "1 is best, 0 no better than the mean"),
        Figure(f"{len(numbers):,}", "samples", count(numbers.true.shape[1], "output")),
    ]


def _errors(true: Any, predicted: Any) -> tuple[float, float, float]:
    """Return the mean absolute error, the root of the mean squared error, and R2, NaN for fewer than two samples."""
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    r2 = r2_score(true, predicted) if len(true) > 1 else np.nan
    return float(mean_absolute_error(true, predicted)), float(mean_squared_error(true, predicted) ** 0.5), float(r2)


def sections(model: "Sequential | QuantizedModel", x: Any, numbers: Numbers) -> list[Section]:
    """Return the sections about the predictions."""
    outputs = range(numbers.true.shape[1])
    rows = [
        [
            name,
            *map(number, _errors(numbers.true[:, output], numbers.predicted[:, output])),
            number(float((numbers.predicted - numbers.true)[:, output].mean())),
        ]
        for output, name in zip(outputs, numbers.names, strict=True)
    ]
    headers = ["Output", "Mean absolute error", "Root mean squared error", "R\N{SUPERSCRIPT TWO}", "Mean error"]
    shown = outputs[:_MOST_PICTURES]
    some = "" if len(shown) == len(outputs) else f" The first {len(shown)} of {len(outputs)} outputs are drawn."
    return [
        Section("Errors", tables=[Table("Errors of the predictions", headers, rows)]),
        Section(
            "Predictions and true values",
            "Exact predictions lie on the line." + some,
            [_scatter(numbers, shown)],
        ),
        Section(
            "Residuals",
            "The errors of the predictions. Points should scatter around 0 without a pattern: a bend means that the "
            "model is too simple, a funnel that its errors are larger for some values than for others." + some,
            [_residuals(numbers, shown)],
        ),
        _worst(model, x, numbers),
    ]


def _scatter(numbers: Numbers, outputs: range) -> Picture:
    def paint(axes: list[Any], _: Any) -> None:
        for output, axis in zip(outputs, axes, strict=True):
            plot_predictions(numbers.true[:, output], numbers.predicted[:, output], axes=axis)
            write_title(axis, printable(numbers.names[output], 40))

    ranges = ", ".join(
        f"{numbers.names[output]} from {number(values.min())} to {number(values.max())}"
        for output in outputs
        for values in (numbers.true[:, output],)
    )
    return draw(paint, f"Predictions over true values: {ranges}.", **_size(outputs))


def _size(outputs: range) -> dict[str, Any]:
    return {"size": (6.0, 4.0) if len(outputs) == 1 else (4.6, 3.4), "count": len(outputs)}


def _residuals(numbers: Numbers, outputs: range) -> Picture:
    errors = np.abs(numbers.predicted - numbers.true).max(axis=0)

    def paint(axes: list[Any], _: Any) -> None:
        for output, axis in zip(outputs, axes, strict=True):
            plot_residuals(numbers.true[:, output], numbers.predicted[:, output], axes=axis)
            write_title(axis, printable(numbers.names[output], 40))

    largest = ", ".join(f"{numbers.names[output]} {number(errors[output])}" for output in outputs)
    alt = f"Residuals over the predictions. The largest is {largest} from 0."
    return draw(paint, alt, **_size(outputs))


def _worst(model: "Sequential | QuantizedModel", x: Any, numbers: Numbers) -> Section:
    """Return the samples with the largest errors, relative to the spread of each output."""
    spread = numbers.true.std(axis=0)
    errors = numbers.predicted - numbers.true
    size = np.abs(errors / np.where(spread > 0, spread, 1.0))
    worst = np.argsort(-size.max(axis=1), kind="stable")[:MOST_SAMPLES]
    outputs = size[worst].argmax(axis=1)
    columns = {
        "True": [number(value) for value in numbers.true[worst, outputs].tolist()],
        "Predicted": [number(value) for value in numbers.predicted[worst, outputs].tolist()],
        "Error": [number(value) for value in errors[worst, outputs].tolist()],
    }
    words = 1
    if len(numbers.names) > 1:
        columns = {"Output": [numbers.names[output] for output in outputs.tolist()], **columns}
        words = 2
    table = features_table(model, x, worst, columns, "The largest errors; rows count from 0", words=words)
    return Section("Largest errors", f"The {count(len(worst), 'sample')} with the largest errors.", tables=[table])
