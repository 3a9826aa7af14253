"""Parquet files, by each of the libraries that read them."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnet.datasets import load, parquet
from fastnet.datasets.parquet import read_parquet

pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow to write the files")


@pytest.fixture(params=list(parquet.ENGINES))
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not importlib.util.find_spec(name):
        pytest.skip(f"needs {name}")
    return name


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.parquet"


def write(path: Path, columns: dict[str, Any]) -> Path:
    from pyarrow.parquet import write_table

    write_table(pyarrow.table(columns), path)
    return path


def test_columns_become_features_and_labels(path: Path, engine: str) -> None:
    write(path, {"a": [1, 2], "label": ["x", "y"], "b": pyarrow.array([3, 255], pyarrow.uint8())})
    table = read_parquet(path, engine=engine)
    assert table.x.tolist() == [[1, 3], [2, 255]]
    assert table.x.dtype == np.uint8
    assert table.feature_names == ["a", "b"]
    assert table.labels is not None
    assert table.labels.tolist() == ["x", "y"]


def test_mixed_numbers_are_float32(path: Path, engine: str) -> None:
    write(path, {"a": [1, 2], "b": [0.5, 1.0], "c": [True, False]})
    table = read_parquet(path, engine=engine)
    assert table.x.dtype == np.float32
    assert table.x.tolist() == [[1.0, 0.5, 1.0], [2.0, 1.0, 0.0]]
    assert table.labels is None


@pytest.mark.parametrize("labels", [["b", "a", "b"], pyarrow.array(["b", "a", "b"]).dictionary_encode()])
def test_text_and_categories_become_classes(path: Path, labels: Any) -> None:
    data = load(write(path, {"x": [1, 2, 3], "label": labels}))
    assert data.classes == ["a", "b"]
    assert data.y is not None
    assert data.y.tolist() == [1, 0, 1]


@pytest.mark.parametrize("engine", list(parquet.ENGINES))
def test_categories_are_text_in_every_library(path: Path, engine: str) -> None:
    if not importlib.util.find_spec(engine):
        pytest.skip(f"needs {engine}")
    write(path, {"x": [1, 2], "label": pyarrow.array(["b", "a"]).dictionary_encode()})
    labels = read_parquet(path, engine=engine).labels
    assert labels is not None
    assert [str(label) for label in labels] == ["b", "a"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": ["x"], "label": [1]}, r"column 'a': 'x' is not a number"),
        ({"a": [1.0, None], "label": [1, 2]}, r"the value nan in row 1, column 0 is not a finite number"),
        ({"a": [1, None], "label": [1, 2]}, r"the value nan in row 1, column 0 is not a finite number"),
        ({"a": [float("inf")], "label": [1]}, r"the value inf in row 0"),
        ({"a": pyarrow.array([], pyarrow.int64()), "label": pyarrow.array([], pyarrow.int64())}, r"has 0 rows"),
        ({"label": [1]}, r"has 1 rows and 0 feature columns"),
        ({"a": [1], "b": [2]}, r"has no column 'label' for the labels; its columns are 'a', 'b'"),
        ({"a": [[1, 2]], "label": [1]}, r"column 'a': .* is not a number"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(path: Path, engine: str, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_parquet(write(path, columns), require_labels=True, engine=engine)
    assert str(path) in str(caught.value)


def test_missing_labels_are_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="the label in row 1 is missing"):
        load(write(path, {"a": [1, 2], "label": ["x", None]}))
    with pytest.raises(ValueError, match="must be whole numbers or text; got nan in row 1"):
        load(write(path, {"a": [1, 2], "label": [1, None]}))


def test_a_damaged_file_is_refused(path: Path, engine: str) -> None:
    content = write(path, {"a": [1, 2], "label": [0, 1]}).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"a\.parquet cannot be read as Parquet: ") as caught:
        read_parquet(path, engine=engine)
    assert "\n" not in str(caught.value)


def test_a_panic_of_a_library_is_an_error_like_others(engine: str, path: Path) -> None:
    """In this file a number of the footer is wrong, about which polars panics: that is not an Exception."""
    path.write_bytes((Path(__file__).parent / "fuzz" / "found" / "parquet" / "panic").read_bytes())
    with pytest.raises(ValueError, match=r"a\.parquet cannot be read as Parquet: ") as caught:
        read_parquet(path, engine=engine)
    assert "\n" not in str(caught.value)


def test_names_that_are_not_text_are_refused(path: Path) -> None:
    content = write(path, {"qqqq": [1, 2], "label": [0, 1]}).read_bytes()
    path.write_bytes(content.replace(b"qqqq", b"q\xffqq"))
    with pytest.raises(ValueError, match=r"a\.parquet"):
        read_parquet(path)


def test_without_a_library_the_error_says_how_to_install_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, {"a": [1]})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "fastnet-nn\[data\]"'):
        load(path)
