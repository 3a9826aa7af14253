"""Random ONNX graphs of the operators that fastnet reads, in the forms that their opsets give them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnet.interchange.onnx_import.functions import COMPARISONS, FUNCTIONS, REDUCTIONS
from fastnet.interchange.onnx_import.image_operators import IMAGE_OPERATORS
from fastnet.interchange.onnx_import.operators import HANDLERS

onnx = pytest.importorskip("onnx", reason="needs onnx")

__all__ = ["OPERATORS", "TYPES", "F", "Graph", "N"]

N, F = 5, 4
TYPES = {
    "float": onnx.TensorProto.FLOAT,
    "double": onnx.TensorProto.DOUBLE,
    "int64": onnx.TensorProto.INT64,
    "int32": onnx.TensorProto.INT32,
}


# The opsets that brought an operator, where onnxruntime has one of its own of this name before.
FIRST_OPSETS = {
    "Erf": 9,
    "Where": 9,
    "GreaterOrEqual": 12,
    "LessOrEqual": 12,
    "LayerNormalization": 17,
    "Mish": 18,
    "Gelu": 20,
    "Swish": 24,
}


class Graph:
    """A graph that grows node by node; `last` is the value that the next node takes."""

    def __init__(self, rng: np.random.Generator, operators: Sequence[str]) -> None:
        self.rng = rng
        first = max(FIRST_OPSETS.get(operator, 7) for operator in operators)
        self.opset = max(int(rng.integers(7, 25)), first)
        self.kind = str(rng.choice(list(TYPES), p=[0.6, 0.15, 0.15, 0.1]))
        self.dtype = np.dtype(self.kind.replace("float", "float32").replace("double", "float64"))
        self.input = (self.kind, [self.pick("n", N), F])
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last = "x"
        self.width = F

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def constant(self, array: Any, dtype: Any = None) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(array, dtype or self.dtype), name))
        return name

    def numbers(self, *shape: int) -> str:
        """Return a constant that is not 0 anywhere."""
        values = self.rng.uniform(0.3, 2.0, shape) * self.rng.choice([-1.0, 1.0], shape)
        return self.constant(
            np.where(values > 0, np.ceil(2 * values), np.floor(values)) if self.dtype.kind == "i" else values
        )

    def operand(self) -> str:
        """Return a constant of a shape that may or may not broadcast."""
        shapes: list[tuple[int, ...]] = [(), (), (1,), (1, 1), (self.width,), (self.width,), (1, self.width)]
        return self.numbers(*self.pick(*shapes, (1, 1, 1), (1, 1, self.width), (N, 1), (N, self.width)))

    def add(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        while inputs and not inputs[-1] and self.rng.integers(2):  # what is left out at the end may be not there
            inputs = inputs[:-1]
        self.nodes.append(onnx.helper.make_node(operator, inputs, [name], name=f"node {name}", **attributes))
        return name

    def maybe(self, **attributes: Any) -> dict[str, Any]:
        return {name: value for name, value in attributes.items() if self.rng.integers(2)}

    # --- Operators ---

    def grow(self, operator: str) -> None:
        x = self.last
        method = getattr(self, f"_{operator.lower()}", None)
        if method is not None:
            self.last = method(x)
        elif operator in REDUCTIONS or operator == "Sqrt":
            self.last = self._normalized(operator, x)
        elif operator in ("Add", "Sub", "Mul", "Div", "PRelu"):
            pair = [x, self.operand()]
            self.last = self.add(operator, pair if operator == "PRelu" or self.rng.integers(4) else pair[::-1])
        elif operator in COMPARISONS:
            self.last = self._where(x, operator)
        else:
            self.last = self.add(operator, [x])

    def _clip(self, x: str) -> str:
        low, high = sorted(self.rng.normal(size=2))
        if self.opset < 11:
            return self.add("Clip", [x], **self.maybe(min=float(low), max=float(high)))
        shape = self.pick((), (), (), (1,), (self.width,))
        limits = [self.pick("", self.constant(np.full(shape, limit))) for limit in (low, high)]
        return self.add("Clip", [x, *limits])

    def _elu(self, x: str) -> str:
        return self.add("Elu", [x], **self.maybe(alpha=float(self.rng.uniform(0.1, 2.0))))

    def _leakyrelu(self, x: str) -> str:
        return self.add("LeakyRelu", [x], **self.maybe(alpha=float(self.rng.normal())))

    def _hardsigmoid(self, x: str) -> str:
        return self.add("HardSigmoid", [x], **self.maybe(alpha=1.0 / 6, beta=0.5))

    def _selu(self, x: str) -> str:
        return self.add("Selu", [x], **self.maybe(alpha=1.5, gamma=1.1))

    def _gelu(self, x: str) -> str:
        return self.add("Gelu", [x], **self.maybe(approximate=self.pick("none", "tanh")))

    def _softmax(self, x: str) -> str:
        return self.add("Softmax", [x], **self.maybe(axis=self.pick(-1, 1, 0)))

    def _logsoftmax(self, x: str) -> str:
        return self.add("LogSoftmax", [x], **self.maybe(axis=self.pick(-1, 1, 0, -2)))

    def number(self, value: float) -> str:
        """Return a constant of one number, of a shape that may add a dimension to what it meets."""
        return self.constant(np.full(self.pick((), (), (1,), (1, 1), (), (1,), (1, 1), (1, 1, 1)), value))

    def _reduced(self, operator: str, x: str) -> str:
        """Return a row's reduction, mostly along its values."""
        axes = self.pick([-1], [-1], [1], [-1], [1], [0])
        keep = self.pick({}, {"keepdims": 1}, {}, {"keepdims": 1}, {"keepdims": 0})
        if self.opset < (13 if operator == "ReduceSum" else 18):
            given = {"axes": axes} if self.rng.integers(5) else {}
            return self.add(operator, [x], **given, **keep)
        given = {"noop_with_empty_axes": 1} if not self.rng.integers(5) else {}
        return self.add(operator, [x, self.constant(axes, np.int64) if self.rng.integers(5) else ""], **given, **keep)

    def _normalized(self, operator: str, x: str) -> str:
        """Return a softmax or a layer normalization, written out."""
        if operator == "ReduceMax":
            raised = self.add("Exp", [self.add("Sub", [x, self._reduced("ReduceMax", x)])])
            return self.add("Div", [raised, self._reduced("ReduceSum", raised)])
        if operator == "ReduceSum":
            raised = self.add("Exp", [x])
            return self.add("Div", [raised, self._reduced("ReduceSum", raised)])
        deviation = self.add("Sub", [x, self._reduced("ReduceMean", x)])
        variance = self._reduced("ReduceMean", self.add("Pow", [deviation, self.number(2)]))
        return self.add("Div", [deviation, self.add("Sqrt", [self.add("Add", [variance, self.number(0.125)])])])

    def _where(self, x: str, operator: str = "Greater") -> str:
        scaled = self.add("Mul", [x, self.operand()])
        said = self.add(operator, [x, self.number(0)])
        return self.add("Where", [said, *([x, scaled] if operator in ("Greater", "GreaterOrEqual") else [scaled, x])])

    def _erf(self, x: str) -> str:
        bell = self.add("Add", [self.add("Erf", [self.add("Div", [x, self.number(2**0.5)])]), self.number(1)])
        return self.add("Mul", [self.add("Mul", [x, bell]), self.number(0.5)])

    def _reciprocal(self, x: str) -> str:
        raised = self.add("Exp", [self.add("Neg", [x])])
        return self.add("Reciprocal", [self.add("Add", [raised, self.number(1)])])

    def _log(self, x: str) -> str:
        return self.add("Log", [self.add("Add", [self.add("Exp", [x]), self.number(1)])])

    def _max(self, x: str) -> str:
        above = self.add(
            "Max", self.pick([x, self.number(0)], [self.number(0), x], [x], [x, self.number(0), self.number(-1)])
        )
        return self.add("Add", [above, self.add("Mul", [self.add("Min", [x, self.number(0)]), self.number(0.5)])])

    def _min(self, x: str) -> str:
        return self.add("Neg", [self.add("Min", [self.add("Neg", [x]), self.number(0)])])

    def _pow(self, x: str) -> str:
        cubed = self.add("Mul", [self.add("Pow", [x, self.number(3)]), self.number(0.044715)])
        inside = self.add("Mul", [self.add("Add", [x, cubed]), self.number((2 / np.pi) ** 0.5)])
        share = self.add("Mul", [self.add("Add", [self.add("Tanh", [inside]), self.number(1)]), self.number(0.5)])
        return self.add("Mul", [x, share])

    def _flatten(self, x: str) -> str:
        return self.add("Flatten", [x], **self.maybe(axis=self.pick(1, -1, 0, 2)))

    def _reshape(self, x: str) -> str:
        target = self.pick([0, -1], [-1, self.width], [0, 0], [-1, 2, self.width // 2], [1, -1], [N, -1], [-1])
        y = self.add(
            "Reshape", [x, self.constant(target, np.int64)], **(self.maybe(allowzero=1) if self.opset > 13 else {})
        )
        return self.add("Reshape", [y, self.constant([-1, self.width], np.int64)]) if len(target) == 3 else y

    def _transpose(self, x: str) -> str:
        return self.add("MatMul", [x, self.add("Transpose", [self.numbers(F, self.width)], **self.maybe(perm=[1, 0]))])

    def _matmul(self, x: str) -> str:
        kernel, self.width = self.numbers(self.width, 3), 3
        return self.add("MatMul", [x, kernel])

    def _gemm(self, x: str) -> str:
        units, flipped = 3, bool(self.rng.integers(2))
        kernel = self.numbers(units, self.width) if flipped else self.numbers(self.width, units)
        bias = self.numbers(*self.pick((), (1,), (units,), (1, units), (1, 1), (N, 1)))
        self.width = units
        others = self.maybe(alpha=0.5, beta=2.0)
        bias = bias if self.opset < 11 or self.rng.integers(2) else ""
        return self.add("Gemm", [x, kernel, bias], **({"transB": 1} if flipped else {}), **others)

    def _batchnormalization(self, x: str) -> str:
        weights = [self.numbers(self.width) for _ in range(3)]
        variance = self.constant(self.rng.uniform(0.5, 2.0, self.width))
        return self.add("BatchNormalization", [x, *weights, variance], **self.maybe(epsilon=0.1, momentum=0.5))

    def _layernormalization(self, x: str) -> str:
        bias = self.pick([], [self.numbers(self.width)])  # not "", at which onnxruntime crashes
        attributes = self.maybe(epsilon=0.1, axis=self.pick(-1, 1, 0))
        return self.add("LayerNormalization", [x, self.numbers(self.width), *bias], **attributes)

    def _dropout(self, x: str) -> str:
        if self.opset < 12:
            return self.add("Dropout", [x], **self.maybe(ratio=0.3))
        ratio, training = self.constant(0.3, np.float32), self.constant(False, np.bool_)
        return self.add("Dropout", [x, self.pick("", ratio), self.pick("", training)])

    def _cast(self, x: str) -> str:
        to = self.pick("float", "float", "double", "int64", "int32")
        self.dtype = np.dtype(to.replace("float", "float32").replace("double", "float64"))
        return self.add("Cast", [x], to=TYPES[to])

    def _identity(self, x: str) -> str:
        return self.add("Identity", [x])

    def _shape(self, x: str) -> str:
        shape = self.add("Shape", [x])
        return self.add("Reshape", [x, shape])

    def _gather(self, x: str) -> str:
        place = self.constant(self.pick(1, -1), np.int64)
        size = self.add("Gather", [self.add("Shape", [x]), place], **self.maybe(axis=0))
        size = self.add("Div", [self.add("Mul", [size, self.constant(-3, np.int64)]), self.constant(-3, np.int64)])
        return self.add("Reshape", [x, self._joined(self.constant([-1], np.int64), self._row(size))])

    def _row(self, size: str) -> str:
        if self.opset < 13:
            return self.add("Unsqueeze", [size], axes=[self.pick(0, -1) if self.opset > 10 else 0])
        return self.add("Unsqueeze", [size, self.constant([self.pick(0, -1)], np.int64)])

    def _joined(self, *rows: str) -> str:
        return self.add("Concat", list(rows), axis=self.pick(0, -1) if self.opset > 10 else 0)

    def _unsqueeze(self, x: str) -> str:
        return self.add("Mul", [x, self._row(self.numbers(self.width))])

    def _squeeze(self, x: str) -> str:
        row, axes = self.numbers(1, self.width), self.pick(None, 0, -2)
        if self.opset < 13:
            return self.add("Mul", [x, self.add("Squeeze", [row], **({} if axes is None else {"axes": [axes]}))])
        given = "" if axes is None else self.constant([axes], np.int64)
        return self.add("Mul", [x, self.add("Squeeze", [row, given])])

    def _concat(self, x: str) -> str:
        halves = [self.numbers(1), self.numbers(self.width - 1)]
        return self.add("Add", [x, self.add("Concat", halves, axis=self.pick(0, -1) if self.opset > 10 else 0)])

    def _constant(self, x: str) -> str:
        form = self.pick({"value_float": 1.5}, {"value_floats": [0.5] * self.width}, {"value_int": 2})
        tensor = onnx.numpy_helper.from_array(np.asarray(2, self.dtype))
        return self.add("Mul", [x, self.add("Constant", [], **(form if self.opset > 11 else {"value": tensor}))])

    def integers(self) -> None:
        """Multiply by the result of integer arithmetic on constants."""
        a, b = (self.constant(self.pick(7, -7, 5, -2), np.int64) for _ in range(2))
        value = self.add(self.pick("Div", "Div", "Add", "Sub", "Mul"), [a, b])
        value = self.add(self.pick("Abs", "Neg", "Identity"), [value])
        to = onnx.helper.np_dtype_to_tensor_dtype(self.dtype)
        self.last = self.add("Mul", [self.last, self.add("Cast", [value], to=to)])

    def write(self, folder: Path) -> Path:
        output = onnx.helper.make_empty_tensor_value_info(self.last)
        kind, dimensions = self.input
        start = onnx.helper.make_tensor_value_info("x", TYPES[kind], dimensions)
        graph = onnx.helper.make_graph(self.nodes, "graph", [start], [output], self.constants)
        opsets = [onnx.helper.make_opsetid("", self.opset)]
        model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
        path = folder / "model.onnx"
        path.write_bytes(model.SerializeToString())
        return path


OPERATORS = sorted({*FUNCTIONS, *(name for name in HANDLERS if "." not in name)} - {"ArgMax", *IMAGE_OPERATORS})
OPERATORS += ["Gather"]
