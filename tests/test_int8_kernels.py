"""Products of 8-bit integers are exact: the same bits on every instruction set and any number of threads.

Each set runs in a process of its own, as the environment variable FASTNET_ISA is read once: this file is that program too.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

import fastnet as fn
from cases import THREADS
from fastnet import _core

AVAILABLE = fn.show_config(mode="dict")["available_isas"]
INPUTS = (1, 2, 3, 5, 7, 31, 33, 1000)
UNITS = (1, 7, 8, 15, 16, 17, 31, 33, 48, 49, 100)
ROWS = (0, 1, 2, 5, 6, 7, 8, 9, 40)


def layer(kernel: NDArray[np.int8], scale: Any, input_scale: float, zero_point: int, **others: Any) -> dict[str, Any]:
    arrays = {"kernel": kernel, "kernel_scale": np.asarray(scale, np.float32)}
    return {"type": "quantized_dense", **arrays, "input_scale": input_scale, "zero_point": zero_point, **others}


def network(kernel: NDArray[np.int8], scale: Any, input_scale: float, zero_point: int) -> _core.Network32:
    return _core.Network32(len(kernel), [layer(kernel, scale, input_scale, zero_point, use_bias=False)])


def exact(x: NDArray[np.float32], kernel: NDArray[np.int8], scale: Any, input_scale: float, zero: int) -> NDArray[Any]:
    """Return the product as NumPy has it, with sums that float64 holds exactly."""
    inverse = np.float32(1) / np.float32(input_scale)
    q = np.clip(np.rint(x * inverse), -zero, 255 - zero).astype(np.float64)
    return (q @ kernel.astype(np.float64)).astype(np.float32) * (
        np.float32(input_scale) * np.asarray(scale, np.float32)
    )


def cases() -> list[tuple[NDArray[np.float32], tuple[Any, ...]]]:
    """Return rows and the layer that they go through, of awkward sizes and with extreme values."""
    rng = np.random.default_rng(0)
    found: list[tuple[NDArray[np.float32], tuple[Any, ...]]] = []
    for inputs in INPUTS:
        for units in UNITS:
            kernel = rng.integers(-128, 128, size=(inputs, units)).astype(np.int8)
            zero_point = int(rng.choice([0, 1, 127, 128, 255]))
            parts = kernel, rng.random(units), float(np.float32(rng.random() + 0.01)), zero_point
            found.append((rng.normal(scale=60, size=(int(rng.choice(ROWS)), inputs)).astype(np.float32), parts))
    for inputs in (4096, 65_536):  # the largest sums there are
        for weight in (-128, 127):
            for zero_point, sign in ((0, 1), (255, -1)):
                kernel = np.full((inputs, 17), weight, np.int8)
                found.append((np.full((3, inputs), sign * 1e9, np.float32), (kernel, np.ones(17), 1.0, zero_point)))
    ties = (np.arange(-300, 300, dtype=np.float32) / 2)[:, None]
    found.append((ties, (np.ones((1, 1), np.int8), [1.0], 1.0, 100)))
    return found


ROWS_OF_NETWORK = np.random.default_rng(1).normal(scale=30, size=(50, 70)).astype(np.float32)


def parts_of_network() -> list[tuple[Any, ...]]:
    """Return the layers of a network, and their biases."""
    rng = np.random.default_rng(2)
    shapes = [(70, 65), (65, 33), (33, 5)]
    return [
        (rng.integers(-127, 128, size=s).astype(np.int8), rng.random(s[1]), 0.5, 90, rng.normal(size=s[1]))
        for s in shapes
    ]


def compute() -> list[NDArray[np.float32]]:
    layers = [layer(*parts[:4], activation="relu") for parts in parts_of_network()]
    whole = _core.Network32(70, layers)
    whole.set_parameters(np.concatenate([parts[4] for parts in parts_of_network()]).astype(np.float32))
    return [whole.predict(ROWS_OF_NETWORK, 256), *(network(*parts).predict(x, 256) for x, parts in cases())]


@pytest.mark.parametrize("isa", AVAILABLE)
def test_products_are_exact_on_every_instruction_set(isa: str, tmp_path: Path) -> None:
    program = [sys.executable, str(Path(__file__)), str(tmp_path / "results.npz")]
    environment = {**os.environ, "FASTNET_ISA": isa}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == isa
    results = np.load(tmp_path / "results.npz")
    expected = ROWS_OF_NETWORK
    for kernel, scale, input_scale, zero_point, bias in parts_of_network():
        product = exact(expected, kernel, scale, input_scale, zero_point)
        expected = np.maximum(product + bias.astype(np.float32), 0)
    assert_array_equal(results["arr_0"], expected)
    for number, (x, parts) in enumerate(cases(), 1):
        assert_array_equal(results[f"arr_{number}"], exact(x, *parts), err_msg=f"{len(x)} rows, {parts[0].shape}")


@pytest.mark.usefixtures("teams_of_any_size")
@pytest.mark.parametrize("rows", [1, 3, 70, 600])
def test_products_are_the_same_on_any_number_of_threads(rows: int) -> None:
    rng = np.random.default_rng(rows)
    kernel, scale = rng.integers(-127, 128, size=(1500, 1001)).astype(np.int8), rng.random(1001)
    x = rng.normal(size=(rows, 1500)).astype(np.float32)
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        results.append(network(kernel, scale, 0.05, 100).predict(x, 256))
    assert_array_equal(results[0], exact(x, kernel, scale, 0.05, 100))
    assert all(result.tobytes() == results[0].tobytes() for result in results)


def test_kernels_come_back_as_they_were_given() -> None:
    rng = np.random.default_rng(0)
    for inputs in INPUTS:
        for units in UNITS:
            kernel = rng.integers(-128, 128, size=(inputs, units)).astype(np.int8)
            layers = [{"type": "rescaling", "scale": 2.0}, layer(kernel, np.ones(units), 1.0, 0)]
            assert_array_equal(_core.Network32(inputs, layers).quantized_kernels()[1], kernel)
    transposed = rng.integers(-128, 128, size=(9, 5)).astype(np.int8).T
    assert_array_equal(network(transposed, np.ones(9), 1.0, 0).quantized_kernels()[0], transposed)


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("units", [1, 40])
def test_a_value_that_is_not_finite_gives_nan_in_its_row_alone(strange: float, units: int) -> None:
    x = np.ones((9, 33), np.float32)
    x[4, 20] = strange
    y = network(np.ones((33, units), np.int8), np.ones(units), 1.0, 0).predict(x, 256)
    assert np.isnan(y[4]).all()
    assert (np.delete(y, 4, axis=0) == 33).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernel": np.ones((3, 2), np.float32)}, "kernel must be int8"),
        ({"kernel": np.ones(6, np.int8)}, "kernel must have 2 dimensions"),
        ({"kernel": np.ones((3, 1), np.int8)}, "a column for each of the 2 scales"),
        ({"kernel": np.ones((2, 2), np.int8)}, "a quantized layer of 2 units for 3 inputs"),
        ({"kernel_scale": np.ones(2)}, "kernel_scale must be float32"),
        ({"kernel_scale": np.ones((2, 1), np.float32)}, "kernel_scale must have 1 dimensions"),
        ({"kernel": np.ones((3, 0), np.int8), "kernel_scale": np.ones(0, np.float32)}, "a quantized layer of 0 units"),
        ({"input_scale": 0.0}, "input_scale must be"),
        ({"input_scale": -1.0}, "input_scale must be"),
        ({"input_scale": 1e-39}, "input_scale must be"),
        ({"input_scale": float("nan")}, "input_scale must be"),
        ({"zero_point": -1}, "zero_point must be in 0..255"),
        ({"zero_point": 256}, "zero_point must be in 0..255"),
    ],
)
def test_layers_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    whole = layer(np.ones((3, 2), np.int8), np.ones(2), 1.0, 0)
    with pytest.raises((TypeError, ValueError), match=message):
        _core.Network32(3, [{**whole, **changes}])


def test_more_inputs_than_sums_have_room_for_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 65536"):
        network(np.ones((65_537, 1), np.int8), np.ones(1), 1.0, 0)


def test_a_network_of_float64_has_no_such_layers() -> None:
    with pytest.raises(ValueError, match="float32 only"):
        _core.Network64(3, [layer(np.ones((3, 2), np.int8), np.ones(2), 1.0, 0)])


def test_such_a_network_is_not_trained() -> None:
    one = network(np.ones((3, 2), np.int8), np.ones(2), 1.0, 0)
    one.compile(
        "mse", "", "sgd", {"learning_rate": 0.1, "momentum": 0, "dampening": 0, "nesterov": 0, "weight_decay": 0}
    )
    x, y = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    with pytest.raises(RuntimeError, match="do not learn"):
        one.train_epoch(x, y, None, 2, None, None)
    with pytest.raises(RuntimeError, match="do not learn"):
        one.loss_and_gradients(x, y, None)


if __name__ == "__main__":
    np.savez(sys.argv[1], *compute())
    print(fn.show_config(mode="dict")["isa"])
