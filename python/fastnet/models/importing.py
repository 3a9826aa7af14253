"""Models built from files of other programs."""

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import DTypeLike

from fastnet.interchange.keras.files import read_keras_model
from fastnet.interchange.parts import Inner, Parts
from fastnet.layers import Input, Layer
from fastnet.models.sequential import Sequential

__all__ = ["from_onnx", "from_state_dict", "load_keras_model"]


def model_of(parts: Parts) -> Sequential:
    """Return the model made of the parts; it is not compiled."""
    layers = [_layer_or_model(part, parts.dtype) for part in parts.layers]
    model = Sequential([Input(parts.input_shape), *layers], dtype=parts.dtype, name=parts.name)
    model._trainable = parts.trainable  # the layers have their own
    model.class_names, model.feature_names = parts.class_names, parts.feature_names
    return model


def _layer_or_model(part: Layer | Inner, dtype: DTypeLike) -> Layer | Sequential:
    """Return a layer, or the model for one among the layers."""
    if not isinstance(part, Inner):
        return part
    model = Sequential([_layer_or_model(one, dtype) for one in part.layers], dtype=dtype, name=part.name)
    model._trainable = part.trainable  # the layers have their own
    return model


def from_onnx(path: Any, channels: str | None = None) -> Sequential:
    """Return the model in an ONNX file whose operators have an equivalent in fastnet.

    Files of `Sequential.to_onnx`, of PyTorch (both exporters), of Keras, of tf2onnx, of scikit-learn's multi-layer
    perceptrons through skl2onnx, with the scalers before them, and equivalent files of other programs. Layers are
    recognized by what they compute, not by how they are written. An addition of two paths through the graph becomes a
    `Residual`, with a shortcut where neither path is computed from the other.

    Parameters
    ----------
    path : str or os.PathLike, bytes, or onnx.ModelProto
        The ONNX file, what is in it, or a model of the onnx package. Values in separate files, as PyTorch writes large
        ones, are read only from the folder of the file. Nothing in it is executed.
    channels : {"first", "last"}, optional
        Where the images or sequences that the model takes have their channels, and those that it gives. By default
        where they are in the file: first in files of PyTorch, last in those of Keras. Layers of fastnet take them last,
        so a model that takes them first begins with a `Permute`.

    Returns
    -------
    Sequential
        A built model that is not compiled and predicts what the graph computes, in float64 if its weights are float64,
        else in float32, also where the file has float16. It has the class names and feature names of the file.

    Raises
    ------
    ImportError
        onnx is not installed.
    OSError
        The file cannot be read.
    ValueError
        It is not an ONNX file, it is damaged, or its sizes do not fit one another. Or `channels` is given, and it takes
        neither images nor sequences.
    NotImplementedError
        fastnet has no equivalent of an operator; the message names the first one and its node.

    Notes
    -----
    An ONNX file contains only what prediction needs, without dropout, regularizers and the training configuration. The
    two outputs of a binary classifier of scikit-learn, 1 - p and p of a sigmoid, become a softmax of two.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(8, "gelu", input_shape=(4,)), fn.Dense(3, "softmax")], seed=0)
    >>> model.to_onnx("model.onnx")
    >>> again = fn.from_onnx("model.onnx")
    >>> again.layers
    [<Dense 'dense': (4,) -> (8,)>, <Dense 'dense_1': (8,) -> (3,)>]
    >>> x = np.ones((1, 4))
    >>> bool(np.allclose(again.predict(x), model.predict(x)))
    True
    """
    from fastnet.interchange.onnx_import.model import read_onnx, refusing

    parts = read_onnx(path, channels)
    with refusing(path):
        return model_of(parts)


def from_state_dict(
    state: Mapping[str, Any] | str | os.PathLike[str],
    activation: Any = "modules",
    *,
    output_activation: Any = None,
    epsilon: float = 1e-5,
    dtype: DTypeLike | None = None,
    code: str | None = None,
    input_shape: Sequence[int] | None = None,
) -> Sequential:
    """Return a model with the weights of a PyTorch network that is a sequence of modules.

    A state dict contains only tensors. What lies between them is told by the network itself, by its code, or, of `Linear`
    layers, by the activations. PyTorch is not needed.

    Parameters
    ----------
    state : torch.nn.Sequential, dict from str to array_like, or path
        A network; or what its ``state_dict()`` returned, of torch tensors or NumPy arrays; or the path of a safetensors
        file of that. A network, `code`, and a file of `save_state_dict` tell every module and its arguments.
        With `activation`, modules whose names differ only in their numbers (``0``, ``2``; ``net.0``, ``net.2``; ``fc1``,
        ``fc2``) are ordered by these numbers. Others are taken in the order of the dictionary; a file has no such order.
    activation : str, function of `fastnet.functional`, activation layer or None, or a list of them
        Of a state dict without `code`: the activation after every `Linear` layer but the last, one for all, or a list with
        one for each. Names are those that `Dense` accepts, with PyTorch's parameters: "leaky_relu" has a slope of 0.01.
        "prelu" stands for a `PReLU` module, whose slopes are in `state`. None is no activation. The default, "modules",
        says that the modules are known.
    output_activation : as one of `activation`, optional
        The activation after the last `Linear` layer, such as "softmax".
    epsilon : float, default 1e-5
        The `eps` of the normalization layers, which a state dict does not have. The default is PyTorch's.
    dtype : {"float32", "float64", "mixed_bfloat16"}, optional
        The dtype of the model; by default "float64" if every tensor is float64, else "float32".
    code : str, optional
        The code of the ``torch.nn.Sequential`` that the state dict belongs to, ``"nn.Sequential(nn.Linear(4, 2))"``, as
        `fastnet.interchange.state_dict.torch_code` returns it. It is read and not executed, and so the classes that it may
        define in front are those that `torch_code` writes.
    input_shape : tuple of int, optional
        The shape of one sample, as fastnet takes it: channels last. Networks of images need it.

    Returns
    -------
    Sequential
        A built model that is not compiled. It takes images and sequences with channels last: ``numpy.moveaxis(x, 1, -1)``
        makes them of PyTorch's.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    NotImplementedError
        fastnet has no layer for a module or one of its arguments; the message names the module.
    TypeError
        `state` is neither a dictionary nor a path, or a tensor does not hold floating-point numbers.
    ValueError
        A tensor is not recognized, the shapes do not fit one another, the number of activations differs from that of
        the hidden layers, or the place of an activation is ambiguous; the message names the tensor.

    Notes
    -----
    The modules that are read are `Linear`, `Conv1d`, `Conv2d`, `ConvTranspose1d`, `ConvTranspose2d`, `BatchNorm1d`,
    `BatchNorm2d`, `LayerNorm` of rows, `PReLU`, poolings, zero padding, `Upsample`, `Dropout`, `Flatten`, `Unflatten`,
    `Identity`, the activations that fastnet has, and `Sequential` of these. The weights of a `Linear` behind a `Flatten` are
    reordered. Padding that is not ``padding="same"`` becomes a `ZeroPadding2D`. In front of a `MaxPool2d` that is possible
    only where no value is negative, as behind a ReLU.

    With `activation`, the modules are `Linear` (with or without bias), `BatchNorm1d`, `LayerNorm` and `PReLU`. A `weight` of two
    dimensions belongs to a `Linear`, `running_mean` and `running_var` to a `BatchNorm1d`, and `weight` and `bias` of
    one dimension to a `LayerNorm`. Between two `Linear` layers with a normalization, the activation is at the number
    that the modules leave out: at 1 in ``0, 2, 3``, at 2 in ``0, 1, 3``. Modules without tensors, such as
    ``LayerNorm(elementwise_affine=False)``, cannot be seen. The `BatchNormalization` has a momentum of 0.9, which is
    PyTorch's 0.1.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> state = {"0.weight": np.ones((2, 3)), "0.bias": np.zeros(2), "2.weight": np.ones((1, 2)), "2.bias": np.ones(1)}
    >>> model = fn.from_state_dict(state, "relu")
    >>> model.predict([[1.0, 2.0, 3.0]])
    array([[13.]])

    >>> code = "nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3, bias=False))"
    >>> state = {"0.weight": np.ones((2, 1, 3, 3)), "3.weight": np.ones((3, 8))}
    >>> fn.from_state_dict(state, code=code, input_shape=(4, 4, 1)).layers
    [<Conv2D 'conv2d': (4, 4, 1) -> (2, 2, 2)>, <Flatten 'flatten': (2, 2, 2) -> (8,)>, <Dense 'dense': (8,) -> (3,)>]
    """
    from fastnet.interchange.state_dict import naming, read_state_dict

    parts = read_state_dict(state, activation, output_activation, epsilon, dtype, code, input_shape)
    with naming(state):
        return model_of(parts)


def load_keras_model(
    path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None, compile: bool = True
) -> Sequential:
    """Return the model in a Keras file: ``.keras``, or ``.h5`` with a whole model.

    Parameters
    ----------
    path : str or os.PathLike
    custom_objects : dict, optional
        The Python functions, by name, that the model was compiled with as loss or metrics.
    compile : bool, default True
        Whether to compile the model if it was compiled. If fastnet lacks part of the configuration, a `UserWarning`
        says so, and the model is not compiled. The optimizer state is reset.

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        The file is damaged, or its model is not a `Sequential` of layers that fastnet has; the message names the layer.
    """
    from fastnet.interchange.keras.configs import compile_arguments

    parts = read_keras_model(path)
    model = model_of(parts)
    if compile and parts.compilation:  # may be {} if the model was not compiled
        try:
            model.compile(**compile_arguments(parts.compilation, custom_objects or {}))
        except (AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
            warnings.warn(
                f"{os.fspath(path)}: the model is not compiled as in Keras: {error}", UserWarning, stacklevel=3
            )
    return model
