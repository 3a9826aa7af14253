"""The nodes and the constants of an ONNX graph in the making."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Graph"]


class Graph:
    """Nodes and constants of a graph in the making, for one opset, in one dtype."""

    def __init__(self, opset: int, dtype: str) -> None:
        self.opset = opset
        self.dtype = np.dtype(dtype)
        self.layer = ""  # the layer that nodes are added for, which their names begin with
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names: set[str] = {"input", "output", "probabilities", "label"}
        self._scalars: dict[float, str] = {}

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        name = self._free(f"{self.layer}/{operator}" if self.layer else operator)
        self.nodes.append(helper.make_node(operator, list(inputs), [output or name], name=name, **attributes))
        return output or name

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add an array, in its own dtype, and return its name."""
        from onnx import numpy_helper

        name = self._free(f"{self.layer}.{name}" if self.layer else name)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name))
        return name

    def scalar(self, value: float) -> str:
        """Return the name of a number in the dtype of the graph, which is added once."""
        if value not in self._scalars:
            layer, self.layer = self.layer, ""
            self._scalars[value] = self.constant(f"{value:.6g}", np.array(value, self.dtype))
            self.layer = layer
        return self._scalars[value]

    def _free(self, name: str) -> str:
        candidates = (f"{name}_{number}" for number in range(1, len(self._names) + 1))
        free = next(candidate for candidate in [name, *candidates] if candidate not in self._names)
        self._names.add(free)
        return free
