"""The file of C, part by part."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnet._core import __version__
from fastnet.interchange.c.forward import BYTES, STRANGE, Forward, constants_of, type_of
from fastnet.interchange.c.functions import functions_for, needs_math
from fastnet.interchange.c.images import BYTES_OF_SIZES
from fastnet.interchange.c.integers import needs_integers
from fastnet.interchange.c.model import ModelInC, shape_in_words
from fastnet.interchange.c.text import REALS, broken, filled, in_comment, number, number_lines, packed, string
from fastnet.operations.steps import Activating, Array
from fastnet.support.validation import describe

__all__ = ["CFile"]

_PROBABILITIES = ("softmax", "log_softmax", "sigmoid")

# See `filled` for what NAME_, PREFIX_, REAL and ~ stand for.
_USE = """ *
 * Memory    @constants bytes of constants, beside the code. NAME_predict has @buffers bytes of buffers on the stack.
 *           Nothing is allocated.
 *
 * Compile   cc -std=c99 -O2 -c @name.c, and link with -lm
 * Test      cc -std=c99 -Wall -Werror -DSELFTEST @name.c -lm && ./a.out
 * Call      Copy the declarations below, or write #define PREFIX_DECLARATIONS_ONLY and #include "@name.c".
 */
"""

_EXTERN_C = """
#ifdef __cplusplus
extern "C" {
#endif
"""

_EXTERN_C_END = """
#ifdef __cplusplus
}
#endif
"""

_BUFFERS = """
/* -DPREFIX_BUFFERS=static keeps the buffers off the stack; then only one thread at a time may call the functions. */
#ifndef PREFIX_BUFFERS
#define PREFIX_BUFFERS
#endif
"""

_LARGEST = """
int NAME_classify(const REAL *input)
{
    PREFIX_BUFFERS REAL output[PREFIX_OUTPUTS];
    int best = 0;
    NAME_predict(input, output);
    for (int i = 1; i < PREFIX_OUTPUTS; ++i)
        if (output[i] > output[best])
            best = i;
    return best;
}
"""

_ABOVE_HALF = """
int NAME_classify(const REAL *input)
{
    REAL output[PREFIX_OUTPUTS];
    NAME_predict(input, output);
    return output[0] > 0.5~;
}
"""

_MAIN = """
int main(void)
{
    PREFIX_BUFFERS REAL output[PREFIX_OUTPUTS];
    double largest = 0;
    int failures = 0;
    for (int i = 0; i < NAME_TESTS; ++i) {
        NAME_predict(NAME_test_inputs + i * PREFIX_INPUTS, output);
        for (int j = 0; j < PREFIX_OUTPUTS; ++j) {
            const double actual = (double)output[j], expected = (double)NAME_test_outputs[i * PREFIX_OUTPUTS + j];
            const double difference = actual < expected ? expected - actual : actual - expected;
            if (difference > largest)
                largest = difference;
            if (!(difference <= ACCEPTED) && actual != expected) /* so that NaN fails, and infinity does not */
                ++failures;
        }
    }
    printf("largest difference %.3g\\n", largest);
    return failures > 0;
}
"""


class CFile:
    """What a model's file of C is made of.

    Attributes
    ----------
    name : str
        What all names in the file begin with.
    """

    def __init__(self, model: ModelInC, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"name must be a string; got {describe(name)}")
        if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name):
            raise ValueError(f"name must be a letter, then letters, digits and underscores; got {name!r}")
        for attribute in ("class_names", "feature_names"):
            _check_strings(attribute, getattr(model, attribute))
        self.name = name
        self._model = model
        self._constants = {
            key: _finite(array, operation.layer)
            for index, operation in enumerate(model.operations)
            for key, array in constants_of(index, operation).items()
        }
        self._inputs, self._outputs = int(np.prod(model.input_shape)), int(np.prod(model.output_shape))
        self._forward = Forward(model.operations, self._inputs, name, model.dtype)
        self._classes = _number_of_classes(model, self._outputs)

    def text(self) -> str:
        """Return the whole file."""
        return "".join(self._parts())

    def _parts(self) -> Iterator[str]:
        functions = functions_for(self._forward.functions)
        yield from self._header()
        yield from self._declarations()
        yield self._filled("\n#ifndef PREFIX_DECLARATIONS_ONLY\n")
        headers = {"math": needs_math(functions), "stdint": needs_integers(functions)}
        if any(headers.values()):
            yield "\n" + "".join(f"#include <{header}.h>\n" for header, needed in headers.items() if needed)
        yield from (self._array(key, array) for key, array in self._constants.items())
        yield "\n".join(broken(self._filled(functions).split("\n")))
        for sizes, name in self._forward.sizes.items():
            yield self._filled(f"\nstatic const NAME_sizes NAME_{name} = {sizes};\n")
        yield self._filled(_BUFFERS)
        yield from self._definitions()
        yield from self._self_test()
        yield self._filled("\n#endif /* PREFIX_DECLARATIONS_ONLY */\n")

    def _filled(self, template: str) -> str:
        return filled(template, self.name, self._model.dtype)

    def _header(self) -> Iterator[str]:
        yield f"/*\n * A neural network in C99, written by fastnet {__version__}: {self._model.title}\n"
        yield f" *\n *   {shape_in_words(self._model.input_shape)}\n"
        yield from (f" *   {line}\n" for line in self._model.lines)
        constants = sum(array.nbytes for array in self._constants.values()) + BYTES_OF_SIZES * len(self._forward.sizes)
        buffers = sum(
            size * np.dtype(type_of(name)[1] or self._model.dtype).itemsize
            for name, size in self._forward.buffers.items()
        )
        values = {
            "constants": f"{constants:,}",
            "buffers": f"{buffers:,}",
            "name": self.name,
        }
        yield re.sub("@([a-z]+)", lambda match: values[match[1]], self._filled(_USE))

    def _declarations(self) -> Iterator[str]:
        model = self._model
        yield self._filled("\n#ifndef PREFIX_DECLARED\n#define PREFIX_DECLARED\n\n")
        yield self._filled(f"#define PREFIX_INPUTS {self._inputs}\n#define PREFIX_OUTPUTS {self._outputs}\n")
        if self._classes:
            yield self._filled(f"#define PREFIX_CLASSES {self._classes}\n")
        yield _EXTERN_C
        yield f"\n/*\n * input: {_values(model.input_shape)}\n"
        for line in packed(f"{i} {in_comment(feature)}" for i, feature in enumerate(model.feature_names or ())):
            yield f" *     {line}\n"
        yield f" * output: {_values(model.output_shape)}; it must not overlap the input\n */\n"
        yield self._filled("void NAME_predict(const REAL *input, REAL *output);\n")
        if self._classes:
            yield self._filled(f"\n/* The index of the {_RULES[self._outputs == 1]}. */\n")
            yield self._filled("int NAME_classify(const REAL *input);\n")
        if self._classes and model.class_names:
            yield self._filled("\n/* In UTF-8. */\nextern const char *const NAME_class_names[PREFIX_CLASSES];\n")
        yield _EXTERN_C_END + "\n#endif\n"

    def _array(self, key: str, array: Array) -> str:
        kind = "int8_t" if array.dtype == np.int8 else REALS[self._model.dtype]
        return f"\nstatic const {kind} {self.name}_{key}[{array.size}] = {{\n{number_lines(array)}}};\n"

    def _definitions(self) -> Iterator[str]:
        model = self._model
        yield self._filled("\nvoid NAME_predict(const REAL *input, REAL *output)\n{\n")
        for name, size in self._forward.buffers.items():
            yield self._filled(f"    PREFIX_BUFFERS {type_of(name)[0]} {name}[{size}];\n")
        if BYTES in self._forward.buffers:
            yield f"    float {STRANGE};\n"
        yield from (f"{line}\n" for line in broken("    " + line for line in self._forward.lines))
        yield "}\n"
        if self._classes:
            yield self._filled(_ABOVE_HALF if self._outputs == 1 else _LARGEST)
        if self._classes and model.class_names:
            yield self._filled("\nconst char *const NAME_class_names[PREFIX_CLASSES] = {\n")
            yield from (f"    {string(name)},\n" for name in model.class_names)
            yield "};\n"

    def _self_test(self) -> Iterator[str]:
        x, expected = self._model.x, self._model.expected
        finite = expected[np.isfinite(expected)]
        yield "\n#ifdef SELFTEST\n\n#include <stdio.h>\n" + (
            "" if finite.size == expected.size else "#include <math.h>\n"
        )
        yield self._array("test_inputs", x)
        yield self._array("test_outputs", expected)
        accepted = self._model.tolerance * max(1.0, float(np.abs(finite).max(initial=0.0)))
        main = _MAIN.replace("NAME_TESTS", str(len(x))).replace("ACCEPTED", number(accepted, "float64"))
        yield self._filled(main)
        yield "\n#endif /* SELFTEST */\n"


_RULES = ("largest output", "class: 1 where the output is above 1/2, else 0")


def _number_of_classes(model: ModelInC, outputs: int) -> int:
    """Return 0 where the outputs stand for no classes."""
    names = model.class_names
    last = model.operations[-1] if model.operations else None
    function = last.function if isinstance(last, Activating) else "linear"
    if function not in _PROBABILITIES and (names is None or outputs == 1):
        return 0
    classes = max(outputs, 2)
    if names is not None and len(names) != classes:
        raise ValueError(f"the model has {len(names)} class names and {outputs} outputs")
    return classes


def _check_strings(attribute: str, names: Any) -> None:
    for name in names or ():
        if not isinstance(name, str):
            raise TypeError(f"{attribute} must be strings; got {describe(name)}")


def _finite(array: Array, layer: str) -> Array:
    if not np.isfinite(array).all():
        raise ValueError(f"layer {layer!r} has weights that are no finite numbers")
    return array


def _values(shape: tuple[int, ...] | None) -> str:
    """Describe a sample."""
    count = int(np.prod(shape or ()))
    plural = "value" if count == 1 else "values"
    return f"{count} {plural}" + (
        f", {shape_in_words(shape)}, the last index changing first" if len(shape or ()) > 1 else ""
    )
