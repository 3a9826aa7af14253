"""ONNX files of quantized models: onnxruntime computes from their integers what the model does."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import models_of_all_layers as dense
import models_of_images as images
from command import Run
from fastnet.layers.geometry import Image
from fastnet.models.quantized import QuantizedModel
from fastnet.operations.quantizing import QuantizedConvolution, QuantizedMultiplication

onnx = pytest.importorskip("onnx", reason="needs onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")

NEWEST_OF_RUNTIME = 26  # that onnxruntime 1.32 runs
Array = np.ndarray[Any, Any]


def run(path: Path, x: Array, optimized: bool = True) -> list[Array]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    outputs: list[Array] = session.run(None, {"input": x})
    return outputs


def samples(model: Any, rows: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(rows, *model.input_shape)).astype(np.float32)


def exported(model: QuantizedModel, folder: Path, **options: Any) -> Path:
    path = folder / "model.onnx"
    model.to_onnx(path, **options)
    return path


def operators(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def constants(path: Path) -> dict[str, Array]:
    return {one.name: onnx.numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}


def assert_equal_to_the_model(model: QuantizedModel, path: Path, x: Array) -> None:
    """Compare the outputs: nearly all to the rounding of biases, all to about one step of a value between two.

    Half a step of a bias is 1/250 of what a step of an input changes, which is 1/255 of its range.
    """
    expected = model.predict(x, verbose=0)
    for optimized in (True, False):
        (outputs,) = run(path, x, optimized)
        assert outputs.dtype == np.float32
        assert outputs.shape == expected.shape
        differences = np.abs(outputs - expected) / max(1.0, np.abs(expected).max())
        assert np.median(differences) < 5e-5
        assert differences.max() < 0.03


# ---- Parity ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", images.MODELS)
def test_onnxruntime_predicts_what_a_model_of_images_predicts(name: str, tmp_path: Path) -> None:
    model = images.build(name)
    quantized = model.quantize(samples(model, 40))
    path = exported(quantized, tmp_path)
    x = samples(model, 50, seed=1)
    assert_equal_to_the_model(quantized, path, x)
    assert_allclose(run(path, x[:1])[0], run(path, x)[0][:1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", dense.MODELS)
def test_onnxruntime_predicts_what_a_model_of_rows_predicts(name: str, tmp_path: Path) -> None:
    model = dense.build(name)
    quantized = model.quantize(samples(model, 100))
    assert_equal_to_the_model(quantized, exported(quantized, tmp_path), samples(model, 100, seed=1))


@pytest.mark.parametrize("seed", range(40))
def test_onnxruntime_predicts_what_a_random_model_predicts(seed: int, tmp_path: Path) -> None:
    model = images.random_model(seed)
    quantized = model.quantize(samples(model, 40))
    path = exported(quantized, tmp_path, opset=[13, 17, 21][seed % 3])
    assert_equal_to_the_model(quantized, path, samples(model, 20, seed=1))


@pytest.mark.parametrize("opset", range(13, NEWEST_OF_RUNTIME + 1))
def test_every_opset_is_written(opset: int, tmp_path: Path) -> None:
    model = images.build("residual")
    quantized = model.quantize(samples(model, 40))
    path = exported(quantized, tmp_path, opset=opset)
    assert onnx.load(path).opset_import[0].version == opset
    assert_equal_to_the_model(quantized, path, samples(model, 20, seed=1))


@pytest.mark.parametrize("name", ["conv1d", "conv2d_same", "residual_permuted", "lenet"])
def test_the_evaluator_of_onnx_predicts_what_the_model_predicts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = images.build(name)
    for opset in (13, 21):
        exported(model.quantize(samples(model, 40)), tmp_path, opset=opset)  # checks itself


def classifiers() -> dict[str, list[fn.layers.Layer]]:
    def convolution(filters: int) -> list[fn.layers.Layer]:
        return [fn.Conv2D(filters, 5, activation="relu"), fn.layers.MaxPooling2D()]

    lenet = [*convolution(6), *convolution(16), fn.Flatten(), fn.Dense(84, "relu")]
    return {"lenet": lenet, "dense": [fn.Flatten(), fn.Dense(64, "relu"), fn.Dense(32, "tanh")]}


@pytest.mark.parametrize("name", classifiers())
def test_a_trained_classifier_reads_the_same_digits(name: str, mnist_dir: Path, tmp_path: Path) -> None:
    (x, y), (x_test, _) = fn.datasets.mnist.load_data()
    front = fn.Rescaling(1 / 255, input_shape=(28, 28, 1))
    model = fn.Sequential([front, *classifiers()[name], fn.Dense(10, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x[:4000, ..., np.newaxis], y[:4000], batch_size=64, epochs=1, verbose=0)
    quantized = model.quantize(x[:200, ..., np.newaxis])
    x_test = x_test[:1000, ..., np.newaxis]
    expected = quantized.predict(x_test, verbose=0)
    largest = np.sort(expected, axis=1)
    is_clear = largest[:, -1] - largest[:, -2] > 0.02
    for input_dtype in ("uint8", "float32"):
        path = exported(quantized, tmp_path, label=True, input_dtype=input_dtype)
        outputs, labels = run(path, x_test.astype(input_dtype))
        assert np.abs(outputs - expected).max() < 0.02
        assert np.abs(outputs - expected).mean() < 1e-4
        assert_array_equal(labels[is_clear], expected.argmax(axis=1)[is_clear])
        assert (labels == expected.argmax(axis=1)).mean() >= 0.999
        assert quantized.size_in_bytes < path.stat().st_size < quantized.size_in_bytes + 8000


# ---- Integers -------------------------------------------------------------------------------------------------------


def one_operation(kind: str, **parts: Any) -> QuantizedModel:
    """Return a model of a product or a convolution with kernels from the whole range of 8 bits."""
    rng = np.random.default_rng(3)
    shape = (3, 3, 2, 4) if kind == "convolution" else (50, 4)
    kernel = rng.integers(-127, 128, shape).astype(np.int8)
    kernel[..., parts.pop("unit_of_zeros", [])] = 0
    arrays = {"scale": np.full(4, 0.01, np.float32), "bias": np.array([0.3, -0.2, 5.0, 0.0], np.float32), **parts}
    if kind == "product":
        return QuantizedModel([QuantizedMultiplication(4, "layer", kernel, **arrays)], (50,), (4,))
    ends = 100, "layer", Image(5, 5, 2), Image(5, 5, 4)
    operation = QuantizedConvolution(*ends, kernel, **arrays, strides=(1, 1), dilation=(1, 1), before=(1, 1))
    return QuantizedModel([operation], (5, 5, 2), (5, 5, 4))


@pytest.mark.parametrize("kind", ["product", "convolution"])
@pytest.mark.parametrize("zero_point", [0, 64, 255])
@pytest.mark.parametrize("factor", [1.0, 3.0, 1e30])
def test_values_beyond_the_range_count_as_its_ends(kind: str, zero_point: int, factor: float, tmp_path: Path) -> None:
    model = one_operation(kind, input_scale=0.25, zero_point=zero_point)
    steps = np.random.default_rng(0).integers(-zero_point, 256 - zero_point, (100, *model.input_shape))
    x = (factor * 0.25 * steps).astype(np.float32)
    for optimized in (True, False):
        (outputs,) = run(exported(model, tmp_path), x, optimized)
        assert_allclose(outputs, model.predict(x, verbose=0), rtol=1e-5, atol=0.25 * 0.01)


@pytest.mark.parametrize("kind", ["product", "convolution"])
def test_the_integers_are_those_of_the_model(kind: str, tmp_path: Path) -> None:
    model = one_operation(kind, input_scale=0.25, zero_point=64)
    (operation,) = model.operations
    arrays = constants(exported(model, tmp_path))
    kernel = arrays["layer.kernel"].astype(int) - 128
    if kind == "convolution":
        kernel = kernel.transpose(2, 3, 1, 0)
    assert_array_equal(kernel, operation.kernel)
    assert {str(arrays[f"layer.{name}"].dtype) for name in ("kernel", "kernel_zero_point", "zero_point")} == {"uint8"}
    assert (arrays["layer.input_scale"], arrays["layer.zero_point"]) == (0.25, 64)
    assert_array_equal(arrays["layer.kernel_scale"], operation.scale)
    assert_array_equal(arrays["layer.bias"], np.rint(operation.bias / (0.25 * operation.scale)))
    assert arrays["layer.bias"].dtype == np.int32


@pytest.mark.parametrize("kind", ["product", "convolution"])
@pytest.mark.parametrize("optimized", [True, False])
def test_no_sum_saturates(kind: str, optimized: bool, tmp_path: Path) -> None:
    """With kernels of int8, onnxruntime is wrong here on processors with AVX2 and without VNNI."""
    model = one_operation(kind, input_scale=1.0, zero_point=0, unit_of_zeros=[1])
    x = np.full((3, *model.input_shape), 255.0, np.float32)
    (outputs,) = run(exported(model, tmp_path), x, optimized)
    assert_allclose(outputs, model.predict(x, verbose=0), rtol=1e-5, atol=0.01)


@pytest.mark.parametrize("kind", ["product", "convolution"])
@pytest.mark.parametrize("optimized", [True, False])
@pytest.mark.parametrize("bias", [[0.3, 0.2, -5.0, 0.0], [1e3, 0.3, -2e6, 0.0]])
def test_biases_are_kept_whatever_the_steps(kind: str, optimized: bool, bias: list[float], tmp_path: Path) -> None:
    """A unit of zeros has any scale; a bias may be beyond 32 bits in steps of the sums."""
    scale = np.array([0.01, 1.0, 0.02, 1.0], np.float32)
    large = {"scale": scale, "bias": np.array(bias, np.float32), "input_scale": 1e-4, "zero_point": 64}
    model = one_operation(kind, **large, unit_of_zeros=[1, 3])
    path = exported(model, tmp_path)
    assert constants(path)["layer.bias"].dtype == (np.float32 if max(bias) > 1 else np.int32)
    x = np.random.default_rng(0).uniform(-0.006, 0.019, (20, *model.input_shape)).astype(np.float32)
    (outputs,) = run(path, x, optimized)
    assert_allclose(outputs, model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


def test_an_exact_product_differs_by_no_more_than_its_bias(tmp_path: Path) -> None:
    model = one_operation("product", input_scale=0.5, zero_point=0, bias=None)
    assert operators(exported(model, tmp_path))[-1] == "MatMul"
    x = np.random.default_rng(0).integers(0, 256, (30, 50)).astype(np.float32) / 2
    (outputs,) = run(exported(model, tmp_path), x)
    assert_array_equal(outputs, model.predict(x, verbose=0))


# ---- The graph ------------------------------------------------------------------------------------------------------


def lenet(folder: Path, **options: Any) -> Path:
    model = images.build("lenet")
    x = np.random.default_rng(0).integers(0, 256, (40, 28, 28, 1)).astype(np.uint8)
    x[0, 0, 0, 0] = 255
    return exported(model.quantize(x), folder, **options)


def test_bytes_go_into_the_first_product_as_they_are(tmp_path: Path) -> None:
    kernel_and_bias = ["DequantizeLinear"] * 2
    expected = ["Transpose", "DequantizeLinear", *kernel_and_bias, "Conv", "Tanh"]
    assert operators(lenet(tmp_path, input_dtype="uint8"))[:6] == expected
    assert operators(lenet(tmp_path))[:7] == ["QuantizeLinear", *expected]
    assert operators(lenet(tmp_path, input_dtype="float64"))[:8] == ["Cast", "QuantizeLinear", *expected]


def test_other_bytes_are_counted_in_steps_first(tmp_path: Path) -> None:
    model = one_operation("product", input_scale=2.0, zero_point=3)
    path = exported(model, tmp_path, input_dtype="uint8")
    assert operators(path)[:2] == ["Cast", "QuantizeLinear"]
    x = np.random.default_rng(0).integers(0, 256, (30, 50)).astype(np.uint8)
    assert_allclose(run(path, x)[0], model.predict(x, verbose=0), rtol=1e-5, atol=0.02)


def test_onnxruntime_computes_in_integers(tmp_path: Path) -> None:
    layers = [fn.Conv2D(4, 3, activation="relu"), fn.layers.MaxPooling2D(), fn.Conv2D(5, 3), fn.Flatten(), fn.Dense(2)]
    model = fn.Sequential([fn.Input((12, 12, 3)), *layers], seed=0)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(exported(model.quantize(samples(model, 40)), tmp_path), options)
    found = operators(tmp_path / "optimized.onnx")
    assert found.count("QLinearConv") == 2
    assert found.count("QGemm") == 1
    assert not {"Conv", "Gemm", "Relu"} & set(found)


def test_names_and_options_are_those_of_any_export(tmp_path: Path) -> None:
    model = dense.build("activation_softmax")
    model.class_names = [f"class {i}" for i in range(model.output_shape[-1])]
    path = exported(model.quantize(samples(model, 40)), tmp_path, label=True, opset=13)
    proto = onnx.load(path)
    assert [output.name for output in proto.graph.output] == ["probabilities", "label"]
    assert {"fastnet_version", "class_names"} <= {entry.key for entry in proto.metadata_props}
    outputs, labels = run(path, samples(model, 30))
    assert_array_equal(labels, outputs.argmax(axis=1))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"opset": 12}, ValueError, "opset must be at least 13; got 12"),
        ({"label": 1}, TypeError, "label must be True or False"),
        ({"input_dtype": "int8"}, ValueError, "input_dtype must be one of"),
    ],
)
def test_wrong_arguments_are_refused(
    options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        exported(one_operation("product", input_scale=1.0, zero_point=0), tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_differs_from_the_model_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = one_operation("product", input_scale=0.01, zero_point=0)
    predict = QuantizedModel.predict
    monkeypatch.setattr(QuantizedModel, "predict", lambda self, x, **options: 1.02 * predict(self, x, **options))
    with pytest.raises(RuntimeError, match="the ONNX file differs from the model by"):
        exported(model, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_exports_quantized_models(run: Run, tmp_path: Path) -> None:
    model = dense.build("activation_softmax").quantize(samples(dense.build("activation_softmax"), 40))
    model.save(tmp_path / "small.safetensors")
    done = run("export", "small.safetensors", "--to", "onnx")
    assert (done.status, done.out) == (0, "")
    assert "checked" in done.err
    model.to_onnx(tmp_path / "same.onnx")
    assert (tmp_path / "small.onnx").read_bytes() == (tmp_path / "same.onnx").read_bytes()
    done = run("export", "small.safetensors", "--to", "state-dict")
    assert done.status == 1
    assert "small.safetensors is quantized" in done.err
