"""onnxruntime with the model as a graph of Conv, MaxPool, Gemm, Relu and Softmax, in 8-bit integers what `quantize_dynamic` makes of it."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ..cases import INTEGERS, Prediction
from ..data import Weights
from ..image_cases import Convolution, Dense, Flatten, ImagePrediction, Network, Pooling
from ..image_data import channels_first, rows_channels_first
from . import base

Array = np.ndarray
Operation = tuple[str, dict[str, Any]]  # its name and attributes


def graph(sizes: tuple[int, ...], weights: Weights) -> bytes:
    operations: list[Operation] = []
    for _ in sizes[1:]:
        operations += [("Gemm", {}), ("Relu", {})]
    return chain([*operations[:-1], ("Softmax", {})], weights, sizes[:1], sizes[-1])


def image_graph(network: Network, weights: Weights) -> bytes:
    """The input is (batch, channels, height, width)."""
    operations: list[Operation] = []
    for layer in network.without_dropout().layers:
        match layer:
            case Convolution(_, size, same):
                pads = [(size - 1) // 2] * 2 + [size // 2] * 2 if same else [0] * 4
                operations += [("Conv", {"pads": pads}), ("Relu", {})]
            case Pooling(size):
                operations.append(("MaxPool", {"kernel_shape": [size] * 2, "strides": [size] * 2}))
            case Flatten():
                operations.append(("Flatten", {}))
            case Dense():
                operations += [("Gemm", {"transB": 1}), ("Relu", {})]
    height, width, channels = network.shape
    turned = channels_first(network, weights)
    return chain([*operations[:-1], ("Softmax", {})], turned, (channels, height, width), network.ends[1])


def chain(operations: list[Operation], weights: Weights, shape: tuple[int, ...], classes: int) -> bytes:
    """Return the model of operations one after another; Conv and Gemm take the next kernel and bias."""
    nodes, constants, last = [], [], "input"
    remaining = iter(weights)
    for number, (kind, attributes) in enumerate(operations):
        inputs, output = [last], f"output{number}"
        if kind in ("Conv", "Gemm"):
            for name in (f"kernel{number}", f"bias{number}"):
                constants.append(numpy_helper.from_array(next(remaining), name))
                inputs.append(name)
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        last = output
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *sizes])]
        for name, sizes in (("input", shape), (last, (classes,)))
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "network", *ends, constants), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    return model.SerializeToString()


def quantized(graph: bytes) -> bytes:
    from onnxruntime.quantization import quantize_dynamic

    logging.disable(logging.WARNING)  # it advises to optimize the graph, in which there is nothing to optimize
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        whole.write_bytes(graph)
        quantize_dynamic(whole, small)
        return small.read_bytes()


def runner(model: bytes, x: Array) -> Callable[[], Array]:
    options = onnxruntime.SessionOptions()
    options.use_per_session_threads = False
    session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
    feed = {"input": x}
    return lambda: session.run(None, feed)[0]


class Library(base.Library):
    statement = "import onnxruntime"
    forms = ("", INTEGERS)

    def __init__(self, threads: int) -> None:
        """One pool of threads for all sessions: the threads of idle sessions would spin beside the one at work."""
        super().__init__(threads)
        onnxruntime.set_global_thread_pool_sizes(threads, 1)

    def version(self) -> str:
        return f"onnxruntime {onnxruntime.__version__}"

    def predictor(self, case: Prediction, weights: Weights, x: Array) -> Callable[[], Array]:
        model = graph(case.sizes, weights)
        return runner(quantized(model) if case.form == INTEGERS else model, x)

    def image_predictor(self, case: ImagePrediction, weights: Weights, x: Array) -> Callable[[], Array]:
        return runner(image_graph(case.network, weights), rows_channels_first(x))
