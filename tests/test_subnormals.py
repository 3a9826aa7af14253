"""Networks take subnormal numbers for zero while they train and predict; nothing else does, least of all the caller."""

import platform
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from cases import DTYPES, dense, sequential
from interrupts import signals

KNOWN = platform.machine().lower() in {"x86_64", "amd64", "aarch64", "arm64"}


def keeps_subnormals() -> bool:
    """Whether this thread's arithmetic has subnormal numbers, as results and as operands."""
    for dtype in (np.float32, np.float64):
        tiny = np.full(8, np.finfo(dtype).tiny)
        if not ((tiny / dtype(4)) * dtype(4) == tiny).all():
            return False
    return True


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Any:
    before = fn.get_num_threads()
    fn.set_num_threads(request.param)
    yield request.param
    fn.set_num_threads(before)


def trained(dtype: Any = np.float32) -> tuple[fn.Sequential, np.ndarray]:
    model = sequential([dense(64, "relu"), dense(10, "softmax")], 100, dtype=dtype)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 100)).astype(dtype)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, rng.integers(0, 10, size=2000), batch_size=500, epochs=2, verbose=0)
    return model, x


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_callers_arithmetic_is_as_it_was(threads: int, dtype: Any) -> None:
    assert keeps_subnormals()
    model, x = trained(dtype)
    assert keeps_subnormals()
    model.predict(x, verbose=0)
    model.loss_and_gradients(x, np.zeros(2000, int))
    model.evaluate(x, np.zeros(2000, int), verbose=0)
    assert keeps_subnormals(), f"on {threads} threads"


def test_errors_leave_the_callers_arithmetic_as_it_was() -> None:
    model, x = trained()
    with pytest.raises(ValueError, match="x must have shape"):
        model.predict(x[:, 1:], verbose=0)
    assert keeps_subnormals()


def test_callbacks_have_the_callers_arithmetic() -> None:
    kept: list[bool] = []

    class Look(fn.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            kept.append(keeps_subnormals())

    model, x = trained()
    model.fit(x, np.zeros(2000, int), epochs=2, verbose=0, callbacks=[Look()])
    assert kept == [True, True]


def test_the_progress_function_has_the_callers_arithmetic() -> None:
    model, x = trained()
    kept: list[bool] = []
    network = model._network
    network.train_epoch(
        x, np.zeros(2000, int), np.arange(400_000) % 2000, 50, None, lambda *_: kept.append(keeps_subnormals())
    )
    assert kept
    assert all(kept)


def squares(look: Callable[[], None]) -> Callable[[Any, Any], Any]:
    def loss(y_true: Any, y_pred: Any) -> Any:
        look()
        return ((y_pred - y_true) ** 2).mean(), 2 * (y_pred - y_true) / y_pred.size

    return loss


class Looking(fn.metrics.Metric):
    """A metric that looks at the arithmetic it has."""

    def __init__(self) -> None:
        super().__init__("looking")
        self.kept: list[bool] = []

    def reset_state(self) -> None:
        self.rows = 0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.kept.append(keeps_subnormals())

    def result(self) -> float:
        return 0.0


@pytest.mark.parametrize("own_loss", [False, True])
def test_losses_and_metrics_in_python_have_the_callers_arithmetic(own_loss: bool, threads: int) -> None:
    kept: list[bool] = []
    metric = Looking()
    model = sequential([dense(64, "relu"), dense(1)], 100, dtype=np.float32)
    model.compile("sgd", squares(lambda: kept.append(keeps_subnormals())) if own_loss else "mse", metrics=[metric])
    x, y = np.ones((600, 100), np.float32), np.ones((600, 1), np.float32)
    model.fit(x, y, validation_data=(x, y), batch_size=200, verbose=0)
    model.train_on_batch(x, y)
    model.loss_and_gradients(x, y)
    model.evaluate(x, y, verbose=0)
    assert len(metric.kept) >= 5
    assert len(kept) >= 6 * own_loss
    assert all(metric.kept + kept), f"on {threads} threads"
    assert keeps_subnormals()


def test_a_loss_that_raises_leaves_the_callers_arithmetic_as_it_was(threads: int) -> None:
    def fail() -> None:
        raise KeyError("no")

    model = sequential([dense(64, "relu"), dense(1)], 100, dtype=np.float32)
    model.compile("sgd", squares(fail))
    for call in (model.train_on_batch, model.fit, model.loss_and_gradients):
        with pytest.raises(KeyError, match="no"):
            call(np.ones((600, 100), np.float32), np.ones((600, 1), np.float32))
        assert keeps_subnormals(), f"on {threads} threads"


def test_threads_that_a_loss_starts_have_usual_arithmetic(threads: int) -> None:
    kept: list[bool] = []

    def look() -> None:
        thread = threading.Thread(target=lambda: kept.append(keeps_subnormals()))
        thread.start()
        thread.join()

    model = sequential([dense(64, "relu"), dense(1)], 100, dtype=np.float32)
    model.compile("sgd", squares(look))
    model.train_on_batch(np.ones((600, 100), np.float32), np.ones((600, 1), np.float32))
    assert kept == [True], f"on {threads} threads"


def test_handlers_of_signals_have_the_callers_arithmetic(threads: int) -> None:
    kept: list[bool] = []

    def look() -> None:
        kept.append(keeps_subnormals())
        if len(kept) == 3:
            raise KeyboardInterrupt

    model = sequential([dense(512, "relu"), dense(512)], 100, dtype=np.float32)
    with signals(look), pytest.raises(KeyboardInterrupt):
        model.predict(np.broadcast_to(np.float32(1), (10**7, 100)), verbose=0)
    assert len(kept) >= 3
    assert all(kept), f"on {threads} threads"
    assert keeps_subnormals()


def test_products_and_functions_keep_subnormals_after_networks_flushed_them(threads: int) -> None:
    trained()  # the other thread has flushed, too
    x = np.full((400, 400), np.finfo(np.float32).tiny / 8, np.float32)
    assert (fn.gemm(x, np.eye(400, dtype=np.float32)) == x).all(), f"on {threads} threads"
    assert (fn.relu(np.full((1000, 1000), x[0, 0])) == x[0, 0]).all()


@pytest.mark.skipif(not KNOWN, reason="fastnet cannot flush on this machine")
@pytest.mark.parametrize("dtype", DTYPES)
def test_networks_take_subnormals_for_zero(threads: int, dtype: Any) -> None:
    model = sequential([dense(64, "linear", use_bias=False)], 64, dtype=dtype)
    model.set_weights([np.eye(64, dtype=dtype)])
    tiny = np.finfo(dtype).tiny
    for rows in (1, 5000):
        x = np.full((rows, 64), tiny, dtype)
        assert (model.predict(x, verbose=0) == x).all()
        assert (model.predict(x / dtype(2), verbose=0) == 0).all(), f"{rows} rows on {threads} threads"


def test_threads_that_python_starts_later_have_usual_arithmetic() -> None:
    trained()
    kept: list[bool] = []
    thread = threading.Thread(target=lambda: kept.append(keeps_subnormals()))
    thread.start()
    thread.join()
    assert kept == [True]
