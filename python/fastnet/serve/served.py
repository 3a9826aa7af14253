"""The models of a server, by name; a model can be replaced while requests to it are answered."""

import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.responses import Response

from fastnet.models import Sequential
from fastnet.quantization import QuantizedModel
from fastnet.serve.answers import error_answer, json_answer
from fastnet.serve.batching import Batcher
from fastnet.serve.bodies import Rows
from fastnet.serve.metrics import Metrics, Shared
from fastnet.serve.openapi import describe_api
from fastnet.serve.predictor import Predictor
from fastnet.support.validation import describe

__all__ = ["Model", "Models", "ServedModel", "check_name"]

Array = NDArray[Any]
Model = Sequential | QuantizedModel

# Floating-point operations that take less time than a round trip to a thread, about 80 us in a running server.
_QUICK = 5_000_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_name(name: Any) -> str:
    """Return the name of a model; refuse one that cannot stand in an address and in the OpenAPI document as it is."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a model must be a string; got {describe(name)}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            "the name of a model must have 1 to 64 letters, digits, dots, hyphens and underscores, and begin with a "
            f"letter or a digit; got {describe(name)}"
        )
    return name


class ServedModel:
    """A model with everything that answers about it need. It does not change.

    Parameters
    ----------
    name : str
        Its name in addresses, metrics and logs.
    model : Sequential or QuantizedModel
        A built model.
    sha256 : str, optional
        The SHA-256 of its file.
    max_batch : int
        The maximum number of instances in a request, and in a call of the model.
    predict : callable, optional
        A function that replaces the model.
    called : callable
        Called after each call of the model with the number of instances and the time in seconds.
    """

    def __init__(
        self,
        name: str,
        model: Model,
        sha256: str | None,
        max_batch: int,
        predict: Callable[[Array], Array] | None,
        called: Callable[[int, float], None],
    ) -> None:
        self.name = name
        self.sha256 = sha256
        self.loaded = time.time()
        self.predictor = predictor = Predictor(model)
        self.rows = Rows(predictor.input_shape, predictor.dtype, max_batch, predictor.feature_names)
        quick_rows = predictor.rows_within(_QUICK)
        self.batcher = Batcher(predict or predictor.outputs, max_batch, quick_rows, called, predictor.output_shape)
        self.description = json_answer({**predictor.describe(), "max_batch": max_batch, "sha256": sha256})
        self.weights = self._weights()
        # In the form in which Starlette sends them.
        self.headers = [(b"x-model-name", name.encode())]
        if sha256 is not None:
            self.headers.append((b"x-model-sha256", sha256.encode()))

    def _weights(self) -> Response:
        weights = self.predictor.weights
        return error_answer(404, weights) if isinstance(weights, str) else json_answer(weights)

    def warm_up(self) -> None:
        """Predict once, so that no request waits for what a first prediction sets up."""
        self.predictor.outputs(np.zeros((1, *self.predictor.input_shape), self.predictor.dtype))


class Models:
    """The models of a server. The first one also has the addresses without a name.

    Parameters
    ----------
    models : mapping of str to (model, str or None)
        The models, each with the SHA-256 of its file.
    max_batch : int
        The maximum number of instances in a request.
    predict : callable, optional
        A function that replaces the model; only for a single one.
    shared : Shared, optional
        Where workers count.

    Raises
    ------
    TypeError, ValueError
        There are no models, one of them is not a model or not built, or a name does not fit into an address.
    """

    def __init__(
        self,
        models: Mapping[str, tuple[Model, str | None]],
        max_batch: int,
        predict: Callable[[Array], Array] | None,
        shared: Shared | None = None,
    ) -> None:
        if not models:
            raise ValueError("model must have at least one model; got none")
        if predict is not None and len(models) > 1:
            raise ValueError(f"predict replaces a single model; got {len(models)} models")
        self._max_batch = max_batch
        self._predict = predict
        self.metrics = Metrics([check_name(name) for name in models], self.hashes, shared)
        self._called = {name: self.metrics.of_calls(name) for name in models}
        self.by_name = {name: self._served(name, *of) for name, of in models.items()}
        self.first = next(iter(self.by_name.values()))
        self._api: Response | None = None

    def _served(self, name: str, model: Model, sha256: str | None) -> ServedModel:
        if not isinstance(model, Sequential | QuantizedModel):
            raise TypeError(f"model must be a Sequential or a QuantizedModel; got {describe(model)}")
        return ServedModel(name, model, sha256, self._max_batch, self._predict, self._called[name])

    def hashes(self) -> dict[str, str | None]:
        """Return the SHA-256 of the file of each model."""
        return {name: served.sha256 for name, served in self.by_name.items()}

    def api(self, root_path: str) -> Response:
        """Return the OpenAPI document of the models as they are now."""
        if self._api is None:
            predictors = {name: served.predictor for name, served in self.by_name.items()}
            self._api = json_answer(describe_api(predictors, self._max_batch, root_path))
        return self._api

    def listed(self) -> Response:
        """Return the list of models, the one without a name in its address first."""
        entries = [
            {"name": name, "sha256": served.sha256, "loaded": datetime.fromtimestamp(served.loaded, UTC)}
            for name, served in self.by_name.items()
        ]
        return json_answer({"models": entries})

    def prepare(self, name: str, model: Model, sha256: str | None) -> ServedModel:
        """Return a model that may take the place of the one with this name. It may take long: call it in a thread."""
        served = self._served(name, model, sha256)
        served.warm_up()
        return served

    def replace(self, served: ServedModel) -> None:
        """Let a model answer from now on; requests that have begun are answered by the one before.

        Nobody closes that one: the thread of its batcher ends with the last request that refers to it.
        """
        self.by_name[served.name] = served
        self.first = next(iter(self.by_name.values()))
        self._api = None

    def close(self) -> None:
        """Wait for running calls, and refuse others."""
        for served in self.by_name.values():
            served.batcher.close()
