"""The forward pass in C: which buffers there are, and a call for each operation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.c_functions import LONGEST_PASS
from fastnet.interchange.c_text import in_comment, number
from fastnet.operations import steps
from fastnet.operations.steps import Array, Operation

__all__ = ["Forward", "constants_of"]

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class _Step:
    """An operation and the numbers of the values that it reads and writes; value 0 is the input.

    A product may have a scaling of all its inputs by the same numbers in it, which then needs no buffer.
    """

    index: int
    source: int
    target: int
    other: int | None
    scaling: steps.Scaling | None

    @property
    def uses(self) -> set[int | None]:
        return {self.source, self.target, self.other}


def _steps(operations: Sequence[Operation]) -> list[_Step]:
    """Return the steps; one that works value by value overwrites its source unless that is needed again."""
    done: list[_Step] = []
    stack: list[int] = []
    current = values = 0
    scaling: steps.Scaling | None = None
    for index, (operation, following) in enumerate(zip_longest(operations, operations[1:])):
        if isinstance(operation, steps.Remembering):
            stack.append(current)
            continue
        if (
            isinstance(operation, steps.Scaling)
            and _is_uniform(operation)
            and isinstance(following, steps.Multiplication)
        ):
            scaling = operation
            continue
        other = stack.pop() if isinstance(operation, steps.Addition) else None
        kept = current == 0 or current in stack
        source = current
        if kept or isinstance(operation, steps.Multiplication):
            values += 1
            current = values
        done.append(_Step(index, source, current, other, scaling))
        scaling = None
    return done


def constants_of(index: int, operation: Operation) -> dict[str, Array]:
    """Return the arrays of an operation by their names in C, without the prefix."""
    arrays: dict[str, Array | None] = {}
    match operation:
        case steps.Multiplication():
            arrays = {"kernel": operation.kernel, "bias": operation.bias}
        case steps.Scaling() if not _is_uniform(operation):
            shape = (operation.size,)
            offset = operation.offset if operation.offset.any() else None
            arrays = {
                "center": np.broadcast_to(operation.center, shape),
                "factor": np.broadcast_to(operation.factor, shape),
                "offset": None if offset is None else np.broadcast_to(offset, shape),
            }
        case steps.SlopedActivating():
            arrays = {"slope": operation.slope}
        case steps.LayerNormalizing():
            arrays = {"gamma": operation.gamma, "beta": operation.beta}
    return {f"{name}_{index}": array for name, array in arrays.items() if array is not None}


def _is_uniform(scaling: steps.Scaling) -> bool:
    return scaling.center.ndim == scaling.factor.ndim == scaling.offset.ndim == 0


class Forward:
    """What the function ``predict`` does.

    Attributes
    ----------
    functions : set of str
        The functions that it calls.
    buffers : dict of str to int
        The sizes of the buffers by their names, no more of them than are needed at the same time.
    lines : list of str
        The calls.
    """

    def __init__(self, operations: Sequence[Operation], inputs: int, name: str, dtype: str) -> None:
        self._operations = operations
        self._name = name
        self._dtype = dtype
        self.functions: set[str] = set()
        self.buffers: dict[str, int] = {}
        self.lines: list[str] = []
        sequence = _steps(operations)
        names = self._names(sequence)
        layer = None
        for step in sequence:
            operation = operations[step.index]
            if operation.layer != layer:
                layer = operation.layer
                self.lines.append(f"/* layer {in_comment(layer)} */")
            self.lines.append(self._call(step, names))
        if not sequence:
            self.lines += [f"for (int i = 0; i < {inputs}; ++i)", f"    {OUTPUT}[i] = {INPUT}[i];"]

    def _names(self, sequence: list[_Step]) -> dict[int | None, str]:
        """Return where each value lies. A buffer is used again as soon as nobody reads it any more."""
        names: dict[int | None, str] = {0: INPUT}
        if sequence:
            names[sequence[-1].target] = OUTPUT
        last_use = {value: position for position, step in enumerate(sequence) for value in step.uses}
        used_until: dict[str, int] = {}
        for position, step in enumerate(sequence):
            if step.target in names:
                continue
            size = self._operations[step.index].size
            free = [name for name, end in used_until.items() if end < position]
            # The smallest that is large enough, else the largest, which then grows.
            unused = f"h{len(used_until)}"
            name = min(free, key=lambda n: (self.buffers[n] < size, abs(self.buffers[n] - size)), default=unused)
            self.buffers[name] = max(self.buffers.get(name, 0), size)
            used_until[name] = last_use[step.target]
            names[step.target] = name
        return names

    def _call(self, step: _Step, names: dict[int | None, str]) -> str:
        operation = self._operations[step.index]
        source, target = names[step.source], names[step.target]
        constants = constants_of(step.index, operation)

        def pointers(*keys: str) -> list[str]:
            found = [f"{key}_{step.index}" for key in keys]
            return [f"{self._name}_{key}" if key in constants else "0" for key in found]

        match operation:
            case steps.Multiplication(kernel=kernel, size=size):
                long = len(kernel) > LONGEST_PASS
                function = ("long_" if long else "") + ("rescaled_" if step.scaling else "") + "dense"
                scalars = self._scalars(step.scaling) if step.scaling else []
                sums = self._sums(size) if long else []
                arguments = [f"{len(kernel)}, {size}", *scalars, source, *pointers("kernel", "bias"), *sums, target]
            case steps.Addition():
                function, arguments = "add", [str(operation.size), names[step.other], source, target]
            case _:
                function, parameters = self._elementwise(operation, pointers)
                arguments = [str(operation.size), *parameters, source, target]
        self.functions.add(function)
        return f"{self._name}_{function}({', '.join(arguments)});"

    def _sums(self, size: int) -> list[str]:
        """Return the buffer for the sums of one pass of several."""
        self.buffers["sums"] = max(self.buffers.get("sums", 0), size)
        return ["sums"]

    def _scalars(self, scaling: steps.Scaling) -> list[str]:
        return [number(scalar, self._dtype) for scalar in (scaling.center, scaling.factor, scaling.offset)]

    def _elementwise(self, operation: Operation, pointers: Callable[..., list[str]]) -> tuple[str, list[str]]:
        """Return the function for an operation that keeps the size, and its parameters."""
        match operation:
            case steps.Scaling() if _is_uniform(operation):
                return "rescale", self._scalars(operation)
            case steps.Scaling():
                return "scale", pointers("center", "factor", "offset")
            case steps.SlopedActivating():
                return "prelu", pointers("slope")
            case steps.LayerNormalizing():
                return "layer_normalize", [number(operation.epsilon, self._dtype), *pointers("gamma", "beta")]
            case steps.Activating():
                has_parameter = ACTIVATIONS[operation.function].parameter is not None
                return operation.function, [number(operation.alpha, self._dtype)] if has_parameter else []
            case other:
                raise AssertionError(f"no function of C for {other!r}")
