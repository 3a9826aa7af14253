"""Splitting: no row is lost or doubled, classes keep their proportion, and sizes follow scikit-learn."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.datasets import train_test_split
from fastnet.utils import set_random_seed

sizes = st.one_of(st.none(), st.floats(0.01, 0.99), st.integers(1, 30))


@given(n=st.integers(2, 60), test_size=sizes, train_size=sizes, shuffle=st.booleans(), seed=st.integers(0, 1000))
def test_no_row_is_lost_or_doubled(n: int, test_size: Any, train_size: Any, shuffle: bool, seed: int) -> None:
    rows = np.arange(n)
    keywords = {"test_size": test_size, "train_size": train_size, "shuffle": shuffle}
    try:
        train, test = train_test_split(rows, random_state=seed, **keywords)
    except ValueError:
        return
    both = np.concatenate([train, test])
    assert len(np.unique(both)) == len(both)
    if test_size is None or train_size is None:
        assert sorted(both.tolist()) == rows.tolist()
    assert len(train) > 0
    assert len(test) > 0
    if not shuffle:
        assert both.tolist() == rows[: len(both)].tolist()


@given(n=st.integers(2, 60), test_size=sizes, train_size=sizes)
def test_the_sizes_and_refusals_are_those_of_scikit_learn(n: int, test_size: Any, train_size: Any) -> None:
    selection = pytest.importorskip("sklearn.model_selection")

    def sizes_of(split: Any) -> list[int] | None:
        try:
            return [len(part) for part in split(np.arange(n), test_size=test_size, train_size=train_size)]
        except ValueError:
            return None

    assert sizes_of(train_test_split) == sizes_of(selection.train_test_split)


def test_all_arrays_are_split_alike() -> None:
    x = np.arange(40).reshape(20, 2)
    x_train, x_test, y_train, y_test, z_train, z_test = train_test_split(x, x[:, 0], x[:, 1].tolist(), random_state=0)
    assert len(x_test) == 5
    for part_x, part_y, part_z in ((x_train, y_train, z_train), (x_test, y_test, z_test)):
        assert part_x[:, 0].tolist() == part_y.tolist()
        assert part_x[:, 1].tolist() == part_z
        assert isinstance(part_z, list)


def test_a_seed_repeats_the_split_and_another_changes_it() -> None:
    def split(seed: Any) -> list[int]:
        part: list[int] = train_test_split(np.arange(100), random_state=seed)[1].tolist()
        return part

    assert split(3) == split(3) == split(np.random.default_rng(3))
    assert split(3) != split(4)
    set_random_seed(1)
    first = split(None)
    set_random_seed(1)
    assert split(None) == first
    assert split(None) != first


@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=6),
    test_size=st.one_of(st.floats(0.05, 0.95), st.integers(1, 60)),
    seed=st.integers(0, 1000),
)
def test_each_class_has_its_share_by_the_largest_remainder(counts: list[int], test_size: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    rows = np.arange(len(labels))
    try:
        train, test = train_test_split(rows, test_size=test_size, random_state=seed, stratify=labels)
    except ValueError as error:
        n_test = math.ceil(test_size * len(rows)) if isinstance(test_size, float) else test_size
        assert min(n_test, len(rows) - n_test) < len(counts), error  # noqa: PT017
        return
    assert sorted([*train.tolist(), *test.tolist()]) == rows.tolist()
    exact = np.array(counts) * len(train) / len(rows)
    got = np.bincount(labels[train], minlength=len(counts))
    assert (np.abs(got - exact) < 1).all()
    rounded_up = got > np.floor(exact + 1e-9)
    remainders = exact - np.floor(exact + 1e-9)
    if rounded_up.any() and not rounded_up.all():
        assert remainders[rounded_up].min() >= remainders[~rounded_up].max() - 1e-9


def test_classes_may_be_text_or_one_hot_rows() -> None:
    labels = np.array(["a", "b"] * 10)
    assert sorted(train_test_split(labels, test_size=0.2, stratify=labels)[1].tolist()) == ["a", "a", "b", "b"]
    rows = np.eye(2)[[0, 1] * 10]
    assert train_test_split(rows, test_size=0.2, stratify=rows)[1].sum(axis=0).tolist() == [2.0, 2.0]
    assert len(train_test_split(labels, test_size=0.2, stratify=labels.astype(object))[1]) == 4


@pytest.mark.parametrize(
    ("arrays", "keywords", "error", "message"),
    [
        ((), {}, ValueError, "at least one array is required"),
        (([1, 2], [1]), {}, ValueError, "same number of rows; got 2, 1"),
        ((3,), {}, TypeError, "arrays must have rows; got int"),
        (([1],), {}, ValueError, "the training part is empty"),
        (([1, 2],), {"test_size": 1.0}, ValueError, r"test_size must be above 0\.0 and below 1\.0"),
        (([1, 2],), {"test_size": 0}, ValueError, "test_size must be above 0 and below the number of rows, 2; got 0"),
        (([1, 2],), {"train_size": 2}, ValueError, "train_size must be above 0 and below the number of rows, 2"),
        (([1, 2, 3],), {"test_size": 2, "train_size": 2}, ValueError, "ask for 2 and 2 rows; the arrays have 3"),
        (([1, 2],), {"test_size": 0.5, "train_size": 0.75}, ValueError, "must not exceed 1 in total; got 0.5 and 0.75"),
        (([1, 2],), {"test_size": "0.5"}, TypeError, "test_size must be a float, an int or None"),
        (([1, 2],), {"test_size": True}, TypeError, "test_size must be a float, an int or None"),
        (([1, 2],), {"stratify": [0, 1]}, ValueError, "a class with 1 row only"),
        (([1, 2],), {"stratify": [0]}, ValueError, r"one label for each of the 2 rows; got shape \(1,\)"),
        (([1, 2],), {"stratify": [0, 0], "shuffle": False}, ValueError, "stratify needs shuffle=True"),
        (
            (list(range(6)),),
            {"stratify": [0, 0, 1, 1, 2, 2], "test_size": 2},
            ValueError,
            "the test part has 2 rows, fewer than the 3 classes",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(
    arrays: tuple[Any, ...], keywords: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        train_test_split(*arrays, **keywords)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_stay_data_frames(library: str) -> None:
    frames = pytest.importorskip(library)
    table = frames.DataFrame({"a": list(range(10)), "b": list("abcdefghij")})
    train, test, series_train, _ = train_test_split(table, table["a"], random_state=0)
    assert type(train) is type(table)
    assert type(series_train) is type(table["a"])
    assert sorted([*train["a"], *test["a"]]) == list(range(10))
    assert list(train["a"]) == list(series_train)


def test_sparse_matrices_stay_sparse() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    train, test = train_test_split(sparse.csr_array(np.eye(8)), random_state=0)
    assert sparse.issparse(train)
    assert (train.shape, test.shape) == ((6, 8), (2, 8))


def test_sequences_of_other_types_become_arrays() -> None:
    train, test = train_test_split(range(8), random_state=0)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(8))
