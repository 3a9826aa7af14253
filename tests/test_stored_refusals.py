"""What is refused of data on the disk, and when."""

from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from fastnet.files.rows import rows_of
from stored import ROWS, X, Y, fitted, in_small_blocks, model, opened, written  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_small_blocks")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_nan_is_found_when_its_row_is_read(threads: int, tmp_path: Path) -> None:
    x = X.copy()
    x[741, 2] = np.nan
    made = model()
    fn.set_num_threads(threads)
    with pytest.raises(ValueError, match="x has a NaN or an infinity in row 741"):
        made.fit(fn.datasets.open(written(tmp_path, x)), batch_size=7, shuffle=False, verbose=0)
    assert (made.get_weights()[0] != model().get_weights()[0]).any()  # the rows before were trained on


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.where(np.arange(ROWS) == 841, 3, Y), "y has label 3 at row 841; the output layer has 3 units"),
        (np.where(np.arange(ROWS) == 841, 0.5, Y), "y has label 0.5 at row 841; labels must be whole numbers"),
        (np.where(np.arange(ROWS) == 841, np.nan, Y), "y has a NaN or an infinity in row 841"),
        (np.zeros((ROWS, 2)), r"y must have shape \(\d+, 3\)"),
    ],
)
def test_wrong_targets_are_refused_with_their_row(y: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(fn.datasets.open(written(tmp_path, X, y), encode=False))


def test_other_wrong_arguments_are_refused(tmp_path: Path) -> None:
    data = opened(tmp_path)
    for arguments, message in (
        ({"y": Y}, "y must be None if x is a StoredDataset"),
        ({"sample_weight": np.ones(7)}, r"sample_weight must have shape \(1000,\)"),
        (
            {"sample_weight": np.where(np.arange(ROWS) == 7, np.inf, 1)},
            "sample_weight has a NaN or an infinity in row 7",
        ),
        ({"class_weight": {5: 1.0}}, "class_weight has labels that no sample can have: 5"),
        ({"validation_split": 0.99999}, "validation_split=0.99999 of 1000 samples"),
    ):
        with pytest.raises(ValueError, match=message):
            model().fit(data, verbose=0, **arguments)
    with pytest.raises(ValueError, match=r"x must have shape \(samples, 6\); got \(1000, 5\)"):
        model().fit(fn.datasets.open(written(tmp_path, X[:, :5].copy())), verbose=0)
    (tmp_path / "y.npy").unlink()
    with pytest.raises(ValueError, match="x must have targets"):
        model().fit(fn.datasets.open(tmp_path / "x.npy"), verbose=0)


def test_a_file_that_is_written_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    data = opened(tmp_path)
    written(tmp_path, X + 1)
    with pytest.raises(ValueError, match=r"x\.npy was written since it was opened; open it again"):
        fitted(data)


def test_the_file_of_a_map_that_becomes_shorter_is_an_error(tmp_path: Path) -> None:
    rows = rows_of(np.load(written(tmp_path), mmap_mode="r"))
    with (tmp_path / "x.npy").open("r+b") as file:
        file.truncate(20_000)
    with pytest.raises(ValueError, match=r"x\.npy became shorter"):
        rows.read_into(0, np.empty_like(X))
