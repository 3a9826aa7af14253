"""Defaults of `fastnet train`: a network and a scaling that follow the size and the columns of the data."""

from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run
from fastnet.cli import _scaling
from fastnet.cli._arguments import parse_arguments
from fastnet.cli._defaults import resolved
from fastnet.cli._parts import Parts
from fastnet.datasets import Dataset


def defaults(rows: int, *options: str) -> dict[str, object]:
    """Return the arguments for data with a number of rows to train on."""
    data = Dataset(np.broadcast_to(np.float32(1.0), (rows, 2)), np.arange(rows) % 2)
    parts = Parts(data, data, Dataset(data.x[:4] + np.eye(4, 2, dtype=np.float32), data.y[:4]), None, data, "")
    return vars(resolved(parse_arguments(["train", "x", *options]), parts))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (100, {"hidden": (64, 64), "weight_decay": 0.5, "epochs": 50, "batch_size": 16}),
        (999, {"hidden": (64, 64), "weight_decay": 0.3, "epochs": 50, "batch_size": 16}),
        (1000, {"hidden": (128, 64), "weight_decay": 0.3, "epochs": 50, "batch_size": 16}),
        (9999, {"hidden": (128, 64), "weight_decay": 0.03, "epochs": 31, "batch_size": 16}),
        (60_000, {"hidden": (256, 128), "weight_decay": 0.005, "epochs": 5, "batch_size": 128}),
    ],
)
def test_more_rows_get_a_larger_network_and_less_decay(rows: int, expected: dict[str, object]) -> None:
    chosen = defaults(rows)
    assert {name: chosen[name] for name in expected} == expected


def test_images_get_the_largest_network_however_few_they_are(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).random((40, 4, 4)), y=np.arange(40) % 2)
    assert "model: 16-256-128-2, relu" in run("train", "data.npz", "--epochs", 1).err


def test_given_options_take_precedence() -> None:
    chosen = defaults(100, "--hidden", "5", "--weight-decay", "0", "--epochs", "3")
    assert (chosen["hidden"], chosen["weight_decay"], chosen["epochs"]) == ((5,), 0.0, 3)
    assert defaults(100, "--network", "mlp")["hidden"] == (64, 64)
    assert defaults(100, "--layers", "dense 3")["hidden"] is None


@pytest.mark.parametrize(("offset", "factor"), [(0.0, 1.0), (20.0, 1.0), (-1e4, 1.0), (0.0, 1e-9)])
def test_two_columns_are_learned_wherever_they_lie(offset: float, factor: float, run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 700)
    inner = rng.integers(0, 2, 700)
    x = np.column_stack([np.cos(angle), np.sin(angle)]) * (1 + inner[:, None]) + rng.normal(0, 0.1, (700, 2))
    np.savez(tmp_path / "data.npz", x=factor * x + offset, y=inner)
    done = run("train", "data.npz", "--json", "--quiet")
    assert done.json["held_out"]["accuracy"] > 0.95
    assert done.json["parameters"] < 5000


def test_one_factor_is_for_columns_of_one_scale_near_zero() -> None:
    x = np.random.default_rng(0).uniform(1, 2, (100, 3)).astype(np.float32)
    assert isinstance(_scaling.scaling(Dataset(x), "float32")[0], fn.Rescaling)
    for other in (x + 10, x * [1, 1, 0.1]):
        (layer,) = _scaling.scaling(Dataset(other.astype(np.float32)), "float32")
        assert isinstance(layer, fn.Normalization)
