"""Convolutional networks on the command line: networks by name, layers written out, and the shape of images."""

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from command import Done, Run
from fastnet.cli._arguments.layers import NETWORKS, parse_layers
from fastnet.cli._networks import hidden_layers
from fastnet.datasets import digits

SMALL = "conv 4 3, pool 2, dropout 0.25, dense 12"


def made(text: str, activation: str = "relu") -> list[fn.layers.Layer]:
    return hidden_layers(Namespace(layers=text, network=None, hidden=None, activation=activation, augment=None))


def save_digits(path: Path, *, shaped: bool = False) -> Path:
    """Write some of the digits as an .npz: rows of 64 values, or images of 8 x 8."""
    x, y = digits.load_data()
    np.savez(path, x=x[:300].reshape(-1, 8, 8) if shaped else x[:300], y=y[:300])
    return path


@pytest.fixture
def trained(run: Run, tmp_path: Path) -> Path:
    """A model of digits with a convolution."""
    done = run("train", "digits", "--layers", SMALL, "--epochs", 3, "--quiet", "--out", "m.safetensors")
    assert done.status == 0, done.err
    return tmp_path / "m.safetensors"


# ---- Layers that are written out ------------------------------------------------------------------------------------


def test_words_give_the_layers_with_their_numbers() -> None:
    text = "conv 8 3 same, pool 2, conv 4 5, average 3, norm, dropout 0.25, global, dense 7"
    layers = made(text, "tanh")
    kinds = "Conv2D MaxPooling2D Conv2D AveragePooling2D BatchNormalization Dropout GlobalAveragePooling2D Dense"
    assert [type(layer).__name__ for layer in layers] == kinds.split()
    first, pool, second, average, _, dropout, _, dense = (layer.get_config() for layer in layers)
    assert (first["filters"], first["kernel_size"], first["padding"]) == (8, [3, 3], "same")
    assert (second["filters"], second["kernel_size"], second["padding"]) == (4, [5, 5], "valid")
    assert (pool["pool_size"], average["pool_size"], dropout["rate"], dense["units"]) == ([2, 2], [3, 3], 0.25, 7)
    assert {config["activation"] for config in (first, second, dense)} == {"tanh"}


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("conv 8 3, dense 7, dense 5", [1]),
        ("conv 8 3", [1]),
        ("conv 8 3, flatten, dropout 0.5, dense 3", [1]),
        ("conv 8 3, global, dense 5", []),
        ("dense 7, dropout 0.5", []),
    ],
)
def test_images_are_flattened_once_before_the_first_dense_layer(text: str, places: list[int]) -> None:
    assert [i for i, layer in enumerate(made(text)) if isinstance(layer, fn.Flatten)] == places


def test_the_named_networks_are_those_of_keras_and_of_lenet() -> None:
    sizes = {
        name: fn.Sequential([fn.Input((28, 28, 1)), *made(text), fn.Dense(10, "softmax")]).count_params()
        for name, text in NETWORKS.items()
    }
    assert sizes == {"cnn": 34826, "lenet": 44426}


def test_layers_have_one_way_of_writing_that_reads_back() -> None:
    written = ", ".join(map(str, parse_layers("  CONV 8 3  same,pool 2 ,dropout .10, norm")))
    assert written == "conv 8 3 same, pool 2, dropout 0.1, norm"
    assert parse_layers(written) == parse_layers("conv 8 3 same, pool 2, dropout 0.1, norm")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("convolve 8 3", "must be layers with commas between them: conv FILTERS SIZE [same], pool SIZE,"),
        ("convolve 8 3", "got 'convolve 8 3'; did you mean 'conv'?"),
        ("dense 8,", "dropout RATE, norm; got ''"),
        ("", "dropout RATE, norm; got ''"),
        ("conv 8", "has 'conv 8'; a layer of this kind is 'conv FILTERS SIZE [same]'"),
        ("pool 2 same", "has 'pool 2 same'; a layer of this kind is 'pool SIZE'"),
        ("conv 8 3 same same", "a layer of this kind is 'conv FILTERS SIZE [same]'"),
        ("conv 8 3x3", "has 'conv 8 3x3', whose SIZE must be an integer from 1 to 2147483647; got '3x3'"),
        ("dense 0", "has 'dense 0', whose UNITS must be an integer"),
        ("dense " + "9" * 5000, "whose UNITS must be an integer"),
        ("dropout 1", "has 'dropout 1', whose RATE must be a number from 0 to below 1; got '1'"),
        ("conv 8 3, dense 5, pool 2", "has 'pool 2', which takes images, after 'dense 5', which gives rows"),
        ("conv 8 3, global, conv 8 3", "has 'conv 8 3', which takes images, after 'global', which gives rows"),
    ],
)
def test_wrong_layers_are_wrong_usage_in_one_line(text: str, reason: str, run: Run) -> None:
    done = run("train", "digits", "--layers", text)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("fastnet train: error: argument --layers: ")
    assert reason in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--network", "cnm"], "must be one of mlp, cnn, lenet; got 'cnm'; did you mean 'cnn'?"),
        (["--network", "cnn", "--hidden", "8"], "--hidden: not together with --network cnn"),
        (["--layers", "dense 3", "--hidden", "none"], "--hidden: not together with --layers"),
        (["--layers", "dense 3", "--network", "lenet"], "--layers: not together with --network lenet"),
        (["--image-shape", "28"], "must be HEIGHT,WIDTH or HEIGHT,WIDTH,CHANNELS such as 28,28,1, or square; got '28'"),
        (["--image-shape", "28,0"], "or square; got '28,0'"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(options: list[str], reason: str, run: Run) -> None:
    done = run("train", "digits", *options)
    assert (done.status, done.out) == (2, "")
    assert reason in done.err


# ---- Training and what follows --------------------------------------------------------------------------------------


def test_train_names_its_layers_and_learns(run: Run, tmp_path: Path) -> None:
    done = run("train", "digits", "--layers", "conv 16 3, pool 2, dense 32", "--epochs", 12, "--out", "m")
    assert done.status == 0
    assert "model: 8 x 8 x 1, conv 16 3, pool 2, dense 32, dense 10, relu, 5,130 parameters" in done.err
    assert accuracy(done) >= 0.95
    assert fn.load_model(tmp_path / "m").input_shape == (8, 8, 1)


def accuracy(done: Done) -> float:
    return float(done.out.partition(": ")[2].partition("%")[0]) / 100


@pytest.mark.slow
def test_lenet_learns_mnist(run: Run, mnist_dir: Path) -> None:
    assert accuracy(run("train", "mnist", "--network", "lenet", "--epochs", 1)) >= 0.97


def test_a_network_by_name_is_its_layers(run: Run, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 24 * 24), np.uint8)
    np.savez(tmp_path / "noise.npz", x=pixels, y=np.arange(40) % 4)
    write = ["noise.npz", "--epochs", 1, "--image-shape", "square", "--quiet"]
    assert run("train", *write, "--network", "cnn", "--out", "named").status == 0
    assert run("train", *write, "--layers", NETWORKS["cnn"], "--out", "written").status == 0
    named, written = (fn.load_model(tmp_path / name) for name in ("named", "written"))
    assert named.input_shape == (24, 24, 1)
    assert named.receipt["weights"] == written.receipt["weights"]
    arguments = named.receipt["command"]["arguments"]
    assert (arguments["layers"], arguments["image_shape"]) == (NETWORKS["cnn"], "square")
    assert not {"hidden", "network"} & set(arguments)


def test_mlp_is_the_network_without_a_name(run: Run, tmp_path: Path) -> None:
    for name, options in {"a": [], "b": ["--network", "mlp"], "c": ["--layers", "dense 256, dense 128"]}.items():
        assert run("train", "digits", "--epochs", 1, "--quiet", "--out", name, *options).status == 0
    hashes = {fn.load_model(tmp_path / name).receipt["weights"] for name in "abc"}
    assert len(hashes) == 1


def test_every_command_works_with_convolutions(run: Run, trained: Path) -> None:
    assert "conv2d         Conv2D(relu)       6 x 6 x 4" in run("info", trained).out
    held_out = run("evaluate", trained, "digits", "--json").json
    assert held_out["rows"] == 1797
    assert held_out["accuracy"] > 0.6
    lines = run("predict", trained, "digits").out.splitlines()
    x, _ = digits.load_data()
    expected = fn.load_model(trained).predict(x.reshape(-1, 8, 8, 1)).argmax(axis=1)
    assert [line.partition(",")[0] for line in lines[1:]] == list(map(str, expected))
    speeds = run("bench", trained, "digits", "--seconds", 0.01, "--json").json
    assert all(one["rows_per_second"] > 0 for one in [*speeds["predictions"], *speeds["training"]])


def test_verify_trains_convolutions_again(run: Run, trained: Path) -> None:
    assert run("verify", trained, "digits", "--quiet").out.startswith("identical: ")


def test_verify_refuses_layers_that_are_not_those_of_the_model(run: Run, trained: Path) -> None:
    model = fn.load_model(trained)
    model._receipt.command["arguments"]["layers"] = "conv 4 3, pool 2, dropout 0.25, dense 1000000000"
    model.save(trained)
    done = run("verify", trained, "digits")
    assert (done.status, done.out) == (1, "")
    assert "its receipt has the hidden layers conv 4 3, pool 2, dropout 0.25, dense 1000000000, the model" in done.err


def test_a_run_repeats_from_its_folder(run: Run, tmp_path: Path) -> None:
    options = ["--layers", SMALL, "--epochs", 1, "--quiet"]
    assert run("train", "digits", *options, "--run-dir", "first").status == 0
    configuration = json.loads((tmp_path / "first" / "config.json").read_text())["train"]
    assert configuration["layers"] == SMALL
    assert not {"network", "hidden"} & set(configuration)
    assert run("train", "--config", "first/config.json", "--run-dir", "second", "--quiet").status == 0
    models = [fn.load_model(tmp_path / name / "model.safetensors") for name in ("first", "second")]
    assert models[0].receipt["weights"] == models[1].receipt["weights"]


def test_layers_in_a_file_are_a_list_or_text(run: Run, tmp_path: Path) -> None:
    written = []
    for value in ('["conv 4 3", "dense 5"]', '"conv 4 3, dense 5"'):
        (tmp_path / "run.toml").write_text(f"[train]\nlayers = {value}\nimage-shape = [8, 8, 1]\nepochs = 1\n")
        assert run("train", "digits", "--config", "run.toml", "--quiet", "--out", "m").status == 0
        written.append(fn.load_model(tmp_path / "m").receipt["command"]["arguments"])
    assert written[0] == written[1]
    assert (written[0]["layers"], written[0]["image_shape"]) == ("conv 4 3, dense 5", [8, 8, 1])


# ---- The shape of images --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [["--image-shape", "8,8,1"], ["--image-shape", "8,8"], ["--image-shape", "square"]])
def test_rows_of_a_table_become_images_when_asked(shape: list[str], run: Run, tmp_path: Path) -> None:
    save_digits(tmp_path / "rows.npz")
    save_digits(tmp_path / "images.npz", shaped=True)
    options = ["--layers", SMALL, "--epochs", 1, "--quiet"]
    assert run("train", "rows.npz", *options, *shape, "--out", "rows").status == 0
    assert run("train", "images.npz", *options, "--out", "images").status == 0
    models = [fn.load_model(tmp_path / name) for name in ("rows", "images")]
    assert models[0].input_shape == (8, 8, 1)
    assert models[0].receipt["weights"] == models[1].receipt["weights"]
    assert run("verify", "rows", "rows.npz", "--quiet").out.startswith("identical: ")
    assert run("evaluate", "rows", "rows.npz", "--json").json["rows"] == 300


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "take images, and rows.npz has 64 features in a row: give their shape, as in --image-shape 28,28,1,"),
        (["--image-shape", "28,28"], "--image-shape 28,28 does not fit rows.npz, which has 64 features in a row"),
        (["--image-shape", "2,2,16"], "do not fit samples of 2 x 2 x 16: layer 'conv2d' would make an output"),
    ],
)
def test_rows_that_are_no_images_are_refused(options: list[str], reason: str, run: Run, tmp_path: Path) -> None:
    save_digits(tmp_path / "rows.npz")
    done = run("train", "rows.npz", "--layers", SMALL, *options)
    assert (done.status, done.out) == (1, "")
    assert reason in done.err
    assert len(done.err.splitlines()) == 1


def test_the_images_are_not_copied(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def watch(model: fn.Sequential, x: Any, y: Any, **others: Any) -> Any:
        given.update(x=x, validation=others["validation_data"][0])
        return fit(model, x, y, **others)

    fit = fn.Sequential.fit
    monkeypatch.setattr(fn.Sequential, "fit", watch)
    assert run("train", "digits", "--layers", "conv 2 3", "--epochs", 1, "--quiet").status == 0
    for images in given.values():
        assert images.shape[1:] == (8, 8, 1)
        assert images.dtype == np.uint8
        assert images.base is not None
