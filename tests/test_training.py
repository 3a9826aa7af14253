"""Whole training runs: fit takes the reference's steps, for every optimizer, batch size, type and kind of data."""

import time
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
import reference
from cases import DTYPES, LAYOUTS, dense, random_weights, reference_of, relative_error, rescaling, sequential
from fastnet import _core
from interrupts import Interrupt

LAYERS = [dense(9, "tanh"), dense(6, "sigmoid", use_bias=False), dense(3, "softmax")]
ROWS = 103
BATCH_SIZES = [1, 7, 32, ROWS, ROWS + 50]
# After up to 309 steps: what the project promises. Rounding errors of 309 steps of 6e-8 (1e-16) of a weight each add
# up like a random walk to 1e-6 (2e-15); optimizers that divide by the size of the gradient amplify them.
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}
OPTIMIZERS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("sgd", {"learning_rate": 0.1}),
    "momentum": ("sgd", {"learning_rate": 0.05, "momentum": 0.9}),
    "nesterov": ("sgd", {"learning_rate": 0.05, "momentum": 0.9, "nesterov": True}),
    "dampening": ("sgd", {"learning_rate": 0.5, "momentum": 0.9, "dampening": 0.9}),
    "half dampening": ("sgd", {"learning_rate": 0.1, "momentum": 0.8, "dampening": 0.5, "nesterov": True}),
    "weight decay": ("sgd", {"learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01}),
    "adam": ("adam", {"learning_rate": 0.01}),
    "adam, other moments": ("adam", {"learning_rate": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-5}),
    "rmsprop": ("rmsprop", {"learning_rate": 0.003}),
    "rmsprop with momentum": ("rmsprop", {"learning_rate": 0.001, "rho": 0.8, "momentum": 0.5, "epsilon": 1e-5}),
}
PUBLIC = {"sgd": fn.optimizers.SGD, "adam": fn.optimizers.Adam, "rmsprop": fn.optimizers.RMSprop}


def data(dtype: Any, rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and labels that a small network learns only in part."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(rows, 4)).astype(dtype)
    return x, (x[:, 0] > 0).astype(np.int64) + (x[:, 1] + rng.normal(size=rows) > 0)


def compiled(dtype: Any, optimizer: str = "momentum", loss: str = "sparse_categorical_crossentropy") -> fn.Sequential:
    model = sequential(LAYERS, 4, dtype=dtype)
    random_weights(model, seed=3)
    name, hyperparameters = OPTIMIZERS[optimizer]
    model.compile(PUBLIC[name](**hyperparameters), loss=loss, metrics=["accuracy"])
    return model


def reference_optimizer(optimizer: str) -> Any:
    name, hyperparameters = OPTIMIZERS[optimizer]
    return reference.OPTIMIZERS[name](**hyperparameters)


def assert_same_weights(model: fn.Sequential, network: reference.Network, tolerance: float) -> None:
    """Compare array by array, relative to the largest weight of each."""
    errors = [relative_error(w, e) for w, e in zip(model.get_weights(), network.parameters, strict=True)]
    assert max(errors) <= tolerance, errors


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weights_and_history_after_three_epochs_are_those_of_the_reference(
    optimizer: str, batch_size: int, dtype: Any
) -> None:
    x, y = data(dtype)
    model = compiled(dtype, optimizer)
    network = reference_of(model, LAYERS, "categorical_crossentropy")
    start = np.concatenate([w.ravel() for w in network.parameters])
    steps = reference_optimizer(optimizer)
    expected = [network.fit(x, y, steps, batch_size) for _ in range(3)]
    history = model.fit(x, y, batch_size=batch_size, epochs=3, shuffle=False, verbose=0).history
    assert_same_weights(model, network, TOLERANCE[dtype])
    np.testing.assert_allclose(history["loss"], expected, rtol=TOLERANCE[dtype])
    # the run went somewhere: had it stood still, agreement would mean nothing
    assert np.abs(np.concatenate([w.ravel() for w in network.parameters]) - start).max() > 100 * TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [4096, 4097, 4500 + 7, 9001])
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_batches_of_thousands_train_like_the_reference(optimizer: str, rows: int, dtype: Any) -> None:
    x, y = data(dtype, rows)
    model = compiled(dtype, optimizer)
    network = reference_of(model, LAYERS, "categorical_crossentropy")
    steps = reference_optimizer(optimizer)
    expected = [network.fit(x, y, steps, 4500) for _ in range(3)]
    history = model.fit(x, y, batch_size=4500, epochs=3, shuffle=False, verbose=0).history
    assert_same_weights(model, network, TOLERANCE[dtype])
    np.testing.assert_allclose(history["loss"], expected, rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("last", "loss"), [("linear", "mse"), ("sigmoid", "binary_crossentropy"), ("softmax", "mse")])
def test_other_losses_train_like_the_reference(last: str, loss: str, dtype: Any) -> None:
    x, labels = data(dtype)
    y = np.eye(3)[labels]
    layers = [dense(8, "relu"), dense(7, "leaky_relu"), dense(3, last)]
    model = sequential(layers, 4, dtype=dtype)
    random_weights(model, seed=4)
    network = reference_of(model, layers, loss)
    model.compile(fn.optimizers.SGD(0.1, momentum=0.9), loss=loss)
    steps = reference.SGD(0.1, momentum=0.9)
    for _ in range(3):
        network.fit(x, y, steps, 10)
    model.fit(x, y, batch_size=10, epochs=3, shuffle=False, verbose=0)
    assert_same_weights(model, network, TOLERANCE[dtype])


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("dampening", [0.0, 0.9])
def test_a_new_learning_rate_holds_for_new_gradients(dampening: float, nesterov: bool) -> None:
    x, y = data(np.float64)
    options = {"momentum": 0.9, "nesterov": nesterov, "dampening": dampening}
    model = compiled(np.float64)
    model.compile(fn.optimizers.SGD(0.1, **options), loss="sparse_categorical_crossentropy")
    network = reference_of(model, LAYERS, "categorical_crossentropy")
    steps = reference.SGD(0.1, **options)
    for rate in (0.1, 0.5, 0.02):
        steps.learning_rate = model.optimizer.learning_rate = rate
        network.fit(x, y, steps, 10)
        model.fit(x, y, batch_size=10, shuffle=False, verbose=0)
    assert_same_weights(model, network, TOLERANCE[np.float64])


@pytest.mark.parametrize("dtype", DTYPES)
def test_core_follows_the_order_and_resumes_in_the_middle_of_an_epoch(dtype: Any) -> None:
    x, y = data(dtype)
    order = np.random.default_rng(6).permutation(ROWS)
    model = compiled(dtype, "adam")
    network = reference_of(model, LAYERS, "categorical_crossentropy")
    core = network_of_core(dtype, model.get_weights())
    core.compile("categorical_crossentropy", "", "adam", ADAM)
    steps = reference.Adam(0.01)
    network.fit(x, y, steps, 8, order)
    assert core.train_epoch(x, y, order[:48], 8, None, None)[0] == 6
    assert core.get_optimizer_state()[0] == 6
    copy = network_of_core(dtype, [core.get_parameters()])
    copy.compile("categorical_crossentropy", "", "adam", ADAM)
    copy.set_optimizer_state(*core.get_optimizer_state())
    assert copy.train_epoch(x, y, order[48:], 8, None, None)[0] == 7  # 55 rows: the last batch has 7
    assert relative_error(copy.get_parameters(), flat(network.parameters)) <= TOLERANCE[dtype]


ADAM = {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}


def flat(weights: Any) -> np.ndarray:
    return np.concatenate([np.ravel(w) for w in weights])


def network_of_core(dtype: Any, weights: Any) -> Any:
    """Return the compiled core's own network, for what the public interface keeps to itself."""
    core = (_core.Network32 if dtype == np.float32 else _core.Network64)(4, LAYERS)
    core.set_parameters(flat(weights).astype(dtype))
    return core


@pytest.mark.parametrize("batch_size", [1, 10, 200])
def test_shuffled_epochs_see_every_row_once(batch_size: int) -> None:
    # With one weight per row, a step changes the weights of its rows only, by the learning rate: once each.
    model = sequential([dense(1, "linear", use_bias=False)], 100)
    model.compile(fn.optimizers.SGD(1.0), loss="mse")
    model.set_weights([np.zeros((100, 1))])
    x, y = np.eye(100), np.full((100, 1), 1.0)
    model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0)
    assert_array_equal(model.get_weights()[0], np.full((100, 1), 2.0 / min(batch_size, 100)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_uint8_images_with_rescaling_equal_scaled_floats(dtype: Any) -> None:
    rng = np.random.default_rng(7)
    x = rng.integers(0, 256, size=(90, 20)).astype(np.uint8)
    y = rng.integers(0, 3, size=90)
    layers = [dense(8, "relu"), dense(3, "softmax")]
    results = []
    for images, scaled in ((x, True), (x.astype(np.float32), True), (x[:, ::-1][:, ::-1], True), (x / 255.0, False)):
        model = sequential([rescaling(1.0 / 255.0), *layers] if scaled else layers, 20, dtype=dtype)
        random_weights(model, seed=8)
        model.compile(fn.optimizers.SGD(0.1, momentum=0.9), loss="sparse_categorical_crossentropy")
        model.fit(images, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
        results.append((flat(model.get_weights()), model.predict(images, verbose=0)))
    for weights, predictions in results[1:3]:  # bytes, floats and any strides: the same numbers, so the same bits
        assert_array_equal(weights, results[0][0])
        assert_array_equal(predictions, results[0][1])
    # x / 255 and x * (1 / 255) differ by a rounding; the rest is that of the training runs above
    assert relative_error(results[3][0], results[0][0]) <= TOLERANCE[dtype]


@pytest.mark.parametrize("layout", ["F", "reversed", "strided", "unaligned", "read-only"])
def test_layout_of_the_data_does_not_change_one_bit(layout: str) -> None:
    x, labels = data(np.float32)
    y = np.eye(3, dtype=np.float32)[labels]
    weight = np.random.default_rng(8).uniform(0.5, 2.0, size=ROWS)
    results = []
    for arrange in (np.ascontiguousarray, LAYOUTS[layout]):
        model = compiled(np.float32, loss="categorical_crossentropy")
        model.fit(arrange(x), arrange(y), sample_weight=arrange(weight), epochs=2, shuffle=False, verbose=0)
        results.append(flat(model.get_weights()))
    assert_array_equal(*results)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sample_weights_multiply_losses_and_gradients(dtype: Any) -> None:
    x, y = data(dtype)
    weight = np.random.default_rng(9).uniform(0.0, 3.0, size=ROWS)
    model = compiled(dtype)
    network = reference_of(model, LAYERS, "categorical_crossentropy")
    steps = reference_optimizer("momentum")
    expected = [network.fit(x, y, steps, 16, weight=weight) for _ in range(3)]
    history = model.fit(x, y, batch_size=16, epochs=3, shuffle=False, sample_weight=weight, verbose=0).history
    assert_same_weights(model, network, TOLERANCE[dtype])
    np.testing.assert_allclose(history["loss"], expected, rtol=TOLERANCE[dtype])


def test_class_weights_are_the_sample_weights_of_their_rows() -> None:
    x, y = data(np.float64)
    per_class = {0: 0.5, 1: 2.0, 2: 0.0}
    per_row = np.array([per_class[label] for label in y.tolist()])
    by_class, by_row, both = (compiled(np.float64) for _ in range(3))
    by_class.fit(x, y, class_weight=per_class, epochs=2, shuffle=False, verbose=0)
    by_row.fit(x, y, sample_weight=per_row, epochs=2, shuffle=False, verbose=0)
    assert_array_equal(flat(by_class.get_weights()), flat(by_row.get_weights()))
    both.fit(x, y, class_weight=per_class, sample_weight=per_row, epochs=2, shuffle=False, verbose=0)
    by_row = compiled(np.float64)
    by_row.fit(x, y, sample_weight=per_row**2, epochs=2, shuffle=False, verbose=0)
    assert_array_equal(flat(both.get_weights()), flat(by_row.get_weights()))


def test_moving_average_of_gradients_is_momentum_at_a_smaller_rate() -> None:
    x, y = data(np.float64)
    results = []
    for optimizer in (fn.optimizers.SGD(4.0, momentum=0.9, dampening=0.9), fn.optimizers.SGD(0.4, momentum=0.9)):
        model = compiled(np.float64)
        model.compile(optimizer, loss="sparse_categorical_crossentropy")
        model.fit(x, y, epochs=3, shuffle=False, verbose=0)
        results.append(flat(model.get_weights()))
    # equal in exact arithmetic: 12 steps of rounding in float64, doubled a few times by the large steps
    assert relative_error(*results) < 1e-12


def test_history_holds_the_running_accuracy_and_the_validation_of_each_epoch() -> None:
    x, y = data(np.float64)
    model = compiled(np.float64)
    network = reference_of(model, LAYERS, "categorical_crossentropy")
    steps = reference_optimizer("momentum")
    hits: list[float] = []
    losses: list[float] = []
    accuracies: list[float] = []
    for _ in range(2):
        right = 0
        for start in range(0, 80, 16):  # what each batch's rows are taken for before its step
            rows = slice(start, start + 16)
            right += int((network.predict(x[:80][rows]).argmax(axis=1) == y[:80][rows]).sum())
            network.fit(x[:80][rows], y[:80][rows], steps, 16)
        hits.append(right / 80)
        losses.append(network.loss_and_gradients(x[80:], y[80:])[0])
        accuracies.append(float((network.predict(x[80:]).argmax(axis=1) == y[80:]).mean()))
    history = model.fit(
        x[:80], y[:80], batch_size=16, epochs=2, shuffle=False, validation_data=(x[80:], y[80:]), verbose=0
    ).history
    assert history["accuracy"] == pytest.approx(hits, abs=1e-12)
    assert history["val_loss"] == pytest.approx(losses, rel=1e-12)
    assert history["val_accuracy"] == pytest.approx(accuracies, abs=1e-12)


def test_running_loss_weighs_the_short_batch_by_its_rows() -> None:
    model = sequential([dense(1, "linear", use_bias=False)], 1)
    model.compile(fn.optimizers.SGD(0.0), loss="mse")
    model.set_weights([np.ones((1, 1))])
    history = model.fit(np.array([[1.0], [2.0], [3.0]]), np.zeros((3, 1)), batch_size=2, verbose=0)
    assert history.history["loss"] == [pytest.approx(14.0 / 3.0, rel=1e-15)]  # not (5/2 + 9) / 2


# --- Interruption ----------------------------------------------------------------------------------------------------


def test_ctrl_c_stops_an_epoch_at_once_after_a_whole_step() -> None:
    rng = np.random.default_rng(10)
    layers = [dense(48, "relu"), dense(10, "softmax")]
    x, y = rng.normal(size=(1000, 64)).astype(np.float32), rng.integers(0, 10, size=1000)

    def network() -> Any:
        result = _core.Network32(64, layers)
        result.set_parameters(
            np.random.default_rng(11).normal(scale=0.1, size=result.get_parameters().size).astype("f4")
        )
        result.compile("categorical_crossentropy", "categorical_accuracy", "adam", ADAM)
        return result

    start = time.perf_counter()
    network().train_epoch(x, y, None, 4, None, None)  # 250 steps, to know how many take about 3 seconds
    rows = int(1000 * 3.0 / (time.perf_counter() - start))
    order = rng.integers(0, 1000, size=rows)
    interrupted = network()
    interrupt = Interrupt(0.3)
    interrupt.start()
    with pytest.raises(KeyboardInterrupt), interrupt:
        interrupted.train_epoch(x, y, order, 4, None, None)
    assert 0.0 <= interrupt.latency < 1.0
    steps = interrupted.get_optimizer_state()[0]
    assert 0 < steps < rows // 4
    # the state after the last finished step, bit for bit; the rest of the epoch goes on from there
    whole = network()
    whole.train_epoch(x, y, order[: 4 * steps], 4, None, None)
    assert_array_equal(interrupted.get_parameters(), whole.get_parameters())
    assert_array_equal(interrupted.get_optimizer_state()[1], whole.get_optimizer_state()[1])
    rest = order[4 * steps : 4 * steps + 4003]
    interrupted.train_epoch(x, y, rest, 4, None, None)
    whole.train_epoch(x, y, rest, 4, None, None)
    assert_array_equal(interrupted.get_parameters(), whole.get_parameters())


def test_ctrl_c_in_fit_leaves_a_model_that_works() -> None:
    x = np.broadcast_to(np.float32(1.0), (5_000_000, 30))  # four bytes of memory, seconds of training
    y = np.broadcast_to(np.float32(0.0), (5_000_000, 1))
    model = sequential([dense(30, "tanh"), dense(1, "linear")], 30, dtype=np.float32)
    model.compile("sgd", loss="mse")
    before = flat(model.get_weights())
    interrupt = Interrupt(0.3)
    begin = fn.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: interrupt.start())
    with interrupt:
        history = model.fit(x, y, batch_size=1, shuffle=False, verbose=0, callbacks=[begin])
    assert history.interrupted
    assert history.epoch == []
    assert 0.0 <= interrupt.latency < 1.0
    after = flat(model.get_weights())
    assert (after != before).any()
    assert np.isfinite(model.predict(x[:10], verbose=0)).all()
    assert model.fit(x[:10], y[:10], verbose=0).history["loss"]


def test_exception_of_the_progress_function_stops_the_epoch_and_propagates() -> None:
    x, y = data(np.float64)
    core = network_of_core(np.float64, compiled(np.float64).get_weights())
    core.compile("categorical_crossentropy", "categorical_accuracy", "adam", ADAM)
    seen: list[tuple[int, int, float, float]] = []

    class Enough(Exception):
        pass

    def progress(*state: Any) -> None:
        seen.append(state)
        raise Enough

    with pytest.raises(Enough):
        core.train_epoch(x, y, np.zeros(5_000_000, np.int64), 1, None, progress)
    ((done, total, loss, metric),) = seen
    assert total == 5_000_000
    assert core.get_optimizer_state()[0] == done
    assert np.isfinite(loss)
    assert 0.0 <= metric <= 1.0
