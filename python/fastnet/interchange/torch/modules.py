"""A built model as the modules of a ``torch.nn.Sequential`` that predicts what it predicts."""

from fastnet import layers
from fastnet.interchange.torch.classes import with_classes
from fastnet.interchange.torch.module import TorchModule, code_lines, kinds_in
from fastnet.interchange.torch.writer import Writer, is_left_out
from fastnet.layers.base import Layer
from fastnet.layers.geometry import ImageLayer
from fastnet.training.trainer import Trainer

__all__ = ["TorchModule", "code_of", "modules_of", "torch_code"]


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
    weights = iter(model.get_weights())
    takes_images = any(map(_takes_images, model._leaves()))
    writer = Writer(takes_images, model.dtype, model.input_shape or ())
    for layer in model._leaves():
        writer.add(layer, {name: next(weights) for name in layer.weight_names})
    return writer.finish()


def _takes_images(layer: Layer) -> bool:
    """Return whether a layer, or one inside of it, has a module whose samples have their channels first."""
    if isinstance(layer, layers.Residual):
        return any(map(_takes_images, [*layer.layers, *layer.shortcut]))
    return isinstance(layer, ImageLayer) and not is_left_out(layer)


def torch_code(model: Trainer) -> str:
    """Return the Python code of the ``torch.nn.Sequential`` that loads `to_state_dict`.

    Parameters
    ----------
    model : Sequential
        A built model.

    Returns
    -------
    str
        An expression. Where ``torch.nn`` lacks a module, for a `Residual` or where the axes of images change their order,
        it is a program instead, which defines a class for it in a few lines and names the network ``network``.

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
    double = ".double()" if dtype == "float64" else ""
    network = "\n".join(["torch.nn.Sequential(", *code_lines(modules, "    "), f"){double}"])
    return with_classes(network, kinds_in(modules))
