"""Nothing that is passed from Python crashes the process: every call returns, or raises TypeError, ValueError or MemoryError."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided
from numpy.testing import assert_array_equal

import fastnet as fn
from cases import DTYPES, LAYOUTS, activation, dense, rescaling
from fastnet import _core
from fastnet import functional as F

REFUSALS = (TypeError, ValueError, MemoryError)
# More bytes than any address space has, so that allocating fails at once and nothing is ever filled.
ENDLESS = 2**58

LAYERS = [rescaling(0.5, 0.1), dense(5, "tanh"), activation("sigmoid"), dense(3, "softmax")]
SGD = {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.0, "nesterov": 0.0, "weight_decay": 0.0}


def returns_or_refuses(function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
    """Return what the call returns, or None for one of the accepted exceptions; any other one is a failure."""
    try:
        return function(*arguments, **keywords)
    except REFUSALS:
        return None


def writable(value: Any) -> Any:
    """Return a copy of an array, so that a function that writes into it leaves the next test alone."""
    return value.copy() if isinstance(value, np.ndarray) else value


# --- Odd arrays to every function ------------------------------------------------------------------------------------


def odd_arrays() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    plain = rng.normal(size=(4, 6))
    return {
        "plain": plain,
        "float32": plain.astype(np.float32),
        "scalar": 3.0,
        "0-D": np.float32(2.0).reshape(()),
        "1-D": plain[0],
        "3-D": rng.normal(size=(2, 3, 4)),
        "32-D": np.ones((1,) * 32),
        "no rows": np.empty((0, 6)),
        "no columns": np.empty((4, 0)),
        "nothing": np.empty((0, 0), np.float32),
        "empty 1-D": np.empty(0),
        "empty 3-D": np.empty((0, 3, 0)),
        "one row": plain[:1],
        "one column": plain[:, :1],
        "Fortran": np.asfortranarray(plain),
        "reversed": plain[::-1, ::-1],
        "far apart": as_strided(np.zeros(1), (1, 1), (2**60, -(2**60))),
        "no rows, far apart": as_strided(np.zeros(1), (0, 6), (2**62, 2**62)),
        "zero strides": np.broadcast_to(1.5, (4, 6)),
        "overlapping": as_strided(np.arange(9.0), (4, 6), (8, 8)),
        "endless": np.broadcast_to(np.float64(1.0), (ENDLESS, 1)),
        "endless columns": np.broadcast_to(np.float32(1.0), (1, ENDLESS)),
        "other byte order": plain.astype(plain.dtype.newbyteorder()),
        "unaligned": LAYOUTS["unaligned"](plain),
        "float16": plain.astype(np.float16),
        "long double": plain.astype(np.longdouble),
        "complex": plain + 1j,
        "bool": plain > 0,
        "uint8": np.arange(24, dtype=np.uint8).reshape(4, 6),
        "int64": np.arange(24).reshape(4, 6),
        "uint64": np.full((4, 6), 2**64 - 1, np.uint64),
        "objects": np.array([[None, "a"], [1.5, []]], object),
        "numbers as objects": plain.astype(object),
        "text": np.array([["a", "b"]]),
        "bytes": np.array([[b"a"]]),
        "dates": np.array(["2026-01-01"], "M8[D]"),
        "records": np.zeros(3, [("a", "f4"), ("b", "i8")]),
        "masked": np.ma.masked_array(plain, plain > 0),
        "not finite": np.array([[np.nan, np.inf], [-np.inf, 1.0]]),
        "huge": np.full((3, 3), np.finfo(np.float64).max),
        "ragged list": [[1.0], [1.0, 2.0]],
        "empty list": [],
        "None": None,
        "string": "abc",
        "dictionary": {"a": 1},
    }


ODD = odd_arrays()
ENDLESS_NAMES = {"endless", "endless columns"}  # not to be read from one end to the other
odd = st.sampled_from(sorted(ODD))
ACTIVATIONS = ["linear", "relu", "leaky_relu", "sigmoid", "tanh", "softmax"]
LOSSES = ["mse", "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("x", ODD)
def test_activation_of_an_odd_array(name: str, x: str) -> None:
    result = returns_or_refuses(getattr(F, name), ODD[x])
    assert result is None or (np.shape(result) == np.shape(ODD[x]) and result.dtype in (np.float32, np.float64))


@pytest.mark.parametrize("name", ACTIVATIONS)
@settings(max_examples=150)
@given(gradient=odd, out=odd)
def test_gradient_of_odd_arrays(name: str, gradient: str, out: str) -> None:
    result = returns_or_refuses(getattr(F, f"{name}_backward"), ODD[gradient], ODD[out])
    assert result is None or np.shape(result) == np.shape(ODD[out])


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=150)
@given(y_true=odd, y_pred=odd)
def test_loss_of_odd_arrays(name: str, y_true: str, y_pred: str) -> None:
    assume(not {y_true, y_pred} <= ENDLESS_NAMES)
    value = returns_or_refuses(getattr(F, name), ODD[y_true], ODD[y_pred])
    assert value is None or isinstance(value, float)
    result = returns_or_refuses(getattr(F, f"{name}_backward"), ODD[y_true], ODD[y_pred])
    assert result is None or np.shape(result) == np.shape(ODD[y_pred])


@settings(max_examples=500)
@given(
    a=odd,
    b=odd.filter(lambda name: name not in ENDLESS_NAMES),
    out=st.one_of(st.none(), odd.filter(lambda name: name not in ENDLESS_NAMES)),
    transpose_a=st.booleans(),
    transpose_b=st.booleans(),
    alpha=st.sampled_from([1.0, np.nan, np.inf, 1e300, None, "a"]),
    beta=st.sampled_from([0.0, 1.0, np.nan, None]),
)
def test_gemm_of_odd_arrays(
    a: str, b: str, out: str | None, transpose_a: bool, transpose_b: bool, alpha: Any, beta: Any
) -> None:
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "alpha": alpha, "beta": beta}
    for x, y in ((ODD[a], ODD[b]), (ODD[b], ODD[a])):
        destination = None if out is None else writable(ODD[out])
        result = returns_or_refuses(fn.gemm, x, y, out=destination, **options)
        assert result is None or result.ndim == 2


@pytest.mark.parametrize(
    "x", ["float32", "float16", "other byte order", "long double", "bool", "uint8", "int64", "masked"]
)
def test_numbers_of_any_type_give_the_values_of_floats(x: str) -> None:
    expected = np.tanh(np.asarray(ODD[x], np.float64))
    result = fn.tanh(ODD[x])
    np.testing.assert_allclose(result, expected, rtol=4 * np.finfo(result.dtype).eps)


def test_output_that_cannot_be_written_is_refused() -> None:
    a = np.ones((2, 2))
    for out in (
        LAYOUTS["read-only"](a),
        np.broadcast_to(1.0, (2, 2)),
        a.astype(">f8"),
        a.astype("f4"),
        a[:1],
        a[0],
        [1],
        "a",
    ):
        with pytest.raises((TypeError, ValueError), match="out"):
            fn.gemm(a, a, out=out)


# --- The core's own functions ----------------------------------------------------------------------------------------


CORE_FUNCTIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "gemm": lambda a, b: _core.gemm(a, b, False, True, 1.0, 0.0, None),
    "gemm out": lambda a, b: _core.gemm(np.ones((4, 6)), np.ones((6, 6)), False, False, 1.0, 1.0, a),
    "activation": lambda a, b: _core.activation("softmax", a, 0.0),
    "activation_backward": lambda a, b: _core.activation_backward("tanh", a, b, 0.0),
    "loss": lambda a, b: _core.loss("mse", a, b),
    "loss_backward": lambda a, b: _core.loss_backward("categorical_crossentropy", a, b),
    "first_nonfinite_row": lambda a, b: _core.first_nonfinite_row(a),
}


@pytest.mark.parametrize("function", CORE_FUNCTIONS)
@settings(max_examples=150)
@given(a=odd.filter(lambda name: name not in ENDLESS_NAMES), b=odd)
def test_core_function_of_odd_arrays(function: str, a: str, b: str) -> None:
    returns_or_refuses(CORE_FUNCTIONS[function], writable(ODD[a]), ODD[b])


@pytest.mark.parametrize(
    "call",
    [
        lambda: _core.activation("", np.ones(3), 0.0),
        lambda: _core.activation("rectifier", np.ones(3), 0.0),
        lambda: _core.activation_backward("tanh", np.ones((2, 3)), np.ones((3, 2)), 0.0),
        lambda: _core.activation_backward("tanh", np.ones((2, 3), np.float32), np.ones((2, 3)), 0.0),
        lambda: _core.loss("hinge", np.ones((2, 3)), np.ones((2, 3))),
        lambda: _core.loss("mse", np.ones((2, 3)), np.ones((3, 2))),
        lambda: _core.loss("mse", np.ones((2, 3)), np.ones((2, 3), np.float32)),
        lambda: _core.gemm(np.ones((2, 3)), np.ones((2, 3)), False, False, 1.0, 0.0, None),
        lambda: _core.gemm(np.ones((2, 3)), np.ones((3, 2)), False, False, 1.0, 0.0, np.ones((2, 3))),
        lambda: _core.gemm(np.ones((2, 3)), np.ones((3, 2)), False, False, 1.0, 0.0, np.ones((2, 2), np.float32)),
        lambda: _core.gemm(
            np.ones((2, 3)), np.ones((3, 2)), False, False, 1.0, 0.0, LAYOUTS["read-only"](np.ones((2, 2)))
        ),
        lambda: _core.set_num_threads(0),
        lambda: _core.set_num_threads(-(2**40)),
    ],
)
def test_core_refuses_what_does_not_fit(call: Callable[[], Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=r"\w"):
        call()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_first_row_that_is_not_finite(dtype: Any, layout: str) -> None:
    for shape in ((50,), (50, 1), (50, 33)):
        x = np.random.default_rng(1).normal(size=shape).astype(dtype)
        assert _core.first_nonfinite_row(LAYOUTS[layout](x)) == -1
        for row, bad in ((49, np.nan), (31, np.inf), (7, -np.inf), (0, np.nan)):
            x[(row, *(n - 1 for n in shape[1:]))] = bad
            assert _core.first_nonfinite_row(LAYOUTS[layout](x)) == row
    assert _core.first_nonfinite_row(np.full((3, 3), np.finfo(dtype).max, dtype)) == -1
    assert _core.first_nonfinite_row(np.empty((0, 3), dtype)) == -1
    assert _core.first_nonfinite_row(np.empty((3, 0), dtype)) == -1


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
        ("hinge", "", "sgd", SGD),
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
        lambda: core.set_learning_rate(0.1),
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
    "int64": X.astype(np.int64),
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
    if {"y", "sample_weight"}.isdisjoint(BAD_ARGUMENTS[case]) and case != "x: rows":
        with pytest.raises((TypeError, ValueError), match=r"\w"):
            core.predict(given_["x"], given_["batch_size"])


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
    steps, loss, accuracy = core.train_epoch(X, Y, None, 4, None, None)
    assert steps == 3
    assert isinstance(loss, float)
    assert 0.0 <= accuracy <= 1.0


def test_samples_of_any_value_compute_something() -> None:
    core = network()
    for value in (np.nan, np.inf, 1e308, -1e308):
        assert core.train_epoch(np.full((10, 4), value), Y, None, 4, np.full(10, value), None)[0] == 3
    assert core.predict(X, 4).shape == (10, 3)


# --- Things that a crash would show in a process of its own ----------------------------------------------------------


PRELUDE = """
import threading
import numpy as np
import fastnet as fn
from fastnet import _core
dense = lambda units, activation: {
    "type": "dense", "units": units, "use_bias": True, "activation": activation, "alpha": 0.0}
ADAM = {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
rng = np.random.default_rng(0)
x, y = rng.normal(size=(2000, 64)).astype("f4"), rng.integers(0, 10, size=2000)
order = np.resize(np.arange(2000), 200_000)
def network():
    net = _core.Network32(64, [dense(64, "relu"), dense(10, "softmax")])
    net.set_parameters(rng.normal(scale=0.1, size=net.get_parameters().size).astype("f4"))
    net.compile("categorical_crossentropy", "categorical_accuracy", "adam", ADAM)
    return net
net = network()
"""


def runs(program: str) -> None:
    """Run a program and hold it to ending by itself, with exit status 0."""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PRELUDE + program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stderr[-3000:]}"


def test_more_threads_than_any_machine_has() -> None:
    runs(
        """
for threads in (100, 10_000, 2**31 - 1, 2**62):
    try:
        fn.set_num_threads(threads)
    except (ValueError, TypeError):
        continue
    a = rng.normal(size=(500, 500))
    assert np.allclose(fn.gemm(a, a), a @ a)
    net.train_epoch(x, y, None, 2000, None, None)
"""
    )


def test_threads_that_use_one_network_at_the_same_time() -> None:
    runs(
        """
def work(number):
    try:
        for _ in range(20):
            if number % 2:
                net.train_epoch(x, y, None, 16 + 50 * number, None, None)
            else:
                net.predict(x[: 10 + 600 * number], 64)
                net.evaluate(x, y, 100 * number + 1, None)
                net.loss_and_gradients(x[: 1 + 400 * number], y[: 1 + 400 * number], None)
                net.get_parameters(), net.get_optimizer_state()
                net.compile("mse", "", "sgd", {"learning_rate": 0.1, "momentum": 0.0, "dampening": 0.0, "nesterov": 0.0,
                                               "weight_decay": 0.0}) if number == 4 else None
    except RuntimeError:  # refusing is fine
        pass

workers = [threading.Thread(target=work, args=(number,)) for number in range(5)]
for worker in workers: worker.start()
for worker in workers: worker.join()
assert net.predict(x, 64).shape == (2000, 10)
"""
    )


@pytest.mark.parametrize(
    "action",
    [
        "net.train_epoch(x, y, None, 32, None, None)",
        "net.compile('mse', '', 'adam', ADAM)",
        "net.predict(x, 64)",
        "net.loss_and_gradients(x, y, None)",
        "net.get_parameters(); net.get_optimizer_state()",
        "net.set_parameters(np.zeros(3, 'f4'))",
        "net.set_learning_rate(0.5)",
        "fn.gemm(x, x.T)",
        "globals().pop('net'); import gc; gc.collect()",
    ],
)
def test_progress_function_that_uses_the_network(action: str) -> None:
    runs(
        f"""
calls = 0
def progress(*_):
    global calls
    calls += 1
    try:
        {action}
    except (RuntimeError, KeyError, NameError):  # refusing is fine
        pass
try:
    net.train_epoch(x, y, order, 4, None, progress)
except RuntimeError:
    pass
assert calls
"""
    )


def test_data_that_change_during_an_epoch() -> None:
    runs(
        """
labels, order, weight = y.copy(), order.copy(), np.ones(2000)
def progress(*_):
    labels[:] = 2**40
    order[:] = -(2**40)
    weight[:] = np.nan
try:
    net.train_epoch(x, labels, order, 4, weight, progress)
except (IndexError, ValueError, RuntimeError):
    pass
"""
    )


def test_networks_that_are_copied_made_again_or_left_unmade() -> None:
    runs(
        """
import copy, pickle
for make in (
    lambda: copy.copy(net).predict(x, 1),
    lambda: copy.deepcopy(net).predict(x, 1),
    lambda: pickle.dumps(net),
    lambda: net.__init__(3, []),
    lambda: type("Mine", (_core.Network32,), {"__init__": lambda self: None})().predict(x, 1),
):
    try:
        make()
    except TypeError:
        pass
assert net.predict(x[:, : net.input_size], 64).shape[0] == 2000
"""
    )


def test_forked_process_computes_after_the_parent_did() -> None:
    runs(
        """
import os, sys
if not hasattr(os, "fork"):
    sys.exit(0)
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forking with threads, which is the point here
fn.set_num_threads(2)
a = rng.normal(size=(600, 600))
expected = fn.gemm(a, a).tobytes()
pid = os.fork()
if pid == 0:
    import faulthandler
    faulthandler.dump_traceback_later(20, exit=True)  # a child that hangs ends here
    os._exit(0 if fn.gemm(a, a).tobytes() == expected else 1)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert fn.gemm(a, a).tobytes() == expected
"""
    )
