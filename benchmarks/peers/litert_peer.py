"""LiteRT, for one image: the network as TensorFlow's converter writes it. TensorFlow must be installed, too."""

from collections.abc import Callable
from importlib.metadata import version

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from ..data import Weights
from ..image_cases import ImagePrediction
from . import base, tensorflow_peer

Array = np.ndarray


class Library(base.Library):
    statement = "import ai_edge_litert.interpreter"

    def version(self) -> str:
        return f"LiteRT {version('ai-edge-litert')}"

    def image_predictor(self, case: ImagePrediction, weights: Weights, x: Array) -> Callable[[], Array]:
        if case.batch > 1:
            raise NotImplementedError
        model = tensorflow_peer.lite(case.network, weights)
        interpreter = Interpreter(model_content=model, num_threads=self.threads)
        interpreter.allocate_tensors()
        (start,) = (tensor["index"] for tensor in interpreter.get_input_details())
        (end,) = (tensor["index"] for tensor in interpreter.get_output_details())

        def predict() -> Array:
            interpreter.set_tensor(start, x)
            interpreter.invoke()
            return interpreter.get_tensor(end)

        return predict
