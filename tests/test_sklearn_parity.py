"""The same numbers as scikit-learn's MLPClassifier and MLPRegressor, for the same random_state, in float64."""

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn import neural_network as theirs
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.utils.validation import has_fit_parameter

from fastnet import sklearn as ours

EPOCHS = 5
SOLVERS: list[dict[str, Any]] = [
    *({"solver": "sgd", "learning_rate": rate} for rate in ("constant", "invscaling", "adaptive")),
    {"solver": "sgd", "nesterovs_momentum": False, "momentum": 0.5},
    {"solver": "sgd", "momentum": 0.0, "alpha": 0.5},
    {"solver": "adam"},
    {"solver": "adam", "shuffle": False, "batch_size": 50},
    {"solver": "adam", "early_stopping": True},
    {"solver": "lbfgs"},
]
CLASSES = {
    "two classes": load_breast_cancer(return_X_y=True),
    "three classes": load_iris(return_X_y=True),
    "unscaled": load_wine(return_X_y=True),
    "labels": (load_digits().data, (load_digits().data[:, 20:25] > 5).astype(int)),
    "sparse": (sparse.csr_matrix(load_digits().data), load_digits().target),
}
AGE, PROGRESS = load_diabetes(return_X_y=True)
VALUES = {"one value": PROGRESS / 100, "three values": np.c_[PROGRESS, np.sqrt(PROGRESS), AGE[:, 0] ** 2] / 100}


def fitted(module: Any, name: str, parameters: dict[str, Any], *data: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of epochs that were too few to converge
        return getattr(module, name)(**parameters).fit(*data)


def assert_same(name: str, parameters: dict[str, Any], *data: Any) -> None:
    parameters = {"hidden_layer_sizes": (16, 8), "max_iter": EPOCHS, "random_state": 0, **parameters}
    mine, other = fitted(ours, name, parameters, *data), fitted(theirs, name, parameters, *data)
    for own, expected in zip(mine.coefs_ + mine.intercepts_, other.coefs_ + other.intercepts_, strict=True):
        assert_allclose(own, expected, rtol=1e-6)
    assert mine.loss_ == pytest.approx(other.loss_, rel=1e-8)
    for curve in ("loss_curve_", "validation_scores_"):
        assert_allclose(getattr(mine, curve, None) or [], getattr(other, curve, None) or [], rtol=1e-8)
    for attribute in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_"):
        assert getattr(mine, attribute) == getattr(other, attribute)
    for attribute in ("best_loss_", "best_validation_score_"):
        own, expected = getattr(mine, attribute, None), getattr(other, attribute, None)
        assert own is expected is None or own == pytest.approx(expected, rel=1e-8)
    assert_allclose(mine.predict(data[0]), other.predict(data[0]), rtol=1e-6)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_classifiers_learn_the_same_weights(solver: dict[str, Any], kind: str) -> None:
    assert_same("MLPClassifier", solver, *CLASSES[kind])


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_every_activation_is_the_same(solver: str, activation: str) -> None:
    assert_same("MLPClassifier", {"solver": solver, "activation": activation}, *CLASSES["three classes"])


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_regressors_learn_the_same_weights(solver: dict[str, Any], loss: str, kind: str) -> None:
    if "loss" not in theirs.MLPRegressor().get_params():
        pytest.skip("scikit-learn before 1.7 has no choice of the loss")
    parameters = {**solver, "loss": loss, "learning_rate_init": 1e-4}
    assert_same("MLPRegressor", parameters, AGE, VALUES[kind])


@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_weights_of_samples_count_the_same(solver: dict[str, Any]) -> None:
    if not has_fit_parameter(theirs.MLPClassifier, "sample_weight"):
        pytest.skip("scikit-learn before 1.7 has no sample_weight here")
    weight = np.random.default_rng(0).uniform(0, 3, 150)
    assert_same("MLPClassifier", solver, *CLASSES["three classes"], weight)
    assert_same("MLPRegressor", solver, AGE[:150], VALUES["three values"][:150], weight)


@pytest.mark.parametrize("solver", SOLVERS[:-2], ids=str)
def test_partial_fit_takes_the_same_steps(solver: dict[str, Any]) -> None:
    x, y = CLASSES["three classes"]
    both = []
    for module in (ours, theirs):
        model = module.MLPClassifier(random_state=0, **solver)
        for start in (0, 30, 60, 90):
            model.partial_fit(x[start : start + 60], y[start : start + 60], classes=[0, 1, 2])
        both.append(model)
    for own, expected in zip(both[0].coefs_, both[1].coefs_, strict=True):
        assert_allclose(own, expected, rtol=1e-6)
    assert_allclose(both[0].loss_curve_, both[1].loss_curve_, rtol=1e-8)


def test_training_until_it_converges_takes_as_many_epochs() -> None:
    x, y = CLASSES["three classes"]
    for parameters in (
        {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "tol": 0.01, "max_iter": 400},
        {"solver": "adam", "learning_rate_init": 0.02, "tol": 1e-3},
    ):
        mine, other = (fitted(m, "MLPClassifier", {"random_state": 1, **parameters}, x, y) for m in (ours, theirs))
        assert mine.n_iter_ == other.n_iter_ < parameters.get("max_iter", 200)
        assert_allclose(mine.loss_curve_, other.loss_curve_, rtol=1e-6)
