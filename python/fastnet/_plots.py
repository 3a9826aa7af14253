"""Axes to draw on, for which matplotlib is imported when they are asked for."""

from typing import Any


def figure_axes(count: int, size: float = 4.0) -> list[Any]:
    """Return so many axes side by side in a new figure."""
    try:
        from matplotlib import pyplot as plt
    except ImportError:
        raise ImportError('plots need matplotlib: pip install "fastnet-nn[plot]"') from None
    _, axes = plt.subplots(1, count, figsize=(size * count, 0.8 * size), squeeze=False, layout="constrained")
    return list(axes[0])
