"""Copies of layers, by `copy` and `pickle`."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from fastnet.layers.weights import HasWeights


class Copied(HasWeights):
    """Copies of a layer have weights of their own, and are in no model."""

    if TYPE_CHECKING:  # every layer has these

        def get_weights(self) -> list[NDArray[Any]]: ...

        def _inside(self) -> Sequence[Any]: ...

    def __copy__(self) -> Self:
        return copy.deepcopy(self)

    def __getstate__(self) -> dict[str, Any]:
        """Return the attributes, with the weights as arrays; the network, which cannot be copied, is left out."""
        return {**vars(self), "_weights": None, "_kept_weights": self.get_weights(), "in_model": False}

    def __setstate__(self, state: dict[str, Any]) -> None:
        from fastnet.layers.calling import build_alone

        shape = state["input_shape"]
        vars(self).update(state, input_shape=None, output_shape=None)
        for layer in self._inside():
            layer.join(layer.name)
        if shape is not None and state["_kept_weights"]:
            build_alone(self, shape, np.random.default_rng(0))  # which draws nothing, as the weights exist
