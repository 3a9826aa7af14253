"""CSV files: header and label column, dtypes, messages, and that every library that parses them gives the same."""

import gzip
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from csv_files import labels_of
from fastnet.datasets import _readers, load, tabular
from fastnet.datasets.tabular import read_csv


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


# ---- What is read ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["label,a,b", "a,label,b", "a,b,label"])
def test_the_label_column_is_found_wherever_it_stands(path: Path, engine: str, header: str) -> None:
    values = {"label": "7", "a": "1", "b": "2"}
    row = ",".join(values[name] for name in header.split(","))
    table = read_csv(write(path, f"{header}\n{row}\n{row}\n"), engine=engine)
    assert table.x.tolist() == [[1, 2], [1, 2]]
    assert table.x.dtype == np.uint8
    assert labels_of(table) == ["7", "7"]
    assert table.feature_names == ["a", "b"]


def test_without_a_header_the_label_comes_first(path: Path, engine: str) -> None:
    table = read_csv(write(path, "5,0,255\n4,1,2\n"), engine=engine)
    assert table.x.tolist() == [[0, 255], [1, 2]]
    assert labels_of(table) == ["5", "4"]
    assert table.feature_names is None


def test_an_index_names_the_label_column(path: Path, engine: str) -> None:
    write(path, "a,b,c\n1,2,3\n")
    assert labels_of(read_csv(path, target=-1, engine=engine)) == ["3"]
    assert read_csv(path, target=1, engine=engine).feature_names == ["a", "c"]


def test_without_a_header_an_index_may_point_at_text(path: Path, engine: str) -> None:
    table = read_csv(write(path, "5.1,3.5,setosa\n4.9,3.0,virginica\n"), target=-1, engine=engine)
    assert table.x.tolist() == np.array([[5.1, 3.5], [4.9, 3.0]], dtype=np.float32).tolist()
    assert labels_of(table) == ["setosa", "virginica"]


def test_a_file_without_a_label_column_has_no_labels(path: Path, engine: str) -> None:
    table = read_csv(write(path, "pixel0,pixel1\n1,2\n"), engine=engine)
    assert table.labels is None
    assert table.x.tolist() == [[1, 2]]


def test_no_target_makes_every_column_a_feature(path: Path, engine: str) -> None:
    assert read_csv(write(path, "label,a\n1,2\n"), target=None, engine=engine).x.tolist() == [[1, 2]]
    assert read_csv(write(path, "1,2\n3,4\n"), target=None, engine=engine).x.tolist() == [[1, 2], [3, 4]]


def test_a_header_may_have_numbers_beside_the_label(path: Path, engine: str) -> None:
    assert read_csv(write(path, "label,0,1\n3,8,9\n"), engine=engine).feature_names == ["0", "1"]


@pytest.mark.parametrize("numbers", ["1.5,2", "256,0", "-1,0", "1e2,0.25", "+5, 300"])
def test_other_numbers_than_bytes_are_float32(path: Path, engine: str, numbers: str) -> None:
    x = read_csv(write(path, f"a,b\n{numbers}\n"), engine=engine).x
    assert x.dtype == np.float32
    assert x.tolist() == [[float(np.float32(cell)) for cell in numbers.split(",")]]


def test_a_large_number_late_in_the_file_makes_all_float32(path: Path, engine: str) -> None:
    x = read_csv(write(path, "a\n" + "1\n" * 5000 + "256\n"), engine=engine).x
    assert x.dtype == np.float32
    assert x[:, 0].tolist() == [1.0] * 5000 + [256.0]


def test_floats_are_rounded_once_to_float32(path: Path, engine: str) -> None:
    values = np.random.default_rng(0).standard_normal((500, 3)) * 10.0 ** np.arange(-20, 21, 20)
    text = "\n".join(",".join(map(repr, row)) for row in values.tolist())
    x = read_csv(write(path, text), target=None, engine=engine).x
    assert np.array_equal(x, values.astype(np.float32))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_every_kind_of_line_end_is_read(path: Path, engine: str, end: str, last: bool) -> None:
    text = end.join(["label,a", "1,2", "3,4"]) + (end if last else "")
    table = read_csv(write(path, text), engine=engine)
    assert table.x.tolist() == [[2], [4]]
    assert labels_of(table) == ["1", "3"]


def test_blank_lines_and_a_byte_order_mark_are_skipped(path: Path, engine: str) -> None:
    table = read_csv(write(path, "\ufeff\n\nlabel,a\n\n1,2\n  \n3,4\n\n"), engine=engine)
    assert table.feature_names == ["a"]
    assert table.x.tolist() == [[2], [4]]


def test_quotes_hold_commas_and_numbers(path: Path, engine: str) -> None:
    table = read_csv(write(path, '"label","a b"\n"x, y","5"\nz,6\n'), engine=engine)
    assert labels_of(table) == ["x, y", "z"]
    assert table.feature_names == ["a b"]
    assert table.x.tolist() == [[5], [6]]


def test_gzip_is_seen_from_the_content(tmp_path: Path, engine: str) -> None:
    for name in ("a.csv.gz", "a.csv"):
        (tmp_path / name).write_bytes(gzip.compress(b"label,a\n1,2\n"))
        assert read_csv(tmp_path / name, engine=engine).x.tolist() == [[2]]


# ---- What is refused ------------------------------------------------------------------------------------------------

BAD = [
    ("label,a,b\n1,2,3\n1,2\n", r"line 3: the row has 2 values; expected 3, as in the header"),
    ("label,a,b\n1,2,3\n\n1,2,3,4\n", r"line 4: the row has 4 values; expected 3, as in the header"),
    ("1,2,3\n1,2\n", r"line 2: the row has 2 values; expected 3, as in the first line"),
    ("label,a\n1,2\n1,2,\n", r"line 3: the row has 3 values; expected 2"),
    ("label,a\n1,2\n1,2,", r"line 3: the row has 3 values; expected 2"),
    (
        "label,a,b\n1,2,x\n",
        r"line 2, column 'b': 'x' is not a number; encode the column as numbers, or, if it only names the rows, ignore=\['b'\] \(--id b\) leaves it",
    ),
    ("1,2,3\n1,2,x\n", r"line 2, column 3: 'x' is not a number"),
    ("label,a\n1," + "y" * 50 + "\n", r"line 2, column 'a': 'y{30}\.\.\.' is not a number"),
    ("label,a,b\n1,,3\n", r"line 2, column 'a': the cell is empty; expected a number: fill it, or remove the row"),
    ("label,a\n1,2\n ,2\n", r"line 3, column 'label': the cell is empty; expected a label"),
    ("label,a\n1,nan\n", r"line 2, column 'a': 'nan' is not a finite number"),
    ("label,a\n1,-inf\n", r"line 2, column 'a': '-inf' is not a finite number"),
    ("label,a\n1,1e400\n", r"line 2, column 'a': '1e400' is not a finite number"),
    ("label,a\n1," + "9" * 200_000 + "\n", r"line 2, column 'a': '9{30}\.\.\.' is not a finite number"),
    ("label,a\n1," + "y" * 200_000 + "\n", r"line 2, column 'a': 'y{30}\.\.\.' is not a number"),
    ("label,a\n1,NA\n", r"line 2, column 'a': 'NA' is not a number; fill it, or remove the row"),
    ("label,a\n1,0x1F\n", r"line 2, column 'a': '0x1F' is not a number"),
    ("label,a\n1,1_000\n", r"line 2, column 'a': '1_000' is not a number"),
    ("label,a\n1,True\n", r"line 2, column 'a': 'True' is not a number"),
    ("label,a\n1,\u0661\n", r"line 2, column 'a': '\u0661' is not a number"),
    ('label,a\n"1,2\n', r"line 2: a quote is opened and not closed on the line"),
    ("label,a\n", r"a\.csv has a header and no rows"),
    ("\n  \n", r"a\.csv is empty"),
    ("", r"a\.csv is empty"),
    ("\ufeff", r"a\.csv is empty"),
    ("5\n4\n", r"a\.csv has a label column and no features"),
    ("5,x,3\n", r"line 1: 'x' is not a number, so this is not a row of numbers; it is not a header either"),
    ("5,,3\n", r"line 1, column 2: the cell is empty; expected the name of a column or a number"),
    (",2,a\n0,1,2\n", r"line 1: 'a' is not a number, so this is not a row of numbers"),
    (",5,3\n0,1,2\n", r"line 1, column 1: the cell is empty"),
    ("Unnamed: 0,5,3\n0,1,2\n", r"line 1: 'Unnamed: 0' is not a number"),
    ("label,label\n1,2\n", r"2 columns named 'label'"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_the_message_names_the_file_the_line_and_what_was_expected(
    path: Path, engine: str, text: str, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        read_csv(write(path, text), engine=engine)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_the_first_bad_line_is_named_even_late_in_a_file(path: Path, engine: str) -> None:
    lines = ["label,a", *["1,2"] * 20_000]
    lines[15_000] = "1,x"
    lines[18_000] = "1"
    with pytest.raises(ValueError, match="line 15001, column 'a': 'x' is not a number"):
        read_csv(write(path, "\n".join(lines)), engine=engine)


def test_text_that_is_not_utf8_is_refused(path: Path, engine: str) -> None:
    path.write_bytes(b"label,a\n\xe9,1\n")
    with pytest.raises(ValueError, match=r"a\.csv is not text in UTF-8"):
        read_csv(path, engine=engine)


def test_damaged_gzip_is_refused(path: Path, engine: str) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (500, 5))
    content = gzip.compress("\n".join(",".join(map(str, row)) for row in rows.tolist()).encode())
    path.write_bytes(content[:-20])
    with pytest.raises(ValueError, match=r"a\.csv: the gzip data is damaged or cut short"):
        read_csv(path, engine=engine)


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        (
            "a,b\n1,2\n",
            "label",
            r"has no column 'label' for the labels; its columns are 'a', 'b'; target= \(--target\) names it$",
        ),
        ("a,b,c,d,e,f,g\n1,2,3,4,5,6,7\n", "label", r"its columns are 'a', 'b', 'c', 'd', \.\.\., 'g'; target= "),
        ("1,2\n", "y", r"has no header, so no column is named 'y'; give the index of the column"),
        ("a,b\n1,2\n", 2, r"has 2 columns; target=2 is not one of them"),
        ("a,b\n1,2\n", -3, r"has 2 columns; target=-3 is not one of them"),
        ("a,b\n1,2\n", None, r"labels are needed, but target=None"),
    ],
)
def test_labels_that_are_needed_and_missing_are_an_error(
    path: Path, text: str, target: str | int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        read_csv(write(path, text), target=target, require_labels=True)


def test_a_missing_column_that_was_asked_for_is_always_an_error(path: Path) -> None:
    with pytest.raises(ValueError, match="has no column 'y' for the labels"):
        read_csv(write(path, "a,b\n1,2\n"), target="y")


# ---- All libraries give the same ------------------------------------------------------------------------------------

usual = st.one_of(
    st.integers(0, 255).map(str), st.integers(-999, 999).map(str), st.floats(-1e6, 1e6, width=64).map(repr)
)
odd = st.sampled_from(
    [
        "",
        " ",
        "nan",
        "inf",
        "1e39",
        "1e400",
        "-0",
        "+5",
        " 7",
        "7 ",
        "\t7",
        "0x1F",
        "1_000",
        "1E+2",
        "5.",
        ".5",
        "abc",
        '"5"',
        '"a b"',
        'a"b',
        "NA",
        "null",
        "None",
        "True",
        "é",
        "\u0661",
        "\x00",
        "\x0b3",
        "\xa05",
        "2\r",
        "#5",
        "007",
        "99999999999999999999",
        "9007199254740993",
        "18446744073709551615",
        "1d5",
        "1f",
        "nan(1)",
        "\ufeff5",
        "5%",
    ]
)
cells = st.one_of(usual, usual, usual, odd)


@st.composite
def csv_texts(draw: st.DrawFn) -> str:
    columns = draw(st.integers(1, 3))
    lines = draw(st.lists(st.lists(cells, min_size=columns, max_size=columns), min_size=1, max_size=4))
    if draw(st.booleans()):
        lines.insert(0, draw(st.permutations(["label", "a", "b", "1"]))[:columns])
    if draw(st.sampled_from([True, *[False] * 4])):
        lines[-1] = [*lines[-1], draw(cells)]
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return end.join(",".join(line) for line in lines) + draw(st.sampled_from(["", end, end + end]))


def outcome(path: Path, engine: str, target: Any) -> tuple[Any, ...]:
    try:
        table = read_csv(path, target=target, engine=engine)
    except ValueError as error:
        return ("error", str(error))
    labels = None if table.labels is None else labels_of(table)
    return (table.x.dtype, table.x.tolist(), labels, table.feature_names)


@pytest.mark.filterwarnings("ignore::fastnet.exceptions.DataFileWarning")
@given(text=csv_texts(), target=st.sampled_from(["label", None, 0, -1]))
@example(text="0,6.995199023788759e-184", target="label")  # 0 in float32
def test_every_library_gives_the_same_table_or_the_same_error(
    tmp_path_factory: pytest.TempPathFactory, text: str, target: Any
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "same.csv", text)
    expected = outcome(path, "numpy", target)
    for engine in _readers.READERS:
        if importlib.util.find_spec(engine):
            assert outcome(path, engine, target) == expected


def test_the_usual_file_is_parsed_by_the_library_and_not_by_numpy(
    path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine == "numpy":
        pytest.skip("is about the others")
    monkeypatch.delattr(tabular, "_read_with_numpy")
    assert read_csv(write(path, "label,a,b\n1,2,3\n4,5,6\n"), engine=engine).x.dtype == np.uint8
    assert read_csv(write(path, "label,a,b\nx,2,0.5\ny,5,6\n"), engine=engine).x.dtype == np.float32


def test_the_library_is_the_first_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    have: set[str] = set()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in have or None)
    assert _readers.installed() == "numpy"
    for name in ("pandas", "pyarrow", "polars"):
        have.add(name)
        assert _readers.installed() == name


def test_a_small_file_imports_no_library(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_readers, "read")
    assert read_csv(write(path, "label,a\n1,2\n")).x.tolist() == [[2]]


# ---- As a data set --------------------------------------------------------------------------------------------------


def test_text_labels_become_sorted_classes(path: Path) -> None:
    data = load(write(path, "x,label\n1,dog\n2,cat\n3, dog\n"))
    assert data.classes == ["cat", "dog"]
    assert data.y is not None
    assert data.y.tolist() == [1, 0, 1]
    assert data.name == "a.csv"


@pytest.mark.parametrize(
    ("labels", "codes", "classes"),
    [
        (["0", "2", "1"], [0, 2, 1], None),
        (["1.0", "0", "+1"], [1, 0, 1], None),
        (["10", "9", "-1"], [2, 1, 0], ["-1", "9", "10"]),
        (["3", "7"], [0, 1], ["3", "7"]),
        (["007", "7"], [0, 1], ["007", "7"]),
        (["042", "007"], [1, 0], ["007", "042"]),
        (["1E2", "100"], [1, 0], ["100", "1E2"]),
        (["9007199254740993.0", "9007199254740992"], [1, 0], ["9007199254740992", "9007199254740993"]),
        (["1", "12345678901234567890"], [0, 1], ["1", "12345678901234567890"]),
        (["1", "9" * 5000], [0, 1], ["1", "9" * 5000]),
        (["9007199254740993", "9007199254740992", "1.0"], [2, 1, 0], ["1", "9007199254740992", "9007199254740993"]),
        (["1", "b"], [0, 1], ["1", "b"]),
        (["1_0", "1"], [1, 0], ["1", "1_0"]),
        (["nan", "b"], [1, 0], ["b", "nan"]),
    ],
)
def test_labels_are_numbers_when_all_are_written_as_such(
    path: Path, labels: list[str], codes: list[int], classes: list[str] | None
) -> None:
    data = load(write(path, "label,x\n" + "".join(f"{label},1\n" for label in labels)))
    assert data.y is not None
    assert data.y.tolist() == codes
    assert data.classes == classes


@pytest.mark.parametrize("label", ["1.5", "nan", "inf", "1e300"])
def test_a_number_that_is_no_class_is_refused(path: Path, label: str) -> None:
    with pytest.raises(ValueError, match=r"a\.csv: the labels must be whole numbers or text; got .* in row 1"):
        load(write(path, f"label,x\n1,1\n{label},1\n"))


def test_kaggle_files_of_mnist_have_the_values_of_the_images(mnist_dir: Path, tmp_path: Path, engine: str) -> None:
    mnist = load(mnist_dir)
    assert mnist.test is not None
    assert mnist.test.y is not None
    x, y = mnist.test.x[:2000], mnist.test.y[:2000]
    rows = np.column_stack([y, x]).tolist()
    header = ",".join(["label", *(f"pixel{index}" for index in range(784))])
    path = write(tmp_path / "train.csv", "\n".join([header, *(",".join(map(str, row)) for row in rows)]))
    table = read_csv(path, engine=engine)
    assert table.x.dtype == np.uint8
    assert np.array_equal(table.x, x)
    assert labels_of(table) == [str(label) for label in y]
    data = load(path)
    assert data.classes is None
    assert data.y is not None
    assert np.array_equal(data.y, y)
