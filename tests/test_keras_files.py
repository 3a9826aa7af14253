"""Files of Keras become models that predict what Keras predicts, and hostile ones are refused."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import _core
from keras_archives import SMALL, changed, members_of, zipped
from record_interchange_keras import DATA, MODELS, inputs, made, save

h5py = pytest.importorskip("h5py")

OUTPUTS = json.loads((DATA / "keras_outputs.json").read_text(encoding="utf-8"))["outputs"]
FILES = [f"keras_{name}{ending}" for name, (_, endings) in MODELS.items() for ending in endings]


def small_model() -> fn.Sequential:
    """The model of the files keras_small, with weights of its own."""
    return fn.Sequential([getattr(fn.layers, name)(**arguments) for name, arguments in MODELS["small"][0]])


# ---- Models and weights ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [file for file in FILES if not file.endswith(".weights.h5")])
def test_a_model_predicts_what_keras_predicts(file: str) -> None:
    name = file.partition(".")[0].removeprefix("keras_")
    model = fn.load_model(DATA / file)
    assert_allclose(model.predict(inputs(MODELS[name][0][0][1]["shape"])), OUTPUTS[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("file", [file for file in FILES if "small" in file])
def test_weights_are_those_of_the_file(file: str) -> None:
    model = small_model()
    model.load_weights(DATA / file)
    assert_allclose(model.predict(inputs((3,))), OUTPUTS["small"], rtol=1e-6, atol=1e-6)


def test_layers_have_the_names_and_the_settings_of_keras() -> None:
    model = fn.load_model(DATA / "keras_layers.keras")
    assert [layer.name for layer in model.layers] == [
        *["rescaling", "flatten", "normalization", "dense", "batch_normalization", "dropout", "dense_1"],
        *["layer_normalization", "leaky_re_lu", "dense_2", "p_re_lu", "gaussian_noise", "dense_3"],
    ]
    assert model.input_shape == (2, 2)
    dense, batch, dropout = model.layers[3:6]
    assert dense.kernel_regularizer.get_config() == {"l2": 0.01}
    assert batch.epsilon == 0.01
    assert dropout.rate == 0.5
    assert model.layers[8].activation.alpha == 0.3


@pytest.mark.parametrize("ending", [".keras", ".h5"])
def test_a_compiled_model_comes_back_compiled_and_trains(ending: str) -> None:
    model = fn.load_model(DATA / f"keras_small{ending}")
    assert model.optimizer.learning_rate == 0.25
    history = model.fit(np.ones((8, 3)), np.zeros((8, 2)), epochs=2, verbose=0).history
    assert list(history) == ["loss", "mae", "root_mean_squared_error"]
    assert fn.load_model(DATA / f"keras_small{ending}", compile=False).get_compile_config() is None


def test_a_model_of_keras_becomes_one_of_fastnet(tmp_path: Path) -> None:
    model = fn.load_model(SMALL)
    model.save(tmp_path / "model.safetensors")
    again = fn.load_model(tmp_path / "model.safetensors")
    assert_array_equal(again.predict(inputs((3,))), model.predict(inputs((3,))))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_installed_keras_writes_files_that_predict_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keras = pytest.importorskip("keras")
    names = [name for name in _core.activation_names() if hasattr(keras.activations, name)]
    activations = [("Dense", {"units": 4, "activation": name}) for name in [*names, "swish"]]
    models = [layers for layers, _ in MODELS.values()]
    models += [[("Input", {"shape": (3,)}), dense, ("Dense", {"units": 2})] for dense in activations]
    cases = [(layers, False) for layers in models] + [(models[0], True)]
    for layers, functional in cases:
        x = inputs(layers[0][1]["shape"])
        model = made(layers, functional)
        for ending in (".keras", ".h5", ".weights.h5"):
            path = tmp_path / f"model{ending}"
            save(model, path)
            if ending == ".weights.h5":
                read = fn.load_model(tmp_path / "model.keras")
                for layer in read.layers[
                    1:
                ]:  # the first may be a normalization by numbers that are no weights in Keras
                    layer.set_weights([np.zeros_like(array) for array in layer.get_weights()])
                read.load_weights(path)
            else:
                read = fn.load_model(path)
            assert_allclose(read.predict(x), model.predict(x, verbose=0), rtol=1e-6, atol=1e-6)


# ---- Mismatches -----------------------------------------------------------------------------------------------------


def test_weights_of_another_shape_are_refused_or_skipped() -> None:
    model = fn.Sequential(
        [fn.Input((3,)), fn.Normalization(), fn.Dense(4), fn.BatchNormalization(center=False), fn.Dense(5)], seed=0
    )
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"array 0 of layer 'dense_1' must have shape \(4, 5\); the file has \(4, 2\)"):
        model.load_weights(DATA / "keras_small.weights.h5")
    assert all((now == old).all() for now, old in zip(model.get_weights(), before, strict=True))
    model.load_weights(DATA / "keras_small.weights.h5", skip_mismatch=True)
    assert_array_equal(model.layers[-1].get_weights()[0], before[-2])
    assert (model.layers[1].get_weights()[0] != before[2]).all()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([fn.Dense(4)], "layer 'batch_normalization', which the model lacks"),
        ([fn.Dense(4), fn.BatchNormalization(), fn.Dense(2)], "'batch_normalization' has 4 arrays.*file has 3"),
        ([fn.Dense(4), fn.BatchNormalization(center=False), fn.Dense(2), fn.PReLU()], "'p_re_lu' has 1 arrays.*has 0"),
    ],
)
def test_weights_of_other_layers_are_refused(layers: list[fn.layers.Layer], message: str) -> None:
    copies = [type(layer).from_config({**layer.get_config(), "name": None}) for layer in layers]
    model = fn.Sequential([fn.Input((3,)), fn.Normalization(), *copies])
    with pytest.raises(ValueError, match=message):
        model.load_weights(DATA / "keras_small.weights.h5")


def test_weights_are_not_a_model() -> None:
    with pytest.raises(ValueError, match="weights without an architecture"):
        fn.load_model(DATA / "keras_small.weights.h5")


def test_a_file_of_keras_has_no_metadata_of_fastnet() -> None:
    with pytest.raises(ValueError, match="it is a Keras file: read it with load_model"):
        fn.serialization.read_metadata(SMALL)


# ---- Damaged and hostile files --------------------------------------------------------------------------------------


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    for file in FILES:
        content = (DATA / file).read_bytes()
        for size in (9, 600, len(content) // 2, len(content) - 30):
            (tmp_path / file).write_bytes(content[:size])
            with pytest.raises(ValueError, match="cannot load"):
                small_model().load_weights(tmp_path / file)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "metadata.json"])
def test_an_archive_that_is_no_model_is_refused(name: str, tmp_path: Path) -> None:
    members = members_of(SMALL)
    path = zipped(tmp_path / "a.keras", {key: value for key, value in members.items() if key != name})
    with pytest.raises(ValueError, match=f"a zip archive without '{name}'"):
        fn.load_model(path)
    path = zipped(tmp_path / "b.keras", {**members, name: b"[" * 100_000 + b"]" * 100_000})
    with pytest.raises(ValueError, match=r"is not JSON|HDF5 part is damaged"):
        fn.load_model(path)
    path = zipped(tmp_path / "c.keras", {**members, name: b"[]"})
    with pytest.raises(ValueError, match=r"must be a JSON object|HDF5 part is damaged"):
        fn.load_model(path)
    path = zipped(tmp_path / "d.keras", {**members, name: members[name] + b" " * 10_000_000}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=rf"'{name}' in it claims 100\d{{5}} bytes; the file has"):
        fn.load_model(path)


def test_an_archive_that_is_compressed_a_little_is_read(tmp_path: Path) -> None:
    path = zipped(tmp_path / "model.keras", members_of(DATA / "keras_layers.keras"), zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < (DATA / "keras_layers.keras").stat().st_size
    assert_allclose(fn.load_model(path).predict(inputs((2, 2))), OUTPUTS["layers"], rtol=1e-6, atol=1e-6)


def with_kernel(path: Path, replace: Callable[[Any], Any]) -> Path:
    """Write the small model with something else in the place of its first kernel."""
    members = members_of(SMALL)
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        group = file["layers/dense/vars"]
        del group["0"]
        replace(group)
    return zipped(path, {**members, "model.weights.h5": buffer.getvalue()})


def virtual(group: Any) -> None:
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "data", (3, 4))
    group.create_virtual_dataset("0", layout)


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        (lambda group: group.update({"0": h5py.ExternalLink("other.h5", "/data")}), "'0' in it is a link"),
        (lambda group: group.update({"0": h5py.SoftLink("/layers/dense_1/vars/0")}), "'0' in it is a link"),
        (virtual, "in another file"),
        (
            lambda group: group.create_dataset("0", (3, 4), "f4", external=[("/etc/passwd", 0, 48)]),
            "in another file",
        ),
        (lambda group: group.create_group("0"), "must be an array; got Group"),
        (lambda group: group.create_dataset("0", (3, 4), "i4"), "must hold floating-point numbers; got dtype int32"),
        (lambda group: group.create_dataset("0", (3, 4), "S4"), "must hold floating-point numbers"),
        (lambda group: group.create_dataset("0", (10**6, 10**6), "f4", chunks=(64, 64)), r"must have shape \(3, 4\)"),
        (lambda group: None, "has 2 arrays of weights; the file has 1"),
    ],
)
def test_what_is_not_an_array_of_the_file_is_refused(replace: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        fn.load_model(with_kernel(tmp_path / "model.keras", replace))


def test_no_memory_is_taken_for_what_a_file_claims_to_hold(tmp_path: Path) -> None:
    def huge(group: Any) -> None:
        group.create_dataset("0", (3, 2**33), "f4", chunks=(1, 1024), fillvalue=0.5)
        del group["1"]
        group.create_dataset("1", (2**33,), "f4", chunks=(1024,), fillvalue=0.5)

    with_kernel(tmp_path / "huge.keras", huge)

    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][2]["config"]["units"] = 2**33
        del config["config"]["layers"][3:]

    path = changed(tmp_path / "model.keras", change, tmp_path / "huge.keras")
    members = members_of(path)
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        del file["layers/dense_1"], file["layers/batch_normalization"]
    path = zipped(path, {**members, "model.weights.h5": buffer.getvalue()})
    with pytest.raises(ValueError, match=rf"its arrays claim {16 * 2**33} bytes; the file has"):
        fn.load_model(path)


def test_neither_keras_nor_h5py_is_imported() -> None:
    program = f"import sys, fastnet; fastnet.load_model({os.fspath(SMALL)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"keras", "h5py"} & set(done.stdout.split())


@pytest.mark.parametrize("name", ["model.h5", "model.weights.h5"])
def test_layers_may_have_names_of_any_letters(name: str, tmp_path: Path) -> None:
    """Such names make h5py write groups in a newer layout; what counts in a file of the older kind is the order."""
    names = [f"schicht_\N{LATIN SMALL LETTER U WITH DIAERESIS}_{number:02}" for number in range(12)]
    model = fn.Sequential([fn.Input((3,)), *(fn.Dense(3, name=layer) for layer in names)], seed=0)
    with h5py.File(tmp_path / name, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in names]
        for layer, own in zip(names, model.layers, strict=True):
            group = file.create_group(layer)
            group.attrs["weight_names"] = [f"{layer}/kernel".encode(), f"{layer}/bias".encode()]
            group[f"{layer}/kernel"], group[f"{layer}/bias"] = own.get_weights()
    other = fn.Sequential([fn.Input((3,)), *(fn.Dense(3) for _ in names)], seed=1)
    other.load_weights(tmp_path / name)
    for own, expected in zip(other.get_weights(), model.get_weights(), strict=True):
        assert_array_equal(own, expected)
