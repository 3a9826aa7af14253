"""What fastnet has no equal for in an ONNX file is named, and damaged files are refused."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from onnx_files import floats, node, write

onnx = pytest.importorskip("onnx", reason="needs onnx")

REFUSED = {
    "an operator": ([node("LSTM", "x w w")], "the operator LSTM (node 'the_lstm') is not available"),
    "the first operator": (
        [node("LRN", "x", "a", size=1), node("LSTM", "a w w")],
        "the operator LRN (node 'the_lrn') is not available",
    ),
    "quick gelu": (
        [node("Mul", "x six", "a"), node("Sigmoid", "a", "s"), node("Mul", "x s")],
        "the operator Mul (node 'the_mul') computes no layer of fastnet, together with Mul, Sigmoid",
    ),
    "a product of two values": ([node("MatMul", "x w", "a"), node("Mul", "a x")], "it takes more than one value"),
    "a sum of different shapes": (
        [node("MatMul", "x w", "a"), node("MatMul", "x v", "b"), node("Add", "a b")],
        "of samples of shape (4,) and (1,)",
    ),
    "a product from the left": ([node("MatMul", "w x")], "it must multiply samples by a constant"),
    "dropout in training": ([node("Dropout", "x six yes", "y mask")], "(node 'the_dropout') is not available: in"),
    "bfloat16": ([node("Cast", "x", to=16)], "to a type other than float, float16 and double"),
    "a mix of samples": ([node("Reshape", "x mixed")], "of samples of shape (4,) to [-1, 2]"),
    "a softmax of samples": ([node("Softmax", "x", axis=0)], "along the axes [0]"),
    "another domain": (
        [onnx.helper.make_node("Relu", ["x"], ["y"], "r", domain="acme")],
        "the operator acme.Relu (node 'r') is not available",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_fastnet_has_not_is_named(name: str, tmp_path: Path) -> None:
    nodes, message = REFUSED[name]
    constants = {"w": floats(4, 4), "zero": np.float32(0), "six": np.float32(6), "yes": np.array(True)}
    path = write(tmp_path, nodes, **constants, v=floats(4, 1), mixed=np.array([-1, 2]))
    with pytest.raises(NotImplementedError) as caught:
        fn.from_onnx(path)
    assert str(caught.value).startswith(f"fastnet cannot import {path}: ")
    assert message in str(caught.value)


def test_an_operator_that_no_output_needs_is_no_obstacle(tmp_path: Path) -> None:
    assert fn.from_onnx(write(tmp_path, [node("LRN", "x", "unused"), node("Relu", "x")])).output_shape == (4,)


@pytest.mark.parametrize(
    ("nodes", "options", "message"),
    [
        ([node("Relu", "x"), node("Tanh", "x", "z")], {"outputs": ["y", "z"]}, "it has 2 outputs that are no labels"),
        ([node("ArgMax", "x")], {}, "it has 0 outputs that are no labels"),
        ([node("Add", "x z")], {"inputs": ["x", "z"]}, "it has 2 inputs: x, z"),
    ],
)
def test_a_model_has_one_input_and_one_output(
    nodes: list[Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(NotImplementedError, match=message):
        fn.from_onnx(write(tmp_path, nodes, **options))


@pytest.mark.parametrize(
    ("nodes", "options", "message"),
    [
        ([node("MatMul", "x w")], {"w": floats(3, 4)}, "multiplies 4 values by a kernel for 3"),
        ([node("Relu", "z")], {}, "nothing computes 'z'"),
        ([node("Relu", "x")], {"outputs": ["z"]}, "nothing computes 'z'"),
        ([node("Relu", "x")], {"opset": 6}, "it must use one opset from 7"),
        ([node("Relu", "x")], {"opset": 1000}, "it must use one opset from 7"),
        ([node("Relu", "x")], {"x": ["n"]}, "has no dimension beside that of the batch"),
        ([node("Relu", "x")], {"x": ["n", None]}, "its input has no size"),
    ],
)
def test_sizes_that_do_not_fit_are_named(
    nodes: list[Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"cannot load .*: .*{message}"):
        fn.from_onnx(write(tmp_path, nodes, **options))


def test_a_tensor_has_as_many_bytes_as_its_dimensions_say(tmp_path: Path) -> None:
    path = write(tmp_path, [node("MatMul", "x w")], w=floats(4, 3))
    model = onnx.load(path)
    model.graph.initializer[0].dims[1] = 2**40
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match=f"tensor 'w' must have {4 * 2**40 * 4} bytes; it has 48"):
        fn.from_onnx(path)


@pytest.mark.parametrize("content", [b"", b"{}", bytes(100), b"\x89PNG\r\n\x1a\n", b"\x08\x08"])
def test_what_is_no_onnx_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot load .*model.onnx: it is not an ONNX file"):
        fn.from_onnx(tmp_path / "model.onnx")


def test_a_file_that_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fn.from_onnx(tmp_path / "missing.onnx")
    with pytest.raises(OSError, match=re.escape(tmp_path.name)):
        fn.from_onnx(tmp_path)


def test_without_onnx_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r'pip install "fastnet-nn\[onnx\]"'):
        fn.from_onnx(tmp_path / "model.onnx")


def test_recognizing_layers_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnet.interchange.onnx_import.flows import Budget

    path = write(tmp_path, [node("Relu", "x")])
    monkeypatch.setattr(Budget, "__init__", lambda self: setattr(self, "left", 10.0))
    with pytest.raises(NotImplementedError, match="its operators are too many"):
        fn.from_onnx(path)
    nodes = [node("Tanh", f"x{index}" if index else "x", f"x{index + 1}") for index in range(70)]
    with pytest.raises(NotImplementedError, match="more than 64 operators in a row"):
        fn.from_onnx(write(tmp_path, nodes, outputs=["x70"]))
