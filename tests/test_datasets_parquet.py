"""Parquet files, by each of the libraries that read them."""

import datetime as dt
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnet.datasets import load, parquet
from fastnet.datasets._label_column import LabelColumn
from fastnet.datasets.parquet import read_parquet
from fastnet.exceptions import DataFileWarning

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
        (
            {"a": [1.0, None], "label": [1, 2]},
            r"column 'a': the cell in row 1 is empty or NaN; fill it, or remove the row",
        ),
        (
            {"a": [1, None], "label": [1, 2]},
            r"column 'a': the cell in row 1 is empty or NaN; fill it, or remove the row",
        ),
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


# ---- The index of pandas --------------------------------------------------------------------------------------------


def frame() -> Any:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({"a": [3, 1, 4, 1], "b": [5, 9, 2, 6], "label": ["x", "x", "y", "y"]})


@pytest.mark.parametrize("target", ["label", 2, -1])
@pytest.mark.parametrize("name", [None, "id"])
def test_an_index_that_pandas_wrote_is_left_out(path: Path, engine: str, name: str | None, target: Any) -> None:
    table = frame().sample(frac=1, random_state=1).rename_axis(name)
    table.to_parquet(path)
    column = name or "__index_level_0__"
    message = rf"a\.parquet: column '{column}': an index that pandas wrote, not a feature; left out"
    with pytest.warns(DataFileWarning, match=message):
        read = read_parquet(path, target=target, engine=engine)
    assert read.feature_names == ["a", "b"]
    assert read.x.tolist() == table[["a", "b"]].to_numpy().tolist()
    assert read.labels is not None
    assert read.labels.tolist() == table["label"].tolist()
    assert read.label == LabelColumn("label", -1)


def test_all_levels_of_an_index_are_left_out(path: Path, engine: str) -> None:
    frame().assign(c=[7, 8, 7, 8]).set_index(["a", "c"]).to_parquet(path)
    with pytest.warns(DataFileWarning, match="column 'a', column 'c': an index that pandas wrote"):
        read = read_parquet(path, engine=engine)
    assert read.feature_names == ["b"]
    assert read.label == LabelColumn("label", -1)


def test_an_index_that_is_asked_for_is_the_label(path: Path, engine: str) -> None:
    table = frame().set_index("label")
    table.to_parquet(path)
    read = read_parquet(path, engine=engine)
    assert read.feature_names == ["a", "b"]
    assert read.labels is not None
    assert read.labels.tolist() == ["x", "x", "y", "y"]


@pytest.mark.parametrize("rows", [slice(None), slice(None, None, 2)])
def test_a_range_is_no_column(path: Path, engine: str, rows: slice) -> None:
    frame().iloc[rows].to_parquet(path)
    assert read_parquet(path, engine=engine).feature_names == ["a", "b"]


@pytest.mark.parametrize("metadata", [b"{", b"[1]", b'{"index_columns": 5}', b"[" * 100_000])
@pytest.mark.parametrize("engine", ["polars", "pyarrow"])
def test_metadata_that_pandas_did_not_write_is_passed_over(path: Path, engine: str, metadata: bytes) -> None:
    pytest.importorskip(engine)
    from pyarrow.parquet import write_table

    table = pyarrow.table({"a": [1, 2], "label": [0, 1]})
    write_table(table.replace_schema_metadata({b"pandas": metadata}), path)
    assert read_parquet(path, engine=engine).feature_names == ["a"]


# ---- Types ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", [dt.date(2020, 1, 1), dt.datetime(2020, 1, 1), dt.time(1), [1], {"a": 1}])
def test_labels_are_whole_numbers_or_text(path: Path, engine: str, label: Any) -> None:
    write(path, {"a": [1, 2], "label": [label, label]})
    with pytest.raises(ValueError, match=r"a\.parquet, column 'label': .* is not a whole number or text"):
        read_parquet(path, engine=engine)


def test_a_column_of_several_numbers_a_row_is_refused(path: Path, engine: str) -> None:
    write(path, {"a": [{"b": 1}, {"b": 2}], "label": [1, 2]})
    with pytest.raises(ValueError, match=r"column 'a': .* is not a number"):
        read_parquet(path, engine=engine)


def test_two_columns_of_one_name_are_refused(path: Path, engine: str) -> None:
    from pyarrow.parquet import write_table

    columns = [pyarrow.array([1, 2]), pyarrow.array([3, 4]), pyarrow.array([0, 1])]
    write_table(pyarrow.Table.from_arrays(columns, names=["a", "a", "label"]), path)
    with pytest.raises(ValueError, match=r"a\.parquet"):
        read_parquet(path, engine=engine)


def test_numbers_close_together_are_kept_in_float64(path: Path, engine: str) -> None:
    write(path, {"a": [1e9, 1e9 + 1], "label": [0, 1]})
    assert read_parquet(path, engine=engine).x.tolist() == [[1e9], [1e9 + 1]]
    assert read_parquet(path, engine=engine, dtype="float32").x.tolist() == [[1e9], [1e9]]


def test_labels_with_zeros_before_them_are_text(path: Path) -> None:
    assert load(write(path, {"a": [1, 2, 3], "label": ["007", "7", "8"]})).classes == ["007", "7", "8"]
    assert load(write(path, {"a": [1, 2], "label": [b"\xe9", b"\xe8"]})).classes == ["\\xe8", "\\xe9"]
