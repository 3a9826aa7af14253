"""Opening Parquet files: their row groups as blocks, and large ones as files in the cache."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.datasets import _cache, _parquet_cache, _parquet_rows
from stored import FEATURES, ROWS, X, Y, in_small_blocks, model  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_small_blocks")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tables"


@pytest.fixture
def in_large_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups count as large, and are converted a few rows at a time."""
    monkeypatch.setattr(_parquet_cache, "LARGEST_BLOCK", 63 * FEATURES * 4)
    monkeypatch.setattr(_parquet_cache, "TRANSPOSED_BYTES", 10 * FEATURES * 4)
    monkeypatch.setattr(_parquet_rows, "VALUES_AT_ONCE", 13)


def all_of(data: fn.datasets.StoredDataset) -> tuple[Any, Any]:
    return data.read(0, len(data))


def parquet(path: Path, part: slice = slice(None), columns: Any = None, **more: Any) -> Path:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    given = {f"f{number}": X[part, number] for number in range(FEATURES)} if columns is None else columns
    table = pa.table({**given, "label": np.array(["b", "a", "c"])[Y[part]], **more})
    pq.write_table(table, path, row_group_size=64)
    return path


def test_the_row_groups_of_a_parquet_file_are_its_blocks(tmp_path: Path) -> None:
    path = parquet(tmp_path / "d.parquet")
    data, expected = fn.datasets.open(path), fn.datasets.load(path)
    assert data.blocks[:2].tolist() == [[0, 64], [64, 128]]
    assert (data.classes, data.feature_names, data.label) == (expected.classes, expected.feature_names, expected.label)
    x, y = data.read(50, 200)
    assert x.dtype == expected.x.dtype
    assert_array_equal(x, expected.x[50:200])
    assert_array_equal(y, expected.y[50:200])
    one, other = model(), model()
    one.fit(data, shuffle=False, verbose=0)
    other.fit(expected.x, expected.y, shuffle=False, verbose=0)
    assert_array_equal(one.get_weights()[0], other.get_weights()[0])
    assert one.feature_names == data.feature_names


@pytest.mark.parametrize("kind", ["bytes", "wide", "floats"])
def test_columns_get_the_dtype_of_load(kind: str, tmp_path: Path) -> None:
    scale = {"bytes": 10.0, "wide": 1e15, "floats": 1.0}[kind]
    rows = np.abs(X.astype("f8")) * scale + (1e18 if kind == "wide" else 0)
    columns = {f"f{number}": rows[:, number].astype("f8" if kind == "floats" else "i8") for number in range(FEATURES)}
    path = parquet(tmp_path / "d.parquet", columns=columns)
    data, expected = fn.datasets.open(path), fn.datasets.load(path)
    assert data.dtype == expected.x.dtype
    assert_array_equal(all_of(data)[0], expected.x)
    assert fn.datasets.open(path, dtype="float64").dtype == "float64"


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    parquet(folder / "a.parquet", slice(0, 300))
    parquet(folder / "b.parquet", slice(300, None))
    data = fn.datasets.open(folder)
    x, y = data.read(290, 310)
    assert_array_equal(x, X[290:310])
    assert_array_equal(y, np.array([1, 0, 2])[Y[290:310]])
    mixed = fn.Sequential([fn.Dense(3, "softmax", input_shape=(6,))], seed=0)
    mixed.compile("sgd", "sparse_categorical_crossentropy")
    mixed.feature_names = [f"f{number}" for number in (3, 1, 0, 2, 5, 4)]
    assert_array_equal(mixed.predict(data), mixed.predict(X[:, [3, 1, 0, 2, 5, 4]]))
    mixed.fit(data, verbose=0)
    shutil.copy(parquet(tmp_path / "c.parquet", other=np.ones(ROWS)), folder)
    with pytest.raises(ValueError, match=r"c\.parquet has other columns than"):
        fn.datasets.open(folder)


def test_what_is_missing_in_a_parquet_file_is_refused(tmp_path: Path) -> None:
    columns = {f"f{number}": X[:, number].tolist() for number in range(FEATURES)}
    columns["f2"][700] = None
    data = fn.datasets.open(parquet(tmp_path / "d.parquet", columns=columns))
    with pytest.raises(ValueError, match=r"d\.parquet, column 'f2': the cell in row 700 is missing"):
        model().fit(data, verbose=0)
    with pytest.raises(ValueError, match=r"column 'f1': string is not a type of numbers"):
        fn.datasets.open(parquet(tmp_path / "t.parquet", columns={"f1": np.array(["x"] * ROWS)}))
    with pytest.raises(ValueError, match="has no column 'species' for the labels"):
        fn.datasets.open(tmp_path / "d.parquet", target="species")
    (tmp_path / "d.parquet").write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(ValueError, match=r"d\.parquet cannot be read as Parquet"):
        fn.datasets.open(tmp_path / "d.parquet")


def test_a_group_is_read_some_columns_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = fn.datasets.open(parquet(tmp_path / "d.parquet"))
    for decoded, held in ((1, 1), (2 * 8 * 64, 4 * 8 * 64), (5 * 8 * 64, 3 * 8 * 64)):
        monkeypatch.setattr(_parquet_rows, "DECODED_BYTES", decoded)
        monkeypatch.setattr(_parquet_rows, "HELD_BYTES", held)
        assert_array_equal(all_of(data)[0], X)
        assert_array_equal(data.read(50, 200)[0], X[50:200])


def test_a_file_that_is_written_while_it_is_read_is_refused(tmp_path: Path) -> None:
    data = fn.datasets.open(parquet(tmp_path / "d.parquet"))
    parquet(tmp_path / "d.parquet", slice(None, None, -1))
    with pytest.raises(ValueError, match=r"d\.parquet was written since it was opened; open it again"):
        model().fit(data, verbose=0)


# --- Large row groups ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_large_groups")
@pytest.mark.parametrize("kind", ["bytes", "wide", "floats"])
def test_large_groups_are_converted_to_what_load_reads(kind: str, cache: Path, tmp_path: Path) -> None:
    scale = {"bytes": 10.0, "wide": 1e15, "floats": 1.0}[kind]
    rows = np.abs(X.astype("f8")) * scale + (1e18 if kind == "wide" else 0)
    columns = {f"f{number}": rows[:, number].astype("f8" if kind == "floats" else "i8") for number in range(FEATURES)}
    path = parquet(tmp_path / "d.parquet", columns=columns)
    data, expected = fn.datasets.open(path), fn.datasets.load(path)
    assert len(list(cache.glob("*"))) == (kind != "bytes")  # which are 1 byte each
    assert (data.dtype, data.classes, data.n_classes) == (expected.x.dtype, expected.classes, 3)
    assert (data.feature_names, data.label) == (expected.feature_names, expected.label)
    x, y = all_of(data)
    assert_array_equal(x, expected.x)
    assert_array_equal(y, expected.y)


@pytest.mark.usefixtures("in_large_groups")
def test_a_folder_of_large_groups_is_converted_once(cache: Path, tmp_path: Path, monkeypatch: Any) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    parquet(folder / "a.parquet", slice(0, 301))
    parquet(folder / "b.parquet", slice(301, None))
    data = fn.datasets.open(folder)
    assert_array_equal(all_of(data)[0], X)
    assert_array_equal(all_of(data)[1], np.array([1, 0, 2])[Y])
    with monkeypatch.context() as patch:
        patch.setattr(_cache, "_convert", None)
        again = fn.datasets.open(folder)
    assert again.classes == ["a", "b", "c"]
    assert_array_equal(all_of(again)[1], all_of(data)[1])
    (folder / "b.parquet").unlink()
    assert len(fn.datasets.open(folder)) == 301
    assert len(list(cache.iterdir())) == 1


@pytest.mark.usefixtures("in_large_groups")
def test_numbers_and_no_labels_are_converted_too(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({f"f{number}": X[:, number] for number in range(FEATURES)}), tmp_path / "d.parquet")
    assert not fn.datasets.open(tmp_path / "d.parquet").has_targets
    data = fn.datasets.open(tmp_path / "d.parquet", target="f2", encode=False)
    assert_array_equal(all_of(data)[0], np.delete(X, 2, axis=1))
    assert_array_equal(all_of(data)[1], X[:, 2])


@pytest.mark.usefixtures("in_large_groups")
def test_what_cannot_be_converted_is_refused_and_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the labels are text; encode=True gives them codes"):
        fn.datasets.open(parquet(tmp_path / "d.parquet"), encode=False)
    columns = {f"f{number}": X[:, number].tolist() for number in range(FEATURES)}
    columns["f2"][700] = None
    with pytest.raises(ValueError, match=r"d\.parquet, column 'f2': the cell in row 700 is missing"):
        fn.datasets.open(parquet(tmp_path / "d.parquet", columns=columns))
    assert list(cache.iterdir()) == []


def test_a_file_that_is_written_while_it_is_converted_is_refused(cache: Path, tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.write_text("1")

    def convert(folder: Path) -> dict[str, Any]:
        (folder / "x").write_text("")
        path.write_text("12")
        return {"rows": 0, "x": "uint8", "y": None}

    with pytest.raises(ValueError, match="was written while it was converted; open it again"):
        _cache.cached(path, [path], [], 1, convert)
    assert list(cache.iterdir()) == []
