"""A case for the checks: a model, and a bounded sample of its data."""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.inputs.samples import as_array
from fastnet.inputs.shapes import check_rows
from fastnet.inputs.sparse import is_sparse
from fastnet.inputs.tables import names_to_learn
from fastnet.layers import (
    Activation,
    BatchNormalization,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    LayerNormalization,
    Normalization,
    Permute,
    PReLU,
    Rescaling,
    Reshape,
    Residual,
    SpatialDropout2D,
)
from fastnet.layers.base import Layer
from fastnet.layers.geometry import ImageLayer
from fastnet.layers.kernels import KernelLayer
from fastnet.support.validation import describe
from fastnet.training.inspection import Inspector

if TYPE_CHECKING:
    from fastnet.losses import Loss

Array = NDArray[Any]

_ROWS = 2000
_VALUES = 4_000_000  # at most in a sample
_OUTPUTS = 20_000_000  # at most of all layers for the rows of a sample
_SCALING = BatchNormalization | LayerNormalization | Normalization | Rescaling
_MOVING = Dropout | Flatten | GaussianNoise | ImageLayer | Permute | Reshape | SpatialDropout2D  # without a kernel
_MIXING = Dense | Conv1D | Conv2D  # every unit, or channel, gets all inputs


class Case:
    """A model and its data, as given by the user."""

    def __init__(self, model: Inspector, x: Any, y: Any, validation_data: Any = None, *, shuffle: bool = True) -> None:
        self.model = model
        self.shuffle = shuffle
        names = model.feature_names or names_to_learn("x", x)
        self.all_x = _rows_of("x", x, names)
        self.all_y = None if y is None else as_array("y", y)
        if self.all_y is not None:
            check_rows(self.all_x.shape, self.all_y.shape, x)
        if validation_data is not None and not isinstance(validation_data, tuple | list):
            raise ValueError(f"validation_data must be (x, y); got {describe(validation_data)}")
        self.validation_x = (
            None if validation_data is None else _rows_of("x of validation_data", validation_data[0], names)
        )

    # --- Data ---

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The indices of the rows in the sample, evenly spread over all rows."""
        outputs = sum(math.prod(layer.output_shape or ()) for layer in self.model._layers)
        return spread(self.all_x, _OUTPUTS // max(outputs, 1))

    @cached_property
    def given_x(self) -> Array:
        """The sampled rows in their original shape."""
        rows = self.all_x[self.rows]
        return np.asarray(rows.toarray() if is_sparse(rows) else rows)

    @cached_property
    def x(self) -> Array:
        """The sampled rows, flattened, in float64."""
        return self.given_x.reshape(len(self.rows), -1).astype(np.float64)

    @cached_property
    def y(self) -> Array:
        """The targets of the sampled rows."""
        assert self.all_y is not None
        return self.all_y[self.rows]

    @property
    def labels(self) -> Array | None:
        """Targets as one number for each row, if the loss takes labels and they are labels; without those that it ignores."""
        if self.all_y is None or not self.classifies or self.all_y.size == 0 or self.all_y.ndim == 0:
            return None
        if self.all_y.size == len(self.all_y):
            labels = self.all_y.reshape(-1)
            ignored = None if self.loss is None else self.loss.ignore_class
            counted = labels if ignored is None else labels[labels != ignored]
            return counted if counted.size else None
        return self.all_y.argmax(axis=1) if self.all_y.ndim == 2 else None

    @property
    def given_as_labels(self) -> bool:
        """Whether the loss takes labels and the targets are one number for each row."""
        y = self.all_y
        return y is not None and self.takes_labels and y.ndim > 0 and y.size == len(y) and self.outputs > 1

    # --- Model ---

    @property
    def loss(self) -> "Loss | None":
        """The loss that the model is compiled with."""
        compilation = self.model._compilation
        return None if compilation is None else compilation.loss

    @property
    def loss_name(self) -> str:
        """The short name of the loss."""
        return "" if self.loss is None else self.loss.identifier

    @property
    def takes_labels(self) -> bool:
        """Whether the loss takes labels of classes, one for each output."""
        loss = self.loss
        return loss is not None and loss.takes_labels and not loss.free_labels and self.loss_name != "custom"

    @property
    def classifies(self) -> bool:
        """Whether the loss is for classification."""
        return self.takes_labels or self.loss_name == "binary_crossentropy"

    @property
    def regresses(self) -> bool:
        """Whether the loss is for regression."""
        return self.loss_name in ("mse", "mae", "huber", "log_cosh", "quantile")

    @property
    def from_logits(self) -> bool:
        """Whether the loss includes the last activation."""
        return self.loss is not None and self.loss.from_logits

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return int(np.prod(self.model.output_shape or (0,)))

    @property
    def last_activation(self) -> str:
        """The name of the activation of the outputs; empty if it has no name."""
        last = [layer for layer in self.model._leaves() if not isinstance(layer, Dropout | Flatten | Permute | Reshape)]
        return activation_name(last[-1]) if last else ""

    @property
    def learns(self) -> bool:
        """Whether training changes any weight."""
        return any(self.model._trained())

    @cached_property
    def outputs_of_layers(self) -> dict[str, Array]:
        """The output of every layer for the sample."""
        with np.errstate(all="ignore"):
            return self.model.activations(self.given_x)

    @cached_property
    def scaled_x(self) -> tuple[Array, bool]:
        """The inputs of the first layer with a kernel, and whether a layer has scaled them."""
        x, scaled = self.x, False
        for layer in self.model._layers:
            if isinstance(layer, KernelLayer) or not isinstance(layer, _SCALING | _MOVING):
                break
            scaled |= isinstance(layer, _SCALING)
            if isinstance(layer, BatchNormalization) and layer.trainable:
                # In training it uses the mean and variance of the batch.
                values = x.reshape(-1, (layer.output_shape or ())[-1])
                x = ((values - values.mean(axis=0)) / (values.std(axis=0) + 1e-3)).reshape(len(x), -1)
            else:
                x = self.outputs_of_layers[layer.name].reshape(len(x), -1).astype(np.float64)
        return x, scaled

    @cached_property
    def gradients(self) -> dict[str, tuple[float, float]]:
        """The root mean square of every kernel's gradient, and of the kernel, in the order of the layers."""
        result = {}
        gradients = self.model.gradients(self.given_x, self.y)
        for layer in self.model._layers:
            weights = dict(zip(layer.weight_names, layer.get_weights(), strict=True))
            for name, gradient in gradients.get(layer.name, {}).items():
                if name.endswith("kernel"):
                    result[f"{layer.name}.{name}"] = (rms(gradient), rms(weights[name]))
        return result

    def kernels(self) -> list[tuple[str, Array]]:
        """Return the kernel of every layer whose units get the same inputs, a column for each unit, with the layer's name."""
        layers = [layer for layer in all_layers(self.model._leaves()) if mixes(layer)]
        kernels = ((layer.name, layer.get_weights()[0]) for layer in layers)
        return [(name, kernel.reshape(-1, kernel.shape[-1])) for name, kernel in kernels]


def all_layers(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers, with those inside residual blocks in their place."""
    inside = ([*one.layers, *one.shortcut] if isinstance(one, Residual) else [] for one in layers)
    return [one for layer, rest in zip(layers, inside, strict=True) for one in (all_layers(rest) if rest else [layer])]


def mixes(layer: Layer) -> bool:
    """Return whether every unit, or channel, of a layer is a weighted sum of the same inputs."""
    return isinstance(layer, _MIXING) and getattr(layer, "groups", 1) == 1


def activation_name(layer: Layer) -> str:
    """Return the name of a layer's activation, empty without one."""
    if isinstance(layer, PReLU):
        return "prelu"
    return layer.activation.name if isinstance(layer, Activation | KernelLayer) else ""


def rms(array: Array) -> float:
    """Return the root mean square."""
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) if array.size else 0.0


def spread(x: Any, most: int = _ROWS) -> NDArray[np.int64]:
    """Return the indices of evenly spread rows for a sample of bounded size."""
    per_row = max(int(np.prod(x.shape[1:])), 1)
    count = min(x.shape[0], _ROWS, max(min(_VALUES // per_row, most), 1))
    return np.linspace(0, max(x.shape[0] - 1, 0), count).astype(np.int64)


def _rows_of(name: str, x: Any, names: list[str] | None) -> Any:
    """Return an array with the columns in the order of `names`, or a sparse matrix with row access."""
    if is_sparse(x):
        return x.tocsr()
    array = as_array(name, x, names)
    if array.ndim == 0 or len(array) == 0:
        raise ValueError(f"{name} must have at least one row; got shape {array.shape}")
    return array[:, None] if array.ndim == 1 else array
