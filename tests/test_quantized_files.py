"""Files of quantized models come back as they were, and those that are damaged or forged are refused."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.testing import assert_array_equal

import fastnet as fn
from command import Run
from fastnet.files import safetensors as _safetensors
from fastnet.operations.steps import arrays_of
from fastnet.quantization import QuantizedModel
from models_of_all_layers import INPUTS, MODELS, build
from mutants import change_place, mutant, places_in


def samples() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(100, INPUTS)).astype(np.float32)


def described(model: Any) -> list[Any]:
    """Return all that a file says of a quantized model."""
    parts: list[Any] = [model.name, model.input_shape, model.output_shape, model.class_names, model.feature_names]
    for operation in model.operations:
        arrays = {name: (array.dtype.str, array.tobytes()) for name, array in arrays_of(operation).items()}
        parts.append({"type": type(operation), **vars(operation), **arrays})
    return [*parts, model.get_compile_config(), model.figures]


@pytest.mark.parametrize("name", MODELS)
def test_models_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    model = build(name).quantize(samples())
    model.save(tmp_path / "model.safetensors")
    loaded = fn.load_model(tmp_path / "model.safetensors")
    assert isinstance(loaded, QuantizedModel)
    assert described(loaded) == described(model)
    assert_array_equal(loaded.predict(samples()), model.predict(samples()))
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_file_has_the_receipt_of_the_model_that_was_quantized(tmp_path: Path) -> None:
    model = build("residual")
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.quantize(samples()).receipt is None
    model.fit(samples(), np.zeros(100, int), epochs=2, verbose=0)
    quantized = model.quantize(samples())
    assert {"config": model.get_config(), **quantized.receipt} == model.receipt
    quantized.save(tmp_path / "model.safetensors")
    loaded = fn.load_model(tmp_path / "model.safetensors")
    assert loaded.receipt["weights"] == model.receipt["weights"]
    assert (loaded.receipt["runs"][0]["epochs"], "threads" in loaded.receipt["runs"][0]) == (2, False)
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


def test_a_file_has_names_figures_and_how_to_evaluate(tmp_path: Path) -> None:
    model = build("residual")
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.class_names, model.feature_names = ["a", "b", "c"], list("uvwxyz")
    quantized = model.quantize(samples())
    quantized.figures["test"] = {"accuracy": 0.5}
    quantized.save(tmp_path / "model.safetensors")
    loaded = fn.load_model(tmp_path / "model.safetensors")
    assert (loaded.class_names, loaded.feature_names) == (model.class_names, model.feature_names)
    assert loaded.figures == {"test": {"accuracy": 0.5}}
    y = np.zeros(100, int)
    assert loaded.evaluate(samples(), y, verbose=0) == quantized.evaluate(samples(), y, verbose=0)
    bare = fn.load_model(tmp_path / "model.safetensors", compile=False)
    assert bare.get_compile_config() is None


def test_the_safetensors_library_reads_them(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(64, "relu", input_shape=(784,)), fn.Dense(10)], seed=0)
    model.save(tmp_path / "float32.safetensors")
    model.quantize(np.ones((1, 784))).save(tmp_path / "int8.safetensors")
    tensors = safetensors.numpy.load_file(tmp_path / "int8.safetensors")
    assert {name: (array.dtype.name, array.shape) for name, array in tensors.items()} == {
        "operations.0.kernel": ("int8", (784, 64)),
        "operations.0.scale": ("float32", (64,)),
        "operations.0.bias": ("float32", (64,)),
        "operations.2.kernel": ("int8", (64, 10)),
        "operations.2.scale": ("float32", (10,)),
        "operations.2.bias": ("float32", (10,)),
    }
    sizes = [(tmp_path / name).stat().st_size for name in ("int8.safetensors", "float32.safetensors")]
    assert sizes[0] < 0.27 * sizes[1]


def test_an_existing_file_is_kept_if_asked_for(tmp_path: Path) -> None:
    model = build("one_layer").quantize(samples())
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(FileExistsError, match="overwrite"):
        model.save(tmp_path / "model.safetensors", overwrite=False)


def test_weights_of_a_quantized_file_are_not_those_of_a_model(tmp_path: Path) -> None:
    build("one_layer").quantize(samples()).save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="is missing"):
        build("one_layer").load_weights(tmp_path / "model.safetensors")


# ---- Forged files ---------------------------------------------------------------------------------------------------


def forge(path: Path, change: Callable[[list[Any], dict[str, Any], dict[str, Any]], Any]) -> None:
    """Write the file of a model again with its operations, its configuration and its arrays changed."""
    with _safetensors.opened(path) as file:
        arrays, metadata = file.read(), dict(file.metadata)
    operations, config = json.loads(metadata["operations"]), json.loads(metadata["config"])
    change(operations, config, arrays)
    metadata |= {"operations": json.dumps(operations), "config": json.dumps(config)}
    del metadata["checksum"]
    _safetensors.write(path, arrays, metadata)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o, c, a: o.append(3), "must have a kind"),
        (lambda o, c, a: o[0].update(kind="Surprise"), "the kind of operation 0 must be one of"),
        (lambda o, c, a: o[0].update(kind=["Scaling"]), "must have a kind"),
        (lambda o, c, a: o[0].pop("layer"), "must have the entries"),
        (lambda o, c, a: o[0].update(more=1), "must have the entries"),
        (lambda o, c, a: o[0].update(layer=1), "must be a string"),
        (lambda o, c, a: o[0].update(size=0), "size of operation 0 must be at least 1"),
        (lambda o, c, a: o[0].update(size=10**15), "must have shape"),
        (lambda o, c, a: o[0].update(size=1.5), "must be an integer"),
        (lambda o, c, a: o[0].update(zero_point=256), "zero_point of operation 0 must be at most 255"),
        (lambda o, c, a: o[0].update(zero_point=None), "zero_point of operation 0 must be an integer"),
        (lambda o, c, a: o[0].update(input_scale=0.0), "input_scale of operation 0 must be at least"),
        (lambda o, c, a: o[0].update(input_scale=1e39), "input_scale of operation 0 must be"),
        (lambda o, c, a: o[0].update(input_scale="1"), "input_scale of operation 0 must be a number"),
        (lambda o, c, a: o[1].update(size=9), "operation 1 must have 8 inputs and size 8; got 8 and 9"),
        (lambda o, c, a: o[1].update(function="frelu"), "function of operation 1 must be one of"),
        (lambda o, c, a: o[1].update(alpha=-1.0), "alpha of operation 1"),
        (lambda o, c, a: o.append({"kind": "Addition", "size": 3, "layer": ""}), "residual_end"),
        (lambda o, c, a: o.append({"kind": "Remembering", "size": 3, "layer": ""}), "residual_begin"),
        (lambda o, c, a: o.extend([{"kind": "Remembering", "size": 3, "layer": ""}] * 30_000), "at most 30000"),
        (lambda o, c, a: o.pop(), "not the output shape"),
        (lambda o, c, a: c.update(input_shape=[5]), "must have shape"),
        (lambda o, c, a: c.update(output_shape=[4]), "the operations give 3 values"),
        (lambda o, c, a: c.update(name=1), "config must have"),
        (lambda o, c, a: c.update(more=1), "config must have"),
        (lambda o, c, a: a.pop("operations.0.kernel"), "lacks the tensor 'operations.0.kernel'"),
        (lambda o, c, a: a.pop("operations.0.scale"), "lacks the tensor 'operations.0.scale'"),
        (lambda o, c, a: a.update(more=np.ones(1)), "unknown tensor 'more'"),
        (lambda o, c, a: a.update({"operations.1.bias": np.ones(8, "f4")}), "unknown tensor 'operations.1.bias'"),
        (lambda o, c, a: a.update({"operations.0.kernel": np.ones((8, 6), "i1")}), "must have shape"),
        (lambda o, c, a: a.update({"operations.0.kernel": np.ones((6, 8), "u1")}), "must have dtype I8; got U8"),
        (lambda o, c, a: a.update({"operations.0.bias": np.ones(8)}), "must have dtype F32; got F64"),
        (lambda o, c, a: a.update({"operations.0.scale": np.full(8, np.nan, "f4")}), "not finite"),
    ],
)
def test_forged_files_are_refused(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    build("activation_relu").quantize(samples()).save(path)
    model = fn.Sequential([fn.Input((INPUTS,)), fn.Dense(8, "relu"), fn.Dense(3)], seed=0)
    model.quantize(samples()).save(path)
    forge(path, change)
    with pytest.raises(ValueError, match=message) as refusal:
        fn.load_model(path)
    assert str(refusal.value).startswith(f"cannot load {path}: ")


def load_any(path: Path) -> Any:
    """Return the model of a file, which predicts, None where it is refused in one line, or else the error."""
    try:
        model = fn.load_model(path)
    except ValueError as error:
        return None if "\n" not in str(error) else error
    size = int(np.prod(model.input_shape))
    if size <= 10_000:
        model.predict(np.ones((2, *model.input_shape)))
    return model


def test_damaged_files_are_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    model = build("residual").quantize(samples())
    model.save(path)
    content = path.read_bytes()
    known = described(model)
    loaded = 0
    for number in range(300):
        if number % 10 in (5, 7, 8, 9):  # these change an architecture, which there is none of here
            continue
        damaged, strict = mutant(number, [content])
        path.write_bytes(damaged)
        result = load_any(path)
        assert result is None or not strict or described(result) == known
        assert result is None or isinstance(result, QuantizedModel)
        loaded += result is not None
    assert loaded < 60


def test_files_of_which_parts_are_exchanged_are_refused_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    rng = random.Random(0)

    def change(operations: list[Any], config: dict[str, Any], arrays: dict[str, Any]) -> None:
        tree = {"operations": operations, "config": config}
        places = [place for place in places_in(tree) if place[0] is not tree]
        change_place(rng, *rng.choice(places))

    results = []
    for name in ["residual", "normalization", "layer_normalization", "prelu"] * 15:
        build(name).quantize(samples()).save(path)
        forge(path, change)
        results.append(load_any(path))
    assert 30 < results.count(None) < 60
    assert all(result is None or isinstance(result, QuantizedModel) for result in results)


# ---- On the command line --------------------------------------------------------------------------------------------


def test_the_command_reads_quantized_models(run: Run, tmp_path: Path) -> None:
    x, y = fn.datasets.digits.load_data()
    model = fn.Sequential(
        [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(32, "relu"), fn.Dense(10, "softmax")], seed=0
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=10, verbose=0)
    quantized = model.quantize(x)
    path = tmp_path / "int8.safetensors"
    quantized.save(path)
    report = run("evaluate", path, "digits", "--json").json
    assert report["accuracy"] == pytest.approx(quantized.evaluate(x, y, verbose=0)[1])  # type: ignore[index]
    predicted = [line.split(",")[0] for line in run("predict", path, "digits").out.splitlines()[1:]]
    assert predicted == [str(label) for label in quantized.predict(x).argmax(axis=1)]
    about = run("info", path).out
    assert "QuantizedMultiplication" in about
    assert "int8" in about
    assert run("info", path, "--json").json["parameters"] == quantized.count_params()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o, a: o[0].update(image=[6, 6]), "image of operation 0 must be 3 integers"),
        (lambda o, a: o[0].update(image=[6, 6, 0]), "image of operation 0 must be at least 1"),
        (lambda o, a: o[0].update(image=[6, 3, 4]), "must have shape"),
        (lambda o, a: o[0].update(image=[3, 12, 2]), "do not fit"),
        (lambda o, a: o[0].update(output=[4, 4, 4]), "operation 0 must have 72 inputs and size 64"),
        (lambda o, a: o[0].update(output=[2, 8, 3]), "do not fit"),
        (lambda o, a: o[0].update(strides=[0, 1]), "at least 1"),
        (lambda o, a: o[0].update(strides=[2**40, 1]), "at most 2147483647"),
        (lambda o, a: o[0].update(strides=3), "strides of operation 0 must be 2 integers"),
        (lambda o, a: o[0].update(before=[-1, 0]), "do not fit"),
        (lambda o, a: a.update({"operations.0.kernel": np.zeros((3, 3, 3, 2), "i1")}), "must have shape"),
        (lambda o, a: a.update({"operations.0.kernel": np.zeros((9, 2, 3), "i1")}), "must have shape"),
        (lambda o, a: a.update({"operations.0.scale": np.ones(48, "f4")}), r"must have shape \(3,\)"),
        (lambda o, a: o[1].update(function="relu"), "function of operation 1 must be one of"),
        (lambda o, a: o[1].update(window=[0, 1]), "at least 1"),
        (lambda o, a: o[2].update(axes=[0, 1, 1]), "axes must be 0, 1 and 2"),
        (lambda o, a: o[2].update(shape=[2, 2, 4]), "operation 2 must have 12 inputs"),
        (lambda o, a: o[3].update(rows=5), "5 rows"),
        (lambda o, a: o[3].update(rows=0), "rows of operation 3 must be at least 1"),
        (lambda o, a: o[4].update(interpolation="cubic"), "interpolation of operation 4 must be one of"),
        (lambda o, a: o[4].update(factors=[2**31 - 1, 2**31 - 1]), "and size 5534"),
        (lambda o, a: o[4].update(factors=[1, 2]), "operation 4 must have 12 inputs and size 24"),
        (lambda o, a: o[4].update(output=[4, 4, 9], size=144), "operation 4 must have 12 inputs and size 48"),
        (lambda o, a: o[1].update(output=[2, 2, 4], size=16), "operation 1 must have 48 inputs and size 12"),
    ],
)
def test_forged_files_of_images_are_refused(change: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    layers = [
        *(fn.Input((6, 6, 2)), fn.Conv2D(3, 3), fn.MaxPooling2D(2), fn.layers.Permute((2, 1, 3)), fn.layers.Softmax()),
        fn.layers.UpSampling2D(2),
    ]
    model = fn.Sequential(layers, seed=0)
    model.quantize(np.random.default_rng(0).normal(size=(5, 6, 6, 2))).save(path)
    forge(path, lambda operations, config, arrays: change(operations, arrays))
    with pytest.raises(ValueError, match=message) as refusal:
        fn.load_model(path)
    assert str(refusal.value).startswith(f"cannot load {path}: ")
