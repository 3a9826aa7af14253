"""`fastnet.datasets.load(encode=...)`: targets that are labels, and targets that are numbers."""

from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from fastnet.datasets._targets import are_numbers, as_numbers


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ([0, 1] * 10, False),
        ([0.0, 1.0] * 10, False),
        ([0.5, 1.0] * 10, True),
        ([True, False] * 10, False),
        (["rose", "1.5"], False),
        (["1.5", "2"], True),
        (["1", "2", "3"], False),  # few, and counted from 1
        (["007", "8", "9"] * 10, False),
        (["1e5", "2"] * 10, False),
        (["1e5", "2.5"], True),
        (["nan", "1"], True),
        ([100, 200, 300] * 10, False),  # few and repeated
        ([100, 200, 300], True),
        ([100, 100], False),
        (list(range(26)) * 5, False),  # repeated and counted from 0
        (list(range(26)) * 4, True),
        (list(range(18, 98)) * 20, True),  # ages
        ([3, 4, 5, 6, 7, 8] * 20, False),
        (np.eye(3), False),
        (np.eye(3) + 0.5, True),
        (np.array([[5.5], [2.0]]), True),
    ],
    ids=lambda value: str(value)[:24],
)
def test_numbers_are_told_from_labels(targets: object, expected: bool) -> None:
    array = (
        np.array(targets, object) if isinstance(targets, list) and isinstance(targets[0], str) else np.asarray(targets)
    )
    assert are_numbers(array) == expected


def test_numbers_with_decimal_commas_are_numbers() -> None:
    assert are_numbers(np.array(["1,5", "2"], object), ",")
    assert not are_numbers(np.array(["1,5", "2"], object))
    assert as_numbers(np.array(["1,5", "2"], object), "y", ",").tolist() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("targets", "reason"),
    [
        (np.array(["1", "rose"], object), "y must be numbers for a regression; got 'rose' in row 1"),
        (np.array(["1", " "], object), "y must be numbers for a regression; got nothing in row 1"),
        (np.array(["1,5"], object), "got '1,5' in row 0; expected decimal points"),
        (np.array([None, 1.0], object), "got nothing in row 0"),
        (np.array([1.0, np.nan]), "y must be finite numbers; got nan in row 1"),
        (np.array(["inf"], object), "y must be finite numbers; got inf in row 0"),
        (np.zeros((2, 0)), r"y have shape \(2, 0\); expected \(samples,\) or \(samples, outputs\)"),
        (np.zeros(2, "M8[s]"), "y have dtype datetime64"),
    ],
)
def test_other_targets_are_no_numbers(targets: np.ndarray, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        as_numbers(targets, "y")


def test_load_gives_labels_or_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,height,label\n1,2.5,0\n2,3,1\n")
    path = tmp_path / "a.csv"
    labels = fn.datasets.load(path)
    assert (labels.is_regression, labels.n_classes) == (False, 2)
    numbers = fn.datasets.load(path, target="height", encode=False)
    assert (numbers.is_regression, numbers.n_classes, numbers.class_names, numbers.classes) == (True, 0, None, None)
    assert numbers.y.tolist() == [2.5, 3.0]
    assert repr(numbers) == "<Dataset 'a.csv': x (2, 2) uint8, numbers>"
    assert fn.datasets.load(path, target="height", encode="auto").is_regression
    assert not fn.datasets.load(path, encode="auto").is_regression
    with pytest.raises(ValueError, match=r"encode=False \(--task regression\)"):
        fn.datasets.load(path, target="height")
    with pytest.raises(ValueError, match="encode must be True, False or 'auto'; got 'no'"):
        fn.datasets.load(path, encode="no")


def test_arrays_may_have_several_targets(tmp_path: Path) -> None:
    x, y = np.arange(6.0).reshape(3, 2), np.array([[1.5, 2], [3, 4], [5, 6]])
    np.savez(tmp_path / "a.npz", x_train=x, y_train=y, x_test=x[:1], y_test=y[:1])
    data = fn.datasets.load(tmp_path / "a.npz", encode="auto")
    assert data.y.tolist() == y.tolist()
    assert data.test.y.tolist() == [[1.5, 2.0]]
    assert fn.datasets.load("digits", encode=False).y.dtype == np.float64


# ---- ignore ---------------------------------------------------------------------------------------------------------


def test_columns_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name,x,label,note\na,1,0,u\nb,2,1,v\n")
    data = fn.datasets.load(path, ignore=["name", "note"])
    assert (data.feature_names, data.x.tolist(), data.y.tolist()) == (["x"], [[1], [2]], [0, 1])
    stored = fn.datasets.open(path, ignore=["name", "note"])
    assert stored.feature_names == ["x"]
    assert stored.read(0, 2)[0].tolist() == [[1], [2]]
    with pytest.raises(ValueError, match=r"a\.csv has no column 'nam'; its columns are .*; did you mean 'name'\?"):
        fn.datasets.load(path, ignore=["nam"])
    with pytest.raises(TypeError, match="ignore must be a list of column names; got 'name'"):
        fn.datasets.load(path, ignore="name")


def test_parquet_leaves_them_out_too(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = pd.DataFrame({"name": ["a", "b"], "x": [1, 2], "label": [0, 1]})
    table.to_parquet(tmp_path / "a.parquet")
    for read in (fn.datasets.load, fn.datasets.open):
        assert read(tmp_path / "a.parquet", ignore=["name"]).feature_names == ["x"]


def test_only_tables_have_columns_to_leave_out() -> None:
    with pytest.raises(ValueError, match=r"ignore is for a CSV or Parquet file; got \('x',\) for digits"):
        fn.datasets.load("digits", ignore=["x"])


# ---- Numbers with a few cells of text -------------------------------------------------------------------------------


def prices(path: Path, cells: list[str]) -> Path:
    path.write_text("x,label\n" + "".join(f'{row},"{cell}"\n' for row, cell in enumerate(cells)))
    return path


FRACTIONS = [f"{row}.5" for row in range(10)] * 10
AGES = [str(18 + row % 60) for row in range(600)]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (
            [*FRACTIONS, "NA"],
            "the labels are numbers but for 'NA' in line 102: give rows with numbers only, or encode=True",
        ),
        ([*FRACTIONS[:4], "$1.23", *FRACTIONS], "numbers but for '\\$1.23' in line 6"),
        ([*AGES, "?", "n/a"], r"numbers but for '\?' in line 602: .* or encode=True \(--task classification\)"),
        ([*map(str, range(100, 1000, 7)), "1,010"], "numbers but for '1,010' in line 131"),
        (
            [f"${row}.99" for row in range(30)],
            r"the labels are 30 different texts in 30 rows, such as '\$0.99' in line 2",
        ),
    ],
    ids=["NA", "dollar", "whole", "thousands", "dollars"],
)
def test_numbers_with_some_text_are_not_taken_as_classes(cells: list[str], reason: str, tmp_path: Path) -> None:
    path = prices(tmp_path / "a.csv", cells)
    with pytest.raises(ValueError, match=reason):
        fn.datasets.load(path, encode="auto")
    assert fn.datasets.load(path).n_classes == len(set(cells))


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "2", "NA"] * 10,
        ["rose", "tulip"] * 11,
        [str(row) for row in range(15)] + ["a", "b"],
        ["250.8", "V57", "E11"] * 9,
    ],
)
def test_other_text_is_classes(cells: list[str], tmp_path: Path) -> None:
    assert fn.datasets.load(prices(tmp_path / "a.csv", cells), encode="auto").n_classes == len(set(cells))


def test_other_tables_than_text_have_rows(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    pd.DataFrame({"x": range(101), "label": [*FRACTIONS, "NA"]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="numbers but for 'NA' in row 100: "):
        fn.datasets.load(tmp_path / "a.parquet", encode="auto")


def test_blank_lines_count_in_messages(tmp_path: Path) -> None:
    path = prices(tmp_path / "a.csv", [*FRACTIONS, "NA"])
    path.write_text(path.read_text().replace("\n", "\n\n", 3))
    with pytest.raises(ValueError, match="numbers but for 'NA' in line 105: "):
        fn.datasets.load(path, encode="auto")
