"""Small dense networks take a way of their own through training and prediction, which changes no bit.

What it must give is what the general way gives: training with a hook that does nothing is always the general way, and so
are predictions of many rows. This file is a program too, which compares the two with another instruction set.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from cases import dense, rescaling
from fastnet import _core
from fastnet.optimizers.base import optimizers

AVAILABLE = fn.show_config(mode="dict")["available_isas"]
ACTIVATIONS = [name for name in _core.activation_names() if "softmax" not in name]
LOSSES = _core.loss_names()
SGD = {"learning_rate": 0.05, "momentum": 0.0, "dampening": 0.0, "nesterov": 0.0, "weight_decay": 0.0}
ADAM = {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}
RMSPROP = {"learning_rate": 0.01, "rho": 0.9, "momentum": 0.5, "epsilon": 1e-7}
OPTIMIZERS: list[tuple[str, dict[str, float]]] = [
    ("sgd", SGD),
    ("sgd", {**SGD, "momentum": 0.9, "nesterov": 1.0, "weight_decay": 0.01}),
    ("rmsprop_centered", RMSPROP),
    ("adam_amsgrad", ADAM),
    *((one.core_name, {**one.hyperparameters, "learning_rate": 0.01}) for one in map(optimizers.get, optimizers.names)),
]
KINDS = {np.float32: _core.Network32, np.float64: _core.Network64}


class Case(NamedTuple):
    units: tuple[int, ...] = (2, 2, 1)
    hidden: str = "sigmoid"
    output: str = "sigmoid"
    loss: str = "binary_crossentropy"
    optimizer: tuple[str, dict[str, float]] = OPTIMIZERS[0]
    batch: int = 1
    dtype: Any = np.float32
    use_bias: bool = True
    metric: str = ""
    reduction: str = "sum_over_batch_size"
    weighted: bool = False
    shuffled: bool = False
    labels: bool = False
    data: Any = None  # of the samples; None for that of the network
    rescaled: bool = False


def layers_of(case: Case) -> list[dict[str, Any]]:
    *hidden, last = case.units[1:]
    described = [*(dense(units, case.hidden) for units in hidden), dense(last, case.output)]
    for layer in described:
        layer["use_bias"] = case.use_bias
        layer["alpha"] = 0.3
    return [rescaling(0.5, 0.1), *described] if case.rescaled else described


def network_of(case: Case) -> Any:
    network = KINDS[case.dtype](case.units[0], layers_of(case))
    size = network.get_parameters().size
    network.set_parameters(np.random.default_rng(1).normal(scale=0.7, size=size).astype(case.dtype))
    network.compile(case.loss, case.metric, *case.optimizer, reduction=case.reduction)
    return network


def samples_of(case: Case, rows: int = 23) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, np.ndarray | None]:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(rows, case.units[0]))
    y = rng.integers(0, 2, size=(rows, case.units[-1])).astype(case.dtype)
    classes = rng.integers(0, case.units[-1], size=rows)
    order = rng.permutation(rows) if case.shuffled else None
    weight = rng.random(rows) if case.weighted else None
    if case.data is not None and np.issubdtype(case.data, np.unsignedinteger):
        x = np.abs(x)  # a negative number becomes another one on arm64 than on x86-64
    x = (20 * x).astype(case.data) if case.data is not None else x.astype(case.dtype)
    return x, classes if case.labels else y, order, weight


def nothing(first: int, outputs: np.ndarray) -> None:
    """Be a hook, which small steps do without."""


def trained(case: Case, hook: Any, rates: np.ndarray | None = None) -> list[np.ndarray]:
    """Return all that two epochs leave, and the predictions after them."""
    network = network_of(case)
    x, y, order, weight = samples_of(case)
    results = [
        np.array([*found[:4], *found[4]])
        for found in (network.train_epoch(x, y, order, case.batch, weight, None, rates, 0.05, hook) for _ in range(2))
    ]
    values, steps, state, _ = network.get_state()
    return [*results, values, np.array(steps), state]


def is_same(case: Case) -> bool:
    both = zip(trained(case, None), trained(case, nothing), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in both)


def cases() -> Iterator[Case]:
    """Return every activation, loss and optimizer, and shapes of every kind, each with a few of the others."""
    shapes = [(2, 2, 1), (2, 4, 1), (4, 16, 16, 2), (8, 16, 2), (3, 5, 7, 3), (1, 9, 1), (5, 1), (6, 33, 17, 4)]
    for dtype, batch in product(KINDS, (1, 4, 5)):
        common = {"dtype": dtype, "batch": batch}
        for units in shapes:
            yield Case(units, **common)
            yield Case(units, "tanh", "softmax", "categorical_crossentropy", ("adam", ADAM), **common)
            yield Case(units, "relu", "linear", "mse", OPTIMIZERS[1], use_bias=False, **common)
        for hidden in ACTIVATIONS:
            yield Case((3, 11, 5, 2), hidden, "linear", "mse", **common)
            yield Case((3, 2, 1), hidden, hidden, "mae", **common)
        for loss, units in product(LOSSES, ((3, 4, 1), (3, 4, 6), (3, 4, 19))):
            yield Case(units, "tanh", "sigmoid", loss, metric="binary_accuracy", **common)
            yield Case(units, "tanh", "softmax", loss, metric="categorical_accuracy", **common)
        for optimizer in OPTIMIZERS:
            yield Case((3, 7, 2), "tanh", "softmax", "categorical_crossentropy", optimizer, **common)
            yield Case((2, 2, 1), optimizer=optimizer, **common)
        for shuffled, labels, weighted in product((False, True), repeat=3):
            case = Case((3, 5, 4), "relu", "softmax", "categorical_crossentropy", labels=labels, **common)
            case = case._replace(shuffled=shuffled, weighted=weighted)
            yield case
            yield case._replace(data=np.uint8)
            yield case._replace(data=np.float64, rescaled=True)
            yield case._replace(reduction="mean_with_sample_weight")
            yield case._replace(reduction="sum")
        yield Case((3, 5, 4), "relu", "log_softmax", "mse", **common)
        yield Case((3, 4, 1), "exponential", "exponential", "half_poisson_deviance", **common)


def test_small_steps_have_the_bits_of_others() -> None:
    assert [case for case in cases() if not is_same(case)] == []


@pytest.mark.slow
@pytest.mark.parametrize("isa", [isa for isa in AVAILABLE if isa != fn.show_config(mode="dict")["isa"]])
def test_small_steps_have_the_bits_of_others_on_every_instruction_set(isa: str) -> None:
    environment = {**os.environ, "FASTNET_ISA": isa}
    done = subprocess.run(
        [sys.executable, Path(__file__)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{isa}\n"), done.stderr


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_number_of_threads_changes_nothing(threads: int) -> None:
    before = fn.get_num_threads()
    fn.set_num_threads(threads)
    try:
        assert is_same(Case((4, 16, 16, 2), "tanh", batch=4))
    finally:
        fn.set_num_threads(before)


def test_learning_rate_of_each_step_is_that_of_the_step() -> None:
    case = Case((3, 4, 2), batch=4, optimizer=("adam", ADAM))
    rates = np.linspace(0.1, 0.01, 6)
    for a, b in zip(trained(case, None, rates), trained(case, nothing, rates), strict=True):
        assert_array_equal(a, b)


@pytest.mark.parametrize("batch", [1, 4])
def test_epoch_in_two_parts_is_the_epoch(batch: int) -> None:
    case = Case((4, 16, 2), batch=batch, optimizer=("adam", ADAM), metric="binary_accuracy", shuffled=True)
    x, y, order, _ = samples_of(case)
    whole, parts = network_of(case), network_of(case)
    expected = whole.train_epoch(x, y, order, batch, None, None)
    first = parts.train_epoch(x, y, order, batch, None, None, end=2)
    assert first[0] == 2
    done = (first[0], *first[4], first[3])
    assert parts.train_epoch(x, y, order, batch, None, None, done=done) == expected
    for a, b in zip(whole.get_state(), parts.get_state(), strict=True):
        assert_array_equal(a, b)


def test_first_step_whose_loss_is_not_finite_is_told() -> None:
    case = Case((3, 4, 2), "relu", "linear", "mse", batch=2)
    x, y, _, _ = samples_of(case)
    x[9, 1] = np.inf
    found = [network_of(case).train_epoch(x, y, None, 2, None, None, hook=hook) for hook in (None, nothing)]
    assert found[0][3] == found[1][3] == 4


def test_progress_is_called_and_stops_the_epoch_between_steps() -> None:
    case = Case()
    x, y, _, _ = samples_of(case, 1_000_000)
    seen: list[tuple[int, int]] = []

    def progress(steps: int, total: int, loss: float, metric: float) -> bool:
        seen.append((steps, total))
        assert network.get_state  # which belongs to the epoch until it ends
        return len(seen) < 3

    network = network_of(case)
    steps = network.train_epoch(x, y, None, 1, None, progress, None, 0.0)[0]
    assert [total for _, total in seen] == [len(x)] * 3
    assert seen[0][0] < seen[1][0] < seen[2][0] == steps == network.finished_steps < len(x)
    again = network_of(case)
    again.train_epoch(x, y, None, 1, None, None, end=steps)
    assert_array_equal(network.get_parameters(), again.get_parameters())


def unaligned(x: np.ndarray) -> np.ndarray:
    memory = np.zeros(x.nbytes + 1, np.uint8)
    moved = memory[1:].view(x.dtype).reshape(x.shape)
    moved[:] = x
    return moved


def in_records(x: np.ndarray) -> np.ndarray:
    records = np.zeros(len(x), [("x", x.dtype, x.shape[1:]), ("two bytes", np.uint16)])
    records["x"] = x
    return records["x"]


LAYOUTS = {
    "C": np.ascontiguousarray,
    "Fortran": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: np.ascontiguousarray(x[::-1])[::-1],
    "every other column": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "columns far apart": lambda x: np.ascontiguousarray(x.T).T,
    "not aligned": unaligned,
    "in records": in_records,
    "one row again and again": lambda x: np.broadcast_to(x[:1], x.shape),
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")).astype(x.dtype),
}


@pytest.mark.parametrize("units", [(1, 5, 1), (2, 3, 2), (6, 1)], ids=lambda units: "-".join(map(str, units)))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_data_may_lie_in_any_way(layout: str, units: tuple[int, ...]) -> None:
    for batch, rows, shuffled in product((1, 3), (1, 8), (False, True)):
        case = Case(units, "tanh", "linear", "mse", batch=batch, shuffled=shuffled)
        x, y, order, _ = samples_of(case, rows)
        results = []
        for hook in (None, nothing):
            network = network_of(case)
            given = LAYOUTS[layout](x), LAYOUTS[layout](y)
            network.train_epoch(*given, order, batch, None, None, hook=hook)
            results.append(network.get_parameters())
        assert_array_equal(*results)
        assert_array_equal(
            network.predict_rows(LAYOUTS[layout](x)[:1], 64), network.predict(LAYOUTS[layout](x), 64)[:1]
        )


@pytest.mark.parametrize("dtype", list(KINDS))
@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize(
    "units",
    [(2, 2, 1), (4, 16, 16, 2), (40, 100, 100, 10), (784, 64, 64, 10), (600, 1), (3, 65, 33, 17)],
    ids=lambda units: "-".join(map(str, units)),
)
def test_few_rows_are_predicted_with_the_bits_of_many(units: tuple[int, ...], hidden: str, dtype: Any) -> None:
    case = Case(units, hidden, "softmax" if units[-1] > 1 else hidden, dtype=dtype)
    network = network_of(case)
    x = np.random.default_rng(5).normal(size=(64, units[0])).astype(dtype)
    many = network.predict(x, 64)
    for rows in (1, 2, 4, 16):
        assert_array_equal(network.predict(x[:rows], 64), many[:rows])
        assert_array_equal(network.predict_rows(x[5 : 5 + rows], 64), many[5 : 5 + rows])
    assert_array_equal(network.predict(np.asfortranarray(x)[:1], 64), many[:1])
    assert_array_equal(network.predict(x[:1].astype(np.float64), 64), many[:1])


@pytest.mark.parametrize(
    "x",
    [
        [[1.0, 2.0]],
        np.ones(2),
        np.ones((1, 2, 1)),
        np.ones((1, 3)),
        np.ones((2, 1)),
        np.ones((1, 2), np.float16),
        np.ones((1, 2), ">f4"),
        np.ones((1, 2), bool),
        np.ones((1, 2), object),
        np.ones((1, 2)).view(np.recarray),
        None,
    ],
    ids=repr,
)
def test_what_is_no_array_of_rows_is_left_to_predict(x: Any) -> None:
    assert network_of(Case()).predict_rows(x, 256) is None


def test_arguments_of_the_direct_call_are_checked() -> None:
    network = network_of(Case())
    x = np.ones((1, 2), np.float32)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        network.predict_rows(x, 0)
    with pytest.raises(TypeError):
        network.predict_rows(x, "1")
    with pytest.raises(TypeError, match="got 1 arguments"):
        network.predict_rows(x)
    with pytest.raises(TypeError):
        _core.Network32.predict_rows(_core.Network64(2, [dense(1)]), x, 256)
    assert network.predict_rows(np.empty((0, 2)), 256).shape == (0, 1)


def test_a_call_within_the_work_of_the_same_network_is_an_error() -> None:
    network, (x, y, _, _) = network_of(Case()), samples_of(Case())
    with pytest.raises(RuntimeError, match="the network is in use by the work that called this function"):
        network.train_epoch(x, y, None, 1, None, None, hook=lambda first, outputs: network.predict_rows(x, 256))


def test_frozen_layers_penalties_and_options_are_obeyed() -> None:
    def model(**options: Any) -> fn.Sequential:
        kernel = fn.regularizers.L2(0.1) if options.pop("penalized", False) else None
        layers = [fn.Dense(3, "tanh", kernel_regularizer=kernel), fn.Dense(1)]
        built = fn.Sequential([fn.Input((2,)), *layers], seed=0)
        built.layers[0].trainable = options.pop("trainable", True)
        built.compile(fn.optimizers.SGD(0.1, **options), "mse")
        return built

    x, y = np.random.default_rng(0).normal(size=(2, 8, 2)).astype(np.float32)
    plain = model()
    plain.fit(x, y[:, :1], batch_size=1, shuffle=False, verbose=0)
    frozen = model(trainable=False)
    before = frozen.get_weights()
    frozen.fit(x, y[:, :1], batch_size=1, shuffle=False, verbose=0)
    assert_array_equal(frozen.get_weights()[0], before[0])
    assert (frozen.get_weights()[2] != before[2]).any()
    for options in ({"penalized": True}, {"clipvalue": 1e-3}, {"global_clipnorm": 1e-3}, {"weight_decay": 0.1}):
        other = model(**options)
        other.fit(x, y[:, :1], batch_size=1, shuffle=False, verbose=0)
        assert (other.get_weights()[0] != plain.get_weights()[0]).any(), options


if __name__ == "__main__":
    assert [case for case in cases() if not is_same(case)] == []
    print(fn.show_config(mode="dict")["isa"])
