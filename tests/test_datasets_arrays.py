"""Data sets in NumPy's own files: which keys, and that damaged files and pickles are refused."""

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnet.datasets import load

X = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
Y = np.array([0, 1, 1, 0])


def npy(array: Any, **keywords: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **keywords)
    return buffer.getvalue()


# ---- npz ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys", [("x_train", "y_train", "x_test", "y_test"), ("x", "y", "x_test", "y_test"), ("X", "y", "X_test", "y_test")]
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_the_usual_keys_are_understood(tmp_path: Path, keys: tuple[str, ...], save: Any) -> None:
    save(tmp_path / "a.npz", **dict(zip(keys, (X, Y, X[:2], Y[:2]), strict=True)))
    data = load(tmp_path / "a.npz", require_labels=True)
    assert data.x.tolist() == X.reshape(4, 6).tolist()
    assert data.image_shape == (3, 2)
    assert data.y is not None
    assert data.y.tolist() == Y.tolist()
    assert data.y.dtype == np.int64
    assert data.test is not None
    assert len(data.test) == 2


def test_labels_and_test_part_may_be_missing(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y_test=Y)
    data = load(tmp_path / "a.npz")
    assert data.y is None
    assert data.test is None
    with pytest.raises(ValueError, match=r"a\.npz has no labels"):
        load(tmp_path / "a.npz", require_labels=True)


def test_both_parts_count_in_one_list_of_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=np.array(["b", "c", "b", "c"]), x_test=X[:2], y_test=np.array(["a", "c"]))
    data = load(tmp_path / "a.npz")
    assert data.classes == ["a", "b", "c"]
    assert data.y is not None
    assert data.y.tolist() == [1, 2, 1, 2]
    assert data.test is not None
    assert data.test.y is not None
    assert data.test.y.tolist() == [0, 2]


def test_one_hot_labels_become_codes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=np.eye(3)[[2, 0, 1, 1]])
    y = load(tmp_path / "a.npz").y
    assert y is not None
    assert y.tolist() == [2, 0, 1, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": X}, r"a\.npz has no array x_train, x or X; its keys are 'images'"),
        ({"x": X, "y": Y[:3]}, r"there are 4 samples, but the labels have shape \(3,\)"),
        ({"x": X, "y": np.ones((4, 3))}, r"not one-hot rows"),
        ({"x": X, "y": Y + 0.5}, r"the labels must be whole numbers or text; got 0\.5 in row 0"),
        ({"x": X, "y": np.array([0, 1, np.nan, 1])}, r"got nan in row 2"),
        ({"x": X, "y": np.array([0, 1, 1j, 1])}, r"dtype complex128"),
        ({"x": X, "y": np.array("a")}, r"the labels have shape \(\)"),
        ({"x": X[:, 0, 0]}, r"has shape \(4,\); expected \(samples, features\)"),
        ({"x": X[:0]}, r"expected at least one sample"),
        ({"x": np.array([["a"]])}, r"holds <U1; expected numbers"),
        ({"x": X, "x_test": X[:, :2]}, r"the test part has 4 features, the training part 6"),
        ({"x": X, "y": Y, "x_test": X, "y_test": np.eye(2)[Y]}, r"those of the test part \(4, 2\)"),
        ({"x": np.array([[1, np.inf]])}, r"the value inf in row 0, column 1 is not a finite number"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path / "a.npz")
    assert "\n" not in str(caught.value)
    assert "a.npz" in str(caught.value)


def test_python_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.array([{}, None]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"array 'x' holds Python objects"):
        load(tmp_path / "a.npz")
    (tmp_path / "a.npy").write_bytes(npy(np.array([{}, None])))
    with pytest.raises(ValueError, match=r"a\.npy holds Python objects"):
        load(tmp_path / "a.npy")


def test_a_file_cut_short_at_any_place_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=X, y=Y)
    content = (tmp_path / "a.npz").read_bytes()
    for size in range(4, len(content), 7):
        (tmp_path / "b.npz").write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"b\.npz"):
            load(tmp_path / "b.npz")


def test_a_flipped_bit_changes_nothing_or_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=X, y=Y)
    content = (tmp_path / "a.npz").read_bytes()
    for place in range(4, len(content), 5):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        (tmp_path / "b.npz").write_bytes(damaged)
        try:
            data = load(tmp_path / "b.npz")
        except ValueError as error:
            assert "b.npz" in str(error)  # noqa: PT017 - most places are refused, unused bits of the format are not
        else:
            assert data.x.tolist() == X.reshape(4, 6).tolist()


def test_no_memory_is_taken_for_what_a_header_merely_promises(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000), }\n"
    content = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + b"\0" * 80
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npy is truncated: header promises 8000000000000000 bytes, 80 found"):
        load(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(ValueError, match=r"a\.npz, array 'x' is truncated: header promises 8000000000000000 bytes"):
        load(tmp_path / "a.npz")


# ---- npy ------------------------------------------------------------------------------------------------------------


def test_samples_in_npy_have_no_labels(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    data = load(tmp_path / "a.npy")
    assert data.y is None
    assert data.x.tolist() == X.reshape(4, 6).tolist()
    assert repr(data) == "<Dataset 'a.npy': x (4, 6) uint8, no labels>"


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", "f2", "<i8", ">u2", "?"])
def test_every_number_type_and_order_is_read(tmp_path: Path, dtype: str, order: Any) -> None:
    values = np.array([[0, 1, 1], [1, 0, 1]]) * (1 if dtype == "?" else 3)
    np.save(tmp_path / "a.npy", np.array(values, dtype=dtype, order=order))
    data = load(tmp_path / "a.npy")
    assert data.x.dtype == np.uint8
    assert data.x.tolist() == values.tolist()
    if dtype != "?":
        np.save(tmp_path / "a.npy", np.array(values * 1000, dtype=dtype, order=order))
        data = load(tmp_path / "a.npy")
        assert data.x.dtype == np.float32
        assert data.x.tolist() == (values * 1000).tolist()


def test_uint8_samples_stay_on_the_disk(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", X)
    base = load(tmp_path / "a.npy").x
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.parametrize(
    "content",
    [b"\x93NUMPY", b"\x93NUMPY\1\0", b"\x93NUMPY\x09\0\0\0", b"\x93NUMPY\1\0\4\0abcd", npy(X)[:60], npy(X)[:-1]],
)
def test_a_damaged_npy_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npy (is|cannot)"):
        load(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", ["(-1, 4)", "(4,)*2", "(4.0, 2)", "'a'"])
def test_an_odd_shape_in_a_header_is_refused(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + b"\0" * 16)
    with pytest.raises(ValueError, match=r"a\.npy"):
        load(tmp_path / "a.npy")


HEADERS = {
    "not closed": b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), ",
    "an open text": b"{'descr': '''|u1, 'fortran_order': False, 'shape': (2, 1), }",
    "no value": b"{'descr': }",
    "brackets": b"(" * 900,
    "signs": b"-" * 5000 + b"1",
    "half a type": b"{'descr': ('|u1',), 'fortran_order': False, 'shape': (2, 1), }",
    "too long": b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 1), }" + b" " * 20_000,
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("size", ["right", "wrong"])
def test_a_header_that_is_not_one_is_refused(header: bytes, size: str, tmp_path: Path) -> None:
    """NumPy reads it as Python, which fails with SyntaxError, TokenError, MemoryError and others."""
    length = len(header) + 1 if size == "right" else 2**32 - 1
    content = b"\x93NUMPY\x02\x00" + length.to_bytes(4, "little") + header + b"\n\1\2"
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.npy is damaged or not a NumPy array: ."):
        load(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", content)
    with pytest.raises(ValueError, match=r"a\.npz, array 'x' is damaged or not a NumPy array: ."):
        load(tmp_path / "a.npz")


def test_an_archive_that_claims_more_than_it_can_hold_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,), }\n"
    content = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
    forged = (tmp_path / "a.npz").read_bytes()
    place = forged.rindex(b"PK\1\2") + 24  # where the directory has the size
    (tmp_path / "a.npz").write_bytes(forged[:place] + (2**32 - 2).to_bytes(4, "little") + forged[place + 4 :])
    with pytest.raises(ValueError, match=r"a\.npz, array 'x' claims 4294967294 bytes; the file has "):
        load(tmp_path / "a.npz")
