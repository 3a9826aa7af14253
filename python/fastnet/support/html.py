"""HTML of models and histories for notebooks: tables, and curves without a plotting library.

Everything is drawn in the color of the text (``currentColor``), to be visible on light and dark pages. Names are
escaped, because a model file may come from anyone.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from fastnet.support.curves import Curve
from fastnet.support.text import visible

_WIDTH, _HEIGHT = 260, 130  # of a plot, and the frame of its curves
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 252, 8, 108
_MOST_POINTS = 200  # of a curve: about one per column of pixels


def html_text(text: str) -> str:
    """Return text escaped for HTML, without control characters."""
    from html import escape  # not at the top: few programs need it

    return escape(visible(text))


def html_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with left-aligned headings in the first column, and right-aligned numbers in the others."""

    def cells(tag: str, texts: Sequence[str]) -> str:
        first, *others = map(html_text, texts)
        left, right = ' style="text-align:left"', ' style="text-align:right"'
        return f"<th{left}>{first}</th>" + "".join(f"<{tag}{right}>{text}</{tag}>" for text in others)

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{cells('th', headings)}</tr></thead><tbody>{body}</tbody></table>"


def html_curves(curves: dict[str, Curve]) -> str:
    """Return a plot for every figure: training as a solid line, validation dashed."""
    pictures = []
    for name, training in curves.items():
        if name.startswith("val_") and name.removeprefix("val_") in curves:
            continue
        validation = curves.get(f"val_{name}", Curve([], []))
        if picture := _picture(name, thinned(training), thinned(validation)):
            pictures.append(f"<div>{picture}<div>{html_text(name)}</div></div>")
    style = "display:flex;flex-wrap:wrap;gap:1em;text-align:center"
    return f'<div style="{style}">{"".join(pictures)}</div>' if pictures else ""


def thinned(curve: Curve) -> Curve:
    """Return a curve with at most `_MOST_POINTS` evenly spaced points, including the last one."""
    step = -(-len(curve.values) // _MOST_POINTS) or 1
    values = [as_number(value) for value in reversed(curve.values[::-step])]
    return Curve(list(reversed(curve.epochs[::-step])), values)


def as_number(value: Any) -> float:
    """Return a value as a number; NaN if it is not a number."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def _picture(name: str, training: Curve, validation: Curve) -> str:
    """Return an SVG; nothing without finite values or with a single epoch."""
    values = [value for value in (*training.values, *validation.values) if math.isfinite(value)]
    epochs = [*training.epochs, *validation.epochs]
    if not values or min(epochs) == max(epochs):
        return ""
    low, high, first, last = min(values), max(values), min(epochs), max(epochs)

    def place(value: float, start: float, end: float, from_: int, to: int) -> float:
        length = end / 2 - start / 2  # halves cannot overflow
        share = (value / 2 - start / 2) / length if length > 0 else 0.5
        return from_ + share * (to - from_)

    def path(curve: Curve) -> str:
        """Return the curve, with gaps at values that are not finite; round line ends make an isolated point a dot."""
        steps, pen = [], "M"
        for epoch, value in zip(*curve, strict=False):
            if math.isfinite(value):
                x, y = place(epoch, first, last, _LEFT, _RIGHT), place(value, low, high, _BOTTOM, _TOP)
                steps.append(f"{pen}{x:.1f} {y:.1f}" + ("h0" if pen == "M" else ""))
            pen = "L" if math.isfinite(value) else "M"
        return "".join(steps)

    lines = "".join(
        f'<path d="{path(curve)}" fill="none" stroke="currentColor" stroke-width="{width}" stroke-linecap="round"{dashes}/>'
        for curve, width, dashes in ((training, 1.5, ""), (validation, 1.5, ' stroke-dasharray="4 3.5"'))
        if curve.values
    )
    texts = [
        (_LEFT - 6, _TOP + 8, f"{high:.3g}", "end"),
        *([(_LEFT - 6, _BOTTOM, f"{low:.3g}", "end")] if high > low else []),
        (_LEFT, _HEIGHT - 6, str(first), "start"),
        (_RIGHT, _HEIGHT - 6, str(last), "end"),
    ]
    labels = "".join(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>' for x, y, text, anchor in texts)
    frame = f'<path d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}" fill="none" stroke="currentColor" stroke-opacity="0.35"/>'
    dashed = ", validation dashed" if validation.values else ""
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{html_text(name)} over the epochs{dashed}" fill="currentColor" font-size="11">{frame}{labels}{lines}</svg>'
    )
