"""Calibration of probabilities: of the predictions with a probability of 80%, 80% should be right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.metrics.reports import _labels
from fastnet.support.validation import check_integer, without_mask

__all__ = ["CalibrationBins", "calibration_bins", "class_calibration_bins", "expected_calibration_error"]


@dataclass(frozen=True)
class CalibrationBins:
    """Samples in bins of equal width, by the probability of the predicted class, or of one class.

    Attributes
    ----------
    edges : ndarray of shape (bins + 1,)
        The edges of the bins, from 0 to 1; a bin includes its upper edge.
    counts : ndarray of shape (bins,), int64
        The number of samples in each bin.
    confidence, accuracy : ndarray of shape (bins,)
        The mean probability of the predicted class, and the fraction of right predictions; or the mean probability of
        the one class, and the fraction of samples that belong to it. NaN in an empty bin.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def expected_error(self) -> float:
        """The expected calibration error: the mean over the samples of the bins' ``abs(accuracy - confidence)``."""
        gaps = np.abs(self.accuracy - self.confidence)
        return float((self.counts * np.nan_to_num(gaps)).sum() / self.counts.sum())


def calibration_bins(y_true: ArrayLike, y_prob: ArrayLike, *, n_bins: int = 15) -> CalibrationBins:
    """Sort samples into bins of equal width by the probability of the predicted class.

    Parameters
    ----------
    y_true : array_like of shape (n,), (n, 1) or (n, classes)
        The true labels, from 0 to the number of classes - 1, or one-hot rows.
    y_prob : array_like of shape (n, classes), (n, 1) or (n,)
        The probabilities of the classes; one column is the probability of class 1 of two.
    n_bins : int, default 15
        The number of bins.

    Returns
    -------
    CalibrationBins

    Raises
    ------
    ValueError
        The numbers of rows differ or are 0, or `y_prob` has a value outside of 0 to 1.

    Examples
    --------
    >>> from fastnet.metrics import calibration_bins
    >>> bins = calibration_bins([0, 1, 1, 1], [0.1, 0.4, 0.9, 0.9], n_bins=2)
    >>> bins.counts, bins.accuracy
    (array([0, 4]), array([ nan, 0.75]))
    """
    bins = check_integer("n_bins", n_bins)
    labels, probabilities = _checked(y_true, y_prob)
    predicted = probabilities.argmax(axis=1)
    return _binned(probabilities[np.arange(len(labels)), predicted], predicted == labels, bins)


def class_calibration_bins(y_true: ArrayLike, y_prob: ArrayLike, *, n_bins: int = 15) -> list[CalibrationBins]:
    """Sort samples into bins of equal width by the probability of each class.

    Parameters
    ----------
    y_true, y_prob, n_bins
        As for `calibration_bins`.

    Returns
    -------
    list of CalibrationBins
        One for each class; ``accuracy`` is the fraction of samples that belong to the class.

    Raises
    ------
    ValueError
        As `calibration_bins`.

    Examples
    --------
    >>> from fastnet.metrics import class_calibration_bins
    >>> _, second = class_calibration_bins([0, 1, 1, 1], [0.1, 0.4, 0.9, 0.9], n_bins=2)
    >>> second.counts, second.accuracy
    (array([2, 2]), array([0.5, 1. ]))
    """
    bins = check_integer("n_bins", n_bins)
    labels, probabilities = _checked(y_true, y_prob)
    return [_binned(column, labels == code, bins) for code, column in enumerate(probabilities.T)]


def _checked(y_true: ArrayLike, y_prob: ArrayLike) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Return the labels, and the probability of every class."""
    labels = _labels("y_true", y_true, probabilities=False)
    probabilities = np.asarray(without_mask("y_prob", y_prob), np.float64)
    if probabilities.ndim == 1 or probabilities.shape[1:] == (1,):
        positive = probabilities.reshape(-1)
        probabilities = np.stack([1.0 - positive, positive], axis=1)
    if probabilities.ndim != 2 or len(probabilities) != len(labels) or not len(labels):
        raise ValueError(
            f"y_prob must have a row for each of the {len(labels)} rows of y_true, at least one; "
            f"got shape {np.shape(y_prob)}"
        )
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError(
            f"y_prob must hold probabilities from 0 to 1; got {probabilities.min():g} to {probabilities.max():g}"
        )
    return labels, probabilities


def _binned(confidence: NDArray[np.float64], right: NDArray[np.bool_], bins: int) -> CalibrationBins:
    edges = np.linspace(0.0, 1.0, bins + 1)
    places = np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)
    counts = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(places, confidence, bins) / counts
        share = np.bincount(places, right, bins) / counts
    return CalibrationBins(edges, counts, mean, share)


def expected_calibration_error(y_true: ArrayLike, y_prob: ArrayLike, *, n_bins: int = 15) -> float:
    """Return the expected calibration error of probabilities, as Guo et al. define it.

    The samples are sorted into bins by the probability of the predicted class. The error is the mean over the samples
    of the absolute difference between the accuracy of a bin and its mean probability: 0 is best, 1 is worst.

    Parameters
    ----------
    y_true, y_prob, n_bins
        As for `calibration_bins`.

    Returns
    -------
    float

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, equation 3.

    Examples
    --------
    >>> from fastnet.metrics import expected_calibration_error
    >>> round(expected_calibration_error([0, 1, 1, 1], [0.1, 0.4, 0.9, 0.9]), 6)
    0.225
    """
    return calibration_bins(y_true, y_prob, n_bins=n_bins).expected_error
