"""`fastnet verify`: training again from a model's receipt gives the same model, or says what is different."""

import hashlib
import json
import os
import random
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

import fastnet as fn
from command import Run, write_flowers
from fastnet.serialization import read_metadata
from fastnet.training import receipt as _receipt


def with_receipt(path: Path, **changes: Any) -> None:
    """Write a model file again with other entries in its receipt."""
    model = fn.load_model(path)
    receipt = json.loads(read_metadata(path)["receipt"])
    model._receipt = _receipt.Receipt.from_dict({**receipt, **changes})
    model.save(path)


def command_of(path: Path) -> Any:
    return json.loads(read_metadata(path)["receipt"])["command"]


def test_a_model_is_identical_when_it_is_trained_again(run: Run, model: Path, flowers: Path) -> None:
    done = run("verify", model, flowers)
    assert (done.status, done.out) == (0, f"identical: training again gives the weights of {model}, bit for bit\n")
    assert "training again for 50 epochs" in done.err
    result = run("verify", model, flowers, "--threads", 3, "--quiet", "--json")
    assert (result.status, result.err) == (0, "")
    assert result.json["verdict"] == "identical"
    assert result.json["weights"]["now"] == fn.load_model(model).receipt["weights"]


@pytest.mark.parametrize(
    "options",
    [
        ["--hidden", "none", "--optimizer", "sgd", "--momentum", 0.5, "--lr", 0.1, "--validation", 0],
        ["--hidden", "5,4", "--activation", "tanh", "--dtype", "float64", "--seed", 7, "--batch-size", 9],
        ["--dtype", "mixed_bfloat16", "--optimizer", "rmsprop", "--validation", "0.3"],
    ],
    ids=["sgd", "float64", "bfloat16"],
)
def test_every_argument_of_train_is_kept(options: list[object], run: Run, flowers: Path) -> None:
    assert run("train", flowers, "--epochs", 3, *options, "--quiet", "--out", "m").status == 0
    assert run("verify", "m", flowers, "--quiet").out.startswith("identical: ")


def test_a_label_column_of_another_name_is_kept(run: Run, tmp_path: Path) -> None:
    for target, header in (("kind", "width,height,kind"), (-1, "width,height,kind")):
        data = write_flowers(tmp_path / "f.csv", header=header)
        assert run("train", data, "--target", target, "--epochs", 2, "--quiet", "--out", "m").status == 0
        assert run("verify", "m", data, "--quiet").status == 0


def test_the_command_of_a_receipt_can_be_typed_again(run: Run, tmp_path: Path) -> None:
    text = write_flowers(tmp_path / "f.csv", header="width,height,a kind").read_text()
    (tmp_path / "f.csv").write_text(text.replace(",", ";"))
    options = ["--target", "a kind", "--separator", ";", "--epochs", 1, "--quiet"]
    assert run("train", "f.csv", *options, "--out", "m").status == 0
    command = next(line for line in run("info", "m").out.splitlines() if line.startswith("command:"))
    words = shlex.split(command.removeprefix("command:"))
    assert words[:2] == ["fastnet", "train"]
    assert run(*words[1:], "--quiet", "--out", "again").status == 0
    assert Path("again").read_bytes() == Path("m").read_bytes()


def test_the_same_data_in_another_file_are_the_same(run: Run, model: Path, flowers: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.csv").write_text(flowers.read_text().replace("\n", "\r\n"))
    assert run("verify", model, "copy.csv", "--quiet").status == 0


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [(",rose\n", ",lily\n", "labels"), ("\n1.", "\n2.", "samples"), ("rose", "dandelion", "labels and classes")],
)
def test_other_data_are_named(
    old: str, new: str, what: str, run: Run, model: Path, flowers: Path, tmp_path: Path
) -> None:
    count = -1 if new == "dandelion" else 1
    (tmp_path / "other.csv").write_text(flowers.read_text().replace(old, new, count))
    done = run("verify", model, "other.csv", "--quiet")
    assert done.status == 1
    assert done.out.startswith(f"different: other data: the {what} are not those that the model was trained with")
    assert run("verify", model, "other.csv", "--json").json["verdict"] == "different"


def test_another_test_set_is_named(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = {"x_train": rng.normal(size=(50, 2)), "x_test": rng.normal(size=(20, 2))}
    labels = {name.replace("x", "y"): (x[:, 0] > 0).astype(int) for name, x in parts.items()}
    np.savez(tmp_path / "data.npz", **parts, **labels)
    assert run("train", "data.npz", "--epochs", 2, "--quiet", "--out", "m").status == 0
    assert run("verify", "m", "data.npz", "--quiet").status == 0
    np.savez(tmp_path / "data.npz", **{**parts, "x_test": -parts["x_test"]}, **labels)
    assert "the test set are not those" in run("verify", "m", "data.npz", "--quiet").out


def test_changed_weights_are_found(run: Run, model: Path, flowers: Path) -> None:
    changed = fn.load_model(model)
    weights = changed.get_weights()
    weights[-1][0] += 0.25
    changed.set_weights(weights)
    changed.save(model)
    done = run("verify", model, flowers, "--quiet")
    assert done.status == 1
    first, *rest = done.out.splitlines()
    assert first == "different: training again gives other weights, by 0.25 at most"
    assert rest[0].startswith("versions and instruction set are the same: the weights were changed")
    assert rest[1].startswith("accuracy: 100.00% then, 100.00% now, on 10% of flowers.csv, held out")
    assert run("verify", model, flowers, "--quiet", "--tolerance", 0.01).out.startswith("equivalent: ")
    result = run("verify", model, flowers, "--quiet", "--json", "--tolerance", 0.01)
    assert (result.status, result.json["verdict"]) == (0, "equivalent")
    assert result.json["largest_difference"] == pytest.approx(0.25)


def test_another_version_is_named(run: Run, model: Path, flowers: Path) -> None:
    with_receipt(model, runs=[{"numpy": "1.0", **{name: fn.show_config("dict")[name] for name in ("python", "isa")}}])
    with_receipt(model, seed=1)
    changed = fn.load_model(model)
    changed.set_weights([array + 1 for array in changed.get_weights()])
    changed.save(model)
    done = run("verify", model, flowers, "--quiet")
    assert done.status == 1
    assert f"version: fastnet None then, {fn.__version__} now; numpy 1.0 then, {np.__version__} now" in done.out


@pytest.mark.skipif(len(fn.show_config("dict")["available_isas"]) < 2, reason="needs two instruction sets")
def test_another_instruction_set_is_named(run: Run, model: Path, flowers: Path, tmp_path: Path) -> None:
    now = fn.show_config("dict")["isa"]
    other = next(name for name in fn.show_config("dict")["available_isas"] if name != now)
    command = [sys.executable, "-m", "fastnet", "verify", str(model), str(flowers), "--quiet"]
    done = subprocess.run(
        command, env={**os.environ, "FASTNET_ISA": other}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"instruction set: {now} then, {other} now; results differ between instruction sets" in done.stdout
    assert f"FASTNET_ISA={now} forces the same" in done.stdout
    command += ["--tolerance", "0.05"]
    done = subprocess.run(
        command, env={**os.environ, "FASTNET_ISA": other}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout.startswith("equivalent: ")


# ---- What cannot be verified ----------------------------------------------------------------------------------------


def test_a_model_of_another_making_is_refused(run: Run, model: Path, flowers: Path, tmp_path: Path) -> None:
    fn.Sequential([fn.Dense(3, "softmax", input_shape=(2,))]).save(tmp_path / "untrained")
    assert "untrained has no receipt" in run("verify", "untrained", flowers).err
    further = fn.load_model(model)
    further.fit(np.ones((4, 2)), [0, 1, 2, 0], verbose=0)
    further.save(tmp_path / "further")
    done = run("verify", "further", flowers)
    assert (done.status, done.out) == (1, "")
    assert "it is not the result of one complete run of fastnet train" in done.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"out": "/tmp/x"}, "the argument 'out', which this version does not know"),
        ({"epochs": "many"}, "arguments that fastnet train does not accept: argument --epochs"),
        ({"hidden": [10**9]}, "has the hidden layers dense 1000000000, the model has others"),
        ({"hidden": []}, "has the hidden layers none, the model has others"),
        ({"hidden": {"a": 1}}, "arguments that fastnet train does not accept: argument --hidden"),
        ({"optimizer": "sgd --out x"}, "arguments that fastnet train does not accept: argument --optimizer"),
    ],
)
def test_a_receipt_with_wrong_arguments_is_refused(
    arguments: dict[str, Any], reason: str, run: Run, model: Path, flowers: Path
) -> None:
    command = command_of(model)
    with_receipt(model, command={**command, "arguments": {**command["arguments"], **arguments}})
    done = run("verify", model, flowers)
    assert (done.status, done.out) == (1, "")
    assert reason in done.err
    assert len(done.err.splitlines()) == 1


def test_arguments_that_a_receipt_lacks_are_the_usual_ones(run: Run, flowers: Path, tmp_path: Path) -> None:
    assert run("train", flowers, "--quiet", "--out", "m").status == 0
    command = command_of(tmp_path / "m")
    # Versions whose receipts do not have the weight decay had none.
    few = {name: command["arguments"][name] for name in ("hidden", "weight_decay")}
    with_receipt(tmp_path / "m", command={**command, "arguments": few})
    assert run("verify", "m", flowers, "--quiet").out.startswith("identical: ")


def test_a_receipt_of_another_command_is_refused(run: Run, model: Path, flowers: Path) -> None:
    with_receipt(model, command={"name": "bake"})
    assert "is of the command 'bake', not of fastnet train" in run("verify", model, flowers).err


def test_a_quantized_model_is_shown_with_its_receipt_and_not_verified(
    run: Run, model: Path, flowers: Path, tmp_path: Path
) -> None:
    fn.load_model(model).quantize(np.ones((4, 2))).save(tmp_path / "small")
    out = run("info", "small").out
    assert "trained:       50 epochs, 200 steps, complete" in out
    assert f"weights:       sha256 {fn.load_model(model).receipt['weights']}" in out
    done = run("verify", "small", flowers)
    assert (done.status, done.out) == (1, "")
    assert "small is quantized; verify the model that it was made from" in done.err


# ---- The receipt in the file ----------------------------------------------------------------------------------------


def test_train_hashes_all_bytes(run: Run, tmp_path: Path) -> None:
    assert run("train", "--epochs", 1, "--quiet", "--out", "m").status == 0
    x, y = fn.datasets.digits.load_data()
    data = command_of(tmp_path / "m")["data"]
    assert data["name"] == "digits"
    assert data["x"]["sha256"] == hashlib.sha256(x.astype(np.uint8).tobytes()).hexdigest()
    assert data["y"]["sha256"] == hashlib.sha256(y.astype(np.int64).tobytes()).hexdigest()
    assert data["x"]["rows_hashed"] == 1797


def test_train_keeps_how_good_the_model_is(run: Run, tmp_path: Path) -> None:
    trained = run("train", "--epochs", 2, "--quiet", "--json", "--out", "m").json
    figures = fn.load_model(tmp_path / "m").figures
    assert figures["held_out"]["accuracy"] == trained["held_out"]["accuracy"]
    assert figures["last_epoch"]["loss"] == trained["training"]["history"]["loss"][-1]
    assert run("train", "--epochs", 1, "--quiet", "--validation", 0, "--out", "m").status == 0
    assert set(fn.load_model(tmp_path / "m").figures) == {"last_epoch", "training_data"}


def test_info_shows_checksum_figures_and_receipt(run: Run, model: Path) -> None:
    out = run("info", model).out
    digest = hashlib.sha256(model.read_bytes()).hexdigest()
    weights = fn.load_model(model).receipt["weights"]
    assert digest in out
    assert f"weights:       sha256 {weights}" in out
    assert "trained:       50 epochs, 200 steps, complete" in out
    assert "held out:      accuracy 1, correct 6, rows 6, measured_on 10% of flowers.csv, held out" in out
    assert "command:       fastnet train flowers.csv --hidden=64,64 " in out
    info = run("info", model, "--json").json
    assert info["sha256"] == digest
    assert info["receipt"]["command"]["arguments"]["epochs"] == 50
    assert info["metrics"]["held_out"]["accuracy"] == 1.0


def test_info_shows_the_receipt_of_a_model_made_in_python(run: Run, tmp_path: Path) -> None:
    import scipy.sparse

    model = fn.Sequential([fn.Dense(1, input_shape=(2,))], seed=4)
    model.compile("sgd", "mse", metrics=["mae"])
    for _ in range(12):
        model.fit(np.ones((4, 2)), np.ones(4), verbose=0)
    model.save(tmp_path / "m")
    out = run("info", "m").out
    assert "1 epoch, 1 step, complete, after 11 other runs" in out
    assert "seed:          4" in out
    assert "x:             4 x 2 float64, sha256 " in out
    model.fit(iter([(np.ones((4, 2)), np.ones(4))]), steps_per_epoch=1, verbose=0)
    model.save(tmp_path / "m")
    assert "batches, which are not hashed" in run("info", "m").out
    model.fit(scipy.sparse.eye(2, format="csr"), np.ones(2), verbose=0)
    model.save(tmp_path / "m")
    assert "x:             2 x 2, sparse" in run("info", "m").out


def test_info_prints_no_control_characters(run: Run, model: Path) -> None:
    loaded = fn.load_model(model)
    loaded.class_names = ["\x1b[31mred", "größer", "犬"]
    loaded.save(model)
    out = run("info", model).out
    assert "\x1b" not in out
    assert r"3: \u001b[31mred, größer, 犬" in out


def test_info_takes_a_receipt_with_little_in_it(run: Run, model: Path) -> None:
    for receipt in ({}, {"runs": [{}]}, {"runs": [{"data": {"x": {}, "y": {"shape": 3}}}], "command": {}}):
        loaded = fn.load_model(model)
        loaded._receipt = _receipt.Receipt.from_dict(json.loads(json.dumps(receipt)))
        loaded.save(model)
        assert run("info", model).status == 0
        assert run("info", model, "--json").status == 0


ODD = [None, True, -1, 10**30, 1.5, "", "--out=z", "\x1b[31m", [], [[1]], {}, {"a": 1}]


def changed(value: Any, rng: random.Random) -> Any:
    """Return JSON with one part of it replaced by something odd, or left out."""
    if not isinstance(value, dict | list) or not value or rng.random() < 0.2:
        return rng.choice(ODD)
    whole: Any = dict(value) if isinstance(value, dict) else list(value)
    key = rng.choice(list(whole) if isinstance(whole, dict) else range(len(whole)))
    if isinstance(whole, dict) and rng.random() < 0.2:
        del whole[key]
    else:
        whole[key] = changed(whole[key], rng)
    return whole


def test_a_receipt_with_anything_in_it_is_shown_or_refused_in_one_line(run: Run, flowers: Path, tmp_path: Path) -> None:
    run("train", flowers, "--epochs", 1, "--hidden", 4, "--quiet", "--out", "m")
    metadata = {name: text for name, text in read_metadata(tmp_path / "m").items() if name != "checksum"}
    tensors, receipt = safetensors.numpy.load_file(tmp_path / "m"), json.loads(metadata["receipt"])
    rng = random.Random(0)
    outcomes = set()
    for _ in range(40):
        odd = {**metadata, "receipt": json.dumps(changed(receipt, rng))}
        (tmp_path / "odd").write_bytes(safetensors.numpy.save(tensors, metadata=odd))
        for command in (["info", "odd"], ["verify", "odd", flowers, "--quiet"]):
            done = run(*command)
            assert done.status == 0 or (done.out == "") == (len(done.err.splitlines()) == 1)
            outcomes.add((command[0], done.status))
    assert outcomes == {("info", 0), ("info", 1), ("verify", 0), ("verify", 1)}
