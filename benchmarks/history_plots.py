"""A picture of the history of a kind of processor: a panel for each row, over the runs."""

import textwrap
from pathlib import Path
from typing import Any

from .history import Figure, Run, slug
from .plots import COLORS, configured

COLUMNS = 5
PANEL = (3.1, 1.9)  # inches


def write(kind: str, runs: list[Run], folder: Path) -> Path:
    """Draw the rows that several runs have, or all of a single run; return the file."""
    plt = configured()
    count = {name: sum(name in run.rows for run in runs) for run in runs for name in run.rows}
    names = [name for name, times in count.items() if times > 1] or [*count]
    lines = -(-len(names) // COLUMNS)
    figure, axes = plt.subplots(lines, COLUMNS, figsize=(PANEL[0] * COLUMNS, PANEL[1] * lines), squeeze=False)
    for axis, name in zip(axes.flat, names, strict=False):
        draw(axis, name, [(run, run.rows[name]) for run in runs if name in run.rows])
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    figure.suptitle(
        f"{kind}: ratio to the best peer, higher is better, with the middle half of the rounds", fontsize=11
    )
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.4 / (PANEL[1] * lines)))
    file = folder / f"history-{slug(kind)}.svg"
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)
    return file


def draw(axis: Any, name: str, points: list[tuple[Run, Figure]]) -> None:
    """Draw the ratios or, where there are none, the times in milliseconds."""
    ratios = [figure.ratio for _, figure in points]
    is_ratio = None not in ratios
    values = ratios if is_ratio else [1e3 * (figure.seconds or 0) for _, figure in points]
    places = range(len(points))
    axis.plot(places, values, marker="o", markersize=3.5, color=COLORS["fastnet"])
    highest = max(values)
    if is_ratio:
        axis.axhline(1, color="#999999", linestyle="--", linewidth=0.8)
        for place, (_, figure) in zip(places, points, strict=True):
            if figure.low is not None and figure.high is not None:
                axis.vlines(place, figure.low, figure.high, color=COLORS["fastnet"], alpha=0.4)
                highest = max(highest, figure.high)
    axis.set_ylim(0, 1.1 * highest)
    axis.set_title("\n".join(textwrap.wrap(name if is_ratio else f"{name}, ms", 46)), fontsize=7)
    axis.set_xticks(places, [f"{run.commit[:7]}\n{run.date[5:]}" for run, _ in points], fontsize=6)
    axis.tick_params(axis="y", labelsize=6)
    axis.margins(x=0.2)
    axis.grid(alpha=0.25)
