"""A layer called on an array."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.inputs.samples import CORE_DTYPES, as_array
from fastnet.layers.weights import NETWORKS, Network
from fastnet.support.missing_names import FUNCTIONAL_API
from fastnet.utils import make_generator

if TYPE_CHECKING:
    from numpy.random import Generator


_ROWS = 256
_NO_STEP = dict.fromkeys(("learning_rate", "momentum", "dampening", "nesterov", "weight_decay"), 0.0)  # of SGD


def refuse_symbolic(name: str, kind: str, x: Any) -> None:
    """Refuse an `Input`, or another layer, in the place of samples: the functional API of Keras calls layers on these."""
    one = x[0] if isinstance(x, list | tuple) and x else x
    if not hasattr(one, "given_input_shape"):  # which every layer has
        return
    shape = "(...)" if one.given_input_shape is None else one.given_input_shape
    raise NotImplementedError(
        f"fastnet: {name!r} is called on an {type(one).__name__}, as in the functional API of Keras; {FUNCTIONAL_API}. "
        f"This one begins with Sequential([Input({shape}), {kind}(...), ...])"
    )


def call(layer: Any, x: Any, training: bool) -> NDArray[Any]:
    """Return the outputs of a layer for samples; see `Layer.__call__`."""
    array = as_array("x", x)
    if array.dtype not in CORE_DTYPES:
        array = array.astype(np.float64)
    if array.ndim < 2:
        raise ValueError(f"x must have a row for every sample, as (samples, features); got shape {array.shape}")
    weights = layer._weights
    shape = array.shape[1:]
    if weights is not None and shape != layer.input_shape:
        raise ValueError(f"x must have shape (n, {', '.join(map(str, layer.input_shape or ()))}); got {array.shape}")
    network = network_of(layer, shape, "float32" if weights is None else weights.dtype, layer.arrays_for_call(shape))
    flat = array.reshape(len(array), -1)
    outputs = outputs_in_training(network, flat) if training else network.predict(flat, _ROWS)
    return outputs.reshape(len(array), *layer.compute_output_shape(shape))


def network_of(layer: Any, shape: tuple[int, ...], dtype: str, arrays: Mapping[str, NDArray[Any]]) -> Network:
    """Return a network of one layer with these weights, by their names."""
    described = list(layer.descriptions(shape))
    generator = make_generator()
    network = NETWORKS[dtype](math.prod(shape), [seeded(one, generator) for _, one in described])
    names = [name for own, _ in described for name in own]
    network.set_pieces(
        [
            (offset, np.asarray(arrays[name], dtype, order="C").reshape(-1))
            for name, (_, _, offset, _, _) in zip(names, network.parameter_slots, strict=True)
        ]
    )
    return network


def seeded(description: dict[str, Any], generator: "Generator") -> dict[str, Any]:
    """Return a description for the core, with a seed where it draws random numbers and has none of its own."""
    if description.get("seed", 0) is not None:
        return description
    return {**description, "seed": int(generator.integers(2**63))}


def outputs_in_training(network: Network, x: Any) -> NDArray[Any]:
    """Return what a network that nothing else uses gives in a training step, with all samples in one batch."""
    found: list[NDArray[Any]] = []

    def keep(first: int, outputs: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        del first
        found.append(outputs.copy())
        return 0.0, np.zeros_like(outputs)

    network.compile("custom", "", "sgd", _NO_STEP)
    network.loss_and_gradients(x, np.zeros((len(x), network.output_size), np.float32), None, keep)
    return np.concatenate(found)
