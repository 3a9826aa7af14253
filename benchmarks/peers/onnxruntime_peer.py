"""onnxruntime with the model as a graph of Gemm, Relu and Softmax, in 8-bit integers what `quantize_dynamic` makes of it."""

import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from ..data import Weights
from ..workloads import INTEGERS, Prediction
from . import base

Array = np.ndarray


def graph(sizes: tuple[int, ...], weights: Weights) -> bytes:
    nodes, constants, last = [], [], "input"
    for i in range(len(sizes) - 1):
        names = [f"kernel{i}", f"bias{i}"]
        constants += [numpy_helper.from_array(w, n) for w, n in zip(weights[2 * i : 2 * i + 2], names, strict=True)]
        nodes.append(helper.make_node("Gemm", [last, *names], [f"sum{i}"]))
        last = f"output{i}"
        nodes.append(helper.make_node("Softmax" if i == len(sizes) - 2 else "Relu", [f"sum{i}"], [last]))
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])]
        for name, size in (("input", sizes[0]), (last, sizes[-1]))
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
        options = onnxruntime.SessionOptions()
        options.use_per_session_threads = False
        model = graph(case.sizes, weights)
        if case.form == INTEGERS:
            model = quantized(model)
        session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        feed = {"input": x}
        return lambda: session.run(None, feed)[0]
