"""Pictures of a report: drawn for light and dark screens, and embedded into the page."""

import base64
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Ten colors: as many curves as a picture has at most.
_LIGHT_COLORS = [
    "#0969da",
    "#bc4c00",
    "#1a7f37",
    "#8250df",
    "#bf3989",
    "#1b7c83",
    "#9a6700",
    "#cf222e",
    "#57606a",
    "#6e4a1e",
]
_DARK_COLORS = [
    "#58a6ff",
    "#f0883e",
    "#3fb950",
    "#bc8cff",
    "#f778ba",
    "#39c5cf",
    "#d29922",
    "#ff7b72",
    "#8b949e",
    "#ffdfb6",
]
_LIGHT = {"ink": "#1f2328", "lines": "#8b949e", "grid": "#d8dee4", "colors": _LIGHT_COLORS}
_DARK = {"ink": "#e6edf3", "lines": "#8b949e", "grid": "#30363d", "colors": _DARK_COLORS}
WHOLE, HALF = (
    6.4,
    4.6,
)  # inches: the widths of a picture alone and of one beside another, in which their text is easy to read
PAGES = {"light": "#ffffff", "dark": "#0d1117"}  # the backgrounds in the style sheet
_LARGEST_SIDE = 112  # of a sample's image in pixels, about the displayed size
_DEEPEST = {"light": "#0550ae", "dark": "#79c0ff"}


@dataclass(frozen=True)
class Picture:
    """A picture in two versions.

    Attributes
    ----------
    light, dark : str
        Data URLs of the picture.
    alt : str
        The alternative text.
    width, height : int
        Its size in pixels of CSS.
    """

    light: str
    dark: str
    alt: str
    width: int
    height: int


def draw(paint: Callable[[Any, Any], Any], alt: str, *, size: tuple[float, float]) -> Picture:
    """Return a picture.

    Parameters
    ----------
    paint : callable
        Called with Axes and a colormap that begins with the background color.
    alt : str
        The alternative text.
    size : tuple of float
        Width and height in inches.
    """
    light, dark = (_svg(paint, size, mode) for mode in ("light", "dark"))
    return Picture(light, dark, alt, round(size[0] * 96), round(size[1] * 96))


def _svg(paint: Callable[[Any, Any], Any], size: tuple[float, float], mode: str) -> str:
    from matplotlib import style
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    settings = _settings(_LIGHT if mode == "light" else _DARK)
    colormap = LinearSegmentedColormap.from_list(mode, [PAGES[mode], _DEEPEST[mode]])
    buffer = io.BytesIO()
    with style.context(settings, after_reset=True), warnings.catch_warnings():
        # The text stays text, and the browser has fonts for characters that matplotlib lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(size, layout="constrained")  # without pyplot, which would keep a reference
        paint(figure.add_subplot(), colormap)
        figure.savefig(buffer, format="svg", dpi=150, transparent=True, metadata={"Date": None, "Creator": None})
    return _address("image/svg+xml", buffer.getvalue())


def _settings(theme: dict[str, Any]) -> dict[str, Any]:
    from cycler import cycler

    ink = dict.fromkeys(("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor"), theme["ink"])
    lines = dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), theme["lines"])
    return {
        **ink,
        **lines,
        "axes.prop_cycle": cycler(color=theme["colors"]),
        "axes.grid.axis": "y",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # every text names all of them, and the browser has its own
        "font.size": 10.0,
        "grid.color": theme["grid"],
        "legend.frameon": False,
        "svg.fonttype": "none",
        "svg.hashsalt": "fastnet",  # identical pictures give identical files
        "text.parse_math": False,
    }


def thumbnail(image: NDArray[Any], low: float, high: float) -> str:
    """Return the data URL of a sample as an image: `low` is black, `high` white; large images are reduced."""
    from PIL import Image

    shades = np.clip((image.astype(np.float64) - low) / ((high - low) or 1.0), 0.0, 1.0)
    small = Image.fromarray(np.rint(255.0 * shades).astype(np.uint8))
    small.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, "png", optimize=True)
    return _address("image/png", buffer.getvalue())


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
