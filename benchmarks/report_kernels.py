"""The section on the compiled benchmark: the matrix product without Python, and beside LIBXSMM's."""

import statistics
from typing import Any

from .results import Results
from .tables import heading, note, table, threads_text

XSMM_AIM = 0.9  # of LIBXSMM's rate, from 32 x 32 x 32 on
XSMM_WITHOUT_AIM = ("16 x 16 x 16", "128 x 10 x 64")


def kernels(results: Results) -> list[str]:
    figures = results.kernels
    if not figures:
        return []
    peak = {figure["threads"]: figure["gflops"] for figure in figures if figure["name"] == "fma_peak"}
    cells: dict[str, list[str]] = {}
    for figure in figures:
        if figure["name"] == "gemm":
            dtype = figure.get("dtype", "float32")
            shape = f"{size(figure)} {figure['case']}{'' if dtype == 'float32' else f', {dtype}'}"
            cells.setdefault(shape, []).extend(
                [f"{figure['gflops']:.0f}", f"{figure['gflops'] / peak[figure['threads']]:.0%}"]
            )
    header = ["m x n x k", *(text for threads in peak for text in (threads_text(threads), "of peak"))]
    text = (
        "The matrix product of the C++ core without Python, GFLOP/s (kernels.cpp); TT is there as well. "
        "bfloat16 has the peak of float32 beside it."
    )
    products = table(header, [[name, *row] for name, row in cells.items()])
    return heading("Compiled kernels") + note(text) + products + xsmm(results) + convolutions(results, peak)


def convolutions(results: Results, peak: dict[int, float]) -> list[str]:
    """The three passes of convolutions."""
    rows: dict[str, list[str]] = {}
    for figure in results.kernels:
        if figure["name"] == "convolution":
            rate = figure["gflops"]
            rows.setdefault(figure["layer"], []).append(f"{rate:.0f} ({rate / peak[1]:.0%})")
    if not rows:
        return []
    text = (
        "Convolutions on one thread (kernels_windows.cpp): the size of the kernel, channels to filters, the size of the image; GFLOP/s "
        "of what windows have inside of the image, and the share of the peak."
    )
    header = ["convolution", "forward", "input gradient", "weight gradient"]
    return note(text) + table(header, [[name, *cells] for name, cells in rows.items()])


def size(figure: dict[str, Any]) -> str:
    return f"{figure['m']} x {figure['n']} x {figure['k']}"


def xsmm(results: Results) -> list[str]:
    """Beside LIBXSMM, where it was there."""
    figures = [figure for figure in results.kernels if figure["name"] == "xsmm"]
    if not figures:
        return []
    text = (
        f"On one thread beside LIBXSMM {figures[0]['version']}, which generates a kernel for the shape: the same operands, in the caches, in turn within "
        f"one process; the ratio is the median of those of the rounds. The aim is {XSMM_AIM} from 32 x 32 x 32 on, for 10 columns "
        "there is none."
    )
    rows = [
        [
            size(figure),
            f"{figure['fastnet']:.0f}",
            f"{figure['xsmm']:.0f}",
            f"{figure['ratio']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})",
        ]
        for figure in figures
    ]
    return note(text) + table(["m x n x k", "fastnet", "LIBXSMM", "ratio"], rows)


def xsmm_summary(results: Results) -> list[str] | None:
    """The line of the summary: the geometric mean of the ratios that have an aim."""
    figures = [figure for figure in results.kernels if figure["name"] == "xsmm"]
    ratios = [figure["ratio"] for figure in figures if size(figure) not in XSMM_WITHOUT_AIM]
    if not ratios:
        return None
    mean = f"{statistics.geometric_mean(ratios):.2f}"
    blank = [""] * (len(results.threads) - 1)
    reached = sum(ratio >= XSMM_AIM for ratio in ratios)
    name = f"matrix product in C++, one thread: {len(ratios)} shapes, geometric mean"
    return [name, "", "LIBXSMM", mean, *blank, mean, "", f"{XSMM_AIM:.2f} reached by {reached} of {len(ratios)}"]
