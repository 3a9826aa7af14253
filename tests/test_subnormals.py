"""Networks take subnormal numbers for zero while they train and predict; nothing else does, least of all the caller."""

import platform
import threading
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from cases import DTYPES, dense, sequential

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
