"""`fastnet train --ensemble N`: several networks in one model file."""

from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run
from fastnet.cli import train


def test_the_model_is_the_mean_of_networks_with_seeds_that_count_up(run: Run, flowers: Path, tmp_path: Path) -> None:
    # With the same rows held out, which --seed decides too.
    options = ("--epochs", 3, "--validation", 0, "--quiet")
    for seed in (4, 5, 6):
        assert run("train", flowers, *options, "--seed", seed, "--out", f"m{seed}").status == 0
    assert run("train", flowers, *options, "--seed", 4, "--ensemble", 3, "--out", "m").status == 0
    x = fn.datasets.load(flowers).x
    mean = np.mean([fn.load_model(tmp_path / f"m{seed}").predict(x, verbose=0) for seed in (4, 5, 6)], axis=0)
    np.testing.assert_allclose(fn.load_model(tmp_path / "m").predict(x, verbose=0), mean, atol=1e-6)


def test_the_output_says_how_many_networks_there_are(run: Run, flowers: Path) -> None:
    done = run("train", flowers, "--ensemble", 2, "--epochs", 2)
    assert "model: 2 networks of 2-64-64-3, relu, " in done.err
    assert [line for line in done.err.splitlines() if line.startswith("network")] == [
        "network 1 of 2, seed 0",
        "network 2 of 2, seed 1",
    ]
    assert "Training: 2 epochs of 54 samples for each of 2 networks in " in done.out


def test_every_command_takes_it(run: Run, flowers: Path, tmp_path: Path) -> None:
    options = ("--ensemble", 3, "--quiet", "--json", "--out", "m.safetensors")
    trained = run("train", flowers, *options).json
    assert trained["training"]["networks"] == 3
    assert {len(values) for values in trained["training"]["history"].values()} == {trained["training"]["epochs"]}
    assert run("evaluate", "m.safetensors", flowers, "--json").json["accuracy"] == 1.0
    assert run("predict", "m.safetensors", flowers).out.startswith("class,probability\nrose,")
    assert run("verify", "m.safetensors", flowers, "--quiet").out.startswith("identical: ")
    assert "--ensemble=3" in run("info", "m.safetensors").out
    assert run("export", "m.safetensors", "--to", "c", "--quiet").status == 0
    assert run("quantize", "m.safetensors", flowers, "--out", "q.safetensors", "--quiet").status == 0
    assert run("evaluate", "q.safetensors", flowers, "--json").json["accuracy"] == 1.0


def test_a_regression_may_be_one_and_stop_early(run: Run, tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    np.savez(tmp_path / "data.npz", x=x, y=1e4 * np.sin(3 * x[:, 0]))
    options = ("--ensemble", 2, "--early-stopping", 1, "--epochs", 30, "--out", "m", "--json", "--quiet")
    done = run("train", "data.npz", *options)
    assert done.json["held_out"]["r2"] > 0.8
    assert run("verify", "m", "data.npz", "--quiet").out.startswith("identical: ")


def test_keras_files_do_not_take_it_which_is_said_before_the_training(run: Run, flowers: Path) -> None:
    pytest.importorskip("h5py")
    done = run("train", flowers, "--ensemble", 2, "--out", "m.keras")
    assert done.status == 1
    assert "--ensemble: files of Keras do not hold the mean of several networks; " in done.err
    assert "epoch" not in done.err


def test_ctrl_c_keeps_the_mean_of_the_networks_so_far(
    run: Run, flowers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = train.fit
    calls = []

    def interrupted(model: fn.Sequential, parts: object, arguments: object, callbacks: list[object]) -> None:
        calls.append(model)
        fit(model, parts, arguments, callbacks)
        if len(calls) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "fit", interrupted)
    done = run("train", flowers, "--ensemble", 3, "--epochs", 2, "--out", "m")
    assert done.status == 130
    assert "network 2 of 3, in epoch 2 of 2; the best weights so far are in m" in done.err
    x = fn.datasets.load(flowers).x
    mean = np.mean([model.predict(x, verbose=0) for model in calls], axis=0)
    np.testing.assert_allclose(fn.load_model(tmp_path / "m").predict(x, verbose=0), mean, atol=1e-6)
