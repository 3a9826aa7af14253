"""MLPClassifier and MLPRegressor inside scikit-learn's tools: pipelines, searches, ensembles, copies and files."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import BaggingClassifier, StackingRegressor, VotingClassifier
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes HalvingRandomSearchCV importable
from sklearn.inspection import PartialDependenceDisplay, permutation_importance
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, cross_val_score, cross_validate
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastnet as fn
from fastnet.sklearn import MLPClassifier, MLPRegressor
from perceptrons import classifier, regressor, weights_of

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
X, KINDS = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[KINDS]
AGE, PROGRESS = load_diabetes(return_X_y=True)
MEASURES = ["sepal length", "sepal width", "petal length", "petal width"]


def steps(**parameters: Any) -> Pipeline:
    return make_pipeline(StandardScaler(), classifier(**parameters))


# ---- Around the estimator -------------------------------------------------------------------------------------------


def test_pipelines_with_transformers_of_columns_take_frames() -> None:
    frame = pd.DataFrame(X, columns=MEASURES).assign(place=np.where(KINDS == 1, "north", "south"))
    columns = ColumnTransformer([("n", StandardScaler(), MEASURES), ("c", OneHotEncoder(), ["place"])])
    model = make_pipeline(columns, classifier()).set_output(transform="pandas")
    assert_array_equal(
        model.set_params(columntransformer__c__sparse_output=False).fit(frame, NAMES).classes_, NAMES[::50]
    )
    assert model.score(frame, NAMES) > 0.9
    assert list(model[-1].feature_names_in_)[:1] == ["n__sepal length"]


@pytest.mark.slow
def test_searches_in_processes_find_what_those_in_one_find() -> None:
    grid = {"mlpclassifier__hidden_layer_sizes": [(1,), (24, 8)], "mlpclassifier__dropout": [0.0, 0.1]}
    search = GridSearchCV(steps(), grid, cv=3, n_jobs=2).fit(X, NAMES)
    alone = GridSearchCV(steps(), grid, cv=3).fit(X, NAMES)
    assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert search.best_params_["mlpclassifier__hidden_layer_sizes"] == (24, 8)


def test_halving_gives_the_best_candidates_more_epochs() -> None:
    chosen = {"alpha": [1e-4, 1e-2, 1.0], "activation": ["relu", "gelu"]}
    search = HalvingRandomSearchCV(
        classifier(),
        chosen,
        n_candidates=4,
        resource="max_iter",
        min_resources=2,
        max_resources=20,
        cv=2,
        random_state=0,
    ).fit(X, NAMES)
    assert search.best_estimator_.n_iter_ == search.best_estimator_.max_iter > 2


def threads_of_the_worker(estimator: Any, X: Any, y: Any) -> float:
    return float(fn.get_num_threads())


@pytest.mark.slow
def test_processes_of_a_search_share_the_cores() -> None:
    threads = cross_val_score(classifier(max_iter=2), X, KINDS, scoring=threads_of_the_worker, cv=4, n_jobs=2)
    assert threads.max() <= max(1, joblib.cpu_count() // 2)


@pytest.mark.parametrize("n_threads", [None, 1])
def test_searches_in_threads_give_the_same_scores(n_threads: int | None) -> None:
    before = fn.get_num_threads()
    model = classifier(n_threads=n_threads, dropout=0.1, early_stopping=True)
    with joblib.parallel_config("threading", n_jobs=4):
        threads = cross_val_score(model, X, KINDS, cv=4)
    assert_array_equal(threads, cross_val_score(model, X, KINDS, cv=4))
    assert fn.get_num_threads() == before


def test_searches_within_searches_end() -> None:
    search = GridSearchCV(classifier(max_iter=3), {"alpha": [1e-4, 1.0]}, cv=2, n_jobs=2)
    with joblib.parallel_config("threading"):
        assert len(cross_val_score(search, X, KINDS, cv=2, n_jobs=2)) == 2


def test_one_estimator_predicts_in_several_threads_at_once() -> None:
    model = classifier(hidden_layer_sizes=(64, 64), max_iter=2).fit(X, KINDS)
    large = np.tile(X, (40, 1))
    expected = model.predict_proba(large)
    restored = pickle.loads(pickle.dumps(model))  # the threads make the network at the same time
    with ThreadPoolExecutor(4) as pool:
        for outputs in pool.map(restored.predict_proba, [large] * 8):
            assert_array_equal(outputs, expected)


def test_ensembles_take_it_for_a_classifier() -> None:
    calibrated = CalibratedClassifierCV(classifier(), cv=2).fit(X, NAMES, sample_weight=np.ones(150))
    voting = VotingClassifier([("a", classifier()), ("b", GaussianNB())], voting="soft")
    bagging = BaggingClassifier(classifier(), n_estimators=3, random_state=0)
    for model in (calibrated, voting, bagging):
        assert model.fit(X, NAMES).score(X, NAMES) > 0.9
        assert model.predict_proba(X).shape == (150, 3)


def test_ensembles_take_it_for_a_regressor() -> None:
    target = TransformedTargetRegressor(regressor(), transformer=StandardScaler())
    stacked = StackingRegressor([("net", target), ("ridge", Ridge())]).fit(AGE, PROGRESS)
    assert stacked.score(AGE, PROGRESS) > 0.4


def test_importance_and_dependence_are_shown() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    model = steps().fit(X, KINDS)
    importance = permutation_importance(model, X, KINDS, n_repeats=3, random_state=0).importances_mean
    assert set(np.argsort(importance)[-2:]) == {2, 3}  # those of the petals
    display = PartialDependenceDisplay.from_estimator(model, X, [2], target=0)
    dependence = display.pd_results[0]["average"][0]
    assert dependence[0] > dependence[-1]
    plt.close(display.figure_)


def test_metadata_reaches_fit() -> None:
    weight = np.where(KINDS == 0, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier().set_fit_request(sample_weight=True, eval_set=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        pipeline.fit(X, KINDS, sample_weight=weight, eval_set=(X, KINDS))
        assert len(pipeline[-1].validation_loss_curve_) == 30
        assert 0 not in pipeline.predict(X)
        scores = cross_validate(
            classifier().set_fit_request(sample_weight=True).set_score_request(sample_weight=True),
            X,
            KINDS,
            params={"sample_weight": weight + 1e-9},
        )
        assert scores["test_score"].min() > 0.8
        with pytest.raises(UnsetMetadataPassedError):
            cross_validate(classifier(), X, KINDS, params={"sample_weight": weight}, error_score="raise")


def test_notebooks_show_its_parameters() -> None:
    page = steps(dropout=0.25)._repr_html_()
    assert "MLPClassifier" in page
    assert "0.25" in page
    assert repr(classifier(dropout=0.25)).count("dropout=0.25") == 1
    assert repr(MLPRegressor()) == "MLPRegressor()"


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_parameters_are_those_of_scikit_learn_first(kind: Any) -> None:
    import inspect

    theirs = inspect.signature(getattr(sklearn.neural_network, kind.__name__)).parameters
    own = inspect.signature(kind).parameters
    names = [name for name in own if name in theirs]
    assert names == list(theirs)
    assert all(own[name].default == theirs[name].default and own[name].kind == theirs[name].kind for name in theirs)
    model = kind(dropout=0.5).set_params(alpha=1.0, activation=["tanh"])
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    assert (copied.alpha, copied.activation, copied.dropout) == (1.0, ["tanh"], 0.5)


# ---- Copies and files -----------------------------------------------------------------------------------------------


def dumped(model: Any, folder: Path) -> Any:
    joblib.dump(model, folder / "model.joblib")
    return joblib.load(folder / "model.joblib")


WAYS: dict[str, Any] = {
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "twice": lambda model, folder: pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(model)))),
    "deepcopy": lambda model, folder: copy.deepcopy(model),
    "copy": lambda model, folder: copy.copy(model),
    "joblib": dumped,
}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"solver": "sgd", "learning_rate": "invscaling"},
    {"dropout": [0.3], "batch_norm": True, "solver": "nadam"},
    {"dropout": 0.2, "schedule": fn.schedules.CosineDecay(0.01, 40), "solver": "adamw", "weight_decay": 0.01},
    {"dtype": "float32", "solver": fn.optimizers.Adam(0.01, use_ema=True, amsgrad=True)},
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("parameters", SETTINGS, ids=str)
def test_a_copy_trains_on_as_the_original_would(parameters: dict[str, Any], way: str, tmp_path: Path) -> None:
    def grow(model: Any, times: int, data: Any = X) -> Any:
        for _ in range(times):
            model.partial_fit(data, NAMES, classes=np.unique(NAMES))
        return model

    model = grow(classifier(batch_size=32, random_state=np.random.RandomState(0), **parameters), 3)
    expected = grow(classifier(batch_size=32, random_state=np.random.RandomState(0), **parameters), 5)
    other = WAYS[way](model, tmp_path)
    assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    if way == "copy":  # shares the generator, like all that is not a list of weights
        other.random_state = other._random_state = copy.deepcopy(other.random_state)
    other = grow(other, 2)
    assert_array_equal(weights_of(other), weights_of(expected))
    assert_array_equal(other.predict_proba(X), expected.predict_proba(X))
    grow(model, 2, X)
    assert_array_equal(weights_of(model), weights_of(expected))


def test_the_state_holds_nothing_compiled() -> None:
    log = fn.callbacks.EarlyStopping("loss", patience=50)
    model = classifier(callbacks=[log], n_threads=1).fit(X, NAMES)
    assert log.model is None
    for name, value in model.__getstate__().items():
        for part in value if isinstance(value, list | tuple) else [value]:
            assert not isinstance(part, fn.Sequential), name
    state = pickle.dumps(model)
    assert b"fastnet.models" not in state
    assert b"fastnet._core" not in state
    assert len(state) < 16_000


def test_what_is_fitted_again_forgets_what_was_before() -> None:
    model = classifier().fit(X[:, :2], NAMES)
    weights = weights_of(model.fit(X, KINDS))
    assert_array_equal(weights, weights_of(classifier().fit(X, KINDS)))
    assert_array_equal(weights, weights_of(model.fit(X, KINDS)))
    assert len(model.loss_curve_) == len(model.history_["loss"]) == 30
    assert not hasattr(clone(model), "coefs_")


def test_before_fit_there_is_nothing_to_predict_with() -> None:
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(NotFittedError):
            getattr(classifier(), method)(X)
    with pytest.raises(NotFittedError):
        regressor().to_sequential()
    broken = classifier(hidden_layer_sizes=(0,))
    with pytest.raises(ValueError, match="must be > 0"):
        broken.fit(X, KINDS)
    with pytest.raises(NotFittedError):
        broken.predict(X)


# ---- Weights are there to be seen and changed -----------------------------------------------------------------------


def test_changes_of_coefs_show_in_predictions() -> None:
    model = regressor().fit(AGE, PROGRESS)
    assert np.ptp(model.predict(AGE)) > 0
    model.coefs_[0][...] = 0.0
    assert np.ptp(model.predict(AGE)) == 0
    model.coefs_[1] = np.zeros((16, 1))
    model.intercepts_[1] = [3]
    assert_array_equal(model.predict(AGE[:2]), [3.0, 3.0])
    model.coefs_, model.intercepts_ = [np.eye(10)[:, :1], np.ones((1, 1), int)], [[1.0], np.zeros(1)]
    assert_array_equal(model.predict(AGE), np.maximum(AGE[:, 0] + 1, 0))
    model.set_params(activation="tanh")
    assert_array_equal(model.predict(AGE).round(12), np.tanh(AGE[:, 0] + 1).round(12))
    assert_array_equal(pickle.loads(pickle.dumps(model)).predict(AGE), model.predict(AGE))
    with pytest.raises(ValueError, match=r"hidden_layer_sizes must be those of the previous fit, \[1\], .* got \[16\]"):
        model.partial_fit(AGE, PROGRESS)
    assert model.set_params(hidden_layer_sizes=1).partial_fit(AGE, PROGRESS).coefs_[0][1, 0] != 0


def test_layers_can_be_exchanged() -> None:
    model = regressor(hidden_layer_sizes=(10, 10, 10), max_iter=2).fit(AGE, PROGRESS)
    coefs = [array.copy() for array in model.coefs_]
    model.coefs_[0], model.coefs_[1], model.coefs_[2] = model.coefs_[1], model.coefs_[2], model.coefs_[0]
    model.predict(AGE)
    for one, other in zip(model.coefs_, (coefs[1], coefs[2], coefs[0], coefs[3]), strict=True):
        assert_array_equal(one, other)


@pytest.mark.parametrize("parameters", [{"batch_norm": True, "dropout": 0.3}, {"activation": ["gelu", "logistic"]}, {}])
@pytest.mark.parametrize("kind", [classifier, regressor])
def test_the_sequential_predicts_the_same(kind: Any, parameters: dict[str, Any], tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=MEASURES)
    model = kind(hidden_layer_sizes=(8, 4), **parameters).fit(frame, NAMES if kind is classifier else KINDS)
    network = model.to_sequential()
    expected = model.predict_proba(frame) if kind is classifier else model.predict(frame)[:, None]
    assert_array_equal(network.predict(X), expected)
    network.save(tmp_path / "model.safetensors")
    loaded = fn.load_model(tmp_path / "model.safetensors")
    assert_array_equal(loaded.predict(X), expected)
    assert list(loaded.feature_names) == MEASURES
    assert loaded.class_names == (["setosa", "versicolor", "virginica"] if kind is classifier else None)
    network.fit(X, KINDS, epochs=1, verbose=0)
    assert_array_equal(model.predict(frame) if kind is regressor else model.predict_proba(frame), np.squeeze(expected))
