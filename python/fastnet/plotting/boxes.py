"""Boxes with numbers and arrows between them, drawn in SVG.

Boxes have a light ground of their own, and arrows a gray between light and dark: the picture can be read on any page.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import NamedTuple

from fastnet.support.figures import printable

_WIDTH, _HEIGHT = 100, 54  # of a box
_ARROW = 15  # the gap between two boxes of a chain, which an arrow crosses
_STACKED = 4  # the gap between others
_BETWEEN = 20  # chains of a column
_ACROSS = 44  # columns
_MARGIN = 8
_GRAY, _INK, _RED = "#8b949e", "#1f2328", "#a40e26"
_FILLS = {
    "input": "#ddf4ff",
    "parameter": "#fff1cc",
    "product": "#f6f8fa",
    "sum": "#f6f8fa",
    "activation": "#dafbe1",
    "target": "#ddf4ff",
    "loss": "#ffe3e0",
}
_SYMBOLS = {"sigmoid": "\N{GREEK SMALL LETTER SIGMA}"}
_SUBSCRIPTS = str.maketrans("0123456789", "".join(chr(0x2080 + digit) for digit in range(10)))
_LONGEST_OPERATION = 13  # characters


class Box(NamedTuple):
    """The texts of a box.

    Attributes
    ----------
    name, operation, value, gradient : str
    kind : str
        Decides the color.
    hint : str
        What is shown to who points at it.
    """

    name: str
    operation: str
    value: str
    gradient: str
    kind: str
    hint: str


Corner = tuple[float, float]


def picture(
    boxes: Mapping[str, Box],
    columns: Sequence[Sequence[Sequence[str]]],
    edges: Sequence[tuple[str, str]],
    title: str,
    description: str,
) -> str:
    """Return a picture in SVG.

    Parameters
    ----------
    boxes : dict
        By their names.
    columns : list of list of list of str
        The names of the boxes, from left to right; each column has chains of boxes that stand close below each other.
    edges : list of (str, str)
        The ends of the arrows.
    title, description : str
        For screen readers.
    """
    corners, width, height = _placed(columns, set(edges))
    legend = Box(
        "name", "made by", "value", "gradient", "product", "the number, and the gradient of L with respect to it"
    )
    height = max(height, _bottom(columns[0], corners) + _BETWEEN + _HEIGHT + _MARGIN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>",
        *(_arrow(corners[start], corners[end]) for start, end in edges),
        *(_drawn(box, corners[name]) for name, box in boxes.items()),
        _drawn(legend, (_MARGIN, height - _MARGIN - _HEIGHT)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _placed(
    columns: Sequence[Sequence[Sequence[str]]], edges: set[tuple[str, str]]
) -> tuple[dict[str, Corner], float, float]:
    """Return the upper left corner of every box, and the size of the picture."""
    offsets: list[dict[str, float]] = []
    heights = []
    for column in columns:
        tops: dict[str, float] = {}
        bottom = -float(_BETWEEN)
        for chain in column:
            bottom += _BETWEEN
            above = ""
            for name in chain:
                bottom += (_ARROW if (above, name) in edges else _STACKED) if above else 0
                tops[name] = bottom
                bottom += _HEIGHT
                above = name
        offsets.append(tops)
        heights.append(bottom)
    tallest = max(heights)
    corners = {
        name: (float(_MARGIN + number * (_WIDTH + _ACROSS)), _MARGIN + (tallest - height) / 2 + top)
        for number, (tops, height) in enumerate(zip(offsets, heights, strict=True))
        for name, top in tops.items()
    }
    return corners, 2 * _MARGIN + len(columns) * (_WIDTH + _ACROSS) - _ACROSS, 2 * _MARGIN + tallest


def _bottom(column: Sequence[Sequence[str]], corners: Mapping[str, Corner]) -> float:
    return corners[column[-1][-1]][1] + _HEIGHT


def _arrow(start: Corner, end: Corner) -> str:
    """Return an arrow between two boxes: down in a chain, from left to right otherwise."""
    if start[0] == end[0]:
        x, top, bottom = start[0] + _WIDTH / 2, start[1] + _HEIGHT, end[1]
        line, head = f"M{x:g} {top:g}V{bottom - 5:g}", f"M{x:g} {bottom:g}l-4 -7h8z"
    else:
        left, right = start[0] + _WIDTH, end[0]
        above, below, middle = start[1] + _HEIGHT / 2, end[1] + _HEIGHT / 2, (left + right) / 2
        line = f"M{left:g} {above:g}C{middle:g} {above:g} {middle:g} {below:g} {right - 5:g} {below:g}"
        head = f"M{right:g} {below:g}l-7 -4v8z"
    return f'<path d="{line}" fill="none" stroke="{_GRAY}" stroke-width="1.5"/><path d="{head}" fill="{_GRAY}"/>'


def _drawn(box: Box, corner: Corner) -> str:
    left, top = corner
    right = left + _WIDTH - 7
    operation = printable(_SYMBOLS.get(box.operation, _short(box.operation)), _LONGEST_OPERATION)
    size = 10.5 if len(operation) < 10 else 9
    name = re.sub(r"\d+", lambda digits: digits[0].translate(_SUBSCRIPTS), box.name).replace("*", "")
    texts = [
        f'<text x="{left + 7:g}" y="{top + 15:g}" font-weight="bold">{escape(name)}</text>',
        f'<text x="{right:g}" y="{top + 15:g}" text-anchor="end" font-size="{size}" fill="#57606a">{escape(operation)}</text>',
        f'<text x="{right:g}" y="{top + 31:g}" text-anchor="end">{_minus(box.value)}</text>',
    ]
    if box.gradient:
        texts += [
            f'<text x="{left + 7:g}" y="{top + 47:g}" fill="{_RED}">\N{PARTIAL DIFFERENTIAL}</text>',
            f'<text x="{right:g}" y="{top + 47:g}" text-anchor="end" fill="{_RED}">{_minus(box.gradient)}</text>',
        ]
    return (
        f'<g fill="{_INK}"><title>{escape(box.hint)}</title><rect x="{left:g}" y="{top:g}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" rx="5" fill="{_FILLS[box.kind]}" stroke="{_GRAY}"/>{"".join(texts)}</g>'
    )


def _short(operation: str) -> str:
    return "cross-entropy" if operation.endswith("_crossentropy") and "focal" not in operation else operation


def _minus(number: str) -> str:
    return escape(number.replace("-", "\N{MINUS SIGN}"))
