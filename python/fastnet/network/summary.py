"""The table that `summary` prints."""

from collections.abc import Iterator, Sequence

import numpy as np

from fastnet.layers import Layer
from fastnet.network.layered import Layered
from fastnet.network.nested import Nested
from fastnet.support.html import html_table, html_text
from fastnet.support.text import visible

_LINE_LENGTH = 65
_INDENT = "  "  # of the layers of a model inside
_WIDEST = 60  # of a column, which one long name of a layer should not stretch
_SHARES = (0.0, 0.42, 0.67, 0.83)  # positions of the columns, relative to the width
_SHARES_OF_TRAINABLE = (0.0, 0.36, 0.57, 0.70, 0.85)


HEADINGS = ("Layer (type)", "Output Shape", "Param #", "FLOPs")


def summary_rows(model: Layered, *, expand: bool = False) -> list[tuple[str, str, str, str]]:
    """Return the rows of the table, one for every layer; with `expand`, those of models among the layers are below them."""
    rows = []
    built = model.built
    for layer, depth in _rows(model._layers, 0, expand):
        shape = "?" if layer.output_shape is None else f"({', '.join(['None', *map(str, layer.output_shape)])})"
        count = f"{layer.count_params():,}" if built else "0 (unbuilt)"
        flops = f"{layer.count_flops():,}" if built else "?"
        kind = type(layer.model if isinstance(layer, Nested) else layer).__name__
        rows.append((f"{_INDENT * depth}{visible(layer.name)} ({kind})", shape, count, flops))
    return rows


def _rows(layers: Sequence[Layer], depth: int, expand: bool) -> Iterator[tuple[Layer, int]]:
    """Yield every layer with the number of models that it is inside of."""
    for layer in layers:
        yield layer, depth
        if expand and isinstance(layer, Nested):
            yield from _rows(layer.model._layers, depth + 1, expand)


def summary_totals(model: Layered) -> list[str]:
    """Return the lines below the table."""
    layers, built, item_size = model._layers, model.built, np.dtype(model.dtype).itemsize
    total = sum(layer.count_params() for layer in layers) if built else 0
    trainable = sum(layer.count_trainable_params() for layer in layers) if built and model.trainable else 0
    return [
        f"Total params: {total:,} ({_size(total * item_size)})",
        f"Trainable params: {trainable:,} ({_size(trainable * item_size)})",
        f"Non-trainable params: {total - trainable:,} ({_size((total - trainable) * item_size)})",
        *([f"FLOPs per sample: {sum(layer.count_flops() for layer in layers):,}"] if built else []),
    ]


def summary_lines(
    model: Layered, line_length: int | None = None, *, show_trainable: bool = False, expand: bool = False
) -> list[str]:
    """Return the lines of the table: one for every layer, and the totals."""
    rows: list[tuple[str, ...]] = [HEADINGS, *summary_rows(model, expand=expand)]
    if show_trainable:
        shown = _rows(model._layers, 0, expand)
        switch = ["Yes" if model.trainable and layer.trainable else "No" for layer, _ in shown]
        rows = [(*cells, last) for cells, last in zip(rows, ["Trainable", *switch], strict=True)]
    width = _LINE_LENGTH if line_length is None else line_length
    starts = [round(share * width) for share in (_SHARES_OF_TRAINABLE if show_trainable else _SHARES)]
    if line_length is None:  # long names and shapes of images make the table wider
        longest = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for column in range(1, len(starts)):
            starts[column] = max(starts[column], starts[column - 1] + min(longest[column - 1], _WIDEST) + 2)
        width = max(width, starts[-1] + 1 + longest[-1])

    def line_of(cells: tuple[str, ...]) -> str:
        line = ""
        for start, cell in zip(starts, cells, strict=True):
            line = f"{line:<{start}} {cell}" if len(line) < start or not start else f"{line} {cell}"
        return line

    headings, *lines = map(line_of, rows)
    return [
        f'Model: "{visible(model.name)}"',
        "_" * width,
        headings,
        "=" * width,
        *lines,
        "=" * width,
        *summary_totals(model),
        "_" * width,
    ]


def summary_html(model: Layered) -> str:
    """Return the table as HTML for notebooks."""
    totals = "<br>".join(summary_totals(model))
    return f"<div><b>{html_text(model.name)}</b>{html_table(HEADINGS, summary_rows(model))}{totals}</div>"


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} GB"
