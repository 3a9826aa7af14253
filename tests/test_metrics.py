"""Accuracy, the confusion matrix and the report: what is a label, what is a probability, and parity with scikit-learn."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnet.metrics import accuracy_score, classification_report, confusion_matrix

# ---- Accuracy -------------------------------------------------------------------------------------------------------


def test_accuracy_is_the_share_of_equal_labels() -> None:
    assert accuracy_score([0, 1, 2, 3], [0, 1, 2, 0]) == 0.75
    assert accuracy_score(["cat", "dog"], ["cat", "cat"]) == 0.5
    assert isinstance(accuracy_score([1], [1]), float)


def test_one_hot_rows_columns_and_labels_mean_the_same() -> None:
    labels = np.array([2, 0, 1, 1])
    rows = np.eye(3)[labels]
    for y_true in (labels, labels[:, None], labels.astype(float), rows, rows.astype(np.uint8)):
        for y_pred in (labels, labels[:, None], rows, 0.2 + 0.4 * rows, -1 + rows):
            assert accuracy_score(y_true, y_pred) == 1.0


def test_fractions_in_one_column_are_probabilities_of_class_1() -> None:
    assert accuracy_score([0, 1, 1, 0], [0.1, 0.9, 0.4, 0.5]) == 0.75
    assert accuracy_score([0, 1, 1, 0], np.array([[0.1], [0.9], [0.4], [0.5]], dtype=np.float32)) == 0.75


def test_labels_in_object_arrays_count_as_what_they_hold() -> None:
    assert accuracy_score(np.array([1, 2], dtype=object), [1, 2]) == 1.0
    assert accuracy_score(np.array(["a", "b"], dtype=object), ["a", "a"]) == 0.5


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([0, 1], [0], r"same number of rows; got 2 and 1"),
        ([], [], r"at least one row"),
        ([0.5, 1], [0, 1], r"y_true must hold labels, whole numbers or text; got 0\.5"),
        ([0, 1], [0.5, 1.5], r"y_pred must hold labels or probabilities; got fractions from 0\.5 to 1\.5"),
        ([0, 1], [0, float("nan")], r"y_pred must be finite; got nan"),
        ([0, 1], [[0.5, 0.5], [float("inf"), 0]], r"y_pred must hold finite numbers"),
        ([[0.4, 0.6]], [1], r"y_true must be labels or one-hot rows"),
        ([[1, 1]], [1], r"y_true must be labels or one-hot rows"),
        (["a", "b"], [0, 1], r"must both be numbers or both text; got text and numbers"),
        ([0, 1], ["0", "1"], r"must both be numbers or both text; got numbers and text"),
        ([[[1]]], [1], r"got shape \(1, 1, 1\)"),
        (3, [1], r"got shape \(\)"),
    ],
)
def test_what_cannot_be_compared_is_refused(y_true: object, y_pred: object, message: str) -> None:
    for function in (accuracy_score, confusion_matrix):
        with pytest.raises(ValueError, match=message):
            function(y_true, y_pred)  # type: ignore[operator]


# ---- Confusion matrix -----------------------------------------------------------------------------------------------


def test_rows_are_true_labels_and_columns_are_predicted_ones() -> None:
    matrix = confusion_matrix([0, 0, 0, 1], [0, 1, 1, 1])
    assert matrix.tolist() == [[1, 2], [0, 1]]
    assert matrix.dtype == np.int64


def test_a_label_that_is_only_predicted_has_its_row() -> None:
    assert confusion_matrix(["b", "b"], ["a", "b"]).tolist() == [[0, 0], [1, 1]]


def test_labels_choose_the_rows_and_their_order() -> None:
    matrix = confusion_matrix([0, 1, 2, 2], [0, 2, 2, 1], labels=[2, 1])
    assert matrix.tolist() == [[1, 1], [1, 0]]
    assert confusion_matrix([0, 1], [1, 1], labels=range(4)).shape == (4, 4)


@pytest.mark.parametrize("labels", [[], [1, 1], [7, 8], ["0", "1"]])
def test_labels_that_cannot_be_rows_are_refused(labels: list[object]) -> None:
    with pytest.raises(ValueError, match="labels"):
        confusion_matrix([0, 1], [0, 1], labels=labels)


labels = st.one_of(st.integers(-3, 5), st.just(10**12))
rows = st.lists(st.tuples(labels, labels), min_size=1, max_size=50)


@given(rows)
def test_the_matrix_counts_every_row_once_and_its_diagonal_is_the_accuracy(pairs: list[tuple[int, int]]) -> None:
    y_true, y_pred = np.array(pairs).T
    matrix = confusion_matrix(y_true, y_pred)
    assert matrix.sum() == len(pairs)
    assert accuracy_score(y_true, y_pred) == pytest.approx(matrix.trace() / len(pairs))


@pytest.mark.filterwarnings("ignore:A single label was found:UserWarning")
@given(rows, st.booleans())
def test_the_matrix_is_that_of_scikit_learn(pairs: list[tuple[int, int]], text: bool) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    y_true, y_pred = np.array(pairs).T
    if text:
        y_true, y_pred = y_true.astype(str), y_pred.astype(str)
    assert np.array_equal(confusion_matrix(y_true, y_pred), metrics.confusion_matrix(y_true, y_pred))
    some = np.unique(y_true)[::-1][:3]
    assert np.array_equal(
        confusion_matrix(y_true, y_pred, labels=some), metrics.confusion_matrix(y_true, y_pred, labels=some)
    )


# ---- Report ---------------------------------------------------------------------------------------------------------


def test_the_report_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    y_true, y_pred = np.array([0, 1, 1, 2]), np.array([0, 1, 2, 2])
    assert classification_report(y_true, y_pred) == metrics.classification_report(y_true, y_pred)
    assert classification_report(y_true, np.eye(3)[y_pred], target_names=["a", "b", "c"], digits=3) == (
        metrics.classification_report(y_true, y_pred, target_names=["a", "b", "c"], digits=3)
    )


def test_without_scikit_learn_the_report_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(ImportError, match=r'pip install "fastnet-nn\[sklearn\]"'):
        classification_report([0], [0])
