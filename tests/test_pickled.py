"""Plain data in pickles, read without pickle."""

import contextlib
import pickle
import random
import struct
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnet.files.pickled import plain_data

PLAIN: list[Any] = [
    [],
    [0, 255, 256, 65_535, 65_536, -1, 2**31 - 1, -(2**31), 2**40, -(2**62)],
    list(range(3000)),
    [[1, 2], [], [3, [4]]],
    (1, 2.5, "text ü", b"bytes \xff", None, True, False, ()),
    {"a": [1, 2], b"b": {"c": (1,)}},
    "x" * 300,
    b"x" * 300,
    1.5,
]
ARRAYS = [
    np.arange(6).reshape(2, 3),
    np.arange(6, dtype=">i4").reshape(3, 2),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array([True, False]),
    np.empty((0, 3), np.uint8),
    np.arange(3, dtype=np.float32),
]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", PLAIN, ids=lambda value: repr(value)[:20])
def test_plain_data_come_back(value: Any, protocol: int) -> None:
    again = plain_data(pickle.dumps(value, protocol=protocol))
    assert again == value
    assert repr(again) == repr(value)


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}-{array.shape}")
def test_arrays_come_back(array: np.ndarray, protocol: int) -> None:
    again = plain_data(pickle.dumps({"a": array}, protocol=protocol))["a"]
    assert again.dtype == array.dtype
    assert np.array_equal(again, array)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("lists", [[[1, 2], [3]], [[1, 2], [3, 4]], [[], []], [[1]] * 3], ids=str)
def test_arrays_of_lists_stay_arrays_of_lists(lists: list[list[int]], protocol: int) -> None:
    array = np.empty(len(lists), object)
    for number, one in enumerate(lists):
        array[number] = one
    again = plain_data(pickle.dumps(array, protocol=protocol))
    assert (again.dtype, again.shape) == (object, (len(lists),))
    assert again.tolist() == lists


def test_strings_of_python_2_are_bytes() -> None:
    assert plain_data(b"\x80\x02}q\x01U\x04dataq\x02T\x03\x00\x00\x00abcs.") == {b"data": b"abc"}
    assert plain_data(b"(lp0\nS'a\\x01b'\np1\naI7\naI01\na.") == [b"a\x01b", 7, True]


class Harmful:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit",)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "value",
    [Harmful(), [Harmful()], {1, 2}, 1j, print, OrderedDict(a=1), np.dtype, range, np.float64(1.0)],
    ids=lambda value: type(value).__name__,
)
def test_everything_else_is_refused(value: Any, protocol: int) -> None:
    with pytest.raises(ValueError, match=r"plain data|calls|opcode|sets|pickle"):
        plain_data(pickle.dumps(value, protocol=protocol))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x02",
        b"(.",
        b"K",
        b"]K\x01K\x02e.",
        b"K\x01K\x02a.",
        b"K\x01K\x02K\x03s.",
        b"N(K\x01u.",
        b"h\x05.",
        b"cnumpy\ndtype\n.",
        b"cnumpy\ndtype\n(S'V9'\ntR.",
        b"cnumpy\ndtype\n(S'f3'\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct\n)R.",
        b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01K\x02tb.",
        b"cos\nsystem\n(S'true'\ntR.",
        b"\x8c\x02os\x8c\x06system\x93.",
        b"\x8a\xff" + b"\x01" * 255 + b".",
        b"I" + b"9" * 5000 + b"\n.",
        b"T\xff\xff\xff\x7fabc.",
        b"\x8e" + b"\xff" * 8 + b".",
        b"}q\x00(K\x01h\x00u.",  # a dictionary in itself
        b"P1\n.",
        b"\x82\x01.",
        b"\xff.",
    ],
    ids=repr,
)
def test_damaged_pickles_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - every text tells something else
        plain_data(data)


# ---- Small files that would take all time or memory -------------------------------------------------------------------

DOUBLED = b"]q\x00" + b"(h\x00h\x00lq\x00" * 12  # lists of the list before it, twice: 2**12 as a tree
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n)R"
BYTE = b"cnumpy\ndtype\nU\x02u1\x85R"
OBJECT = b"cnumpy\ndtype\nU\x01O\x85R"


def array_in_pickle(shape: bytes, dtype: bytes, values: bytes) -> bytes:
    return RECONSTRUCT + b"(K\x01" + shape + dtype + b"N" + values + b"tb"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"T" + struct.pack("<i", -1) + b".", "something of -1 bytes"),
        (b"})\x85Ns.", "a key of the type tuple"),
        (b"}()\x85Nu.", "a key of the type tuple"),
        (b"()\x85Nd.", "a key of the type tuple"),
        (b"}cnumpy\ndtype\nNs.", "a key of the type _Global"),
        (b"}(Ns.", "a key of the type object"),
        (DOUBLED + b"X\x01\0\0\0a\x93.", "imports something whose name is not text"),
        (b"U\x05numpyU\x05dtype\x93.", "imports something whose name is not text"),
        (b"cnumpy\ndtype\n" + DOUBLED[:1] + b"\x85R.", "list in the place of the text of a dtype"),
        (
            array_in_pickle(b"K\x01\x85", BYTE + b"(K\x03]tb", b"U\x01a") + b".",
            "list in the place of the text of a dtype",
        ),
        (b"c_codecs\nencode\n]X\x06\0\0\0latin1\x86R.", "calls '_codecs.encode' with something else"),
        (array_in_pickle(b"(" + b"K\x01" * 65 + b"t", BYTE, b"U\x01a") + b".", "of 65 dimensions; at most 64 are read"),
        (
            array_in_pickle(b"(" + b"J\xff\xff\xff\x7f" * 9 + b"t", BYTE, b"U\x00") + b".",
            "a shape of 2147483647 values or more",
        ),
        (array_in_pickle(b"K\x00J\xff\xff\xff\x7f\x86", BYTE, b"U\x00") + b".", "a shape of 2147483647 values or more"),
        (array_in_pickle(b"K\x01\x85", BYTE, b"U\x01a") + b"(NU\x01<tb.", "sets the state of an array twice"),
        (array_in_pickle(b"\x88\x85", BYTE, b"U\x01a") + b".", "whose shape is not one"),
    ],
)
def test_the_reason_for_a_refusal_is_told(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plain_data(data)


def test_lists_that_are_shared_stay_shared() -> None:
    found = plain_data(DOUBLED + b".")
    for _ in range(12):
        assert found[0] is found[1]
        found = found[0]
    assert found == []
    first, second = plain_data(b"(" + array_in_pickle(b"K\x01\x85", BYTE, b"U\x01a") + b"q\x00h\x00l.")
    assert first is second


def test_arrays_of_one_shared_list_are_refused_before_they_fill_the_memory() -> None:
    values = b"(" + b"]" * 200 + b"lq\x00"
    first, other = (array_in_pickle(b"K\xc8\x85", OBJECT, one) for one in (values, b"h\x00"))
    assert plain_data(first + b".").shape == (200,)
    with pytest.raises(ValueError, match="more items than bytes"):
        plain_data(b"(" + first + other * 200 + b"l.")


def test_text_that_is_encoded_many_times_is_refused() -> None:
    call = b"c_codecs\nencode\nq\x01X\xe8\x03\0\0" + b"a" * 1000 + b"X\x06\0\0\0latin1\x86q\x00R"
    assert plain_data(b"(" + call + b"l.") == [b"a" * 1000]
    with pytest.raises(ValueError, match="for one text many times"):
        plain_data(b"(" + call + b"h\x01h\x00R" + b"l.")


def test_an_array_that_grows_after_it_is_made_is_complete() -> None:
    """Lists that a pickle fills after it has used them are read as pickle has them."""
    data = b"(]q\x00" + array_in_pickle(b"K\x01\x85", OBJECT, b"(h\x00l") + b"h\x00K\x07al."
    inner, array, same = plain_data(data)
    assert inner == array[0] == [7]
    assert inner is same


def test_any_change_of_bytes_is_read_or_refused_in_little_time() -> None:
    array = np.empty(3, object)
    array[:] = [[1, 300], [70_000], []]
    rng = random.Random(0)
    for protocol in range(6):
        whole = pickle.dumps({"a": array, "b": np.arange(4), "c": "text"}, protocol=min(protocol, 4))
        for _ in range(400):
            changed = bytearray(whole)
            for _ in range(rng.randint(1, 3)):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
            start = time.process_time()
            with contextlib.suppress(ValueError):
                plain_data(bytes(changed))
            assert time.process_time() - start < 1.0


def test_random_programs_of_opcodes_are_read_or_refused_in_little_time_and_memory() -> None:
    """In a child process, which an endless loop or a crash would end alone; see `pickle_programs`."""
    script = Path(__file__).with_name("pickle_programs.py")
    done = subprocess.run(
        [sys.executable, str(script), "0", "1500"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
