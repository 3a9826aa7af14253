"""The forward pass in C: which buffers there are, and a call for each operation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TypeGuard

import numpy as np

from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.c.functions import LONGEST_PASS
from fastnet.interchange.c.images import convolution_function, sizes_of
from fastnet.interchange.c.text import in_comment, number
from fastnet.operations import steps
from fastnet.operations.quantizing import Quantized, QuantizedConvolution, QuantizedMultiplication
from fastnet.operations.steps import Array, ImageOperation, Operation

__all__ = ["BYTES", "STRANGE", "Forward", "constants_of", "type_of"]

INPUT, OUTPUT = "input", "output"
STRIP, SUMS, INTEGERS, BYTES = "strip", "sums", "integers", "bytes"  # buffers of one call
STRANGE = "strange"  # 0, or not a number where an image has a value that is not finite

_Convolution = steps.Convolution | QuantizedConvolution
_Elementwise = steps.Scaling | steps.Activating | steps.SlopedActivating | steps.LayerNormalizing


# ---- Operations and constants ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    """Operations `first` to `last`, and the numbers of the values that they read and write; value 0 is the input.

    They are one operation, or a convolution, what works on its values and a pooling, which are done strip by strip, as many
    rows at a time as the pooling takes: the whole image needs no buffer. A product may have a scaling of all its inputs by
    the same numbers in it, which then needs none either.
    """

    first: int
    last: int
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
    current = values = first = 0
    scaling: steps.Scaling | None = None
    while first < len(operations):
        operation, last = operations[first], _end_of_strips(operations, first)
        if isinstance(operation, steps.Remembering):
            stack.append(current)
        elif isinstance(operation, steps.Exchanging):
            current, stack[-1] = stack[-1], current
        elif _is_uniform(operation) and _takes_scaling(operations[first + 1 : first + 2]):
            scaling = operation
        else:
            other = stack.pop() if isinstance(operation, steps.Addition) else None
            source = current
            if current == 0 or current in stack or not isinstance(operation, _Elementwise | steps.Addition):
                values += 1
                current = values
            done.append(_Step(first, last, source, current, other, scaling))
            scaling = None
        first = last + 1
    return done


def _takes_scaling(following: Sequence[Operation]) -> bool:
    match following:
        case [steps.Convolution() as convolution]:
            return convolution_function(convolution) == "convolve"
        case _:
            return bool(following) and isinstance(following[0], steps.Multiplication)


def _end_of_strips(operations: Sequence[Operation], first: int) -> int:
    """Return the index of the pooling before which nothing needs whole images since operation `first`, else `first`."""
    convolution = operations[first]
    if not isinstance(convolution, _Convolution):
        return first
    row = convolution.output.width * convolution.output.channels
    for index in range(first + 1, len(operations)):
        operation = operations[index]
        if isinstance(operation, steps.Pooling):
            return index if operation.image == convolution.output and _in_strips(operation) else first
        if not isinstance(operation, _Elementwise) or row % _row_of(operation, row):
            break
    return first


def _in_strips(pooling: steps.Pooling) -> bool:
    """Return whether windows in different rows have no row in common, and all of their rows are inside the image."""
    height, window, stride = pooling.output.height, pooling.window[0], pooling.strides[0]
    inside = pooling.before[0] == 0 and (height - 1) * stride + window <= pooling.image.height
    return height > 1 and inside and window <= stride


def _row_of(operation: Operation, count: int) -> int:
    """Return on how many of `count` values at a time an operation that works on values works."""
    match operation:
        case steps.Scaling() if not _is_uniform(operation):
            return max(operation.center.size, operation.factor.size, operation.offset.size)
        case steps.SlopedActivating(slope=slope):
            return slope.size
        case steps.LayerNormalizing(size=size, rows=rows):
            return size // rows
        case steps.Activating(size=size, rows=rows, function=function) if ACTIVATIONS[function].by_row:
            return size // rows
        case _:
            return count


def _is_uniform(operation: Operation) -> TypeGuard[steps.Scaling]:
    return isinstance(operation, steps.Scaling) and (
        operation.center.size == operation.factor.size == operation.offset.size == 1
    )


def constants_of(index: int, operation: Operation) -> dict[str, Array]:
    """Return the arrays of an operation by their names in C, without the prefix."""
    arrays: dict[str, Array | None] = {}
    match operation:
        case QuantizedMultiplication() | QuantizedConvolution():
            arrays = {"kernel": operation.kernel, "scale": operation.scale, "bias": operation.bias}
        case steps.Multiplication() | steps.Convolution():
            arrays = {"kernel": operation.kernel, "bias": operation.bias}
        case steps.TransposedConvolution():  # the filters last: the innermost loop goes over them
            arrays = {"kernel": operation.kernel.swapaxes(2, 3), "bias": operation.bias}
        case steps.Scaling() if not _is_uniform(operation):
            shape = (_row_of(operation, operation.size),)
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


# ---- Calls ----------------------------------------------------------------------------------------------------------


class Forward:
    """What the function ``predict`` does.

    Attributes
    ----------
    functions : set of str
        The functions that it calls.
    buffers : dict of str to int
        The sizes of the buffers by their names, no more of them than are needed at the same time; see `type_of`.
    sizes : dict of str to str
        The names, without the prefix, of the constants with the sizes of images, by their text.
    lines : list of str
        The calls.
    """

    def __init__(self, operations: Sequence[Operation], inputs: int, name: str, dtype: str) -> None:
        self._operations = operations
        self._name = name
        self._dtype = dtype
        self.functions: set[str] = set()
        self.buffers: dict[str, int] = {}
        self.sizes: dict[str, str] = {}
        self.lines: list[str] = []
        sequence = _steps(operations)
        names = self._names(sequence)
        layers: list[str] = []
        for step in sequence:
            before, layers = layers, [operation.layer for operation in operations[step.first : step.last + 1]]
            if layers != before[-1:]:
                self.lines.append(_heading(layers))
            self.lines += self._step(step, names)
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
            size = self._operations[step.last].size
            free = [name for name, end in used_until.items() if end < position]
            # The smallest that is large enough, else the largest, which then grows.
            unused = f"h{len(used_until)}"
            name = min(free, key=lambda n: (self.buffers[n] < size, abs(self.buffers[n] - size)), default=unused)
            self.buffers[name] = max(self.buffers.get(name, 0), size)
            used_until[name] = last_use[step.target]
            names[step.target] = name
        return names

    def _step(self, step: _Step, names: dict[int | None, str]) -> Iterator[str]:
        operation = self._operations[step.first]
        source, target = names[step.source], names[step.target]
        match operation:
            case steps.Multiplication():
                yield self._multiplication(step, operation, source, target)
            case QuantizedMultiplication():
                yield self._quantized(step, operation, source, target)
            case steps.Convolution() | QuantizedConvolution():
                if isinstance(operation, QuantizedConvolution):
                    yield self._quantized_image(operation, source)
                if step.last > step.first:
                    yield from self._strips(step, operation, source, target)
                else:
                    yield self._convolution(step, operation, f"0, {operation.output.height}", source, target)
            case steps.Addition():
                yield self._called("add", operation.size, names[step.other], source, target)
            case steps.TransposedConvolution():
                arrays = self._pointers(step.first, "kernel", "bias")
                yield self._called("convolve_transposed", self._sizes(operation), source, *arrays, target)
            case steps.Permuting():
                yield self._called("permute", *_loops(operation), source, target)
            case ImageOperation():
                yield self._called(_image_function(operation), self._sizes(operation), source, target)
            case _:
                yield from self._elementwise(step.first, operation.size, source, target)

    def _called(self, function: str, *arguments: object) -> str:
        self.functions.add(function)
        return f"{self._name}_{function}({', '.join(map(str, arguments))});"

    def _pointers(self, index: int, *keys: str) -> list[str]:
        """Return the names of an operation's arrays in C, and 0 for those that it does not have."""
        constants = constants_of(index, self._operations[index])
        found = [f"{key}_{index}" for key in keys]
        return [f"{self._name}_{key}" if key in constants else "0" for key in found]

    def _buffer(self, name: str, size: int) -> str:
        """Return a buffer that is needed during one step only."""
        self.buffers[name] = max(self.buffers.get(name, 0), size)
        return name

    def _sizes(self, operation: ImageOperation) -> str:
        return f"&{self._name}_{self.sizes.setdefault(sizes_of(operation), f'sizes_{len(self.sizes)}')}"

    def _scalars(self, scaling: steps.Scaling | None) -> list[str]:
        if scaling is None:
            return []
        return [number(scalar, self._dtype) for scalar in (scaling.center, scaling.factor, scaling.offset)]

    def _multiplication(self, step: _Step, product: steps.Multiplication, source: str, target: str) -> str:
        inputs = len(product.kernel)
        long = inputs > LONGEST_PASS
        function = ("long_" if long else "") + ("rescaled_" if step.scaling else "") + "dense"
        arrays = self._pointers(step.first, "kernel", "bias")
        sums = [self._buffer(SUMS, product.size)] if long else []
        return self._called(
            function, inputs, product.size, *self._scalars(step.scaling), source, *arrays, *sums, target
        )

    def _quantized(self, step: _Step, product: QuantizedMultiplication, source: str, target: str) -> str:
        arrays = self._pointers(step.first, "kernel", "scale", "bias")
        sums = self._buffer(INTEGERS, product.size)
        sizes = len(product.kernel), product.size
        return self._called("integer_dense", *sizes, *self._steps_of(product), source, *arrays, sums, target)

    def _steps_of(self, product: Quantized) -> tuple[str, int]:
        return number(product.input_scale, self._dtype), product.zero_point

    def _quantized_image(self, convolution: QuantizedConvolution, source: str) -> str:
        """Round an image, and note whether all of it is finite."""
        size = prod(convolution.image)
        rounded = self._buffer(BYTES, size)
        return f"{STRANGE} = {self._called('round_all', size, *self._steps_of(convolution), source, rounded)}"

    def _convolution(
        self, step: _Step, convolution: steps.Convolution | QuantizedConvolution, rows: str, source: str, target: str
    ) -> str:
        sizes = self._sizes(convolution)
        if isinstance(convolution, QuantizedConvolution):
            arrays = self._pointers(step.first, "kernel", "scale", "bias")
            buffers = self._buffer(BYTES, 0), *arrays, self._buffer(INTEGERS, convolution.output.channels)
            return self._called(
                "integer_convolve", sizes, rows, *self._steps_of(convolution), STRANGE, *buffers, target
            )
        function = ("rescaled_" if step.scaling else "") + convolution_function(convolution)
        arrays = self._pointers(step.first, "kernel", "bias")
        return self._called(function, sizes, rows, *self._scalars(step.scaling), source, *arrays, target)

    def _strips(
        self, step: _Step, convolution: steps.Convolution | QuantizedConvolution, source: str, target: str
    ) -> Iterator[str]:
        pooling = self._operations[step.last]
        assert isinstance(pooling, steps.Pooling)
        rows, down = pooling.window[0], pooling.strides[0]
        image, output = pooling.image._replace(height=rows), pooling.output._replace(height=1)
        strip = self._buffer(STRIP, prod(image))
        yield f"for (int i = 0; i < {pooling.output.height}; ++i) {{"
        yield f"    {self._convolution(step, convolution, f'{down} * i, {down} * i + {rows}', source, strip)}"
        for index in range(step.first + 1, step.last):
            yield from (f"    {line}" for line in self._elementwise(index, prod(image), strip, strip))
        sizes = self._sizes(replace(pooling, image=image, output=output))
        yield f"    {self._called(_image_function(pooling), sizes, strip, f'{target} + {prod(output)} * i')}"
        yield "}"

    def _elementwise(self, index: int, count: int, source: str, target: str) -> Iterator[str]:
        """Call the function of an operation that works on `count` values, or on as many rows as they are."""
        operation = self._operations[index]
        function, parameters = self._function(index, operation)
        row = _row_of(operation, count)
        if row == count:
            yield self._called(function, count, *parameters, source, target)
        else:
            yield f"for (int j = 0; j < {count // row}; ++j)"
            yield f"    {self._called(function, row, *parameters, f'{source} + {row} * j', f'{target} + {row} * j')}"

    def _function(self, index: int, operation: Operation) -> tuple[str, list[str]]:
        """Return the function for an operation that works on values, and its parameters."""
        match operation:
            case steps.Scaling() if _is_uniform(operation):
                return "rescale", self._scalars(operation)
            case steps.Scaling():
                return "scale", self._pointers(index, "center", "factor", "offset")
            case steps.SlopedActivating():
                return "prelu", self._pointers(index, "slope")
            case steps.LayerNormalizing(epsilon=epsilon):
                return "layer_normalize", [number(epsilon, self._dtype), *self._pointers(index, "gamma", "beta")]
            case steps.Activating():
                has_parameter = ACTIVATIONS[operation.function].parameter is not None
                return operation.function, [number(operation.alpha, self._dtype)] if has_parameter else []
            case other:
                raise AssertionError(f"no function of C for {other!r}")


def type_of(buffer: str) -> tuple[str, str]:
    """Return the type of a buffer's numbers in C, and its name in NumPy; REAL and "" stand for those of the outputs."""
    return {INTEGERS: ("int32_t", "int32"), BYTES: ("uint8_t", "uint8")}.get(buffer, ("REAL", ""))


def _heading(layers: list[str]) -> str:
    names = ", ".join(in_comment(layer) for layer in dict.fromkeys(layers))
    return f"/* layer {names} */" if len(layers) == 1 else f"/* layers {names}: as many rows at a time as are pooled */"


def _image_function(operation: ImageOperation) -> str:
    match operation:
        case steps.Pooling(function=function):
            return f"{function}_pool"
        case steps.Padding():
            return "pad"
        case steps.Upsampling(interpolation=interpolation):
            return "repeat" if interpolation == "nearest" else "interpolate"
        case other:
            raise AssertionError(f"no function of C for {other!r}")


def _loops(permuting: steps.Permuting) -> list[int]:
    """Return the sizes of the output's axes, which are 3, and how far apart their entries are in the input."""
    shape = permuting.shape
    apart = [prod(shape[axis + 1 :]) for axis in permuting.axes]
    return [*(shape[axis] for axis in permuting.axes), *apart]
