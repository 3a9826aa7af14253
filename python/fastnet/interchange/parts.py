"""What a reader of another program's file finds: the parts of a model, before there is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import DTypeLike

from fastnet.layers import Layer

NAME_LISTS = ("class_names", "feature_names")  # attributes of a model that are lists of strings, or None


@dataclass(frozen=True)
class Parts:
    """Layers that keep the weights they were read with, and what else a file tells of a model.

    Attributes
    ----------
    input_shape : tuple of int
        The shape of one sample.
    layers : list of Layer
    dtype : str
        That of the model.
    name : str, optional
    trainable : bool
        Whether the model as a whole is trained; the layers have their own.
    class_names, feature_names : list of str or None
    compilation : dict or None
        The file's compile configuration, in the words of its program.
    """

    input_shape: tuple[int, ...]
    layers: Sequence[Layer]
    dtype: DTypeLike
    name: str | None = None
    trainable: bool = True
    class_names: list[str] | None = None
    feature_names: list[str] | None = None
    compilation: Any = None
