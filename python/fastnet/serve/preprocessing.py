"""Conversion of drawings and photos to the images of a model: digits as in MNIST or scikit-learn's, and pictures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["centre_digit", "scale_picture", "small_digit"]

# The page does the same in page/preprocessing.js. All numbers are integers below 2**53, so that sums are exact in any
# order, and both give the same bytes.


def centre_digit(image: Any, *, size: int = 28, box: int = 20) -> NDArray[np.uint8]:
    """Center and scale a digit as in MNIST.

    Pixels that differ from the background are the ink. The smallest rectangle around the ink is scaled, with its aspect
    ratio, until its longer side is `box` pixels; each pixel of the result is the mean of the area that it covers. Gray
    levels are stretched so that the strongest is 255. The result is placed in a square of `size` pixels with its center
    of mass in the middle.

    Parameters
    ----------
    image : array_like of uint8, shape (height, width), (height, width, 3) or (height, width, 4)
        Gray levels, RGB or RGBA, with light ink on a dark background or the reverse: the background is the median of
        the border. Transparent pixels are white.
    size : int, default 28
        Height and width of the result.
    box : int, default 20
        Height or width of the digit, whichever is longer; at most `size`.

    Returns
    -------
    ndarray of uint8, shape (size, size)
        Light ink on a dark background of 0. All zeros if the image has no ink.

    Raises
    ------
    TypeError
        If `image` does not have dtype uint8.
    ValueError
        If `image` has another shape or no pixels, or `box` is not between 1 and `size`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnet.serve.preprocessing import centre_digit
    >>> drawing = np.zeros((200, 300), dtype=np.uint8)
    >>> drawing[40:140, 30:50] = 255  # an upright stroke, off the middle
    >>> digit = centre_digit(drawing)
    >>> digit.shape, np.flatnonzero(digit.any(axis=0))
    ((28, 28), array([13, 14, 15, 16]))
    """
    if not 1 <= box <= size:
        raise ValueError(f"box must be between 1 and size ({size}), got {box}")
    result = np.zeros((size, size), dtype=np.uint8)
    ink = _ink(image)
    if not ink.size:
        return result
    longer = max(ink.shape)
    digit = _fit(ink, [_share(side * box, longer) for side in ink.shape], 255)
    height, width = digit.shape
    top, left = _offset(digit.sum(axis=1), size), _offset(digit.sum(axis=0), size)
    result[top : top + height, left : left + width] = digit
    return result


def small_digit(image: Any) -> NDArray[np.uint8]:
    """Scale a digit as in the digits of scikit-learn: 8 pixels high, at most 6 wide, in the middle of 8 columns.

    Parameters
    ----------
    image : array_like of uint8, shape (height, width), (height, width, 3) or (height, width, 4)
        As for `centre_digit`.

    Returns
    -------
    ndarray of uint8, shape (8, 8)
        From 0, no ink, to 16. All zeros if the image has no ink.

    Raises
    ------
    TypeError, ValueError
        As for `centre_digit`.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnet.serve.preprocessing import small_digit
    >>> paper = np.full((200, 300), 255, dtype=np.uint8)
    >>> paper[40:140, 30:55] = 0  # an upright stroke in black
    >>> small_digit(paper)[0]
    array([ 0,  0,  0, 16, 16,  0,  0,  0], dtype=uint8)
    """
    result = np.zeros((8, 8), dtype=np.uint8)
    ink = _ink(image)
    if not ink.size:
        return result
    height, width = ink.shape
    columns = min(_share(8 * width, height), 6)
    left = (8 - columns) // 2
    result[:, left : left + columns] = _fit(ink, [8, columns], 16)
    return result


def scale_picture(image: Any, shape: Sequence[int]) -> NDArray[np.uint8]:
    """Scale a picture to the images of a model, in gray or in color.

    The part of the picture that is scaled is the largest one in its middle with the aspect ratio of the result. Each
    pixel of the result is the mean of the area that it covers.

    Parameters
    ----------
    image : array_like of uint8, shape (height, width), (height, width, 3) or (height, width, 4)
        Gray levels, RGB or RGBA. Transparent pixels are white.
    shape : tuple of int
        The shape of the result: (height, width) or (height, width, 1) for gray levels, (height, width, 3) for RGB.

    Returns
    -------
    ndarray of uint8, shape `shape`

    Raises
    ------
    TypeError
        If `image` does not have dtype uint8.
    ValueError
        If `image` has another shape or no pixels, or `shape` is not that of such an image.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnet.serve.preprocessing import scale_picture
    >>> photo = np.zeros((60, 90, 3), dtype=np.uint8)
    >>> photo[:30, :, 0] = 200  # red above black
    >>> scale_picture(photo, (2, 2, 3))[:, 0].tolist()
    [[200, 0, 0], [0, 0, 0]]
    """
    sides, channels = tuple(shape[:2]), tuple(shape[2:])
    if len(sides) != 2 or min(sides) < 1 or channels not in ((), (1,), (3,)):
        raise ValueError(f"shape must be (height, width), (height, width, 1) or (height, width, 3), got {tuple(shape)}")
    planes = _colors(image) if channels == (3,) else [_gray(image)]
    means = [_shrink(_middle(plane, *sides), *sides) for plane in planes]
    return np.stack(means, axis=2).astype(np.uint8).reshape(shape)


def _middle(plane: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """Return the largest part in the middle of a plane with the aspect ratio of these sides."""
    rows, columns = plane.shape
    tall, wide = min(rows, max(1, columns * height // width)), min(columns, max(1, rows * width // height))
    top, left = (rows - tall) // 2, (columns - wide) // 2
    return plane[top : top + tall, left : left + wide]


def _shrink(plane: NDArray[np.int64], height: int, width: int) -> NDArray[np.int64]:
    """Scale to these sides; each value is the mean of the area that it covers."""
    sums, area = _sums(plane, [height, width]), plane.size
    return (2 * sums + area) // (2 * area)


def _colors(image: Any) -> list[NDArray[np.int64]]:
    """Return the levels of red, green and blue from 0 to 255, on a white background."""
    values = _pixels(image)
    if values.ndim == 2:
        return [values] * 3
    alpha = values[..., 3] if values.shape[2] == 4 else 255
    return [(values[..., color] * alpha + 255 * (255 - alpha) + 127) // 255 for color in range(3)]


def _gray(image: Any) -> NDArray[np.int64]:
    """Return gray levels from 0 to 255: the luma of ITU-R BT.601, on a white background."""
    values = _pixels(image)
    if values.ndim == 2:
        return values
    luma = values[..., 0] * 299 + values[..., 1] * 587 + values[..., 2] * 114
    alpha = values[..., 3] if values.shape[2] == 4 else 255
    return (luma * alpha + 255_000 * (255 - alpha) + 127_500) // 255_000


def _pixels(image: Any) -> NDArray[np.int64]:
    """Return the pixels of an image as integers whose products do not overflow."""
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        raise TypeError(f"image must have dtype uint8, got {pixels.dtype}")
    channels = pixels.shape[2:]
    if not 2 <= pixels.ndim <= 3 or channels not in ((), (3,), (4,)) or not pixels.size:
        raise ValueError(
            "image must have shape (height, width), (height, width, 3) or (height, width, 4) and at least one pixel, "
            f"got {pixels.shape}"
        )
    return pixels.astype(np.int64)


def _ink(image: Any) -> NDArray[np.int64]:
    """Return how much each pixel differs from the background, within the smallest rectangle around the ink.

    If nine tenths of the border are equal, the image is clean, and every other pixel is ink. Otherwise it is a photo of
    unevenly lit paper, or the digit touches the border. Then ink is what differs more than twice as much as nine tenths
    of the border do. This threshold is at least a third and at most half of the strongest ink.
    """
    gray = _gray(image)
    outermost = np.ones(gray.shape, dtype=bool)
    outermost[1:-1, 1:-1] = False
    border = np.sort(gray[outermost])
    ground = border[(border.size - 1) // 2]
    ink: NDArray[np.int64] = np.maximum(ground - gray if ground > 127 else gray - ground, 0)
    spread = np.sort(np.abs(border - ground))[(border.size - 1) * 9 // 10]
    if spread:
        ink[ink <= np.clip(2 * spread, ink.max() // 3, ink.max() // 2)] = 0
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if rows.size else ink[:0]


def _share(numerator: int, denominator: int) -> int:
    """Return a quotient as a number of pixels: rounded, and at least 1."""
    return max(1, (2 * numerator + denominator) // (2 * denominator))


def _fit(ink: NDArray[np.int64], shape: list[int], strongest: int) -> NDArray[np.int64]:
    """Scale to a shape; the strongest pixel of the result gets the given value."""
    sums = _sums(ink, shape)
    peak = int(sums.max())
    return (2 * strongest * sums + peak) // (2 * peak)


def _sums(plane: NDArray[np.int64], shape: list[int]) -> NDArray[np.int64]:
    """Return what each cell of a shape covers, summed: the mean times the number of pixels of the plane."""
    # Floating point, because its matrix multiplication is fast; it represents these integers exactly.
    rows, columns = (_cover(side, cells) for side, cells in zip(plane.shape, shape, strict=True))
    return (rows @ plane.astype(np.float64) @ columns.T).astype(np.int64)


def _cover(pixels: int, cells: int) -> NDArray[np.float64]:
    """Return the overlap of each cell with each pixel; a pixel has the length `cells`, a cell `pixels`."""
    pixel, cell = np.arange(pixels) * cells, np.arange(cells)[:, np.newaxis] * pixels
    overlap = np.minimum(pixel + cells, cell + pixels) - np.maximum(pixel, cell)
    cover: NDArray[np.float64] = np.maximum(overlap, 0).astype(np.float64)
    return cover


def _offset(mass: NDArray[np.int64], size: int) -> int:
    """Return the offset that puts the center of mass of a digit on the middle pixel, as far as it fits.

    The middle pixel has index 14 of 28, as in all digits of MNIST.
    """
    total, moment = int(mass.sum()), int(mass @ np.arange(mass.size))
    start = ((2 * (size // 2) + 1) * total - 2 * moment) // (2 * total)
    return min(max(start, 0), size - mass.size)
