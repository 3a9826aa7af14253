"""The first lines of a CSV file: separators, decimal commas, headers of numbers and the index of pandas."""

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.datasets import _readers, load, tabular
from fastnet.datasets.tabular import Table, read_csv
from fastnet.exceptions import DataFileWarning

ENGINES = [name for name in ["numpy", *_readers.READERS] if importlib.util.find_spec(name)]


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def read(tmp_path: Path, text: str, **options: Any) -> Table:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    return read_csv(path, **options)


def labels_of(table: Table) -> list[str]:
    assert table.labels is not None
    return [str(label).strip() for label in table.labels]


# ---- Separators -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("header", [True, False])
def test_the_separator_is_seen_from_the_lines(tmp_path: Path, engine: str, separator: str, header: bool) -> None:
    rows = [["1.5", "2", "rose"], ["0.5", "9", "tulip"], ["7", "0.25", "rose"]]
    lines = [["width", "height", "label"], *rows] if header else rows
    table = read(tmp_path, "\n".join(map(separator.join, lines)), target=-1, engine=engine)
    assert table.x.tolist() == [[1.5, 2], [0.5, 9], [7, 0.25]]
    assert labels_of(table) == ["rose", "tulip", "rose"]
    assert table.feature_names == (["width", "height"] if header else None)


def test_the_wines_of_uci_are_read_as_they_are_downloaded(tmp_path: Path, engine: str) -> None:
    text = '"fixed acidity";"volatile acidity";"quality"\r\n7.4;0.7;5\r\n7.8;0.88;5\r\n11.2;0.28;6\r\n'
    table = read(tmp_path, text, target="quality", engine=engine)
    assert table.x.tolist() == np.array([[7.4, 0.7], [7.8, 0.88], [11.2, 0.28]], np.float32).tolist()
    assert table.feature_names == ["fixed acidity", "volatile acidity"]
    assert labels_of(table) == ["5", "5", "6"]


@pytest.mark.parametrize("separator", [";", "\t", "|", " "])
def test_decimal_commas_are_read_where_commas_do_not_separate(tmp_path: Path, engine: str, separator: str) -> None:
    text = "\n".join(separator.join(row) for row in (["7,4", "-1,25e2", "5"], ["6", ",5", "6"]))
    table = read(tmp_path, text, target=-1, engine=engine)
    assert table.x.tolist() == np.array([[7.4, -125], [6, 0.5]], np.float32).tolist()
    assert labels_of(table) == ["5", "6"]


def test_a_column_of_decimal_commas_alone_is_not_taken_for_two(tmp_path: Path, engine: str) -> None:
    table = read(tmp_path, "7,4;5\n6,1;6\n", target=-1, engine=engine)
    assert table.x.tolist() == np.array([[7.4], [6.1]], np.float32).tolist()
    assert labels_of(table) == ["5", "6"]


def test_what_is_usual_elsewhere_is_parsed_by_the_library_and_not_by_numpy(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "numpy":
        pytest.skip("is about the others")
    monkeypatch.delattr(tabular, "_read_with_numpy")
    for text in ("a;b;label\n7,4;1,9;x\n0,5;2,25;y\n", "a\tb\tlabel\n7.4\t1.9\tx\n", ",a,label\nMazda,7,x\nFiat,1,y\n"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataFileWarning)
            assert labels_of(read(tmp_path, text, engine=engine))[0] == "x"


def test_a_zero_before_the_comma_shows_that_it_is_decimal(tmp_path: Path, engine: str) -> None:
    table = read(tmp_path, "1,234;5\n0,345;6\n", target=-1, engine=engine)
    assert table.x.tolist() == np.array([[1.234], [0.345]], np.float32).tolist()


def test_a_label_keeps_its_commas_and_points(tmp_path: Path, engine: str) -> None:
    table = read(tmp_path, "7,4;Iris v.\n6,1;a, b\n6,2;a, b\n", target=-1, engine=engine)
    assert labels_of(table) == ["Iris v.", "a, b", "a, b"]


def test_columns_of_a_printed_table_may_be_aligned(tmp_path: Path, engine: str) -> None:
    table = read(tmp_path, "  1.0   20  3\n 10.0    2  4 \n\n  0.5 \t 7  3\n", target=-1, engine=engine)
    assert table.x.tolist() == [[1, 20], [10, 2], [0.5, 7]]
    assert labels_of(table) == ["3", "4", "3"]


def test_what_numpy_saves_is_read(tmp_path: Path, engine: str) -> None:
    values = np.random.default_rng(0).normal(size=(30, 4))
    np.savetxt(tmp_path / "a.txt", values)
    assert read_csv(tmp_path / "a.txt", target=None, engine=engine).x.tolist() == values.astype(np.float32).tolist()


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("5.1,3.5,a;b\n4.9,3.0,c;d\n", ["a;b", "c;d"]),
        ("5.1, 3.5, Iris setosa\n4.9, 3.0, Iris setosa\n", ["Iris setosa"] * 2),
        ("5,3 doors\n5,4 doors\n", ["3 doors", "4 doors"]),
        ("5;a, b\n6;c, d\n", ["a, b", "c, d"]),
        ("sepal length\tsepal, width\tkind of iris\n1\t2\tI. setosa\n", ["I. setosa"]),
        ('"a;b",label\n1,x\n', ["x"]),
    ],
)
def test_text_may_have_other_separators(tmp_path: Path, engine: str, text: str, labels: list[str]) -> None:
    assert labels_of(read(tmp_path, text, target=-1, engine=engine)) == labels


def test_a_table_of_one_column_has_names_with_spaces(tmp_path: Path) -> None:
    assert read(tmp_path, "sepal length\n5\n6\n", target=None).feature_names == ["sepal length"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,5;b\n2,5;c\n", r"the cells may be separated by ',' or ';'; put text that has one of them in quotes"),
        ("a;b;label\n1,5;2;0\n1.5;2;0\n", r"'1,5' has a decimal comma and '1.5' a decimal point"),
        ("1,234\t5\n12,345\t6\n", r"the comma in '1,234' may stand before a fraction or between thousands"),
        (
            'a,label\n"1,5",0\n',
            r"line 2, column 'a': '1,5' is not a number; expected decimal points, and nothing between",
        ),
        (
            "a;b;label\n" + "1;2;0\n" * 200 + "1,5;2;0\n",
            r"line 202, column 'a': '1,5' is not a number; expected decimal p",
        ),
        (
            "a;b;label\n1,5;2;0\n" + "1;2;0\n" * 200 + "1.5;2;0\n",
            r"line 203, column 'a': '1.5' is not a number; expect",
        ),
        ("a;b;label\n1,5;2;0\n1.234,5;2;0\n", r"line 3, column 'a': '1.234,5' is not a number$"),
        ("a;b;label\n1,5;2;0\n1,234,567;2;0\n", r"line 3, column 'a': '1,234,567' is not a number$"),
        ("a;b;label\n1;2;0\n1;2\n", r"line 3: the row has 2 values; expected 3, as in the header"),
        ("a\tb\tlabel\n1\t2\t0\n\t\t\n", r"line 3, column 'a': the cell is empty"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(tmp_path: Path, engine: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, text, engine=engine)
    assert str(caught.value).startswith(str(tmp_path / "a.csv"))


def test_lines_of_words_are_one_column(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"has a label column and no features; cells are separated by commas, semicolons"
    ):
        read(tmp_path, "1 2 3\n1 2\n", target=-1)


@given(
    rows=st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=5),
    separator=st.sampled_from([";", "\t", "|", " "]),
    decimal=st.sampled_from(".,"),
    odd=st.sampled_from(["", "1,5", "1.5", " 7", "x", "1;5", '"5"', "nan", "1,234,5"]),
)
def test_every_library_reads_every_dialect_alike(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]], separator: str, decimal: str, odd: str
) -> None:
    cells = [[repr(value).replace(".", decimal) for value in row] for row in rows]
    cells.insert(0, [f"0{decimal}5", f"0{decimal}25", "7"])  # no comma stands between thousands
    cells[-1][1] = odd or cells[-1][1]
    path = tmp_path_factory.getbasetemp() / "dialects.csv"
    path.write_text("a;b;label\n".replace(";", separator) + "\n".join(map(separator.join, cells)))
    outcomes = set()
    for engine in ENGINES:
        try:
            table = read_csv(path, engine=engine)
            outcomes.add(repr((table.x.dtype, table.x.tolist(), labels_of(table))))
        except ValueError as error:
            outcomes.add(str(error))
    assert len(outcomes) == 1
    if not odd:
        assert outcomes == {repr((table.x.dtype, table.x.tolist(), [row[2] for row in cells]))}
        assert table.x[1:].tolist() == np.array([row[:2] for row in rows], table.x.dtype).tolist()


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
        DataFileWarning, match=r"has repeated numbers with \.1, \.2, \.\.\., as pandas makes names differ"
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
