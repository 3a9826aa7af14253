"""mlpfile: one forward pass at a time of a ReLU network, in C++ with Eigen. It has no softmax: what it gives are logits."""

import struct
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import mlpfile
import numpy as np

from ..cases import Prediction
from ..data import Weights
from . import base

Array = np.ndarray
LINEAR, RELU = 2, 3  # in its file format


def content(weights: Weights) -> bytes:
    """Return the file of a network: the number of layers, the inputs, the layers' kinds and units, and the weights."""
    pairs = list(zip(weights[::2], weights[1::2], strict=True))
    numbers = [2 * len(pairs) - 1, len(pairs[0][0])]
    for number, (kernel, _) in enumerate(pairs):
        numbers += [*([RELU] if number else []), LINEAR, kernel.shape[1]]
    arrays = [np.ascontiguousarray(array, "<f4").tobytes() for kernel, bias in pairs for array in (kernel.T, bias)]
    return struct.pack(f"<{len(numbers)}I", *numbers) + b"".join(arrays)


class Library(base.Library):
    statement = "import mlpfile"
    threaded = False
    logits = True

    def version(self) -> str:
        return f"mlpfile {version('mlpfile')}"

    def predictor(self, case: Prediction, weights: Weights, x: Array) -> Callable[[], Array]:
        if case.batch > 1 or case.form:
            raise NotImplementedError
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.mlp"
            path.write_bytes(content(weights))
            forward = mlpfile.Model.load(str(path)).forward
        (row,) = x
        return lambda: forward(row)
