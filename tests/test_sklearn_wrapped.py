"""Any Sequential as an estimator of scikit-learn: what scikit-learn asks of one, and what the model is told."""

import pickle
import re
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastnet as fn
from fastnet.sklearn import FastnetClassifier, FastnetRegressor

IRIS, KINDS = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[KINDS]
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(120, 4)), RNG.normal(size=(120, 2))


def classify(n_classes: int, target_type: str, units: int = 16, single: bool = False) -> fn.Sequential:
    several = target_type == "multilabel-indicator"
    outputs, activation = (1, "sigmoid") if single and n_classes == 2 else (n_classes, "softmax")
    layers = [fn.Dense(units, "relu"), fn.Dense(outputs, "sigmoid" if several else activation)]
    model = fn.Sequential(layers, dtype="float64")
    model.compile(fn.optimizers.Adam(0.02))
    return model


def regress(n_outputs: int, random_state: int, units: int = 16) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(units, "relu"), fn.Dense(n_outputs)], dtype="float64", seed=random_state)
    model.compile(fn.optimizers.Adam(0.02), "mse")
    return model


def classifier(**parameters: Any) -> FastnetClassifier:
    return FastnetClassifier(**{"build_fn": classify, "epochs": 30, "random_state": 0, **parameters})


def regressor(**parameters: Any) -> FastnetRegressor:
    return FastnetRegressor(**{"build_fn": regress, "epochs": 3, "random_state": 0, **parameters})


# ---- scikit-learn's own checks --------------------------------------------------------------------------------------


CHECKS = parametrize_with_checks(
    [
        FastnetClassifier(classify, epochs=60, batch_size=128),
        FastnetClassifier(classify, epochs=60, batch_size=128, build_args={"single": True}),
        FastnetRegressor(regress, epochs=100, batch_size=256),
    ]
)


def name_of(part: Any) -> str:
    """Name an estimator or a check without the addresses of functions: the processes of pytest-xdist must agree on names."""
    return re.sub("at0x[0-9a-f]+", "", CHECKS.kwargs["ids"](part))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(*CHECKS.args, ids=name_of)
def test_scikit_learns_checks_of_estimators(estimator: Any, check: Any) -> None:
    check(estimator)


# ---- The model ------------------------------------------------------------------------------------------------------


def test_the_estimator_trains_as_the_model_does_by_itself() -> None:
    estimator = regressor(random_state=5, batch_size=16, build_args={"units": 7}).fit(X, Y)
    model = regress(2, random_state=5, units=7)
    history = model.fit(X, Y, batch_size=16, epochs=3, verbose=0)
    assert np.array_equal(estimator.predict(X), model.predict(X))
    assert estimator.history_ == history.history


def test_the_same_random_state_gives_the_same_model_where_the_function_takes_none() -> None:
    weights = [classifier(random_state=seed, epochs=2).fit(X, Y[:, 0] > 0).model_.get_weights() for seed in (3, 3, 4)]
    assert np.array_equal(weights[0][0], weights[1][0])
    assert not np.array_equal(weights[0][0], weights[2][0])
    np.random.seed(1)  # noqa: NPY002 - what random_state=None follows
    first = regressor(random_state=None).fit(X, Y).predict(X)
    np.random.seed(1)  # noqa: NPY002
    assert np.array_equal(regressor(random_state=None).fit(X, Y).predict(X), first)


def test_the_function_gets_what_it_has_parameters_for() -> None:
    told: list[dict[str, Any]] = []

    def build(**given: Any) -> fn.Sequential:
        told.append(given)
        return fn.Sequential([fn.Dense(given.get("n_classes") or given["n_outputs"], "softmax")])

    FastnetClassifier(build, random_state=7, build_args={"depth": 2}).fit(IRIS, NAMES)
    FastnetRegressor(build, random_state=np.random.RandomState(0)).fit(X, Y)
    assert told[0] == {"n_features_in": 4, "n_classes": 3, "target_type": "multiclass", "random_state": 7, "depth": 2}
    assert told[1] == {"n_features_in": 4, "n_outputs": 2, "random_state": 209652396}


def test_a_model_as_template_is_compiled_alike_and_stays_as_it_is() -> None:
    template = fn.Sequential([fn.Dense(8, "relu", input_shape=(4,)), fn.Dense(3, "softmax")], seed=0)
    template.compile(fn.optimizers.Adam(0.05), "categorical_crossentropy", ["accuracy"])
    before = template.get_weights()
    estimators = [
        clone(FastnetClassifier(template, epochs=40, random_state=seed)).fit(IRIS, NAMES) for seed in (1, 1, 2)
    ]
    assert all(np.array_equal(*pair) for pair in zip(before, template.get_weights(), strict=True))
    assert template.history is None
    assert estimators[0].score(IRIS, NAMES) > 0.9
    assert estimators[0].model_.get_compile_config() == template.get_compile_config()
    outputs = [estimator.predict_proba(IRIS) for estimator in estimators]
    assert np.array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])


@pytest.mark.parametrize(
    ("labels", "single", "loss"),
    [
        (KINDS, False, "sparse_categorical_crossentropy"),
        (KINDS > 0, False, "sparse_categorical_crossentropy"),
        (KINDS > 0, True, "binary_crossentropy"),
    ],
)
def test_a_model_without_a_loss_gets_the_one_that_fits(labels: NDArray[Any], single: bool, loss: str) -> None:
    estimator = classifier(build_args={"single": single}).fit(IRIS, labels)
    config = estimator.model_.get_compile_config()
    assert config is not None
    assert (config["loss"], config["optimizer"]["config"]["learning_rate"]) == (loss, 0.02)
    assert estimator.score(IRIS, labels) > 0.9


def test_the_models_file_has_the_names_of_classes_and_features(tmp_path: Path) -> None:
    import pandas as pd

    table = pd.DataFrame(IRIS, columns=["a", "b", "c", "d"])
    estimator = classifier().fit(table, NAMES)
    estimator.model_.save(tmp_path / "iris.safetensors")
    model = fn.load_model(tmp_path / "iris.safetensors")
    assert (model.class_names, model.feature_names) == (["setosa", "versicolor", "virginica"], ["a", "b", "c", "d"])
    assert list(estimator.feature_names_in_) == ["a", "b", "c", "d"]


def test_images_reach_a_model_that_takes_them() -> None:
    images = RNG.integers(0, 256, (60, 3, 4)).astype(np.uint8)
    template = fn.Sequential([fn.Rescaling(1 / 255, input_shape=(3, 4)), fn.Flatten(), fn.Dense(2, "softmax")])
    estimator = FastnetClassifier(template, epochs=2).fit(images, images[:, 0, 0] > 127)
    assert estimator.predict(images).shape == (60,)


# ---- Labels and probabilities ---------------------------------------------------------------------------------------


def test_labels_are_those_that_were_given() -> None:
    estimator = classifier().fit(IRIS, NAMES)
    assert list(estimator.classes_) == ["setosa", "versicolor", "virginica"]
    assert np.mean(estimator.predict(IRIS) == NAMES) > 0.95
    assert np.array_equal(estimator.predict_proba(IRIS), estimator.model_.predict(IRIS))
    assert np.array_equal(estimator.predict_log_proba(IRIS), np.log(estimator.predict_proba(IRIS)))


@pytest.mark.parametrize("outputs", [1, 2])
def test_logits_become_probabilities(outputs: int) -> None:
    template = fn.Sequential([fn.Dense(outputs)], seed=0)
    loss = fn.losses.BinaryCrossentropy if outputs == 1 else fn.losses.SparseCategoricalCrossentropy
    template.compile("adam", loss(from_logits=True))
    estimator = FastnetClassifier(template, epochs=2, random_state=0).fit(IRIS, KINDS > 1)
    probabilities, logits = estimator.predict_proba(IRIS), estimator.model_.predict(IRIS)
    difference = logits[:, -1] - (logits[:, 0] if outputs == 2 else 0)
    assert np.allclose(probabilities[:, 1], 1 / (1 + np.exp(-difference)), atol=1e-6)
    assert np.allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("loss", ["mse", "categorical_crossentropy", "binary_crossentropy"])
def test_losses_that_take_rows_get_them(loss: str) -> None:
    template = fn.Sequential([fn.Dense(16, "relu"), fn.Dense(3, "softmax")])
    template.compile(fn.optimizers.Adam(0.02), loss)
    assert FastnetClassifier(template, epochs=60, random_state=0).fit(IRIS, NAMES).score(IRIS, NAMES) > 0.9


def test_several_labels_of_a_sample_are_predicted_one_by_one() -> None:
    x, y = make_multilabel_classification(200, n_features=10, n_classes=4, random_state=0)
    x = StandardScaler().fit_transform(x)
    estimator = classifier().fit(x, sparse.csr_matrix(y))
    probabilities, predictions = estimator.predict_proba(x), estimator.predict(x)
    assert (estimator.target_type_, list(estimator.classes_)) == ("multilabel-indicator", [0, 1, 2, 3])
    assert np.array_equal(predictions, probabilities > 0.5)
    assert np.mean(predictions == y) > 0.85
    assert classifier(validation_split=0.2).partial_fit(x, y, classes=range(4)).predict(x).shape == y.shape


# ---- Weights --------------------------------------------------------------------------------------------------------


def test_a_whole_number_as_weight_is_as_good_as_copies() -> None:
    counts = RNG.integers(0, 4, 120)
    weighted = regressor(batch_size=1000).fit(X, Y, sample_weight=10.0 * counts)
    repeated = regressor(batch_size=1000).fit(X.repeat(counts, axis=0), Y.repeat(counts, axis=0))
    assert np.allclose(weighted.predict(X), repeated.predict(X), rtol=1e-9)
    assert weighted.score(X, Y, sample_weight=counts) != weighted.score(X, Y)


def test_weights_of_classes_multiply_those_of_samples() -> None:
    weight = RNG.uniform(1, 2, 150)
    balanced = np.where(KINDS > 1, 1.5, 0.75)
    by_class = classifier(class_weight="balanced").fit(IRIS, KINDS > 1, sample_weight=weight)
    by_hand = classifier().fit(IRIS, KINDS > 1, sample_weight=weight * balanced)
    assert np.array_equal(by_class.predict_proba(IRIS), by_hand.predict_proba(IRIS))
    few = classifier(class_weight={"virginica": 0.01}, epochs=60).fit(IRIS, NAMES).predict(IRIS)
    assert np.mean(few == "virginica") < 0.2


# ---- Validation and callbacks ---------------------------------------------------------------------------------------


def test_validation_samples_are_drawn_from_each_class() -> None:
    # The labels are sorted: the last tenth of them is one class, which a model cannot tell that has not seen it.
    histories = [
        classifier(validation_split=0.1, shuffle=shuffle).fit(IRIS, NAMES).history_ for shuffle in (True, False)
    ]
    assert histories[0]["val_loss"][-1] < 0.5
    model = fn.Sequential([fn.Dense(3, "softmax")], seed=0, dtype="float64")
    model.compile("adam", "sparse_categorical_crossentropy")
    ordered = FastnetClassifier(model, validation_split=0.1, shuffle=False, random_state=4).fit(IRIS, KINDS)
    history = fn.Sequential([fn.Dense(3, "softmax")], seed=4, dtype="float64")
    history.compile("adam", "sparse_categorical_crossentropy")
    alone = history.fit(IRIS, KINDS, validation_split=0.1, shuffle=False, verbose=0)
    assert ordered.history_ == alone.history


def test_a_given_validation_set_decides_when_training_stops() -> None:
    stop = fn.callbacks.EarlyStopping("val_loss", patience=2)
    estimator = classifier(epochs=300, callbacks=[stop]).fit(IRIS[::2], NAMES[::2], eval_set=(IRIS[1::2], NAMES[1::2]))
    assert 2 < len(estimator.history_["val_loss"]) < 300
    assert stop.model is None
    assert clone(estimator).callbacks[0] is not stop


def test_n_threads_limits_training_in_the_calling_thread_alone() -> None:
    before = fn.get_num_threads()
    seen: list[int] = []
    note = fn.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(fn.get_num_threads()))
    regressor(n_threads=1, callbacks=note).fit(X, Y).predict(X)
    assert seen == [1, 1, 1]
    assert fn.get_num_threads() == before


def test_an_interrupted_training_leaves_a_model() -> None:
    def interrupt(epoch: int, logs: Any) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    callback = fn.callbacks.LambdaCallback(on_epoch_end=interrupt)
    with pytest.warns(UserWarning, match="interrupted"):
        estimator = regressor(epochs=10, callbacks=callback).fit(X, Y)
    assert np.isfinite(estimator.predict(X)).all()


# ---- Training on ----------------------------------------------------------------------------------------------------


def test_a_warm_start_goes_on_where_training_ended() -> None:
    whole = regressor(epochs=4).fit(X, Y)
    halves = regressor(epochs=2, warm_start=True).fit(X, Y).fit(X, Y)
    assert np.array_equal(halves.predict(X), whole.predict(X))
    assert halves.history_ == whole.history_
    with pytest.raises(ValueError, match="2 columns"):
        halves.fit(X, Y[:, 0])


def test_partial_fit_takes_the_samples_once() -> None:
    one = regressor(epochs=1).fit(X, Y)
    assert np.array_equal(regressor(epochs=9).partial_fit(X, Y).predict(X), one.predict(X))
    estimator = classifier()
    for _ in range(30):
        for rows in (slice(0, 75), slice(75, 150)):
            estimator.partial_fit(IRIS[rows], NAMES[rows], classes=np.unique(NAMES))
    assert estimator.score(IRIS, NAMES) > 0.9
    assert len(estimator.history_["loss"]) == 60


@pytest.mark.parametrize("kept", ["pickle", "joblib"])
def test_a_fitted_estimator_goes_through_files_and_trains_on(kept: str, tmp_path: Path) -> None:
    estimator = classifier(callbacks=[fn.callbacks.EarlyStopping("loss")]).fit(IRIS, NAMES)
    if kept == "pickle":
        other = pickle.loads(pickle.dumps(estimator))
    else:
        joblib.dump(estimator, tmp_path / "estimator.joblib")
        other = joblib.load(tmp_path / "estimator.joblib", mmap_mode="r")
    assert np.array_equal(other.predict_proba(IRIS), estimator.predict_proba(IRIS))
    assert np.array_equal(
        other.partial_fit(IRIS, NAMES).predict(IRIS), estimator.partial_fit(IRIS, NAMES).predict(IRIS)
    )
    assert other.history_ == estimator.history_


# ---- scikit-learn's tools -------------------------------------------------------------------------------------------


def test_parameters_of_the_function_are_set_by_name() -> None:
    estimator = classifier(build_args={"units": 4})
    assert estimator.get_params()["build_args__units"] == 4
    given = estimator.build_args
    changed = clone(estimator).set_params(build_args__units=9, epochs=2)
    assert (changed.build_args, changed.epochs, given) == ({"units": 9}, 2, {"units": 4})
    assert clone(changed).fit(IRIS, NAMES).model_.layers[0].units == 9
    with pytest.raises(ValueError, match=r"arguments of classify: n_classes, target_type, units, single; got unitz"):
        estimator.set_params(build_args__unitz=9)


@pytest.mark.slow
def test_a_search_runs_in_several_processes() -> None:
    pipeline = make_pipeline(StandardScaler(), classifier(n_threads=1))
    grid = {"fastnetclassifier__build_args__units": [1, 24], "fastnetclassifier__batch_size": [16, 64]}
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=2).fit(IRIS, NAMES)
    alone = GridSearchCV(pipeline, grid, cv=3).fit(IRIS, NAMES)
    assert search.best_params_["fastnetclassifier__build_args__units"] == 24
    assert search.best_score_ > 0.93
    assert np.array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])


def test_searches_in_threads_seed_their_models_one_by_one() -> None:
    with joblib.parallel_config("threading", n_jobs=2):
        threads = cross_val_score(classifier(epochs=5), IRIS, NAMES, cv=4)
    assert np.array_equal(threads, cross_val_score(classifier(epochs=5), IRIS, NAMES, cv=4))


def test_sparse_samples_stay_sparse(monkeypatch: pytest.MonkeyPatch) -> None:
    x = sparse.random_array((80, 500), density=0.02, random_state=np.random.default_rng(0), format="csr")
    y = np.asarray(x.sum(axis=1)) > np.median(x.sum(axis=1))
    dense = classifier(validation_split=0.25).fit(x.toarray(), y).predict_proba(x.toarray())

    def refuse(*_: Any) -> None:
        raise AssertionError("made dense")

    for kind in (sparse.csr_array, sparse.csr_matrix):
        monkeypatch.setattr(kind, "toarray", refuse)
    for matrix in (x, sparse.csr_matrix(x), x.tocsc()):
        assert np.allclose(classifier(validation_split=0.25).fit(matrix, y).predict_proba(matrix), dense)


def test_weights_are_routed_through_a_pipeline() -> None:
    import sklearn

    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, classifier().set_fit_request(sample_weight=True))
        weight = np.where(NAMES == "setosa", 1.0, 0.0)
        assert np.mean(pipeline.fit(IRIS, NAMES, sample_weight=weight).predict(IRIS) == "setosa") == 1.0
    assert "FastnetClassifier" in classifier()._repr_html_()


# ---- Errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"build_fn": None}, TypeError, "build_fn must be a function that returns a Sequential, or a Sequential; got"),
        ({"build_fn": lambda: 3}, TypeError, r"build_fn must return a Sequential; got 3 \(int\)"),
        ({"build_args": 3}, TypeError, "build_args must be a dictionary"),
        (
            {"build_args": {"depth": 3}},
            ValueError,
            "arguments of classify: n_classes, target_type, units, single; got d",
        ),
        ({"build_fn": fn.Sequential(), "build_args": {"units": 1}}, ValueError, "build_args must be None if"),
        (
            {"build_fn": fn.Sequential([fn.Dense(2)])},
            ValueError,
            r"output_shape \(3,\) for y with 3 classes; got \(2,\)",
        ),
        (
            {"build_fn": fn.Sequential([fn.Dense(3, input_shape=(9,))])},
            ValueError,
            r"input_shape \(9,\); the samples of",
        ),
        ({"epochs": 1.5}, TypeError, "epochs must be an integer"),
        ({"validation_split": 1.5}, ValueError, "validation_split must be at least 0 and below 1"),
        ({"n_threads": 0}, ValueError, "n_threads must be at least 1"),
        ({"callbacks": [3]}, TypeError, "callbacks must be objects"),
    ],
)
def test_bad_parameters_are_refused_in_fit(parameters: dict[str, Any], error: type[Exception], message: str) -> None:
    estimator = classifier(**parameters)
    with pytest.raises(error, match=message):
        estimator.fit(IRIS, NAMES)
    assert not hasattr(estimator, "model_")


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        (NAMES, np.zeros(150), "must not all be zero"),
        (NAMES, -np.ones(150), "must not be negative; got -1"),
        (NAMES, np.ones(3), r"must have shape \(150,\), one weight for every row; got \(3,\)"),
        (np.ones(150), None, "at least 2 classes; got 1 class, 1.0"),
        (np.stack([KINDS, KINDS], axis=1), None, "one label for each sample"),
        (IRIS[:, 0], None, "Unknown label type"),
    ],
)
def test_bad_targets_and_weights_are_refused(y: Any, weight: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier().fit(IRIS, y, sample_weight=weight)


def test_a_function_that_returns_one_model_again_is_refused() -> None:
    model = fn.Sequential([fn.Dense(3, "softmax")])
    estimator = FastnetClassifier(lambda: model).fit(IRIS, NAMES)
    with pytest.raises(ValueError, match="a new Sequential each time"):
        estimator.fit(IRIS, NAMES)


def test_labels_that_come_later_are_refused() -> None:
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier().partial_fit(IRIS, NAMES)
    with pytest.raises(ValueError, match="needs all samples at once"):
        classifier(class_weight="balanced").partial_fit(IRIS, NAMES, classes=np.unique(NAMES))
    estimator = classifier(warm_start=True).partial_fit(IRIS[:100], NAMES[:100], classes=np.unique(NAMES[:100]))
    with pytest.raises(ValueError, match=r"labels of classes_.*got \['virginica'\]"):
        estimator.fit(IRIS, NAMES)
    with pytest.raises(ValueError, match="classes must be those of the first call"):
        estimator.partial_fit(IRIS, NAMES, classes=np.unique(NAMES))


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("fastnet.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'pip install "fastnet-nn\[sklearn\]"'):
        import fastnet.sklearn  # noqa: F401


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("of_y", "expected"),
    [(np.float64, np.float64), (np.int64, np.float64), (np.float32, None)],
    ids=str,
)
def test_predicted_values_are_float64_unless_all_is_float32(of_y: Any, expected: Any, dtype: str) -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    for y in (np.arange(20).astype(of_y), np.ones((20, 2), of_y)):
        model = fn.Sequential([fn.Dense(1 if y.ndim == 1 else 2)], dtype=dtype)
        regressor = FastnetRegressor(model, epochs=1, random_state=0).fit(x, y)
        predicted = regressor.predict(x)
        assert predicted.dtype == np.dtype(expected or dtype)
        assert predicted.shape == y.shape
        assert np.array_equal(predicted.reshape(20, -1), regressor.model_.predict(x))
        assert regressor.model_.dtype == dtype
