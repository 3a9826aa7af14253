"""Writing a report."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastnet._core import __version__
from fastnet.files.atomic import atomic_write
from fastnet.files.names import check_name
from fastnet.support.curves import Curve, curves_of
from fastnet.support.validation import describe
from fastnet.training.evaluation import Evaluator

if TYPE_CHECKING:
    from fastnet.models import Sequential
    from fastnet.quantization import QuantizedModel
    from fastnet.reports._section import Section

__all__ = ["write_report"]


def write_report(
    path: str | os.PathLike[str],
    model: "Sequential | QuantizedModel",
    x: Any,
    y: Any,
    *,
    history: Any = None,
    title: str | None = None,
    data_name: str | None = None,
    image_shape: Sequence[int] | str | None = "auto",
) -> None:
    """Evaluate a model on samples and write the results to one self-contained HTML file.

    For a classifier: the accuracy with its confidence interval, precision, recall and F1 of every class, the confusion
    matrix, ROC and precision-recall curves, calibration, and the 25 most confidently wrong samples. For a multi-label classifier: the same for
    its labels. For a regression: the mean absolute error, R2, the residuals, and the 25 samples with the largest
    errors. For all models: the learning curves, the layers, the receipt of the training, and the versions in use. For
    convolutional networks of images: the filters of the first convolution, and its feature maps of four samples.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write. It replaces an earlier file once it is complete.
    model : Sequential or QuantizedModel
        The model.
    x : array_like or sparse matrix, shape (n, *input_shape)
        Samples that the model has not been trained on.
    y : array_like, shape (n,), (n, 1) or (n, outputs)
        The true values: labels, one-hot rows or class names; rows of zeros and ones if a sample may have several
        labels; or numbers.
    history : History, dict or path, optional
        The learning curves: the result of `fit`, a dictionary such as its `history`, a file of `CSVLogger` or a JSON
        file with such a dictionary. By default the model's own, if it was trained in this process.
    title : str, optional
        The heading.
    data_name : str, optional
        The name of the samples.
    image_shape : tuple of int, "auto" or None, default "auto"
        The shape of a sample as an image: (rows, columns) or (rows, columns, channels); None for samples that are not
        images. "auto" takes the model's input shape; or a square of at least 8 x 8, if the features are named
        "pixel..." or are without names and hold bytes or fractions from 0 to 1.

    Raises
    ------
    ImportError
        matplotlib, scikit-learn or jinja2 is not installed.
    TypeError
        `model` is another object, such as an estimator of scikit-learn.
    ValueError
        `x` has no rows or does not fit the model, `y` does not fit `x` or the model, or the history has no epochs.
    OSError
        The file cannot be written.

    Examples
    --------
    >>> import fastnet as fn
    >>> x, y = fn.datasets.digits.load_data()
    >>> model = fn.Sequential([fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(10, "softmax")])
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> history = model.fit(x[:1500], y[:1500], epochs=20, verbose=0)
    >>> fn.reports.write_report("digits.html", model, x[1500:], y[1500:])  # doctest: +SKIP
    """
    check_name(path, "write_report", "HTML")
    require_packages()
    if title is not None and not isinstance(title, str):
        raise TypeError(f"title must be a string; got {describe(title)}")
    if not isinstance(model, Evaluator):
        raise TypeError(f"model must be a Sequential or a QuantizedModel; got {describe(model)}")
    curves = _learning_curves(model, history)
    page = _render(
        title=title or f"Report on {model.name}",
        facts=[*([data_name] if data_name else []), repr(model)[1:-1]],
        **_content(model, x, y, image_shape, curves),
    )
    with atomic_write(path) as file:
        file.write(page.encode("utf-8", "replace"))


def require_packages() -> None:
    """Raise an ImportError that names the extra, if a package is missing."""
    try:
        import jinja2  # noqa: F401
        import matplotlib as mpl  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise ImportError(f'a report needs {error.name}: pip install "fastnet-nn[report]"') from None


def _content(
    model: "Sequential | QuantizedModel", x: Any, y: Any, image_shape: Any, curves: "list[Section]"
) -> dict[str, Any]:
    """Return the key figures and the sections."""
    from fastnet.reports import _classification, _images, _multilabel, _regression
    from fastnet.reports._model import environment_table, layers_table, training_table
    from fastnet.reports._predictions import Classes, Labels, as_image_shape, predictions_of
    from fastnet.reports._section import Section

    found = predictions_of(model, x, y)
    shape = as_image_shape(model, x, image_shape)
    if isinstance(found, Classes):
        figures, sections = _classification.key_figures(found), _classification.sections(model, x, found, shape)
    elif isinstance(found, Labels):
        figures, sections = _multilabel.key_figures(found), _multilabel.sections(model, x, found, shape)
    else:
        figures, sections = _regression.key_figures(found), _regression.sections(model, x, found)
    training = training_table(model)
    convolution = _images.sections(model, x, len(found), shape)
    about = Section("Model", tables=[layers_table(model), *([training] if training else [])])
    return {
        "figures": figures,
        "sections": [*sections, *curves, *convolution, about, Section("Environment", tables=[environment_table()])],
    }


def _learning_curves(model: "Sequential | QuantizedModel", history: Any) -> "list[Section]":
    """Return the section with the learning curves, if there are any."""
    from fastnet.reports._pictures import HALF, WHOLE, draw
    from fastnet.reports._section import Section, count, number

    if history is None:
        history = getattr(model, "history", None)
        if history is None or not history.epoch:
            return []
    curves = curves_of(history)
    names = [name for name in curves if not (name.startswith("val_") and name.removeprefix("val_") in curves)]
    last = ", ".join(f"{name} {number(curve.values[-1])}" for name, curve in curves.items() if curve.values)
    pictures = []
    for name in names:
        of_name = _Curves({key: curves[key] for key in (name, f"val_{name}") if key in curves})
        alt = f"Learning curve of {name} over the epochs."
        size = (WHOLE, 3.4) if len(names) == 1 else (HALF, 3.3)
        pictures.append(draw(partial(_draw_history, of_name), alt, size=size))
    epochs = max(curve.epochs[-1] for curve in curves.values() if curve.epochs)
    return [Section("Learning curves", f"After {count(epochs, 'epoch')}: {last}.", pictures)]


def _draw_history(history: "_Curves", axes: Any, _: Any) -> None:
    from fastnet.plotting import plot_history

    plot_history(history, axes=[axes])


class _Curves:
    """Some curves of a history, for `plot_history`."""

    def __init__(self, curves: dict[str, Curve]) -> None:
        self._curves = curves

    def curves(self) -> dict[str, Curve]:
        return self._curves


def _render(**context: Any) -> str:
    """Return the page. Every text in it is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates"), encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    now = datetime.now(UTC).isoformat(sep=" ", timespec="minutes").removesuffix("+00:00")
    return templates.get_template("report.html").render(version=__version__, written=f"{now} UTC", **context)
