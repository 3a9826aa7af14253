"""What separates the cells of a CSV file and what stands before fractions: options, and what is refused without."""

import gzip
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from csv_files import ENGINES, labels_of, read
from fastnet.datasets import load, tabular
from fastnet.datasets.tabular import read_csv
from fastnet.exceptions import DataFileWarning


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("header", [True, False])
def test_the_separator_is_that_of_the_option(tmp_path: Path, engine: str, separator: str, header: bool) -> None:
    rows = [["1.5", "2", "rose"], ["0.5", "9", "tulip"], ["7", "0.25", "rose"]]
    lines = [["width", "height", "label"], *rows] if header else rows
    text = "\n".join(map(separator.join, lines))
    table = read(tmp_path, text, separator=separator, target=-1, engine=engine)
    assert table.x.tolist() == [[1.5, 2], [0.5, 9], [7, 0.25]]
    assert labels_of(table) == ["rose", "tulip", "rose"]
    assert table.feature_names == (["width", "height"] if header else None)
    assert load(tmp_path / "a.csv", separator=separator, target=-1).x.tolist() == table.x.tolist()


def test_the_wines_of_uci_are_read_as_they_are_downloaded(tmp_path: Path, engine: str) -> None:
    text = '"fixed acidity";"volatile acidity";"quality"\r\n7.4;0.7;5\r\n7.8;0.88;5\r\n11.2;0.28;6\r\n'
    table = read(tmp_path, text, separator=";", target="quality", engine=engine)
    assert table.x.tolist() == np.array([[7.4, 0.7], [7.8, 0.88], [11.2, 0.28]], np.float32).tolist()
    assert table.feature_names == ["fixed acidity", "volatile acidity"]
    assert labels_of(table) == ["5", "5", "6"]


@pytest.mark.parametrize("separator", [";", "\t", "|", " "])
def test_the_decimal_sign_is_that_of_the_option(tmp_path: Path, engine: str, separator: str) -> None:
    text = "\n".join(separator.join(row) for row in (["7,4", "-1,25e2", "5,0"], ["6", ",5", "1,234"]))
    table = read(tmp_path, text, separator=separator, decimal=",", target=None, engine=engine)
    assert table.x.tolist() == np.array([[7.4, -125, 5], [6, 0.5, 1.234]], np.float32).tolist()


def test_what_is_usual_elsewhere_is_parsed_by_the_library_and_not_by_numpy(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "numpy":
        pytest.skip("is about the others")
    monkeypatch.delattr(tabular, "_read_with_numpy")
    for text, options in (
        ("a;b;label\n7,4;1,9;x\n0,5;2,25;y\n", {"separator": ";", "decimal": ","}),
        ("a\tb\tlabel\n7.4\t1.9\tx\n", {"separator": "\t"}),
        (",a,label\nMazda,7,x\nFiat,1,y\n", {}),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataFileWarning)
            assert labels_of(read(tmp_path, text, engine=engine, **options))[0] == "x"


def test_a_label_keeps_its_commas_and_points(tmp_path: Path, engine: str) -> None:
    text = "7,4;Iris v.\n6,1;a, b\n6,2;a, b\n"
    table = read(tmp_path, text, separator=";", decimal=",", target=-1, engine=engine)
    assert labels_of(table) == ["Iris v.", "a, b", "a, b"]


def test_columns_of_a_printed_table_may_be_aligned(tmp_path: Path, engine: str) -> None:
    text = "  1.0   20  3\n 10.0    2  4 \n\n  0.5 \t 7  3\n"
    table = read(tmp_path, text, separator=" ", target=-1, engine=engine)
    assert table.x.tolist() == [[1, 20], [10, 2], [0.5, 7]]
    assert labels_of(table) == ["3", "4", "3"]


def test_what_numpy_saves_is_read(tmp_path: Path, engine: str) -> None:
    values = np.random.default_rng(0).normal(size=(30, 4))
    np.savetxt(tmp_path / "a.txt", values)
    table = read_csv(tmp_path / "a.txt", separator=" ", target=None, engine=engine)
    assert table.x.tolist() == values.astype(np.float32).tolist()


@pytest.mark.parametrize("name", ["a.tsv", "A.TSV", "a.tsv.gz", "a.zip", "a.zip/b.tsv"])
def test_tabs_separate_where_the_name_of_the_file_says_so(tmp_path: Path, engine: str, name: str) -> None:
    text = b"a\tb\tlabel\n1,5\t2\tx\n"
    if ".zip" in name:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("b.tsv", text)
            if "/" in name:
                archive.writestr("c.csv", "1,2")
    else:
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    assert read_csv(tmp_path / name, decimal=",", engine=engine).x.tolist() == [[1.5, 2]]
    with pytest.raises(ValueError, match="no column 'b'"):
        read_csv(tmp_path / name, separator=";", target="b", engine=engine)


def test_an_option_is_obeyed_whatever_the_lines_look_like(tmp_path: Path, engine: str) -> None:
    table = read(tmp_path, "7,4;5\n6,1;6\n", separator=",", target=-1, engine=engine)
    assert (table.x.tolist(), labels_of(table)) == ([[7], [6]], ["4;5", "1;6"])
    table = read(tmp_path, "1,234;5\n0,345;6\n", separator=";", decimal=",", target=-1, engine=engine)
    assert table.x.tolist() == np.array([[1.234], [0.345]], np.float32).tolist()


WORDS = {";": "semicolons", "\t": "tabs", "|": "'|'", " ": "spaces"}


@pytest.mark.parametrize("separator", WORDS)
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(
    "rows", [[["7.4", "5"], ["6.1", "6"]], [["7.4", "1.9", "rose"], ["6", "2.0", "lily"], ["5", "3", "lily"]]]
)
def test_another_separator_is_refused_with_the_options_that_read_it(
    tmp_path: Path, separator: str, decimal: str, header: bool, rows: list[list[str]]
) -> None:
    lines = [["acid", "sugar", "label"][-len(rows[0]) :], *rows] if header else rows
    text = "\n".join(separator.join(row).replace(".", decimal) for row in lines)
    options = {"separator": separator} | ({"decimal": ","} if decimal == "," else {})
    named = ", ".join(f"{name}={value!r}" for name, value in options.items())
    typed = " ".join(f"--{name} {'tab' if value == chr(9) else repr(value)}" for name, value in options.items())
    commas = ", and the numbers to have decimal commas" if decimal == "," else ""
    problem = f"the cells seem to be separated by {WORDS[separator]}, not by commas{commas}; give {named} ({typed})"
    for target in ("label", -1, 0, None):
        for refuse in (read, lambda folder, text, **options: load(folder / "a.csv", **options)):
            with pytest.raises(ValueError, match="seem") as caught:
                refuse(tmp_path, text, target=target)
            assert str(caught.value) == f"{tmp_path / 'a.csv'}: {problem}"
    assert len(read(tmp_path, text, target=-1, **options).x) == len(rows)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("rose;7,4\nlily;6,1\n", "label"),
        ("7,4;rose\n6,1;lily\n", -1),
        ("7,4;Iris v.\n6,1;a, b\n6,2;a, b\n", -1),
        ("5;a, b\n6;c, d\n", -1),
        ("a;b;label\n1;red;x\n2;blue;y\n", "label"),
        ("a;b;label\n1;;x\n2;3;y\n", "label"),
        ("a;b;label\n1;2;0\n3;4;1\n5;6\n", "label"),
        ("1;2;3\n", None),
    ],
)
def test_semicolons_are_seen_beside_text_and_mistakes(tmp_path: Path, text: str, target: Any) -> None:
    with pytest.raises(ValueError, match="seem to be separated by semicolons, not by commas"):
        read(tmp_path, text, target=target)


def test_a_name_that_promises_tabs_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a,b,label\n1,2,x\n")
    with pytest.raises(ValueError, match=r"separated by commas, not by tabs; give separator=',' \(--separator ','\)$"):
        read_csv(tmp_path / "a.tsv")
    assert read_csv(tmp_path / "a.tsv", separator=",").x.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("5.1,3.5,a;b\n4.9,3.0,c;d\n", ["a;b", "c;d"]),
        ("5.1, 3.5, Iris setosa\n4.9, 3.0, Iris setosa\n", ["Iris setosa"] * 2),
        ("5,3 doors\n5,4 doors\n", ["3 doors", "4 doors"]),
        ("5.5,4;5\n1,6;7\n", ["4;5", "6;7"]),
        ("1, 4 5\n2, 6 7\n", ["4 5", "6 7"]),
        ("1,2,4 5 6 7\n2,3,4 5 6 7\n", ["4 5 6 7"] * 2),
        ("a,label\n1,4|5\n2,6|7\n", ["4|5", "6|7"]),
        ("1,1|2\n2,3\n", ["1|2", "3"]),
        ("5,a;3\n6,b;4\n", ["a;3", "b;4"]),
        ("5\t,\ta\tb\n6\t,\ta\tb\n", ["a\tb"] * 2),
        ("x;y,label\n1,a\tb\n", ["a\tb"]),
        ('"a;b",label\n1,x\n', ["x"]),
        ('"a, b;c",label\n1,"4;5, 6"\n', ["4;5, 6"]),
    ],
)
def test_text_between_commas_may_have_other_separators(
    tmp_path: Path, engine: str, text: str, labels: list[str]
) -> None:
    assert labels_of(read(tmp_path, text, target=-1, engine=engine)) == labels


@given(
    rows=st.lists(st.lists(st.floats(0.5, 1e6), min_size=2, max_size=2), min_size=2, max_size=5),
    label=st.text("ab;|\t 1.", min_size=1, max_size=6).filter(lambda text: text.strip() == text),
    header=st.booleans(),
)
def test_no_text_beside_numbers_with_points_is_refused(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]], label: str, header: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "text.csv"
    lines = [*(["a b;c,d|e,label"] if header else []), *(f"{x!r},{y!r},{label}" for x, y in rows)]
    path.write_text("\n".join(lines))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataFileWarning)
        assert set(labels_of(read_csv(path, target=-1, engine="numpy"))) == {label}


@pytest.mark.parametrize("text", ["sepal length\n5\n6\n", "a;b\n5\n6\n", "a\t\n5\t\n6\t\n"])
def test_a_table_of_one_column_may_have_any_name(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text, target=None).x.tolist() == [[5], [6]]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "1,5;0\n",
            {"separator": ";"},
            r"'1,5' is not a number; expected decimal points, and nothing between thousands; decimal=',' \(--decimal ','\) reads decimal commas$",
        ),
        (
            "1.5;0\n1;0\n",
            {"separator": ";", "decimal": ","},
            r"'1.5' is not a number; expected decimal commas, and nothing between thousands; decimal='.' \(--decimal '.'\) reads decimal points$",
        ),
        ("1;2\n1.234,5;2\n", {"separator": ";", "decimal": ","}, r"line 2, column 1: '1.234,5' is not a number$"),
        ("1;2\n1,234,567;2\n", {"separator": ";", "decimal": ","}, r"line 2, column 1: '1,234,567' is not a number$"),
        (
            "7,4;5\n6;6\n",
            {"separator": ";"},
            r"line 1: '7,4' is not a number; expected decimal points, and nothing between thousands; decimal=','",
        ),
        (
            'a,label\n"1,5",0\n',
            {},
            r"line 2, column 'a': '1,5' is not a number; expected decimal points, and nothing between thousands$",
        ),
        ("1;2;0\n1;2\n", {"separator": ";"}, r"line 2: the row has 2 values; expected 3, as in the first line"),
        ("1\t2\t0\n\t\t\n", {"separator": "\t"}, r"line 2, column 1: the cell is empty"),
        ("1 2 3\n1 2\n", {}, "has a label column and no features, with commas between the cells"),
        ("1,2,3\n1,2\n", {"separator": "|"}, r"has a label column and no features, with '\|' between the cells"),
    ],
)
def test_what_the_options_do_not_read_is_refused(
    tmp_path: Path, engine: str, text: str, options: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read(tmp_path, text, target=-1, engine=engine, **options)
    assert str(caught.value).startswith(str(tmp_path / "a.csv"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": "x"}, r"separator must be one of ',', ';', '\\t', '\|', ' '; got 'x'"),
        ({"separator": ""}, "separator must be one of"),
        ({"separator": "tab"}, "separator must be one of"),
        ({"decimal": ";"}, r"decimal must be one of '\.', ','; got ';'"),
        ({"decimal": None}, "decimal must be one of"),
        ({"separator": ",", "decimal": ","}, "commas cannot both separate cells and be decimal; give a separator that"),
        ({"decimal": ","}, r"be decimal; give a separator that is one of ';', '\\t', '\|', ' ', or decimal='\.'"),
    ],
)
def test_other_options_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, "1,2\n", **options)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "a.csv", **options)


def test_options_are_checked_whatever_is_loaded() -> None:
    with pytest.raises(ValueError, match="separator must be one of"):
        load("digits", separator="x")


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
    cells[-1][1] = odd or cells[-1][1]
    path = tmp_path_factory.getbasetemp() / "dialects.csv"
    path.write_text("a;b;label\n".replace(";", separator) + "\n".join(map(separator.join, cells)))
    outcomes = set()
    for engine in ENGINES:
        try:
            table = read_csv(path, separator=separator, decimal=decimal, engine=engine)
            outcomes.add(repr((table.x.dtype, table.x.tolist(), labels_of(table))))
        except ValueError as error:
            outcomes.add(str(error))
    assert len(outcomes) == 1
    if not odd:
        assert outcomes == {repr((table.x.dtype, table.x.tolist(), [row[2] for row in cells]))}
        assert table.x.tolist() == np.array([row[:2] for row in rows], table.x.dtype).tolist()
