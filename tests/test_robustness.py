"""Nothing that is passed from Python crashes the process: every call returns, or raises TypeError, ValueError or MemoryError."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastnet as fn
from cases import DTYPES, LAYOUTS, activation, dense, rescaling
from fastnet import _core
from fastnet import functional as F
from odd import ENDLESS_NAMES, ODD, odd, returns_or_refuses, writable

LAYERS = [rescaling(0.5, 0.1), dense(5, "tanh"), activation("sigmoid"), dense(3, "softmax")]
SGD = {"learning_rate": 0.1, "momentum": 0.9, "dampening": 0.0, "nesterov": 0.0, "weight_decay": 0.0}

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


@pytest.mark.parametrize("x", ["float32", "float16", "other byte order", "long double", "bool", "uint8", "int64"])
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
    "first_nonfinite_row": lambda a, b: _core.first_nonfinite_row(a, True),
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
        lambda: _core.loss("regret", np.ones((2, 3)), np.ones((2, 3))),
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
    for shape in ((50,), (50, 1), (50, 33), (3001, 3)):  # short rows are looked at a thousand values at a time
        x = np.random.default_rng(1).normal(size=shape).astype(dtype)
        assert _core.first_nonfinite_row(LAYOUTS[layout](x), False) == -1
        for row, bad in ((shape[0] - 1, np.nan), (shape[0] * 2 // 3, np.inf), (7, -np.inf), (0, np.nan)):
            x[(row, *(n - 1 for n in shape[1:]))] = bad
            assert _core.first_nonfinite_row(LAYOUTS[layout](x), False) == row
    assert _core.first_nonfinite_row(np.full((3, 3), np.finfo(dtype).max, dtype), False) == -1
    assert _core.first_nonfinite_row(np.array([[1.0, 2.0], [1e300, 3.0]]), True) == 1
    assert _core.first_nonfinite_row(np.array([[1.0, 2.0], [1e300, 3.0]]), False) == -1
    assert _core.first_nonfinite_row(np.empty((0, 3), dtype), False) == -1
    assert _core.first_nonfinite_row(np.empty((3, 0), dtype), False) == -1


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
        timeout=600,  # what hangs, hangs longer; sanitizers take minutes
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
        "net.finished_steps",
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
