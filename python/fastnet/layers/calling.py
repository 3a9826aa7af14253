"""A layer called on an array."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet._core import Lock
from fastnet.inputs.samples import CORE_DTYPES, as_array
from fastnet.layers.weights import NETWORKS, Changes, Network, Slot, Weights
from fastnet.support.missing_names import FUNCTIONAL_API
from fastnet.utils import make_generator

if TYPE_CHECKING:
    from numpy.random import Generator


_ROWS = 256
_NO_STEP = dict.fromkeys(("learning_rate", "momentum", "dampening", "nesterov", "weight_decay"), 0.0)  # of SGD
_attaching = Lock()  # threads that call a new layer, or build a model of it, give it one set of weights


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
    shape = array.shape[1:]
    if 0 in shape:
        raise ValueError(f"x must have at least one value for every sample; got shape {array.shape}")
    output_shape = layer.compute_output_shape(shape)
    arrays = layer.arrays_for_call(shape)
    dtype = "float32" if layer._weights is None else layer._weights.dtype
    network, names = network_of(layer, shape, dtype, make_generator())
    slots = network.parameter_slots
    network.set_pieces(
        [
            (offset, np.asarray(arrays[name], dtype, order="C").reshape(-1))
            for name, (_, _, offset, _, _) in zip(names, slots, strict=True)
        ]
    )
    flat = array.reshape(len(array), math.prod(shape))
    outputs = outputs_in_training(network, flat) if training else network.predict(flat, _ROWS)
    return outputs.reshape(len(array), *output_shape)


def build_alone(layer: Any, shape: tuple[int, ...], generator: "Generator | None" = None) -> None:
    """Give a layer a network of its own, unless it has weights or needs none; its model keeps these weights.

    Initial values come from `generator`, or else from one that follows `fastnet.utils.set_random_seed`.

    Raises
    ------
    ValueError
        The layer has weights that do not fit samples of this shape.
    """
    wanted = layer.weight_shapes(shape)
    if layer._weights is None and wanted:
        generator = generator or make_generator()
        layer.prepare(shape, True, generator)  # before the lock: it takes those of models inside
        with _attaching:
            if layer._weights is None:
                _attach_alone(layer, shape, wanted, generator)
    _check_fit(layer, shape, wanted)


def attach(layer: Any, weights: Weights, *ends: tuple[int, ...], new: bool) -> None:
    """Attach a layer; one that was new keeps weights that a call in another thread has given it meanwhile."""
    if not new:
        layer.attach(weights, *ends)
        return
    with _attaching:
        if called_with := layer.get_weights():
            weights.set(called_with)
        layer.attach(weights, *ends)


def _attach_alone(
    layer: Any, shape: tuple[int, ...], wanted: Mapping[str, tuple[int, ...]], generator: "Generator"
) -> None:
    ends = shape, layer.compute_output_shape(shape)
    kept = layer.get_weights()
    dtype = kept[0].dtype.name if kept and kept[0].dtype.name in NETWORKS else "float32"
    network, names = network_of(layer, shape, dtype, generator)
    slots = [
        Slot(f"{name} of layer {layer.name!r}", name, offset, wanted[name], trainable)
        for name, (_, _, offset, _, trainable) in zip(names, network.parameter_slots, strict=True)
    ]
    weights = Weights(network, dtype, slots, Changes(alone=True))
    weights.set(kept or [layer.initializer(name)(wanted[name], dtype, generator=generator) for name in names])
    layer.attach(weights, *ends)
    if layer.in_model:  # which is not built, and whose shapes may become others
        layer.join(layer.name)


def _check_fit(layer: Any, shape: tuple[int, ...], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse samples that need weights of other shapes than those of the layer."""
    for slot in () if layer._weights is None else layer._weights.slots:
        if slot.shape != wanted[slot.name]:
            built = "" if layer.input_shape is None else f", for samples of shape {layer.input_shape}"
            raise ValueError(
                f"samples of shape {shape} need a {slot.name} of shape {wanted[slot.name]}; layer {layer.name!r} has one of "
                f"shape {slot.shape}{built}"
            )


def network_of(layer: Any, shape: tuple[int, ...], dtype: str, generator: "Generator") -> tuple[Network, list[str]]:
    """Return a network of one layer, and the names of its weights in their order there."""
    described = list(layer.descriptions(shape))
    network = NETWORKS[dtype](math.prod(shape), [seeded(one, generator) for _, one in described])
    return network, [name for own, _ in described for name in own]


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
