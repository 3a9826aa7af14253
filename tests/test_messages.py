"""Values between ranks and in checkpoints: the same after a way as text and arrays, or refused."""

import json
import math
import random
import sys
from typing import Any

import numpy as np
import pytest

from fastnet.distributed.messages import read, room, written


def sent(value: Any) -> Any:
    """The value as another process reads it, which has nothing but bytes."""
    text, arrays = written(value)
    memory = room(text := text.copy())
    for place, array in zip(memory, arrays, strict=True):
        place[:] = array
    return read(text, memory)


def bits(value: Any) -> str:
    """What tells values apart that are equal, such as 0.0 and -0.0, 1 and True, arrays of other types."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype.str} {value.shape} {value.tobytes().hex()}"
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, dict):
        return str({key: bits(part) for key, part in value.items()})
    return str(list(map(bits, value))) if isinstance(value, list | tuple) else repr(value)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -1, 2**64, -(2**200) + 1, "", "a", "\u00e9\0\n\U0001f600", "\udc80"),
        *(0.1, -0.0, 5e-324, sys.float_info.max, math.inf, -math.inf, math.nan, 1 / 3),
        *([], {}, [[]], [None, [1, [2.5, {"a": []}]]], {"a.b": 1, "a": {"b": 2}}, {"$": 1}),
        np.random.default_rng(0).bit_generator.state,
        np.random.Generator(np.random.MT19937(3)).bit_generator.state,
        {"a": {"b": np.ones(2)}, "a.b": np.zeros(3), "a.b_": np.array(7)},
    ],
    ids=repr,
)
def test_values_keep_their_bits(value: Any) -> None:
    assert bits(sent(value)) == bits(value)


@pytest.mark.parametrize("dtype", ["?", "u1", "i1", "<i8", ">i4", "<u8", "f2", "<f4", ">f8", "c16"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (5, 3), (2, 3, 4)])
def test_arrays_keep_their_type_and_shape(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 256, (*shape, 16)).astype(np.uint8)[..., : np.dtype(dtype).itemsize]
    array = (array.copy() % 2 if dtype == "?" else array.copy()).view(dtype)[..., 0]
    for one in (array, array.T, array[::-1] if shape else array, np.asfortranarray(array)):
        assert bits(sent([one, "b", one])) == bits([np.array(one), "b", np.array(one)])


def test_random_values_keep_their_bits() -> None:
    draw = random.Random(0)

    def made(depth: int) -> Any:
        kind = draw.randrange(8 if depth else 6)
        if kind == 6:
            return [made(depth - 1) for _ in range(draw.randrange(4))]
        if kind == 7:
            return {f"{draw.randrange(9)}.{draw.randrange(9)}": made(depth - 1) for _ in range(draw.randrange(4))}
        floats = np.array([draw.getrandbits(64)], np.uint64).view(float)
        if np.isnan(floats[0]):
            floats[0] = math.nan  # of which JSON has only one
        return [None, draw.getrandbits(130), float(floats[0]), floats, str(floats[0]), draw.getrandbits(1) > 0][kind]

    for _ in range(500):
        value = made(5)
        assert bits(sent(value)) == bits(value)


def test_numbers_of_numpy_become_those_of_python() -> None:
    values = [np.float32(0.1), np.int64(-3), np.bool_(1), np.float16(2.5), (1, 2)]
    assert bits(sent(values)) == bits([float(np.float32(0.1)), -3, True, 2.5, [1, 2]])


@pytest.mark.parametrize(
    "value",
    [
        *({1, 2}, b"bytes", 1j, print, int, ValueError("no"), {1: 2}, {"$tensor": "x"}, {"$float": "nan"}),
        *(np.array(["text"]), np.array([None]), np.zeros(2, "f4,i4"), np.datetime64("2020-01-01")),
        *(np.timedelta64(3, "s"), np.longdouble(1)),
    ],
    ids=repr,
)
def test_other_values_are_refused_with_their_place(value: Any) -> None:
    with pytest.raises(TypeError, match=r"lists and dictionaries of them; got .* as the value\.a\.1$"):
        written({"a": [0, value]})


def test_the_text_is_plain_json() -> None:
    text, arrays = written({"a": [1, np.arange(3.0)]})
    assert json.loads(text.tobytes()) == {
        "value": {"a": [1, {"$tensor": "the value.a.1"}]},
        "arrays": [["the value.a.1", "<f8", [3]]],
    }
    assert [array.tolist() for array in arrays] == [np.arange(3.0).view(np.uint8).tolist()]
