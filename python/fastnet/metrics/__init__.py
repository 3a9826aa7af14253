"""Metrics with Keras's names: figures that accumulate over batches, and reports on a whole data set.

Figures are computed in float64 and are those of all batches together, however the samples are split into batches. A NaN
in targets or predictions makes them NaN, even accuracies: such a prediction is neither right nor wrong.
"""

from typing import Any

from fastnet.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from fastnet.metrics.base import FunctionMetric, Mean, Metric
from fastnet.metrics.base import metrics as _metrics
from fastnet.metrics.calibration import CalibrationBins, calibration_bins, expected_calibration_error
from fastnet.metrics.confusion import AUC, F1Score, Precision, Recall
from fastnet.metrics.regression import MeanAbsoluteError, MeanSquaredError, R2Score, RootMeanSquaredError
from fastnet.metrics.reports import accuracy_score, classification_report, confusion_matrix
from fastnet.support.missing_names import explain_missing

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "CalibrationBins",
    "CategoricalAccuracy",
    "F1Score",
    "FunctionMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "R2Score",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "accuracy_score",
    "calibration_bins",
    "classification_report",
    "confusion_matrix",
    "deserialize",
    "expected_calibration_error",
    "get",
    "serialize",
]

explain_missing(__name__)

serialize = _metrics.serialize
deserialize = _metrics.deserialize


def get(identifier: Any) -> Metric:
    """Return the metric for a name such as "mae", a class, an object, its configuration, or a function of targets and predictions.

    Raises
    ------
    ValueError
        The name is unknown.
    NotImplementedError
        The name is one of Keras that fastnet does not have.
    """
    if isinstance(identifier, dict) and "function" in identifier:
        raise ValueError(
            f"a metric is the Python function {identifier['function']!r}, which a file cannot contain: pass it in "
            "custom_objects, or load the model with compile=False"
        )
    is_class = isinstance(identifier, type)
    if callable(identifier) and not is_class and not isinstance(identifier, Metric):
        return FunctionMetric(identifier)
    metric = _metrics.get(identifier)
    if isinstance(identifier, str):
        vars(metric)["name"] = identifier  # as in Keras, the history says "mae" if the program does
    return metric
