"""What the numerical tests share: arrays in every memory layout, and one model as fastnet and as the reference."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastnet as fn
import reference
from fastnet.functional.activations import table

DTYPES = [np.float32, np.float64]
POLICIES = ["float32", "float64", "mixed_bfloat16"]
THREADS = [1, 2, 3, 4, 8, 16]  # more than the machine has is fine in `teams_of_any_size`
Description = Mapping[str, Any]


def _strided(values: NDArray[Any]) -> NDArray[Any]:
    parent = np.full([3 * n + 1 for n in values.shape], np.nan, values.dtype)
    view = parent[tuple(slice(1, 3 * n + 1, 3) for n in values.shape)]
    view[...] = values
    return view


def _reversed(values: NDArray[Any]) -> NDArray[Any]:
    backward = (slice(None, None, -1),) * values.ndim
    return np.ascontiguousarray(values[backward])[backward]


def _padded_rows(values: NDArray[Any]) -> NDArray[Any]:
    parent = np.full((*values.shape[:-1], values.shape[-1] + 5), np.nan, values.dtype)
    parent[..., : values.shape[-1]] = values
    return parent[..., : values.shape[-1]]


def _unaligned(values: NDArray[Any]) -> NDArray[Any]:
    buffer = np.zeros(values.nbytes + 1, np.uint8)
    view = np.frombuffer(buffer.data, values.dtype, values.size, offset=1).reshape(values.shape)
    view[...] = values
    return view


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    copy = values.copy()
    copy.flags.writeable = False
    return copy


# Views that hold the same values as their argument; the gaps of a parent array hold NaN, so that reading one shows.
LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": _strided,
    "reversed": _reversed,
    "padded rows": _padded_rows,
    "unaligned": _unaligned,
    "read-only": _read_only,
}


def broadcast(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return a view of the same shape that repeats the first slice along `axis` with a stride of 0 bytes."""
    return np.broadcast_to(values.take(range(min(1, values.shape[axis])), axis), values.shape)


def dense(units: int, activation: str = "linear", *, use_bias: bool = True, alpha: float = 0.2) -> Description:
    return {"type": "dense", "units": units, "use_bias": use_bias, "activation": activation, "alpha": alpha}


def activation(name: str, alpha: float = 0.2) -> Description:
    return {"type": "activation", "activation": name, "alpha": alpha}


def rescaling(scale: float, offset: float = 0.0) -> Description:
    return {"type": "rescaling", "scale": scale, "offset": offset}


def sequential(
    descriptions: Sequence[Description], input_size: int, *, dtype: Any = np.float64, seed: int = 0
) -> fn.Sequential:
    """Build the model that the descriptions name, not compiled."""
    layers: list[Any] = [fn.layers.Input(shape=(input_size,))]
    for description in descriptions:
        match description["type"]:
            case "dense":
                layers.append(
                    fn.layers.Dense(
                        description["units"], activation=description["activation"], use_bias=description["use_bias"]
                    )
                )
            case "activation":
                layers.append(fn.layers.Activation(description["activation"]))
            case "rescaling":
                layers.append(fn.layers.Rescaling(description["scale"], description["offset"]))
    return fn.Sequential(layers, dtype=dtype, seed=seed)


def reference_of(model: fn.Sequential, descriptions: Sequence[Description], loss: str) -> reference.Network:
    """Build the reference network with the weights that the model has now."""
    return reference.Network(reference.layers_from(descriptions, model.get_weights()), loss)


def random_weights(model: fn.Sequential, seed: int = 0, scale: float = 1.0) -> None:
    """Draw all weights of a model, biases too, from a normal distribution of deviation `scale` / sqrt(inputs)."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(scale=scale / np.sqrt(w.shape[0]), size=w.shape) for w in model.get_weights()])


def relative_error(result: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the largest difference relative to the largest entry of what is expected."""
    return float(np.abs(result - expected).max() / np.abs(expected).max())


def takes_input(activation: str) -> bool:
    """Whether the backward pass of an activation takes its input, not its output."""
    function = table.ACTIVATIONS[activation].function
    return "x" in inspect.signature(getattr(fn.functional, f"{function.__name__}_backward")).parameters
