"""Every operator that fastnet reads from ONNX, in every form: what onnxruntime computes, or a clear error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from onnx_graphs import OPERATORS, TYPES, F, Graph, N

onnx = pytest.importorskip("onnx", reason="needs onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
onnxruntime.set_default_logger_severity(4)

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = 1


def computed(path: Path, x: np.ndarray) -> np.ndarray | None:
    """Return what onnxruntime computes; None where the file is not valid, or has what onnxruntime does not compute."""
    try:
        session = onnxruntime.InferenceSession(path, OPTIONS, ["CPUExecutionProvider"])
        return session.run(None, {"x": x})[0]  # type: ignore[no-any-return]
    except Exception as error:
        if type(error).__module__.startswith("onnxruntime"):
            return None
        raise


def check(seed: int, operator: str, folder: Path) -> bool:
    """Import a random graph with this operator; return whether onnxruntime and fastnet both take it."""
    rng = np.random.default_rng([seed, OPERATORS.index(operator)])
    operators = [operator] if rng.integers(3) else [operator, str(rng.choice(OPERATORS))]
    graph = Graph(rng, operators)
    if graph.dtype.kind == "i" and rng.integers(2):
        graph.last = graph.add("Cast", ["x"], to=TYPES["float"])
        graph.dtype = np.dtype(np.float32)
    for one in operators:
        graph.grow(one)
    if not rng.integers(4):
        graph.integers()
    path = graph.write(folder)
    x = rng.normal(size=(N, F)) * 3.0
    x = (np.rint(x) if graph.kind.startswith("int") else x).astype(graph.kind.replace("float", "f4"))
    expected = computed(path, x)
    try:
        with np.errstate(all="ignore"):
            model = fn.from_onnx(path)
    except (NotImplementedError, ValueError):
        return False
    if expected is None:
        return False
    predicted = model.predict(x)
    where = f"{operator}, seed {seed}, opset {graph.opset}: {graph.nodes}"
    assert predicted.shape == expected.shape, where
    np.testing.assert_allclose(predicted, expected, rtol=2e-5, atol=2e-5, err_msg=where)
    return True


def test_random_graphs_predict_what_onnxruntime_computes(tmp_path: Path) -> None:
    taken = [check(seed, operator, tmp_path) for seed in range(2) for operator in OPERATORS]
    assert sum(taken) > 40


@pytest.mark.slow
def test_many_random_graphs_predict_what_onnxruntime_computes(tmp_path: Path) -> None:
    for operator in OPERATORS:
        assert sum(check(seed, operator, tmp_path) for seed in range(2, 22)) > 0, operator


# --- Forms with a rule of their own ------------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(N, F)).astype(np.float32) * 3.0


def model_of(folder: Path, *nodes: Any, opset: int = 17, element: str = "float", **constants: Any) -> fn.Sequential:
    """Import a graph of nodes from x to y, with these constants."""
    path = folder / "model.onnx"
    inputs = [onnx.helper.make_tensor_value_info("x", TYPES[element], ["n", F])]
    tensors = [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    graph = onnx.helper.make_graph(nodes, "graph", inputs, [onnx.helper.make_empty_tensor_value_info("y")], tensors)
    opsets = [onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid("ai.onnx.ml", 1)]
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=opsets).SerializeToString())
    return fn.from_onnx(path)


def node(operator: str, inputs: list[str], output: str = "y", **attributes: Any) -> Any:
    return onnx.helper.make_node(operator, inputs, [output], name=f"the {operator}", **attributes)


ONE = np.float32(1.0)
INFINITE = np.finfo(np.float32).max


@pytest.mark.parametrize(
    ("inputs", "low", "high"),
    [
        (["x"], -np.inf, np.inf),
        (["x", ""], -np.inf, np.inf),
        (["x", "", ""], -np.inf, np.inf),
        (["x", "zero"], 0.0, np.inf),
        (["x", "zero", ""], 0.0, np.inf),
        (["x", "zero", "largest"], 0.0, np.inf),
    ],
)
def test_a_limit_of_clip_may_be_left_out(inputs: list[str], low: float, high: float, tmp_path: Path) -> None:
    model = model_of(tmp_path, node("Clip", inputs), zero=np.float32(0.0), largest=INFINITE)
    np.testing.assert_array_equal(model.predict(X), np.clip(X, low, high))


def test_an_upper_limit_alone_is_an_upper_limit(tmp_path: Path) -> None:
    nodes = [node("Neg", ["x"], "a"), node("Clip", ["a", "", "zero"], "b"), node("Neg", ["b"])]
    np.testing.assert_array_equal(model_of(tmp_path, *nodes, zero=np.float32(0.0)).predict(X), np.maximum(X, 0.0))
    limited = [node("Clip", ["k", "", "one"], "a"), node("Mul", ["x", "a"])]
    model = model_of(tmp_path, *limited, k=np.array([-3.0, 0.5, 1.0, 9.0], np.float32), one=ONE)
    np.testing.assert_allclose(model.predict(X), X * [-3.0, 0.5, 1.0, 1.0], rtol=1e-6)


def test_other_optional_inputs_may_be_left_out(tmp_path: Path) -> None:
    weight = np.linspace(0.5, 2.0, F, dtype=np.float32)
    options = {"k": np.eye(F, dtype=np.float32), "scale": weight, "no": np.array(False), "r": ONE / 2}
    for first, second in (
        (node("LayerNormalization", ["x", "scale", ""]), node("LayerNormalization", ["x", "scale"])),
        (node("Dropout", ["x", "", "no"]), node("Dropout", ["x"])),
        (node("Dropout", ["x", "r", ""]), node("Dropout", ["x", "r", "no"])),
        (node("Gemm", ["x", "k", ""]), node("MatMul", ["x", "k"])),
    ):
        given, plain = (model_of(tmp_path, one, **options).predict(X) for one in (first, second))
        np.testing.assert_array_equal(given, plain)


@pytest.mark.parametrize(
    ("a", "b", "expected"), [(7, 2, 3), (-7, 2, -3), (7, -2, -3), (-7, -2, 3), (1, 2, 0), (6, 3, 2)]
)
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers_are_divided_toward_zero(a: int, b: int, expected: int, dtype: type, tmp_path: Path) -> None:
    nodes = [node("Div", ["a", "b"], "q"), node("Cast", ["q"], "f", to=TYPES["float"]), node("Add", ["x", "f"])]
    model = model_of(tmp_path, *nodes, a=dtype(a), b=dtype(b))
    np.testing.assert_allclose(model.predict(X), X + expected, rtol=1e-6)


def test_integers_are_not_divided_by_zero(tmp_path: Path) -> None:
    nodes = [node("Div", ["a", "b"], "q"), node("Cast", ["q"], "f", to=TYPES["float"]), node("Add", ["x", "f"])]
    with pytest.raises(ValueError, match="it divides integers by zero"):
        model_of(tmp_path, *nodes, a=np.int64(3), b=np.int64(0))


@pytest.mark.parametrize("operator", ["Div", "Add", "Mul", "Pow", "Max"])
@pytest.mark.parametrize("element", ["int64", "int32"])
def test_samples_of_integers_are_cast_before_anything_is_computed(operator: str, element: str, tmp_path: Path) -> None:
    two = np.array(2, element)
    cast = node("Cast", ["a"], to=TYPES["float"])
    message = rf"operator {operator} \(node 'the {operator}'\) is not available: of integers: cast them to float first"
    with pytest.raises(NotImplementedError, match=message):
        model_of(tmp_path, node(operator, ["x", "two"], "a"), cast, element=element, two=two)
    flat = node("Reshape", ["x", "shape"], "a")
    with pytest.raises(NotImplementedError, match=message):
        model_of(tmp_path, flat, node(operator, ["a", "two"]), element=element, two=two, shape=np.array([0, 2, 2]))
    nodes = [node("Cast", ["x"], "a", to=TYPES["float"]), node("Div", ["a", "two"])]
    np.testing.assert_array_equal(model_of(tmp_path, *nodes, element=element, two=ONE * 2).predict(X), X / 2)


def test_a_scaler_takes_integers(tmp_path: Path) -> None:
    scaler = onnx.helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml", offset=[1.0], scale=[0.5])
    x = np.arange(8).reshape(2, 4)
    np.testing.assert_array_equal(model_of(tmp_path, scaler, element="int64").predict(x), (x - 1) / 2)


ROW = np.arange(1.0, 1.0 + F, dtype=np.float32)


@pytest.mark.parametrize(
    ("broken", "error", "message"),
    [
        (node("Add", ["x"]), ValueError, r"Add \(node 'the Add'\) lacks B in opset 17"),
        (node("Add", ["x", ""]), ValueError, r"Add \(node 'the Add'\) lacks B in opset 17"),
        (node("PRelu", ["x"]), ValueError, "lacks slope in opset 17"),
        (node("Cast", ["x"]), ValueError, "lacks to in opset 17"),
        (node("Relu", ["x", "row"]), ValueError, "must not have 2 inputs in opset 17"),
        (node("Clip", ["x"], min=0.0), ValueError, "must not have min in opset 17"),
        (node("Softmax", ["x"], dim=1), ValueError, "must not have dim in opset 17"),
        (node("Squeeze", ["row"], axes=[0]), ValueError, "must not have axes in opset 17"),
        (node("Clip", ["x", "row"]), NotImplementedError, "its limits must be one number each"),
        (
            node("Mul", ["x", "deep"]),
            NotImplementedError,
            r"with a constant of shape \(1, 1, 4\) for samples of shape \(4,\)",
        ),
        (node("Mul", ["x", "deep_one"]), NotImplementedError, r"with a constant of shape \(1, 1, 1\) for samples"),
        (node("Reshape", ["x", "zero"], allowzero=1), NotImplementedError, r"of samples of shape \(4,\) to \[0, 4\]"),
        (node("Flatten", ["x"], axis=-2), NotImplementedError, "along axis -2, which is not that of the batch"),
    ],
)
def test_what_a_node_must_not_be_is_named(broken: Any, error: type[Exception], message: str, tmp_path: Path) -> None:
    arrays = {"row": ROW, "deep": ROW.reshape(1, 1, F), "deep_one": ROW[:1].reshape(1, 1, 1), "zero": np.array([0, F])}
    with pytest.raises(error, match=message):
        model_of(tmp_path, broken, **arrays)


def test_a_normalization_that_gives_its_statistics_is_in_training(tmp_path: Path) -> None:
    weights = ["a", "b", "c", "d"]
    trains = onnx.helper.make_node("BatchNormalization", ["x", *weights], ["y", "mean", "var"], name="n")
    with pytest.raises(NotImplementedError, match="in training"):
        model_of(tmp_path, trains, opset=9, **dict.fromkeys(weights, ROW))


@pytest.mark.parametrize("axis", [1, -1])
def test_a_negative_axis_counts_from_the_end(axis: int, tmp_path: Path) -> None:
    model = model_of(tmp_path, node("Flatten", ["x"], "a", axis=axis), node("Mul", ["a", "row"]), row=ROW)
    np.testing.assert_array_equal(model.predict(X), X * ROW)
