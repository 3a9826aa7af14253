"""Loading of models: nothing in a file is executed, and no memory is allocated for data that it does not contain."""

import os
from collections.abc import Mapping
from typing import Any

from fastnet import losses
from fastnet.callbacks.history import History
from fastnet.files import safetensors
from fastnet.files.errors import refusing
from fastnet.inputs.ranges import checked_ranges
from fastnet.interchange.keras.recognition import is_keras_file
from fastnet.interchange.parts import NAME_LISTS
from fastnet.models.model_file import checked_metadata, checked_names, parsed
from fastnet.models.sequential import Sequential
from fastnet.network.checks import check_architecture, check_compilation, check_tensors
from fastnet.network.layered import tensor_names
from fastnet.support.json_values import json_value
from fastnet.training.receipt import Receipt


def load_model(
    path: str | os.PathLike[str], custom_objects: Mapping[str, Any] | None = None, compile: bool = True
) -> Any:
    """Load a model from a file of `save_model`, of `QuantizedModel.save` or of Keras.

    For files of Keras see `fastnet.models.importing.load_keras_model`.

    Nothing in the file is executed, and no memory is allocated for data that it does not contain.

    Parameters
    ----------
    path : str or os.PathLike
        The model file.
    custom_objects : dict, optional
        The Python functions, by name, that the model was compiled with as loss or metrics.
    compile : bool, default True
        Whether to compile the model if it was compiled. The optimizer state is reset.

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
        If the file is not a complete model file, was written by a newer version, or its tensors do not fit the
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
    with refusing(path):
        if is_keras_file(path):
            from fastnet.models.importing import load_keras_model  # here, since most model files are not Keras's

            return load_keras_model(path, custom_objects, compile)
    with refusing(path), safetensors.opened(path) as file:
        metadata = checked_metadata(file.metadata)
        config = parsed(metadata, "config", dict)
        if "operations" in metadata:
            from fastnet.models.quantized import QuantizedModel
            from fastnet.models.quantized_file import read_quantized

            model: Any = QuantizedModel(*read_quantized(file, parsed(metadata, "operations", list), config))
        else:
            model = _load_sequential(file, config)
        if "receipt" in metadata:
            entries = json_value(parsed(metadata, "receipt", dict))
            receipt = Receipt.from_dict(entries)
            if "operations" in metadata:  # the receipt is that of the model before quantization
                model.receipt = receipt.as_dict(entries.get("weights"))
            else:
                model._receipt = receipt
        if compile and "compile" in metadata:
            arguments = parsed(metadata, "compile", dict)
            check_compilation(arguments)
            model.compile(**_with_functions(arguments, custom_objects or {}))
        for key in NAME_LISTS:
            setattr(model, key, checked_names(key, parsed(metadata, key, list)) if key in metadata else None)
        if "feature_ranges" in metadata:
            model.feature_ranges = checked_ranges(parsed(metadata, "feature_ranges", list))
        if "history" in metadata:
            model.history = History.from_dict(parsed(metadata, "history", dict))
        if "metrics" in metadata:
            model.figures = json_value(parsed(metadata, "metrics", dict))
        return model


def _load_sequential(file: safetensors.File, config: Mapping[str, Any]) -> Sequential:
    check_architecture(config)
    check_tensors(file.tensors, config)
    model = Sequential.from_config({**config, "input_shape": None})
    model._build(tuple(config["input_shape"]), draw=False)
    slots = {name: index for index, name in enumerate(tensor_names(model))}
    for name, first, values in file.pieces():
        model._weights.set_piece(slots[name], first, values)
    model._weights.changes.spread()
    return model


def _with_functions(config: dict[str, Any], functions: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `compile` from a file, with its named Python functions inserted."""
    loss: Any = config.get("loss")
    if _is_function(loss) and isinstance(loss["function"], str):
        loss = losses.get(functions.get(loss["function"], loss))
    changed: dict[str, Any] = {
        name: [_metric(one, functions) if _is_function(one) else one for one in config[name]]
        for name in ("metrics", "weighted_metrics")
        if name in config
    }
    return {**config, **changed, "loss": loss}


def _metric(function: dict[str, Any], functions: Mapping[str, Any]) -> Any:
    from fastnet.metrics.of_functions import restored  # here, since most models have none

    return restored(function, functions)


def _is_function(part: Any) -> bool:
    return isinstance(part, dict) and "function" in part
