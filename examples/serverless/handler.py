"""A function that answers with predictions: AWS Lambda behind a function URL or API Gateway, and what is called alike.

The body of a request is JSON, {"instances": [[...], ...]}; the answer is {"predictions": [[...], ...]} and, for models with
class names, {"classes": [...]}.
"""

import base64
import json
import os
from typing import Any

import numpy as np

import fastnet as fn

# Loaded once for each process, before its first request. Of pathlib the import alone takes longer than that.
FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
MODEL = fn.load_model(os.path.join(FOLDER, "model.safetensors"), compile=False)  # noqa: PTH118
MOST = 1024  # instances in a request


def handler(event: dict[str, Any], _context: object = None) -> dict[str, Any]:
    """Predict the instances of a request; bad input is an answer with status 400 that says what is wrong."""
    try:
        instances = instances_of(event)
        outputs = MODEL.predict(instances, verbose=0)
    except (TypeError, ValueError) as error:
        return answer(400, {"error": str(error)})
    result: dict[str, Any] = {"predictions": outputs.tolist()}
    if MODEL.class_names and len(MODEL.class_names) == outputs.shape[-1]:
        result["classes"] = [MODEL.class_names[best] for best in outputs.argmax(axis=-1)]
    return answer(200, result)


def instances_of(event: dict[str, Any]) -> np.ndarray:
    """Return the rows in the body of a request."""
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body, validate=True)
    request = json.loads(body)
    if not isinstance(request, dict) or not isinstance(request.get("instances"), list):
        raise ValueError('the body must be JSON: {"instances": [[...], ...]}')
    instances = np.array(request["instances"], dtype=np.float32)
    if not 0 < len(instances) <= MOST:
        raise ValueError(f"there must be 1 to {MOST} instances; got {len(instances)}")
    return instances


def answer(status: int, content: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(content)}
