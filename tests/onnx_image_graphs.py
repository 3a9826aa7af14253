"""ONNX graphs of images, with the channels first or last."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from onnx_files import floats, node

onnx = pytest.importorskip("onnx", reason="needs onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
onnxruntime.set_default_logger_severity(4)

__all__ = ["computed", "floats", "network", "node", "proto_of", "refused"]

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.intra_op_num_threads = 1


def proto_of(nodes: Sequence[Any], shape: Sequence[int], opset: int = 18, **constants: Any) -> Any:
    """Return a model of nodes from x to y with these constants."""
    for place, one in enumerate(nodes[:-1]):  # onnxruntime wants each name once
        one.name += f"_{place}"
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", *shape])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", opset)], ir_version=9)


def computed(proto: Any, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), OPTIONS, ["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": x})[0])


def refused(nodes: Sequence[Any], shape: Sequence[int], opset: int = 18, **constants: Any) -> str:
    with pytest.raises(NotImplementedError) as caught:
        fn.from_onnx(proto_of(nodes, shape, opset, **constants))
    return str(caught.value)


def network() -> Any:
    """Return a small network with every operator of images."""
    nodes = [
        node("Transpose", "x", "a", perm=[0, 3, 1, 2]),
        node("Pad", "a pads", "b"),
        node("Conv", "b w c", "d", strides=[2, 2], pads=[1, 1, 1, 1]),
        node("BatchNormalization", "d c c c c", "e"),
        node("Clip", "e low high", "f"),
        node("Conv", "f g", "h", group=4, auto_pad="SAME_UPPER"),
        node("Add", "h f", "i"),
        node("MaxPool", "i", "j", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("Conv", "i s", "k", strides=[2, 2]),
        node("Add", "j k", "l"),
        node("ConvTranspose", "l t", "m", strides=[2, 2]),
        node("Resize", "m _ scales", "n", mode="nearest"),
        node("AveragePool", "n", "o", kernel_shape=[2, 2], strides=[2, 2]),
        node("Mul", "o r", "p"),
        node("Flatten", "p", "q"),
        node("Gemm", "q v", "u"),
        node("Softmax", "u"),
    ]
    constants = {
        "pads": np.array([0, 0, 1, 0, 0, 0, 0, 1]),
        "w": floats(4, 3, 3, 3),
        "c": np.abs(floats(4)),
        "low": np.float32(0),
        "high": np.float32(6),
        "g": floats(4, 1, 3, 3),
        "s": floats(4, 4, 1, 1),
        "t": floats(4, 2, 2, 2),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "r": floats(2, 1, 1),
        "v": floats(2 * 4 * 4, 3),
    }
    return proto_of(nodes, (7, 6, 3), **constants)
