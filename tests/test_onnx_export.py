"""ONNX files: onnxruntime computes from them what the model does, for every layer, opset and dtype."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet.interchange import checking
from fastnet.interchange.onnx_export import file as onnx_file
from models_of_all_layers import MODELS, build

onnx = pytest.importorskip("onnx", reason="needs onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")

OPSETS = [13, 15, 17, 20, 21]


def run(path: Path, x: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})


def exported(model: fn.Sequential, folder: Path, **options: Any) -> Path:
    path = folder / "model.onnx"
    model.to_onnx(path, **options)
    return path


def classifier(dtype: str = "float32") -> fn.Sequential:
    layers = [fn.Rescaling(1 / 255, input_shape=(4,)), fn.Dense(8, "relu"), fn.Dense(3, "softmax")]
    return fn.Sequential(layers, seed=0, dtype=dtype)


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


# ---- Parity ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_onnxruntime_predicts_what_the_model_predicts(name: str, dtype: str, opset: int, tmp_path: Path) -> None:
    model = build(name, dtype)
    path = exported(model, tmp_path, opset=opset)
    for rows in (1, 7, 1000):
        x = 2.0 * checking.sample_inputs(model, rows).reshape(rows, *model.input_shape)
        (outputs,) = run(path, x)
        assert outputs.dtype == dtype
        assert_allclose(outputs, model.predict(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_the_evaluator_of_onnx_predicts_what_the_model_predicts(
    name: str, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    exported(build(name, dtype), tmp_path)  # checks itself


@pytest.mark.parametrize("name", ["one_layer", "activation_gelu", "activation_mish", "layer_normalization"])
def test_the_newest_opset_of_onnx_is_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    newest = onnx.defs.onnx_opset_version()
    model = onnx.load(exported(build(name), tmp_path, opset=newest))
    assert model.opset_import[0].version == newest


def test_float64_is_kept_in_double_precision(tmp_path: Path) -> None:
    for name in MODELS:
        if name in ("activation_gelu", "residual"):  # the error function of onnxruntime is float32
            continue
        model = build(name, "float64")
        x = checking.sample_inputs(model).reshape(-1, *model.input_shape)
        assert_allclose(run(exported(model, tmp_path), x)[0], model.predict(x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_trained_classifier_of_mnist_predicts_the_same(mnist_dir: Path, dtype: str, tmp_path: Path) -> None:
    (x, y), (x_test, y_test) = fn.datasets.mnist.load_data()
    front = [
        fn.Rescaling(1 / 255, input_shape=(28, 28)),
        fn.Flatten(),
        fn.Dense(64),
        fn.BatchNormalization(),
        fn.ReLU(),
    ]
    block = fn.Residual([fn.Dense(64, "gelu"), fn.Dropout(0.1)])
    model = fn.Sequential([*front, block, fn.Dense(10, "softmax")], seed=0, dtype=dtype)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x[:6000], y[:6000], batch_size=128, epochs=2, verbose=0)
    path = exported(model, tmp_path, label=True, input_dtype="uint8")
    for rows in (1, 7, 1000):
        probabilities, labels = run(path, x_test[:rows])
        assert_allclose(probabilities, model.predict(x_test[:rows]), rtol=1e-5, atol=1e-5)
        assert_array_equal(labels, model.predict(x_test[:rows]).argmax(axis=1))
    assert (labels == y_test[:1000]).mean() > 0.8


# ---- What is in the file --------------------------------------------------------------------------------------------


def test_the_file_names_its_ends_and_leaves_the_batch_free(tmp_path: Path) -> None:
    model = onnx.load(exported(build("shapes"), tmp_path))
    ends = [*model.graph.input, *model.graph.output]
    assert [end.name for end in ends] == ["input", "output"]
    dimensions = [[d.dim_param or d.dim_value for d in end.type.tensor_type.shape.dim] for end in ends]
    assert dimensions == [["batch", 6], ["batch", 2, 2]]
    assert (model.opset_import[0].version, model.ir_version) == (17, 8)


@pytest.mark.parametrize(
    ("activation", "name"),
    [("softmax", "probabilities"), ("sigmoid", "probabilities"), ("log_softmax", "output"), (None, "output")],
)
def test_probabilities_are_called_so(activation: str | None, name: str, tmp_path: Path) -> None:
    path = exported(fn.Sequential([fn.Dense(2, activation, input_shape=(3,))]), tmp_path)
    assert [output.name for output in onnx.load(path).graph.output] == [name]


def test_metadata_have_the_names_and_the_version(tmp_path: Path) -> None:
    model = classifier()
    model.class_names, model.feature_names = ["cat", "größer 犬", "7"], list("abcd")
    proto = onnx.load(exported(model, tmp_path))
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    assert (proto.producer_name, proto.producer_version) == ("fastnet", fn.__version__)
    assert metadata.pop("fastnet_version") == fn.__version__
    names = {"class_names": model.class_names, "feature_names": model.feature_names}
    assert {key: json.loads(value) for key, value in metadata.items()} == names
    assert {key: json.loads(run_metadata) for key, run_metadata in runtime_metadata(tmp_path).items()} == names


def runtime_metadata(folder: Path) -> dict[str, str]:
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    del metadata["fastnet_version"]
    return metadata


def test_equal_models_give_equal_files(tmp_path: Path) -> None:
    first = exported(build("residual"), tmp_path).read_bytes()
    assert exported(build("residual"), tmp_path).read_bytes() == first


def test_a_batch_normalization_behind_a_dense_layer_costs_nothing(tmp_path: Path) -> None:
    assert operators(exported(build("batch_normalization"), tmp_path)) == ["Gemm", "Relu", "Gemm"]
    assert operators(exported(build("dropout_and_noise"), tmp_path)) == ["Gemm", "Relu", "Gemm"]


@pytest.mark.parametrize(
    ("activation", "opset", "expected"),
    [("gelu", 19, "Erf"), ("gelu", 20, "Gelu"), ("mish", 17, "Tanh"), ("mish", 18, "Mish"), ("elu", 13, "Elu")],
)
def test_an_activation_is_one_operator_where_the_opset_has_it(
    activation: str, opset: int, expected: str, tmp_path: Path
) -> None:
    model = fn.Sequential([fn.Dense(2, activation, input_shape=(3,))])
    found = operators(exported(model, tmp_path, opset=opset))
    assert expected in found
    assert (len(found) == 2) == (expected not in ("Erf", "Tanh"))


def test_layers_of_any_name_are_written(tmp_path: Path) -> None:
    names = ["input", "output", "label", "/", "Gemm", "犬", "a.b"]
    model = fn.Sequential([fn.Dense(2, "tanh", name=name) for name in names], seed=0)
    model.build((2,))
    exported(model, tmp_path, label=True)


# ---- Options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["softmax", "sigmoid", None])
def test_label_is_the_largest_output(activation: str | None, tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(4, activation, input_shape=(3,))], seed=0)
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    outputs, labels = run(exported(model, tmp_path, label=True), x)
    assert (labels.dtype, labels.shape) == (np.int64, (50,))
    assert_array_equal(labels, outputs.argmax(axis=1))


def test_label_of_a_single_sigmoid_is_whether_it_is_over_one_half(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(1, "sigmoid", input_shape=(3,))], seed=0)
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    _, labels = run(exported(model, tmp_path, label=True), x)
    assert_array_equal(labels, model.predict(x)[:, 0] > 0.5)
    assert set(labels) == {0, 1}


@pytest.mark.parametrize("layers", [[fn.Dense(1, "relu")], [fn.Dense(4, "softmax"), fn.Reshape((2, 2))]])
def test_label_of_something_else_is_refused(layers: list[fn.layers.Layer], tmp_path: Path) -> None:
    model = fn.Sequential([fn.Input((3,)), *map(type(layers[0]).from_config, [layers[0].get_config()]), *layers[1:]])
    with pytest.raises(ValueError, match="label=True needs a row"):
        exported(model, tmp_path, label=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("input_dtype", ["uint8", "float64"])
def test_the_input_may_have_another_dtype(input_dtype: str, tmp_path: Path) -> None:
    path = exported(classifier(), tmp_path, input_dtype=input_dtype)
    x = np.arange(40).reshape(10, 4).astype(input_dtype)
    assert_allclose(run(path, x)[0], classifier().predict(x), rtol=1e-5, atol=1e-6)


def test_a_model_in_bfloat16_is_written_in_float32(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(3, input_shape=(200,))], dtype="mixed_bfloat16", seed=0)
    x = checking.sample_inputs(model)
    kernel, bias = model.get_weights()
    assert_allclose(run(exported(model, tmp_path), x)[0], x @ kernel + bias, rtol=1e-5, atol=1e-5)


# ---- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"opset": 12}, ValueError, "opset must be at least 13; got 12"),
        ({"opset": 1000}, ValueError, "opset must be at most"),
        ({"opset": "17"}, TypeError, "opset must be an integer"),
        ({"label": 1}, TypeError, "label must be True or False"),
        ({"input_dtype": "int8"}, ValueError, "input_dtype must be one of"),
        ({"inputs": 1}, TypeError, "unexpected keyword argument"),
    ],
)
def test_wrong_arguments_are_refused(
    options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        exported(classifier(), tmp_path, **options)


def test_a_model_that_is_not_built_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="before to_onnx"):
        exported(fn.Sequential([fn.Dense(2)]), tmp_path)


def test_a_model_beyond_two_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST", 200)
    with pytest.raises(ValueError, match="an ONNX file holds at most 2: use save"):
        exported(classifier(), tmp_path)


def test_a_file_that_differs_from_the_model_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = exported(classifier(), tmp_path)
    before = path.read_bytes()
    model = classifier()
    predict = fn.Sequential.predict
    monkeypatch.setattr(fn.Sequential, "predict", lambda self, x, **options: predict(self, x, **options) + 2e-5)
    with pytest.raises(RuntimeError, match="the ONNX file differs from the model by 2e-05; 1e-05 is accepted"):
        exported(model, tmp_path)
    assert path.read_bytes() == before


def test_what_onnxruntime_does_not_run_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise ValueError("no such\noperator")

    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)
    with pytest.raises(RuntimeError, match="does not run the ONNX file: no such operator"):
        exported(classifier(), tmp_path)


def test_without_onnx_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "fastnet-nn\[onnx\]"'):
        exported(classifier(), tmp_path)


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"the folder .* does not exist"):
        exported(classifier(), tmp_path / "missing")
