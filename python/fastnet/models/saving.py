"""Saving of models and weights, and loading of weights into a model."""

import os
import secrets
from typing import Any

from numpy.typing import NDArray

from fastnet.files import safetensors
from fastnet.files.atomic import check_overwrite
from fastnet.files.errors import refusing
from fastnet.files.names import EXPORTS, check_model_name, check_weights_name, format_of, is_keras_weights_name
from fastnet.interchange.keras.files import load_keras_weights
from fastnet.interchange.keras.recognition import is_keras_file
from fastnet.layers.weights import sha256_of
from fastnet.models.model_file import checked_metadata, file_metadata, metadata_of_trained
from fastnet.network.layered import Layered, tensor_names
from fastnet.training.trainer import Trainer


def save_model(model: Trainer, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write a model to one safetensors file: architecture, weights, compile configuration, class and feature names.

    The file is complete or absent: an earlier file at `path` stays until the new one is on the disk. Identical models
    give identical files.

    Parameters
    ----------
    model : Sequential
        A built model.
    path : str or os.PathLike
        The file to write, conventionally ``*.safetensors``. For ``*.onnx`` and ``*.c``, `Sequential.to_onnx` and
        `Sequential.to_c` write a file for prediction only; for ``*.keras``,
        `fastnet.interchange.keras.export.export_keras` writes one for Keras 3. The names of other formats, such as
        ``*.h5``, are refused.
    overwrite : bool, default True
        Whether an existing file may be replaced.

    Raises
    ------
    ValueError
        If the model is not built, its class or feature names are not lists of strings, or `path` is the name of another
        format.
    FileExistsError
        If `path` exists and `overwrite` is False.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(2, input_shape=(3,))], seed=0)
    >>> model.save("model.safetensors")
    >>> from safetensors.numpy import load_file
    >>> {name: array.shape for name, array in sorted(load_file("model.safetensors").items())}
    {'layers.0.dense.bias': (2,), 'layers.0.dense.kernel': (3, 2)}
    """
    check_model_name(path)
    if format_of(path) in EXPORTS:
        check_overwrite(path, overwrite)
        _export(model, path)
        return
    hash_of_weights = secrets.token_hex(32)  # a placeholder until the hash is known
    with model._structure:
        arrays, metadata = _arrays(model, path, overwrite), metadata_of_trained(model, hash_of_weights)
    late = {hash_of_weights: lambda: sha256_of(arrays.values())}
    safetensors.write(path, arrays, metadata, late)


def save_weights(model: Layered, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write the weights of a model to a safetensors file, without its architecture.

    Parameters
    ----------
    model : Sequential
        A built model.
    path : str or os.PathLike
        The file to write, conventionally ``*.safetensors``; for ``*.weights.h5``, a file of Keras 3, which needs h5py. The
        names of other formats are refused.
    overwrite : bool, default True
        Whether an existing file may be replaced.

    Raises
    ------
    ValueError, FileExistsError, OSError
        As `save_model`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(2, input_shape=(3,))], seed=0)
    >>> model.save_weights("weights.safetensors")
    >>> model.load_weights("weights.safetensors")
    """
    check_weights_name(path)
    if is_keras_weights_name(path):
        from fastnet.interchange.keras.export import export_keras_weights

        check_overwrite(path, overwrite)
        export_keras_weights(model, path)
        return
    with model._structure:
        arrays = _arrays(model, path, overwrite)
    safetensors.write(path, arrays, file_metadata())


def load_weights(model: Layered, path: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
    """Read weights from a file of `save_weights` or `save_model` into a model of the same architecture.

    Parameters
    ----------
    model : Sequential
        A built model.
    path : str or os.PathLike
        The file, also a Keras file: ``.weights.h5``, ``.keras`` or ``.h5``.
    skip_mismatch : bool, default False
        Whether to leave weights unchanged that the file lacks or has in another shape; otherwise that is an error, and
        no weight changes.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the model is not built, the file is not a fastnet or Keras file, or its weights do not fit.
    """
    if not model.built:
        raise ValueError("the model has no weights to load into: build it first")
    with refusing(path):
        if is_keras_file(path):
            load_keras_weights(model, path, skip_mismatch)
            return
    with refusing(path), safetensors.opened(path) as file:
        checked_metadata(file.metadata)
        fitting = {}
        for index, (name, slot) in enumerate(zip(tensor_names(model), model._weights.slots, strict=True)):
            shape = file.tensors[name].shape if name in file.tensors else None
            if shape == slot.shape:
                fitting[index] = name
            elif not skip_mismatch:
                found = "is missing" if shape is None else f"has shape {shape}"
                raise ValueError(f"tensor {name!r} must have shape {slot.shape}; it {found}")
        arrays = file.read()
    model._weights.chosen(fitting).set([arrays[name] for name in fitting.values()])


def _export(model: Trainer, path: str | os.PathLike[str]) -> None:
    """Export the model in the format of a file name."""
    if format_of(path) == "ONNX":
        from fastnet.interchange.onnx_export.file import export_onnx

        export_onnx(model, path)
    elif format_of(path) == "Keras":
        from fastnet.interchange.keras.export import export_keras

        export_keras(model, path)
    else:
        from fastnet.interchange.c.source import export_c

        export_c(model, path)


def _arrays(model: Layered, path: str | os.PathLike[str], overwrite: bool) -> dict[str, NDArray[Any]]:
    """Return the weights of a model by name, after checking that they may be written to this path."""
    check_overwrite(path, overwrite)
    if not model.built:
        raise ValueError("the model has no weights to save: build it, or fit it first")
    return dict(zip(tensor_names(model), model._weights.snapshot(), strict=True))
