"""The answers of a server about a model and its predictions, as plain data independent of HTTP."""

import base64
import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fastnet._core import __version__
from fastnet.layers import Conv2D, Dense, Rescaling
from fastnet.layers.base import Layer
from fastnet.models import Sequential
from fastnet.models.classes import as_classes, class_names_of, last_activation, probabilities_of
from fastnet.network.nested import named_leaves
from fastnet.operations.quantizing import QuantizedMultiplication
from fastnet.quantization import QuantizedModel
from fastnet.serve.scores import score_of
from fastnet.serve.units import EXPLAINED

__all__ = ["Predictor"]

Array = NDArray[Any]

_MOST_UNITS = 256  # that the page can show
_LARGEST = 127  # the largest weight as int8


class Predictor:
    """A served model: its description, and the meaning of its outputs.

    Parameters
    ----------
    model : Sequential or QuantizedModel
        A built model.

    Attributes
    ----------
    input_shape : tuple of int
        The shape of one instance.
    dtype : str
        The dtype of instances.
    classes : list of str or None
        The names of the classes; None for a model whose outputs are values.
    feature_names : list of str or None
        The names of the features of an instance; None without names, or if they are not one for each feature.
    """

    def __init__(self, model: Sequential | QuantizedModel) -> None:
        if model.input_shape is None or model.output_shape is None:
            raise ValueError("model must be built: give its first layer an input_shape, or call build()")
        self.model = model
        self.input_shape: tuple[int, ...] = model.input_shape
        self.output_shape: tuple[int, ...] = model.output_shape
        self.dtype = model.dtype
        self.classes = _classes(model)
        names = model.feature_names
        each_has_one = names is not None and len({*names}) == len(names) == math.prod(self.input_shape)
        self.feature_names = names if each_has_one else None
        self._networks: list[tuple[str, Layer, Any]] | None = None
        self._weights = self._first_weights()

    def outputs(self, rows: Array) -> Array:
        """Return the model's outputs for instances of shape (n, *input_shape)."""
        return self.model(rows)

    def rows_within(self, operations: int) -> int:
        """Return the number of instances for which the model takes at most this many operations."""
        model = self.model
        if isinstance(model, QuantizedModel):
            return operations // (2 * model.count_params() + 1)  # a multiplication and an addition per weight
        return operations // (sum(layer.count_flops() for layer in model._layers) + 1)

    def predictions(self, outputs: Array) -> list[Any]:
        """Return the answer for each row of outputs: its class, or its values."""
        if self.classes is None:
            return cast(list[Any], outputs.tolist())
        indices, highest = as_classes(outputs)
        rows = probabilities_of(outputs).tolist()
        return [
            {"class": self.classes[index], "index": index, "probability": probability, "probabilities": row}
            for index, probability, row in zip(indices.tolist(), highest.tolist(), rows, strict=True)
        ]

    def describe(self) -> dict[str, Any]:
        """Return the description of the model."""
        return {
            "name": self.model.name,
            "classes": self.classes,
            "input_shape": list(self.input_shape),
            "output_shape": list(self.output_shape),
            "feature_names": self.model.feature_names,
            "feature_ranges": self._feature_ranges(),
            "score": score_of(self.model.figures),
            "full_scale": _full_scale(self.model),
            "layers": self._layers(),
            "parameters": self.model.count_params(),
            "dtype": self.model.compute_dtype if isinstance(self.model, QuantizedModel) else self.dtype,
            "fastnet_version": __version__,
        }

    def _feature_ranges(self) -> list[dict[str, float]] | None:
        ranges = self.model.feature_ranges
        if ranges is None or len(ranges) != math.prod(self.input_shape):
            return None
        return [one._asdict() for one in ranges]

    def _layers(self) -> list[dict[str, Any]]:
        if isinstance(self.model, QuantizedModel):
            return [
                {"name": layer, "type": kind, "activation": None, "units": size}
                for layer, kind, size, _, _ in self.model.rows()
            ]
        return [
            {
                "name": name,
                "type": type(layer).__name__,
                "activation": _activation(layer),
                "units": getattr(layer, "units", getattr(layer, "filters", None)),
            }
            for name, layer in named_leaves(self.model._layers)
        ]

    # ---- Inside the model -------------------------------------------------------------------------------------------

    def explain(self, row: Array) -> dict[str, Any]:
        """Return the probabilities of one instance, of shape (1, *input_shape), and the outputs of every layer with a kernel.

        The outputs of such a layer, or of a residual block, are taken after the activation, the normalization and the
        pooling that follow it. Those of a convolution are feature maps.
        """
        layers = self._outputs_of_layers(row)
        outputs = layers.pop("")
        answer: dict[str, Any] = {"classes": self.classes, "probabilities": None, "values": None}
        if self.classes is None:
            answer["values"] = outputs[0].tolist()
        else:
            answer["probabilities"] = probabilities_of(outputs)[0].tolist()
        return {**answer, "layers": list(layers.values())}

    def _outputs_of_layers(self, row: Array) -> dict[str, Any]:
        """Return the outputs of every layer with a kernel by name, and those of the model under an empty name."""
        if isinstance(self.model, QuantizedModel):  # it has operations instead of layers
            return {"": self.model(row)}
        if self._networks is None:
            self._networks = [
                (name, layer, self.model._network_of(layer, arrays))
                for (name, layer), (_, arrays) in zip(
                    named_leaves(self.model._layers), self.model._leaves_with_weights(), strict=True
                )
            ]
        shown: dict[str, Any] = {}
        entry: dict[str, Any] = {}
        output = row.reshape(1, -1)
        for name, layer, network in self._networks:
            output = network.predict(output, 1)
            if isinstance(layer, EXPLAINED):
                entry = shown[name] = {"name": name, "activation": "linear"}
            if (activation := _activation(layer)) not in (None, "linear"):
                entry["activation"] = activation
            values = output[0].tolist()
            if math.prod(maps := entry.get("shape", [0])) != len(values) or len(maps) < 3:  # else only flattened
                entry["shape"] = list(layer.output_shape or ())
            entry["output"] = values
        shown[""] = output.reshape(1, *self.output_shape)
        return shown

    @property
    def weights(self) -> dict[str, Any] | str:
        """Return the weights of the units of the first layer as images, or the reason why there are none."""
        return self._weights

    def _first_weights(self) -> dict[str, Any] | str:
        if isinstance(self.model, QuantizedModel):
            return "a quantized model has no weights to show"
        weighted = [layer for layer in self.model._leaves() if layer.weight_names]
        first = next((layer for layer in weighted if "kernel" in layer.weight_names), None)
        if first is None:
            return "the model has no layer with a kernel"
        kernel = first.get_weights()[first.weight_names.index("kernel")]
        shape: tuple[int, ...] | None
        if isinstance(first, Conv2D):
            shape = kernel.shape[:2]
            if kernel.shape[2] > 1:
                return f"the filters of {first.name} have {kernel.shape[2]} channels: they are not images"
        else:
            if not isinstance(first, Dense) or len(kernel) != math.prod(self.input_shape):
                return f"the first layer with weights, {first.name}, does not act on the inputs directly"
            shape = _picture(self.input_shape)
            if shape is None:
                return f"inputs of shape {self.input_shape} are not images"
        weights = kernel.reshape(-1, kernel.shape[-1]).T[:_MOST_UNITS].astype(np.float64)
        scale = float(np.abs(weights).max()) / _LARGEST or 1.0
        if not math.isfinite(scale):
            return f"the weights of {first.name} are not finite"
        return {
            "shape": list(shape),
            "units": len(weights),
            "scale": scale,
            "data": base64.b64encode(np.rint(weights / scale).astype(np.int8).tobytes()).decode(),
        }


def _classes(model: Sequential | QuantizedModel) -> list[str] | None:
    """Return the names of the classes, or None if the outputs are not class probabilities."""
    is_classifier = len(model.output_shape or ()) == 1 and last_activation(model) in ("softmax", "sigmoid")
    return class_names_of(model) if is_classifier else None


def _full_scale(model: Sequential | QuantizedModel) -> float | None:
    """Return the input that the scaling of the model maps to 1, such as 255 for bytes; None without scaling."""
    if isinstance(model, QuantizedModel):  # its scaling is folded into the range of its inputs
        product = model.operations[0]
        if isinstance(product, QuantizedMultiplication) and product.zero_point == 0:
            return 255 * product.input_scale
        return None
    layer = model._leaves()[0]
    return (1 - layer.offset) / layer.scale if isinstance(layer, Rescaling) and layer.scale else None


def _activation(layer: Layer) -> str | None:
    function = getattr(layer, "activation", None)
    return None if function is None else str(function.name)


def _picture(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the rows and columns of an instance as an image, or those of a square with this number of values."""
    if len(shape) == 2 or (len(shape) == 3 and shape[2] == 1):
        return shape[0], shape[1]
    side = math.isqrt(math.prod(shape))
    return (side, side) if len(shape) == 1 and side * side == shape[0] else None
