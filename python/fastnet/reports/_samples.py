"""Samples in a report, as images or as rows of features."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.inputs.samples import as_array
from fastnet.inputs.sparse import is_sparse
from fastnet.inputs.tables import names_of
from fastnet.reports._pictures import thumbnail
from fastnet.reports._section import Sample, Table, number

if TYPE_CHECKING:
    from fastnet.models import Sequential
    from fastnet.quantization import QuantizedModel

MOST_SAMPLES = 25
_MOST_FEATURES = 10  # columns of the table


def some_rows(model: "Sequential | QuantizedModel", x: Any, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return some of the samples as an array, each as a row of features in the order of the model."""
    values = x.tocsr()[rows].toarray() if is_sparse(x) else as_array("x", x, model.feature_names)[rows]
    return np.asarray(values).reshape(len(rows), -1)


def gallery(
    model: "Sequential | QuantizedModel",
    x: Any,
    rows: NDArray[np.int64],
    image_shape: tuple[int, ...],
    captions: Sequence[tuple[str, str]],
) -> list[Sample]:
    """Return samples as images, each with two lines of text."""
    images = some_rows(model, x, rows).reshape(len(rows), *image_shape)
    low, high = (float(np.nanmin(images)), float(np.nanmax(images))) if len(rows) else (0.0, 1.0)
    return [
        Sample(thumbnail(image, low, high), caption, detail, f"row {row}: {caption}")
        for image, row, (caption, detail) in zip(images, rows.tolist(), captions, strict=True)
    ]


def features_table(
    model: "Sequential | QuantizedModel",
    x: Any,
    rows: NDArray[np.int64],
    columns: dict[str, list[str]],
    caption: str,
    words: int = 1,
) -> Table:
    """Return samples as rows of a table: the number of the sample, some columns about it, and its first features."""
    values = some_rows(model, x, rows)
    names = model.feature_names or names_of("x", x) or [f"feature {index}" for index in range(values.shape[1])]
    shown = [str(name) for name in names[:_MOST_FEATURES]]
    cells = [
        [
            f"{row:,}",
            *(column[place] for column in columns.values()),
            *map(number, values[place, : len(shown)].tolist()),
        ]
        for place, row in enumerate(rows.tolist())
    ]
    left_out = values.shape[1] - len(shown)
    notes = [f"{left_out:,} of {values.shape[1]:,} features are not shown."] if left_out else []
    return Table(caption, ["Row", *columns, *shown], cells, notes, words)
