"""Validation of samples with scikit-learn's rules."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import validate_data

from fastnet._core import first_nonfinite_row
from fastnet.inputs.samples import CORE_DTYPES, Features, check_finite
from fastnet.inputs.sparse import as_sparse_rows, is_sparse
from fastnet.inputs.tables import refuse_dates
from fastnet.support.validation import check_number, describe, without_mask

# The dtypes that the core reads in place; others become float64, the first of these.
DTYPES = [np.dtype(np.float64), *(dtype for dtype in CORE_DTYPES if dtype != np.float64)]


def is_plain(estimator: Any, X: Any, dtype: str) -> bool:
    """Return whether `validate_data` can be skipped; it takes ten times as long as predicting one row.

    `dtype` is that of the network, which must be able to represent the numbers.
    """
    return (
        type(X) is np.ndarray
        and X.dtype in CORE_DTYPES
        and X.ndim == 2
        and X.shape[0] > 0
        and X.shape[1] == estimator.n_features_in_
        and not hasattr(estimator, "feature_names_in_")
        and (X.dtype.kind != "f" or first_nonfinite_row(X, dtype == "float32") < 0)
    )


def validated(estimator: Any, X: Any, *y: Any, **checks: Any) -> Any:
    """Return the result of `validate_data`, and refuse masked arrays and dates, which it treats as numbers."""
    X = without_mask("X", X)
    refuse_dates("X", X)
    y = tuple(without_mask("y", values) for values in y)
    if checks.get("y_numeric"):
        refuse_dates("y", *y)
    return validate_data(estimator, X, *y, **checks)


def check_range(dtype: str, **arrays: Any) -> None:
    """Refuse finite numbers that a float32 network cannot represent."""
    for name, array in arrays.items() if dtype == "float32" else ():
        if array is not None:
            check_finite(name, array, dtype)


def check_trained(estimator: Any, targets: Any, sample_weight: Any) -> None:
    """Raise ValueError if training failed: the weights are not finite, or still the initial ones."""
    arrays = [*estimator.coefs_, *estimator.intercepts_]
    if estimator.early_stopping and estimator._is_stochastic():  # it restores the weights with the best score
        scores = estimator.validation_scores_
        learned = not scores or np.isfinite(scores).any()
    else:
        learned = not np.isnan(getattr(estimator, "loss_", 0.0))
    if learned and all(np.isfinite(array).all() for array in arrays):
        return
    reason = ""
    try:
        check_range(estimator._architecture().dtype, y=targets, sample_weight=sample_weight)
    except ValueError as error:
        reason = f" In particular, {error}."
    raise ValueError(
        "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
        f"preprocessed.{reason}"
    )


def refuse_nan(outputs: NDArray[Any]) -> None:
    """Refuse outputs that are not finite: NaN would become the first class."""
    if (row := first_nonfinite_row(outputs, False)) >= 0:
        raise ValueError(
            f"the model's output for row {row} of X is not finite: its numbers are too large, or the weights are"
        )


def as_features(X: Any) -> Features:
    """Return checked samples in the form that the core reads."""
    return as_sparse_rows("X", X, "float64") if is_sparse(X) else X


def eval_samples(eval_set: Any) -> tuple[Any, Any, Any]:
    """Return X, y and the weights (or None) of `eval_set`, which may be a list with one tuple."""
    given = eval_set
    if isinstance(given, list) and given and (len(given) == 1 or all(isinstance(one, tuple) for one in given)):
        if len(given) > 1:
            raise ValueError(f"eval_set must be one set of samples; got a list of {len(given)}")
        given = given[0]
    if not isinstance(given, tuple | list) or len(given) not in (2, 3):
        got = f"{type(given).__name__} of {len(given)}" if isinstance(given, tuple | list) else type(given).__name__
        raise ValueError(f"eval_set must be (X, y) or (X, y, sample_weight); got {got} (a list may hold one of them)")
    X, y, *weight = given
    return X, y, weight[0] if weight else None


def weights_of_classes(class_weight: Any, classes: NDArray[Any], y: Any) -> NDArray[np.float64]:
    """Return the class weight of every sample.

    As in `compute_sample_weight`, strings that look like a number are equal to that number.

    Raises
    ------
    ValueError
        A weight is negative or not finite; or `class_weight` has labels that are not in `classes`, and lacks others.
    """
    for weights in class_weight if isinstance(class_weight, list) else [class_weight]:
        if isinstance(weights, Mapping):
            for label, weight in weights.items():
                check_number(f"class_weight[{label!r}]", weight, minimum=0.0)
    if y.ndim == 2:
        of_samples: NDArray[np.float64] = compute_sample_weight(class_weight, y)
        return of_samples
    codes = np.searchsorted(classes, y)
    if isinstance(class_weight, Mapping):
        labels = classes.tolist()
        unknown = [label for label in class_weight if label not in labels]
        lacking = [label for label in labels if label not in class_weight]
        if unknown and lacking:
            raise ValueError(
                f"The classes, {lacking}, are not in class_weight, which has weights of {unknown}: y has no such labels"
            )
        of_classes = np.array([class_weight.get(label, 1.0) for label in labels], np.float64)
    elif isinstance(class_weight, str) and class_weight == "balanced":
        counts = np.bincount(codes, minlength=len(classes))
        of_classes = len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    else:
        raise ValueError(f"class_weight must be a dictionary or 'balanced'; got {describe(class_weight)}")
    return np.asarray(of_classes[codes])
