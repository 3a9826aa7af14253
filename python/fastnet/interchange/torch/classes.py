"""Classes that the code of a network defines because ``torch.nn`` lacks them, and how they are recognized."""

import re
from collections.abc import Collection
from functools import cache
from types import CodeType
from typing import Any

from fastnet.support.validation import describe

__all__ = ["CLASSES", "class_of", "with_classes", "without_classes"]

# The definition of each class, by its name.
CLASSES = {
    "Permute": '''\
class Permute(torch.nn.Module):
    """Puts the axes of its input into another order."""

    def __init__(self, *dims):
        super().__init__()
        self.dims = dims

    def forward(self, x):
        return x.permute(self.dims)
''',
    "Residual": '''\
class Residual(torch.nn.Module):
    """Adds what `body` makes of its input to the input, or to what `shortcut` makes of it."""

    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body = body
        self.shortcut = torch.nn.Identity() if shortcut is None else shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)
''',
}
_IMPORT = re.compile(r"(import torch|import torch\.nn as nn|from torch import nn)\s*$")
_ASSIGNMENT = re.compile(r"\s*[A-Za-z_][A-Za-z_0-9]*\s*=(?!=)")


# ---- Code -----------------------------------------------------------------------------------------------------------


def with_classes(network: str, kinds: Collection[str]) -> str:
    """Return code that defines those classes among `kinds` that ``torch.nn`` lacks, and assigns the network.

    Where none is needed, that is the expression of the network.
    """
    needed = [definition for kind, definition in CLASSES.items() if kind in kinds]
    return "\n\n".join(["import torch\n", *needed, f"network = {network}"]) if needed else network


def without_classes(code: str) -> tuple[str, set[str]]:
    """Return the expression of the network in code, and the names of the classes that are defined in front of it.

    Raises
    ------
    NotImplementedError
        A class is defined otherwise than in `CLASSES`: nothing but the text tells what it computes.
    """
    lines = code.splitlines()
    defined = set()
    rest: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        end = at + 1
        if line.startswith("class "):
            while end < len(lines) and (not lines[end].strip() or lines[end][0].isspace()):
                end += 1
            defined.add(_defined(lines[at:end]))
        elif not _IMPORT.match(line):
            rest.append(line)
        at = end
    expression = "\n".join(rest)
    assignment = _ASSIGNMENT.match(expression)
    return expression[assignment.end() :] if assignment else expression, defined


def _defined(lines: list[str]) -> str:
    """Return the name of the class that lines define."""
    for kind, definition in CLASSES.items():
        if _words(lines) == _words(definition.splitlines()):
            return kind
    raise NotImplementedError(
        f"code defines {describe(lines[0])} otherwise than fastnet: it is not executed, and so only the classes "
        f"{' and '.join(CLASSES)} as fastnet writes them are understood"
    )


def _words(lines: list[str]) -> list[str]:
    return [line.rstrip() for line in lines if line.strip()]


# ---- A network ------------------------------------------------------------------------------------------------------


def class_of(module: Any) -> str | None:
    """Return the name of the class in `CLASSES` whose instance a module is, by the bytecode of its method `forward`.

    Such a class is in the module of the user that executed the code, so that its name does not tell.
    """
    code = getattr(getattr(type(module), "forward", None), "__code__", None)
    return _by_bytecode().get(_bytecode(code)) if isinstance(code, CodeType) else None


@cache
def _by_bytecode() -> dict[tuple[Any, ...], str]:
    return {_bytecode(_forward(definition)): kind for kind, definition in CLASSES.items()}


def _bytecode(code: CodeType) -> tuple[Any, ...]:
    return code.co_code, code.co_consts, code.co_names, code.co_varnames


def _forward(definition: str) -> CodeType:
    """Return the code of `forward` in the definition of a class, which is compiled, not executed."""
    (body,) = (one for one in compile(definition, "<class>", "exec").co_consts if isinstance(one, CodeType))
    return next(one for one in body.co_consts if isinstance(one, CodeType) and one.co_name == "forward")
