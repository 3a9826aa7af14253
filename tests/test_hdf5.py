"""The reader of HDF5 gives what h5py gives, and refuses what Keras does not write; circles in a file end."""

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from fastnet.interchange.hdf5 import reader as hdf5

h5py = pytest.importorskip("h5py")

NAMES = st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=40).filter(
    lambda name: name not in (".", "..")
)
DTYPES = st.sampled_from(["<f2", "<f4", "<f8", ">f2", ">f4", ">f8", "<i4", ">i8", "u1"])
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=7))
TREES: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.dictionaries(NAMES, ARRAYS, max_size=12), lambda inner: st.dictionaries(NAMES, inner | ARRAYS, max_size=5)
)
LAYOUTS: list[dict[str, Any]] = [{}, {"libver": "v108"}, {"libver": "latest"}, {"track_order": True}]
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=300)
SHORT = st.text(st.characters(exclude_characters="\0", codec="ascii"), max_size=9)


def written(write: Callable[[Any], Any], **options: Any) -> io.BytesIO:
    """Return a file that h5py writes."""
    file = io.BytesIO()
    with h5py.File(file, "w", **options) as root:
        write(root)
    return file


def write_tree(group: Any, tree: dict[str, Any]) -> None:
    for name, value in tree.items():
        if isinstance(value, dict):
            write_tree(group.create_group(name), value)
        else:
            group[name] = value


def assert_equal(group: Any, tree: dict[str, Any]) -> None:
    assert set(group.links) == set(tree)
    for name, value in tree.items():
        found = group.member(name)
        if isinstance(value, dict):
            assert_equal(found, value)
        else:
            assert (found.shape, found.dtype, found.nbytes) == (value.shape, value.dtype, value.nbytes)
            assert_array_equal(found.read(), value)


# ---- As h5py has it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", LAYOUTS)
@settings(max_examples=15, deadline=None)
@given(TREES)
def test_groups_and_arrays_are_those_of_h5py(options: dict[str, Any], tree: dict[str, Any]) -> None:
    with hdf5.opened(written(lambda root: write_tree(root, tree), **options)) as root:
        assert_equal(root, tree)


@pytest.mark.parametrize(
    ("letter", "options"), [("a", {}), ("a", {"libver": "latest"}), ("\N{LATIN SMALL LETTER U WITH DIAERESIS}", {})]
)
def test_a_group_of_many_names_is_read(letter: str, options: dict[str, Any]) -> None:
    tree = {f"{letter * (number % 500)}{number}": np.full(2, number, np.float32) for number in range(1500)}
    with hdf5.opened(written(lambda root: write_tree(root, tree), **options)) as root:
        assert_equal(root, tree)


@pytest.mark.parametrize("options", LAYOUTS)
@settings(max_examples=15, deadline=None)
@given(st.dictionaries(NAMES, TEXTS | st.lists(TEXTS, max_size=5), max_size=30), st.lists(SHORT, max_size=9))
def test_texts_are_those_that_were_written(options: dict[str, Any], texts: dict[str, Any], short: list[str]) -> None:
    def write(root: Any) -> None:
        for name, text in texts.items():
            root.attrs[name] = text
        root.create_group("short").attrs["names"] = [name.encode() for name in short]

    with hdf5.opened(written(write, **options)) as root:
        assert {name: root.text(name) for name in texts} == texts
        assert root.text("another") is None
        group = root.group("short")
        assert group is not None
        assert group.text("names") == short


@settings(max_examples=30, deadline=None)
@given(
    array=hnp.arrays("<f4", hnp.array_shapes(max_dims=3, max_side=20), elements=st.floats(-9, 9, width=32)),
    side=st.integers(1, 20),
    options=st.sampled_from([{}, {"compression": "gzip"}, {"shuffle": True}, {"compression": 9, "shuffle": True}]),
)
def test_chunks_are_put_together(array: Any, side: int, options: dict[str, Any]) -> None:
    chunk = tuple(min(side, whole) for whole in array.shape)
    with hdf5.opened(written(lambda root: root.create_dataset("a", data=array, chunks=chunk, **options))) as root:
        assert_equal(root, {"a": array})


# ---- Refused --------------------------------------------------------------------------------------------------------


def with_unwritten(group: Any) -> None:
    group.create_dataset("a", (3,), "f4")


def with_some_chunks(group: Any) -> None:
    group.create_dataset("a", (30,), "f4", chunks=(10,))[:10] = 1.0


def read(file: io.BytesIO) -> Any:
    with hdf5.opened(file) as root:
        found = root.member("a")
        assert isinstance(found, hdf5.Dataset)
        return found.read()


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (with_unwritten, "never written"),
        (with_some_chunks, "not written whole"),
        (lambda root: root.create_dataset("a", data=np.ones(9, "f4"), chunks=(3,), compression="lzf"), "filter 32000"),
        (
            lambda root: root.create_dataset("a", data=np.ones(2, "f4"), chunks=(9,), maxshape=(None,)),
            "chunks of shape",
        ),
        (
            lambda root: root.create_dataset("a", data=np.ones(9, "f4"), chunks=(3,), fletcher32=True),
            "filter 3 of HDF5",
        ),
    ],
)
def test_what_is_not_all_there_is_refused(write: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(written(write))


@pytest.mark.parametrize("value", [1.5, np.ones(3), True, b"\xff", [b"\xff"]])
def test_an_attribute_that_is_not_text_is_refused(value: Any) -> None:
    def write(root: Any) -> None:
        root.attrs["a"] = value

    with hdf5.opened(written(write)) as root, pytest.raises(ValueError, match=r"must be text|utf-8"):
        root.text("a")


# ---- Forged ---------------------------------------------------------------------------------------------------------


def at(content: bytes, signature: bytes) -> int:
    """Return where the first structure of a kind is."""
    assert signature in content
    return content.index(signature)


def in_a_circle(content: bytes, case: str) -> bytes:
    changed = bytearray(content)
    tree = at(content, b"TREE")
    if case == "tree":  # its one child is itself, for ever one level down
        struct.pack_into("<Q", changed, tree + 32, tree)
    elif case == "tree of levels":
        changed[tree + 5] = 255
        struct.pack_into("<HQQ", changed, tree + 6, 1, 0, 0)
        struct.pack_into("<Q", changed, tree + 32, tree)
    elif case == "header":  # its first message says that it goes on at itself, many times
        (root,) = struct.unpack_from("<Q", content, 64)
        struct.pack_into("<HI", changed, root + 2, 65535, 1)
        struct.pack_into("<I", changed, root + 8, 24)
        struct.pack_into("<HHQQQ", changed, root + 16, 0x10, 16, root + 16, 24, 0)
        struct.pack_into("<HHIQQ", changed, root + 16, 0x10, 16, 0, root + 16, 24)
    elif case == "names":  # every one of 300 names is the whole heap
        heap = at(content, b"HEAP")
        size, _, segment = struct.unpack_from("<QQQ", content, heap + 8)
        changed[segment : segment + size - 1] = b"x" * (size - 1)
    return bytes(changed)


@pytest.mark.parametrize("case", ["tree", "tree of levels", "header", "names"])
def test_a_circle_ends(case: str) -> None:
    tree = {f"{number:04}" * 8: np.float32(number) for number in range(300)}
    content = written(lambda root: write_tree(root, tree)).getvalue()
    with (
        pytest.raises(ValueError, match="damaged or cut short"),
        hdf5.opened(io.BytesIO(in_a_circle(content, case))) as root,
    ):
        root.links  # noqa: B018


def test_every_file_that_is_cut_short_is_refused() -> None:
    content = written(lambda root: write_tree(root, {"a": np.ones((3, 4), np.float32)})).getvalue()
    for size in range(len(content)):
        with pytest.raises(ValueError, match="damaged or cut short"):
            read(io.BytesIO(content[:size]))
