"""``fastnet train --augment`` on the command line."""

import json
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run
from fastnet.datasets import digits

SHORT = ["--epochs", 1, "--quiet"]


def kinds(model: fn.Sequential) -> list[str]:
    return [type(layer).__name__ for layer in model.layers]


def test_words_give_layers_behind_the_scaling(run: Run, tmp_path: Path) -> None:
    words = "Shift, rotate,zoom,flip,shift"
    assert run("train", "digits", "--augment", words, "--hidden", 8, *SHORT, "--out", "m.safetensors").status == 0
    model = fn.load_model(tmp_path / "m.safetensors")
    changes = ["RandomTranslation", "RandomRotation", "RandomZoom", "RandomFlip"]
    assert kinds(model) == ["Rescaling", *changes, "Flatten", "Dense", "Dense"]
    assert model.input_shape == (8, 8, 1)
    shift, rotate, zoom, flip = (layer.get_config() for layer in model.layers[1:5])
    assert shift["height_factor"] == shift["width_factor"] == zoom["height_factor"] == 0.1
    assert rotate["factor"] == [-10 / 360, 10 / 360]
    assert flip["mode"] == "horizontal"
    assert {config["fill_mode"] for config in (shift, rotate, zoom)} == {"nearest"}
    assert run("verify", "m.safetensors", "digits", "--quiet").out.startswith("identical: ")
    assert run("evaluate", "m.safetensors", "digits", "--json").json["rows"] > 0


def test_a_network_of_convolutions_learns_from_changed_digits(run: Run) -> None:
    network = ["--layers", "conv 16 3, pool 2, dense 32"]
    done = run("train", "digits", *network, "--augment", "shift,rotate", "--epochs", 10)
    assert done.status == 0, done.err
    assert float(done.out.partition(": ")[2].partition("%")[0]) > 93.0


def test_a_run_keeps_the_words(run: Run, tmp_path: Path) -> None:
    assert run("train", "digits", "--augment", "zoom", "--hidden", 4, *SHORT, "--run-dir", "first").status == 0
    assert json.loads((tmp_path / "first/config.json").read_text())["train"]["augment"] == "zoom"
    assert run("train", "--config", "first/config.json", "--run-dir", "second", "--quiet").status == 0
    first, second = (fn.load_model(tmp_path / name / "model.safetensors") for name in ("first", "second"))
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (
            "shift,skew",
            "argument --augment: must be some of shift, rotate, zoom, flip, with commas between them; got 'skew'",
        ),
        ("rotation", "got 'rotation'"),
        ("", "got ''"),
    ],
)
def test_other_words_are_wrong_usage(words: str, reason: str, run: Run) -> None:
    done = run("train", "digits", "--augment", words)
    assert done.status == 2
    assert reason in done.err


def test_tables_are_refused_until_they_have_a_shape(run: Run, tmp_path: Path) -> None:
    x, y = digits.load_data()
    np.savez(tmp_path / "rows.npz", x=x[:200].reshape(200, 64), y=y[:200])
    done = run("train", "rows.npz", "--augment", "shift", *SHORT)
    assert done.status == 1
    assert "--augment shift takes images, and rows.npz has 64 features in a row" in done.err
    assert "--image-shape 28,28,1" in done.err
    assert run("train", "rows.npz", "--augment", "shift", "--image-shape", "square", *SHORT).status == 0
