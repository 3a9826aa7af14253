"""Safetensors files: read and written as the safetensors library does, and refused where anything does not add up."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import mutants
from fastnet import _core
from fastnet.files import safetensors as _safetensors

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "bytes": np.arange(5, dtype=np.uint8),
    "größer 犬": np.array([-1, 2], np.int64),
    "number": np.array(0.1),
    "none": np.empty((0, 3), np.float16),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.safetensors"
    _safetensors.write(path, ARRAYS, {"b": "1", "a": 'a "quoted" text'})
    return path


def read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with _safetensors.opened(path) as file:
        return file.read()


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def rebuilt(path: Path, change: Callable[[dict[str, Any]], Any]) -> str:
    """Return why a file is refused whose header was changed."""
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    change(header)
    return with_header(path, json.dumps(header).encode())


def with_header(path: Path, text: bytes) -> str:
    content = path.read_bytes()
    start = 8 + int.from_bytes(content[:8], "little")
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[start:])
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the caller looks at the message
        read(path)
    return str(caught.value)


# ---- Both ways ------------------------------------------------------------------------------------------------------


def test_what_is_written_is_read(path: Path) -> None:
    assert_same(read(path), ARRAYS)
    with _safetensors.opened(path) as file:
        assert file.metadata["a"] == 'a "quoted" text'
        assert list(file.metadata) == ["a", "b", "checksum"]


def test_the_safetensors_library_reads_what_is_written(path: Path) -> None:
    assert_same(safetensors.numpy.load_file(path), ARRAYS)


def test_what_the_safetensors_library_writes_is_read(tmp_path: Path) -> None:
    safetensors.numpy.save_file(ARRAYS, tmp_path / "theirs.safetensors")
    assert_same(read(tmp_path / "theirs.safetensors"), ARRAYS)


def test_bfloat16_is_read_as_float32(tmp_path: Path) -> None:
    halves = np.array([[0x3F80, 0xC000, 0x7F80]], np.uint16)
    _safetensors.write(tmp_path / "file.safetensors", {"a": halves}, {})
    content = (tmp_path / "file.safetensors").read_bytes().replace(b'"U16"', b'"BF16"').replace(b" ", b"", 1)
    (tmp_path / "file.safetensors").write_bytes(content.replace(b"checksum", b"chexksum"))
    array = read(tmp_path / "file.safetensors")["a"]
    assert array.dtype == np.float32
    assert array.tolist() == [[1.0, -2.0, np.inf]]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(12.0)[::-2],
        np.arange(12.0).reshape(3, 4)[:, 1:3],
        np.arange(12, dtype=">f4"),
        np.broadcast_to(np.float32(3), (2, 2)),
        [[1.0, 2.0]],
    ],
)
def test_an_array_of_any_layout_is_written_by_its_values(array: Any, tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    _safetensors.write(path, {"array": array}, {})
    for found in (read(path), safetensors.numpy.load_file(path)):
        assert found["array"].shape == np.shape(array)
        assert (found["array"] == array).all()


def test_arrays_of_many_pieces_come_back(tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    arrays = {name: np.random.default_rng(seed).normal(size=700_001) for seed, name in enumerate("ab")}
    _safetensors.write(path, arrays, {})
    assert_same(read(path), arrays)


def test_small_and_large_files_are_written_in_the_same_bytes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, limit in enumerate([10**9, 0]):
        monkeypatch.setattr(_safetensors, "_LARGE", limit)
        other = path.with_name(str(number))
        _safetensors.write(other, ARRAYS, {"b": "1", "a": 'a "quoted" xxx'}, {"xxx": lambda: "text"[1:]})
    assert path.with_name("0").read_bytes() == path.with_name("1").read_bytes()
    with _safetensors.opened(path.with_name("1")) as file:
        assert file.metadata["a"] == 'a "quoted" ext'
        assert_same(file.read(), ARRAYS)


def test_a_hash_that_nobody_wants_is_not_computed(path: Path) -> None:
    _safetensors.write(path, ARRAYS, {}, {"xxx": lambda: pytest.fail("computed")})


@pytest.mark.parametrize("array", [np.zeros(2, complex), np.array(["a"]), np.array([None]), np.zeros(2, "M8[s]")])
def test_what_the_format_does_not_have_is_not_written(array: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="array 'a' must have one of the dtypes"):
        _safetensors.write(tmp_path / "file.safetensors", {"a": array}, {})
    assert list(tmp_path.iterdir()) == []


# ---- The checksum ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("", "ef46db3751d8e999"),
        ("a", "d24ec4f1a98c6e5b"),
        ("abc", "44bc2cf5ad770999"),
        ("Nobody inspects the spammish repetition", "fbcea83c8a378bf1"),
    ],
)
def test_the_checksum_is_xxh64(text: str, digits: str) -> None:
    """These are values of the reference implementation."""
    data = text.encode()
    for cut in range(len(data) + 1):
        assert hexdigest(data[:cut], data[cut:]) == digits


def test_the_checksum_takes_contiguous_buffers_alone() -> None:
    checksum = _core.Checksum()
    checksum.update(np.arange(6.0).reshape(2, 3))
    assert checksum.hexdigest() == hexdigest(np.arange(6.0).tobytes())
    with pytest.raises(ValueError, match="contiguous"):
        checksum.update(np.arange(6.0)[::2])
    with pytest.raises(TypeError):
        checksum.update("text")


def test_the_checksum_is_that_of_the_file_with_zeros_in_its_place(path: Path) -> None:
    with _safetensors.opened(path) as file:
        digits = file.metadata["checksum"]
    assert hexdigest(path.read_bytes().replace(digits.encode(), b"0" * 16)) == digits


def hexdigest(*parts: bytes) -> str:
    checksum = _core.Checksum()
    for part in parts:
        checksum.update(part)
    return checksum.hexdigest()


def test_damage_of_every_byte_is_noticed(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            found = read(path)
        except ValueError:
            continue
        assert_same(found, ARRAYS)


# ---- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda header: header["matrix"].update(dtype="F31"), "'matrix' must have one of the dtypes .* got 'F31'"),
        (lambda header: header["matrix"].update(dtype="F8_E4M3"), "'matrix' must have one of the dtypes .* got 'F8_"),
        (lambda header: header["matrix"].update(dtype=4), "'matrix' must have one of the dtypes"),
        (lambda header: header["matrix"].update(dtype="F64"), "takes 48 bytes; its offsets say 24"),
        (lambda header: header["matrix"].update(shape=[3, 3]), "takes 36 bytes; its offsets say 24"),
        (lambda header: header["matrix"].update(shape=[2**62, 2**62]), "its offsets say 24"),
        (lambda header: header["matrix"].update(shape=[2**63]), "has the shape"),
        (lambda header: header["matrix"].update(shape=[-2, -3]), "has the shape"),
        (lambda header: header["matrix"].update(shape=[6.0]), "has the shape"),
        (lambda header: header["matrix"].update(shape=[True, 6]), "has the shape"),
        (lambda header: header["matrix"].update(shape=[1] * 65), "has the shape"),
        (lambda header: header["matrix"].update(shape=6), "has the shape"),
        (lambda header: header["matrix"].update(data_offsets=[0]), "has the offsets"),
        (lambda header: header["matrix"].update(data_offsets=[24, 0]), "its offsets say -24"),
        (lambda header: header["matrix"].update(surprise=1), "must have dtype, shape and data_offsets"),
        (lambda header: header.update(matrix=None), "must have dtype, shape and data_offsets"),
        (lambda header: header.pop("matrix"), "leaves a gap"),
        (lambda header: header.update(other=header["matrix"]), "overlaps"),
        (lambda header: header.pop("bytes"), "take 48 bytes, and it has 53"),
        (lambda header: header["__metadata__"].update(a=1), "must map names to strings"),
        (lambda header: header.update(__metadata__=["a"]), "must map names to strings"),
        (lambda header: header["__metadata__"].update(checksum="0" * 15), "must have 16 digits"),
        (lambda header: header["__metadata__"].update(checksum="0" * 16), "its checksum is"),
        (lambda header: header["__metadata__"].update(a="other"), "its checksum is"),
    ],
)
def test_a_header_that_does_not_add_up_is_refused(change: Callable[[Any], Any], reason: str, path: Path) -> None:
    assert re.search(reason, rebuilt(path, change))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"{", "Expecting"),
        (b"{}", "take 0 bytes"),
        (b'{"a":NaN}', "NaN is not a JSON number"),
        (b'{"a":-Infinity}', "-Infinity is not a JSON number"),
        (b'{"a":{},"a":{}}', "the name 'a' comes twice"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deep"),
        (b'{"a":' + b"9" * 10_000 + b"}", "integer string conversion"),
        (b'{"\xff":0}', "decode"),
    ],
)
def test_a_header_that_is_no_strict_json_is_refused(text: bytes, reason: str, path: Path) -> None:
    assert reason in with_header(path, text)


def test_what_the_safetensors_library_refuses_is_refused(path: Path) -> None:
    arrays = {"more": np.arange(100.0), **{name: array for name, array in ARRAYS.items() if array.size}}
    safetensors.numpy.save_file(arrays, path, {"a": "text"})
    whole = path.read_bytes()
    accepted = 0
    for number in range(500):
        rng = random.Random(f"damage {number}")
        path.write_bytes(rng.choice(mutants.DAMAGES)(rng, whole))
        try:
            found = read(path)
        except ValueError:
            continue
        accepted += 1
        assert_same(safetensors.numpy.load_file(path), found)
    assert accepted > 10  # such as those whose values were changed
