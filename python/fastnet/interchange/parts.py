"""What a reader of another program's file finds: the parts of a model, before there is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import DTypeLike

from fastnet.layers import Layer
from fastnet.network.nested import Nested

NAME_LISTS = ("class_names", "feature_names")  # attributes of a model that are lists of strings, or None


@dataclass(frozen=True)
class Inner:
    """A model among the layers of another one.

    Attributes
    ----------
    name : str, optional
    layers : list of Layer or Inner
        Its layers, from the input on.
    trainable : bool
        Whether it is trained as a whole; the layers have their own.
    """

    name: str | None
    layers: Sequence["Layer | Inner"]
    trainable: bool


def located(layers: Sequence[Any], place: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Layer]]:
    """Return the layers in a row, each with the models that it is inside of, from the outermost on.

    Models are called as files of Keras 3 call them: sequential, sequential_1 and so on, in the model that they are in.

    Parameters
    ----------
    layers : list of Layer, Inner, or models among the layers of a model
    place : tuple of str
        Where they are.
    """
    found: list[tuple[tuple[str, ...], Layer]] = []
    models = 0
    for layer in layers:
        if isinstance(layer, Inner | Nested):
            inside = layer.layers if isinstance(layer, Inner) else layer.model._layers
            found += located(inside, (*place, f"sequential_{models}" if models else "sequential"))
            models += 1
        else:
            found.append((place, layer))
    return found


@dataclass(frozen=True)
class Parts:
    """Layers that keep the weights they were read with, and what else a file tells of a model.

    Attributes
    ----------
    input_shape : tuple of int
        The shape of one sample.
    layers : list of Layer or Inner
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
    layers: Sequence[Layer | Inner]
    dtype: DTypeLike
    name: str | None = None
    trainable: bool = True
    class_names: list[str] | None = None
    feature_names: list[str] | None = None
    compilation: Any = None
