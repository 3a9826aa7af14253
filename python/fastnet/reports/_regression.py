"""Sections of a report about a regression."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnet.plotting import plot_predictions, plot_residuals
from fastnet.reports._pictures import HALF, WHOLE, Picture, draw
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
    samples = f"predicted - true, of {count(len(numbers), 'sample')}"
    return [
        Figure(number(mae), "mean absolute error", f"{number(spread)} for always predicting the median"),
        Figure(number(rmse), "root mean squared error", "large errors count more"),
        Figure(number(r2), "R\N{SUPERSCRIPT TWO}", "1 is best, 0 no better than the mean"),
        Figure(number(float((numbers.predicted - numbers.true).mean())), "mean error", samples),
    ]


def _errors(true: Any, predicted: Any) -> tuple[float, float, float]:
    """Return the mean absolute error, the root of the mean squared error, and R2, NaN for fewer than two samples."""
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    r2 = r2_score(true, predicted) if len(true) > 1 else np.nan
    return float(mean_absolute_error(true, predicted)), float(mean_squared_error(true, predicted) ** 0.5), float(r2)


def sections(model: "Sequential | QuantizedModel", x: Any, numbers: Numbers) -> list[Section]:
    """Return the sections about the predictions."""
    return [*_each_output(numbers), *_pictures(numbers), _worst(model, x, numbers)]


def _each_output(numbers: Numbers) -> list[Section]:
    """Return the errors of each output; the key figures have those of one alone."""
    outputs = range(numbers.true.shape[1])
    if len(outputs) == 1:
        return []
    rows = [
        [
            name,
            *map(number, _errors(numbers.true[:, output], numbers.predicted[:, output])),
            number(float((numbers.predicted - numbers.true)[:, output].mean())),
        ]
        for output, name in zip(outputs, numbers.names, strict=True)
    ]
    headers = ["Output", "Mean absolute error", "Root mean squared error", "R\N{SUPERSCRIPT TWO}", "Mean error"]
    return [Section("Errors", tables=[Table("Errors of the predictions", headers, rows)])]


def _pictures(numbers: Numbers) -> list[Section]:
    """Return the predictions over the true values, and the residuals, of some outputs."""
    outputs = range(numbers.true.shape[1])
    shown = outputs[:_MOST_PICTURES]
    some = "" if len(shown) == len(outputs) else f" The first {len(shown)} of {len(outputs)} outputs are drawn."
    return [
        Section(
            "Predictions and true values",
            "Exact predictions lie on the line." + some,
            [_scatter(numbers, output) for output in shown],
        ),
        Section(
            "Residuals",
            "The errors of the predictions. Points should scatter around 0 without a pattern: a bend means that the "
            "model is too simple, a funnel that its errors are larger for some values than for others." + some,
            [_residuals(numbers, output) for output in shown],
        ),
    ]


def _scatter(numbers: Numbers, output: int) -> Picture:
    true, name = numbers.true[:, output], numbers.names[output]
    alt = f"Predictions of {name} over true values from {number(float(true.min()))} to {number(float(true.max()))}."
    return _drawn(plot_predictions, numbers, output, alt)


def _residuals(numbers: Numbers, output: int) -> Picture:
    largest = number(float(np.abs(numbers.predicted - numbers.true)[:, output].max()))
    alt = f"Residuals of {numbers.names[output]} over the predictions. The largest is {largest} from 0."
    return _drawn(plot_residuals, numbers, output, alt)


def _drawn(plot: Any, numbers: Numbers, output: int, alt: str) -> Picture:
    """Return a picture of an output, which has its name unless it is the only one."""
    is_one = len(numbers.names) == 1

    def paint(axes: Any, _: Any) -> None:
        plot(numbers.true[:, output], numbers.predicted[:, output], axes=axes)
        if not is_one:
            write_title(axes, printable(numbers.names[output], 40))

    return draw(paint, alt, size=(WHOLE, 3.6) if is_one else (HALF, 3.4))


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
    table = features_table(model, x, worst, columns, "The largest errors", words=words)
    text = f"The {count(len(worst), 'sample')} with the largest errors; rows count from 0."
    return Section("Largest errors", text, tables=[table])
