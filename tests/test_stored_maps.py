"""Memory maps of files: large ones are read like stored data."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.files.rows import FileRows, rows_of
from fastnet.inputs import windows
from stored import FEATURES, ROWS, X, Y, fitted, in_small_blocks, written  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_small_blocks")


def test_a_large_map_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    expected = fitted(fn.datasets.open(path))
    monkeypatch.setattr(windows, "LARGE_MAP", X.nbytes - 1)
    mapped = np.load(path, mmap_mode="r")
    assert isinstance(rows_of(mapped), FileRows)
    assert fitted(mapped, Y) == expected
    assert fitted(mapped, np.load(tmp_path / "y.npy", mmap_mode="r"), sample_weight=np.ones(ROWS)) == expected
    monkeypatch.setattr(windows, "LARGE_MAP", X.nbytes)
    assert fitted(mapped, Y) != expected


@pytest.mark.parametrize("part", [slice(None), slice(17, 300), slice(5, 900, 7)])
@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_the_rows_of_a_map_are_those_of_its_file(part: slice, mode: Any, tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "x", mode="w+", dtype="f4", shape=(ROWS, FEATURES), offset=12345)
    mapped[:] = X
    mapped = np.memmap(tmp_path / "x", mode=mode, dtype="f4", shape=(ROWS, FEATURES), offset=12345)
    if mode != "r":
        mapped[40] = 7.0
    rows = rows_of(mapped[part])
    assert isinstance(rows, FileRows) == (mode != "c" and part.step is None)
    out = np.empty((9, FEATURES), "f4")
    rows.read_into(11, out)
    assert_array_equal(out, mapped[part][11:20])


def test_a_map_whose_file_is_another_one_by_now_is_read_as_a_map(tmp_path: Path) -> None:
    path = written(tmp_path)
    mapped = np.load(path, mmap_mode="r")
    path.unlink()
    assert not isinstance(rows_of(mapped), FileRows)
    np.save(path, X + 1)
    assert not isinstance(rows_of(mapped), FileRows)
