"""The table that `summary` prints."""

from collections.abc import Sequence

from fastnet._html import html_table, html_text
from fastnet._layer import Layer
from fastnet._text import visible

_LINE_LENGTH = 65


HEADINGS = ("Layer (type)", "Output Shape", "Param #", "FLOPs")


def summary_rows(layers: Sequence[Layer], built: bool) -> list[tuple[str, str, str, str]]:
    """Return what the table says about every layer."""
    rows = []
    for layer in layers:
        shape = "?" if layer.output_shape is None else f"({', '.join(['None', *map(str, layer.output_shape)])})"
        count = f"{layer.count_params():,}" if built else "0 (unbuilt)"
        flops = f"{layer.count_flops():,}" if built else "?"
        rows.append((f"{visible(layer.name)} ({type(layer).__name__})", shape, count, flops))
    return rows


def summary_totals(layers: Sequence[Layer], built: bool, item_size: int) -> list[str]:
    """Return what stands below the table."""
    total = sum(layer.count_params() for layer in layers) if built else 0
    trainable = sum(layer.count_trainable_params() for layer in layers) if built else 0
    return [
        f"Total params: {total:,} ({_size(total * item_size)})",
        f"Trainable params: {trainable:,} ({_size(trainable * item_size)})",
        f"Non-trainable params: {total - trainable:,} ({_size((total - trainable) * item_size)})",
        *([f"FLOPs per sample: {sum(layer.count_flops() for layer in layers):,}"] if built else []),
    ]


def summary_lines(
    name: str, layers: Sequence[Layer], built: bool, item_size: int, line_length: int | None = None
) -> list[str]:
    """Return the lines of the table: one for every layer, and the totals."""
    width = _LINE_LENGTH if line_length is None else line_length
    columns = tuple(round(share * width) for share in (0.0, 0.42, 0.67, 0.83))

    def row(*cells: str) -> str:
        line = ""
        for start, cell in zip(columns, cells, strict=True):
            line = f"{line:<{start}} {cell}" if len(line) < start or not start else f"{line} {cell}"
        return line

    return [
        f'Model: "{visible(name)}"',
        "_" * width,
        row(*HEADINGS),
        "=" * width,
        *(row(*cells) for cells in summary_rows(layers, built)),
        "=" * width,
        *summary_totals(layers, built, item_size),
        "_" * width,
    ]


def summary_html(name: str, layers: Sequence[Layer], built: bool, item_size: int) -> str:
    """Return the table as notebooks show it."""
    totals = "<br>".join(summary_totals(layers, built, item_size))
    return f"<div><b>{html_text(name)}</b>{html_table(HEADINGS, summary_rows(layers, built))}{totals}</div>"


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} GB"
