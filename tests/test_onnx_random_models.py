"""Random models of all layers come back from their ONNX files."""

from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from fastnet import _core
from fastnet.interchange import checking
from fastnet.layers import Layer

pytest.importorskip("onnx", reason="needs onnx")

ACTIVATIONS = [name for name in _core.activation_names() if name != "exponential"]  # which overflows in a row


def random_layers(rng: np.random.Generator, size: int, count: int, depth: int = 0) -> tuple[list[Layer], int]:
    """Return random layers for samples of `size` values, and the number of values behind them."""
    made: list[Layer] = []
    for _ in range(count):
        activation, flags = str(rng.choice(ACTIVATIONS)), [bool(flag) for flag in rng.integers(0, 2, 2)]
        match int(rng.integers(0, 13 if depth < 3 else 12)):
            case 0 | 1 | 2:
                size = int(rng.integers(1, 7))
                made.append(fn.Dense(size, activation if flags[0] else None, use_bias=flags[1]))
            case 3:
                made.append(fn.Activation(activation))
            case 4:
                made.append(fn.BatchNormalization(center=flags[0], scale=flags[1]))
            case 5:
                made.append(fn.LayerNormalization(center=flags[0], scale=flags[1]))
            case 6:
                made.append(fn.PReLU())
            case 7:
                made.append(fn.Rescaling(float(rng.normal()), float(rng.normal())))
            case 8:
                made.append(fn.Normalization(mean=rng.normal(size=size), variance=rng.uniform(0.1, 2.0, size)))
            case 9:
                made.append(fn.LeakyReLU(float(rng.uniform(0, 2))))
            case 10:
                made.append(fn.ELU(float(rng.uniform(0, 2))))
            case 11:
                made.append(fn.Dropout(0.5))
            case _:
                inner, inner_size = random_layers(rng, size, int(rng.integers(1, 4)), depth + 1)
                made.append(fn.Residual(inner if inner_size == size else [*inner, fn.Dense(size)]))
    return made, size


def random_model(seed: int) -> fn.Sequential:
    rng = np.random.default_rng(seed)
    inputs, dtype = int(rng.integers(1, 7)), ["float32", "float64"][seed % 2]
    made, _ = random_layers(rng, inputs, int(rng.integers(1, 8)))
    model = fn.Sequential([fn.Input((inputs,)), *made], dtype=dtype, seed=seed)
    names = [name for layer in model.layers for name in layer.weight_names]
    weights = [rng.normal(size=weight.shape) for weight in model.get_weights()]
    model.set_weights([abs(w) + 0.3 if "variance" in n else w for n, w in zip(names, weights, strict=True)])
    return model


def check(seed: int, folder: Path) -> None:
    model = random_model(seed)
    model.to_onnx(folder / "model.onnx", opset=13 + seed % 9)
    again = fn.from_onnx(folder / "model.onnx")
    x = checking.sample_inputs(model, 40)
    assert again.dtype == model.dtype
    checking.check_outputs(f"model {seed}", again.predict(x), model.predict(x))


def test_random_models_come_back(tmp_path: Path) -> None:
    for seed in range(60):
        check(seed, tmp_path)


@pytest.mark.slow
def test_many_random_models_come_back(tmp_path: Path) -> None:
    for seed in range(60, 300):
        check(seed, tmp_path)
