"""The OpenAPI document of a server, with the shapes and the classes of its models."""

import math
from collections.abc import Mapping
from typing import Any

from fastnet._core import __version__
from fastnet.serve.bodies import LARGEST
from fastnet.serve.predictor import Predictor

__all__ = ["describe_api"]

Schema = dict[str, Any]

_WRONG_HOST = "The server does not accept this Host."
_ERRORS = {
    "400": "The body does not match its Content-Type.",
    "403": "The request comes from a page of another host.",
    "408": "The body did not arrive in time.",
    "413": "The body is too large.",
    "415": "The Content-Type is not one of those accepted, or the body has a Content-Encoding.",
    "421": _WRONG_HOST,
    "422": "The instances do not fit the model.",
    "503": "The model did not answer in time.",
}
_TEXT = {"type": "string"}
_SHA256 = {
    "type": ["string", "null"],
    "pattern": "^[0-9a-f]{64}$",
    "description": "The SHA-256 of the file of the model; null without a file.",
}


def describe_api(predictors: Mapping[str, Predictor], max_batch: int, root_path: str = "") -> dict[str, Any]:
    """Return the OpenAPI 3.1 document.

    Parameters
    ----------
    predictors : mapping of str to Predictor
        The models by name. The first one also has the addresses without a name.
    max_batch : int
        The maximum number of instances in a request.
    root_path : str, default ""
        The path under which a proxy shows the server.
    """
    paths: dict[str, Any] = {}
    schemas: dict[str, Schema] = {"Error": _object(error=_TEXT), "Models": _models(list(predictors))}
    for number, (name, predictor) in enumerate(predictors.items()):
        # The schemas of a model depend on its shapes and classes; those of the first keep their short names.
        prefix = f"{name}." if number else ""
        parts = {"Instance": _instance(predictor), **_answers(predictor)}
        schemas |= {prefix + part: schema for part, schema in parts.items()}
        own = _paths_of(prefix, max_batch)
        if not number:
            paths |= _tagged("first model", {path or "/model": item for path, item in own.items() if path != "/ready"})
        paths |= _tagged(f"model {name}", {f"/models/{name}{path}": item for path, item in own.items()})
    title = ", ".join(predictor.model.name for predictor in predictors.values())
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"fastnet: {title}",
            "version": __version__,
            "description": "Predictions of one model." if len(predictors) == 1 else "Predictions of several models.",
        },
        "servers": [{"url": root_path or "/"}],
        "paths": {**_tagged("server", _SERVER), **paths},
        "components": {"schemas": schemas},
    }


def _tagged(tag: str, paths: dict[str, Any]) -> dict[str, Any]:
    """Return paths whose operations belong to a group."""
    return {
        path: {method: {"tags": [tag], **operation} for method, operation in item.items()}
        for path, item in paths.items()
    }


def _models(names: list[str]) -> Schema:
    """Return the schema of the list of models."""
    entry = _object(
        name={"enum": names},
        sha256=_SHA256,
        loaded={"type": "string", "format": "date-time", "description": "When its file was read."},
    )
    return _object(models={"type": "array", "items": entry, "minItems": len(names), "maxItems": len(names)})


def _instance(predictor: Predictor) -> Schema:
    shape = predictor.input_shape
    number = _number(-LARGEST[predictor.dtype], LARGEST[predictor.dtype])
    flat, nested = (_array(sizes, number) for sizes in ((math.prod(shape),), shape))
    forms = [nested, flat] if len(shape) > 1 else [flat]
    if predictor.feature_names is not None:
        forms.append(_object(**dict.fromkeys(predictor.feature_names, number)))
    return {"anyOf": forms} if len(forms) > 1 else flat


def _paths_of(prefix: str, max_batch: int) -> dict[str, Any]:
    """Return the path items of a model by the end of their path."""
    one = _object(instance=_ref(prefix + "Instance"))
    several = _object(
        instances={"type": "array", "items": _ref(prefix + "Instance"), "minItems": 1, "maxItems": max_batch},
    )
    return {
        "": {"get": _read("Description of the model.", _ref(prefix + "Model"))},
        "/ready": {"get": _ready("Whether the model answers.")},
        "/weights": {
            "get": _read(
                "The weights of the units of the first layer, or its filters, as images.",
                _ref(prefix + "Weights"),
                has="404",
            )
        },
        "/layers/{layer}/units/{unit}": {
            "get": {
                **_read("The incoming weights of a unit, or of a filter.", _ref(prefix + "Unit"), has="404"),
                "parameters": [_place("layer", "in the layers of an explanation"), _place("unit", "in the layer")],
            },
        },
        "/predict": {"post": _predict(one, several, _ref(prefix + "Predictions"))},
        "/explain": {
            "post": _write(
                "The probabilities of one instance, and the outputs of every layer with a kernel.",
                {"application/json": {"schema": one}},
                {"application/json": {"schema": _ref(prefix + "Explanation")}},
            )
        },
    }


def _predict(one: Schema, several: Schema, answer: Schema) -> dict[str, Any]:
    binary = {"application/x-npy": {"schema": {"type": "string", "contentMediaType": "application/x-npy"}}}
    return _write(
        "The predictions for instances, in their order.",
        {"application/json": {"schema": {"oneOf": [several, one]}}, **binary},
        {"application/json": {"schema": answer}, **binary},
    )


def _answers(predictor: Predictor) -> dict[str, Schema]:
    """Return the schemas of the answers."""
    count = None if predictor.classes is None else len(predictor.classes)
    probabilities = {"type": "array", "items": _number(0, 1), "minItems": count, "maxItems": count}
    classification = _object(
        **{"class": {"enum": _unique(predictor.classes or [])}},
        index={"type": "integer", "minimum": 0, "exclusiveMaximum": count},
        probability=_number(0, 1),
        probabilities=probabilities,
    )
    values = _array(predictor.output_shape, _number())
    name, text, integer = _TEXT, {"type": ["string", "null"]}, {"type": "integer", "minimum": 0}
    shape = {"type": "array", "items": {"type": "integer", "minimum": 1}}
    classes = {"type": ["array", "null"], "items": name}
    null = {"type": "null"}
    return {
        "Predictions": _object(
            predictions={"type": "array", "items": values if count is None else classification, "minItems": 1}
        ),
        "Explanation": _object(
            classes=classes,
            probabilities=null if count is None else probabilities,
            values=values if count is None else null,
            layers={
                "type": "array",
                "items": _object(name=name, activation=name, shape=shape, output={"type": "array", "items": _number()}),
            },
        ),
        "Model": _object(
            name=name,
            classes=classes,
            input_shape=shape,
            output_shape=shape,
            feature_names={"type": ["array", "null"], "items": text},
            feature_ranges={
                "type": ["array", "null"],
                "items": _object(minimum=_number(), median=_number(), maximum=_number()),
                "description": "The range of each feature in the training data.",
            },
            score={
                "anyOf": [_object(name=name, value=_number(), samples=name), {"type": "null"}],
                "description": "The accuracy or another metric, and the samples that it was measured on.",
            },
            full_scale={
                "type": ["number", "null"],
                "description": "The input that the scaling of the model maps to 1.",
            },
            layers={
                "type": "array",
                "items": _object(name=name, type=name, activation=text, units={"type": ["integer", "null"]}),
            },
            parameters=integer,
            max_batch={"type": "integer", "minimum": 1},
            dtype=name,
            fastnet_version=name,
            sha256=_SHA256,
        ),
        "Unit": _object(
            layer=name,
            unit=integer,
            shape=shape,
            weights={"type": "array", "items": _number(), "minItems": 1},
            bias={"type": ["number", "null"]},
        ),
        "Weights": _object(
            shape={**shape, "minItems": 2, "maxItems": 2},
            units={"type": "integer", "minimum": 1, "maximum": 256},
            scale={
                "type": "number",
                "exclusiveMinimum": 0,
                "description": "A weight is its int8 value times this scale.",
            },
            data={
                "type": "string",
                "contentEncoding": "base64",
                "description": "int8, an image for each unit: shape (units, *shape).",
            },
        ),
    }


# ---- Parts ----------------------------------------------------------------------------------------------------------


def _object(**properties: Schema) -> Schema:
    """Return the schema of an object that has all of these entries and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _array(shape: tuple[int, ...], schema: Schema) -> Schema:
    """Return the schema of nested lists of such numbers."""
    for size in reversed(shape):
        schema = {"type": "array", "items": schema, "minItems": size, "maxItems": size}
    return schema


def _place(name: str, where: str) -> Schema:
    """Return the description of a parameter in a path: the place of something, from 0."""
    schema = {"type": "integer", "minimum": 0}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": schema,
        "description": f"Its place {where}, from 0.",
    }


def _number(minimum: float | None = None, maximum: float | None = None) -> Schema:
    limits = {"minimum": minimum, "maximum": maximum}
    return {"type": "number", **{name: limit for name, limit in limits.items() if limit is not None}}


def _unique(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _read(summary: str, schema: Schema, has: str = "", kind: str = "application/json") -> dict[str, Any]:
    answers = {
        "200": {"description": summary, "content": {kind: {"schema": schema}}},
        "400": _error("The request has no Host, several, or one that is neither a name nor an address."),
        "421": _error(_WRONG_HOST),
    }
    if has:
        answers[has] = _error("Not available; the answer says why.")
    return {"summary": summary, "responses": answers}


def _ready(summary: str) -> dict[str, Any]:
    operation = _read(summary, _object(status={"const": "ready"}))
    operation["responses"]["503"] = _error("A model has been computing one call for longer than a request may take.")
    return operation


def _write(summary: str, accepted: dict[str, Any], answered: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": accepted},
        "responses": {
            "200": {"description": summary, "content": answered},
            **{status: _error(description) for status, description in _ERRORS.items()},
        },
    }


def _error(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref("Error")}}}


_SERVER = {
    "/health": {"get": _read("Whether the server is up.", _object(status={"const": "ok"}))},
    "/ready": {"get": _ready("Whether all models answer.")},
    "/metrics": {"get": _read("Metrics in the text format of Prometheus.", _TEXT, kind="text/plain")},
    "/models": {"get": _read("The models that are served.", _ref("Models"))},
}
