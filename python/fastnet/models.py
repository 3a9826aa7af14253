"""Models: layers in a row, built into one compiled network."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet._inspection import NETWORKS, Inspector
from fastnet._layer import check_trainable
from fastnet._missing_names import explain_missing
from fastnet._receipt import Receipt
from fastnet._summary import summary_html, summary_lines
from fastnet._validation import check_bool, check_choice, check_shape, describe, reject_keywords
from fastnet._weights import Changes, Slot, Weights
from fastnet.layers import InputLayer, Layer, Normalization, deserialize, serialize
from fastnet.utils import make_generator

if TYPE_CHECKING:
    from fastnet.quantization import QuantizedModel

__all__ = ["Sequential", "load_model"]

explain_missing(__name__)

# What a policy of Keras's stores weights in, and what it multiplies in.
_POLICIES = {
    "float32": ("float32", "float32"),
    "float64": ("float64", "float64"),
    "mixed_bfloat16": ("float32", "bfloat16"),
}


class Sequential(Inspector):
    """Layers in a row.

    Parameters
    ----------
    layers : list of Layer, optional
        The layers, from the input on. When the first one is an `Input` or has an `input_shape`, the weights exist at
        once; otherwise they are made for the first data that the model sees.
    seed : int, optional
        The seed of the initial weights and of the order of training samples. The same seed gives the same results, bit
        for bit, on any number of threads.
    dtype : {"float32", "float64", "mixed_bfloat16"}, default "float32"
        What weights are stored in and computed with. With "mixed_bfloat16", Keras's name, everything is float32 but
        the factors of the layers' matrix products, forward and backward, which are rounded to bfloat16 first. Where
        `fastnet.show_config` says that bfloat16 is native, wide layers train in little more than half the time.
    name : str, default "sequential"
        A name of your own.
    trainable : bool, default True
        Whether training changes the model; see the attribute.

    Attributes
    ----------
    input_shape, output_shape : tuple of int or None
        The shapes of one sample, without the batch dimension; None as long as they are not known.
    dtype : str
        What weights, gradients and predictions are: "float32" or "float64".
    dtype_policy : str
        The argument `dtype`.
    compute_dtype : str
        What is multiplied: `dtype`, or "bfloat16".
    history : History or None
        What the last `fit` recorded, also when it was interrupted; kept in the model's file.
    stop_training : bool
        Set it in a callback to end `fit`.
    receipt : dict or None
        What the weights come from: the data, the arguments and the versions of every `fit`, kept in the model's file.
    figures : dict
        How good the model is, kept in its file: "last_epoch" has the loss and the metrics of the last epoch of `fit`; add
        others as ``model.figures["test"] = model.evaluate(x, y, return_dict=True)``.
    class_names : list of str or None
        The class of each output, kept in the model's file; of one sigmoid the two classes, of which it gives the second.
    feature_names : list of str or None
        The name of each input, kept in the model's file. `fit` takes them from a table; tables are then taken by them.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(8, activation="relu"), fn.Dense(3, activation="softmax")], seed=0)
    >>> model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> x = np.eye(3).repeat(20, axis=0)
    >>> y = np.arange(3).repeat(20)
    >>> history = model.fit(x, y, epochs=100, verbose=0)
    >>> model.predict(np.eye(3)).argmax(axis=1)
    array([0, 1, 2])
    """

    def __init__(
        self,
        layers: Iterable[Layer] | None = None,
        *,
        seed: int | None = None,
        dtype: DTypeLike = "float32",
        name: str | None = None,
        trainable: bool = True,
        **keywords: Any,
    ) -> None:
        reject_keywords(type(self), keywords, {})
        super().__init__()
        if name is not None and not isinstance(name, str):
            raise TypeError(f"name must be a string; got {describe(name)}")
        if layers is not None and not isinstance(layers, Iterable):
            raise TypeError(f"layers must be a list of layers; got {describe(layers)}")
        self.name = "sequential" if name is None else name
        policy = dtype if isinstance(dtype, str) else np.dtype(dtype).name
        self.dtype_policy = check_choice("dtype", policy, _POLICIES)
        self.dtype, self.compute_dtype = _POLICIES[self.dtype_policy]
        self.class_names: list[str] | None = None
        self._feature_names: list[str] | None = None
        self.input_shape: tuple[int, ...] | None = None
        self._names: set[str] = set()
        self._network = None
        self._random = make_generator(seed), os.getpid()
        self._receipt = Receipt(None if seed is None else int(seed))
        try:
            for layer in layers or ():
                self._append(layer)
            self._build_if_shape_is_known()
            if not check_trainable(trainable):
                self.trainable = False
        except BaseException:
            for layer in self._layers:
                layer.leave()
            raise

    # --- Layers ---

    @property
    def output_shape(self) -> tuple[int, ...] | None:
        """The shape of one sample of the output, or None before the model is built."""
        return self._layers[-1].output_shape if self._layers else None

    def add(self, layer: Layer) -> None:
        """Append a layer. The other layers keep their weights; the optimizer starts with fresh moments."""
        with self._structure:
            self._append(layer)
            self._build_if_shape_is_known()

    def pop(self) -> Layer:
        """Remove the last layer and return it. The other layers keep their weights."""
        with self._structure:
            return self._pop()

    def _pop(self) -> Layer:
        if not self._layers:
            raise ValueError("the model has no layers to remove")
        layer = self._layers.pop()
        self._names.discard(layer.name)
        layer.detach()
        layer.leave()
        self._build_if_shape_is_known()
        return layer

    def _append(self, layer: Any) -> None:
        if not isinstance(layer, Layer):
            raise TypeError(f"layers must be objects of fastnet.layers; got {describe(layer)}")
        if isinstance(layer, InputLayer) and (self._layers or self.input_shape is not None):
            raise ValueError(f"Input must be the first layer; got it after {len(self._layers)} others")
        if layer.in_model:
            raise ValueError(
                f"layer {layer.name!r} is in a model already: make another with {type(layer).__name__}.from_config"
            )
        if not self._layers and layer.given_input_shape is not None:
            if self.input_shape not in (None, layer.given_input_shape):
                raise ValueError(f"Input has shape {self.input_shape}, the first layer {layer.given_input_shape}")
            vars(self)["input_shape"] = layer.given_input_shape
        if isinstance(layer, InputLayer):
            return
        if self.output_shape is not None:
            layer.compute_output_shape(self.output_shape)  # raises when the layer does not fit
        layer.join(self._unique_name(layer))
        self._names.add(layer.name)
        self._layers.append(layer)

    def _unique_name(self, layer: Layer) -> str:
        if layer.given_name is not None:
            if layer.given_name in self._names:
                raise ValueError(f"layers must have different names; got {layer.given_name!r} twice")
            return layer.given_name
        default = layer.default_name()
        numbered = (f"{default}_{number}" for number in range(1, len(self._names) + 1))
        return next(name for name in [default, *numbered] if name not in self._names)

    @property
    def feature_names(self) -> list[str] | None:
        """The names of the inputs: those set or learned in training, else those that the first layer was adapted to."""
        if self._feature_names is None and self._layers and isinstance(first := self._layers[0], Normalization):
            return first.feature_names
        return self._feature_names

    @feature_names.setter
    def feature_names(self, names: Sequence[str] | None) -> None:
        if isinstance(names, str):
            raise TypeError(f"feature_names must be a list of strings or None; got {describe(names)}")
        self._feature_names = None if names is None else list(names)
        if self._layers and isinstance(first := self._layers[0], Normalization):
            first.feature_names = self._feature_names

    # --- Building ---

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Make the weights; a model that is built stays as it is.

        Parameters
        ----------
        input_shape : tuple of int, optional
            The shape of one sample; None as its first entry, which stands for the batch in Keras, is left out. It may
            be missing when the first layer tells it.
        """
        if input_shape is not None:
            given = tuple(input_shape)
            given = check_shape("input_shape", given[1:] if given[:1] == (None,) else given)
            if self.input_shape not in (None, given):
                raise ValueError(f"the model has input_shape {self.input_shape}; got {given}")
        elif self.input_shape is not None:
            given = self.input_shape
        else:
            raise ValueError("build() needs an input_shape: the first layer has none")
        if not self._layers:
            raise ValueError("the model has no layers: add one before it is built")
        with self._structure:
            if self._network is None:
                self._build(given)

    def _build_if_shape_is_known(self) -> None:
        built = False
        try:
            if self._layers and self.input_shape is not None:
                self._build(self.input_shape)
                built = True
        finally:
            if not built:  # as long as it was not known, other threads went on with the network as it was
                self._network = None

    def _build(self, input_shape: tuple[int, ...], draw: bool = True) -> None:
        """Make the network; layers that have weights already, from before another layer came or went, keep them.

        Without `draw` other weights are zeros: the caller writes them.
        """
        shapes = [input_shape]
        for layer in self._layers:
            if layer.given_input_shape not in (None, shapes[-1]):
                raise ValueError(
                    f"layer {layer.name!r} has input_shape {layer.given_input_shape}; it gets {shapes[-1]}"
                )
            shapes.append(layer.compute_output_shape(shapes[-1]))
        computing = [(layer, prefix) for layer in self._layers for prefix, _ in layer.descriptions()]
        network = NETWORKS[self.dtype](math.prod(input_shape), [self._for_core(one) for one in self._descriptions()])
        weight_shapes = {
            layer.name: layer.weight_shapes(shape) for layer, shape in zip(self._layers, shapes, strict=False)
        }
        slots: dict[str, list[Slot]] = {layer.name: [] for layer in self._layers}
        for index, part_name, offset, _, trainable in network.parameter_slots:
            layer, prefix = computing[index]
            name = prefix + part_name
            shape = weight_shapes[layer.name][name]
            slots[layer.name].append(Slot(f"{name} of layer {layer.name!r}", name, offset, shape, trainable))
        changes = Changes()
        parts = [Weights(network, self.dtype, slots[layer.name], changes) for layer in self._layers]
        for layer, part in zip(self._layers, parts, strict=True):
            if weights := layer.get_weights() or (draw and self._initial_weights(layer, part)):
                part.set(weights)
        for layer, part, *ends in zip(self._layers, parts, shapes[:-1], shapes[1:], strict=True):
            layer.attach(part, *ends)
        network.set_penalties(
            [
                (slot.offset, slot.size, regularizer.l1, regularizer.l2)
                for layer, part in zip(self._layers, parts, strict=True)
                for slot in part.slots
                if (regularizer := layer.regularizer(slot.name)) is not None
            ]
        )
        vars(self)["input_shape"] = input_shape
        self._output_shape = shapes[-1]
        self._maps_rows = len(input_shape) == len(shapes[-1]) == 1
        self._weights = Weights(network, self.dtype, [slot for part in parts for slot in part.slots], changes)
        self._network = network

    def _initial_weights(self, layer: Layer, part: Weights) -> list[NDArray[Any]]:
        return [layer.initializer(slot.name)(slot.shape, self.dtype, generator=self._generator) for slot in part.slots]

    def _for_core(self, description: dict[str, Any]) -> dict[str, Any]:
        """Return a layer's description with the model's precision, and a seed where the layer has none of its own."""
        seed = {"seed": int(self._generator.integers(2**63))} if description.get("seed", 0) is None else {}
        return {**description, **seed, "bfloat16": self.compute_dtype == "bfloat16"}

    def _watch(self, x: Any, y: Any, validation_data: Any, shuffle: bool) -> Any:
        from fastnet._doctor import Watch

        return Watch(self, x, y, validation_data, shuffle)

    # --- Description and files ---

    def summary(
        self,
        line_length: int | None = None,
        print_fn: Callable[[str], Any] | None = None,
        *,
        show_trainable: bool = False,
        **keywords: Any,
    ) -> None:
        """Print a table of the layers, their output shapes, their numbers of parameters and their FLOPs.

        Parameters
        ----------
        line_length : int, optional
            The width of the table.
        print_fn : callable, optional
            Called with every line, instead of `print`.
        show_trainable : bool, default False
            Whether a column says which layers are trained.

        Notes
        -----
        FLOPs are the floating-point operations of one prediction for one sample: a multiplication and an addition count
        as 2, an activation as 1 for every value, however it is computed. A step of training takes about three times as
        many: the way back has two products for each one of the way forward.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(64, activation="relu", input_shape=(784,)), fn.Dense(10)])
        >>> model.summary()  # doctest: +NORMALIZE_WHITESPACE
        Model: "sequential"
        _________________________________________________________________
         Layer (type)                Output Shape     Param #    FLOPs
        =================================================================
         dense (Dense)               (None, 64)       50,240     100,480
         dense_1 (Dense)             (None, 10)       650        1,290
        =================================================================
        Total params: 50,890 (198.79 KB)
        Trainable params: 50,890 (198.79 KB)
        Non-trainable params: 0 (0.00 B)
        FLOPs per sample: 101,770
        _________________________________________________________________
        """
        keras_defaults = {"positions": None, "expand_nested": False, "layer_range": None}
        reject_keywords(self.summary, keywords, keras_defaults)
        with self._structure:
            lines = list(summary_lines(self, line_length, show_trainable=check_bool("show_trainable", show_trainable)))
        for line in lines:
            (print_fn or print)(line)

    def _repr_html_(self) -> str:
        """Return what notebooks show: the table of `summary`."""
        with self._structure:
            return summary_html(self)

    def get_config(self) -> dict[str, Any]:
        """Return the architecture, without weights, as a dictionary that JSON can hold."""
        return {
            "name": self.name,
            "dtype": self.dtype_policy,
            "input_shape": None if self.input_shape is None else list(self.input_shape),
            "layers": [serialize(layer) for layer in self._layers],
            **({} if self.trainable else {"trainable": False}),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a model with the architecture that `get_config` returned, and fresh weights."""
        parts = [deserialize(layer) for layer in config["layers"]]
        model = cls(parts, name=config["name"], dtype=config["dtype"])
        model._trainable = check_trainable(config.get("trainable", True))  # the layers have their own
        if config["input_shape"] is not None:
            model.build(config["input_shape"])
        return model

    def save(self, path: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the model to one safetensors file: see `fastnet.serialization.save_model`."""
        from fastnet.serialization import save_model

        save_model(self, path, overwrite=overwrite)

    def save_weights(self, path: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write the weights alone to a safetensors file: see `fastnet.serialization.save_weights`."""
        from fastnet.serialization import save_weights

        save_weights(self, path, overwrite=overwrite)

    def load_weights(self, path: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
        """Read weights from a file of `save_weights`, `save` or Keras: see `fastnet.serialization.load_weights`."""
        from fastnet.serialization import load_weights

        load_weights(self, path, skip_mismatch=skip_mismatch)

    def to_state_dict(self) -> dict[str, NDArray[Any]]:
        """Return the weights as PyTorch has them: see `fastnet.interchange.state_dict.to_state_dict`."""
        from fastnet.interchange.state_dict import to_state_dict

        return to_state_dict(self)

    def to_onnx(
        self,
        path: str | os.PathLike[str],
        opset: int = 17,
        *,
        label: bool = False,
        input_dtype: str | None = None,
    ) -> None:
        """Write the model as an ONNX file: see `fastnet.interchange.onnx_export.export_onnx`."""
        from fastnet.interchange.onnx_export import export_onnx

        export_onnx(self, path, opset, label=label, input_dtype=input_dtype)

    def to_c(self, path: str | os.PathLike[str], *, name: str = "model", check: bool | Literal["auto"] = "auto") -> str:
        """Write the model as one C99 file for small devices: see `fastnet.interchange.c_source.export_c`."""
        from fastnet.interchange.c_source import export_c

        return export_c(self, path, name=name, check=check)

    def quantize(self, calibration_data: Any) -> "QuantizedModel":
        """Return a model in 8-bit integers, a quarter of the size: see `fastnet.quantization.quantize`."""
        from fastnet.quantization import quantize

        return quantize(self, calibration_data)

    def __getstate__(self) -> dict[str, Any]:
        """Return what `pickle` and `copy` take: see `fastnet._copying`."""
        from fastnet._copying import state_of

        return state_of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        from fastnet._copying import restore

        restore(self, state)

    def __repr__(self) -> str:
        if not self.built:
            return f"<Sequential {self.name!r}, {len(self._layers)} layers, not built>"
        sizes = [self.input_shape, *(layer.output_shape for layer in self._layers)]
        return f"<Sequential {self.name!r}: {' -> '.join('x'.join(map(str, size or ())) for size in sizes)}>"


def load_model(path: str | os.PathLike[str], custom_objects: dict[str, Any] | None = None, compile: bool = True) -> Any:
    """Read a model that `save`, also of a quantized model, or Keras wrote: see `fastnet.serialization.load_model`."""
    from fastnet import serialization

    return serialization.load_model(path, custom_objects, compile)
