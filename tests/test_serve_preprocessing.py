"""Drawings become pictures like MNIST's and scikit-learn's digits, however large, where and on what they were drawn."""

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fastnet.datasets import digits, mnist
from fastnet.serve.preprocessing import centre_digit, scale_picture, small_digit

Image = NDArray[np.uint8]


def seven(height: int = 200, width: int = 300, *, ink: int = 255, ground: int = 0) -> Image:
    """A seven in the upper left of a drawing."""
    image = np.full((height, width), ground, dtype=np.uint8)
    image[20:36, 30:110] = ink
    for row in range(36, 140):
        column = 110 - (row - 36) // 2
        image[row, column - 18 : column] = ink
    return image


# ---- As MNIST was made ----------------------------------------------------------------------------------------------


def test_the_digits_of_mnist_stay_where_they_are(mnist_dir: Any) -> None:
    (_, _), (images, _) = mnist.load_data()
    images = images[:500].reshape(-1, 28, 28)
    again = np.stack([centre_digit(image) for image in images])
    # Not one is moved by a pixel; what changes are grey levels where the strongest was 253 or 254 and is 255 now.
    assert np.abs(again.astype(int) - images).max() <= 2
    assert (again == images).all(axis=(1, 2)).mean() > 0.85


def test_the_digit_fills_the_box_with_its_centre_of_mass_on_the_middle_pixel() -> None:
    digit = centre_digit(seven()).astype(float)
    used = [np.flatnonzero(digit.any(axis=axis)) for axis in (0, 1)]
    assert max(np.ptp(indices) + 1 for indices in used) == 20
    for axis in (0, 1):
        mass = digit.sum(axis=1 - axis)
        assert abs(mass @ np.arange(28) / mass.sum() - 14) <= 0.5


def test_the_aspect_ratio_is_kept() -> None:
    image = np.zeros((100, 100), dtype=np.uint8)
    image[10:90, 40:60] = 255
    digit = centre_digit(image)
    assert digit.any(axis=1).sum() == 20
    assert digit.any(axis=0).sum() == 5


def test_a_pixel_is_the_mean_of_what_it_covers() -> None:
    image = np.zeros((50, 50), dtype=np.uint8)
    image[5:45, 5:45] = np.random.default_rng(0).integers(1, 256, (40, 40))
    means = image[5:45, 5:45].reshape(20, 2, 20, 2).mean(axis=(1, 3))
    np.testing.assert_array_equal(
        centre_digit(image)[centre_digit(image) > 0].reshape(20, 20), np.floor(255 * means / means.max() + 0.5)
    )


def test_size_and_box_choose_another_format() -> None:
    digit = centre_digit(seven(), size=16, box=16)
    assert digit.shape == (16, 16)
    assert digit.any(axis=1).all()


def test_the_centre_of_mass_gives_way_where_the_digit_would_leave_the_picture() -> None:
    image = np.zeros((60, 60), dtype=np.uint8)
    image[10:50, 10:14] = 255
    image[48:50, 10:50] = 255  # nearly all ink on the left
    digit = centre_digit(image, size=21, box=20)
    assert digit.any(axis=0).sum() == 20


# ---- As scikit-learn's digits were made -----------------------------------------------------------------------------


def test_a_small_digit_is_as_high_and_wide_as_those_of_scikit_learn() -> None:
    images = digits.load_data()[0].reshape(-1, 8, 8)
    widths = images.any(axis=1).sum(axis=1)
    assert images.any(axis=2).all()  # they reach from top to bottom
    assert np.bincount(widths).argmax() == 6
    wide = small_digit(seven()[:, 30:110].repeat(2, axis=1))
    assert wide.any(axis=1).all()
    assert wide.any(axis=0).sum() == 6
    assert wide.max() == images.max() == 16


def test_a_narrow_small_digit_stays_narrow_and_stands_in_the_middle() -> None:
    image = np.zeros((100, 100), dtype=np.uint8)
    image[10:90, 2:22] = 255
    np.testing.assert_array_equal(small_digit(image), np.tile([0, 0, 0, 16, 16, 0, 0, 0], (8, 1)))


# ---- Whatever it was drawn on ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [centre_digit, small_digit])
@pytest.mark.parametrize("ground", [0, 255])
def test_an_image_without_ink_gives_zeros(make: Any, ground: int) -> None:
    assert not make(np.full((30, 40), ground, dtype=np.uint8)).any()


def test_where_and_on_how_large_a_canvas_it_was_drawn_does_not_matter() -> None:
    image = seven()
    moved = np.zeros((400, 500), dtype=np.uint8)
    moved[150:350, 180:480] = image
    np.testing.assert_array_equal(centre_digit(moved), centre_digit(image))
    np.testing.assert_array_equal(centre_digit(image.repeat(3, axis=0).repeat(3, axis=1)), centre_digit(image))


def test_dark_ink_on_light_ground_is_the_same_as_light_on_dark() -> None:
    np.testing.assert_array_equal(centre_digit(255 - seven()), centre_digit(seven()))


def test_faint_ink_is_as_good_as_strong_ink() -> None:
    np.testing.assert_array_equal(centre_digit(seven(ink=90, ground=180)), centre_digit(seven()))


def test_colours_and_transparent_ground_are_understood() -> None:
    mask = seven()[..., np.newaxis] > 0
    blue_on_yellow = np.where(mask, [20, 30, 200], [250, 240, 160]).astype(np.uint8)
    black_on_nothing = np.where(mask, [0, 0, 0, 255], [0, 0, 0, 0]).astype(np.uint8)
    for image in (blue_on_yellow, black_on_nothing):
        np.testing.assert_array_equal(centre_digit(image), centre_digit(seven()))


def test_a_photo_of_unevenly_lit_paper_gives_nearly_the_digit_alone() -> None:
    rows, columns = np.mgrid[:200, :300]
    light = 190 + 12 * columns / 300 - 10 * rows / 200 + np.random.default_rng(0).normal(0, 2, (200, 300))
    photo = np.clip(np.where(seven() > 0, light - 130, light), 0, 255).astype(np.uint8)
    # The side that is better lit weighs more: the digit may stand a pixel further on.
    clean, found = (_box(centre_digit(image)).astype(int) for image in (seven(), photo))
    assert np.abs(found - clean).max() < 20


def _box(digit: Image) -> Image:
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def test_a_digit_that_touches_the_border_everywhere_is_still_ink() -> None:
    image = seven()[20:140, 30:110]
    assert np.abs(centre_digit(image).astype(int) - centre_digit(seven())).max() <= 1


# ---- What it refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(28,), (0, 5), (5, 5, 2), (2, 5, 5, 3)])
def test_an_image_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"got {shape}")):
        centre_digit(np.zeros(shape, dtype=np.uint8))


def test_an_image_of_floats_is_refused() -> None:
    with pytest.raises(TypeError, match="image must have dtype uint8, got float64"):
        small_digit(np.zeros((28, 28)))


@pytest.mark.parametrize("box", [0, 29])
def test_a_box_larger_than_the_picture_is_refused(box: int) -> None:
    with pytest.raises(ValueError, match=rf"box must be between 1 and size \(28\), got {box}"):
        centre_digit(seven(), box=box)


# ---- Pictures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sides", "shape", "part"),
    [
        ((12, 12), (4, 4, 3), np.s_[:, :]),
        ((7, 7), (3, 3, 3), np.s_[:, :]),
        ((9, 6), (5, 5, 3), np.s_[1:7, :]),
        ((6, 13), (4, 4, 3), np.s_[:, 3:9]),
        ((10, 10), (2, 6, 3), np.s_[3:6, :]),
        ((2, 2), (5, 7, 3), np.s_[:1, :]),  # enlarged
        ((1, 9), (8, 1, 3), np.s_[:, 4:5]),
        ((5, 8), (4, 6), np.s_[:, :7]),
        ((5, 8), (4, 6, 1), np.s_[:, :7]),
    ],
)
def test_pixels_are_the_means_of_the_middle_of_a_picture(
    sides: tuple[int, int], shape: tuple[int, ...], part: Any
) -> None:
    channels = shape[2:] if shape[2:] == (3,) else ()
    image = np.random.default_rng(0).integers(0, 256, (*sides, *channels), dtype=np.uint8)
    middle = image[part]
    (height, width), (rows, columns) = middle.shape[:2], shape[:2]
    fine = middle.repeat(rows, axis=0).repeat(columns, axis=1).astype(float)
    means = fine.reshape(rows, height, columns, width, -1).mean(axis=(1, 3)).reshape(shape)
    np.testing.assert_array_equal(scale_picture(image, shape), np.floor(means + 0.5))


def test_pictures_become_gray_or_colored_on_white() -> None:
    assert scale_picture(np.array([[[255, 0, 0]]], np.uint8), (1, 1)).item() == 76  # the luma of red
    assert scale_picture(np.array([[9]], np.uint8), (1, 1, 3)).tolist() == [[[9, 9, 9]]]
    assert scale_picture(np.array([[[255, 0, 0, 0]]], np.uint8), (1, 1, 3)).tolist() == [[[255, 255, 255]]]
    assert scale_picture(np.array([[[200, 0, 100, 51]]], np.uint8), (1, 1, 3)).tolist() == [[[244, 204, 224]]]


@pytest.mark.parametrize("shape", [(8,), (8, 8, 2), (0, 8, 3), (8, 8, 3, 3)])
def test_pictures_have_one_channel_or_three(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"shape must be \(height, width\).*, got {re.escape(str(shape))}"):
        scale_picture(np.zeros((9, 9), np.uint8), shape)
