"""Two plots: GFLOP/s of square matrix products over their size, and microseconds a step of the training workloads."""

import re
import sys
from pathlib import Path
from typing import Any

from .cases import Gemm, Training
from .results import Results
from .tables import number, threads_text

COLORS = {
    "fastnet": "#d1495b",
    "numpy": "#30638e",
    "torch": "#e59f24",
    "torch_channels_last": "#b07d12",
    "tensorflow": "#c26a8d",
    "jax": "#3a8f5c",
    "sklearn": "#8a6fb0",
    "python": "#777777",
}
OTHER = "#222222"  # a peer that has no color of its own


def configured() -> Any:
    """Return pyplot, which draws SVG that is small and the same for the same numbers."""
    import matplotlib as mpl

    mpl.use("Agg")
    # Text stays text: as outlines it takes most of a file.
    mpl.rcParams.update({"svg.hashsalt": "fastnet", "svg.fonttype": "none"})
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot as plt

    return plt


def write(results: Results, folder: Path) -> tuple[str, ...]:
    """Draw the plots of this kind of processor, and return the names of their files."""
    try:
        configured()
    except ImportError:
        print("matplotlib is not installed: no plots", file=sys.stderr)
        return ()
    written = []
    for name, draw in (("gemm", draw_gemm), ("steps", draw_steps)):
        if (figure := draw(results)) is not None:
            file = f"{name}-{re.sub(r'[^a-z0-9]+', '-', results.kind.lower()).strip('-')}.svg"
            figure.savefig(folder / file, metadata={"Date": None}, bbox_inches="tight")
            written.append(file)
    return tuple(written)


def draw_gemm(results: Results) -> Any:
    """A panel for each number of threads, a line for each peer, the measured peak above them."""
    from matplotlib import pyplot as plt

    cases = [(r, c) for r, c in results.compared(Gemm) if c.m == c.n == c.k and c.transpose == "NN"]
    if not cases:
        return None
    figure, axes = plt.subplots(1, len(results.threads), figsize=(5.5 * len(results.threads), 4), squeeze=False)
    for axis, threads in zip(axes[0], results.threads, strict=True):
        for peer in dict.fromkeys(peer for record, _ in cases for peer in record.peers()):
            rows = [(case, record.find(case.key, peer, threads)) for record, case in cases]
            points = [(case.n, case.operations / row.median() / 1e9) for case, row in rows if row]
            if points:
                axis.plot(*zip(*points, strict=True), marker="o", markersize=4, label=results.title(peer),
                          color=COLORS.get(peer, OTHER), linewidth=2.4 if peer == "fastnet" else 1.4)  # fmt: skip
        for row in cases[0][0].peaks():
            if row.threads == threads:
                axis.axhline(row.median("gflops"), color="#999999", linestyle="--", linewidth=1, label="peak")
        axis.set_xscale("log", base=2)
        axis.set(title=threads_text(threads), xlabel="n", ylim=(0, None))
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.grid(alpha=0.25)
    axes[0][0].set_ylabel("GFLOP/s, float32, n x n x n")
    axes[0][0].legend(frameon=False)
    return figure


def draw_steps(results: Results) -> Any:
    """A group of bars for each training workload, each peer with its best number of threads."""
    from matplotlib import pyplot as plt

    cases = [(record, case) for record, case in results.compared(Training) if record.find(case.key, "fastnet")]
    if not cases:
        return None
    peers = [p for p in COLORS if any(p in record.peers() for record, _ in cases)]
    figure, axis = plt.subplots(figsize=(10, 1.3 + 1.1 * len(cases)))
    height = 0.8 / len(peers)
    for i, peer in enumerate(peers):
        bars = [(place, record.find(case.key, peer), case) for place, (record, case) in enumerate(cases)]
        shown = [(place, 1e6 * row.median() / case.epochs / case.steps) for place, row, case in bars if row]
        places = [place - 0.4 + (i + 0.5) * height for place, _ in shown]
        values = [value for _, value in shown]
        drawn = axis.barh(places, values, height * 0.9, color=COLORS[peer], label=results.title(peer))
        axis.bar_label(drawn, [f" {number(value)}" for value in values], fontsize=8)
    axis.set_yticks(range(len(cases)), [case.name.replace(", ", "\n", 1) for _, case in cases])
    axis.invert_yaxis()
    axis.set_xscale("log")
    axis.set_xlabel("us a step, each peer with its best number of threads (logarithmic)")
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure
