"""The report that a command writes, with `fastnet.reports`."""

import os
from typing import Any

from fastnet.datasets import Dataset
from fastnet.models import Sequential
from fastnet.quantization import QuantizedModel
from fastnet.reports.report import write_report
from fastnet.support.figures import is_picture

__all__ = ["write_page"]


def write_page(
    path: str | os.PathLike[str],
    model: Sequential | QuantizedModel,
    data: Dataset,
    *,
    title: str,
    source: str,
    history: Any = None,
) -> None:
    """Write the report of a model on labeled data with the codes of its classes."""
    assert model.input_shape is not None
    write_report(
        path,
        model,
        data.x.reshape(-1, *model.input_shape),
        data.y,
        history=history,
        title=title,
        data_name=source,
        image_shape=data.image_shape if is_picture(data.image_shape or ()) else "auto",
    )
