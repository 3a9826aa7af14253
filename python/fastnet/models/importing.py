"""Models out of what readers of other programs' files find."""

import os
import warnings
from collections.abc import Mapping
from typing import Any

from numpy.typing import DTypeLike

from fastnet.interchange.keras_files import read_keras_model
from fastnet.interchange.parts import Parts
from fastnet.layers import Input
from fastnet.models.sequential import Sequential

__all__ = ["from_onnx", "from_state_dict", "load_keras_model"]


def model_of(parts: Parts) -> Sequential:
    """Return the model that the parts make; it is not compiled."""
    model = Sequential([Input(parts.input_shape), *parts.layers], dtype=parts.dtype, name=parts.name)
    model._trainable = parts.trainable  # the layers have their own
    model.class_names, model.feature_names = parts.class_names, parts.feature_names
    return model


def from_onnx(path: str | os.PathLike[str]) -> Sequential:
    """Return the model in an ONNX file, if it is made of what fastnet has.

    Files of `Sequential.to_onnx`, of PyTorch (both exporters), of scikit-learn's multi-layer perceptrons through
    skl2onnx, with the scalers before them, and of others who write down the same things. Layers are recognized by what
    they compute, however they are written. An addition of two ways through the graph becomes a `Residual`.

    Parameters
    ----------
    path : str or os.PathLike
        The ONNX file. Values that are in a file of their own, as PyTorch writes large ones, are read from the same
        folder, and from nowhere else. Nothing in the file is executed.

    Returns
    -------
    Sequential
        A built model that is not compiled and predicts what the graph computes, in float64 where its weights are that,
        else in float32. It has the names of classes and features that the file has.

    Raises
    ------
    ImportError
        onnx is not installed.
    OSError
        The file cannot be read.
    ValueError
        It is no ONNX file or is damaged, or its sizes do not fit one another.
    NotImplementedError
        fastnet has no equal for an operator; the message names the first one and its node.

    Notes
    -----
    Only what prediction needs is in an ONNX file: dropout, regularizers and the training configuration are not. The two
    outputs of a binary classifier of scikit-learn, 1 - p and p of a sigmoid, become a softmax of two.

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
    from fastnet.interchange.onnx_import import read_onnx, refusing

    parts = read_onnx(path)
    with refusing(path):
        return model_of(parts)


def from_state_dict(
    state: Mapping[str, Any] | str | os.PathLike[str],
    activation: Any,
    *,
    output_activation: Any = None,
    epsilon: float = 1e-5,
    dtype: DTypeLike | None = None,
) -> Sequential:
    """Return a model with the weights of a PyTorch network of `Linear` layers in a row.

    A state dict names tensors and says nothing about what lies between them, so the activations are arguments. PyTorch
    is not needed.

    Parameters
    ----------
    state : dict from str to array_like, or path
        What ``module.state_dict()`` returned, of torch tensors or NumPy arrays, or the path of a safetensors file of one.
        Modules whose names differ in their numbers alone (``0``, ``2``; ``net.0``, ``net.2``; ``fc1``, ``fc2``) go by
        these numbers; others are taken in the dictionary's order, which a file does not have.
    activation : str, function of `fastnet.functional`, activation layer or None, or a list of them
        What follows the `Linear` layers other than the last one: one for all, or a list with one for each. Names are
        those that `Dense` accepts, with the parameters that PyTorch gives them: "leaky_relu" has a slope of 0.01. "prelu"
        stands for a `PReLU` module, whose slopes are in `state`. None is no activation.
    output_activation : as one of `activation`, optional
        What follows the last `Linear` layer, such as "softmax".
    epsilon : float, default 1e-5
        The `eps` of the normalization layers, which a state dict does not have. The default is PyTorch's.
    dtype : {"float32", "float64", "mixed_bfloat16"}, optional
        That of the model. By default "float64" when every tensor is float64, else "float32".

    Returns
    -------
    Sequential
        A built model that is not compiled.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    TypeError
        `state` is neither a dictionary nor a path, or a tensor does not hold floating-point numbers.
    ValueError
        A tensor is not understood, the shapes do not fit one another, there are more or fewer activations than hidden
        layers, or the place of an activation cannot be told; the message names the tensor.

    Notes
    -----
    `Linear` (with or without bias), `BatchNorm1d`, `LayerNorm` and `PReLU` are understood: a `weight` of two dimensions is
    that of a `Linear`, `running_mean` and `running_var` make a `BatchNorm1d`, `weight` and `bias` of one dimension a
    `LayerNorm`. Where a normalization lies between two `Linear` layers, the activation is where the numbers of the modules
    leave one out: at 1 in ``0, 2, 3``, at 2 in ``0, 1, 3``. Modules without tensors, such as
    ``LayerNorm(elementwise_affine=False)``, cannot be seen. PyTorch's momentum of 0.1 is the 0.9 of the
    `BatchNormalization` that is made.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> state = {"0.weight": np.ones((2, 3)), "0.bias": np.zeros(2), "2.weight": np.ones((1, 2)), "2.bias": np.ones(1)}
    >>> model = fn.from_state_dict(state, "relu")
    >>> model.predict([[1.0, 2.0, 3.0]])
    array([[13.]])
    """
    from fastnet.interchange.state_dict import naming, read_state_dict

    parts = read_state_dict(state, activation, output_activation, epsilon, dtype)
    with naming(state):
        return model_of(parts)


def load_keras_model(
    path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None, compile: bool = True
) -> Sequential:
    """Return the model that a ``.keras`` file, or a whole-model ``.h5`` file, of Keras holds.

    Parameters
    ----------
    path : str or os.PathLike
    custom_objects : dict, optional
        The Python functions, by their names, that the model was compiled with as loss and metrics.
    compile : bool, default True
        Whether a model that was compiled comes back compiled. Where fastnet lacks something of the configuration, a
        `UserWarning` says what, and the model is not compiled. The optimizer starts with fresh moments.

    Returns
    -------
    Sequential

    Raises
    ------
    ValueError
        The file is damaged, or its model is not a `Sequential` of layers that fastnet has; the message names the layer.
    """
    from fastnet.interchange.keras_configs import compile_arguments

    parts = read_keras_model(path)
    model = model_of(parts)
    if compile and parts.compilation:  # of a model that was not compiled it may be {}
        try:
            model.compile(**compile_arguments(parts.compilation, custom_objects or {}))
        except (AttributeError, LookupError, NotImplementedError, TypeError, ValueError) as error:
            warnings.warn(
                f"{os.fspath(path)}: the model is not compiled as in Keras: {error}", UserWarning, stacklevel=3
            )
    return model
