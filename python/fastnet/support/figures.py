"""Tools for plots: axes, importing matplotlib only on request, image shapes and printable names."""

import math
from collections.abc import Sequence
from typing import Any

from fastnet.support.validation import check_shape

LONGEST_NAME = 16  # characters, beyond which names in plots are cut


def figure_axes(count: int, size: float = 4.0) -> list[Any]:
    """Return a number of axes side by side in a new figure."""
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        raise ImportError('plots need matplotlib: pip install "fastnet-nn[plot]"') from None
    _, axes = plt.subplots(1, count, figsize=(size * count, 0.8 * size), squeeze=False, layout="constrained")
    return list(axes[0])


def given_or_new(axes: Any, size: float = 4.0, inches: tuple[float, float] | None = None) -> Any:
    """Return the axes that are given, or those of a new figure, which `inches` gives a width and a height."""
    if axes is not None:
        return axes
    (axes,) = figure_axes(1, size)
    if inches is not None:
        axes.figure.set_size_inches(*inches)
    return axes


def legend_above(axes: Any) -> None:
    """Add a legend above the axes, in one row: inside it would cover curves."""
    columns = len(axes.get_legend_handles_labels()[1])
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.0}
    axes.legend(ncols=columns, frameon=False, borderpad=0.3, handlelength=1.8, columnspacing=1.2, **place)


def write_title(axes: Any, text: str) -> None:
    """Write a title in the size of the text, above the legend if there is one."""
    legend = axes.get_legend()
    above = {} if legend is None else {"pad": 2.0 * legend.get_texts()[0].get_fontsize()}
    axes.set_title(text, fontsize="medium", parse_math=False, **above)


def is_picture(shape: Sequence[int]) -> bool:
    """Return whether a shape is that of an image: rows and columns, and optionally 1, 3 or 4 channels."""
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))


def picture_shape(inputs: int, given: Sequence[int] | None, of: str) -> tuple[int, ...]:
    """Return the image shape for a number of inputs: the given one, else a square.

    Raises
    ------
    ValueError
        The inputs are not an image of this shape.
    """
    side = math.isqrt(inputs)
    shape = (side, side) if given is None else check_shape("image_shape", given)
    if math.prod(shape) != inputs or not is_picture(shape):
        raise ValueError(
            f"image_shape must be (rows, columns) or (rows, columns, channels) with {inputs} values, the inputs {of}; "
            f"got {shape}"
        )
    return shape[:2] if shape[2:] == (1,) else shape


def printable(name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name for a plot: without control characters, and not too long."""
    name = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in name)
    return name if len(name) <= longest else name[: longest - 3] + "..."


def names_of_classes(class_names: Sequence[str] | None, classes: int) -> list[str]:
    """Return the name of each class: those that are given, else their numbers.

    Raises
    ------
    ValueError
        The number of names is another.
    """
    if class_names is None:
        return [str(code) for code in range(classes)]
    if len(class_names) != classes:
        raise ValueError(f"class_names must have one name for each of the {classes} classes; got {len(class_names)}")
    return [str(name) for name in class_names]


def write_legend(axes: Any, place: str) -> None:
    """Write the legend of several curves, small enough for ten of them."""
    legend = axes.legend(loc=place, fontsize="small", labelspacing=0.3, handlelength=1.2)
    for text in legend.get_texts():
        text.set_parse_math(False)
