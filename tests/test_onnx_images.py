"""ONNX files of models of images: onnxruntime computes from them what the model does."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import models_of_images as images
from fastnet.interchange import checking
from fastnet.interchange.onnx_export.axes import Tensor
from fastnet.interchange.onnx_export.graph import Graph
from fastnet.interchange.onnx_export.steps import add_operations
from fastnet.layers import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Input,
    Layer,
    MaxPooling2D,
    Permute,
    ReLU,
    Rescaling,
    Residual,
    SpatialDropout2D,
    UpSampling2D,
    ZeroPadding2D,
)

onnx = pytest.importorskip("onnx", reason="needs onnx")
reference = pytest.importorskip("onnx.reference", reason="needs onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")

NEWEST_OF_RUNTIME = 26  # that onnxruntime 1.32 runs


def run(path: Path, x: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})


def exported(model: fn.Sequential, folder: Path, **options: Any) -> Path:
    path = folder / "model.onnx"
    model.to_onnx(path, **options)
    return path


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def assert_equal_to_the_model(model: fn.Sequential, path: Path) -> None:
    for rows in (1, 7):
        x = 2.0 * checking.sample_inputs(model, rows).reshape(rows, *model.input_shape)
        (outputs,) = run(path, x)
        assert_allclose(outputs, model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


def lenet() -> fn.Sequential:
    layers = [
        Rescaling(1 / 255),
        Conv2D(6, 5, padding="same", activation="relu"),
        MaxPooling2D(),
        SpatialDropout2D(0.1),
        Conv2D(16, 5, activation="relu"),
        MaxPooling2D(),
        Flatten(),
        Dense(84, "relu"),
        Dense(10, "softmax"),
    ]
    return fn.Sequential([Input((28, 28, 1)), *layers], seed=0)


# ---- Parity ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", images.MODELS)
def test_onnxruntime_predicts_what_the_model_predicts(name: str, tmp_path: Path) -> None:
    model = images.build(name)
    assert_equal_to_the_model(model, exported(model, tmp_path))


@pytest.mark.parametrize("seed", range(40))
def test_onnxruntime_predicts_what_a_random_model_predicts(seed: int, tmp_path: Path) -> None:
    model = images.random_model(seed)
    assert_equal_to_the_model(model, exported(model, tmp_path, opset=[13, 17, 21][seed % 3]))


@pytest.mark.parametrize("opset", range(13, NEWEST_OF_RUNTIME + 1))
@pytest.mark.parametrize("name", ["residual", "normalizations", "bilinear", "cropping", "padding", "transposed_same"])
def test_every_opset_is_written(name: str, opset: int, tmp_path: Path) -> None:
    model = images.build(name)
    path = exported(model, tmp_path, opset=opset)
    assert onnx.load(path).opset_import[0].version == opset
    assert_equal_to_the_model(model, path)


@pytest.mark.parametrize("name", images.MODELS)
def test_the_evaluator_of_onnx_predicts_what_the_model_predicts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    exported(images.build(name), tmp_path, opset=onnx.defs.onnx_opset_version())  # checks itself


def test_a_trained_lenet_predicts_the_same_classes_of_mnist(mnist_dir: Path, tmp_path: Path) -> None:
    (x, y), (x_test, y_test) = fn.datasets.mnist.load_data()
    model = lenet()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x[:4000], y[:4000], batch_size=64, epochs=1, verbose=0)
    path = exported(model, tmp_path, label=True, input_dtype="uint8")
    for rows in (1, 7, 1000):
        probabilities, labels = run(path, x_test[:rows, ..., np.newaxis])
        expected = model.predict(x_test[:rows], verbose=0)
        assert_allclose(probabilities, expected, rtol=1e-5, atol=1e-5)
        assert_array_equal(labels, expected.argmax(axis=1))
    assert (labels == y_test[:1000]).mean() > 0.8


def test_a_block_with_a_shortcut_adds_both_of_its_ways() -> None:
    operations, models = images.block_with_shortcut()
    graph = Graph(17, "float32")
    output = add_operations(graph, operations, Tensor.of("input", (4, 6, 3)))
    float32 = onnx.TensorProto.FLOAT
    ends = [("input", ["n", 4, 6, 3]), (output.name, ["n", 5, 2, 3])]
    values = [[onnx.helper.make_tensor_value_info(name, float32, shape)] for name, shape in ends]
    proto = onnx.helper.make_graph(graph.nodes, "block", *values, graph.constants)
    opset = onnx.helper.make_opsetid("", 17)
    x = np.random.default_rng(0).standard_normal((7, 4, 6, 3)).astype(np.float32)
    outputs = reference.ReferenceEvaluator(onnx.helper.make_model(proto, opset_imports=[opset])).run(None, {"input": x})
    assert [node.op_type for node in graph.nodes] == ["Transpose", "Conv", "Conv", "Add"]
    assert_allclose(np.moveaxis(outputs[0], 1, -1), sum(model.predict(x) for model in models), rtol=1e-5, atol=1e-6)


# ---- The graph ------------------------------------------------------------------------------------------------------


def test_lenet_is_transposed_once(tmp_path: Path) -> None:
    convolutions = ["Conv", "Relu", "MaxPool"]
    dense = ["Flatten", "Gemm", "Relu", "Gemm", "Softmax"]
    assert operators(exported(lenet(), tmp_path)) == ["Mul", "Transpose", *convolutions, *convolutions, *dense]


def block(filters: int) -> Residual:
    first, second = (Conv2D(filters, 3, padding="same", use_bias=False) for _ in range(2))
    return Residual([first, BatchNormalization(), ReLU(), second, BatchNormalization()])


def test_batch_normalizations_are_folded_into_convolutions(tmp_path: Path) -> None:
    stem = [Conv2D(8, 3, strides=2, padding="same", use_bias=False), BatchNormalization(), ReLU()]
    head = [GlobalAveragePooling2D(), Dense(10, "softmax")]
    model = fn.Sequential([Input((16, 16, 3)), *stem, block(8), ReLU(), block(8), ReLU(), *head], seed=0)
    residual = ["Conv", "Relu", "Conv", "Add", "Relu"]
    expected = ["Transpose", "Conv", "Relu", *residual, *residual, "GlobalAveragePool", "Flatten", "Gemm", "Softmax"]
    assert operators(exported(model, tmp_path)) == expected


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([BatchNormalization(), Conv2D(2, 3), Flatten(), Dense(2)], ["Mul", "Transpose", "Conv", "Flatten", "Gemm"]),
        ([Residual([DepthwiseConv2D(3, padding="same")]), Flatten()], ["Transpose", "Conv", "Add", "Transpose", "Flatten"]),
        ([Permute((3, 1, 2)), Conv2D(2, 3, padding="same")], ["Transpose", "Conv", "Transpose"]),
        ([Conv2D(2, 3), fn.layers.Softmax()], ["Transpose", "Conv", "Softmax", "Transpose"]),
        ([GlobalMaxPooling2D(), fn.layers.Reshape((1, 1, 3)), Conv2D(2, 1)], ["Transpose", "GlobalMaxPool", "Conv"]),
    ],
)  # fmt: skip
def test_values_are_moved_no_more_than_needed(layers: list[Layer], expected: list[str], tmp_path: Path) -> None:
    model = fn.Sequential([Input((6, 5, 3)), *(type(layer).from_config(layer.get_config()) for layer in layers)])
    assert operators(exported(model, tmp_path))[: len(expected)] == expected


def test_images_with_the_channels_first_need_no_transpose(tmp_path: Path) -> None:
    model = fn.Sequential([Input((3, 8, 9)), Permute((2, 3, 1)), Conv2D(2, 3), Flatten(), Dense(2)], seed=0)
    path = exported(model, tmp_path)
    assert operators(path) == ["Conv", "Flatten", "Gemm"]
    assert_equal_to_the_model(model, path)


def test_the_odd_zero_of_same_padding_lies_behind(tmp_path: Path) -> None:
    model = fn.Sequential([Input((6, 7, 3)), Conv2D(2, (4, 2), padding="same")], seed=0)
    conv = onnx.load(exported(model, tmp_path)).graph.node[1]
    (pads,) = (attribute.ints for attribute in conv.attribute if attribute.name == "pads")
    assert list(pads) == [1, 0, 2, 1]


def test_the_ends_have_the_shapes_of_the_model(tmp_path: Path) -> None:
    model = fn.Sequential([Input((6, 7, 3)), Conv2DTranspose(2, 3, strides=2, activation="sigmoid")])
    graph = onnx.load(exported(model, tmp_path)).graph
    ends = [*graph.input, *graph.output]
    shapes = [[d.dim_param or d.dim_value for d in end.type.tensor_type.shape.dim] for end in ends]
    assert [end.name for end in ends] == ["input", "probabilities"]
    assert shapes == [["batch", 6, 7, 3], ["batch", 13, 15, 2]]


def test_a_mean_far_from_zero_is_subtracted_first(tmp_path: Path) -> None:
    layers = [MaxPooling2D(), BatchNormalization(scale=False, epsilon=0.0), Conv2D(2, 2)]
    model = fn.Sequential([Input((6, 6, 1)), *layers], seed=0)
    kernel, bias = model.layers[-1].get_weights()
    x = np.random.default_rng(0).normal(3e4, 1.0, (5, 6, 6, 1)).astype(np.float32)
    for mean, expected in ((0.5, ["Add"]), (3e4, ["Sub"])):
        model.set_weights([np.zeros(1), np.array([mean]), np.ones(1), kernel, bias])
        path = exported(model, tmp_path)
        assert operators(path)[2:-2] == expected
    assert_allclose(run(path, x)[0], model.predict(x), rtol=1e-5, atol=1e-5)


# ---- Dtypes ---------------------------------------------------------------------------------------------------------


def test_bytes_are_taken_as_they_are(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1)).astype(np.uint8)
    model = lenet()
    (outputs,) = run(exported(model, tmp_path, input_dtype="uint8"), x)
    assert_allclose(outputs, model.predict(x), rtol=1e-5, atol=1e-6)


def test_a_model_in_bfloat16_is_written_in_float32(tmp_path: Path) -> None:
    layers = [Conv2D(4, 3, activation="relu"), Flatten(), Dense(2)]
    rounded = fn.Sequential([Input((6, 6, 2)), *layers], seed=0, dtype="mixed_bfloat16")
    assert_equal_to_the_model(checking.in_full_precision(rounded), exported(rounded, tmp_path))


@pytest.mark.parametrize(
    ("layer", "operator"),
    [
        (Conv2D(2, 3, name="wrong"), "Conv"),
        (Conv2DTranspose(2, 3, name="wrong"), "ConvTranspose"),
        (AveragePooling2D(name="wrong"), "AveragePool"),
        (GlobalAveragePooling2D(name="wrong"), "GlobalAveragePool"),
        (GlobalMaxPooling2D(name="wrong"), "GlobalMaxPool"),
        (UpSampling2D(name="wrong"), "Resize"),
    ],
)
def test_what_onnxruntime_lacks_in_float64_is_refused(layer: Layer, operator: str, tmp_path: Path) -> None:
    model = fn.Sequential([Input((6, 6, 3)), type(layer).from_config(layer.get_config())], dtype="float64")
    message = rf"layer 'wrong' is in float64, in which onnxruntime has no {operator}: .* dtype='float32'"
    with pytest.raises(NotImplementedError, match=message):
        exported(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_rest_is_written_in_float64(tmp_path: Path) -> None:
    layers = [ZeroPadding2D(), MaxPooling2D(), BatchNormalization(), Permute((2, 3, 1)), Flatten(), Dense(2, "softmax")]
    model = fn.Sequential([Input((6, 7, 3)), *layers], dtype="float64", seed=0)
    x = checking.sample_inputs(model).reshape(-1, 6, 7, 3)
    (outputs,) = run(exported(model, tmp_path), x)
    assert outputs.dtype == np.float64
    assert_allclose(outputs, model.predict(x), rtol=1e-12)
