"""Metrics with Keras's names: figures that accumulate over batches, and reports on a whole data set.

Figures are computed in float64 and are those of all batches together, however the samples are split into batches. A NaN
in targets or predictions makes them NaN, even accuracies: such a prediction is neither right nor wrong.
"""

from typing import Any

from fastnet import losses
from fastnet.losses import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from fastnet.losses.base import losses as _losses
from fastnet.metrics.accuracy import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from fastnet.metrics.auc import AUC
from fastnet.metrics.base import Mean, Metric, Sum
from fastnet.metrics.base import metrics as _metrics
from fastnet.metrics.calibration import (
    CalibrationBins,
    calibration_bins,
    class_calibration_bins,
    expected_calibration_error,
)
from fastnet.metrics.confusion import (
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)
from fastnet.metrics.correlation import (
    ConcordanceCorrelation,
    PearsonCorrelation,
    concordance_correlation,
    pearson_correlation,
)
from fastnet.metrics.f_scores import F1Score, FBetaScore
from fastnet.metrics.functions import (
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from fastnet.metrics.iou import BinaryIoU, IoU, MeanIoU, OneHotIoU, OneHotMeanIoU
from fastnet.metrics.of_functions import FunctionMetric, MeanMetricWrapper, restored
from fastnet.metrics.of_losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    LossMetric,
    MeanAbsolutePercentageError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from fastnet.metrics.regression import MeanAbsoluteError, MeanSquaredError, R2Score, RootMeanSquaredError
from fastnet.metrics.reports import accuracy_score, classification_report, confusion_matrix
from fastnet.support.missing_names import explain_missing

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "BinaryIoU",
    "CalibrationBins",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "ConcordanceCorrelation",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "FunctionMetric",
    "Hinge",
    "IoU",
    "KLDivergence",
    "LogCoshError",
    "LossMetric",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanIoU",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "OneHotIoU",
    "OneHotMeanIoU",
    "PearsonCorrelation",
    "Poisson",
    "Precision",
    "PrecisionAtRecall",
    "R2Score",
    "Recall",
    "RecallAtPrecision",
    "RootMeanSquaredError",
    "SensitivityAtSpecificity",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SpecificityAtSensitivity",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "accuracy_score",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "calibration_bins",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "class_calibration_bins",
    "classification_report",
    "concordance_correlation",
    "confusion_matrix",
    "deserialize",
    "expected_calibration_error",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "pearson_correlation",
    "poisson",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]

explain_missing(__name__)

serialize = _metrics.serialize
deserialize = _metrics.deserialize


def get(identifier: Any) -> Metric:
    """Return the metric for a name such as "mae", a class, an object, its configuration, or a function of targets and predictions.

    The names of losses are metrics, too: the mean of the loss.

    Raises
    ------
    ValueError
        The name is unknown.
    NotImplementedError
        The name is one of Keras that fastnet does not have.
    """
    if isinstance(identifier, dict) and "function" in identifier:
        identifier = restored(identifier)
    if callable(identifier) and not isinstance(identifier, type | Metric):
        return FunctionMetric(identifier)
    if isinstance(identifier, str) and identifier in _losses and identifier not in _metrics:
        return LossMetric(losses.get(identifier), identifier)
    metric = _metrics.get(identifier)
    if isinstance(identifier, str):
        vars(metric)["name"] = identifier  # as in Keras, the history says "mae" if the program does
    return metric
