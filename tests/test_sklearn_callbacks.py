"""MLPClassifier and MLPRegressor with the callbacks of scikit-learn 1.9."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from perceptrons import classifier, weights_of

callback = pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks since 1.9")
pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")
X, KINDS = load_iris(return_X_y=True)


class Notes:
    """A callback that writes down what it is told, and stops after `last` tasks."""

    def __init__(self, last: int = 1000, fails: bool = False) -> None:
        self.told: list[str] = []
        self.weights: list[Any] = []
        self.last, self.fails = last, fails

    def setup(self, estimator: Any, context: Any) -> None:
        self.told.append("setup")

    def teardown(self, estimator: Any, context: Any) -> None:
        self.told.append("teardown")

    def on_fit_task_begin(self, estimator: Any, context: Any, *, X: Any = None, metadata: Any = None) -> None:
        assert len(X) == 150
        assert metadata is None or list(metadata) == ["sample_weight"]
        self.told.append(f"{context.task_name} begins")

    def on_fit_task_end(self, estimator: Any, context: Any, *, fitted_estimator: Any = None) -> bool:
        if self.fails:
            raise RuntimeError("the callback fails")
        self.told.append(f"{context.task_name} ends")
        self.weights.append(weights_of(fitted_estimator))
        return len(self.weights) == self.last


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_fit_is_a_task_with_one_for_each_epoch(solver: str) -> None:
    notes = Notes()
    model = classifier(max_iter=3, solver=solver).set_callbacks(notes).fit(X, KINDS, sample_weight=np.ones(150))
    name = "epoch" if solver == "adam" else "iteration"
    iterations = [f"{name} begins", f"{name} ends"] * 3
    assert notes.told == ["setup", "fit begins", *iterations, "fit ends", "teardown"]
    assert_array_equal(notes.weights[-1], weights_of(model))
    assert not np.array_equal(notes.weights[0], notes.weights[1])
    assert_array_equal(weights_of(classifier(max_iter=3, solver=solver).fit(X, KINDS)), weights_of(model))


def test_a_call_of_partial_fit_is_a_task_with_one_epoch() -> None:
    model = classifier().set_callbacks(notes := Notes())
    model.partial_fit(X, KINDS, classes=[0, 1, 2]).partial_fit(X, KINDS)
    assert notes.told == ["setup", "fit begins", "epoch begins", "epoch ends", "fit ends", "teardown"] * 2


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
def test_a_callback_can_stop_the_fit(solver: str) -> None:
    model = classifier(solver=solver).set_callbacks(notes := Notes(last=2)).fit(X, KINDS)
    assert model.n_iter_ == 2
    assert_array_equal(notes.weights[-1], weights_of(model))


def test_scores_of_every_epoch_are_monitored_within_a_pipeline() -> None:
    model = make_pipeline(StandardScaler(), clone(classifier(max_iter=4)))
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model[-1].set_callbacks(monitor)
    model.fit(X, KINDS)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 4
    assert scores[-1] == model.score(X, KINDS)


def test_an_error_of_a_callback_reaches_the_caller() -> None:
    model = classifier().set_callbacks(notes := Notes(fails=True))
    with pytest.raises(RuntimeError, match="the callback fails"):
        model.fit(X, KINDS)
    assert notes.told[-1] == "teardown"
    assert model.set_callbacks().fit(X, KINDS).score(X, KINDS) > 0.9
