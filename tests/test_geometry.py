"""Sizes along the axes of images, against an enumeration of windows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnet.layers.geometry import (
    Image,
    Windows,
    check_data_format,
    check_padding,
    integers,
    of_both_axes,
    sides,
    sizes_of,
    transposed_windows_of,
    windows_of,
)

SIZES = st.integers(1, 12)
SMALL = st.integers(1, 5)


def along(size: int, kernel: int, stride: int, dilation: int, padding: str) -> Windows:
    """Return the windows along the width of an image of one row."""
    return windows_of(Image(1, size, 1), padding, (1, kernel), (1, stride), (1, dilation))[1]


@given(SIZES, SMALL, SMALL, SMALL)
def test_valid_windows_are_all_that_lie_inside(size: int, kernel: int, stride: int, dilation: int) -> None:
    inside = [start for start in range(0, size, stride) if start + (kernel - 1) * dilation < size]
    found = along(size, kernel, stride, dilation, "valid")
    assert (max(found.number, 0), found.before) == (len(inside), 0)


@given(SIZES, SMALL, SMALL, SMALL)
def test_same_has_a_window_for_each_stride_and_as_few_zeros_as_needed(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    found = along(size, kernel, stride, dilation, "same")
    assert found.number == len(range(0, size, stride))
    needed = max((found.number - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    assert found.before == needed // 2  # the odd one is behind


@given(SIZES, SMALL, SMALL, SMALL)
def test_causal_windows_end_at_their_own_step(size: int, kernel: int, stride: int, dilation: int) -> None:
    found = along(size, kernel, stride, dilation, "causal")
    assert found.number == len(range(0, size, stride))
    assert -found.before + (kernel - 1) * dilation == 0


@settings(deadline=None)
@given(SIZES, SMALL, SMALL, SMALL, st.sampled_from(["valid", "same"]), st.none() | st.integers(0, 4))
def test_a_transposed_convolution_is_the_gradient_of_one_that_gives_its_input(
    size: int, kernel: int, stride: int, dilation: int, padding: str, more: int | None
) -> None:
    """Where no row is added, a convolution of the output has the size of the input again."""
    if more is not None and more >= stride:
        more = 0
    _, found = transposed_windows_of(Image(1, size, 1), padding, (None, more), (1, kernel), (1, stride), (1, dilation))
    extent = (kernel - 1) * dilation + 1
    if found.number < 1:
        assert (padding, extent % 2, more, size) == ("same", 0, 0, 1)
        return
    if padding == "valid":
        assert found == ((size - 1) * stride + (max(extent, stride) if more is None else extent + more), 0)
        assert along(found.number, kernel, stride, dilation, "valid").number == size
    elif more is None:
        assert found == (size * stride, along(size * stride, kernel, stride, dilation, "same").before)
    else:
        assert found.number == (size - 1) * stride + extent % 2 + more


def test_the_height_of_a_sequence_is_one_window() -> None:
    vertical, horizontal = windows_of(Image(1, 9, 2), "causal", (1, 3), (1, 2), (1, 1))
    assert (vertical, horizontal) == ((1, 0), (5, 2))
    assert of_both_axes((3,)) == (1, 3)
    assert of_both_axes((0,), 0) == (0, 0)
    assert of_both_axes((3, 4)) == (3, 4)


def test_the_core_gets_every_size_by_its_axis() -> None:
    assert sizes_of(Image(5, 6, 2), (Windows(3, 1), Windows(4, 0)), pool=(2, 3)) == {
        "height": 5,
        "width": 6,
        "channels": 2,
        "pool_height": 2,
        "pool_width": 3,
        "top": 1,
        "left": 0,
        "output_height": 3,
        "output_width": 4,
    }


# --- Arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [3, np.int64(3), (3, 3), [3, 3]])
def test_one_integer_stands_for_every_axis(value: Any) -> None:
    assert integers("strides", value, 2) == (3, 3)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ((1, 2, 3), ValueError, r"strides must be an integer or 2 integers; got \(1, 2, 3\)"),
        (0, ValueError, "strides must be at least 1; got 0"),
        ((1, 0), ValueError, "strides must be at least 1; got 0"),
        (2**31, ValueError, "strides must be at most 2147483647"),
        (1.0, TypeError, "strides must be an integer; got 1.0"),
        ("22", TypeError, "strides must be an integer; got '22'"),
        (None, TypeError, "strides must be an integer; got NoneType"),
        (True, TypeError, "strides must be an integer; got True"),
    ],
)
def test_other_sizes_are_refused(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        integers("strides", value, 2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (2, ((2, 2), (2, 2))),
        ((1, 2), ((1, 1), (2, 2))),
        (((1, 2), (3, 4)), ((1, 2), (3, 4))),
        ([[0, 2], 3], ((0, 2), (3, 3))),
    ],
)
def test_sides_are_an_integer_or_one_or_two_for_each_axis(value: Any, expected: Any) -> None:
    assert sides("padding", value) == expected


@pytest.mark.parametrize("value", [(1, 2, 3), ((1, 2, 3), 1), -1, (1, -1), 1.5, "1"])
def test_other_sides_are_refused(value: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"padding must"):
        sides("padding", value)


def test_the_padding_may_be_in_capitals() -> None:
    assert check_padding("SAME") == "same"
    assert check_padding("causal", "causal") == "causal"
    with pytest.raises(ValueError, match=r"padding must be one of 'valid', 'same'; got 'causal'"):
        check_padding("causal")
    with pytest.raises(ValueError, match=r"padding must be one of 'valid', 'same'; got 1"):
        check_padding(1)


def test_channels_are_last() -> None:
    assert check_data_format(None) == check_data_format("channels_last") == "channels_last"
    with pytest.raises(NotImplementedError, match=r"channels_first.*moveaxis.*use Keras for this"):
        check_data_format("channels_first")
    with pytest.raises(ValueError, match="data_format must be one of 'channels_last'; got 'last'"):
        check_data_format("last")
