"""Calibration: the bins and the expected error are those of the definition."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from fastnet.metrics import calibration_bins, expected_calibration_error


def test_calibration_bins_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(4), 500)
    probabilities[0] = [0.0, 1.0, 0.0, 0.0]
    labels = rng.integers(0, 4, 500)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = calibration_bins(labels, probabilities, n_bins=10)
    expected = 0.0
    for number in range(10):
        inside = (confidence > number / 10) & (confidence <= (number + 1) / 10)
        assert bins.counts[number] == inside.sum()
        if inside.any():
            assert_allclose(bins.accuracy[number], right[inside].mean())
            assert_allclose(bins.confidence[number], confidence[inside].mean())
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(labels, probabilities, n_bins=10) == pytest.approx(expected)
    assert expected_calibration_error(np.eye(4)[labels], np.eye(4)[labels]) == 0.0


def test_one_column_is_the_probability_of_class_1() -> None:
    y, p = [0, 1, 1, 0], [0.2, 0.7, 0.3, 0.9]
    two = np.stack([1 - np.array(p), p], axis=1)
    assert expected_calibration_error(y, p) == expected_calibration_error(y, two)
    assert expected_calibration_error(y, p, n_bins=2) == pytest.approx(0.275)


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"y_prob must hold probabilities from 0 to 1; got -1 to 2"):
        calibration_bins([0, 1], [-1.0, 2.0])
    with pytest.raises(ValueError, match="y_prob must have a row for each of the 2 rows of y_true"):
        calibration_bins([0, 1], [0.5])
