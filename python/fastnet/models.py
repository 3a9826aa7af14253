"""The model: layers in a row, the compiled network behind them, and Keras's way to use them."""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet import _core
from fastnet import layers as layer_module
from fastnet._training import Trainer
from fastnet._validation import check_choice, check_shape, describe
from fastnet._weights import Network, Slot, Weights
from fastnet.layers import InputLayer, Layer, Shape
from fastnet.utils import make_generator

__all__ = ["Sequential", "load_model"]

_NETWORKS: dict[str, type[Network]] = {"float32": _core.Network32, "float64": _core.Network64}


class Sequential(Trainer):
    """A chain of layers.

    Parameters
    ----------
    layers : list of Layer, optional
        The layers in their order; the first may be an `Input`.
    seed : int, optional
        Seeds the initial weights and the shuffling. None follows `fastnet.utils.set_random_seed`.
    dtype : {"float32", "float64"}
        The type of weights and results, and of the arithmetic.
    name : str, optional
        A name of your own.

    Attributes
    ----------
    layers : list of Layer
        The layers, without an `Input`.
    input_shape, output_shape : tuple of int or None
        The shapes of one sample at both ends; None before the model is built.
    built : bool
        Whether the model has weights. It is built when its input shape is known: from the first layer, from `build`, or
        from the first data that it sees.
    history : History or None
        What the last `fit` recorded.
    class_names, feature_names : list of str or None
        What the outputs and the inputs are called; kept in the model file.

    Examples
    --------
    >>> import fastnet as fn
    >>> x, y = fn.datasets.digits.load_data()
    >>> model = fn.Sequential(
    ...     [fn.Rescaling(1 / 16), fn.Dense(64, activation="relu"), fn.Dense(10, activation="softmax")], seed=0
    ... )
    >>> model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> history = model.fit(x, y, epochs=10, verbose=0)
    >>> history.history["accuracy"][-1] > 0.95
    True
    """

    def __init__(
        self,
        layers: Iterable[Layer] | None = None,
        *,
        seed: int | None = None,
        dtype: str = "float32",
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.dtype = check_choice("dtype", dtype, _NETWORKS)
        self.name = "sequential" if name is None else name
        self.input_shape: Shape | None = None
        self.class_names: list[str] | None = None
        self.feature_names: list[str] | None = None
        self._generator = make_generator(seed)
        self._input: InputLayer | None = None
        self._layers: list[Layer] = []
        self._network: Network | None = None
        if layers is not None and not isinstance(layers, Iterable):
            raise TypeError(f"layers must be a list of layers; got {describe(layers)}")
        for layer in layers or ():
            self._append(layer)
        self._build_if_possible()

    # --- Structure ---

    @property
    def layers(self) -> list[Layer]:
        """The layers in their order, without an `Input`."""
        return list(self._layers)

    @property
    def built(self) -> bool:
        """Whether the model has weights."""
        return self._network is not None

    @property
    def output_shape(self) -> Shape | None:
        """The shape of one output, without the batch dimension; None before the model is built."""
        return self._output_shape() if self.built else None

    def _output_shape(self) -> Shape:
        shape = self._layers[-1].output_shape if self._layers else self.input_shape
        assert shape is not None
        return shape

    def add(self, layer: Layer) -> None:
        """Append a layer. Layers that have weights keep them; an optimizer starts afresh."""
        self._append(layer)
        self._rebuild()

    def pop(self) -> Layer:
        """Remove the last layer and return it."""
        if not self._layers:
            raise ValueError("the model has no layers to pop")
        self._unbuild()
        layer = self._layers.pop()
        layer.in_model = False
        self._build_if_possible()
        return layer

    def _append(self, layer: Layer) -> None:
        if not isinstance(layer, Layer):
            raise TypeError(f"layer must be a fastnet layer; got {describe(layer)}")
        if layer.in_model:
            raise ValueError(f"layer {layer.name!r} already belongs to a model; a layer has one place")
        if isinstance(layer, InputLayer):
            if self._layers or self._input is not None:
                raise ValueError("Input must be the first entry of the model")
            self._input = layer
        else:
            layer.name = self._unique_name(layer)
            self._layers.append(layer)
        layer.in_model = True

    def _unique_name(self, layer: Layer) -> str:
        taken = {other.name for other in self._layers}
        if layer.given_name is not None:
            if layer.given_name in taken:
                raise ValueError(f"layer names must differ; {layer.given_name!r} appears twice")
            return layer.given_name
        base, name, number = layer.default_name(), layer.default_name(), 0
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        return name

    def _given_input_shape(self) -> Shape | None:
        first = self._input or (self._layers[0] if self._layers else None)
        return self.input_shape if first is None or first.given_input_shape is None else first.given_input_shape

    def _build_if_possible(self) -> None:
        shape = self._given_input_shape()
        if shape is not None and self._layers:
            self.build(shape)

    def _rebuild(self) -> None:
        self._unbuild()
        self._build_if_possible()

    def _unbuild(self) -> None:
        if self.built:
            for layer in self._layers:
                if layer.input_shape is not None:
                    layer.detach()
            self._network = None
            self._network_is_compiled = False

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the weights for samples of this shape; a leading None for the batch is ignored, as in Keras.

        A model that is built already for this shape stays as it is.
        """
        given = tuple(input_shape)
        shape = check_shape("input_shape", given[1:] if given[:1] == (None,) else given or (1,))
        if self.built:
            if shape != self.input_shape:
                raise ValueError(f"the model is built for samples of shape {self.input_shape}; got {shape}")
            return
        expected = self._given_input_shape()
        if expected is not None and expected != shape:
            raise ValueError(f"the first layer says input_shape={expected}; got {shape}")
        shapes = [shape]
        for layer in self._layers:
            shapes.append(layer.compute_output_shape(shapes[-1]))
        described = [(layer, description) for layer in self._layers if (description := layer.description()) is not None]
        network = _NETWORKS[self.dtype](int(np.prod(shape)), [description for _, description in described])
        slots: dict[Layer, list[Slot]] = {layer: [] for layer in self._layers}
        for index, weight_name, offset, weight_shape in network.parameter_slots:
            layer = described[index][0]
            slots[layer].append(Slot(f"{weight_name} of layer {layer.name!r}", offset, tuple(weight_shape)))
        self._weights = Weights(network, self.dtype, [slot for layer in self._layers for slot in slots[layer]])
        for layer, layer_input, layer_output in zip(self._layers, shapes, shapes[1:], strict=False):
            weights = Weights(network, self.dtype, slots[layer])
            kept = layer.get_weights()
            if [array.shape for array in kept] != [slot.shape for slot in slots[layer]]:
                kept = [
                    layer.initializer(name)(slot.shape, self.dtype, generator=self._generator)
                    for name, slot in zip(layer.weight_names, slots[layer], strict=True)
                ]
            weights.set(kept)
            layer.attach(weights, layer_input, layer_output)
        self.input_shape = shape
        self._network = network

    # --- Weights ---

    def _require_built(self, wanted_for: str) -> None:
        if not self.built:
            raise ValueError(f"the model has no weights before it is built: give an input_shape or call build before {wanted_for}")

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of all weights: kernel and bias of the first layer, of the second, and so on."""
        return self._weights.get() if self.built else []

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace all weights by arrays of the same shapes, in the order of `get_weights`."""
        self._require_built("set_weights")
        self._weights.set(weights)

    def count_params(self) -> int:
        """Return the number of values in the weights."""
        self._require_built("count_params")
        return self._weights.count

    # --- Description ---

    def summary(self, print_fn: Callable[[str], Any] | None = None) -> None:
        """Print the layers with their output shapes and numbers of parameters, by `print_fn` if one is given."""
        rows = [
            (
                f"{layer.name} ({type(layer).__name__})",
                "?" if layer.output_shape is None else str((None, *layer.output_shape)),
                f"{layer.count_params():,}" if layer.input_shape is not None else "?",
            )
            for layer in self._layers
        ]
        heads = ("Layer (type)", "Output shape", "Parameters")
        widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(3)]
        line = "-" * (sum(widths) + 4)
        total = "unknown until the model is built" if not self.built else f"{self.count_params():,}"
        text = [
            f'Model "{self.name}", {self.dtype}',
            line,
            *(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in [heads, *rows]),
            line,
            f"Parameters: {total}",
        ]
        (print if print_fn is None else print_fn)("\n".join(text))

    def __repr__(self) -> str:
        return f"<Sequential {self.name!r}: {', '.join(layer.name for layer in self._layers) or 'no layers'}>"

    def get_config(self) -> dict[str, Any]:
        """Return the architecture as a dictionary that JSON can hold."""
        entries = [*([self._input] if self._input else []), *self._layers]
        return {
            "name": self.name,
            "dtype": self.dtype,
            "input_shape": None if self.input_shape is None else list(self.input_shape),
            "layers": [layer_module.serialize(layer) for layer in entries],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a model with the architecture that `get_config` returned, and fresh weights."""
        model = cls([layer_module.deserialize(layer) for layer in config["layers"]], name=config.get("name"),
                    dtype=config.get("dtype", "float32"))  # fmt: skip
        if config.get("input_shape") is not None:
            model.build(config["input_shape"])
        return model

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the model to a safetensors file: see `fastnet.serialization.save_model`."""
        from fastnet.serialization import save_model

        save_model(self, filepath, overwrite=overwrite)


def load_model(filepath: str | os.PathLike[str], *, compile: bool = True) -> Sequential:
    """Read a model that `Sequential.save` wrote: see `fastnet.serialization.load_model`."""
    from fastnet import serialization

    return serialization.load_model(filepath, compile=compile)
