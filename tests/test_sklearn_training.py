"""What MLPClassifier and MLPRegressor have beyond scikit-learn's, and the kinds of data that they take."""

import _thread
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy import sparse
from sklearn import neural_network
from sklearn.datasets import load_diabetes, load_digits, load_iris, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning

import fastnet as fn
from fastnet.callbacks import EarlyStopping, LambdaCallback, ModelCheckpoint, ReduceLROnPlateau
from fastnet.optimizers.base import optimizers
from fastnet.sklearn import MLPClassifier, MLPRegressor
from perceptrons import classifier, regressor, weights_of

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
X, KINDS = load_iris(return_X_y=True)
AGE, PROGRESS = load_diabetes(return_X_y=True)
PIXELS, DIGITS = load_digits(return_X_y=True)
RNG = np.random.default_rng(0)


# ---- Kinds of data --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array])
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8", "int64"])
def test_sparse_samples_give_what_dense_ones_give(form: Any, dtype: str) -> None:
    pixels = PIXELS[:300].astype(dtype)
    dense, thin = (classifier(max_iter=3).fit(rows, DIGITS[:300]) for rows in (pixels, form(pixels)))
    assert_allclose(weights_of(thin), weights_of(dense), rtol=1e-4 if dtype == "float32" else 1e-10)
    assert_allclose(thin.predict_proba(form(pixels)), dense.predict_proba(pixels), rtol=1e-4)


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_sparse_samples_are_never_made_dense(form: str, early_stopping: bool) -> None:
    wide = sparse.random_array((200, 200_000), density=1e-4, rng=RNG, format=form)  # 320 MB if it were dense
    model = regressor(hidden_layer_sizes=(2,), max_iter=2, early_stopping=early_stopping)
    tracemalloc.start()
    model.fit(wide, RNG.normal(size=200)).predict(wide)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert model.coefs_[0].shape == (200_000, 2)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32", "int64", "bool", ">f4", "float16", "longdouble"])
def test_numbers_of_any_type_give_what_float64_gives(dtype: str) -> None:
    pixels = PIXELS[:200].astype(dtype)
    model = classifier(max_iter=3).fit(pixels, DIGITS[:200])
    expected = classifier(max_iter=3).fit(pixels.astype(np.float64), DIGITS[:200])
    assert_array_equal(weights_of(model), weights_of(expected))
    assert_array_equal(model.predict_proba(pixels), expected.predict_proba(pixels.astype(np.float64)))


def test_bytes_are_read_where_they_are() -> None:
    pixels = RNG.integers(0, 255, (20_000, 400), np.uint8)  # 64 MB as float64
    model = regressor(hidden_layer_sizes=(4,), max_iter=1, batch_size=1000)
    tracemalloc.start()
    model.fit(pixels, np.arange(20_000) / 20_000).predict(pixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


def test_float32_stays_float32() -> None:
    model = classifier().fit(X.astype(np.float32), KINDS)
    assert {array.dtype for array in model.coefs_ + model.intercepts_} == {np.dtype(np.float32)}
    assert model.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert model.score(X, KINDS) > 0.9
    for dtype in ("float32", np.float32, np.dtype("float32")):
        assert_array_equal(classifier(dtype=dtype).fit(X, KINDS).coefs_[0].dtype, np.float32)
    assert classifier(dtype="float64").fit(X.astype(np.float32), KINDS).coefs_[0].dtype == np.float64
    lines = classifier(solver="lbfgs", dtype="float32", max_iter=200, tol=0.01).fit(X, KINDS)
    assert lines.coefs_[0].dtype == np.float32
    assert lines.score(X, KINDS) > 0.95


def test_names_of_columns_are_checked() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = classifier().fit(frame, KINDS)
    assert list(model.feature_names_in_) == list("abcd")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("badc")])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)


LABELS: dict[str, Any] = {
    "strings": np.array(["a", "bb", "ccc"])[KINDS],
    "objects": np.array(["a", "bb", "ccc"], object)[KINDS],
    "negative": -KINDS,
    "floats": KINDS * 2.0,
    "two": KINDS > 0,
    "categories": pd.Series(np.array(["x", "y", "z"])[KINDS], dtype="category"),
    "list": KINDS.tolist(),
}


@pytest.mark.parametrize("kind", LABELS)
def test_classes_can_be_anything(kind: str) -> None:
    labels = LABELS[kind]
    model = classifier().fit(X, labels)
    assert_array_equal(model.classes_, np.unique(labels))
    assert model.score(X, labels) > 0.9
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)
    assert_allclose(np.exp(model.predict_log_proba(X)), model.predict_proba(X))


def test_one_class_is_all_that_is_ever_found() -> None:
    assert set(classifier().fit(X, ["only"] * 150).predict(X)) == {"only"}


def test_labels_are_independent_of_each_other() -> None:
    samples, labels = make_multilabel_classification(random_state=0)
    model = classifier(max_iter=60).fit(samples, labels, eval_set=(samples, labels))
    assert model.predict(samples).shape == labels.shape
    assert model.score(samples, labels) == model.history_["val_accuracy"][-1] > 0.4
    thin = classifier(max_iter=60).fit(samples, sparse.csr_matrix(labels))
    assert_array_equal(weights_of(thin), weights_of(model))
    assert_array_equal(thin.predict(samples).toarray(), model.predict(samples))
    weighted = classifier(class_weight=[{0: 1, 1: 5}] * 5).fit(samples, labels)
    assert weighted.predict(samples).sum() > model.predict(samples).sum()


# ---- Validation and callbacks ---------------------------------------------------------------------------------------


def test_given_samples_are_scored_after_every_epoch() -> None:
    model = classifier(max_iter=8).fit(X[::2], KINDS[::2], eval_set=(X[1::2], KINDS[1::2]))
    probabilities = model.predict_proba(X[1::2])
    loss = -np.log(probabilities[np.arange(75), KINDS[1::2]]).mean()
    penalty = 0.5 * model.alpha * sum((array**2).sum() for array in model.coefs_) / 75
    assert model.validation_loss_curve_[-1] == pytest.approx(loss + penalty, rel=1e-6)
    assert list(model.history_) == ["loss", "val_loss", "val_accuracy"]
    assert model.history_["loss"] == model.loss_curve_
    assert model.history_["val_accuracy"][-1] == model.score(X[1::2], KINDS[1::2])
    assert_array_equal(weights_of(model), weights_of(classifier(max_iter=8).fit(X[::2], KINDS[::2])))
    assert model.validation_scores_ is None
    heavy = (X[1::2], KINDS[1::2], np.where(KINDS[1::2] == 0, 1.0, 1e-9))
    only = classifier(max_iter=8).fit(X[::2], KINDS[::2], eval_set=heavy)
    assert only.validation_loss_curve_[-1] != model.validation_loss_curve_[-1]


def test_early_stopping_goes_by_the_given_samples_and_keeps_the_best_weights() -> None:
    model = regressor(early_stopping=True, max_iter=300, n_iter_no_change=5)
    model.fit(AGE[::2], PROGRESS[::2], eval_set=(AGE[1::2], PROGRESS[1::2]))
    assert len(model.validation_scores_) == model.n_iter_ == len(model.validation_loss_curve_)
    assert model.score(AGE[1::2], PROGRESS[1::2]) == pytest.approx(max(model.validation_scores_))
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_loss_ is None


def test_callbacks_see_and_steer_training(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    rates: list[float] = []
    model = classifier(max_iter=100, learning_rate_init=0.05).fit(
        X,
        KINDS,
        eval_set=(X, KINDS),
        callbacks=[
            ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=0.01),
            ModelCheckpoint(path, monitor="val_accuracy", save_best_only=True),
            LambdaCallback(on_epoch_end=lambda epoch, logs: rates.append(logs["val_loss"])),
            stop := EarlyStopping("val_loss", patience=3, min_delta=0.003, restore_best_weights=True),
        ],
    )
    assert rates == model.validation_loss_curve_
    assert model.n_iter_ == stop.stopped_epoch + 1 < 100
    assert model._optimizer.learning_rate < 0.05
    best = rates.index(min(rates[: stop.best_epoch + 1]))
    assert best == stop.best_epoch
    probabilities = model.predict_proba(X)
    assert (probabilities.argmax(axis=1) == KINDS).mean() == model.history_["val_accuracy"][best]
    accuracy = (fn.load_model(path).predict(X).argmax(axis=1) == KINDS).mean()
    assert accuracy == max(model.history_["val_accuracy"])


def test_callbacks_know_what_is_better_for_the_scores_of_the_estimators() -> None:
    noise = np.random.default_rng(0).normal(size=len(X))
    for make, y, monitor in ((classifier, KINDS, "val_accuracy"), (regressor, noise, "val_r2")):
        stop = EarlyStopping(monitor, patience=3)
        model = make(max_iter=60, learning_rate_init=0.02).fit(X, y, eval_set=(X, y), callbacks=[stop])
        assert stop.best == max(model.history_[monitor])
        with pytest.raises(ValueError, match="could not infer the optimization direction of monitor='val_f1'"):
            make().fit(X, y, eval_set=(X, y), callbacks=[EarlyStopping("val_f1")])


def test_callbacks_of_batches_do_not_change_the_result() -> None:
    seen: list[tuple[int, float]] = []
    note = LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append((batch, logs["loss"])))
    for parameters in ({}, {"early_stopping": True}, {"shuffle": False}, {"dropout": 0.2, "batch_norm": True}):
        seen.clear()
        model = classifier(max_iter=2, batch_size=40, callbacks=note, **parameters).fit(X, KINDS)
        alone = classifier(max_iter=2, batch_size=40, **parameters).fit(X, KINDS)
        assert_array_equal(weights_of(model), weights_of(alone))
        assert_allclose(model.loss_curve_, alone.loss_curve_)
        assert [batch for batch, _ in seen] == [0, 1, 2, 3] * 2
        assert seen[3][1] == pytest.approx(model.loss_curve_[0])


def test_callbacks_can_stop_training_within_an_epoch() -> None:
    class Stop(fn.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = True

    model = classifier(callbacks=[Stop()], batch_size=10).fit(X, KINDS)
    assert model.n_iter_ == 1
    assert model.callbacks[0].model is None


class Broken(fn.callbacks.Callback):
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        raise RuntimeError("broken")


def test_an_error_of_a_callback_leaves_the_estimator_as_it_was_then() -> None:
    model = classifier(early_stopping=True)
    with pytest.raises(RuntimeError, match="broken"):
        model.fit(X, KINDS, callbacks=[Broken()])
    assert model.n_iter_ == 1
    assert model.predict(X).shape == (150,)
    assert_array_equal(weights_of(model.fit(X, KINDS)), weights_of(classifier(early_stopping=True).fit(X, KINDS)))


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}])
def test_an_interruption_keeps_the_weights(parameters: dict[str, Any]) -> None:
    def interrupt(epoch: int, logs: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    model = classifier(**parameters)
    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model.fit(X, KINDS, callbacks=[LambdaCallback(on_epoch_end=interrupt)])
    assert model.n_iter_ == 3
    if not parameters:
        assert_array_equal(weights_of(model), weights_of(classifier(max_iter=3).fit(X, KINDS)))
    assert model.predict(X).shape == (150,)


def test_control_c_ends_training_in_the_middle_of_an_epoch() -> None:
    large = RNG.normal(size=(20_000, 300))
    model = regressor(hidden_layer_sizes=(300, 300), max_iter=10_000, tol=0)
    threading.Timer(0.4, _thread.interrupt_main).start()
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(large, large[:, 0])
    assert np.isfinite(model.predict(large[:5])).all()


def test_too_few_epochs_are_told() -> None:
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        classifier(max_iter=2).fit(X, KINDS)
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        classifier(max_iter=2, solver="lbfgs").fit(X, KINDS)


# ---- Parameters beyond scikit-learn's -------------------------------------------------------------------------------


def test_classes_weigh_what_they_are_told() -> None:
    rare = np.r_[0:50, 50:55]
    samples, labels = X[rare, :1], KINDS[rare]  # they overlap
    by_weight = classifier(class_weight={0: 1.0, 1: 10.0}).fit(samples, labels)
    given = classifier().fit(samples, labels, np.where(labels == 1, 10.0, 1.0))
    assert_array_equal(weights_of(by_weight), weights_of(given))
    own = np.linspace(0.5, 2, len(labels))
    both = classifier(class_weight={0: 1.0, 1: 10.0}).fit(samples, labels, own)
    assert_array_equal(weights_of(both), weights_of(given.fit(samples, labels, own * np.where(labels == 1, 10.0, 1.0))))
    balanced = classifier(class_weight="balanced").fit(samples, labels)
    by_weight.set_params(class_weight={0: 55 / 100, 1: 55 / 10}).fit(samples, labels)
    assert_array_equal(weights_of(balanced), weights_of(by_weight))
    assert balanced.predict(samples).sum() > classifier().fit(samples, labels).predict(samples).sum()


def recorded_masks(rates: Any) -> NDArray[Any]:
    """Return the change of the last kernel by one step: 0 where a unit was left out."""
    settings = {
        "hidden_layer_sizes": (50, 200),
        "activation": "logistic",
        "solver": "sgd",
        "max_iter": 1,
        "batch_size": 1,
    }
    moved = regressor(**settings, alpha=0.0, dropout=rates).fit(AGE[:1], [1e6])
    start = regressor(**settings, alpha=0.0, learning_rate_init=1e-300).fit(AGE[:1], [1e6])
    return moved.coefs_[2][:, 0] - start.coefs_[2][:, 0]


def test_dropout_leaves_out_its_share_in_training_alone() -> None:
    assert np.mean(recorded_masks([0.0, 0.25]) == 0) == pytest.approx(0.25, abs=0.08)
    assert np.mean(recorded_masks(0.5) == 0) == pytest.approx(0.5, abs=0.09)
    assert np.mean(recorded_masks(0.0) == 0) == 0
    model = classifier(dropout=0.5).fit(X, KINDS)
    assert_array_equal(model.predict_proba(X), model.predict_proba(X))
    assert_array_equal(weights_of(model), weights_of(classifier(dropout=0.5).fit(X, KINDS)))
    assert_array_equal(weights_of(model), weights_of(classifier(dropout=[0.5]).fit(X, KINDS)))


def test_activations_are_those_of_each_layer() -> None:
    model = regressor(hidden_layer_sizes=(5, 4), activation=["gelu", "tanh"]).fit(AGE, PROGRESS)
    hidden = np.tanh(fn.gelu(AGE @ model.coefs_[0] + model.intercepts_[0]) @ model.coefs_[1] + model.intercepts_[1])
    assert_allclose(model.predict(AGE), (hidden @ model.coefs_[2] + model.intercepts_[2])[:, 0], rtol=1e-6)


def test_batch_normalization_predicts_with_what_it_learned() -> None:
    scaled = X * [1, 1000, 1e-3, 1] + 50
    model = classifier(batch_norm=True, max_iter=100).fit(scaled, KINDS)
    gamma, beta, mean, variance = model.batch_norms_[0]
    sums = (scaled @ model.coefs_[0] + model.intercepts_[0] - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    assert_allclose(
        model.predict_proba(scaled), fn.softmax(np.maximum(sums, 0) @ model.coefs_[1] + model.intercepts_[1])
    )
    assert_array_equal(model.predict_proba(scaled[:1]), model.predict_proba(scaled)[:1])
    assert model.loss_ < 0.5 < classifier(max_iter=100).fit(scaled, KINDS).loss_


def test_weights_decay() -> None:
    free, decayed = (regressor(solver="adamw", weight_decay=rate).fit(AGE, PROGRESS) for rate in (0.0, 5.0))
    assert np.linalg.norm(weights_of(decayed)) < 0.8 * np.linalg.norm(weights_of(free))


def test_a_schedule_gives_the_learning_rate() -> None:
    schedule = fn.schedules.PiecewiseConstantDecay([7], [0.02, 0.0])
    model = classifier(schedule=schedule, batch_size=40, max_iter=5).fit(X, KINDS)
    assert_array_equal(weights_of(model), weights_of(classifier(batch_size=40, max_iter=2).fit(X, KINDS)))


@pytest.mark.parametrize("solver", [*optimizers.names, "lbfgs"])
def test_every_solver_learns(solver: str) -> None:
    rates = {"adadelta": 1.0, "adagrad": 0.1, "lion": 0.005}
    model = classifier(solver=solver, learning_rate_init=rates.get(solver, 0.02), max_iter=200, alpha=0.1, tol=0.01)
    assert model.fit(X, KINDS).score(X, KINDS) > 0.9


def test_an_optimizer_is_a_solver_and_stays_as_it_was() -> None:
    optimizer = fn.optimizers.Adam(0.02, epsilon=1e-8)
    model = classifier(solver=optimizer).fit(X, KINDS)
    assert_array_equal(weights_of(model), weights_of(classifier().fit(X, KINDS)))
    assert optimizer.get_config() == fn.optimizers.Adam(0.02, epsilon=1e-8).get_config()
    assert model._optimizer is not optimizer


def test_n_threads_holds_in_the_calling_thread_alone() -> None:
    before = fn.get_num_threads()
    seen: list[int] = []
    note = LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(fn.get_num_threads()))
    model = regressor(n_threads=1, max_iter=2, callbacks=note).fit(AGE, PROGRESS)
    assert seen == [1, 1]
    assert fn.get_num_threads() == before
    assert_array_equal(weights_of(model), weights_of(regressor(n_threads=2, max_iter=2).fit(AGE, PROGRESS)))


# ---- Training again -------------------------------------------------------------------------------------------------


def test_a_warm_start_goes_on_with_the_weights() -> None:
    model = classifier(warm_start=True, max_iter=5).fit(X, KINDS)
    before, curve = weights_of(model), list(model.loss_curve_)
    model.fit(X, KINDS)
    assert model.loss_curve_[:5] == curve
    assert len(model.loss_curve_) == 10
    assert model.t_ == 1500
    assert np.abs(weights_of(model) - before).max() < 1


CHANGES: list[dict[str, Any]] = [
    {"activation": "tanh"},
    {"activation": ["gelu"]},
    {"dropout": 0.3},
    {"batch_norm": True},
    {"solver": "sgd", "learning_rate_init": 1e-3},
    {"alpha": 1.0},
    {"dtype": "float32"},
    {"n_threads": 1, "early_stopping": True},
    {"solver": "lbfgs", "max_iter": 20},
]


@pytest.mark.parametrize("before", [{}, {"dropout": 0.5, "batch_norm": True}], ids=["plain", "dropout"])
@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.filterwarnings("ignore:lbfgs")
def test_parameters_can_change_between_warm_starts(change: dict[str, Any], before: dict[str, Any]) -> None:
    def run() -> MLPClassifier:
        model = classifier(warm_start=True, max_iter=20, **before).fit(X, KINDS)
        after = {"dropout": 0.0, "batch_norm": False, **change} if change.get("solver") == "lbfgs" else change
        return model.set_params(**after).fit(X, KINDS)

    model = run()
    assert model.score(X, KINDS) > (0.3 if change.get("solver") == "sgd" else 0.6)
    assert len(model.batch_norms_) == bool(model.batch_norm)
    assert model.coefs_[0].dtype == model.predict_proba(X).dtype == (model.dtype or "float64")
    assert_array_equal(weights_of(model), weights_of(run()))


def test_the_loss_can_change_between_warm_starts() -> None:
    model = regressor(warm_start=True, max_iter=50).fit(AGE, PROGRESS / 100)
    model.set_params(loss="poisson").fit(AGE, PROGRESS / 100)
    assert model.out_activation_ == "exp"
    assert model.predict(AGE).min() > 0


@pytest.mark.parametrize("change", [{"alpha": 10.0}, {"solver": "sgd"}, {"learning_rate_init": 0.5}], ids=str)
def test_parameters_can_change_between_calls_of_partial_fit_as_in_scikit_learn(change: dict[str, Any]) -> None:
    models = [
        kind(random_state=0).partial_fit(X, KINDS, classes=[0, 1, 2])
        for kind in (MLPClassifier, neural_network.MLPClassifier)
    ]
    for model in models:
        model.set_params(**change).partial_fit(X, KINDS).partial_fit(X, KINDS)
    assert_allclose(weights_of(models[0]), weights_of(models[1]), rtol=1e-6)


def test_partial_fit_takes_parts_with_other_classes_in_each() -> None:
    model = classifier(batch_size=10)
    for _ in range(40):
        for kind in range(3):
            model.partial_fit(X[kind::3], KINDS[kind::3], classes=[0, 1, 2])
    assert model.score(X, KINDS) > 0.9
    assert model.t_ == 40 * 150
    assert len(model.loss_curve_) == 120
    heavier = MLPRegressor(random_state=0).partial_fit(AGE, PROGRESS, sample_weight=np.ones(442))
    assert_array_equal(weights_of(heavier), weights_of(MLPRegressor(random_state=0).partial_fit(AGE, PROGRESS)))
