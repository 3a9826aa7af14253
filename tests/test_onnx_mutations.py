"""ONNX files that are damaged or made up load as a model or give a clear error, and take no more memory than their size
accounts for."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from models_of_all_layers import build
from onnx_image_graphs import network

onnx = pytest.importorskip("onnx", reason="needs onnx")

SEEDS = range(300)
MORE_SEEDS = range(300, 1300)
NAMES = ["residual", "layer_normalization", "shapes", "normalization", "activation_gelu", "prelu"]
OPERATORS = [
    "Gemm",
    "MatMul",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Relu",
    "Reshape",
    "Flatten",
    "Softmax",
    "Concat",
    "Cast",
    "Shape",
    "Identity",
    "Where",
    "Clip",
    "PRelu",
    "Conv",
    "MaxPool",
    "Pad",
    "Resize",
    "Transpose",
]
NUMBERS = [-(2**63), -(2**31), -7, -1, 0, 1, 2, 3, 5, 6, 8, 100, 2**20, 2**31 - 1, 2**40, 2**63 - 1]
FLOATS = [-1.0, 0.0, 1e-30, 1.0, 1e30, np.inf, np.nan]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("onnx")
    for name in NAMES:
        for dtype, opset in [("float32", 17), ("float64", 13)]:
            build(name, dtype).to_onnx(folder / f"{name}_{dtype}.onnx", opset=opset)
    return [*(path.read_bytes() for path in sorted(folder.iterdir())), *[network().SerializeToString()] * 6]


# ---- Bytes ----------------------------------------------------------------------------------------------------------


def flipped(rng: np.random.Generator, file: bytes) -> bytes:
    changed = bytearray(file)
    for place in rng.integers(0, len(file), rng.integers(1, 6)):
        changed[place] ^= 1 << int(rng.integers(0, 8))
    return bytes(changed)


def overwritten(rng: np.random.Generator, file: bytes) -> bytes:
    start, length = int(rng.integers(0, len(file))), int(rng.integers(1, 20))
    return file[:start] + rng.bytes(length) + file[start + length :]


def cut(rng: np.random.Generator, file: bytes) -> bytes:
    return file[: int(rng.integers(0, len(file)))]


def doubled(rng: np.random.Generator, file: bytes) -> bytes:
    first, last = sorted(int(place) for place in rng.integers(0, len(file), 2))
    return file[:last] + file[first:]


# ---- Fields ---------------------------------------------------------------------------------------------------------


def some(rng: np.random.Generator, things: Any) -> Any:
    return things[int(rng.integers(0, len(things)))]


def with_other_field(rng: np.random.Generator, file: bytes) -> bytes:
    proto = onnx.ModelProto.FromString(file)
    for _ in range(int(rng.integers(1, 4))):
        some(rng, [change_node, change_node, change_tensor, change_tensor, change_ends])(rng, proto.graph)
    if rng.random() < 0.1:
        proto.opset_import[0].version = some(rng, NUMBERS)
    return proto.SerializeToString()


def change_node(rng: np.random.Generator, graph: Any) -> None:
    if not graph.node:
        return
    node = some(rng, graph.node)
    names = [
        *(name for other in graph.node for name in other.output),
        "input",
        "",
        *(t.name for t in graph.initializer),
    ]
    match int(rng.integers(0, 6)):
        case 0:
            node.op_type = some(rng, OPERATORS)
        case 1 if node.input:
            node.input[int(rng.integers(0, len(node.input)))] = some(rng, names)
        case 2:
            node.input.append(some(rng, names))
        case 3 if node.input:
            del node.input[-1]
        case 4 if node.attribute:
            attribute = some(rng, node.attribute)
            attribute.i, attribute.f = some(rng, NUMBERS), some(rng, FLOATS)
            attribute.type = some(rng, [attribute.type, 1, 2, 3, 7])
        case _:
            graph.node.insert(int(rng.integers(0, len(graph.node))), node)


def change_tensor(rng: np.random.Generator, graph: Any) -> None:
    if not graph.initializer:
        return
    tensor = some(rng, graph.initializer)
    match int(rng.integers(0, 5)):
        case 0 if tensor.dims:
            tensor.dims[int(rng.integers(0, len(tensor.dims)))] = some(rng, NUMBERS)
        case 1:
            tensor.dims.append(some(rng, NUMBERS))
        case 2:
            tensor.data_type = int(rng.integers(0, 25))
        case 3:
            tensor.raw_data = rng.bytes(len(tensor.raw_data))
        case _:
            tensor.data_location = 1
            tensor.external_data.add(
                key="location", value=some(rng, ["../x", "/etc/passwd", "x", "", "..", "model.onnx"])
            )


def change_ends(rng: np.random.Generator, graph: Any) -> None:
    end = some(rng, [*graph.input, *graph.output])
    match int(rng.integers(0, 4)):
        case 0:
            end.name = some(rng, ["input", "output", "x"])
        case 1:
            del end.type.tensor_type.shape.dim[int(rng.integers(0, 2)) :]
        case 2 if len(end.type.tensor_type.shape.dim) > 1:
            end.type.tensor_type.shape.dim[1].dim_value = some(rng, NUMBERS)
        case _:
            end.type.tensor_type.elem_type = int(rng.integers(0, 20))


# ---- The test -------------------------------------------------------------------------------------------------------

CHANGES: list[Callable[[np.random.Generator, bytes], bytes]] = [
    flipped,
    overwritten,
    cut,
    doubled,
    *[with_other_field] * 4,
]


def check(seed: int, files: list[bytes], folder: Path) -> bool:
    """Load one mutated file; return whether it is a model."""
    rng = np.random.default_rng(seed)
    path = folder / "model.onnx"
    path.write_bytes(some(rng, CHANGES)(rng, some(rng, files)))
    try:
        model = fn.from_onnx(path)
    except (ValueError, NotImplementedError) as error:
        message = str(error)
    else:
        if np.prod(model.input_shape) < 1e6:
            assert model.predict(np.ones((2, *model.input_shape))).shape == (2, *model.output_shape)
        return True
    assert message.startswith((f"cannot load {path}: ", f"fastnet cannot import {path}: "))
    return False


def test_mutated_files_are_models_or_clear_errors(files: list[bytes], tmp_path: Path) -> None:
    models = sum(check(seed, files, tmp_path) for seed in SEEDS)
    assert 0.05 * len(SEEDS) < models < 0.9 * len(SEEDS)


@pytest.mark.slow
def test_many_mutated_files_take_little_memory(files: list[bytes], tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        for seed in MORE_SEEDS:
            tracemalloc.reset_peak()
            check(seed, files, tmp_path)
            assert tracemalloc.get_traced_memory()[1] < 64e6
    finally:
        tracemalloc.stop()
