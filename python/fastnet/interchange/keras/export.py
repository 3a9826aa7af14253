"""Files that Keras 3 opens: whole models (``.keras``) and weights (``.weights.h5``)."""

import io
import json
import os
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet._core import __version__
from fastnet.files.atomic import atomic_write
from fastnet.interchange.keras.architecture import compile_config_of, config_of, has_one_moment
from fastnet.interchange.keras.files import WEIGHTS, names_of
from fastnet.interchange.keras.leaves import leaves_of
from fastnet.interchange.parts import NAME_LISTS
from fastnet.network.layered import Layered
from fastnet.training.trainer import Trainer

__all__ = ["export_keras", "export_keras_weights"]

_KERAS_VERSION = "3.10.0"  # whose format it is; later ones read it
_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive can have: equal models give equal files


def export_keras(model: Trainer, path: str | os.PathLike[str]) -> None:
    """Write a model as a ``.keras`` file, which ``keras.saving.load_model`` of Keras 3 opens.

    A model with a `Residual` becomes a functional model with layers ``Add``, any other a ``Sequential``. `fastnet.load_model`
    returns the model that was written, with its class and feature names, which Keras does not read.

    Parameters
    ----------
    model : Sequential
        A built model.
    path : str or os.PathLike
        The file to write, conventionally ``*.keras``. It is complete or absent.

    Raises
    ------
    ImportError
        h5py is not installed: ``pip install "fastnet-nn[keras]"``.
    ValueError
        The model is not built.
    NotImplementedError
        Keras has no counterpart of a layer or an activation; the message names it.
    OSError
        The file cannot be written.

    Warns
    -----
    UserWarning
        Keras has no counterpart of the optimizer, the loss or a metric. The file has a model that is not compiled.

    Notes
    -----
    The state of the optimizer is not in the file, and Keras warns of that when it loads a model that was compiled.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Conv2D(4, 3, input_shape=(8, 8, 1)), fn.Flatten(), fn.Dense(2)], seed=0)
    >>> model.save("model.keras")
    >>> x = np.ones((1, 8, 8, 1))
    >>> bool((fn.load_model("model.keras").predict(x) == model.predict(x)).all())
    True
    """
    model._require_built("save")
    with model._structure:
        config, file = config_of(model), _weights_file(model)
        names = {key: getattr(model, key) for key in NAME_LISTS if getattr(model, key) is not None}
        try:
            compilation = compile_config_of(model)
        except NotImplementedError as error:
            text = f"{os.fspath(path)}: the model is not compiled in the file: {error}"
            warnings.warn(text, UserWarning, stacklevel=5)  # at the line that calls `Sequential.save`
            compilation = None
    config |= {} if compilation is None else {"compile_config": compilation}
    metadata = {"keras_version": _KERAS_VERSION, "fastnet_version": __version__, **names}
    members = {"metadata.json": _text(metadata), "config.json": _text(config), WEIGHTS: file}
    with atomic_write(path) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), content)


def export_keras_weights(model: Layered, path: str | os.PathLike[str]) -> None:
    """Write the weights of a model as a ``.weights.h5`` file, which a model of Keras 3 with the same layers loads.

    Parameters
    ----------
    model : Sequential
        A built model.
    path : str or os.PathLike
        The file to write, conventionally ``*.weights.h5``.

    Raises
    ------
    ImportError, ValueError, OSError
        As `export_keras`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(2, input_shape=(3,))], seed=0)
    >>> model.save_weights("model.weights.h5")
    >>> model.load_weights("model.weights.h5")
    """
    with model._structure:
        if not model.built:
            raise ValueError("the model has no weights to save: build it, or fit it first")
        file = _weights_file(model)
    with atomic_write(path) as stream:
        stream.write(file)


def _text(entries: Mapping[str, Any]) -> bytes:
    return json.dumps(entries).encode()


def _weights_file(model: Layered) -> bytes:
    """Return an HDF5 file of the weights as Keras 3 has them."""
    try:
        import h5py
    except ImportError:
        raise ImportError('files of Keras are written with h5py: pip install "fastnet-nn[keras]"') from None

    assert model.input_shape is not None
    leaves = leaves_of(model._leaves(), model.input_shape)
    arrays = iter(model._weights.snapshot())
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, leaf in zip(names_of(leaves), leaves, strict=True):
            group = file.create_group(f"layers/{name}/vars")
            group.attrs["name"] = leaf.layer.name
            own = [next(arrays) for _ in leaf.shapes]
            for number, array in enumerate(_variables(leaf.layer, own)):
                group[str(number)] = array
    return buffer.getvalue()


def _variables(layer: layers.Layer, own: list[NDArray[Any]]) -> Iterable[NDArray[Any]]:
    """Return the weights of a layer as the variables of Keras's."""
    if not isinstance(layer, layers.Normalization):
        return own
    own = [array.reshape(-1)[0] for array in own] if has_one_moment(layer) else own
    return [*own, np.zeros((), np.int32)]  # Keras counts samples
