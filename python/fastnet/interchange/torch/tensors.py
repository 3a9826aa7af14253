"""The tensors of a PyTorch state dict, and the modules that their names and shapes tell of."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.files import safetensors
from fastnet.support.validation import describe

__all__ = ["Module", "in_order", "modules_in", "read_tensors"]

Array = NDArray[Any]

_LEAVES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_FILE_DTYPES = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True, eq=False)
class Module:
    """One module with tensors.

    Attributes
    ----------
    name : str
        What the names of its tensors begin with: ``"net.2"``.
    kind : {"linear", "batch_norm", "layer_norm", "prelu"}
    arrays : dict from str to ndarray
        Its tensors by the last part of their names.
    """

    name: str
    kind: str
    arrays: dict[str, Array]

    def tensor(self, leaf: str) -> str:
        """Return the name of one of the tensors."""
        return f"{self.name}.{leaf}" if self.name else leaf

    @property
    def row(self) -> Array:
        """A tensor whose last dimension is the number of inputs."""
        return self.arrays["running_mean" if self.kind == "batch_norm" else "weight"]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers in the name."""
        return tuple(map(int, re.findall("[0-9]+", self.name)))

    @property
    def template(self) -> str:
        """The name without its numbers."""
        return re.sub("[0-9]+", "#", self.name)


# ---- Reading --------------------------------------------------------------------------------------------------------


def read_tensors(state: Mapping[str, Any] | str | os.PathLike[str]) -> dict[str, Array]:
    """Return the arrays of a state dict or of a safetensors file: float16, float32 or float64.

    Counts of batches are left out. Values of bfloat16 become float32, which loses nothing.

    Raises
    ------
    OSError, ValueError
        The file cannot be read, or is not a safetensors file; the caller says which.
    TypeError
        `state` is neither a dictionary nor a path, or a tensor does not hold floating-point numbers.
    """
    if isinstance(state, Mapping):
        for name in state:
            if not isinstance(name, str):
                raise TypeError(f"the names in state must be strings; got {describe(name)}")
        return {name: _as_array(name, value) for name, value in state.items() if not _counts(name)}
    if isinstance(state, str | os.PathLike):
        return _read_file(Path(state))
    raise TypeError(f"state must be a dictionary of tensors or the path of a safetensors file; got {describe(state)}")


def _counts(name: str) -> bool:
    """Whether a tensor counts batches, which says nothing about what a network computes."""
    return name.rpartition(".")[2] == "num_batches_tracked"


def _as_array(name: str, value: Any) -> Array:
    if isinstance(value, Mapping):
        raise TypeError(f"state must have tensors as its values; {name!r} is a dictionary: pass state[{name!r}]")
    if hasattr(value, "detach"):  # a tensor of PyTorch, which may be on a GPU, need gradients or be bfloat16
        value = value.detach().cpu()
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    array = np.asarray(value)
    if array.dtype.name == "bfloat16":  # a dtype of the package ml_dtypes
        array = array.astype(np.float32)
    if array.dtype.kind != "f":
        raise TypeError(f"tensor {name!r} must hold floating-point numbers; got dtype {array.dtype}")
    return array


def _read_file(path: Path) -> dict[str, Array]:
    if path.is_file():
        with path.open("rb") as file:
            if file.read(2) in (b"PK", b"\x80\x02"):
                raise ValueError(
                    "files of torch.save can execute code when they are read: write one with safetensors.torch.save_file"
                )
    with safetensors.opened(path) as opened:
        for name, tensor in opened.tensors.items():
            if tensor.dtype not in _FILE_DTYPES and not _counts(name):
                raise ValueError(f"tensor {name!r} must have dtype {', '.join(_FILE_DTYPES)}; got {tensor.dtype}")
        return {name: array for name, array in opened.read().items() if not _counts(name)}


# ---- Modules --------------------------------------------------------------------------------------------------------


def modules_in(tensors: Mapping[str, Array], prelus: bool) -> list[Module]:
    """Return the modules that tensors belong to, in the order of the tensors.

    Parameters
    ----------
    tensors : dict from str to ndarray
    prelus : bool
        Whether a `weight` of one dimension without a `bias` may be the slopes of a PReLU.

    Raises
    ------
    ValueError
        A tensor is not understood; the message names it.
    """
    groups: dict[str, dict[str, Array]] = {}
    for tensor, array in tensors.items():
        name, _, leaf = tensor.rpartition(".")
        if leaf not in _LEAVES:
            raise ValueError(f"tensor {tensor!r} is not understood: names must end in {', '.join(_LEAVES[:-1])}")
        groups.setdefault(name, {})[leaf] = array
    return [Module(name, _kind(name, arrays, prelus), arrays) for name, arrays in groups.items()]


def _kind(name: str, arrays: dict[str, Array], prelus: bool) -> str:
    """Return what a module is; an error where its tensors are not those of one that is known."""
    shapes = {leaf: array.shape for leaf, array in arrays.items()}
    row = next(iter(shapes.values()))
    equal_rows = len(row) == 1 and set(shapes.values()) == {row}
    match sorted(shapes):
        case ["weight"] if len(shapes["weight"]) == 2:
            return "linear"
        case ["bias", "weight"] if len(shapes["weight"]) == 2 and shapes["bias"] == shapes["weight"][:1]:
            return "linear"
        case ["running_mean", "running_var"] | ["bias", "running_mean", "running_var", "weight"] if equal_rows:
            return "batch_norm"
        case ["bias", "weight"] if equal_rows:
            return "layer_norm"
        case ["weight"] if equal_rows and prelus:
            return "prelu"
        case ["weight"] if equal_rows:
            reason = "it may hold the slopes of a PReLU, to be told by activation='prelu'"
        case _:
            reason = "Linear, BatchNorm1d, LayerNorm and PReLU have other tensors"
    found = ", ".join(f"{leaf} {shape}" for leaf, shape in shapes.items())
    tensor = Module(name, "", arrays).tensor(next(iter(shapes)))
    raise ValueError(f"tensor {tensor!r} is not understood: {reason}; got {found}")


def in_order(modules: list[Module], *, listed: bool) -> list[Module]:
    """Return modules in the order in which data go through them, checked by their shapes.

    Parameters
    ----------
    modules : list of Module
    listed : bool
        Whether they come in an order that means something; a file has none.

    Raises
    ------
    ValueError
        The order cannot be told, or the shapes do not fit one another.
    """
    if len({module.template for module in modules}) == 1:
        modules = sorted(modules, key=lambda module: module.numbers)
    elif not listed:
        names = ", ".join(repr(module.name) for module in modules[:4])
        raise ValueError(
            f"a file does not say in which order its modules are, and their names do not either ({names}): pass a "
            "dictionary of the tensors in the order of the modules"
        )
    size = 0  # not known
    for module in modules:
        inputs = module.row.shape[-1]
        if size not in (0, inputs) and not (module.kind == "prelu" and inputs == 1):
            leaf = next(leaf for leaf, array in module.arrays.items() if array is module.row)
            raise ValueError(
                f"tensor {module.tensor(leaf)!r} has shape {module.row.shape}; the modules before it give {size} values"
            )
        size = len(module.row) if module.kind == "linear" else size or inputs
    return modules
