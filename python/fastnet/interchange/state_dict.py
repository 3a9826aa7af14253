"""Weights of PyTorch: state dicts of ``torch.nn.Sequential``, read and written without PyTorch."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet import layers
from fastnet.files import safetensors
from fastnet.files.errors import refusing
from fastnet.files.names import check_tensors_name
from fastnet.interchange.parts import Parts
from fastnet.interchange.torch.calls import calls_in_code, calls_in_network
from fastnet.interchange.torch.classes import CLASSES
from fastnet.interchange.torch.module import named_arrays
from fastnet.interchange.torch.modules import code_of, modules_of, torch_code
from fastnet.interchange.torch.network import network_parts
from fastnet.interchange.torch.tensors import Module, in_order, modules_in, read_tensors
from fastnet.layers.activation import activation_of
from fastnet.layers.base import Shape
from fastnet.layers.functions import ActivationFunction, with_parameter
from fastnet.support.validation import check_number, check_shape, describe
from fastnet.training.trainer import Trainer

__all__ = ["BY_MODULES", "save_state_dict", "to_state_dict", "torch_code"]

BY_MODULES = "modules"  # the activation where the modules say which there are


def read_state_dict(
    state: Mapping[str, Any] | str | os.PathLike[str],
    activation: Any,
    output_activation: Any,
    epsilon: float,
    dtype: DTypeLike | None,
    code: str | None,
    input_shape: Sequence[int] | None,
) -> Parts:
    """Return the parts of the model of a PyTorch network's weights: see `fastnet.from_state_dict`."""
    if _named(activation) == BY_MODULES:
        shape = None if input_shape is None else check_shape("input_shape", input_shape)
        return _parts_of_modules(state, code, shape, dtype)
    if code is not None or input_shape is not None:
        raise ValueError("give activation, or code and input_shape, which say where activations are; got both")
    epsilon = check_number("epsilon", epsilon, minimum=0.0)
    given = [*activation] if isinstance(activation, list | tuple) else [activation]
    prelus = "prelu" in map(_named, [*given, output_activation])
    with naming(state):
        tensors = read_tensors(state)
        if CLASSES["Residual"] in (_code_in(state) or ""):
            raise ValueError("its modules are not all in a row, as its code tells: leave activation out")
        modules = in_order(modules_in(tensors, prelus), listed=isinstance(state, Mapping))
        if not any(module.kind == "linear" for module in modules):
            raise ValueError(
                f"state has no weight of a Linear layer, a tensor of two dimensions; got {len(modules)} modules"
            )
    hidden = [module for module in modules if module.kind == "linear"][:-1]
    if not isinstance(activation, list | tuple):
        given *= len(hidden)
    elif len(given) != len(hidden):
        raise ValueError(f"activation must have an entry for each of {len(hidden)} hidden layers; got {len(given)}")
    functions = [_function(one) for one in [*given, output_activation]]
    with naming(state):
        return _parts(modules, functions, epsilon, dtype)


def _parts_of_modules(state: Any, code: str | None, input_shape: Shape | None, dtype: DTypeLike | None) -> Parts:
    """Return the parts of the model of modules that are known with their arguments."""
    if hasattr(state, "named_children") and hasattr(state, "state_dict"):
        if code is not None:
            raise ValueError("give code for a state dict; a network has its modules")
        calls, tensors = [*calls_in_network(state)], read_tensors(state.state_dict())
        return network_parts(calls, tensors, input_shape, dtype)
    with naming(state):
        tensors = read_tensors(state)
        code = _code_in(state) if code is None else code
        if code is None:
            raise ValueError(
                "it has tensors alone: give activation, or code, which is that of the torch.nn.Sequential, or the network "
                "itself as state"
            )
        if not isinstance(code, str):
            raise TypeError(f"code must be a string; got {describe(code)}")
        return network_parts(calls_in_code(code), tensors, input_shape, dtype)


def _code_in(state: Any) -> str | None:
    """Return the code of the network that a file of `save_state_dict` has."""
    if not isinstance(state, str | os.PathLike):
        return None
    with safetensors.opened(state) as file:
        return file.metadata.get("torch_code")


def naming(state: Any) -> AbstractContextManager[None]:
    """Let errors about the tensors of a file name it."""
    return refusing(state) if isinstance(state, str | os.PathLike) else nullcontext()


def to_state_dict(model: Trainer) -> dict[str, NDArray[Any]]:
    """Return the weights of a model by the names and in the layout of a ``torch.nn.Sequential``.

    Parameters
    ----------
    model : Sequential
        A built model.

    Returns
    -------
    dict from str to ndarray
        New contiguous arrays. `torch_code` prints the `Sequential` that they belong to: a `Dense` layer is a `Linear`, whose
        weight has shape (units, inputs), and a module for its activation, so that ``"0.weight"`` may be followed by
        ``"2.weight"``. Where a layer takes images or sequences, the network takes them as PyTorch has them, channels first,
        as ``numpy.moveaxis(x, -1, 1)`` makes them, and the `Linear` behind a `Flatten` has its inputs in that order.

    Raises
    ------
    ValueError
        The model is not built.
    NotImplementedError
        PyTorch has no module for an activation, such as "exponential", or none that does the same as a layer, such as means
        of ``padding="same"`` whose windows of even size move by 1.

    Notes
    -----
    The modules predict what the model predicts, once ``eval()`` is called. `Rescaling` goes into the weights of the `Dense`
    layer or the convolution behind it; elsewhere it becomes a `BatchNorm1d` or `BatchNorm2d` whose moments stay as they are,
    as `Normalization` does. `GaussianNoise` becomes an `Identity`. A `Residual` has its weights under ``body`` and ``shortcut``:
    ``"3.body.0.weight"``.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(64, "relu", input_shape=(784,)), fn.Dense(10)])
    >>> {name: array.shape for name, array in model.to_state_dict().items()}
    {'0.weight': (64, 784), '0.bias': (64,), '2.weight': (10, 64), '2.bias': (10,)}

    In PyTorch::

        net.load_state_dict({name: torch.from_numpy(array) for name, array in model.to_state_dict().items()})
    """
    return dict(named_arrays(modules_of(model)))


def save_state_dict(model: Trainer, path: str | os.PathLike[str]) -> None:
    """Write what `to_state_dict` returns to a safetensors file, which PyTorch loads as it is.

    Parameters
    ----------
    model : Sequential
        A built model.
    path : str or os.PathLike
        The file to write. It is complete or absent.

    Raises
    ------
    ValueError, NotImplementedError
        As `to_state_dict`.
    OSError
        The file cannot be written.

    Notes
    -----
    The entry ``torch_code`` of the file's metadata is the code of the matching ``torch.nn.Sequential``. In PyTorch::

        net.load_state_dict(safetensors.torch.load_file(path))

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.interchange.state_dict import save_state_dict
    >>> model = fn.Sequential([fn.Dense(2, input_shape=(3,))], seed=0)
    >>> save_state_dict(model, "state.safetensors")
    >>> again = fn.from_state_dict("state.safetensors", None)
    >>> bool((again.predict([[1.0, 2.0, 3.0]]) == model.predict([[1.0, 2.0, 3.0]])).all())
    True
    """
    check_tensors_name(path, "save_state_dict")
    modules = modules_of(model)
    safetensors.write(path, dict(named_arrays(modules)), {"torch_code": code_of(modules, model.dtype)})


# ---- Modules as layers ----------------------------------------------------------------------------------------------

_Part = tuple[layers.Layer, list[NDArray[Any]]]  # a layer and its weights
_PRELU = "prelu"


def _named(activation: Any) -> str | None:
    return activation if isinstance(activation, str) else None


def _function(activation: Any) -> ActivationFunction | str:
    """Return an activation with PyTorch's parameters; "prelu" stands for itself, a module with weights."""
    if _named(activation) == _PRELU:
        return _PRELU
    return with_parameter("leaky_relu", 0.01) if _named(activation) == "leaky_relu" else activation_of(activation)


def _parts(
    modules: list[Module], functions: list[ActivationFunction | str], epsilon: float, dtype: DTypeLike | None
) -> Parts:
    """Return the layers of modules in their order, with an activation behind each `Linear`."""
    starts = [index for index, module in enumerate(modules) if module.kind == "linear"]
    stops = [*starts[1:], len(modules)]
    parts = [_layer(module, epsilon) for module in _without_prelus(modules[: starts[0]])]
    for start, stop, function in zip(starts, stops, functions, strict=True):
        parts += _block(modules[start:stop], modules[stop : stop + 1], function, epsilon)
    if dtype is None:
        exact = all(array.dtype.itemsize >= 8 for module in modules for array in module.arrays.values())
        dtype = "float64" if exact else "float32"
    inputs = shape = modules[0].row.shape[-1:]
    for layer, arrays in parts:
        needed = layer.weight_shapes(shape).values()
        # The slope of a PReLU may be one for all values.
        layer.keep_weights([np.broadcast_to(array, own) for array, own in zip(arrays, needed, strict=True)])
        shape = layer.compute_output_shape(shape)
    return Parts(inputs, [layer for layer, _ in parts], dtype)


def _block(
    modules: list[Module], following: list[Module], function: ActivationFunction | str, epsilon: float
) -> Iterator[_Part]:
    """Yield the layers of a `Linear` and the modules up to the next one, with the activation among them."""
    linear, *others = modules
    fused = None  # what the `Dense` layer computes itself
    if function == _PRELU:
        if [module.kind for module in others].count(_PRELU) != 1:
            raise ValueError(f"activation is 'prelu', but behind {linear.tensor('weight')!r} there is not one PReLU")
        place = None
    else:
        others = _without_prelus(others)
        place = _place(linear, others, following) if function != ActivationFunction("linear") else None
        fused = function if place == 0 else None
    weight, *bias = linear.arrays["weight"], *([linear.arrays["bias"]] if "bias" in linear.arrays else [])
    yield layers.Dense(len(weight), fused, use_bias=bool(bias)), [weight.T, *bias]
    for number, module in enumerate(others, start=1):
        yield _layer(module, epsilon)
        if number == place:
            yield layers.Activation(function), []


def _place(linear: Module, others: list[Module], following: list[Module]) -> int:
    """Return behind how many of the `others` the activation stands, by the numbers that are left out."""
    if not others:
        return 0
    chain = [linear, *others, *following]
    gaps = [index for index in range(len(chain) - 1) if _apart(chain[index], chain[index + 1])]
    gaps += [] if following else [len(others)]
    if len({module.template for module in chain}) == 1 and len(gaps) == 1:
        return gaps[0]
    raise ValueError(
        f"the place of the activation behind {linear.tensor('weight')!r} cannot be told: name the modules by numbers as in "
        "a torch.nn.Sequential that has no others without tensors, such as 0, 1, 3 for an activation at 2"
    )


def _apart(first: Module, second: Module) -> bool:
    """Whether there is room for a module between two, by their numbers."""
    *outer, number = first.numbers or (0,)
    return second.numbers != (*outer, number + 1)


def _layer(module: Module, epsilon: float) -> _Part:
    """Return the layer of a module other than `Linear`."""
    arrays = module.arrays
    affine = [arrays["weight"], arrays["bias"]] if "bias" in arrays else []
    if module.kind == _PRELU:
        return layers.PReLU(), [arrays["weight"]]
    if module.kind == "layer_norm":
        return layers.LayerNormalization(epsilon=epsilon), affine
    layer = layers.BatchNormalization(momentum=0.9, epsilon=epsilon, center=bool(affine), scale=bool(affine))
    return layer, [*affine, arrays["running_mean"], arrays["running_var"]]


def _without_prelus(modules: list[Module]) -> list[Module]:
    """Return the modules; an error where there is a PReLU that no activation tells of."""
    for module in modules:
        if module.kind == _PRELU:
            raise ValueError(
                f"tensor {module.tensor('weight')!r} has slopes of a PReLU where activation is not 'prelu'"
            )
    return modules
