"""The modules of PyTorch for the layers of a built model, one layer after the other."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.torch.images import image_modules, pads, pointwise
from fastnet.interchange.torch.layout import axes_of, channels_first, inverse, order_of
from fastnet.interchange.torch.module import TorchModule, no_counterpart
from fastnet.layers.augmentation import Augmentation
from fastnet.layers.base import Layer, Shape
from fastnet.layers.functions import ActivationFunction
from fastnet.layers.geometry import ImageLayer

__all__ = ["Writer", "is_left_out"]

Array = NDArray[Any]


_LIMITS = (
    "Linear",
    "Flatten",
    "Unflatten",
    "Residual",
    "Permute",
)  # the values in front of which have an order of their own


def is_left_out(layer: Layer) -> bool:
    """Return whether a prediction has nothing to do for a layer, which augments images in training."""
    return isinstance(layer, Augmentation) and layer.input_shape == layer.output_shape


class Writer:
    """The modules of layers in a row so far.

    Where a layer of the model takes images or sequences, the channels of every sample come first in PyTorch. A row that was
    one has its values in another order, until a `Dense` layer undoes that by the order of its weights, or a `Permute` moves
    them.

    Parameters
    ----------
    takes_images : bool
        Whether there is such a layer.
    dtype : str
        That of the weights.
    shape : tuple of int
        That of a sample in front of the layers.
    """

    def __init__(self, takes_images: bool, dtype: str, shape: Shape) -> None:
        self._modules: list[TorchModule] = []
        self._first = takes_images
        self._dtype = dtype
        self._shape = shape  # of a sample behind the layers so far
        self._image: Shape | None = None  # of what the row was, where its values have another order in PyTorch
        self._rescaling: tuple[layers.Rescaling, float, float] | None = None  # the last one, and product and sum of all

    def add(self, layer: Layer, own: dict[str, Array]) -> None:
        """Add the modules of a layer with its weights."""
        self._shape = layer.output_shape or ()
        if is_left_out(layer):
            return
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
            case layers.Permute():
                self._permute(self._axes_in_torch([dim - 1 for dim in layer.dims]))
            case layers.Residual():
                self._add_block(layer, own)
            case layers.ReLU() if layer.parts:
                for part in layer.parts:
                    self.add(part, {})
            case layers.Dense():
                self._add_dense(layer, own)
            case ImageLayer():
                self._modules += image_modules(layer, own)
            case _:
                self._modules += self._others(layer, own)
        if isinstance(layer, layers.Dense | ImageLayer) and hasattr(layer, "activation"):
            self._modules += self._activation(layer, layer.activation)

    def finish(self) -> list[TorchModule]:
        """Return the modules, with those that the last layer still needs behind it."""
        if self._rescaling is not None:
            self._rescale(self._shape)
        self._restore_order()
        return self._modules

    def _add_block(self, block: layers.Residual, own: dict[str, Array]) -> None:
        """Add a `Residual`, of whose sum both parts must have the same order."""
        self._restore_order()
        weights = iter(own.values())
        parts = {}
        for name, row in {"body": block.layers, "shortcut": block.shortcut}.items():
            inside = Writer(self._first, self._dtype, block.input_shape or ())
            for layer in row:
                inside.add(layer, {weight: next(weights) for weight in layer.weight_names})
            if row:
                parts[name] = inside.finish()
        self._modules.append(TorchModule("Residual", parts=parts))

    def _rescale(self, shape: Shape) -> None:
        """Add a normalization for the rescaling that no weights behind it can have."""
        assert self._rescaling is not None
        layer, scale, offset = self._rescaling
        self._rescaling = None
        size = shape[-1]
        affine = {"weight": np.full(size, scale, self._dtype), "bias": np.full(size, offset, self._dtype)}
        moments = _moments(np.zeros(size, self._dtype), np.ones(size, self._dtype))
        code = f"BatchNorm{self._rank(layer, shape)}d({size}, eps=0.0, momentum=0.0)"
        self._modules.append(TorchModule(code, affine | moments))

    def _rank(self, layer: Layer, shape: Shape) -> int:
        """Return the dimensions of the `BatchNorm` for samples of a shape."""
        if len(shape) == 1 or (self._first and len(shape) <= 3):
            return max(len(shape) - 1, 1)
        raise no_counterpart(layer, f"torch.nn has nothing like {type(layer).__name__} for samples of shape {shape}")

    def _is_image(self, layer: Layer) -> bool:
        return self._first and len(layer.input_shape or ()) > 1

    # ---- Orders ----

    def _ordered(self, array: Array) -> Array:
        """Return what belongs to the values of a row in their order in PyTorch."""
        if self._image is None or len(array) == 1:
            return array
        return np.ascontiguousarray(array[order_of(self._image)])

    def _reshape(self, layer: layers.Flatten | layers.Reshape) -> None:
        given, made = layer.input_shape or (), layer.output_shape or ()
        if given == made:
            return
        if len(given) > 1:
            self._modules.append(TorchModule("Flatten()"))
            self._image = given if self._first else None
        order = np.arange(math.prod(given)) if self._image is None else order_of(self._image)
        if (order == np.arange(len(order))).all():
            self._image = None
        if len(made) == 1:
            return
        if self._first and self._reorder(np.argsort(order)[order_of(made)]):
            self._image = None
            self._modules.append(TorchModule(f"Unflatten(1, {channels_first(made)})"))
            return
        self._restore_order()
        self._modules.append(TorchModule(f"Unflatten(1, {made})"))
        if self._first:
            self._permute(axes_of(len(made)))

    def _reorder(self, order: NDArray[np.intp]) -> bool:
        """Let the `Dense` layer in front make its values in another order, if there is one; return whether they have it."""
        if (order == np.arange(len(order))).all():
            return True
        kinds = [module.kind for module in self._modules]
        start = next((i for i in reversed(range(len(kinds))) if kinds[i] in _LIMITS), None)
        if start is None or kinds[start] != "Linear":
            return False
        for index in range(start, len(kinds)):
            moved = {
                name: np.ascontiguousarray(array[order]) if array.ndim and len(array) == len(order) else array
                for name, array in self._modules[index].arrays.items()
            }
            self._modules[index] = TorchModule(self._modules[index].code, moved)
        return True

    def _restore_order(self) -> None:
        """Let the values of a row have fastnet's order."""
        if self._image is None:
            return
        if self._modules[-1].kind == "Flatten":
            del self._modules[-1]
        else:
            self._modules.append(TorchModule(f"Unflatten(1, {channels_first(self._image)})"))
        self._permute(inverse(axes_of(len(self._image))))
        self._modules.append(TorchModule("Flatten()"))
        self._image = None

    def _axes_in_torch(self, axes: Sequence[int]) -> Sequence[int]:
        """Return the order of the axes of a sample, given in fastnet, as PyTorch has them."""
        if not self._first or len(axes) == 1:
            return axes
        here = axes_of(len(axes))
        return [here.index(axes[axis]) for axis in here]

    def _permute(self, axes: Sequence[int]) -> None:
        """Put the axes of samples, as PyTorch has them, into another order."""
        if self._modules and self._modules[-1].kind == "Permute":
            before = [int(axis) - 1 for axis in re.findall("[0-9]+", self._modules.pop().code)[1:]]
            axes = [before[axis] for axis in axes]
        if list(axes) != sorted(axes):
            self._modules.append(_permutation(axes))

    # ---- Other layers ----

    def _add_dense(self, layer: layers.Dense, own: dict[str, Array]) -> None:
        kernel, *bias = own.values()
        if self._is_image(layer):
            self._modules.append(pointwise(kernel, bias, len(layer.input_shape or ()) - 1))
            return
        arrays = {"weight": np.ascontiguousarray(self._ordered(kernel).T), **dict(zip(["bias"], bias, strict=False))}
        inputs, units = kernel.shape
        self._modules.append(TorchModule(f"Linear({inputs}, {units}{'' if bias else ', bias=False'})", arrays))
        self._image = None

    def _of_last_axis(self, module: TorchModule, rank: int) -> list[TorchModule]:
        """Return a module for the last axis between two that put the channels there and back."""
        self._permute(inverse(axes_of(rank)))
        return [module, _permutation(axes_of(rank))]

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
                return [_prelu(self._ordered(own["alpha"].reshape(-1)))]
            case layers.PReLU():  # of values of an image, which are a row meanwhile
                order = order_of(shape) if self._first else slice(None)
                slopes = np.broadcast_to(own["alpha"], shape).reshape(-1)[order]
                given = channels_first(shape) if self._first else shape
                return [TorchModule("Flatten()"), _prelu(slopes), TorchModule(f"Unflatten(1, {given})")]
            case layers.LayerNormalization():
                arrays = _scale_and_shift(own, size, self._dtype)
                ordered = {name: self._ordered(array) for name, array in arrays.items()}
                normalization = TorchModule(f"LayerNorm({size}, eps={layer.epsilon!r})", ordered)
                return self._of_last_axis(normalization, len(shape)) if self._is_image(layer) else [normalization]
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


def _permutation(axes: Sequence[int]) -> TorchModule:
    return TorchModule(f"Permute(0, {', '.join(str(axis + 1) for axis in axes)})")


def _prelu(slopes: Array) -> TorchModule:
    return TorchModule(f"PReLU({slopes.size})", {"weight": np.ascontiguousarray(slopes)})


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
