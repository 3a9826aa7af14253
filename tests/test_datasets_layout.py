"""The first lines of a CSV file: headers of numbers and the index of pandas."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csv_files import labels_of, read
from fastnet.datasets import load
from fastnet.datasets.tabular import read_csv
from fastnet.exceptions import DataFileWarning

# ---- Headers of numbers ---------------------------------------------------------------------------------------------

COUNTED = r"a\.csv: the first line, 0, 1, 2, 3, counts the columns: it is not read as a row"


@pytest.mark.parametrize(("target", "labels"), [("label", ["7", "1"]), (0, ["7", "1"]), (-1, ["5", "9"])])
def test_a_first_line_that_counts_the_columns_is_no_row(
    tmp_path: Path, engine: str, target: Any, labels: list[str]
) -> None:
    with pytest.warns(DataFileWarning, match=COUNTED):
        table = read(tmp_path, "0,1,2,3\n7,4,2,5\n1,8,7,9\n", target=target, engine=engine)
    assert labels_of(table) == labels
    assert len(table.x) == 2
    assert table.feature_names is None


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("label,0,1,2", 0),
        ("label,0,1", 0),
        ("0,1,label", -1),
        ("kind,1,2,3", 0),
        ("0,1,2,kind", -1),
        ("400,410,430,kind", -1),
        (",0,1,2", -1),
    ],
)
def test_numbers_beside_the_name_of_the_label_are_a_header(tmp_path: Path, header: str, target: int) -> None:
    columns = header.count(",") + 1
    rows = "".join(
        ",".join(str((row * 7 + column * column) % 10) for column in range(columns)) + "\n" for row in range(4)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataFileWarning)
        table = read(tmp_path, f"{header}\n{rows}", target=target)
    assert len(table.x) == 4


@pytest.mark.parametrize(
    "text",
    [
        "0,1,2,3\n4,5,6,7\n8,9,10,11\n",  # every row counts
        "0,1,2\n1,5,4\n0,1,2\n",  # it comes again
        "0,2,1\n5,5,4\n",
        "1,0,0.1\n1,0.3,5\n",
        "0,1,2.0\n1,5,4\n",
    ],
)
def test_numbers_that_only_seem_to_count_are_a_row(tmp_path: Path, engine: str, text: str) -> None:
    assert len(read(tmp_path, text, target=-1, engine=engine).x) == text.count("\n")


@pytest.mark.parametrize("first", ["0,1", "1,2,3"])
def test_few_columns_that_may_be_counted_are_told_of(tmp_path: Path, first: str) -> None:
    rows = [",".join(cells[: first.count(",") + 1]) for cells in (["1", "7", "0"], ["1", "5", "2"], ["3", "3", "3"])]
    note = f"the first line, {first.replace(',', ', ')}, is read as a row; if it counts the columns, remove it"
    with pytest.warns(DataFileWarning, match=note):
        assert len(read(tmp_path, "\n".join([first, *rows]), target=None).x) == 4
    with pytest.warns(DataFileWarning, match=f"the first line, {first.replace(',', ', ')}, counts the columns"):
        assert len(read(tmp_path, "\n".join([first, *(f"{row}.5" for row in rows)]), target=None).x) == 3
    assert len(read(tmp_path, "\n".join([first, *rows, first]), target=None).x) == 5
    assert len(read(tmp_path, "\n".join([first, *rows[:2]]), target=None).x) == 3


def test_a_row_whose_numbers_pandas_made_differ_is_no_row(tmp_path: Path, engine: str) -> None:
    """A file without a header, read with one and written again: its first row became names, and these are lost."""
    pd = pytest.importorskip("pandas")
    values = np.random.default_rng(0).integers(0, 3, (20, 8))
    np.savetxt(tmp_path / "raw.csv", values, fmt="%d", delimiter=",")
    pd.read_csv(tmp_path / "raw.csv").to_csv(tmp_path / "a.csv", index=False)
    with pytest.warns(
        DataFileWarning, match=r"has repeated numbers with \.1, \.2, \.\.\., as pandas makes names unique"
    ):
        table = read_csv(tmp_path / "a.csv", engine=engine)
    assert table.x.tolist() == values[1:, 1:].tolist()


# ---- The index of pandas --------------------------------------------------------------------------------------------


def shuffled() -> Any:
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"a": [3, 1, 4, 1], "b": [2.5, 7, 1, 8], "label": ["x", "x", "y", "y"]})
    return table.sample(frac=1, random_state=1)


def test_an_index_is_left_out_however_often_pandas_wrote_it(tmp_path: Path, engine: str) -> None:
    pd = pytest.importorskip("pandas")
    path, expected = tmp_path / "a.csv", shuffled()
    table = expected
    for times in range(1, 4):
        table.to_csv(path)
        with pytest.warns(DataFileWarning, match="an index that pandas wrote, not a feature; left out"):
            read = read_csv(path, engine=engine)
        assert read.feature_names == ["a", "b"], times
        assert read.x.tolist() == expected[["a", "b"]].to_numpy().tolist()
        assert labels_of(read) == expected["label"].tolist()
        table = pd.read_csv(path)


@pytest.mark.parametrize("target", ["label", -1, 3])
def test_the_index_of_a_label_counts_the_columns_of_the_file(tmp_path: Path, target: Any) -> None:
    with pytest.warns(DataFileWarning, match="column 'Unnamed: 0': an index"):
        table = read(tmp_path, "Unnamed: 0,a,b,label\n7,1,2,x\n8,3,4,y\n", target=target)
    assert table.x.tolist() == [[1, 2], [3, 4]]
    assert labels_of(table) == ["x", "y"]


def test_an_index_may_be_text_or_have_levels(tmp_path: Path, engine: str) -> None:
    with pytest.warns(DataFileWarning, match="column 1: an index"):
        table = read(tmp_path, '"","a","label"\n"Mazda RX4",1,2\n"Fiat, 128",3,4\n', engine=engine)
    assert table.x.tolist() == [[1], [3]]
    with pytest.warns(DataFileWarning, match="column 1, column 2: an index"):
        table = read(tmp_path, ",,a,label\nx,1,2,3\ny,2,4,5\n", engine=engine)
    assert table.x.tolist() == [[2], [4]]


def test_counted_columns_behind_an_index_are_no_row(tmp_path: Path, engine: str) -> None:
    with pytest.warns(DataFileWarning) as caught:
        table = read(tmp_path, ",0,1,2\n1,7,8,9\n0,4,4,4\n", engine=engine)
    assert [str(warning.message).partition(": ")[2] for warning in caught] == [
        "the first line, , 0, 1, 2, counts the columns: it is not read as a row",
        "column 1: an index that pandas wrote, not a feature; left out",
    ]
    assert labels_of(table) == ["7", "4"]
    assert table.x.tolist() == [[8, 9], [4, 4]]


def test_an_index_that_is_asked_for_is_the_label(tmp_path: Path) -> None:
    table = read(tmp_path, "Unnamed: 0,a\nx,1\ny,2\n", target="Unnamed: 0")
    assert labels_of(table) == ["x", "y"]
    assert labels_of(read(tmp_path, "Unnamed: 0,a\nx,1\ny,2\n", target=0)) == ["x", "y"]


def test_a_column_without_a_header_that_counts_the_rows_is_told_of(tmp_path: Path) -> None:
    rows = [f"{row},{row % 3},{row % 2}\n" for row in range(20)]
    with pytest.warns(DataFileWarning, match=r"a\.csv: column 1 counts the rows; if it is an index, remove it"):
        assert read(tmp_path, "".join(rows), target=-1).x.shape == (20, 2)
    assert len(read(tmp_path, "".join(rows[::2]), target=-1).x) == 10
    assert len(read(tmp_path, "a,b,label\n" + "".join(rows)).x) == 20


@pytest.mark.parametrize("header", ["a,,label", "a,label,", "label,a,"])
def test_only_first_columns_without_a_name_are_an_index(tmp_path: Path, header: str) -> None:
    with pytest.raises(ValueError, match=r"line 1, column [23]: the cell is empty; expected the name of a column"):
        read(tmp_path, f"{header}\n1,2,3\n")
    assert read(tmp_path, "a,Unnamed: 1,label\n1,2,3\n").feature_names == ["a", "Unnamed: 1"]


# ---- Labels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["007", "7", "8"], ["007", "7", "8"]),
        (["00", "01", "10"], ["00", "01", "10"]),
        (["-01", "1"], ["-01", "1"]),
        (["0", "1.0", "+2"], None),
        (["9007199254740993", "9007199254740992"], ["9007199254740992", "9007199254740993"]),
        (["9007199254740993", "9007199254740992", "1.0"], ["1", "9007199254740992", "9007199254740993"]),
        (["99999999999999999999", "5"], ["5", "99999999999999999999"]),
    ],
)
def test_different_labels_are_different_classes(tmp_path: Path, labels: list[str], classes: list[str] | None) -> None:
    path = tmp_path / "a.csv"
    path.write_text("label,x\n" + "".join(f"{label},1\n" for label in labels))
    data = load(path)
    assert data.classes == classes
    assert data.y is not None
    assert sorted(data.y.tolist()) == list(range(len(labels)))
