"""One module of a ``torch.nn.Sequential``."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from fastnet.interchange.torch.classes import CLASSES
from fastnet.layers.base import Layer

__all__ = ["TorchModule", "code_lines", "kinds_in", "named_arrays", "no_counterpart"]


@dataclass(frozen=True, eq=False)
class TorchModule:
    """One module of a ``torch.nn.Sequential``.

    Attributes
    ----------
    code : str
        What makes it, without ``torch.nn.`` in front: ``"Linear(784, 64)"``; of a `Residual`, its class alone.
    arrays : dict from str to ndarray
        Its state, by PyTorch's names and in PyTorch's layout, contiguous.
    parts : dict from str to list of TorchModule
        Of a `Residual`, the modules in a row of each of its arguments.
    """

    code: str
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    parts: Mapping[str, Sequence["TorchModule"]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Its class."""
        return self.code.partition("(")[0]


def code_lines(modules: Sequence[TorchModule], indent: str) -> Iterator[str]:
    """Yield the lines of code that make modules, as arguments of a call."""
    for module in modules:
        if module.parts:
            yield f"{indent}{module.code}("
            for part in module.parts.values():
                yield f"{indent}    torch.nn.Sequential("
                yield from code_lines(part, f"{indent}        ")
                yield f"{indent}    ),"
            yield f"{indent}),"
        else:
            yield f"{indent}{'' if module.kind in CLASSES else 'torch.nn.'}{module.code},"


def named_arrays(modules: Sequence[TorchModule], prefix: str = "") -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays of modules with the names that they have in a ``torch.nn.Sequential``."""
    for number, module in enumerate(modules):
        for name, array in module.arrays.items():
            yield f"{prefix}{number}.{name}", array
        for name, part in module.parts.items():
            yield from named_arrays(part, f"{prefix}{number}.{name}.")


def kinds_in(modules: Sequence[TorchModule]) -> set[str]:
    """Return the classes of modules and of those inside of them."""
    inside = (kinds_in(part) for module in modules for part in module.parts.values())
    return {module.kind for module in modules}.union(*inside)


def no_counterpart(layer: Layer, reason: str) -> NotImplementedError:
    """Return the error for a layer that PyTorch has no module for."""
    return NotImplementedError(f"fastnet: layer {layer.name!r} cannot be written for PyTorch: {reason}")
