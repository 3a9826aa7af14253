"""Renderings of MNIST's digits as they come from a drawing pad: large, crooked, off the middle, thick or thin."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

PAD = 224  # pixels on a side


def draw(digit: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a digit on a pad, light on dark, from its picture in MNIST.

    It is 3 to 7 times as large, rotated by up to 15 degrees, sheared by up to 0.2, up to 1.3 times as wide in proportion
    to its height, its outline moved by up to a third of a pixel of MNIST inwards or a whole one outwards, and anywhere.
    """
    scale, stretch = rng.uniform(3, 7), np.sqrt(rng.uniform(1 / 1.3, 1.3))
    angle, shear = np.deg2rad(rng.uniform(-15, 15)), rng.uniform(-0.2, 0.2)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forward = rotation @ np.array([[1, 0], [shear, 1]]) @ np.diag([scale / stretch, scale * stretch])
    inverse = np.linalg.inv(forward)
    origin = np.full(2, 13.5) - inverse @ np.full(2, (PAD - 1) / 2)
    ink = ndimage.affine_transform(digit.astype(float), inverse, origin, output_shape=(PAD, PAD), order=3) > 127
    outside = ndimage.distance_transform_edt(~ink) - ndimage.distance_transform_edt(ink)
    pad = 255 * np.clip(0.5 + scale * rng.uniform(-0.33, 1) - outside, 0, 1)
    return _move(np.rint(pad).astype(np.uint8), rng)


def _move(pad: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Put what is drawn anywhere on the pad where all of it is seen."""
    used = [np.flatnonzero(pad.any(axis=axis)) for axis in (1, 0)]
    return np.roll(pad, [rng.integers(-indices[0], PAD - indices[-1]) for indices in used], axis=(0, 1))
