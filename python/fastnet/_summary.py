"""The table that `summary` prints."""

from collections.abc import Sequence

from fastnet._layer import Layer

_LINE_LENGTH = 65


def summary_lines(
    name: str, layers: Sequence[Layer], built: bool, item_size: int, line_length: int | None = None
) -> list[str]:
    """Return the lines of the table: one for every layer, and the totals."""
    width = _LINE_LENGTH if line_length is None else line_length
    columns = (0, round(0.45 * width), round(0.85 * width))

    def row(*cells: str) -> str:
        line = ""
        for start, cell in zip(columns, cells, strict=True):
            line = f"{line:<{start}} {cell}" if len(line) < start or not start else f"{line} {cell}"
        return line

    lines = [f'Model: "{name}"', "_" * width, row("Layer (type)", "Output Shape", "Param #"), "=" * width]
    for layer in layers:
        shape = "?" if layer.output_shape is None else f"({', '.join(['None', *map(str, layer.output_shape)])})"
        count = f"{layer.count_params():,}" if built else "0 (unbuilt)"
        lines.append(row(f"{layer.name} ({type(layer).__name__})", shape, count))
    total = sum(layer.count_params() for layer in layers) if built else 0
    return [
        *lines,
        "=" * width,
        f"Total params: {total:,} ({_size(total * item_size)})",
        f"Trainable params: {total:,} ({_size(total * item_size)})",
        f"Non-trainable params: 0 ({_size(0)})",
        "_" * width,
    ]


def _size(count: float) -> str:
    for unit in ("B", "KB", "MB"):
        if count < 1024:
            return f"{count:.2f} {unit}"
        count /= 1024
    return f"{count:.2f} GB"
