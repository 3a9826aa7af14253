"""Model files that are damaged or forged: an error that says why, or the model; never a crash, a hang or much memory.

What is done to the files is in mutants.py, which loads them in a process of its own.
"""

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.files import safetensors as _safetensors
from mutants import described
from whole_models import whole_models

# Bytes of Python's and NumPy's for a byte of the file, and 10,000 bytes. Newer versions of json read the 20,000 lists
# inside each other of some mutants.
MOST_MEMORY = 24.0 if sys.version_info < (3, 12) else 40.0


def fates_of(first: int, last: int, folder: Path) -> dict[str, int]:
    """Return how many of these mutants are refused, load as the original, and load as another model."""
    program = [sys.executable, str(Path(__file__).with_name("mutants.py")), str(folder), str(first), str(last)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert set(report["fates"]) <= {"refused", "same", "other"}
    assert sum(report["fates"].values()) == last - first
    assert report["bytes of Python and NumPy for a byte of the file"] < MOST_MEMORY
    fates: dict[str, int] = report["fates"]
    return fates


def test_a_few_mutants_are_refused_or_harmless(tmp_path: Path) -> None:
    assert fates_of(0, 100, tmp_path)["refused"] > 50


@pytest.mark.slow
def test_700_mutants_are_refused_or_harmless(tmp_path: Path) -> None:
    fates = fates_of(100, 800, tmp_path)
    assert fates["refused"] > 500
    assert fates["same"] > 10  # such as spaces in the header of a file without a checksum
    assert fates["other"] > 10  # such as another rate with a checksum that is right


@pytest.mark.parametrize("model", list(whole_models()), ids=lambda model: model.name)
def test_models_of_every_part_come_back_whole(model: fn.Sequential, tmp_path: Path) -> None:
    model.save(tmp_path / "model.safetensors")
    assert described(fn.load_model(tmp_path / "model.safetensors")) == described(model)


# ---- What is small in a file and would be large in memory -----------------------------------------------------------


def config(layers: list[Any], **others: Any) -> dict[str, Any]:
    return {"name": "m", "dtype": "float32", "input_shape": [2], "layers": layers, **others}


def relu(number: int) -> dict[str, Any]:
    return {"class_name": "ReLU", "config": {"name": f"r{number}"}}


def nested(depth: int) -> list[Any]:
    layers = [relu(0)]
    for number in range(depth):
        layers = [{"class_name": "Residual", "config": {"layers": layers, "name": f"{number}"}}]
    return layers


PERCEPTRON = config([{"class_name": "Dense", "config": {"units": 2, "name": "dense"}}])
SGD = {"optimizer": "sgd", "loss": "mse"}


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"config": config([relu(number) for number in range(10_001)])}, "at most 10000 layers; got 10001"),
        ({"config": config([{"class_name": "ReLU"}] * 11_000)}, "at most 10000 layers; got 11000"),
        ({"config": config(nested(49) * 250)}, "at most 10000 layers; got 12500"),
        ({"config": '{"layers":[{"config":' * 100_000 + "1" + "}]}" * 100_000}, "nested too deep"),
        ({"config": config([[]] * 20_000)}, "at most 10000 layers"),
        ({"config": config([], input_shape=[2**62] * 100_000)}, "at most 64 dimensions"),
        ({"config": config([relu(0)], input_shape=[2**40, 2**40])}, "must be at most"),
        (
            {"config": config([{"class_name": "Dense", "config": {"units": 10**12, "name": "dense"}}])},
            "must have shape",
        ),
        ({"config": PERCEPTRON, "compile": {**SGD, "metrics": [{"class_name": "AUC"}] * 5_000}}, "at most 1000"),
        ({"config": PERCEPTRON, "compile": {**SGD, "loss": "x" * 300_000}}, "loss must be one of"),
        ({"config": PERCEPTRON, "class_names": [[]] * 20_000}, "class_names must be a list of strings"),
        ({"config": PERCEPTRON, "feature_names": {"x" * 100_000: 1}}, "'feature_names' in its metadata must be a JSON"),
    ],
)
def test_what_would_grow_in_memory_is_refused(parts: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.safetensors"
    arrays = {"layers.0.dense.kernel": np.ones((2, 2), np.float32), "layers.0.dense.bias": np.ones(2, np.float32)}
    texts = {key: part if isinstance(part, str) else json.dumps(part) for key, part in parts.items()}
    _safetensors.write(path, arrays, {"format": "fastnet", "format_version": "1", **texts})
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=reason):
            fn.load_model(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY * (path.stat().st_size + 10_000)
