"""Nothing that is passed to a network of the core crashes the process: it returns, or raises as documented."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from cases import DTYPES, activation, dense, rescaling
from fastnet import _core
from odd import ENDLESS_NAMES, ODD, REFUSALS, odd, returns_or_refuses

LAYERS = [rescaling(0.5, 0.1), dense(5, "tanh"), activation("sigmoid"), dense(3, "softmax")]
SGD = {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.0, "nesterov": 0.0, "weight_decay": 0.0}

# --- The core's networks ---------------------------------------------------------------------------------------------


def network(dtype: Any = np.float64, *, compiled: bool = True) -> Any:
    result = (_core.Network32 if dtype == np.float32 else _core.Network64)(4, LAYERS)
    rng = np.random.default_rng(2)
    result.set_parameters(rng.normal(size=result.get_parameters().size).astype(dtype))
    if compiled:
        result.compile("categorical_crossentropy", "categorical_accuracy", "sgd", SGD)
    return result


X = np.random.default_rng(3).normal(size=(10, 4))
Y = np.random.default_rng(4).integers(0, 3, size=10)
ONE_HOT = np.eye(3)[Y]


@pytest.mark.parametrize(
    ("input_size", "layers"),
    [
        (0, LAYERS),
        (-1, LAYERS),
        (2**62, LAYERS),
        ("4", LAYERS),
        (4.5, LAYERS),
        (4, None),
        (4, 7),
        (4, [None]),
        (4, [{}]),
        (4, [{"type": "lstm"}]),
        (4, [{"type": 3}]),
        (4, [{"type": "dense"}]),
        (4, [dense(0)]),
        (4, [dense(-3)]),
        (4, [dense(2**62)]),
        (4, [dense(2**63)]),
        (4, [dense(2**61), dense(2**61)]),
        (2**25, [dense(2**26)]),
        (4, [dense(2**20), dense(2**40)]),
        (4, [{**dense(3), "units": "3"}]),
        (4, [{**dense(3), "units": 2.5}]),
        (4, [{**dense(3), "units": None}]),
        (4, [dense(3, "rectifier")]),
        (4, [{**dense(3), "activation": None}]),
        (4, [activation("nothing")]),
        (4, [{"type": "rescaling", "scale": "a", "offset": 0.0}]),
    ],
    ids=lambda value: repr(value)[:60],
)
@pytest.mark.parametrize("kind", [_core.Network32, _core.Network64])
def test_network_that_cannot_be_is_refused(kind: Any, input_size: Any, layers: Any) -> None:
    with pytest.raises(REFUSALS, match=r"\w"):
        kind(input_size, layers)


def test_network_of_no_layers_passes_its_input_through() -> None:
    empty = _core.Network64(4, [])
    assert empty.output_size == 4
    assert empty.get_parameters().size == 0
    assert_array_equal(empty.predict(X, 3), X)
    empty.compile("mse", "", "adam", {"learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.99, "epsilon": 1e-7})
    assert empty.train_epoch(X, X, None, 3, None, None)[:2] == (4, 0.0)
    assert empty.loss_and_gradients(X, X + 1, None)[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "arguments",
    [
        ("regret", "", "sgd", SGD),
        ("mse", "f1", "sgd", SGD),
        ("mse", "", "lion", SGD),
        ("mse", "", "sgd", {}),
        ("mse", "", "adam", SGD),
        ("mse", "", "sgd", {**SGD, "learning_rate": "fast"}),
        ("mse", "", "sgd", {**SGD, "warmup": 1.0}),
        ("mse", "", "sgd", None),
        (None, "", "sgd", SGD),
    ],
)
def test_compiling_with_what_is_not_there_is_refused_and_changes_nothing(arguments: tuple[Any, ...]) -> None:
    core = network()
    core.train_epoch(X, Y, None, 5, None, None)
    state = core.get_optimizer_state()
    with pytest.raises((TypeError, ValueError), match=r"\w"):
        core.compile(*arguments)
    assert core.get_optimizer_state()[0] == state[0] == 2
    assert_array_equal(core.get_optimizer_state()[1], state[1])


def test_network_that_is_not_compiled_only_predicts() -> None:
    core = network(compiled=False)
    for call in (
        lambda: core.train_epoch(X, Y, None, 5, None, None),
        lambda: core.loss_and_gradients(X, Y, None),
        lambda: core.evaluate(X, Y, 5, None),
    ):
        with pytest.raises((RuntimeError, ValueError), match="compile"):
            call()
    assert core.predict(X, 3).shape == (10, 3)


BAD_X = {
    "columns": X[:, :3],
    "more columns": np.ones((10, 5)),
    "1-D": X[0],
    "3-D": X[None],
    "rows": X[:9],
    "complex": X + 1j,
    "big-endian": X.astype(">f4"),
    "objects": X.astype(object),
    "other byte order": X.astype(X.dtype.newbyteorder()),
    "float16": X.astype(np.float16),
    "None": None,
    "text": "x",
}
BAD_Y = {
    "rows": Y[:9],
    "label too large": np.where(np.arange(10) == 9, 3, Y),
    "label negative": np.where(np.arange(10) == 0, -1, Y),
    "label huge": np.full(10, 2**62),
    "no labels": Y[:0],
    "columns": ONE_HOT[:, :2],
    "one-hot rows": ONE_HOT[:9],
    "3-D": ONE_HOT[None],
    "complex": ONE_HOT + 1j,
    "objects": ONE_HOT.astype(object),
    "1-D floats": Y.astype(np.float64),
    "other byte order": Y.astype(Y.dtype.newbyteorder()),
    "None": None,
    "0-D": np.int64(1),
}
BAD_ORDER = {
    "too large": np.array([0, 10]),
    "negative": np.array([-1, 0]),
    "huge": np.array([2**62]),
    "2-D": np.zeros((2, 2), np.int64),
    "floats": np.zeros(3),
    "text": "abc",
}
BAD_BATCH_SIZE = {"zero": 0, "negative": -1, "float": 2.5, "None": None, "beyond 64 bits": 2**70}
BAD_WEIGHT = {
    "too few": np.ones(9),
    "too many": np.ones(11),
    "2-D": np.ones((10, 1)),
    "text": "a",
    "complex": np.ones(10) * 1j,
}
VALID = {"x": X, "y": Y, "order": None, "batch_size": 4, "sample_weight": None}
BAD_ARGUMENTS = {
    f"{argument}: {case}": {argument: value}
    for argument, cases in {
        "x": BAD_X,
        "y": BAD_Y,
        "order": BAD_ORDER,
        "batch_size": BAD_BATCH_SIZE,
        "sample_weight": BAD_WEIGHT,
    }.items()
    for case, value in cases.items()
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_training_on_what_does_not_fit_is_refused_and_changes_nothing(case: str, dtype: Any) -> None:
    given_ = {**VALID, **BAD_ARGUMENTS[case]}
    core = network(dtype)
    before = core.get_parameters()
    with pytest.raises((TypeError, ValueError), match=r"\w"):
        core.train_epoch(given_["x"], given_["y"], given_["order"], given_["batch_size"], given_["sample_weight"], None)
    assert_array_equal(core.get_parameters(), before)
    assert core.get_optimizer_state()[0] == 0
    if "order" in BAD_ARGUMENTS[case]:
        return
    with pytest.raises((TypeError, ValueError), match=r"\w"):
        core.evaluate(given_["x"], given_["y"], given_["batch_size"], given_["sample_weight"])
    if "batch_size" not in BAD_ARGUMENTS[case]:
        with pytest.raises((TypeError, ValueError), match=r"\w"):
            core.loss_and_gradients(given_["x"], given_["y"], given_["sample_weight"])
        with pytest.raises((TypeError, ValueError), match=r"\w"):
            core.differentiate(given_["x"], "loss", given_["y"], given_["sample_weight"])
    if {"y", "sample_weight"}.isdisjoint(BAD_ARGUMENTS[case]) and case != "x: rows":
        with pytest.raises((TypeError, ValueError), match=r"\w"):
            core.predict(given_["x"], given_["batch_size"])
        if "x" in BAD_ARGUMENTS[case]:
            with pytest.raises((TypeError, ValueError), match=r"\w"):
                core.differentiate(given_["x"], "outputs")


@pytest.mark.parametrize("batch_size", [10, 11, 2**31, 2**32 + 1, 2**62, 2**63 - 1])
def test_batch_larger_than_the_data_is_one_batch(batch_size: int) -> None:
    core, whole = network(), network()
    assert core.train_epoch(X, Y, None, batch_size, None, None)[0] == 1
    whole.train_epoch(X, Y, None, 10, None, None)
    assert_array_equal(core.get_parameters(), whole.get_parameters())
    assert core.evaluate(X, Y, batch_size, None) == whole.evaluate(X, Y, 10, None)
    assert_array_equal(core.predict(X, batch_size), whole.predict(X, 10))


def test_no_samples_give_no_steps_and_no_predictions() -> None:
    core = network()
    before = core.get_parameters()
    assert core.predict(X[:0], 4).shape == (0, 3)
    for function, arguments in (
        (core.train_epoch, (X[:0], Y[:0], None, 4, None, None)),
        (core.train_epoch, (X, Y, np.empty(0, np.int64), 4, None, None)),
        (core.evaluate, (X[:0], Y[:0], 4, None)),
        (core.loss_and_gradients, (X[:0], Y[:0], None)),
    ):
        returns_or_refuses(function, *arguments)
    assert_array_equal(core.get_parameters(), before)
    assert core.get_optimizer_state()[0] == 0


@settings(max_examples=300)
@given(x=odd, y=odd, weight=st.one_of(st.none(), odd), order=st.one_of(st.none(), odd), batch_size=st.integers(-3, 9))
def test_network_methods_with_odd_arrays(
    x: str, y: str, weight: str | None, order: str | None, batch_size: int
) -> None:
    core = network()
    x_, y_, weight_, order_ = (None if name is None else ODD[name] for name in (x, y, weight, order))
    assume(not {x, y} <= ENDLESS_NAMES)  # an epoch without end
    returns_or_refuses(core.train_epoch, x_, y_, order_, batch_size, weight_, None)
    returns_or_refuses(core.loss_and_gradients, x_, y_, weight_)
    returns_or_refuses(core.evaluate, x_, y_, batch_size, weight_)
    if x not in ENDLESS_NAMES:
        returns_or_refuses(core.predict, x_, batch_size)
        returns_or_refuses(core.differentiate, x_, "outputs")
        returns_or_refuses(core.differentiate, x_, "loss", y_, weight_)
    returns_or_refuses(core.set_parameters, x_)
    returns_or_refuses(core.set_optimizer_state, 1, x_)


def test_parameters_that_do_not_fit_are_refused() -> None:
    core = network()
    size = core.get_parameters().size
    before = core.get_parameters()
    for values, offset in (
        (np.zeros(size + 1), 0),
        (np.zeros(1), size),
        (np.zeros(1), -1),
        (np.zeros(2), 2**63 - 1),
        (np.zeros(2), -(2**63)),
        (np.zeros(size, np.float32), 0),
        (np.zeros((1, size)), 0),
        (np.zeros(size, complex), 0),
        (None, 0),
        ("a", 0),
    ):
        with pytest.raises((TypeError, ValueError, IndexError), match=r"\w"):
            core.set_parameters(values, offset)
    assert_array_equal(core.get_parameters(), before)
    core.set_parameters(np.full(2, 7.0), size - 2)
    assert_array_equal(core.get_parameters(), [*before[:-2], 7.0, 7.0])


def test_parameters_are_copies() -> None:
    core = network()
    values = core.get_parameters()
    before = values.copy()
    values[:] = 0.0
    assert_array_equal(core.get_parameters(), before)


def test_optimizer_state_that_does_not_fit_is_refused() -> None:
    core = network()
    core.train_epoch(X, Y, None, 5, None, None)
    step, state = core.get_optimizer_state()
    for bad_step, bad_state in (
        (-1, state),
        (step, state[:-1]),
        (step, np.append(state, 0)),
        (step, state.astype("f4")),
        (1, None),
    ):
        with pytest.raises((TypeError, ValueError), match=r"\w"):
            core.set_optimizer_state(bad_step, bad_state)
    assert core.get_optimizer_state()[0] == step
    assert_array_equal(core.get_optimizer_state()[1], state)


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, -np.inf, np.finfo(np.float64).max, np.finfo(np.float64).smallest_subnormal]
)
def test_parameters_of_any_value_compute_something(value: float) -> None:
    core = network()
    core.set_parameters(np.full(core.get_parameters().size, value))
    assert core.predict(X, 4).shape == (10, 3)
    steps, loss, accuracy, *_ = core.train_epoch(X, Y, None, 4, None, None)
    assert steps == 3
    assert isinstance(loss, float)
    assert 0.0 <= accuracy <= 1.0


def test_samples_of_any_value_compute_something() -> None:
    core = network()
    for value in (np.nan, np.inf, 1e308, -1e308):
        assert core.train_epoch(np.full((10, 4), value), Y, None, 4, np.full(10, value), None)[0] == 3
    assert core.predict(X, 4).shape == (10, 3)
