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
from record_interchange_keras import ACTIVATIONS, DATA, MODELS, inputs, made, save, values

h5py = pytest.importorskip("h5py")

OUTPUTS = json.loads((DATA / "keras_outputs.json").read_text(encoding="utf-8"))["outputs"]
FILES = [f"keras_{name}{ending}" for name, (_, endings) in MODELS.items() for ending in endings]
SMALL = DATA / "keras_small.keras"


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
    pytest.importorskip("keras")
    activations = [("Dense", {"units": 4, "activation": name}) for name in ACTIVATIONS]
    models = [layers for layers, _ in MODELS.values()]
    models += [[("Input", {"shape": (3,)}), dense, ("Dense", {"units": 2})] for dense in activations]
    for layers in models:
        x = inputs(layers[0][1]["shape"])
        model = made(layers)
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
        ([fn.Dense(4), fn.BatchNormalization(center=False), fn.Dense(2), fn.PReLU()], "'pre_lu' has 1 arrays.*has 0"),
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


# ---- Configurations -------------------------------------------------------------------------------------------------


def changed(path: Path, change: Callable[[dict[str, Any]], Any], source: Path = SMALL) -> Path:
    """Write a .keras file whose configuration is changed."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, "config.json": json.dumps(config)}.items():
            archive.writestr(name, content)
    return path


def settings(number: int, **values: Any) -> Callable[[dict[str, Any]], None]:
    """What gives the layer of a number other settings; 0 is the input."""
    return lambda config: config["config"]["layers"][number]["config"].update(values)


def entry(number: int, **values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: config["config"]["layers"][number].update(values)


FUNCTION = {"module": "builtins", "class_name": "function", "registered_name": "f"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (entry(2, class_name="Lambda"), "layer 'dense' is a Lambda, which holds Python code: nothing .* is executed"),
        (entry(2, class_name="Conv2D"), "layer 'dense' is a Conv2D, which fastnet does not have"),
        (entry(2, class_name="Residual"), "Residual, which fastnet does not have"),
        (entry(2, class_name="Sequential"), "layer 'dense' is a Sequential, which fastnet does not have"),
        (entry(2, module="own.layers", registered_name="Own>Dense"), "Dense of Own>Dense is not one of Keras's own"),
        (entry(2, module="os"), "Dense of os is not one of Keras's own"),
        (entry(2, class_name=None), "must have a 'class_name'"),
        (settings(2, activation="relu6"), "layer 'dense'.*relu6"),
        (settings(2, activation={"class_name": "__lambda__", "config": {}}), "'__lambda__'|__lambda__"),
        (settings(2, kernel_constraint={"class_name": "MaxNorm", "config": {}}), "layer 'dense'.*kernel_constraint"),
        (settings(2, strange=1), "layer 'dense'.*unexpected keyword argument 'strange'"),
        (settings(2, dtype={"class_name": "QuantizedDTypePolicy", "config": {"name": "int8"}}), "dtype policy"),
        (settings(2, dtype="float16"), "dtype policy that fastnet has; got float16, float32"),
        (settings(3, axis=[1, 2]), "layer 'batch_normalization'.*axis"),
        (settings(2, units=10**9), r"array 0 of layer 'dense' must have shape \(3, 1000000000\)"),
        (settings(2, units="many"), "units must be an integer"),
        (settings(0, batch_shape=[None, None]), "must be known in every dimension"),
        (settings(0, batch_shape=7), "the shape of its input must be a list; got 7"),
        (lambda config: config["config"].update(layers=[1]), "must have a 'class_name'"),
        (lambda config: config["config"].update(layers=[]), "must have 1 to 10000 layers; got 0"),
        (lambda config: config["config"].pop("layers"), "lacks 'layers'"),
        (lambda config: config.update(class_name="Functional"), "a model of class Functional; fastnet has Sequential"),
        (lambda config: config.pop("config"), "must be a JSON object"),
    ],
)
def test_what_fastnet_does_not_have_is_named(change: Any, message: str, tmp_path: Path) -> None:
    path = changed(tmp_path / "model.keras", change)
    with pytest.raises(ValueError, match=rf"cannot load .*model.keras: .*({message})"):
        fn.load_model(path)


def test_an_activation_may_be_a_layer_or_a_function_of_keras(tmp_path: Path) -> None:
    relu = {"module": "keras.layers", "class_name": "LeakyReLU", "config": {"name": "a", "negative_slope": 0.125}}
    model = fn.load_model(changed(tmp_path / "a.keras", settings(2, activation=relu)))
    assert model.layers[1].activation.alpha == 0.125
    function = {"module": "keras.activations", "class_name": "function", "config": "elu", "registered_name": "elu"}
    model = fn.load_model(changed(tmp_path / "b.keras", settings(2, activation=function)))
    assert model.layers[1].activation.name == "elu"


def test_a_frozen_layer_is_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="layer 'dense' is frozen in Keras; fastnet trains all layers"):
        fn.load_model(changed(tmp_path / "model.keras", settings(2, trainable=False)))


@pytest.mark.parametrize(
    ("policy", "expected"), [("mixed_bfloat16", "mixed_bfloat16"), ("mixed_float16", "float32"), ("float64", "float64")]
)
def test_a_dtype_policy_becomes_that_of_the_model(policy: str, expected: str, tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        for layer in config["config"]["layers"]:
            layer["config"]["dtype"] = policy

    assert fn.load_model(changed(tmp_path / "model.keras", change)).dtype_policy == expected


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"optimizer": {"class_name": "Ftrl", "config": {}}}, "Ftrl"),
        ({"optimizer": {"class_name": "Own", "config": {}, "registered_name": "Own>Own"}}, "not one of Keras's own"),
        ({"loss": {**FUNCTION, "config": "my_loss"}}, "my_loss"),
        ({"loss": ["mse", "mae"]}, "loss"),
        ({"loss_weights": [1.0]}, "loss_weights"),
        ({"metrics": [{"module": "keras.metrics", "class_name": "MeanIoU", "config": {}}]}, "MeanIoU"),
        ({"metrics": {"a": ["mae"]}}, "metrics must be a list"),
    ],
)
def test_a_model_whose_compilation_is_not_available_is_not_compiled(
    update: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = changed(tmp_path / "model.keras", lambda config: config["compile_config"].update(update))
    with pytest.warns(UserWarning, match=f"model.keras: the model is not compiled as in Keras: .*{message}"):
        model = fn.load_model(path)
    assert model.get_compile_config() is None
    assert_allclose(model.predict(inputs((3,))), OUTPUTS["small"], rtol=1e-6, atol=1e-6)
    fn.load_model(path, compile=False)


def test_functions_of_a_compilation_are_given(tmp_path: Path) -> None:
    update = {"loss": {**FUNCTION, "config": "my_loss"}, "metrics": [{**FUNCTION, "config": "my_metric"}]}
    path = changed(tmp_path / "model.keras", lambda config: config["compile_config"].update(update))

    def my_loss(y: Any, p: Any) -> Any:
        return ((p - y) ** 2).mean(axis=1), 2.0 * (p - y) / p.shape[1]

    def my_metric(y: Any, p: Any) -> Any:
        return np.abs(p - y).mean(axis=1)

    model = fn.load_model(path, custom_objects={"my_loss": my_loss, "my_metric": my_metric})
    assert model.get_compile_config() is not None


def test_a_model_that_was_not_compiled_is_not(tmp_path: Path) -> None:
    for number, empty in enumerate((None, {})):
        path = changed(tmp_path / f"{number}.keras", lambda config, empty=empty: config.update(compile_config=empty))
        assert fn.load_model(path).get_compile_config() is None


# ---- Keras 2 --------------------------------------------------------------------------------------------------------


def keras_2_file(path: Path, activation: str = "sigmoid") -> list[np.ndarray]:
    """Write a whole-model file as Keras 2 does, and return the weights."""
    named = {"trainable": True, "dtype": "float32"}
    zeros = {"class_name": "Zeros", "config": {}}
    common = {"use_bias": True, "bias_initializer": zeros, "kernel_regularizer": None, "kernel_constraint": None}
    layers = [
        {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 3], "dtype": "float32", "name": "in"}},
        {"class_name": "Dense", "config": {**named, **common, "name": "dense", "units": 2, "activation": activation}},
        {"class_name": "LeakyReLU", "config": {**named, "name": "leaky", "alpha": 0.25}},
        {"class_name": "BatchNormalization", "config": {**named, "name": "bn", "axis": [1], "epsilon": 0.001}},
    ]
    metric = {"class_name": "MeanMetricWrapper", "config": {"name": "acc", "dtype": "float32", "fn": "binary_accuracy"}}
    adam = {"name": "Adam", "learning_rate": 0.5, "decay": 0.0, "beta_1": 0.9, "epsilon": 1e-07, "jit_compile": True}
    loss = {"class_name": "BinaryCrossentropy", "config": {"reduction": "auto", "name": "b", "from_logits": False}}
    training = {
        "loss": loss,
        "metrics": [[metric]],
        "weighted_metrics": None,
        "loss_weights": None,
        "optimizer_config": {"class_name": "Adam", "config": adam},
    }
    weights = [values(6, 0).reshape(3, 2), values(2, 1), values(2, 2), values(2, 3), values(2, 4), abs(values(2, 5))]
    weights = [array.astype(np.float32) for array in weights]
    names = [["kernel:0", "bias:0"], ["gamma:0", "beta:0", "moving_mean:0", "moving_variance:0"]]
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})
        file.attrs["training_config"] = json.dumps(training)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"in", b"dense", b"leaky", b"bn"]
        remaining = iter(weights)
        for layer, own in zip(("in", "dense", "leaky", "bn"), ([], names[0], [], names[1]), strict=True):
            inside = group.create_group(layer)
            inside.attrs["weight_names"] = [f"{layer}/{name}".encode() for name in own]
            for name in own:
                inside[f"{layer}/{name}"] = next(remaining)
    return weights


def test_a_model_of_keras_2_is_read(tmp_path: Path) -> None:
    weights = keras_2_file(tmp_path / "model.h5")
    model = fn.load_model(tmp_path / "model.h5")
    assert [type(layer).__name__ for layer in model.layers] == ["Dense", "LeakyReLU", "BatchNormalization"]
    assert model.layers[1].activation.alpha == 0.25
    for own, expected in zip(model.get_weights(), weights, strict=True):
        assert_array_equal(own, expected)
    assert model.optimizer.learning_rate == 0.5
    assert list(model.evaluate(np.ones((2, 3)), np.ones((2, 2)), return_dict=True, verbose=0)) == [
        *["loss", "binary_accuracy"]
    ]


def test_the_hard_sigmoid_of_keras_2_is_another_function(tmp_path: Path) -> None:
    keras_2_file(tmp_path / "model.h5", "hard_sigmoid")
    with pytest.raises(ValueError, match="'hard_sigmoid' of Keras 2 is another function"):
        fn.load_model(tmp_path / "model.h5")


# ---- Damaged and hostile files --------------------------------------------------------------------------------------


def test_h5py_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r'keras_small.keras is a file of Keras, .*pip install "fastnet-nn\[keras\]"'):
        fn.load_model(SMALL)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    for file in FILES:
        content = (DATA / file).read_bytes()
        for size in (9, 600, len(content) // 2, len(content) - 30):
            (tmp_path / file).write_bytes(content[:size])
            with pytest.raises(ValueError, match="cannot load"):
                small_model().load_weights(tmp_path / file)


def zipped(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def members_of(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "metadata.json"])
def test_an_archive_that_is_no_model_is_refused(name: str, tmp_path: Path) -> None:
    members = members_of(SMALL)
    path = zipped(tmp_path / "a.keras", {key: value for key, value in members.items() if key != name})
    with pytest.raises(ValueError, match=f"a zip archive without '{name}'"):
        fn.load_model(path)
    path = zipped(tmp_path / "b.keras", {**members, name: b"[" * 100_000})
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


def test_nothing_of_keras_is_imported() -> None:
    program = f"import sys, fastnet; fastnet.load_model({os.fspath(SMALL)!r}); print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
