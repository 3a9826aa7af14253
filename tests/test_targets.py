"""Targets that a loss is not defined for are refused, and so are weights of labels that there are not."""

from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.layers import Dense
from toy import LABELS, ONE_HOT, X, assert_same, classifier, regressor

# --- What losses are defined for -------------------------------------------------------------------------------------


def fitted_or_refused(loss: str, y: Any, outputs: int, method: str) -> Any:
    """Give targets to a method of a new model, and return what it returns."""
    model = fn.Sequential([Dense(outputs, "sigmoid", input_shape=(4,))], seed=0)
    model.compile("sgd", loss)
    if method == "validation_data":
        valid = np.full((30, outputs), 1 / outputs) if outputs > 1 else np.ones((30, 1))
        return model.fit(X, valid, validation_data=(X, y), verbose=0)
    if method == "fit of batches":
        return model.fit(iter([(X, y)]), verbose=0)
    return getattr(model, method)(X, y)


METHODS = [
    "fit",
    "evaluate",
    "train_on_batch",
    "test_on_batch",
    "loss_and_gradients",
    "gradients",
    "validation_data",
    "fit of batches",
]
SIGNS = np.where(np.arange(30) % 2, 1, -1)
OTHER_TARGETS: dict[str, tuple[str, Any, str]] = {
    "labels 1 and 2": (
        "binary_crossentropy",
        SIGNS // 2 + 2,
        "2 in row 1; binary_crossentropy takes targets from 0 to 1",
    ),
    "signs": ("binary_crossentropy", SIGNS, "-1 in row 0; binary_crossentropy takes targets from 0 to 1"),
    "bytes": ("binary_focal_crossentropy", np.maximum(SIGNS, 0) * np.uint8(255), "255 in row 1; binary_focal_cross"),
    "a fraction of a margin": ("hinge", SIGNS * 0.5, "-0.5 in row 0; hinge takes targets -1 and 1, or 0 and 1"),
    "signs and 0": ("hinge", np.append(SIGNS[1:], 0), "0 in row 29; hinge takes targets -1 and 1"),
    "labels 1 and 2 of margins": ("hinge", SIGNS // 2 + 2, "2 in row 1; hinge"),
    "rows of bytes": ("categorical_crossentropy", ONE_HOT * 255, "255, 0, 0 in row 0; .* takes one-hot rows"),
    "several labels": ("sparse_categorical_crossentropy", np.maximum(ONE_HOT, ONE_HOT[:, [1, 2, 0]]), "add up to 1"),
    "no label": ("categorical_focal_crossentropy", np.where(LABELS[:, None] == 1, 0, ONE_HOT), "0, 0, 0 in row 1"),
    "rows of signs": ("categorical_hinge", 2 * ONE_HOT - 1, "in row 0; categorical_hinge takes one-hot rows"),
    "counts": ("kl_divergence", 3 * ONE_HOT, "3, 0, 0 in row 0; kl_divergence takes one-hot rows"),
    "negative counts": ("poisson", SIGNS, "-1 in row 0; poisson takes targets that are not negative"),
    "negative numbers": (
        "msle",
        SIGNS,
        "-1 in row 0; mean_squared_logarithmic_error takes targets that are not negative",
    ),
}


OF_GRADIENTS = ["loss_and_gradients", "gradients"]  # which take rows of any sum


@pytest.mark.parametrize(
    ("case", "method"),
    [
        (case, method)
        for case, (_, y, _) in OTHER_TARGETS.items()
        for method in METHODS
        if np.ndim(y) == 1 or method not in OF_GRADIENTS
    ],
)
def test_targets_that_the_loss_is_not_defined_for_are_refused(case: str, method: str) -> None:
    loss, y, message = OTHER_TARGETS[case]
    with pytest.raises(ValueError, match=f"y( of .*)? has .*{message}"):
        fitted_or_refused(loss, y, 1 if np.ndim(y) == 1 else 3, method)


def test_loss_and_gradients_take_rows_that_add_up_to_anything_as_weights() -> None:
    once, thrice = (
        fitted_or_refused("categorical_crossentropy", y, 3, "loss_and_gradients") for y in (ONE_HOT, 3 * ONE_HOT)
    )
    assert thrice[0] == pytest.approx(3 * once[0])
    for of_thrice, of_once in zip(thrice[1], once[1], strict=True):
        np.testing.assert_allclose(of_thrice, 3 * of_once, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("method", OF_GRADIENTS)
def test_negative_weights_are_refused_where_gradients_take_weights(method: str) -> None:
    with pytest.raises(ValueError, match="in row 0; categorical_crossentropy takes targets that are not negative"):
        fitted_or_refused("categorical_crossentropy", 2 * ONE_HOT - 1, 3, method)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("binary_crossentropy", SIGNS > 0),
        ("binary_crossentropy", np.where(SIGNS > 0, 0.9, 0.1)),
        ("binary_crossentropy", np.where(SIGNS > 0, np.float32(1 + 1e-6), 0)),
        ("binary_focal_crossentropy", (SIGNS > 0)[:, None].astype(np.uint8)),
        ("hinge", SIGNS),
        ("hinge", SIGNS > 0),
        ("hinge", np.ones(30)),
        ("hinge", -np.ones(30)),
        ("categorical_crossentropy", ONE_HOT * 0.7 + 0.1),
        ("categorical_crossentropy", (ONE_HOT * 0.7 + 0.1).astype(np.float16)),
        ("kl_divergence", ONE_HOT * 0.7 + 0.1),
        ("categorical_hinge", ONE_HOT.astype(bool)),
        ("categorical_hinge", LABELS),
        ("poisson", np.arange(30) / 2),
        ("msle", np.arange(30)),
        ("mse", SIGNS * 1e6),
        ("mape", SIGNS * 0),
        ("cosine_similarity", SIGNS),
        ("quantile", SIGNS * 5),
    ],
)
def test_targets_that_the_loss_is_defined_for_are_taken(loss: str, y: Any) -> None:
    outputs = 3 if loss.startswith(("categorical", "kl")) else 1
    assert np.isfinite(fitted_or_refused(loss, y, outputs, "evaluate"))


def test_smoothed_labels_are_refused_by_what_they_were_before() -> None:
    model = fn.Sequential([Dense(1, "sigmoid", input_shape=(4,))])
    model.compile("sgd", fn.losses.BinaryCrossentropy(label_smoothing=0.2))
    model.evaluate(X, SIGNS > 0, verbose=0)
    with pytest.raises(ValueError, match="takes targets from 0 to 1"):
        model.evaluate(X, SIGNS, verbose=0)


def test_rows_of_targets_are_shown_as_far_as_they_are_short() -> None:
    model = fn.Sequential([Dense(40, "softmax", input_shape=(4,))])
    model.compile("sgd", "categorical_crossentropy")
    with pytest.raises(ValueError, match=r"y has (1, ){10}\.\.\. in row 0"):
        model.evaluate(X, np.ones((30, 40)))


@pytest.mark.parametrize("dtype", ["float64", ">f8", "longdouble"])
def test_targets_and_weights_beyond_float32_are_refused_without_a_warning(dtype: str) -> None:
    huge = np.where(np.arange(30) == 8, 1e300, 1.0).astype(dtype)
    model = regressor(1)
    with pytest.raises(ValueError, match="y has a number in row 8 that is too large for float32"):
        model.fit(X, huge)
    with pytest.raises(ValueError, match="sample_weight has a number in row 8 that is too large for float32"):
        model.fit(X, X[:, 0], sample_weight=huge)
    with pytest.raises(ValueError, match=r"y has label 1e\+300 at row 8"):
        classifier().fit(X, huge)
    wide = fn.Sequential([Dense(1, input_shape=(4,))], dtype="float64")
    wide.compile("sgd", "mae")
    assert wide.evaluate(X, huge.astype(float), verbose=0) > 1e298


def test_a_label_that_is_missing_is_named() -> None:
    for missing in ("None", "nan"):
        labels: list[Any] = [0, 1, None if missing == "None" else float("nan")] * 10
        with pytest.raises((TypeError, ValueError), match="row 2"):
            classifier().fit(X, labels)


# --- Weights of classes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "y", "weight", "message"),
    [
        ("sparse_categorical_crossentropy", LABELS, {3: 2.0}, "labels that no sample can have: 3; labels are 0 to 2"),
        ("categorical_crossentropy", ONE_HOT, {-1: 2.0, 7: 1.0}, "can have: -1, 7; labels are 0 to 2"),
        ("binary_crossentropy", SIGNS > 0, {1: 1.0, 2: 2.0}, "can have: 2; labels are 0 and 1"),
        ("hinge", SIGNS, {0: 1.0, 1: 2.0}, "can have: 0; labels are -1 and 1"),
        ("hinge", SIGNS > 0, {-1: 1.0}, "can have: -1; labels are 0 and 1"),
        ("mse", LABELS, {5: 1.0}, "can have: 5; labels are those in y"),
        ("mse", X[:, 0], {0: 1.0}, "class_weight needs targets that are labels; y has "),
        (
            "binary_crossentropy",
            np.ones((30, 3)),
            {0: 1.0},
            r"one label for every sample; y has \[1.0, 1.0, 1.0\] in row 0",
        ),
        ("binary_crossentropy", np.zeros((30, 3)), {0: 1.0}, "one label for every sample"),
        ("mse", np.maximum(ONE_HOT, ONE_HOT[:, [1, 2, 0]]), {0: 1.0}, "one label for every sample"),
        ("binary_crossentropy", SIGNS > 0, {0: 1e300}, "class_weight times sample_weight has a NaN or an infinity"),
        ("binary_crossentropy", SIGNS > 0, {0: np.nan}, r"class_weight\[0\] must be at least 0; got nan"),
    ],
)
def test_weights_of_labels_that_there_are_not_are_refused(loss: str, y: Any, weight: Any, message: str) -> None:
    outputs = 1 if np.ndim(y) == 1 and "categorical" not in loss else 3
    for method in ("fit", "train_on_batch"):
        model = fn.Sequential([Dense(outputs, "linear", input_shape=(4,))], seed=0)
        model.compile("sgd", loss)
        with pytest.raises(ValueError, match=message):
            getattr(model, method)(X, y, class_weight=weight)


@pytest.mark.parametrize("weight", [{-1: 3.0}, {-1: 3.0, 1: 1.0}, {-1.0: 3.0, True: 1.0}, {np.int8(-1): 3.0}])
def test_labels_of_class_weights_are_whole_numbers_of_any_type(weight: Any) -> None:
    models = []
    for keywords in ({"class_weight": weight}, {"sample_weight": np.where(SIGNS < 0, 3.0, 1.0)}):
        model = fn.Sequential([Dense(1, input_shape=(4,))], seed=0)
        model.compile("sgd", "hinge")
        model.fit(X, SIGNS, verbose=0, **keywords)
        models.append(model)
    assert_same(*models)


@pytest.mark.parametrize(
    ("loss", "rows"),
    [
        ("binary_crossentropy", ONE_HOT * 0.8 + 0.1),
        ("hinge", 2 * ONE_HOT - 1),
        ("mse", ONE_HOT * 2 - 3),
        ("mse", ONE_HOT),
    ],
)
def test_the_label_of_a_row_is_its_largest_target(loss: str, rows: Any) -> None:
    models = []
    for keywords in ({"class_weight": {1: 4.0}}, {"sample_weight": np.where(LABELS == 1, 4.0, 1.0)}):
        model = fn.Sequential([Dense(3, "sigmoid", input_shape=(4,))], seed=0)
        model.compile("sgd", loss)
        model.fit(X, rows, verbose=0, **keywords)
        models.append(model)
    assert_same(*models)
