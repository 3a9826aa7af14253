"""What MLPClassifier and MLPRegressor refuse, in which words, and that they are of use afterwards."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.utils._param_validation import InvalidParameterError

import fastnet as fn
from perceptrons import classifier, regressor, weights_of

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")
X, KINDS = load_iris(return_X_y=True)
ONE_HOT = np.eye(3, dtype=int)[KINDS]
NAN = float("nan")

OUT_OF_RANGE: dict[str, list[Any]] = {
    "hidden_layer_sizes": [0, -1, 2.5, "8", None],
    "activation": ["nonsense", 3, None, np.tanh],
    "solver": ["nonsense", None, 3, fn.optimizers.Adam],
    "alpha": [-1, "a", None, NAN, np.inf],
    "batch_size": [0, -1, 2.5, "all", None],
    "learning_rate": ["fast", None, 0.1],
    "learning_rate_init": [0, -1, "a", None, NAN, np.inf],
    "power_t": [-1, "a", None, NAN],
    "max_iter": [0, -1, 2.5, "a", None, np.inf],
    "shuffle": ["yes", None, 3],
    "random_state": [-1, 2.5, "a", np.random.default_rng(0)],
    "tol": [-1, "a", None, NAN],
    "verbose": [-1, "a", None],
    "warm_start": ["a", None, 3],
    "momentum": [-1, 1.5, "a", None, NAN],
    "nesterovs_momentum": ["a", None],
    "early_stopping": ["a", None, 3],
    "validation_fraction": [-0.1, 1, "a", None, NAN],
    "beta_1": [-1, 1, "a", NAN],
    "beta_2": [-1, 1, "a", NAN],
    "epsilon": [0, -1, "a", NAN],
    "n_iter_no_change": [0, -1, 2.5, "a", None],
    "max_fun": [0, 2.5, "a", None],
    "dropout": [-0.1, 1, "a", None, NAN, np.array([0.1])],
    "batch_norm": ["a", None, 3],
    "weight_decay": [-1, "a", None, NAN, np.inf],
    "schedule": ["cosine", 0.1, fn.schedules.CosineDecay],
    "n_threads": [0, -1, 2.5, "a"],
    "dtype": ["float16", "nonsense", 3],
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_values_out_of_range_are_named(name: str) -> None:
    for value in OUT_OF_RANGE[name]:
        for kind in (classifier, regressor):
            with pytest.raises(
                InvalidParameterError, match=rf"The '{name}' parameter of MLP\w+ must be .* Got .* instead"
            ):
                kind(**{name: value}).fit(X, KINDS)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"hidden_layer_sizes": (3, -1)}, ValueError, r"hidden_layer_sizes must be > 0, got \[3, -1\]"),
        ({"hidden_layer_sizes": (2.5,)}, ValueError, r"a list of integers; got \(2\.5,\)"),
        ({"hidden_layer_sizes": [[3, 4]]}, ValueError, r"a list of integers; got \[\[3, 4\]\]"),
        ({"hidden_layer_sizes": np.array(8)}, ValueError, r"a list of integers; got array\(8\)"),
        ({"hidden_layer_sizes": ("8",)}, ValueError, r"a list of integers; got \('8',\)"),
        ({"activation": ["relu", "tanh"]}, ValueError, "activation must have one value for each of the 1 layers"),
        ({"activation": ["nonsense"]}, ValueError, "activation must be among .* got 'nonsense'"),
        ({"activation": [["relu"]]}, ValueError, r"activation must be among .* got \['relu'\]"),
        ({"dropout": [0.1, 0.2]}, ValueError, "dropout must have one value for each of the 1 layers .* got 2"),
        ({"dropout": [1.0]}, ValueError, r"dropout must be in \[0, 1\) for each layer; got 1\.0"),
        ({"dropout": [None]}, ValueError, r"dropout must be in \[0, 1\) for each layer; got None"),
        ({"dtype": int}, ValueError, "dtype must be 'float32', 'float64' or None"),
        ({"dtype": np.float16}, ValueError, "dtype must be 'float32', 'float64' or None"),
        ({"callbacks": [3]}, TypeError, r"callbacks must be objects of fastnet\.callbacks\.Callback; got 3"),
        ({"callbacks": fn.callbacks.EarlyStopping}, TypeError, "callbacks must be objects"),
        ({"callbacks": [fn.callbacks.BackupAndRestore("x")]}, ValueError, "not contain BackupAndRestore"),
        ({"class_weight": {7: 1}}, ValueError, r"The classes, \[0, 1, 2\], are not in class_weight"),
        ({"class_weight": "fair"}, InvalidParameterError, "'class_weight' parameter"),
        ({"n_threads": True}, TypeError, "n_threads must be an integer"),
        ({"solver": "lbfgs", "dropout": 0.5}, ValueError, "need a solver other than 'lbfgs'"),
        ({"solver": "lbfgs", "batch_norm": True}, ValueError, "need a solver other than 'lbfgs'"),
        ({"solver": "lbfgs", "callbacks": [fn.callbacks.History()]}, ValueError, "need a solver other than 'lbfgs'"),
        ({"early_stopping": True, "validation_fraction": 0.0}, ValueError, "test_size=0.0"),
        ({"early_stopping": True, "validation_fraction": 0.9999}, ValueError, "train set will be empty"),
    ],
)
def test_parameters_that_do_not_fit_are_explained(parameters: dict[str, Any], error: Any, message: str) -> None:
    model = classifier(**parameters)
    with pytest.raises(error, match=message):
        model.fit(X, KINDS)
    model.set_params(**{name: value for name, value in classifier().get_params().items() if name in parameters})
    assert_array_equal(weights_of(model.fit(X, KINDS)), weights_of(classifier().fit(X, KINDS)))


WRONG_DATA: dict[str, tuple[Any, ...]] = {
    "Input X contains NaN": (np.where(X > 5, NAN, X), KINDS),
    "Input X contains infinity": (np.where(X > 5, np.inf, X), KINDS),
    "Complex data not supported": (X + 1j, KINDS),
    "could not convert string to float": (np.full(X.shape, "a"), KINDS),
    "dim 3": (X[None], KINDS),
    "Expected 2D array, got 1D array": (X[:, 0], KINDS),
    r"0 sample\(s\)": (X[:0], KINDS[:0]),
    r"0 feature\(s\)": (X[:, :0], KINDS),
    "inconsistent numbers of samples": (X, KINDS[:3]),
    "requires y to be passed": (X, None),
    "Input y contains NaN": (X, np.where(KINDS == 0, NAN, 1.0)),
    "Unknown label type: continuous": (X, KINDS + 0.5),
    "Unknown label type: unknown": (X, KINDS.astype(object)),
    "Unknown label type: multiclass-multioutput|Multioutput target data is not": (X, np.c_[KINDS, KINDS]),
    "sample_weight.shape == ": (X, KINDS, np.ones(3)),
    "Input sample_weight contains NaN": (X, KINDS, np.full(150, NAN)),
}


@pytest.mark.parametrize("message", WRONG_DATA)
def test_data_that_cannot_be_are_explained(message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier().fit(*WRONG_DATA[message])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, "eval_set must be .X, y. or .X, y, sample_weight.; got ndarray"),
        ((X,), "eval_set must be"),
        ("ab", "eval_set must be"),
        ({"X": X, "y": KINDS}, "eval_set must be"),
        ((X[:, :3], KINDS), "X has 3 features, but MLPClassifier is expecting 4"),
        ((X, KINDS + 5), r"eval_set has classes that y does not have: \[5, 6, 7\]"),
        ((X, KINDS[:3]), "inconsistent numbers of samples"),
        ((X[:0], KINDS[:0]), r"0 sample\(s\)"),
        ((X, ONE_HOT), r"y must have one class for each sample, as in the previous fit; got shape \(150, 3\)"),
        ((X, KINDS, np.ones(2)), "sample_weight.shape"),
    ],
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_eval_sets_that_do_not_fit_are_explained(data: Any, message: str, early_stopping: bool) -> None:
    with pytest.raises(ValueError, match=message):
        classifier(early_stopping=early_stopping).fit(X, KINDS, eval_set=data)
    with pytest.raises(ValueError, match="callbacks and eval_set need a solver other than 'lbfgs'"):
        classifier(solver="lbfgs").fit(X, KINDS, eval_set=(X, KINDS))


@pytest.mark.parametrize(
    ("before", "later", "message"),
    [
        (KINDS, KINDS + 1, "y. has classes not in .self.classes_"),
        (KINDS > 0, KINDS, "y. has classes not in .self.classes_"),
        (KINDS, ONE_HOT, "one class for each sample"),
        (ONE_HOT, KINDS, "3 columns of 0 and 1"),
        (ONE_HOT, ONE_HOT[:, :2], "mismatch with the labels"),
        (ONE_HOT, np.c_[ONE_HOT, ONE_HOT], "y. has classes not in .self.classes_"),
    ],
)
def test_targets_of_another_kind_than_before_are_refused(before: Any, later: Any, message: str) -> None:
    model = classifier().fit(X, before)
    weights, predicted = weights_of(model), model.predict(X)
    with pytest.raises(ValueError, match=message):
        model.partial_fit(X, later)
    with pytest.raises(ValueError, match=r"warm_start|one class|columns"):
        model.set_params(warm_start=True).fit(X, later)
    with pytest.raises(ValueError, match="X has 3 features"):
        model.partial_fit(X[:, :3], before)
    assert_array_equal(weights_of(model), weights)
    assert_array_equal(model.predict(X), predicted)


def test_partial_fit_wants_to_know_all_classes() -> None:
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        classifier().partial_fit(X, KINDS)
    with pytest.raises(ValueError, match="is not the same as on last call"):
        classifier().partial_fit(X, KINDS, classes=[0, 1, 2]).partial_fit(X, KINDS, classes=[0, 1])
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        classifier(early_stopping=True).partial_fit(X, KINDS, classes=[0, 1, 2])
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'"):
        classifier(solver="lbfgs").partial_fit(X, KINDS, classes=[0, 1, 2])


def test_values_for_other_outputs_than_before_are_refused() -> None:
    model = regressor().fit(X[:, :3], X[:, 3])
    predicted = model.predict(X[:, :3])
    with pytest.raises(
        ValueError, match=r"y must have 1 values for each sample, as in the previous fit; got shape \(150, 2\)"
    ):
        model.partial_fit(X[:, :3], X[:, :2])
    with pytest.raises(ValueError, match="y must have 2 values"):
        regressor().fit(X, X[:, :2], eval_set=(X, X[:, 0]))
    assert_array_equal(model.predict(X[:, :3]), predicted)


def test_values_that_the_loss_cannot_take_are_refused() -> None:
    with pytest.raises(ValueError, match="y must not be negative for the loss 'poisson'; got -1"):
        regressor(loss="poisson").fit(X, KINDS - 1.0)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        regressor(dtype="float32").fit(X, KINDS * 1e300)
    with pytest.raises(ValueError, match="could not convert string to float"):
        regressor().fit(X, np.full(150, "a", object))


WRONG_WEIGHTS: dict[str, Any] = {
    "a layer is missing": lambda model: model.coefs_.pop(),
    "another width": lambda model: model.coefs_.__setitem__(0, np.zeros((4, 9))),
    "what could be broadcast": lambda model: model.coefs_.__setitem__(1, np.zeros((16, 1))),
    "other inputs": lambda model: model.coefs_.__setitem__(0, np.zeros((5, 16))),
    "a number": lambda model: model.coefs_.__setitem__(0, 0.0),
    "other outputs": lambda model: (model.coefs_.append(np.ones((3, 2))), model.intercepts_.append(np.ones(2))),
    "a short bias": lambda model: model.intercepts_.__setitem__(0, np.zeros(3)),
    "nothing": lambda model: setattr(model, "coefs_", None),
    "no layers": lambda model: (model.coefs_.clear(), model.intercepts_.clear()),
}


@pytest.mark.parametrize("kind", WRONG_WEIGHTS)
def test_weights_that_do_not_fit_are_refused_and_can_be_put_right(kind: str) -> None:
    model = classifier().fit(X, KINDS)
    expected = model.predict_proba(X)
    coefs, intercepts = [array.copy() for array in model.coefs_], [array.copy() for array in model.intercepts_]
    WRONG_WEIGHTS[kind](model)
    for use in (model.predict, model.predict_proba, lambda x: model.partial_fit(x, KINDS)):
        with pytest.raises(
            ValueError, match=r"coefs_ and intercepts_ must be lists of arrays .* from 4 inputs to 3 outputs"
        ):
            use(X)
    model.coefs_, model.intercepts_ = coefs, intercepts
    assert_array_equal(model.predict_proba(X), expected)


def test_values_of_batch_normalization_that_do_not_fit_are_refused() -> None:
    for spoil in (lambda norms: norms[0].pop(), lambda norms: norms[0].__setitem__(1, np.ones(3))):
        model = classifier(batch_norm=True).fit(X, KINDS)
        spoil(model.batch_norms_)
        with pytest.raises(ValueError, match="batch_norms_ must have gamma, beta, moving mean and moving variance"):
            model.predict(X)


def test_sparse_matrices_that_contradict_themselves_are_refused() -> None:
    model = classifier().fit(X, KINDS)
    for part, place, value in (("indices", 0, 1000), ("indices", 3, -5), ("indptr", 5, 10**6)):
        broken = sparse.csr_matrix(X)
        getattr(broken, part)[place] = value
        for use in (model.predict, lambda x: classifier().fit(x, KINDS)):
            with pytest.raises(ValueError, match="not a valid sparse matrix"):
                use(broken)


# ---- Unusual, but fine ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [classifier, regressor])
@pytest.mark.parametrize("parameters", [{}, {"batch_norm": True, "dropout": 0.5}, {"solver": "lbfgs"}], ids=str)
def test_one_sample_and_no_hidden_layer_are_enough(kind: Any, parameters: dict[str, Any]) -> None:
    parameters = {"batch_size": "auto", **parameters}
    assert kind(**parameters).fit(X[:1], KINDS[:1]).predict(X[:2]).shape == (2,)
    model = kind(hidden_layer_sizes=(), **parameters).fit(X, KINDS)
    assert [array.shape for array in model.coefs_] == [(4, 3 if kind is classifier else 1)]


def test_weights_of_samples_can_be_zero_and_negative() -> None:
    weight = np.where(KINDS == 0, 0.0, 1.0)
    model = classifier(batch_size=10, shuffle=False).fit(X, KINDS, weight)  # whole batches weigh nothing
    assert np.isfinite(weights_of(model)).all()
    assert 0 not in model.predict(X)
    assert np.isfinite(weights_of(classifier(max_iter=3).fit(X, KINDS, np.where(KINDS == 0, -0.1, 1.0)))).all()


def test_a_batch_larger_than_the_samples_is_cut() -> None:
    with pytest.warns(UserWarning, match="batch_size"):
        large = classifier(batch_size=2**70).fit(X, KINDS)
    assert_array_equal(weights_of(large), weights_of(classifier(batch_size=150).fit(X, KINDS)))


def test_callbacks_can_use_the_estimator_that_is_trained() -> None:
    class Curious(fn.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            assert self.model.predict(X).shape == (150, 3)
            assert model.predict(X).shape == (150,)
            assert model.to_sequential().count_params() == 131
            classifier(max_iter=1).fit(X, KINDS)

    model = classifier(max_iter=3)
    model.fit(X, KINDS, callbacks=[Curious()])
    assert_array_equal(weights_of(model), weights_of(classifier(max_iter=3).fit(X, KINDS)))


def test_a_mistyped_parameter_gets_the_closest() -> None:
    with pytest.raises(TypeError, match="did you mean 'hidden_layer_sizes'"):
        classifier(hiden_layer_sizes=(3,))
    with pytest.raises(ValueError, match="did you mean 'relu'"):
        classifier(hidden_layer_sizes=(3, 3), activation=["relu", "relru"]).fit(X, KINDS)
