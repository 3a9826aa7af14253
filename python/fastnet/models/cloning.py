"""Models of the same architecture: clones, and architectures as JSON text."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from fastnet.models.sequential import Sequential
from fastnet.network.checks import check_architecture
from fastnet.network.nested import MODEL_CLASS
from fastnet.support.attributes import own_class
from fastnet.support.json_values import parse_bounded
from fastnet.support.validation import describe, reject_keywords

__all__ = ["clone_model", "model_from_json"]

Model = TypeVar("Model", bound=Sequential)


def clone_model(
    model: Model, input_tensors: Any = None, clone_function: Callable[[Any], Any] | None = None, **keywords: Any
) -> Model:
    """Return a model of the same architecture with weights of its own.

    Parameters
    ----------
    model : Sequential
        The model. It is built again if it is built; its models inside and layers of other models are cloned, too.
    input_tensors : None
        Only None is available.
    clone_function : callable, optional
        Called with every layer, and every model among the layers, it returns the one for the clone, such as a layer with
        another regularizer. By default they are made of what `get_config` returns.

    Returns
    -------
    Sequential
        A model that is not compiled, with weights that its initializers draw.

    Raises
    ------
    TypeError
        `model` is not a model, or `clone_function` returns something else than layers.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(3, input_shape=(2,)), fn.Dense(1)], name="small")
    >>> clone = fn.models.clone_model(model)
    >>> clone.name, [array.shape for array in clone.get_weights()]
    ('small', [(2, 3), (3,), (3, 1), (1,)])
    """
    defaults = {"call_function": None, "recursive": False, "input_tensors": None}
    reject_keywords(clone_model, {**keywords, "input_tensors": input_tensors}, defaults)
    if not isinstance(model, Sequential):
        raise TypeError(f"model must be a Sequential; got {describe(model)}")
    kind = own_class(type(model))
    config = model.get_config()
    if clone_function is None:
        return kind.from_config(config)
    parts = [clone_function(layer) for layer in model.layers]
    clone = kind(parts, name=config["name"], dtype=config["dtype"])
    if config["input_shape"] is not None:
        clone.build(config["input_shape"])
    return clone


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Sequential:
    """Return a model with the architecture that `Sequential.to_json` returned, and fresh weights.

    Nothing in the text is executed.

    Parameters
    ----------
    json_string : str
        The text, of fastnet or of Keras, if its model is a row of layers that fastnet has.
    custom_objects : None or dict
        Accepted as in Keras; an architecture has no Python functions.

    Returns
    -------
    Sequential
        A model that is not compiled.

    Raises
    ------
    ValueError
        The text is not JSON, is nested too deep, or is not the architecture of a model.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(3, "relu", input_shape=(2,)), fn.Dense(1)])
    >>> fn.models.model_from_json(model.to_json()).output_shape
    (1,)
    """
    del custom_objects
    if not isinstance(json_string, str):
        raise TypeError(f"json_string must be a string; got {describe(json_string)}")
    try:
        return _of_text(json_string)
    except RecursionError:  # its layers are inside each other
        raise ValueError("json_string is nested too deep") from None


def _of_text(json_string: str) -> Sequential:
    try:
        document = parse_bounded(json_string)
    except ValueError as error:
        raise ValueError(f"json_string is not JSON ({error})") from error
    if not isinstance(document, dict) or not isinstance(document.get("config"), dict):
        raise ValueError("json_string must be a JSON object with a 'class_name' and a 'config', as to_json() returns")
    if document.keys() != {"class_name", "config"}:  # Keras says more
        return _of_keras(document)
    if document["class_name"] != MODEL_CLASS:
        raise ValueError(f"json_string must be the architecture of a {MODEL_CLASS}; got {document['class_name']!r}")
    check_architecture(document["config"])
    return Sequential.from_config(document["config"])


def _of_keras(document: dict[str, Any]) -> Sequential:
    from fastnet.interchange.keras.configs import architecture_of
    from fastnet.interchange.parts import Parts
    from fastnet.models.importing import model_of

    version = str(document.get("keras_version", "3"))[:1]
    found = architecture_of(document, int(version) if version.isdigit() else 3)
    return model_of(Parts(found.input_shape, found.layers, found.dtype, found.name, found.trainable))
