"""Looking inside a model: what every layer gives, and the gradients of its weights."""

import math
from collections.abc import Iterator
from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastnet import _core
from fastnet._data_adapter import Features
from fastnet._layer import Layer
from fastnet._text import did_you_mean
from fastnet._training import Trainer
from fastnet._validation import check_integer
from fastnet._weights import Network, Slot, Weights

NETWORKS: dict[str, type[_core.Network32] | type[_core.Network64]] = {
    "float32": _core.Network32,
    "float64": _core.Network64,
}
_ROWS = 256


class Inspector(Trainer):
    """The part of a model that shows what happens inside it. `Sequential` supplies the layers."""

    compute_dtype: str

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by its name, or by its place from the input on; an `Input` is not counted.

        Raises
        ------
        ValueError
            There is no such layer, or not one of `name` and `index` is given.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(3, name="hidden", input_shape=(2,)), fn.Dense(1)])
        >>> model.get_layer("hidden") is model.get_layer(index=0)
        True
        """
        if (name is None) == (index is None):
            raise ValueError(f"get_layer needs a name or an index; got name={name!r}, index={index!r}")
        if index is not None:
            place = check_integer("index", index, minimum=-len(self._layers), maximum=len(self._layers) - 1)
            return self._layers[place]
        names = [layer.name for layer in self._layers]
        if name not in names:
            known = ", ".join(map(repr, names)) or "none"
            raise ValueError(f"there is no layer {name!r}; the layers are {known}{did_you_mean(name, names)}")
        return self._layers[names.index(name)]

    def activations(self, x: Any) -> dict[str, NDArray[Any]]:
        """Return the output of every layer, as in prediction.

        Parameters
        ----------
        x : array_like or sparse matrix, shape (n, *input_shape)
            The samples, as in `predict`.

        Returns
        -------
        dict from str to ndarray
            By the name of the layer, in the order of the layers; an array of shape (n, *layer.output_shape). A `Residual`
            gives one array, its output.

        Raises
        ------
        ValueError
            `x` does not have the model's input shape.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.layers.Rescaling(0.5, input_shape=(2,)), fn.layers.ReLU()])
        >>> model.activations([[2.0, -4.0]])
        {'rescaling': array([[ 1., -2.]], dtype=float32), 're_lu': array([[1., 0.]], dtype=float32)}
        """
        self._built_network(x)
        features = self._features("x", x)
        return {
            layer.name: output.reshape(len(features), *(layer.output_shape or ()))
            for layer, output in self._outputs(features)
        }

    def _outputs(self, features: Features) -> Iterator[tuple[Layer, NDArray[Any]]]:
        """Yield every layer and its output for the rows of `features`."""
        for layer, network in self._networks_of_layers():
            features = output = network.predict(features, _ROWS)
            yield layer, output

    def _layers_with_weights(self) -> list[tuple[Layer, list[NDArray[Any]]]]:
        """Return every layer of a built model with a copy of its weights, all as they are at one moment."""
        with self._structure:
            flat = self._values()
            return [(layer, layer.weights_in(flat)) for layer in self._layers]

    def _networks_of_layers(self) -> Iterator[tuple[Layer, Network]]:
        """Yield every layer with a network of it alone, all with the weights of one moment."""
        for layer, arrays in self._layers_with_weights():
            yield layer, self._network_of(layer, arrays)

    def _network_of(self, layer: Layer, arrays: list[NDArray[Any]]) -> Network:
        """Return a network of one layer with these weights.

        The core computes some layers together, such as a product and its activation, so that the model's own network has
        no array for what lies between them.
        """
        described = [
            {**description, "bfloat16": self.compute_dtype == "bfloat16"}
            | ({"seed": 0} if description.get("seed", 0) is None else {})
            for _, description in layer.descriptions()
        ]
        network = NETWORKS[self.dtype](math.prod(layer.input_shape or ()), described)
        slots = [
            Slot(name, name, offset, array.shape, trainable)
            for (_, name, offset, _, trainable), array in zip(network.parameter_slots, arrays, strict=True)
        ]
        Weights(network, self.dtype, slots).set(arrays)
        return network

    def gradients(self, x: Any, y: Any, sample_weight: ArrayLike | None = None) -> dict[str, dict[str, NDArray[Any]]]:
        """Return the gradients of the loss by the weights of every layer; no weight changes.

        Parameters
        ----------
        x, y, sample_weight
            As in `fit`; the loss is the mean over the samples.

        Returns
        -------
        dict from str to dict from str to ndarray
            By the name of the layer, then by the name of the weight: ``gradients["dense"]["kernel"]``. Layers without
            trainable weights are left out.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(1, input_shape=(2,))], dtype="float64")
        >>> model.set_weights([[[1.0], [2.0]], [0.0]])
        >>> model.compile(loss="mse")
        >>> model.gradients([[1.0, 1.0]], [1.0])
        {'dense': {'kernel': array([[4.],
               [4.]]), 'bias': array([4.])}}
        """
        _, arrays = self.loss_and_gradients(x, y, sample_weight)
        remaining = iter(arrays)
        layers = self._layers if self.trainable else ()
        by_layer = {layer.name: {name: next(remaining) for name in layer.trainable_names} for layer in layers}
        return {name: gradients for name, gradients in by_layer.items() if gradients}
