"""scikit-learn's checks of estimators, for MLPClassifier and MLPRegressor with every kind of solver."""

from typing import Any

import pytest
from sklearn import neural_network
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator, parametrize_with_checks

from fastnet import optimizers
from fastnet.sklearn import MLPClassifier, MLPRegressor


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [
        MLPClassifier(),
        MLPRegressor(),
        MLPClassifier(solver="sgd"),
        MLPRegressor(solver="sgd"),
        MLPClassifier(solver=optimizers.RMSprop(0.003), activation=["gelu"], hidden_layer_sizes=[50]),
        MLPRegressor(activation=["silu", "tanh"], hidden_layer_sizes=(40, 20), weight_decay=1e-4),
    ]
)
def test_estimators_pass(estimator: Any, check: Any) -> None:
    check(estimator)


# Its searches of lines take five times as long; a stronger penalty keeps probabilities from being rounded to 1.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([MLPClassifier(solver="lbfgs", alpha=0.1, max_iter=60), MLPRegressor(solver="lbfgs")])
def test_estimators_with_lbfgs_pass(estimator: Any, check: Any) -> None:
    check(estimator)


HELD_OUT = {
    **dict.fromkeys(
        ["check_fit_score_takes_y", "check_n_features_in_after_fitting", "check_estimators_partial_fit_n_features"],
        "partial_fit refuses early_stopping, as scikit-learn's does",
    ),
    **dict.fromkeys(
        (
            "check_estimators_nan_inf",
            "check_classifiers_one_label",
            "check_regressors_no_decision_function",
            "check_fit2d_1feature",
        ),
        "there are too few samples to hold some out",
    ),
    **dict.fromkeys(
        [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")],
        "a sample that is repeated can be held out once, one with a weight cannot",
    ),
    "check_class_weight_classifiers": "the weights hold for the score, too, which is perfect before all samples are right",
}
SINGLE = dict.fromkeys(
    [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")],
    "the sums of float32 differ by more than the 1e-7 that are allowed",
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize(
    ("parameters", "reasons"),
    [({"early_stopping": True, "n_iter_no_change": 30}, HELD_OUT), ({"dtype": "float32"}, SINGLE)],
    ids=["early_stopping", "float32"],
)
def test_estimators_fail_only_what_cannot_be(kind: Any, parameters: dict[str, Any], reasons: dict[str, str]) -> None:
    results = check_estimator(kind(**parameters), on_fail=None)
    failed = {result["check_name"] for result in results if result["status"] == "failed"}
    assert failed <= set(reasons)
    assert len(results) - len(failed) > 50


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_no_check_of_scikit_learns_class_is_left_out(kind: Any) -> None:
    theirs = getattr(neural_network, kind.__name__)
    own, expected = (
        [getattr(check, "func", check).__name__ for _, check in estimator_checks_generator(cls())]
        for cls in (kind, theirs)
    )
    assert set(own) >= set(expected)
    assert len(own) >= len(expected) > 50
