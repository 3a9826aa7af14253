"""What pictures need of a model; the whole of it is above this folder."""

from typing import Any, Protocol

from numpy.typing import NDArray

from fastnet.layers import Layer
from fastnet.losses import Loss


class Inspectable(Protocol):
    """A model that shows what happens inside it, such as `Sequential`."""

    class_names: list[str] | None

    @property
    def layers(self) -> list[Layer]:
        """The layers, from the input on."""

    def predict(self, x: Any) -> NDArray[Any]:
        """Return the outputs."""

    def activations(self, x: Any) -> dict[str, NDArray[Any]]:
        """Return the output of every layer."""

    def _leaves(self) -> list[Layer]:
        """Return the layers in a row, those of models among them in their places."""

    def _output_of(self, wanted: Layer, x: Any) -> NDArray[Any]:
        """Return the output of one layer."""

    def jacobian(self, x: Any) -> NDArray[Any]:
        """Return the derivatives of the outputs with respect to the inputs."""

    def input_gradients(self, x: Any, y: Any) -> NDArray[Any]:
        """Return the gradient of the loss with respect to the inputs."""


class Differentiable(Inspectable, Protocol):
    """A model that can be compiled."""

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """The shape of a sample."""

    @property
    def loss(self) -> Loss | None:
        """The loss that the model is compiled with."""
