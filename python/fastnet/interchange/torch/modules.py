"""A built model as the modules of a ``torch.nn.Sequential`` that predicts what it predicts."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.torch.images import image_modules, pads, pointwise
from fastnet.interchange.torch.layout import channels_first, order_of
from fastnet.interchange.torch.module import TorchModule, no_counterpart
from fastnet.layers.augmentation import Augmentation
from fastnet.layers.base import Layer, Shape
from fastnet.layers.functions import ActivationFunction
from fastnet.layers.geometry import ImageLayer
from fastnet.training.trainer import Trainer

__all__ = ["TorchModule", "code_of", "modules_of", "torch_code"]

Array = NDArray[Any]


def modules_of(model: Trainer) -> list[TorchModule]:
    """Return the modules of a built model.

    Parameters
    ----------
    model : Sequential

    Returns
    -------
    list of TorchModule
        A `Dense` layer gives one module and another for its activation. A `Rescaling` gives none: it goes into the weights
        of the `Dense` layer behind it.

    Raises
    ------
    ValueError
        The model is not built.
    NotImplementedError
        PyTorch has no module for a layer; the message names it.

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.interchange.torch.modules import modules_of
    >>> model = fn.Sequential([fn.Dense(2, "relu", input_shape=(3,)), fn.Dropout(0.5), fn.Dense(1)])
    >>> [module.code for module in modules_of(model)]
    ['Linear(3, 2)', 'ReLU()', 'Dropout(0.5)', 'Linear(2, 1)']
    """
    model._require_built("to_state_dict")
    writer = _Writer(model)
    weights = iter(model.get_weights())
    for layer in model.layers:
        writer.add(layer, {name: next(weights) for name in layer.weight_names})
    writer.finish()
    return writer.modules


def torch_code(model: Trainer) -> str:
    """Return the Python code of the ``torch.nn.Sequential`` that loads `to_state_dict`.

    Parameters
    ----------
    model : Sequential
        A built model.

    Raises
    ------
    ValueError, NotImplementedError
        As `modules_of`.

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.interchange.torch.modules import torch_code
    >>> print(torch_code(fn.Sequential([fn.Dense(64, "relu", input_shape=(784,)), fn.Dense(10)])))
    torch.nn.Sequential(
        torch.nn.Linear(784, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )
    """
    return code_of(modules_of(model), model.dtype)


def code_of(modules: list[TorchModule], dtype: str) -> str:
    """Return the code of the ``torch.nn.Sequential`` of such modules, for arrays of a dtype."""
    lines = [f"    torch.nn.{module.code}," for module in modules]
    double = ".double()" if dtype == "float64" else ""
    return "\n".join(["torch.nn.Sequential(", *lines, f"){double}"])


# ---- Layers ---------------------------------------------------------------------------------------------------------


class _Writer:
    """The modules of a model so far.

    Where a layer takes images or sequences, the channels of every sample come first in PyTorch. A row that was one has its
    values in another order, until a `Dense` layer undoes that by the order of its weights.
    """

    def __init__(self, model: Trainer) -> None:
        self.modules: list[TorchModule] = []
        self._first = any(isinstance(layer, ImageLayer) for layer in model.layers)
        self._dtype = model.dtype
        self._output_shape = model.output_shape or ()
        self._order: NDArray[np.intp] | None = None  # which value is at each place of a row; None where none moved
        self._last: Layer | None = None  # that made the order
        self._rescaling: tuple[layers.Rescaling, float, float] | None = None  # the last one, and product and sum of all

    def add(self, layer: Layer, own: dict[str, Array]) -> None:
        """Add the modules of a layer with its weights."""
        if isinstance(layer, Augmentation) and layer.input_shape == layer.output_shape:
            return  # which a prediction leaves out
        if isinstance(layer, layers.Rescaling):
            scale, offset = (1.0, 0.0) if self._rescaling is None else self._rescaling[1:]
            self._rescaling = (layer, scale * layer.scale, offset * layer.scale + layer.offset)
            return
        takes = isinstance(layer, layers.Dense | layers.Conv1D | layers.Conv2D)
        if self._rescaling is not None and takes and not (self._rescaling[2] and _pads(layer)):
            own = _rescaled(own, *self._rescaling[1:])
            self._rescaling = None
        elif self._rescaling is not None and not isinstance(layer, layers.Flatten | layers.Reshape):
            self._rescale(layer.input_shape or ())
        match layer:
            case layers.Flatten() | layers.Reshape():
                self._reshape(layer)
            case layers.Dense():
                self._add_dense(layer, own)
            case ImageLayer():
                self.modules += image_modules(layer, own)
            case _:
                self.modules += self._others(layer, own)
        if isinstance(layer, layers.Dense | ImageLayer) and hasattr(layer, "activation"):
            self.modules += self._activation(layer, layer.activation)

    def finish(self) -> None:
        """Add what is left behind the last layer."""
        if self._rescaling is not None:
            self._rescale(self._output_shape)
        if self._order is not None and self._last is not None:
            raise no_counterpart(self._last, "its values are in another order in PyTorch, and no Dense layer follows")

    def _rescale(self, shape: Shape) -> None:
        """Add a normalization for the rescaling that no weights behind it can have."""
        assert self._rescaling is not None
        layer, scale, offset = self._rescaling
        self._rescaling = None
        size = shape[-1]
        affine = {"weight": np.full(size, scale, self._dtype), "bias": np.full(size, offset, self._dtype)}
        moments = _moments(np.zeros(size, self._dtype), np.ones(size, self._dtype))
        code = f"BatchNorm{self._rank(layer, shape)}d({size}, eps=0.0, momentum=0.0)"
        self.modules.append(TorchModule(code, affine | moments))

    def _rank(self, layer: Layer, shape: Shape) -> int:
        """Return the dimensions of the `BatchNorm` for samples of a shape."""
        if len(shape) == 1 or (self._first and len(shape) <= 3):
            return max(len(shape) - 1, 1)
        raise no_counterpart(layer, f"torch.nn has nothing like {type(layer).__name__} for samples of shape {shape}")

    def _is_image(self, layer: Layer) -> bool:
        return self._first and len(layer.input_shape or ()) > 1

    def _ordered(self, array: Array) -> Array:
        """Return what belongs to the values of a row in their order in PyTorch."""
        return array if self._order is None or len(array) == 1 else np.ascontiguousarray(array[self._order])

    # ---- Orders ----

    def _reshape(self, layer: layers.Flatten | layers.Reshape) -> None:
        given, made = layer.input_shape or (), layer.output_shape or ()
        if given == made:
            return
        natural = np.arange(math.prod(given))
        present, wanted = (order_of(shape) if self._first and len(shape) > 1 else natural for shape in (given, made))
        if self._order is not None:
            present = self._order
        if len(given) > 1:
            self.modules.append(TorchModule("Flatten()"))
        self._order, self._last = None, layer
        if len(made) == 1:
            self._order = present if (present != natural).any() else None
            return
        if (wanted != present).any():
            self._move(layer, np.argsort(present)[wanted])
        self.modules.append(TorchModule(f"Unflatten(1, {channels_first(made) if self._first else made})"))

    def _move(self, layer: Layer, order: NDArray[np.intp]) -> None:
        """Let the `Dense` layer in front make its values in another order."""
        for index in range(len(self.modules) - 1, -1, -1):
            module = self.modules[index]
            moved = {
                name: np.ascontiguousarray(array[order]) if array.ndim and len(array) == len(order) else array
                for name, array in module.arrays.items()
            }
            self.modules[index] = TorchModule(module.code, moved)
            if module.kind == "Linear":
                return
            if module.kind in ("Flatten", "Unflatten"):
                break
        raise no_counterpart(layer, "torch.nn has no module that moves values, and no Dense layer in front could")

    # ---- Other layers ----

    def _add_dense(self, layer: layers.Dense, own: dict[str, Array]) -> None:
        kernel, *bias = own.values()
        if self._is_image(layer):
            self.modules.append(pointwise(kernel, bias, len(layer.input_shape or ()) - 1))
            return
        arrays = {"weight": np.ascontiguousarray(self._ordered(kernel).T), **dict(zip(["bias"], bias, strict=False))}
        inputs, units = kernel.shape
        self.modules.append(TorchModule(f"Linear({inputs}, {units}{'' if bias else ', bias=False'})", arrays))
        self._order = None

    def _activation(self, layer: Layer, function: ActivationFunction) -> list[TorchModule]:
        if function.name == "linear":
            return []
        code = ACTIVATIONS[function.name].torch
        if code is None:
            raise no_counterpart(layer, f"torch.nn has no module for the activation {function.name!r}")
        image = self._first and len(layer.output_shape or ()) > 1
        return [TorchModule(code.format(alpha=function.alpha).replace("dim=-1", "dim=1" if image else "dim=-1"))]

    def _others(self, layer: Layer, own: dict[str, Array]) -> list[TorchModule]:
        """Return the modules of a layer that changes no shape."""
        shape = layer.input_shape or ()
        size = shape[-1]
        match layer:
            case layers.Activation():
                return self._activation(layer, layer.activation)
            case layers.PReLU() if math.prod(shape[:-1]) == 1 or (self._first and own["alpha"].size in (1, size)):
                slopes = self._ordered(own["alpha"].reshape(-1))
                return [TorchModule(f"PReLU({slopes.size})", {"weight": slopes})]
            case layers.LayerNormalization() if not self._is_image(layer):
                arrays = _scale_and_shift(own, size, self._dtype)
                ordered = {name: self._ordered(array) for name, array in arrays.items()}
                return [TorchModule(f"LayerNorm({size}, eps={layer.epsilon!r})", ordered)]
            case layers.BatchNormalization():
                # PyTorch's momentum is the weight of the new value.
                settings = f"eps={layer.epsilon!r}, momentum={1.0 - layer.momentum:.12g}"
                moments = _moments(own["moving_mean"], own["moving_variance"])
                arrays = _scale_and_shift(own, size, self._dtype) | moments
            case layers.Normalization():
                settings = f"eps={layer.epsilon!r}, momentum=0.0, affine=False"
                arrays = _moments(own["mean"], own["variance"])
            case layers.Dropout():
                return [TorchModule(f"Dropout({layer.rate!r})")]
            case layers.GaussianNoise():
                return [TorchModule("Identity()")]
            case _:
                row = "" if len(shape) == 1 else f" for samples of shape {shape}"
                raise no_counterpart(layer, f"torch.nn.Sequential has nothing like {type(layer).__name__}{row}")
        arrays = {name: self._ordered(array) if array.ndim else array for name, array in arrays.items()}
        return [TorchModule(f"BatchNorm{self._rank(layer, shape)}d({size}, {settings})", arrays)]


def _pads(layer: Layer) -> bool:
    return isinstance(layer, ImageLayer) and pads(layer)


def _rescaled(own: dict[str, Array], scale: float, offset: float) -> dict[str, Array]:
    """Return the kernel and the bias of a layer that sees ``scale * x + offset``."""
    kernel, *biases = own.values()
    if offset:
        shift = offset * kernel.sum(axis=tuple(range(kernel.ndim - 1)), dtype=np.float64)
        biases = [(shift + (biases[0] if biases else 0.0)).astype(kernel.dtype)]
    if scale != 1.0:
        kernel = (scale * kernel.astype(np.float64)).astype(kernel.dtype)
    return {"kernel": kernel, **dict(zip(["bias"], biases, strict=False))}


def _scale_and_shift(own: dict[str, Array], size: int, dtype: str) -> dict[str, Array]:
    """Return gamma and beta, of which PyTorch has both or none."""
    return {"weight": own.get("gamma", np.ones(size, dtype)), "bias": own.get("beta", np.zeros(size, dtype))}


def _moments(mean: Array, variance: Array) -> dict[str, Array]:
    return {"running_mean": mean, "running_var": variance, "num_batches_tracked": np.array(0, np.int64)}
