"""Models from ONNX files predict what the files' own libraries predicted."""

import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn
from fastnet.interchange import checking
from models_of_all_layers import MODELS, build
from onnx_files import floats, node, write

onnx = pytest.importorskip("onnx", reason="needs onnx")

with zipfile.ZipFile(Path(__file__).parent / "data" / "onnx.zip") as _archive:
    RECORDED = json.loads(_archive.read("predictions.json"))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the files of other libraries."""
    folder = tmp_path_factory.mktemp("recorded")
    with zipfile.ZipFile(Path(__file__).parent / "data" / "onnx.zip") as archive:
        archive.extractall(folder)
    return folder


def evaluated(path: Path, x: np.ndarray) -> np.ndarray:
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(str(path)).run(None, {"x": x})[0]


def names(layers: Sequence[fn.layers.Layer]) -> list[str]:
    return [type(layer).__name__ for layer in layers]


# ---- Files of fastnet and of others ---------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", [13, 17, 20])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "rectifiers"])
def test_a_model_comes_back_from_its_file(name: str, dtype: str, opset: int, tmp_path: Path) -> None:
    model = build(name, dtype)
    model.class_names, model.feature_names = ["größer 犬", "b"], list("abcdef")
    model.to_onnx(tmp_path / "model.onnx", opset=opset)
    again = fn.from_onnx(tmp_path / "model.onnx")
    x = checking.sample_inputs(model, 50).reshape(50, *model.input_shape)
    assert_allclose(again.predict(x), model.predict(x), rtol=1e-5, atol=1e-5 if dtype == "float32" else 1e-9)
    assert (again.dtype, again.input_shape, again.output_shape) == (dtype, model.input_shape, model.output_shape)
    assert (again.class_names, again.feature_names) == (model.class_names, model.feature_names)


def test_a_sum_of_two_branches_without_weights_does_not_come_back(tmp_path: Path) -> None:
    build("rectifiers").to_onnx(tmp_path / "model.onnx")
    with pytest.raises(NotImplementedError, match=r"the operator Add .* computes no layer of fastnet"):
        fn.from_onnx(tmp_path / "model.onnx")


@pytest.mark.parametrize("input_dtype", ["uint8", "float64"])
def test_labels_and_casts_are_left_out(input_dtype: str, tmp_path: Path) -> None:
    layers = [fn.Rescaling(1 / 255, input_shape=(2, 3)), fn.Flatten(), fn.Dense(1, "sigmoid")]
    model = fn.Sequential(layers, seed=0)
    model.to_onnx(tmp_path / "model.onnx", label=True, input_dtype=input_dtype)
    again = fn.from_onnx(tmp_path / "model.onnx")
    x = np.arange(30, dtype=np.uint8).reshape(5, 2, 3)
    assert names(again.layers) == ["Rescaling", "Flatten", "Dense"]
    assert_allclose(again.predict(x), model.predict(x), rtol=1e-6)


def test_layers_come_back_as_they_were(tmp_path: Path) -> None:
    build("residual").to_onnx(tmp_path / "model.onnx")
    model = fn.from_onnx(tmp_path / "model.onnx")
    assert names(model.layers) == ["Dense", "Residual", "Residual", "Activation", "Dense"]
    assert [getattr(layer, "activation", None) and layer.activation.name for layer in model.layers[::4]] == [
        "relu",
        "softmax",
    ]
    assert names(model.layers[1].layers) == ["LayerNormalization", "Dense", "Dense"]
    assert names(model.layers[2].layers) == ["BatchNormalization", "Residual", "PReLU"]


@pytest.mark.parametrize("entry", RECORDED, ids=lambda entry: entry["file"])
def test_a_recorded_file_predicts_what_its_library_predicted(entry: dict[str, Any], recorded: Path) -> None:
    model = fn.from_onnx(recorded / entry["file"])
    x, y = np.array(entry["x"]), np.array(entry["y"])
    double = "float64" in entry["file"]
    assert model.dtype == ("float64" if double else "float32")
    assert_allclose(model.predict(x), y, rtol=1e-5, atol=1e-12 if double else 1e-5)
    assert model.class_names == entry["class_names"]


def test_an_imported_model_trains_on(recorded: Path) -> None:
    model = fn.from_onnx(recorded / "torch_norms_script_17.onnx")
    model.compile("adam", "mse")
    x, y = floats(64, 2, 2), floats(64, 6)
    history = model.fit(x, y, epochs=20, shuffle=False, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]


@pytest.mark.filterwarnings("ignore")
def test_the_installed_pytorch_exports_a_model(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.GELU(), torch.nn.Linear(8, 3), torch.nn.Softmax(1))
    x = torch.randn(5, 4)
    torch.onnx.export(module, (x,), tmp_path / "model.onnx", dynamo=False)
    predictions = fn.from_onnx(tmp_path / "model.onnx").predict(x.numpy())
    assert_allclose(predictions, module(x).detach().numpy(), rtol=1e-5, atol=1e-6)


# ---- Values in a file of their own ----------------------------------------------------------------------------------


def test_values_are_read_from_the_folder_of_the_model(recorded: Path, tmp_path: Path) -> None:
    shutil.copy(recorded / "torch_external.onnx", tmp_path)
    with pytest.raises(ValueError, match=r"are in 'torch_external.onnx.data', which is no file here"):
        fn.from_onnx(tmp_path / "torch_external.onnx")
    data = (recorded / "torch_external.onnx.data").read_bytes()
    (tmp_path / "torch_external.onnx.data").write_bytes(data[:-1])
    with pytest.raises(ValueError, match="is cut short: it lacks the values of tensor"):
        fn.from_onnx(tmp_path / "torch_external.onnx")
    (tmp_path / "torch_external.onnx.data").write_bytes(data)
    assert fn.from_onnx(tmp_path / "torch_external.onnx").output_shape == (2,)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "sub/values", "..", "", "a\\b", "link"])
def test_values_are_read_from_nowhere_else(location: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(48))
    folder = tmp_path / "folder"
    folder.mkdir()
    if location == "link":
        try:
            (folder / "link").symlink_to(tmp_path / "secret")
        except OSError:
            pytest.skip("symbolic links are not allowed here")
    path = write(folder, [node("MatMul", "x w")], w=floats(4, 3))
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="only a file in the folder of the model is read"):
        fn.from_onnx(path)


# ---- Ways to write a layer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "constants", "activation"),
    [
        ([node("Sigmoid", "x", "s"), node("Mul", "x s")], {}, "silu"),
        ([node("Mul", "a x", "s"), node("Max", "x s")], {"a": np.float32(0.25)}, "leaky_relu"),
        ([node("Clip", "x zero")], {"zero": np.float32(0)}, "relu"),
        ([node("Greater", "x z", "g"), node("Cast", "g", "c", to=1), node("Mul", "c x")], {"z": np.float32(0)}, "relu"),
        (
            [node("Neg", "x", "m"), node("Exp", "m", "e"), node("Add", "e o", "d"), node("Reciprocal", "d")],
            {"o": np.float32(1)},
            "sigmoid",
        ),
        (
            [node("Add", "x three", "a"), node("Clip", "a zero six", "c"), node("Div", "c six")],
            {"three": np.float32(3), "zero": np.float32(0), "six": np.float32(6)},
            "hard_sigmoid",
        ),
        ([node("Exp", "x", "e"), node("Add", "e o", "p"), node("Log", "p")], {"o": np.float32(1)}, "softplus"),
        ([node("Mul", "x one", "o"), node("Swish", "o")], {"one": np.float32(1)}, "silu"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_activation_is_recognized_however_it_is_written(
    nodes: list[Any], constants: dict[str, Any], activation: str, tmp_path: Path
) -> None:
    product = node("MatMul", "input w", "x")
    path = write(tmp_path, [product, *nodes], w=floats(4, 4), inputs=["input"], **constants)
    (layer,) = fn.from_onnx(path).layers
    assert (type(layer), layer.activation.name) == (fn.Dense, activation)


def test_a_softmax_and_a_normalization_are_recognized_however_they_are_written(tmp_path: Path) -> None:
    axes = {"axes": [-1], "keepdims": 1}
    normalization = [
        node("ReduceMean", "x", "m", **axes),
        node("Sub", "x m", "d"),
        node("Pow", "d two", "s"),
        node("ReduceMean", "s", "v", **axes),
        node("Add", "v epsilon", "e"),
        node("Sqrt", "e", "r"),
        node("Div", "d r", "n"),
        node("Mul", "n gamma", "g"),
        node("Add", "beta g", "h"),
    ]
    softmax = [
        node("ReduceMax", "h", "top", **axes),
        node("Sub", "h top", "low"),
        node("Exp", "low", "exp"),
        node("ReduceSum", "exp minus", "sum"),
        node("Div", "exp sum", "y"),
    ]
    constants = {"two": np.float32(2), "epsilon": np.float32(0.5), "minus": np.array([-1]), "gamma": floats(4)}
    path = write(tmp_path, [*normalization, *softmax], **constants, beta=floats(4, seed=1))
    model = fn.from_onnx(path)
    first, last = model.layers
    assert (type(first), first.epsilon, last.activation.name) == (fn.LayerNormalization, 0.5, "softmax")
    x = floats(5, 4, seed=2)
    assert_allclose(model.predict(x), evaluated(path, x), rtol=1e-5)


@pytest.mark.parametrize(
    ("nodes", "constants", "kind"),
    [
        ([node("Mul", "x k")], {"k": np.float32(0.25)}, "Rescaling"),
        ([node("Sub", "x k", "d"), node("Div", "d k")], {"k": np.float32(127.5)}, "Rescaling"),
        ([node("Sub", "x k", "d"), node("Div", "d s")], {"k": floats(1, 4), "s": np.abs(floats(4))}, "Normalization"),
        ([node("Mul", "x s", "d"), node("Add", "d k")], {"k": floats(4), "s": np.abs(floats(4))}, "Normalization"),
        ([node("Sub", "k x", "d"), node("Mul", "d s")], {"k": floats(4), "s": floats(4)}, "BatchNormalization"),
        ([node("Scaler", "x", offset=[1.0] * 4, scale=[2.0] * 4)], {}, "Normalization"),
    ],
)
def test_scaling_becomes_a_layer(nodes: list[Any], constants: dict[str, Any], kind: str, tmp_path: Path) -> None:
    if nodes[0].op_type == "Scaler":
        nodes[0].domain = "ai.onnx.ml"
    path = write(tmp_path, nodes, **constants)
    model = fn.from_onnx(path)
    assert names(model.layers) == [kind]
    x = floats(5, 4, seed=2)
    assert_allclose(model.predict(x), evaluated(path, x), rtol=2e-5, atol=1e-6)


def test_a_normalization_far_from_zero_keeps_its_digits(tmp_path: Path) -> None:
    mean, scale = np.full(4, 1e6, np.float32), np.full(4, 0.5, np.float32)
    path = write(tmp_path, [node("Add", "x m", "d"), node("Mul", "d s")], m=-mean, s=scale)
    x = mean + np.arange(20, dtype=np.float32).reshape(5, 4)
    assert_allclose(fn.from_onnx(path).predict(x), (x - mean) * scale, rtol=1e-6)


def test_pixels_of_an_image_are_scaled_one_by_one(tmp_path: Path) -> None:
    nodes = [node("Sub", "x m", "d"), node("Mul", "d s", "n"), node("Flatten", "n", "f"), node("MatMul", "f w")]
    constants = {"m": floats(2, 3), "s": np.abs(floats(1, 2, 3)), "w": floats(6, 2)}
    path = write(tmp_path, nodes, x=["n", 2, 3], **constants)
    x = floats(5, 2, 3, seed=1)
    expected = evaluated(path, x)
    assert_allclose(fn.from_onnx(path).predict(x), expected, rtol=1e-5)


def test_a_residual_block_may_begin_and_end_with_activations(tmp_path: Path) -> None:
    nodes = [
        node("MatMul", "x w", "a"),
        node("Relu", "a", "b"),
        node("MatMul", "b w", "c"),
        node("Tanh", "c", "d"),
        node("Add", "d b", "e"),
        node("Sigmoid", "e", "f"),
        node("Add", "e f"),
    ]
    path = write(tmp_path, nodes, w=floats(4, 4))
    model = fn.from_onnx(path)
    assert names(model.layers) == ["Dense", "Residual", "Residual"]
    x = floats(5, 4, seed=2)
    expected = evaluated(path, x)
    assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", [[-1, 4], [0, 4], [0, -1], [-1, 2, 2], [0, 2, -1]])
def test_reshapes_keep_the_batch(target: list[int], tmp_path: Path) -> None:
    path = write(tmp_path, [node("Reshape", "x t")], t=np.array(target), x=["n", 4] if len(target) > 2 else ["n", 2, 2])
    model = fn.from_onnx(path)
    assert model.output_shape == ((4,) if len(target) == 2 else (2, 2))


def test_a_batch_of_a_fixed_size_is_left_free(tmp_path: Path) -> None:
    path = write(tmp_path, [node("Reshape", "x t")], t=np.array([5, -1]), x=[5, 2, 2])
    model = fn.from_onnx(path)
    assert model.predict(floats(3, 2, 2)).shape == (3, 4)


def test_an_input_without_a_size_has_that_of_the_first_product(tmp_path: Path) -> None:
    nodes = [node("Relu", "x", "r"), node("Gemm", "r w", transB=1)]
    assert fn.from_onnx(write(tmp_path, nodes, x=[None, None], w=floats(3, 4))).input_shape == (4,)


def test_a_slope_for_every_column_is_a_prelu(tmp_path: Path) -> None:
    path = write(tmp_path, [node("PRelu", "x s")], s=-np.arange(4, dtype=np.float32))
    (layer,) = fn.from_onnx(path).layers
    assert_allclose(layer.get_weights()[0], [0, -1, -2, -3])
    path = write(tmp_path, [node("PRelu", "x s")], s=np.float32(-1.0))
    assert_allclose(fn.from_onnx(path).layers[0].get_weights()[0], [-1] * 4)
    path = write(tmp_path, [node("PRelu", "x s")], s=np.array([0.5], np.float32))
    assert fn.from_onnx(path).layers[0].activation.alpha == 0.5
