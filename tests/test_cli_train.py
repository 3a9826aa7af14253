"""`fastnet train`: what it prints, writes and returns."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Done, Run
from fastnet import _core
from fastnet.cli._arguments.train import ACTIVATIONS, OPTIMIZERS

# ---- train ----------------------------------------------------------------------------------------------------------


def test_train_learns_digits_without_any_argument(run: Run) -> None:
    done = run("train", "--json", "--quiet")
    assert done.status == 0
    assert done.json["held_out"]["accuracy"] >= 0.97
    assert done.json["training"]["seconds"] < 10


def test_train_reports_accuracy_confusion_matrix_and_speed(run: Run) -> None:
    done = run("train", "digits", "--epochs", 2)
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("Held-out accuracy: ")
    assert lines[0].endswith(" of 180 rows; 10% of digits, held out)")
    assert lines[2] == "Confusion matrix (rows: true class, columns: predicted class)"
    assert lines[3].split() == [*map(str, range(10)), "recall"]
    assert [line.split()[0] for line in lines[4:14]] == [*map(str, range(10))]
    assert len({len(line) for line in lines[3:14]}) == 1
    assert "Training: 2 epochs of 1,617 samples in " in done.out
    assert " samples a second" in done.out
    assert lines[-1].endswith("not saved; use --out model.safetensors to save it")


def test_progress_and_messages_go_to_standard_error(run: Run) -> None:
    done = run("train", "digits", "--epochs", 3)
    assert not any(line.startswith("epoch") for line in done.out.splitlines())
    assert done.err.startswith("data:  digits: 1,617 rows to train on, 180 held out; 64 features, 10 classes (0, 1,")
    assert [line.split()[1] for line in done.err.splitlines() if line.startswith("epoch")] == ["1/3", "2/3", "3/3"]
    assert "val_accuracy" in done.err


def test_a_long_training_prints_about_twenty_lines(run: Run, flowers: Path) -> None:
    lines = [line for line in run("train", flowers, "--epochs", 100).err.splitlines() if line.startswith("epoch")]
    assert len(lines) == 21
    assert lines[-1].startswith("epoch 100/100")


def test_quiet_prints_the_result_only(run: Run) -> None:
    done = run("train", "--epochs", 1, "--quiet")
    assert done.err == ""
    assert done.out.startswith("Held-out accuracy")


def test_json_is_one_document(run: Run, tmp_path: Path) -> None:
    done = run("train", "--epochs", 2, "--json", "--seed", 3, "--threads", 1, "--out", tmp_path / "m.safetensors")
    assert done.status == 0
    result = done.json
    assert result["schema"] == 1
    assert result["command"] == "train"
    assert result["fastnet_version"] == fn.__version__
    assert result["model"] == str(tmp_path / "m.safetensors")
    held_out = result["held_out"]
    matrix = np.array(held_out["confusion_matrix"])
    assert matrix.shape == (10, 10)
    assert matrix.sum() == held_out["rows"] == 180
    assert matrix.trace() == held_out["correct"] == round(held_out["accuracy"] * 180)
    training = result["training"]
    assert (training["epochs"], training["rows"], training["seed"], training["threads"]) == (2, 1617, 3, 1)
    assert {len(values) for values in training["history"].values()} == {2}


def test_the_same_arguments_give_the_same_file_on_any_number_of_threads(run: Run, tmp_path: Path) -> None:
    def train(name: str, *arguments: object) -> bytes:
        assert run("train", "--epochs", 1, "--quiet", "--out", name, *arguments).status == 0
        return (tmp_path / name).read_bytes()

    first = train("a")
    assert train("b", "--threads", 1) == first
    assert train("c", "--threads", 3) == first
    assert train("d", "--seed", 1) != first


def test_the_model_carries_scaling_and_names(run: Run, model: Path) -> None:
    loaded = fn.load_model(model)
    assert loaded.class_names == ["lily", "rose", "tulip, red"]
    assert loaded.feature_names == ["width", "height"]
    assert isinstance(loaded.layers[0], fn.Rescaling)
    assert 1 / loaded.layers[0].scale == pytest.approx(9.7, abs=0.3)
    assert loaded.get_compile_config()["optimizer"]["class_name"] == "Adam"


@pytest.mark.parametrize(("largest", "scale"), [(255, 1 / 255), (200, 1 / 255), (16, 1 / 16), (0, 1.0), (1000, 1e-3)])
def test_bytes_of_images_are_scaled_by_255_and_other_numbers_by_their_largest(
    largest: int, scale: float, run: Run, tmp_path: Path
) -> None:
    x = np.zeros((20, 3))
    x[:, 1] = largest
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(20) % 2)
    assert run("train", "data.npz", "--epochs", 1, "--quiet", "--out", "m").status == 0
    assert fn.load_model(tmp_path / "m").layers[0].scale == pytest.approx(scale)


def test_options_shape_the_network_and_its_training(run: Run, tmp_path: Path) -> None:
    options = ["--hidden", "7,5", "--activation", "tanh", "--optimizer", "sgd", "--lr", "0.5", "--momentum", "0.5"]
    assert run("train", "--epochs", 2, *options, "--batch-size", 100, "--quiet", "--out", "m").status == 0
    model = fn.load_model(tmp_path / "m")
    assert [layer.output_shape for layer in model.layers] == [(64,), (7,), (5,), (10,)]
    assert model.layers[1].get_config()["activation"] == "tanh"
    optimizer = model.get_compile_config()["optimizer"]
    assert (optimizer["class_name"], optimizer["config"]["learning_rate"], optimizer["config"]["momentum"]) == (
        "SGD",
        0.5,
        0.5,
    )


def test_a_network_may_have_no_hidden_layer(run: Run, tmp_path: Path) -> None:
    assert run("train", "--epochs", 1, "--hidden", "none", "--quiet", "--out", "m").status == 0
    assert fn.load_model(tmp_path / "m").count_params() == 65 * 10


# These are 0 around 0, where the units of a new network are: their gradients, too.
SHRINKING = {"hard_shrink", "soft_shrink", "thresholded_relu"}


@pytest.mark.parametrize(
    ("activation", "optimizer"),
    [*zip([name for name in ACTIVATIONS if name not in SHRINKING], itertools.cycle(OPTIMIZERS))],
)
def test_every_activation_and_optimizer_learns(activation: str, optimizer: str, run: Run) -> None:
    assert len(ACTIVATIONS) >= len(OPTIMIZERS)  # so that every optimizer is among the pairs
    done = run("train", "--activation", activation, "--optimizer", optimizer, "--epochs", 10, "--quiet", "--json")
    assert done.json["held_out"]["accuracy"] > 0.5  # of ten classes, after a tenth of the usual epochs


def test_the_accepted_names_are_those_of_the_core() -> None:
    assert {*ACTIVATIONS, "softmax", "log_softmax", "exponential", "hard_sigmoid"} == set(_core.activation_names())
    assert set(OPTIMIZERS) <= set(_core.optimizer_names()) | {"adamw"}


def test_the_result_is_measured_on_the_test_set_that_the_data_bring(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = {f"x_{part}": rng.normal(size=(rows, 2)) for part, rows in (("train", 50), ("test", 30))}
    labels = {name.replace("x", "y"): (x[:, 0] > 0).astype(int) for name, x in parts.items()}
    np.savez(tmp_path / "data.npz", **parts, **labels)
    done = run("train", "data.npz", "--epochs", 1)
    assert "45 rows to train on, 5 held out, 30 to test with" in done.err
    assert "of 30 rows; the test set of data.npz)" in done.out


def test_nothing_need_be_held_out(run: Run) -> None:
    done = run("train", "--validation", 0, "--epochs", 1)
    assert "1,797 rows to train on; 64" in done.err
    assert done.out.startswith("Training accuracy: ")
    assert "held_out" not in run("train", "--validation", 0, "--epochs", 1, "--json").json


def test_classes_too_small_to_be_split_in_proportion_are_split_at_random(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.eye(20), y=[0] * 10 + [1] * 9 + [2])
    done = run("train", "data.npz", "--epochs", 1)
    assert done.status == 0
    assert "some classes have too few rows" in done.err


def test_an_existing_model_is_replaced_only_by_a_trained_one(run: Run, model: Path, flowers: Path) -> None:
    before = model.read_bytes()
    done = run("train", flowers, "--lr", 1e30, "--out", model)
    assert done.status == 1
    assert done.err.splitlines()[-1].startswith("fastnet: error: the loss is ")
    assert "(--lr)" in done.err
    assert done.out == ""
    assert model.read_bytes() == before
    assert run("train", flowers, "--seed", 9, "--quiet", "--out", model).status == 0
    assert model.read_bytes() != before


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("no/such/folder/m", "cannot write no/such/folder/m: the folder no/such/folder does not exist"),
        ("folder", "cannot write folder: it is a folder"),
        ("flowers.csv", "--out would replace flowers.csv, which the command reads"),
    ],
)
def test_training_does_not_start_when_the_model_could_not_be_written(
    out: str, reason: str, run: Run, flowers: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    before = flowers.read_bytes()
    done = run("train", "flowers.csv", "--out", out)
    assert done == Done(1, "", f"fastnet: error: {reason}\n")
    assert flowers.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_training_does_not_start_in_a_folder_that_is_not_writable(run: Run, flowers: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    done = run("train", flowers, "--out", "locked/m")
    assert done == Done(1, "", "fastnet: error: cannot write locked/m: permission denied\n")
