"""The incoming weights of single units, which the page shows on a click."""

import math
from typing import Any

import numpy as np

from fastnet.layers import Conv2D, Dense, Residual
from fastnet.layers.kernels import KernelLayer
from fastnet.models import Sequential
from fastnet.quantization import QuantizedModel

__all__ = ["EXPLAINED", "unit_of"]

EXPLAINED = KernelLayer | Residual  # the layers whose outputs an explanation has


def unit_of(model: Sequential | QuantizedModel, layer: int, unit: int) -> dict[str, Any] | str:
    """Return the incoming weights and the bias of a unit, or the reason why there are none.

    Parameters
    ----------
    model : Sequential or QuantizedModel
        A built model.
    layer, unit : int
        The place of the layer in an explanation, and that of the unit, or of the filter of a convolution, in the layer.
    """
    if isinstance(model, QuantizedModel):
        return "a quantized model has no weights to show"
    layers = [one for one in model._leaves() if isinstance(one, EXPLAINED)]
    if layer >= len(layers):
        return f"the model has {len(layers)} layers with a kernel, counted from 0; got {layer}"
    found = layers[layer]
    if not isinstance(found, Dense | Conv2D):
        return f"the units of {found.name}, a layer {type(found).__name__}, have no weights of their own to show"
    weights = dict(zip(found.weight_names, found.get_weights(), strict=True))
    kernel = weights["kernel"]
    if unit >= kernel.shape[-1]:
        return f"{found.name} has {kernel.shape[-1]} units, counted from 0; got {unit}"
    incoming, bias = kernel[..., unit], float(weights["bias"][unit]) if "bias" in weights else None
    if not np.isfinite(incoming).all() or not math.isfinite(bias or 0.0):
        return f"the weights of {found.name} are not finite"
    return {
        "layer": found.name,
        "unit": unit,
        "shape": list(incoming.shape),
        "weights": incoming.ravel().tolist(),
        "bias": bias,
    }
