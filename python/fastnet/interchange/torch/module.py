"""One module of a ``torch.nn.Sequential``."""

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from fastnet.layers.base import Layer

__all__ = ["TorchModule", "no_counterpart"]


@dataclass(frozen=True, eq=False)
class TorchModule:
    """One module of a ``torch.nn.Sequential``.

    Attributes
    ----------
    code : str
        What makes it, without ``torch.nn.`` in front: ``"Linear(784, 64)"``.
    arrays : dict from str to ndarray
        Its state, by PyTorch's names and in PyTorch's layout, contiguous.
    """

    code: str
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Its class."""
        return self.code.partition("(")[0]


def no_counterpart(layer: Layer, reason: str) -> NotImplementedError:
    """Return the error for a layer that PyTorch has no module for."""
    return NotImplementedError(f"fastnet: layer {layer.name!r} cannot be written for PyTorch: {reason}")
