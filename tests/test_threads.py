"""Results are the same bit for bit on any number of threads, and two Python threads do not disturb each other."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from cases import DTYPES, POLICIES, THREADS, dense, random_weights, rescaling, sequential

pytestmark = pytest.mark.usefixtures("teams_of_any_size")

# (inputs, hidden units, classes, rows, batch size): from work for one thread to work for many, even and odd; then batches
# that are computed in parts, and a batch of one row after them; a single input; a single row in every step
NETWORKS = [
    (2, 2, 2, 50, 1),
    (7, 5, 3, 101, 10),
    (784, 64, 10, 1000, 128),
    (100, 517, 33, 1200, 601),
    (70, 40, 10, 9001, 4500),
    (1, 700, 3, 40, 20),
    (90, 301, 3, 6, 1),
]


def on_every_number_of_threads(compute: Callable[[], list[np.ndarray]]) -> None:
    """Run a computation on 1 to 16 threads and compare the bytes."""
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        assert fn.get_num_threads() == threads
        results.append([np.ascontiguousarray(array) for array in compute()])
    assert all(np.isfinite(array).all() for array in results[0])
    for threads, result in zip(THREADS, results, strict=True):
        for number, (array, first) in enumerate(zip(result, results[0], strict=True)):
            assert array.tobytes() == first.tobytes(), f"result {number} differs on {threads} threads"


@pytest.mark.parametrize(("dtype", "compute_dtype"), [(np.float32, None), (np.float64, None), (np.float32, "bfloat16")])
@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize(
    ("m", "n", "k"),
    [
        (5, 7, 9),
        (64, 64, 64),
        (257, 300, 129),
        (1000, 333, 500),
        (10, 784, 4001),
        (4001, 10, 784),
        (1, 3001, 2003),
        (90, 700, 1),
    ],
)
def test_gemm(
    dtype: Any, compute_dtype: str | None, transpose_a: bool, transpose_b: bool, m: int, n: int, k: int
) -> None:
    rng = np.random.default_rng(m)
    a = rng.normal(size=(k, m) if transpose_a else (m, k)).astype(dtype)
    b = rng.normal(size=(n, k) if transpose_b else (k, n)).astype(dtype)
    c = rng.normal(size=(m, n)).astype(dtype)
    options = {"transpose_a": transpose_a, "transpose_b": transpose_b, "alpha": 0.7, "beta": -0.3}
    options["compute_dtype"] = compute_dtype
    # several times, as threads that get in each other's way do so only now and then
    on_every_number_of_threads(lambda: [fn.gemm(a, b, out=c.copy(), **options) for _ in range(4)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [3, 100, 30_001])
def test_activations_and_losses(dtype: Any, rows: int) -> None:
    rng = np.random.default_rng(rows)
    x, gradient = rng.normal(size=(2, rows, 33)).astype(dtype)

    def compute() -> list[np.ndarray]:
        p = fn.softmax(x)
        results = [p, fn.functional.softmax_backward(gradient, p), fn.tanh(x), fn.sigmoid(x)]
        for name in ("gelu", "silu", "mish", "softplus"):
            results += [getattr(fn, name)(x), getattr(fn.functional, f"{name}_backward")(gradient, x)]
        for name in ("mse", "binary_crossentropy", "categorical_crossentropy"):
            results.append(np.array(getattr(fn.functional, name)(fn.sigmoid(gradient), p)))
            results.append(getattr(fn.functional, f"{name}_backward")(fn.sigmoid(gradient), p))
        return results

    on_every_number_of_threads(compute)


def model_and_data(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> tuple[fn.Sequential, np.ndarray, np.ndarray]:
    inputs, hidden, classes, rows, _ = shape
    rng = np.random.default_rng(seed)
    layers = [rescaling(1 / 255), dense(hidden, "relu"), dense(hidden, "tanh"), dense(classes, "softmax")]
    model = sequential(layers, inputs, dtype=dtype, seed=seed)
    random_weights(model, seed)
    return model, rng.integers(0, 256, size=(rows, inputs)).astype(np.uint8), rng.integers(0, classes, size=rows)


@pytest.mark.parametrize("dtype", POLICIES)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("shape", NETWORKS, ids=str)
def test_training(shape: tuple[int, ...], optimizer: str, dtype: Any) -> None:
    def compute() -> list[np.ndarray]:
        model, x, y = model_and_data(shape, dtype)
        model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x, y, batch_size=shape[-1], epochs=2, verbose=0).history
        return [*model.get_weights(), np.array(history["loss"]), np.array(history["accuracy"])]

    on_every_number_of_threads(compute)


@pytest.mark.parametrize("dtype", POLICIES)
@pytest.mark.parametrize("shape", NETWORKS, ids=str)
def test_predictions_evaluation_and_gradients(shape: tuple[int, ...], dtype: Any) -> None:
    model, x, y = model_and_data(shape, dtype)
    model.compile("sgd", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

    def compute() -> list[np.ndarray]:
        loss, gradients = model.loss_and_gradients(x, y)
        whole, one = model.predict(x, verbose=0), model.predict(x[:1], verbose=0)
        return [whole, one, model(x), np.array(model.evaluate(x, y, verbose=0)), np.array(loss), *gradients]

    on_every_number_of_threads(compute)


@pytest.mark.parametrize("threads", [1, 2])
def test_two_python_threads_train_two_models_as_one_after_the_other(threads: int) -> None:
    fn.set_num_threads(threads)
    shape = NETWORKS[2]

    def train(seed: int) -> bytes:
        model, x, y = model_and_data(shape, np.float32, seed)
        model.compile("adam", loss="sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=32, epochs=5, verbose=0)
        return b"".join(w.tobytes() for w in model.get_weights()) + model.predict(x, verbose=0).tobytes()

    alone = [train(seed) for seed in range(2)]
    together: dict[int, bytes] = {}
    workers = [threading.Thread(target=lambda seed=seed: together.update({seed: train(seed)})) for seed in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [together[0] == alone[0], together[1] == alone[1]] == [True, True]


def test_python_threads_may_predict_with_one_model_at_the_same_time() -> None:
    model, x, _ = model_and_data(NETWORKS[2], np.float32)
    expected = model.predict(x, verbose=0).tobytes()
    results: list[bytes] = []

    def predict() -> None:
        for _ in range(10):
            results.append(model.predict(x, verbose=0).tobytes())

    workers = [threading.Thread(target=predict) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 30
    assert set(results) == {expected}


@pytest.mark.parametrize("number", [0, -1])
def test_number_of_threads_must_be_positive(number: int) -> None:
    before = fn.get_num_threads()
    with pytest.raises(ValueError, match=str(number)):
        fn.set_num_threads(number)
    assert fn.get_num_threads() == before


@pytest.mark.parametrize("policy", ["float32", "float64", "mixed_bfloat16"])
@pytest.mark.parametrize("batch", [7, 128, 5000], ids=["few", "some", "in-parts"])
def test_layers_that_keep_their_slopes(batch: int, policy: str) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5000, 40)).astype("f4"), rng.integers(0, 3, 5000)
    layers = fn.layers

    def train() -> list[np.ndarray]:
        model = fn.Sequential(
            [
                fn.Dense(50, "gelu", input_shape=(40,)),
                layers.Residual([layers.LayerNormalization(), fn.Dense(50, "mish"), layers.Activation("silu")]),
                layers.BatchNormalization() if batch < 5000 else layers.PReLU(),
                layers.Activation("softplus"),
                fn.Dense(3, "softmax"),
            ],
            dtype=policy,
            seed=0,
        )
        model.compile("adamw", "sparse_categorical_crossentropy")
        model.fit(x[: 4 * batch], y[: 4 * batch], batch_size=batch, epochs=2, verbose=0)
        return [*model.get_weights(), model.predict(x)]

    on_every_number_of_threads(train)
