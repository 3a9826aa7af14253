"""Model files: plain safetensors, with the architecture as JSON in their metadata.

The tensors are ``layers.<i>.<layer name>.kernel`` and ``layers.<i>.<layer name>.bias``, where ``i`` counts
`Sequential.layers` from 0. Kernels have shape (inputs, units). The metadata are strings:

=================== ================================================================
``format``          ``fastnet``
``format_version``  ``1``
``fastnet_version`` the version of the package that wrote the file
``config``          `Sequential.get_config()` as JSON
``compile``         `Sequential.get_compile_config()` as JSON; absent when not compiled
``class_names``     the class of each output, a JSON list of strings; absent when None
``feature_names``   the name of each input, a JSON list of strings; absent when None
``operations``      of quantized models only, whose files `QuantizedModel.save` writes: see `fastnet.quantization`
``checksum``        16 hexadecimal digits: the XXH64 of the file with zeros in their place
``metrics``         `Sequential.figures` as JSON; absent when there are none
``history``         the learning curves of the last `fit`, `Sequential.history`, as JSON;
                    absent before the first one
``receipt``         `Sequential.receipt` as JSON, without ``config`` and without what equal
                    training need not share, threads and times; absent before the first `fit`
=================== ================================================================

The state of the optimizer is not part of a model file: training that goes on with a loaded model starts with fresh
moments.

**Compatibility.** Every release of fastnet reads the files of every format version that was ever released, and a model
read from one predicts what it predicted when it was written, up to rounding. The format version changes when an older
release could not read a file, or would read it wrongly; it then says so. A release keeps its files in its tests.
A later release may add entries to the metadata without another format version; an earlier one passes over those that it does
not know, because what it does know has its meaning without them. A tensor that it does not know it refuses.
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fastnet import _core, _safetensors
from fastnet._file_checks import check_architecture, check_compilation, check_tensors, tensor_name
from fastnet._file_names import EXPORTS, check_model_name, check_weights_name, format_of, hint_for
from fastnet._files import check_overwrite
from fastnet._receipt import Receipt, plain
from fastnet._validation import describe
from fastnet._weights import sha256_of
from fastnet.callbacks.history import History
from fastnet.interchange.keras_files import is_keras_file, load_keras_model, load_keras_weights

if TYPE_CHECKING:
    from fastnet.models import Sequential
    from fastnet.quantization import QuantizedModel

__all__ = ["load_model", "load_weights", "read_metadata", "save_model", "save_weights"]

FORMAT = "fastnet"
FORMAT_VERSION = "1"
LONGEST_REASON = 400  # characters, where a file has long names
NAME_LISTS = ("class_names", "feature_names")


def save_model(model: "Sequential", path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write a model to one safetensors file: architecture, weights, compile configuration, class and feature names.

    The file is complete or absent: an earlier file at `path` stays as it was until the new one is on the disk. Equal
    models give files that are equal byte for byte.

    Parameters
    ----------
    model : Sequential
        A built model.
    path : str or os.PathLike
        The file to write, conventionally ``*.safetensors``; ``*.onnx`` and ``*.c`` are what `Sequential.to_onnx` and
        `Sequential.to_c` write, for predictions alone. The names of other formats, such as ``*.keras``, are refused.
    overwrite : bool, default True
        Whether an existing file may be replaced.

    Raises
    ------
    ValueError
        If the model is not built, its class or feature names are no lists of strings, or `path` is the name of another format.
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
        model.to_onnx(path) if format_of(path) == "ONNX" else model.to_c(path)
        return
    hash_of_weights = secrets.token_hex(32)  # stands for the hash until that is known
    with model._structure:
        arrays, metadata = _arrays(model, path, overwrite), _metadata(model, hash_of_weights)
    late = {hash_of_weights: lambda: sha256_of(arrays.values())}
    _safetensors.write(path, arrays, metadata, late)


def save_weights(model: "Sequential", path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write the weights of a model to a safetensors file, without its architecture.

    Parameters
    ----------
    model : Sequential
        A built model.
    path : str or os.PathLike
        The file to write, conventionally ``*.safetensors``; the names of other formats, such as ``*.weights.h5``, are refused.
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
    with model._structure:
        arrays = _arrays(model, path, overwrite)
    _safetensors.write(path, arrays, _file_metadata())


def load_weights(model: "Sequential", path: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
    """Read weights from a file of `save_weights` or `save_model` into a model of the same architecture.

    Parameters
    ----------
    model : Sequential
        A built model.
    path : str or os.PathLike
        The file, which may be one of Keras: ``.weights.h5``, ``.keras`` or ``.h5``.
    skip_mismatch : bool, default False
        Whether weights that the file lacks, or has in another shape, stay as they are; otherwise that is an error and
        nothing changes.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the model is not built, the file is not one of fastnet or Keras, or its weights do not fit.
    """
    if not model.built:
        raise ValueError("the model has no weights to load into: build it first")
    with _refusing(path):
        if is_keras_file(path):
            load_keras_weights(model, path, skip_mismatch)
            return
    with _refusing(path), _safetensors.opened(path) as file:
        _checked_metadata(file.metadata)
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


def load_model(
    path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None, compile: bool = True
) -> Any:
    """Read a model that `save_model` or `QuantizedModel.save` wrote, or one of Keras.

    For the latter see `fastnet.interchange.keras_files.load_keras_model`.

    Nothing in the file is executed, and no memory is taken for what the file does not hold.

    Parameters
    ----------
    path : str or os.PathLike
        The model file.
    custom_objects : dict, optional
        The Python functions, by their names, that the model was compiled with as loss and metrics.
    compile : bool, default True
        Whether a model that was compiled comes back compiled. Its optimizer starts with fresh moments.

    Returns
    -------
    Sequential or QuantizedModel

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IsADirectoryError
        If `path` is a folder.
    ValueError
        If the file is not a whole model file, was written by a newer version, or its tensors do not fit the
        architecture.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(2, input_shape=(3,))], seed=0)
    >>> model.save("model.safetensors")
    >>> x = np.ones((1, 3))
    >>> bool((fn.load_model("model.safetensors").predict(x) == model.predict(x)).all())
    True
    """
    with _refusing(path):
        if is_keras_file(path):
            return load_keras_model(path, custom_objects, compile)
    with _refusing(path), _safetensors.opened(path) as file:
        metadata = _checked_metadata(file.metadata)
        config = _parsed(metadata, "config", dict)
        if "operations" in metadata:
            from fastnet._quantized_files import load_quantized

            model: Any = load_quantized(file, _parsed(metadata, "operations", list), config)
        else:
            model = _load_sequential(file, config)
        if "receipt" in metadata:
            told = plain(_parsed(metadata, "receipt", dict))
            receipt = Receipt.from_dict(told)
            if "operations" in metadata:  # it tells of the model before it was quantized
                model.receipt = receipt.as_dict(told.get("weights"))
            else:
                model._receipt = receipt
        if compile and "compile" in metadata:
            arguments = _parsed(metadata, "compile", dict)
            check_compilation(arguments)
            model.compile(**_with_functions(arguments, custom_objects or {}))
        for key in NAME_LISTS:
            setattr(model, key, _checked_names(key, _parsed(metadata, key, list)) if key in metadata else None)
        if "history" in metadata:
            model.history = History.from_dict(_parsed(metadata, "history", dict))
        if "metrics" in metadata:
            model.figures = plain(_parsed(metadata, "metrics", dict))
        return model


def _load_sequential(file: _safetensors.File, config: Mapping[str, Any]) -> "Sequential":
    from fastnet.models import Sequential

    check_architecture(config)
    check_tensors(file.tensors, config)
    model = Sequential.from_config({**config, "input_shape": None})
    model._build(tuple(config["input_shape"]), draw=False)
    slots = {name: index for index, name in enumerate(tensor_names(model))}
    for name, first, values in file.pieces():
        model._weights.set_piece(slots[name], first, values)
    return model


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the metadata of a model file, without reading its weights.

    Parameters
    ----------
    path : str or os.PathLike
        The model file.

    Returns
    -------
    dict of str to str
        The entries that the description of this module lists.

    Raises
    ------
    OSError, ValueError
        As `load_model`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.Dense(2, input_shape=(3,))]).save("model.safetensors")
    >>> fn.serialization.read_metadata("model.safetensors")["format"]
    'fastnet'
    """
    with _refusing(path):
        if is_keras_file(path):
            raise ValueError("it is a file of Keras: load_model reads it, and Sequential.save makes a model file of it")
    with _refusing(path), _safetensors.opened(path) as file:
        return _checked_metadata(file.metadata)


# ---- Writing --------------------------------------------------------------------------------------------------------


def tensor_names(model: "Sequential") -> list[str]:
    """Return the name of every weight, in the order of `Sequential.get_weights`."""
    return [tensor_name(index, layer, name) for index, layer in enumerate(model.layers) for name in layer.weight_names]


def _arrays(model: "Sequential", path: str | os.PathLike[str], overwrite: bool) -> dict[str, NDArray[Any]]:
    """Return the weights of a model that may be written to this path, by their names."""
    check_overwrite(path, overwrite)
    if not model.built:
        raise ValueError("the model has no weights to save: build it, or fit it first")
    return dict(zip(tensor_names(model), model._weights.snapshot(), strict=True))


def _file_metadata() -> dict[str, str]:
    """Return what the metadata of every file have."""
    return {"format": FORMAT, "format_version": FORMAT_VERSION, "fastnet_version": _core.__version__}


def _metadata(model: "Sequential", hash_of_weights: str) -> dict[str, str]:
    config = model.get_config()
    check_architecture(config)
    receipt = model._receipt.for_file(hash_of_weights) if len(model._receipt) else None
    history = model.history.as_dict() if model.history is not None and model.history.epoch else None
    return metadata_of(model, {"config": config, "history": history, "receipt": receipt})


def metadata_of(model: "Sequential | QuantizedModel", own: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a model's file: those of its kind, and those of every kind."""
    parts = {
        **own,
        "compile": model.get_compile_config(),
        **{key: _checked_names(key, getattr(model, key)) for key in NAME_LISTS},
        "metrics": _checked_figures(model.figures) or None,
    }
    texts = {key: json.dumps(part, allow_nan=False) for key, part in parts.items() if part is not None}
    return {**_file_metadata(), **texts}


def _checked_names(key: str, names: Any) -> list[str] | None:
    if names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        return names
    raise ValueError(f"{key} must be a list of strings or None; got {describe(names)}")


def _checked_figures(figures: Any) -> dict[str, Any]:
    if not isinstance(figures, dict):
        raise ValueError(f"figures must be a dictionary; got {describe(figures)}")
    checked: dict[str, Any] = plain(figures)
    return checked


# ---- Reading --------------------------------------------------------------------------------------------------------


@contextmanager
def _refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make one ValueError that names the file out of everything that a bad file can cause."""
    try:
        yield
    except RecursionError as error:
        raise ValueError(f"cannot load {os.fspath(path)}: it is nested too deep") from error
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = f"its configuration lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        reason = reason if len(reason) <= LONGEST_REASON else reason[:LONGEST_REASON] + "..."
        raise ValueError(f"cannot load {os.fspath(path)}: {reason or type(error).__name__}{hint_for(path)}") from error


def _checked_metadata(metadata: dict[str, str]) -> dict[str, str]:
    if metadata.get("format") != FORMAT:
        raise ValueError("it is a safetensors file, but not a model of fastnet")
    version = metadata.get("format_version", "")
    if version.isascii() and version.isdigit() and int(version) > int(FORMAT_VERSION):
        raise ValueError(
            f"it was written by a newer fastnet ({metadata.get('fastnet_version', 'unknown')}) in format version "
            f"{version}; fastnet {_core.__version__} reads format version {FORMAT_VERSION}"
        )
    if version != FORMAT_VERSION:
        raise ValueError(f"its format version must be {FORMAT_VERSION!r}; got {version!r:.60}")
    return metadata


def _parsed(metadata: Mapping[str, str], key: str, kind: type) -> Any:
    """Return one entry of the metadata, which must be JSON of the given kind."""
    if key not in metadata:
        raise ValueError(f"its metadata have no {key!r}")
    try:
        value = _safetensors.parse_json(metadata[key])
    except ValueError as error:
        raise ValueError(f"{key!r} in its metadata is not JSON ({error})") from error
    if not isinstance(value, kind):
        raise ValueError(f"{key!r} in its metadata must be a JSON {kind.__name__}; got {type(value).__name__}")
    return value


def _with_functions(config: dict[str, Any], functions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `compile` with the Python functions that a file names put in."""

    def given(part: Any) -> Any:
        name = part.get("function") if isinstance(part, dict) else None
        return functions.get(name, part) if isinstance(name, str) else part

    names = [name for name in ("metrics", "weighted_metrics") if name in config]
    lists: dict[str, Any] = {name: list(map(given, config[name])) for name in names}
    changed: dict[str, Any] = {"loss": given(config.get("loss")), **lists}
    return {**config, **changed}
