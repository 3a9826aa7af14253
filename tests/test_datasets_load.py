"""From a name or a path to a Dataset, and what a Dataset knows."""

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from fastnet.datasets import Dataset, digits, load
from fastnet.datasets._dataset import compact, features
from fastnet.datasets._labels import encode

# ---- load -----------------------------------------------------------------------------------------------------------


def test_digits_come_with_the_package() -> None:
    data = load("digits", require_labels=True)
    assert repr(data) == "<Dataset 'digits': x (1797, 64) uint8, 10 classes>"
    assert data.image_shape == (8, 8)
    assert data.classes is None
    assert data.class_names == [str(digit) for digit in range(10)]
    assert data.test is None


def test_digits_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    x, y = digits.load_data()
    x_sklearn, y_sklearn = datasets.load_digits(return_X_y=True)
    assert x.dtype == y.dtype == np.uint8
    assert np.array_equal(x, x_sklearn)
    assert np.array_equal(y, y_sklearn)


def test_what_is_neither_a_name_nor_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no file or folder .*none.csv.*known are digits, mnist, fashion_mnist"
    ):
        load(tmp_path / "none.csv")
    with pytest.raises(TypeError, match="source must be a name or a path; got ndarray"):
        load(np.zeros((2, 2)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [
        b"\x89HDF\r\n\x1a\n\0\0",
        b"a,b\n1,\x002\n",
        b"\x40\0\0\0\0\0\0\0{}",
        gzip.compress(b"PAR1", mtime=0),
        "a,b\n".encode("utf-16"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=r"a is not in a known format; expected IDX or CSV"):
        load(tmp_path / "a")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    for name, content in (("a", b""), ("a.gz", gzip.compress(b""))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="is empty"):
            load(tmp_path / name)


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=[[1, 2]])
    for name in ("a.csv", "a.parquet", "a.gz"):
        (tmp_path / name).write_bytes((tmp_path / "a.npz").read_bytes())
        assert load(tmp_path / name).x.tolist() == [[1, 2]]


def test_importing_the_data_sets_is_quick_about_optional_packages() -> None:
    program = "import sys, fastnet.datasets; print(*{'pandas', 'polars', 'pyarrow', 'pooch', 'urllib.request'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# ---- Dataset --------------------------------------------------------------------------------------------------------


def dataset(codes: list[int], classes: list[str] | None = None, test: Dataset | None = None) -> Dataset:
    return Dataset(np.zeros((len(codes), 2), dtype=np.uint8), np.array(codes), classes, name="data", test=test)


def test_codes_are_translated_to_the_classes_of_a_model() -> None:
    data = dataset([0, 1, 0], ["3", "7"], test=dataset([1], ["3", "7"])).with_classes([str(code) for code in range(10)])
    assert data.y is not None
    assert data.y.tolist() == [3, 7, 3]
    assert data.test is not None
    assert data.test.y is not None
    assert data.test.y.tolist() == [7]
    assert data.n_classes == 10


def test_a_label_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data: the label 'c' is not one of the 2 known classes \('a', 'b'\)"):
        dataset([0, 1], ["a", "c"]).with_classes(["a", "b"])
    with pytest.raises(ValueError, match=r"the label '2' is not one of the 2"):
        dataset([0, 2]).with_classes(["0", "1"])


def test_a_class_that_no_sample_has_may_be_unknown() -> None:
    assert dataset([0, 0], ["a", "c"]).with_classes(["b", "a"]).y.tolist() == [1, 1]  # type: ignore[union-attr]


def test_without_labels_there_are_no_classes() -> None:
    data = Dataset(np.zeros((3, 2)))
    assert len(data) == 3
    assert data.n_classes == 0
    assert data.class_names is None
    assert data.with_classes(["a"]) is data


def test_the_test_part_counts_for_the_number_of_classes() -> None:
    data = dataset([0, 1], test=dataset([4]))
    assert data.n_classes == 5
    assert repr(data) == "<Dataset 'data': x (2, 2) uint8, 5 classes, 1 test samples>"


# ---- The dtype of samples -------------------------------------------------------------------------------------------

numbers = hnp.arrays(
    dtype=st.one_of(hnp.boolean_dtypes(), hnp.integer_dtypes(), hnp.unsigned_integer_dtypes(), hnp.floating_dtypes()),
    shape=hnp.array_shapes(min_dims=2, max_dims=4, max_side=4),
)


@given(numbers, st.sampled_from([None, "float32", "float64"]))
def test_samples_keep_their_values_or_are_refused(values: NDArray[Any], dtype: str | None) -> None:
    flat = values.reshape(len(values), -1)
    wide = flat.astype(np.float64)
    largest = float(np.finfo(np.float32).max) if dtype == "float32" else float(np.finfo(np.float64).max)
    if not (np.abs(wide) <= largest).all():
        with pytest.raises(ValueError, match=r"where: the value .* (is not a finite number|is too large for float32)"):
            features(values, "where", dtype)
        return
    rows, image_shape = features(values, "where", dtype)
    assert image_shape == (values.shape[1:] if values.ndim > 2 else None)
    assert rows.dtype in ([np.uint8, dtype] if dtype else [np.uint8, np.float32, np.float64])
    if rows.dtype == np.float32 or dtype == "float32":
        wide = wide.astype(np.float32)  # what is kept decides: 1e-100 is 0
    are_bytes = ((wide >= 0) & (wide <= 255) & (wide == np.floor(wide))).all()
    if rows.dtype == np.uint8 and dtype is None:
        wide = wide.astype(np.float32)
    else:
        assert (rows.dtype == np.uint8) == are_bytes
    assert np.array_equal(rows, wide)


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ([0.5, 1e-100], np.float32),
        ([1e-100, 2e-100], np.float64),
        ([0.5, 1e39], np.float64),
        ([1e9, 1e9 + 1, 1e9 + 2], np.float64),
        ([1.7e9, 1.7e9 + 86400.0], np.float32),
        ([0.1 + 0.2, 0.3], np.float32),  # a constant with rounding errors
        ([1e9, 1e9], np.float32),
        ([16777216.0, 0.5], np.float32),
    ],
)
def test_float64_is_kept_where_float32_would_lose_a_column(column: list[float], dtype: Any, tmp_path: Path) -> None:
    values = np.column_stack([np.linspace(0.5, 1, len(column)), column])
    np.save(tmp_path / "a.npy", values)
    np.savetxt(tmp_path / "a.csv", values, fmt="%.17g", delimiter=",")
    for name, how in (("a.npy", {}), ("a.csv", {"target": None})):
        data = load(tmp_path / name, **how)
        assert data.x.dtype == dtype
        assert data.x.tolist() == values.astype(dtype).tolist()


def test_a_dtype_can_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,label\n1000000000.5,0\n1000000001.5,1\n")
    assert load(tmp_path / "a.csv", dtype="float32").x.tolist() == [[1e9], [1e9]]
    (tmp_path / "a.csv").write_text("a,label\n0.1,0\n")
    assert load(tmp_path / "a.csv", dtype=np.float64).x.tolist() == [[0.1]]
    with pytest.raises(ValueError, match="dtype must be one of 'float32', 'float64'; got 'int8'"):
        load("digits", dtype="int8")
    (tmp_path / "a.csv").write_text("a,label\n1e39,0\n")
    with pytest.raises(ValueError, match=r"line 2, column 'a': '1e39' is not a finite number in float32"):
        load(tmp_path / "a.csv", dtype="float32")


def test_both_parts_of_a_data_set_have_one_dtype(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=[[1e9], [1e9 + 1]], x_test=[[1e9 + 0.5]])
    data = load(tmp_path / "a.npz")
    assert data.test is not None
    assert data.test.x.tolist() == [[1e9 + 0.5]]


def test_uint8_samples_are_not_copied() -> None:
    values = np.zeros((3, 2, 2), dtype=np.uint8)
    assert np.shares_memory(features(values, "where")[0], values)


def test_the_place_of_a_value_that_is_not_finite_is_named_beyond_the_first_block() -> None:
    values = np.full((5000, 3), 0.5)
    values[4500, 2] = np.nan
    with pytest.raises(ValueError, match="where: the value nan in row 4500, column 2 is not a finite number"):
        compact(values, "where")


# ---- Labels ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.integers(-5, 20), st.integers(-(2**62), 2**62)), min_size=1))
def test_integer_labels_are_places_among_the_sorted_ones(labels: list[int]) -> None:
    codes, classes = encode(np.array(labels), "where")
    distinct = sorted(set(labels))
    assert codes.tolist() == [distinct.index(label) for label in labels]
    assert classes == (None if distinct == list(range(len(distinct))) else [str(label) for label in distinct])
    as_text, classes_of_text = encode(np.array([str(label) for label in labels], dtype=object), "where")
    assert (as_text.tolist(), classes_of_text) == (codes.tolist(), classes)


@given(st.lists(st.text("abcé 1", min_size=1).filter(str.strip), min_size=1))
def test_text_labels_are_places_among_the_sorted_ones(labels: list[str]) -> None:
    stripped = np.array([label.strip() for label in [*labels, "z"]])
    codes, classes = encode(np.array([*labels, "z"], dtype=object), "where")
    distinct, expected = np.unique(stripped, return_inverse=True)
    assert classes == distinct.tolist()
    assert codes.tolist() == expected.tolist()
