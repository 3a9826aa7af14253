"""Layers that change images at random in plain NumPy, written from Keras's formulas, with the core's random numbers.

An image is rows x columns x channels. Positions and values are computed in the dtype of the image.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference_layers import uniform_row

Array = NDArray[Any]
FILL_MODES = ("reflect", "constant", "nearest", "wrap")


def index(at: Array, size: int, fill_mode: str) -> Array:
    """Return the pixels of an axis that stand for those at `at`, which may be beyond its ends."""
    match fill_mode:
        case "reflect":
            within = np.mod(at, 2 * size)
            return np.where(within < size, within, 2 * size - 1 - within)
        case "wrap":
            return np.mod(at, size)
    return np.clip(at, 0, size - 1)


def pixels(image: Array, rows: Array, columns: Array, fill_mode: str, fill_value: float) -> Array:
    height, width = image.shape[:2]
    values = image[index(rows, height, fill_mode), index(columns, width, fill_mode)]
    if fill_mode != "constant":
        return values
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside[..., None], values, image.dtype.type(fill_value))


def nearest(at: Array) -> Array:
    """Return the nearest integers, halves away from zero."""
    return np.trunc(at + np.copysign(0.5, at)).astype(int)


def sample(image: Array, y: Array, x: Array, fill_mode: str, interpolation: str, fill_value: float = 0.0) -> Array:
    """Return the values of an image at positions between its pixels."""
    how = fill_mode, fill_value
    if interpolation == "nearest":
        return pixels(image, nearest(y), nearest(x), *how)
    above, before = np.floor(y), np.floor(x)
    down, right = (y - above)[..., None], (x - before)[..., None]
    r, c = above.astype(int), before.astype(int)
    first = ((1 - down) * (1 - right)) * pixels(image, r, c, *how)
    second = ((1 - down) * right) * pixels(image, r, c + 1, *how)
    third = (down * (1 - right)) * pixels(image, r + 1, c, *how)
    return ((first + second) + third) + (down * right) * pixels(image, r + 1, c + 1, *how)


def affine(image: Array, y: Array, x: Array, **how: Any) -> Array:
    """Return an image whose pixel (r, c) is that at y[0] + y[1] r + y[2] c and x[0] + x[1] r + x[2] c."""
    rows, columns = np.arange(image.shape[0]), np.arange(image.shape[1], dtype=image.dtype)
    lines = [(at[0] + at[1] * rows).astype(image.dtype)[:, None] for at in (y, x)]
    return sample(
        image, *(columns * image.dtype.type(at[2]) + line for at, line in zip((y, x), lines, strict=True)), **how
    )


def factors(bounds: list[tuple[float, float]], seed: int, stream: int, step: int, row: int) -> list[float]:
    """Return a number between each two bounds for a sample."""
    drawn = uniform_row(seed, stream, step, row, len(bounds))
    return [lower + (upper - lower) * share for (lower, upper), share in zip(bounds, drawn, strict=True)]


def translation(image: Array, down: float, right: float, **how: Any) -> Array:
    height, width = image.shape[:2]
    return affine(image, np.array([-down * height, 1, 0]), np.array([-right * width, 0, 1]), **how)


def rotation(image: Array, turns: float, **how: Any) -> Array:
    cy, cx = (image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2
    cosine, sine = np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)
    y = np.array([cy - cx * sine - cy * cosine, cosine, sine])
    return affine(image, y, np.array([cx - cx * cosine + cy * sine, -sine, cosine]), **how)


def zoom(image: Array, vertical: float, horizontal: float, **how: Any) -> Array:
    cy, cx = (image.shape[0] - 1) / 2, (image.shape[1] - 1) / 2
    y, x = np.array([-cy * vertical, 1 + vertical, 0]), np.array([-cx * horizontal, 0, 1 + horizontal])
    return affine(image, y, x, **how)


# ---- Elastic deformations --------------------------------------------------------------------------------------------


def gaussian_blur(field: Array, sigma: float) -> Array:
    """Return a field convolved with a Gaussian of odd size, with zeros beyond the edges, as the outer product of two."""
    size = int(6 * sigma) | 1
    half = size // 2
    weights = np.ones(1) if size == 1 else np.exp(-0.5 * (np.arange(-half, half + 1) / sigma) ** 2)
    kernel = np.outer(weights, weights) / weights.sum() ** 2
    padded = np.pad(field, half)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    return np.asarray((windows * kernel).sum(axis=(2, 3)))


def elastic(image: Array, normals: Array, alpha: float, sigma: float, **how: Any) -> Array:
    """Return an image whose pixels are moved by two fields of numbers from the standard normal distribution."""
    down, right = (alpha * gaussian_blur(field * sigma, sigma) for field in normals)
    rows, columns = np.indices(image.shape[:2])
    return sample(image, rows + down, columns + right, **how)
