"""Long calls hear signals: one whose handler raises breaks a call off at once and leaves all as it was."""

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import fastnet as fn
from fastnet import _core
from interrupts import Interrupt, signals

ROWS = 10_000_000  # of one sample, which takes no memory: many seconds of any machine
RNG = np.random.default_rng(0)
SAMPLE = RNG.normal(size=(1, 256)).astype(np.float32)
SQUARE = RNG.normal(size=(300, 300)).astype(np.float32)
AT_ONCE = 2.0  # on a machine that is very busy; on a quiet one it is 0.1


def rows(count: int) -> np.ndarray:
    return np.broadcast_to(SAMPLE, (count, 256))


def labels(count: int) -> np.ndarray:
    return np.broadcast_to(np.int64(1), count)


def model_of(*hidden: fn.layers.Layer, optimizer: Any = "adam") -> fn.Sequential:
    model = fn.Sequential([fn.layers.Input((256,)), *hidden, fn.Dense(3, activation="softmax")], seed=0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.evaluate(rows(1), labels(1), verbose=0)  # before that there is no optimizer state
    return model


def wide(**options: Any) -> fn.Sequential:
    return model_of(fn.Dense(1024, activation="relu"), fn.Dense(1024, activation="relu"), **options)


def state_of(model: Any) -> Any:
    """Return all that a model keeps from call to call."""
    if model is None:
        return None
    network = model._network
    steps, state = network.get_optimizer_state()
    return network.get_parameters().tobytes(), steps, state.tobytes(), network.get_seeds()


Long = tuple[Callable[[], Any], Any]


def on_model(call: Callable[[fn.Sequential], Any], build: Callable[[], Any] = wide) -> Callable[[], Long]:
    def make() -> Long:
        model = build()
        return lambda: call(model), model

    return make


def on_matrix(call: Callable[[Any], Any], *shape: int) -> Callable[[], Long]:
    """Make a call on a matrix whose values have one place in memory."""
    return lambda: (lambda: call(np.broadcast_to(np.float32(0.5), shape)), None)


def sparse(count: int) -> Any:
    columns = np.tile(np.arange(0, 256, 32, dtype=np.int32), count)
    starts = np.arange(count + 1) * 8
    return scipy.sparse.csr_array((np.ones(len(columns), np.float32), columns, starts), shape=(count, 256))


def on_sparse(call: Callable[[fn.Sequential, Any], Any]) -> Callable[[], Long]:
    def make() -> Long:
        model, x = wide(), sparse(400_000)
        return lambda: call(model, x), model

    return make


CALLS: dict[str, Callable[[], Long]] = {
    "predict": on_model(lambda m: m.predict(rows(ROWS), verbose=0)),
    "predict, one row at a time": on_model(lambda m: m.predict(rows(ROWS), batch_size=1, verbose=0)),
    "predict, all rows at once": on_model(lambda m: m.predict(rows(ROWS), batch_size=ROWS, verbose=0)),
    "model(x)": on_model(lambda m: m(rows(ROWS))),
    "predict with wide layers": on_model(
        lambda m: m.predict(rows(10**6), batch_size=4096, verbose=0),
        lambda: model_of(fn.Dense(3000), fn.Dense(3000), optimizer="sgd"),
    ),
    "predict sparse rows": on_sparse(lambda m, x: m.predict(x, verbose=0)),
    "predict in 8 bits": on_model(
        lambda m: m.predict(rows(ROWS), batch_size=ROWS, verbose=0), lambda: wide().quantize(rows(100))
    ),
    "evaluate": on_model(lambda m: m.evaluate(rows(ROWS), labels(ROWS), verbose=0)),
    "activations": on_model(lambda m: m.activations(rows(400_000))),
    "gradients": on_model(lambda m: m.gradients(rows(200_000), labels(200_000))),
    "jacobian": on_model(lambda m: m.jacobian(rows(20_000))),
    "gradients of a small model": on_model(
        lambda m: m.loss_and_gradients(rows(ROWS), labels(ROWS)),
        lambda: model_of(fn.Dense(128, activation="relu"), fn.Dense(128)),
    ),
    "train on a huge batch": on_model(lambda m: m.train_on_batch(rows(200_000), labels(200_000))),
    "train on a huge sparse batch": on_sparse(lambda m, x: m.train_on_batch(x, labels(400_000))),
    "train layers that see whole batches": on_model(
        lambda m: m.train_on_batch(rows(200_000), labels(200_000)),
        lambda: model_of(
            fn.Dense(1024), fn.BatchNormalization(), fn.PReLU(), fn.Dropout(0.3), fn.LayerNormalization(), fn.Dense(512)
        ),
    ),
    "orthogonalize": on_model(
        lambda m: m.train_on_batch(rows(8), labels(8)),
        lambda: model_of(fn.Dense(2500), fn.Dense(2500), optimizer=fn.optimizers.Muon(ns_steps=100)),
    ),
    "a product": on_matrix(lambda x: fn.gemm(x, x), 12_000, 12_000),
    "a product of transposed matrices": on_matrix(
        lambda x: fn.gemm(x, x, transpose_a=True, transpose_b=True), 12_000, 12_000
    ),
    "a product in bfloat16": on_matrix(lambda x: fn.gemm(x, x, compute_dtype="bfloat16"), 12_000, 12_000),
    "a long sum of products": on_matrix(lambda x: fn.gemm(x, x, transpose_a=True), 10**9, 4),
    "a product that is too small to be shared": on_matrix(
        lambda x: fn.gemm(x, np.broadcast_to(SAMPLE[0, :16], (len(x), 16)), transpose_a=True), 10**9, 4
    ),
    "a search for what is not finite": on_matrix(lambda x: _core.first_nonfinite_row(x, False), 10**8, 256),
    "a search for targets out of range": on_matrix(lambda x: _core.first_row_outside(x, 0.0, 1.0), 10**8, 256),
}


@pytest.fixture(params=[pytest.param(1, marks=pytest.mark.slow), 2])
def threads(request: pytest.FixtureRequest, teams_of_any_size: None) -> int:
    fn.set_num_threads(request.param)
    return int(request.param)


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_breaks_off_a_long_call(name: str, threads: int) -> None:
    call, model = CALLS[name]()
    before, product = state_of(model), fn.gemm(SQUARE, SQUARE).tobytes()
    interrupt = Interrupt(0.15)
    interrupt.start()
    with pytest.raises(KeyboardInterrupt), interrupt:
        call()
    assert 0.0 <= interrupt.latency < AT_ONCE
    assert state_of(model) == before, f"on {threads} threads"
    assert fn.gemm(SQUARE, SQUARE).tobytes() == product
    if model is not None:
        assert model.predict(rows(5), verbose=0).tobytes() == model(rows(5)).tobytes()


# --- A step of training: all of it, or nothing ------------------------------------------------------------------------


def elsewhere(call: Callable[[], Any]) -> Any:
    """Make a call in another thread, which hears no signals."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    thread.join()
    return results[0]


STEPS: dict[str, tuple[int, Callable[[], Any], Callable[[], list[fn.layers.Layer]]]] = {
    "alone": (1, fn.optimizers.Adam, list),
    "in a team": (2, lambda: fn.optimizers.SGD(0.1, momentum=0.9), list),
    "with norms": (2, lambda: fn.optimizers.Adam(clipnorm=0.1), list),
    "with matrices": (2, lambda: fn.optimizers.Muon(gradient_accumulation_steps=2), list),
    "with averages": (
        1,
        lambda: fn.optimizers.RMSprop(use_ema=True, weight_decay=0.1),
        lambda: [fn.BatchNormalization(), fn.Dropout(0.2)],
    ),
}


# Long steps change parameters when all gradients are there, others as soon as they can: with the same bits.
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "seconds"), [("alone", 0.15), ("in a team", 0.15), *((kind, 0.4) for kind in STEPS)])
@pytest.mark.usefixtures("teams_of_any_size")
def test_a_step_is_taken_as_a_whole_or_not_at_all(kind: str, seconds: float) -> None:
    threads, optimizer, layers = STEPS[kind]
    fn.set_num_threads(threads)
    dense = fn.Dense(1024, activation="relu", kernel_regularizer="l2")
    model = model_of(dense, *layers(), fn.Dense(1024), optimizer=optimizer())
    x, y = RNG.normal(size=(20_000, 256)).astype(np.float32), RNG.integers(0, 3, 20_000)
    start = time.perf_counter()
    model.train_on_batch(x[:500], y[:500])
    count = min(int(500 * seconds / (time.perf_counter() - start)), len(x))
    x, y = x[:count], y[:count]
    network: Any = model._network
    weights, (steps, state) = network.get_parameters(), network.get_optimizer_state()
    before = state_of(model)
    elsewhere(lambda: model.train_on_batch(x, y))
    after = state_of(model)
    for part in np.linspace(0.3, 1.0, 6):
        network.set_parameters(weights)
        network.set_optimizer_state(steps, state)
        assert state_of(model) == before != after
        interrupt = Interrupt(part * seconds)
        interrupt.start()
        with contextlib.suppress(KeyboardInterrupt):
            model.train_on_batch(x, y)
            interrupt.timer.join()
        assert state_of(model) in (before, after)


# --- Handlers that let the work go on --------------------------------------------------------------------------------


def model_and_data() -> tuple[fn.Sequential, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return wide(), rng.normal(size=(1000, 256)).astype(np.float32), rng.integers(0, 3, 1000)


def results() -> list[bytes]:
    """Return what takes so long to compute that signals come meanwhile."""
    model, x, y = model_and_data()
    product = fn.gemm(np.tile(x, (1, 8)), np.tile(x, (1, 8)), transpose_a=True)
    history = model.fit(x, y, batch_size=500, epochs=2, verbose=0).history
    loss, gradients = model.loss_and_gradients(x, y)
    arrays = [product, *gradients, model.predict(np.tile(x, (4, 1)), verbose=0), *model.get_weights()]
    return [*(array.tobytes() for array in arrays), repr((history, loss, model.evaluate(x, y, verbose=0))).encode()]


def test_a_handler_that_returns_changes_no_bit(threads: int) -> None:
    expected = results()
    other, x, _ = model_and_data()
    alone = (fn.gemm(SQUARE, SQUARE).tobytes(), other.predict(x[:300], verbose=0).tobytes())
    called = 0

    def work() -> None:
        nonlocal called
        called += 1
        assert (fn.gemm(SQUARE, SQUARE).tobytes(), other.predict(x[:300], verbose=0).tobytes()) == alone

    with signals(work):
        assert results() == expected, f"on {threads} threads"
    assert called > 1


def test_a_handler_cannot_use_the_network_that_works() -> None:
    model = wide()
    with signals(model.get_weights), pytest.raises(RuntimeError, match="in use by the work that called"):
        model.predict(rows(ROWS), verbose=0)
    assert len(model.get_weights()) == 6


def test_what_a_handler_raises_is_what_the_call_raises() -> None:
    class Enough(Exception):
        pass

    called: list[None] = []

    def enough() -> None:
        called.append(None)
        if len(called) == 1:
            raise Enough("of that")

    with signals(enough), pytest.raises(Enough, match="of that"):
        wide().predict(rows(ROWS), verbose=0)


def test_signals_leave_the_work_of_other_threads_alone() -> None:
    model, x, _ = model_and_data()
    many = np.tile(x, (4, 1))
    expected = model.predict(many, verbose=0).tobytes()
    with signals(lambda: None):
        assert elsewhere(lambda: model.predict(many, verbose=0)).tobytes() == expected


@pytest.mark.parametrize(
    "call",
    [lambda m: m(rows(1)), lambda m: m.predict(rows(1000), verbose=0), lambda m: m.get_weights()],
    ids=["model(x)", "predict", "get_weights"],
)
def test_ctrl_c_ends_the_wait_for_a_network_that_another_thread_uses(call: Callable[[Any], Any]) -> None:
    working, over = threading.Event(), threading.Event()

    def loss(y_true: Any, y_pred: Any) -> Any:
        working.set()
        over.wait(20)
        return 0.0, np.zeros_like(y_pred)

    model = wide()
    model.compile("sgd", loss)
    user = threading.Thread(target=model.train_on_batch, args=(rows(10), np.zeros((10, 3))))
    user.start()
    working.wait()
    interrupt = Interrupt(0.15)
    interrupt.start()
    try:
        with pytest.raises(KeyboardInterrupt), interrupt:
            call(model)
    finally:
        over.set()
        user.join()
    assert 0.0 <= interrupt.latency < AT_ONCE
    assert state_of(model)[1] == 1
    assert call(model) is not None


# --- In fit -----------------------------------------------------------------------------------------------------------


def test_ctrl_c_in_a_huge_batch_of_fit_leaves_the_weights_of_the_step_before() -> None:
    model = wide()
    before = state_of(model)
    interrupt = Interrupt(0.3)
    begin = fn.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: interrupt.start())
    with interrupt:
        history = model.fit(rows(200_000), labels(200_000), batch_size=200_000, verbose=0, callbacks=[begin])
    assert history.interrupted
    assert interrupt.latency < AT_ONCE
    assert state_of(model) == before


@pytest.mark.parametrize("metrics", [[], [fn.metrics.F1Score("macro")]])
def test_ctrl_c_in_the_validation_of_fit_ends_training_at_once(metrics: list[Any]) -> None:
    model, x, y = model_and_data()
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=metrics)
    interrupt = Interrupt(0.3)
    begin = fn.callbacks.LambdaCallback(on_test_begin=lambda logs: interrupt.start())
    with interrupt:
        history = model.fit(x, y, validation_data=(rows(10**6), labels(10**6)), epochs=5, verbose=0, callbacks=[begin])
    assert history.interrupted
    assert history.epoch == []
    assert interrupt.latency < AT_ONCE
    assert state_of(model)[1] == -(-len(x) // 32)
    assert not model.fit(x, y, verbose=0).interrupted
