"""Opening data sets that stay on the disk: .npy files, folders, Parquet, CSV and its cache."""

import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.datasets import _cache, _codes, _csv_cache, tabular
from fastnet.exceptions import DataFileWarning
from stored import FEATURES, ROWS, X, Y, in_small_blocks, model, written  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_small_blocks")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tables"


def all_of(data: fn.datasets.StoredDataset) -> tuple[Any, Any]:
    return data.read(0, len(data))


# --- NumPy files -----------------------------------------------------------------------------------------------------


def test_an_npy_file_has_its_targets_beside_it(tmp_path: Path) -> None:
    data = fn.datasets.open(written(tmp_path))
    assert repr(data) == "<StoredDataset 'x.npy': x (1000, 6) float32, 3 classes>"
    assert (data.n_classes, data.classes, data.class_names, data.image_shape) == (3, None, ["0", "1", "2"], None)
    assert data.blocks[0].tolist() == [0, 24 * 60 // (24 + 1 + 24)]
    x, y = all_of(data)
    assert_array_equal(x, X)
    assert_array_equal(y, Y)
    x, y = data.read(28, 62)
    assert_array_equal(x, X[28:62])
    assert_array_equal(y, Y[28:62])


def test_targets_are_given_or_absent(tmp_path: Path) -> None:
    path = written(tmp_path, X.reshape(ROWS, 2, 3), None)
    assert not fn.datasets.open(path).has_targets
    with pytest.raises(ValueError, match="has no labels"):
        fn.datasets.open(path, require_labels=True)
    data = fn.datasets.open(path, Y.astype(str))
    assert data.image_shape == (2, 3)
    assert_array_equal(all_of(data)[1], Y)
    assert_array_equal(all_of(data.reshaped((6,)))[0], X)
    with pytest.raises(ValueError, match="shape must have as many values"):
        data.reshaped((5,))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (Y + 3, ["3", "4", "5"]),
        (Y.astype("f8"), None),
        (Y == 1, None),
        (np.array(["b", "a", "c"])[Y], ["a", "b", "c"]),
        (np.array([b"2", b"01", b"x"])[Y], ["01", "2", "x"]),
        (np.eye(3)[Y], None),
        ((Y - 1.0)[:, None], ["-1", "0", "1"]),
    ],
    ids=["numbers", "floats", "booleans", "text", "bytes", "one-hot", "column"],
)
def test_labels_get_the_codes_of_load(labels: np.ndarray, classes: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(_codes, "ROWS_AT_ONCE", 70)
    np.savez(tmp_path / "d.npz", x=X, y=labels)
    expected = fn.datasets.load(tmp_path / "d.npz")
    data = fn.datasets.open(written(tmp_path, X, labels))
    assert data.classes == classes == expected.classes
    assert data.n_classes == expected.n_classes
    assert_array_equal(all_of(data)[1], expected.y)


def test_numbers_are_no_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, X, X[:, 0] * 3)
    with pytest.raises(
        ValueError, match=r"the labels must be whole numbers or text; got 0\.37\S* in row 0; .*encode=False"
    ):
        fn.datasets.open(path)
    assert_array_equal(all_of(fn.datasets.open(path, encode=False))[1], X[:, 0] * 3)
    monkeypatch.setattr(_codes, "MOST_CLASSES", 2)
    with pytest.raises(ValueError, match="more than 2 different values"):
        fn.datasets.open(path, Y)


def test_a_folder_is_its_files_one_after_the_other(tmp_path: Path) -> None:
    for number, part in enumerate((slice(0, 100), slice(100, 107), slice(107, None))):
        np.save(tmp_path / f"x-{number}.npy", X[part])
        np.save(tmp_path / f"y-{number}.npy", Y[part])
    data = fn.datasets.open(tmp_path)
    assert len(data) == ROWS
    assert [100, 107] in data.blocks.tolist()
    x, y = data.read(90, 120)
    assert_array_equal(x, X[90:120])
    assert_array_equal(y, Y[90:120])
    whole, other = model(), model()
    whole.fit(X, Y, shuffle=False, verbose=0)
    other.fit(data, shuffle=False, verbose=0)
    assert_array_equal(whole.get_weights()[0], other.get_weights()[0])
    wrong = X[107:].copy()
    wrong[500, 0] = np.inf
    np.save(tmp_path / "x-2.npy", wrong)
    with pytest.raises(ValueError, match=r"x-2\.npy was written since it was opened; open it again"):
        model().fit(data, verbose=0)
    data = fn.datasets.open(tmp_path)
    with pytest.raises(ValueError, match=r"x in x-2\.npy has a NaN or an infinity in row 500"):
        model().fit(data, verbose=0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.array(["b", "a", "c"]), np.array(["b", "a", "wide"])),
        (np.arange(3, dtype="u1"), np.arange(3, dtype="i8") - 1),
    ],
)
def test_labels_may_be_wider_in_some_files(one: np.ndarray, other: np.ndarray, tmp_path: Path) -> None:
    for name, labels in (("0", one[Y]), ("1", other[Y])):
        np.save(tmp_path / f"x{name}.npy", X)
        np.save(tmp_path / f"y{name}.npy", labels)
    data = fn.datasets.open(tmp_path)
    both = np.concatenate([one[Y], other[Y]])
    assert_array_equal(np.array(data.class_names)[data.read(990, 1010)[1]], both[990:1010].astype(str))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"must have x\*\.npy or \*\.parquet files; it is empty"),
        ({"train": X}, r"must have x\*\.npy or \*\.parquet files; it has train\.npy; load reads others"),
        ({"x1": X, "y1": Y, "x2": X}, "has no file y2.npy; y1.npy and others have targets"),
        ({"x1": X, "y1": Y, "y2": Y}, "has y2.npy, but no file x2.npy"),
        ({"x1": X, "y1": Y[1:]}, r"x1\.npy has 1000 rows; its targets have shape \(999,\)"),
        ({"x1": X, "x2": X[:, 1:]}, r"x2\.npy has rows of shape \(5,\) and dtype float32; x1\.npy has rows of shape"),
        ({"x1": X, "x2": X.astype("f8")}, r"x2\.npy has rows of shape \(6,\) and dtype float64"),
        ({"x1": X[:0]}, "expected at least one sample"),
        ({"x1": X[:, 0]}, "expected rows of numbers"),
        ({"x1": X.astype(str)}, "expected rows of numbers"),
        ({"x1": np.asfortranarray(X)}, "is in Fortran order, whose rows are not contiguous"),
    ],
)
def test_a_folder_that_does_not_hold_together_is_refused(files: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, array in files.items():
        np.save(folder / f"{name}.npy", array)
    with pytest.raises(ValueError, match=message):
        fn.datasets.open(folder)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"source must be a file or a folder; .* does not exist"):
        fn.datasets.open(tmp_path / "none.npy")
    np.savez(tmp_path / "d.npz", x=X)
    with pytest.raises(ValueError, match=r"d\.npz must be an \.npy, Parquet or CSV file; it is another; load reads"):
        fn.datasets.open(tmp_path / "d.npz")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(ValueError, match=r"empty\.csv must be an \.npy, Parquet or CSV file; it is empty"):
        fn.datasets.open(tmp_path / "empty.csv")
    (tmp_path / "empty.npy").touch()
    with pytest.raises(ValueError, match=r"empty\.npy is empty"):
        fn.datasets.open(written(tmp_path), tmp_path / "empty.npy")
    path = written(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ValueError, match="is truncated"):
        fn.datasets.open(path)
    with pytest.raises(ValueError, match=r"y is for a single \.npy file"):
        fn.datasets.open(tmp_path, Y)
    with pytest.raises(ValueError, match="first and last must be rows"):
        fn.datasets.open(written(tmp_path)).read(5, 3)


# --- CSV -------------------------------------------------------------------------------------------------------------


def csv(path: Path, rows: np.ndarray = X, labels: Any = None) -> Path:
    labels = np.array(["b", "a", "c"])[Y] if labels is None else labels
    lines = [",".join([*map(repr, row), str(label)]) for row, label in zip(rows.tolist(), labels, strict=True)]
    path.write_text("\n".join([",".join([*(f"f{n}" for n in range(rows.shape[1])), "label"]), *lines]) + "\n")
    return path


@pytest.mark.parametrize("engine", ["numpy", "polars", "pyarrow"])
@pytest.mark.parametrize("scale", ["bytes", "late floats", "floats", "wide"])
def test_a_csv_file_is_converted_to_what_load_reads(
    scale: str, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine != "numpy":
        pytest.importorskip(engine)
    rows = np.abs(X * 20).astype("i8").astype("f8")
    if scale == "late floats":
        rows[900] += 0.25
    elif scale == "floats":
        rows = X
    elif scale == "wide":
        rows = rows + 1e15
    monkeypatch.setattr(tabular, "CELLS_AT_ONCE", 70 * 7)
    monkeypatch.setattr(tabular, "BYTES_AT_ONCE", 1 << 12)
    monkeypatch.setattr(_csv_cache, "engine_for", lambda path, layout: engine)
    path = csv(tmp_path / "d.csv", rows)
    data, expected = fn.datasets.open(path), fn.datasets.load(path)
    assert (data.dtype, data.classes, data.n_classes) == (expected.x.dtype, expected.classes, 3)
    assert (data.feature_names, data.label) == (expected.feature_names, expected.label)
    x, y = all_of(data)
    assert_array_equal(x, expected.x)
    assert_array_equal(y, expected.y)


def test_a_csv_file_is_converted_once(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = csv(tmp_path / "d.csv")
    fn.datasets.open(path)
    (folder,) = cache.iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(_cache, "_convert", None)
        assert len(fn.datasets.open(path)) == ROWS
    fn.datasets.open(path, dtype="float64")
    assert len(list(cache.iterdir())) == 2
    csv(path, X[:500], np.array(["b", "a", "c"])[Y[:500]])
    assert len(fn.datasets.open(path)) == 500
    (again,) = cache.iterdir()
    assert again != folder
    (again / "x").write_bytes(b"")
    assert all_of(fn.datasets.open(path))[0].shape == (500, 6)


def test_numbers_of_a_csv_file_are_targets(tmp_path: Path) -> None:
    path = csv(tmp_path / "d.csv", X, X[:, 0].tolist())
    with pytest.raises(ValueError, match=r"whole numbers or text.*encode=False"):
        fn.datasets.open(path)
    data = fn.datasets.open(path, encode=False)
    assert data.n_classes == 0
    assert_array_equal(all_of(data)[1].astype("f4"), X[:, 0])


def test_a_damaged_csv_file_leaves_nothing_behind(cache: Path, tmp_path: Path) -> None:
    path = csv(tmp_path / "d.csv")
    path.write_text(path.read_text() + "1,2,3,4,x,6,a\n")
    with pytest.raises(ValueError, match=r"d\.csv, line 1002, column 'f4': 'x' is not a number"):
        fn.datasets.open(path)
    assert list(cache.iterdir()) == []


def test_a_compressed_csv_file_with_an_index_is_converted_too(tmp_path: Path) -> None:
    plain = csv(tmp_path / "d.csv").read_text().splitlines()
    text = "\n".join(f"{'' if number == 0 else number},{line}" for number, line in enumerate(plain))
    with gzip.open(tmp_path / "d.csv.gz", "wt") as file:
        file.write(text)
    with pytest.warns(DataFileWarning, match="left out"):
        data = fn.datasets.open(tmp_path / "d.csv.gz")
    assert_array_equal(all_of(data)[0], X)


# --- Samples ---------------------------------------------------------------------------------------------------------


def test_a_sample_is_from_all_over_the_data(tmp_path: Path) -> None:
    rows = np.repeat(np.arange(ROWS)[:, None], 2, 1)
    data = fn.datasets.open(written(tmp_path, rows, np.zeros(ROWS, "u1")))
    x, y = data.sample(100)
    assert 95 <= len(x) == len(y) <= 140
    assert (x[0, 0], x[-1, 0]) == (0, ROWS - 1)
    assert np.diff(x[:, 0]).max() < 2 * ROWS / 20
    assert_array_equal(data.sample(5000)[0], rows)


def test_a_source_is_a_path() -> None:
    with pytest.raises(TypeError, match=re.escape("source must be a path; got 5 (int)")):
        fn.datasets.open(5)  # type: ignore[arg-type]


def test_attributes_without_effect_are_refused(tmp_path: Path) -> None:
    data = fn.datasets.open(written(tmp_path))
    with pytest.raises(AttributeError, match=r"StoredDataset\.blocks cannot change"):
        data.blocks = data.blocks[:1]
