"""Metrics of a server for Prometheus: requests, calls of the models, and which files they are from.

The values of every label are known when the server starts: its addresses, its models, and the statuses that it answers
with. So nothing that a client sends makes another time series, and every number has its place in one array. Workers
share an array with a row for each of them; what is shown is the sum of the rows. A worker that takes the place of
another one counts on in its row.

prometheus-client writes the text. Its own counters, in memory or in files, would cost 10% of a small request.
"""

import math
import mmap
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

try:
    from prometheus_client import CollectorRegistry, ProcessCollector
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError:
    raise ImportError('fastnet.serve needs prometheus-client: pip install "fastnet-nn[serve]"') from None

__all__ = ["OF_MODEL", "OF_SERVER", "OTHER", "Metrics", "Places", "Shared"]

OTHER = "other"  # the label of an address that leads nowhere
# The labels of addresses, without the name of a model.
OF_SERVER = ("/health", "/ready", "/metrics", "/models", "/openapi.json", "/docs", OTHER)
UNIT = "/layers/{layer:int}/units/{unit:int}"  # an address with two places
OF_MODEL = (UNIT, "/predict", "/explain", "/model", "/weights", "/ready", "page")
_STATUSES = (200, 307, 400, 403, 404, 405, 408, 413, 415, 421, 422, 499, 500, 503, OTHER)
_OUTCOMES = ("success", "failure")

# The upper bounds of the buckets. A small prediction takes 0.3 ms with all of HTTP; the default limit of a request is
# 30 s.
_REQUEST_SECONDS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    math.inf,
)
_CALL_SECONDS = (0.00001, 0.000025, 0.00005, 0.0001, 0.00025, *_REQUEST_SECONDS)
_INSTANCES = (*(float(2**power) for power in range(11)), math.inf)

Values = NDArray[np.float64]
Places = tuple[int, int]


class Shared(NamedTuple):
    """The array that processes share: an open file, the number of its rows, and which of them is this process's."""

    file: int
    rows: int
    row: int


class Metrics:
    """The metrics of one application.

    Parameters
    ----------
    models : sequence of str
        The names of the models.
    hashes : callable
        Returns the SHA-256 of the file of each model by its name; None for a model without a file.
    shared : Shared, optional
        Where workers count.

    Attributes
    ----------
    bytes_per_worker : int
        The size of a row of the array.
    """

    def __init__(
        self, models: Sequence[str], hashes: Callable[[], dict[str, str | None]], shared: Shared | None = None
    ) -> None:
        self._models = models
        self._hashes = hashes
        self._size = 2  # of a row; it begins with the requests in progress, and 1 for a process that answers
        routes = [*((route, "") for route in OF_SERVER), *((route, model) for model in models for route in OF_MODEL)]
        self._requests = {key: self._allot(len(_STATUSES)) for key in routes}
        self._seconds = {key: self._histogram(_REQUEST_SECONDS) for key in routes}
        self._instances = {model: self._histogram(_INSTANCES) for model in models}
        self._calls = {model: self._histogram(_CALL_SECONDS) for model in models}
        self._loads = {model: self._allot(len(_OUTCOMES)) for model in models}
        self.bytes_per_worker = 8 * self._size
        rows, row = (1, 0) if shared is None else shared[1:]
        array = mmap.mmap(-1 if shared is None else shared.file, rows * self.bytes_per_worker)
        self._all = np.frombuffer(array, np.float64).reshape(rows, self._size)
        # Faster than an array for single values. One value is written at once, so that others read no half of it.
        self._row: Any = memoryview(self._all[row])
        self._lock = threading.Lock()  # calls of a model may run in several threads
        self._registry = CollectorRegistry()
        self._registry.register(_Numbers(self))
        if shared is None:
            self.ready()
            ProcessCollector(registry=self._registry)  # of several processes, it would show the one that is asked

    def _allot(self, count: int) -> int:
        """Return the first of so many places in a row."""
        first, self._size = self._size, self._size + count
        return first

    def _histogram(self, bounds: Sequence[float]) -> int:
        """Return the first place of a histogram: its buckets and the sum of what it counted."""
        return self._allot(len(bounds) + 1)

    # ---- Counting ---------------------------------------------------------------------------------------------------

    def began(self) -> None:
        """Count a request that begins."""
        with self._lock:
            self._row[0] += 1

    def ready(self) -> None:
        """Count this process as one that answers."""
        self._row[1] = 1.0

    def ended(self, row: int) -> None:
        """No longer count the process of a row, nor the requests that it left unanswered."""
        self._all[row, :2] = 0.0

    def places(self, route: str, model: str, status: int) -> Places:
        """Return where answers with a status are counted: their number, and the histogram of their times."""
        place = _STATUS_PLACES.get(status, len(_STATUSES) - 1)
        return self._requests[route, model] + place, self._seconds[route, model]

    def answered(self, places: Places, seconds: float) -> None:
        """Count a request that was answered, and is in progress no longer."""
        row = self._row
        answers, times = places
        with self._lock:
            row[0] -= 1
            row[answers] += 1
            row[times + bisect_left(_REQUEST_SECONDS, seconds)] += 1
            row[times + len(_REQUEST_SECONDS)] += seconds

    def of_calls(self, model: str) -> Callable[[int, float], None]:
        """Return a function that counts a call of a model, given the number of its instances and its time."""
        row, lock, instances, calls = self._row, self._lock, self._instances[model], self._calls[model]

        def called(count: int, seconds: float) -> None:
            with lock:
                row[instances + bisect_left(_INSTANCES, count)] += 1
                row[instances + len(_INSTANCES)] += count
                row[calls + bisect_left(_CALL_SECONDS, seconds)] += 1
                row[calls + len(_CALL_SECONDS)] += seconds

        return called

    def loaded(self, model: str, outcome: str) -> None:
        """Count a model file that was read, with the outcome "success" or "failure"."""
        with self._lock:
            self._row[self._loads[model] + _OUTCOMES.index(outcome)] += 1

    # ---- Showing ----------------------------------------------------------------------------------------------------

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics in the format that an ``Accept`` header asks for, and its content type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def families(self) -> Iterator[Metric]:
        """Yield the metrics with the sums over all workers."""
        values: Values = self._all.sum(axis=0)
        requests = CounterMetricFamily(
            "fastnet_requests",
            "Requests that were answered, by address, model and status of the answer.",
            labels=("route", "model", "status"),
        )
        for key, first in self._requests.items():
            for place, status in enumerate(_STATUSES):
                if count := values[first + place]:
                    requests.add_metric((*key, str(status)), count)
        yield requests
        yield _histograms(
            "fastnet_request_duration_seconds",
            "Time from the head of a request to the end of its answer.",
            (("route", "model"), _REQUEST_SECONDS),
            ((key, values[first:]) for key, first in self._seconds.items()),
        )
        yield _gauge("fastnet_requests_in_progress", "Requests that have begun and are not answered.", values[0])
        yield _histograms(
            "fastnet_prediction_instances",
            "Instances of one call of a model, which may answer several requests. The sum counts all instances.",
            (("model",), _INSTANCES),
            (((model,), values[first:]) for model, first in self._instances.items()),
        )
        yield _histograms(
            "fastnet_prediction_duration_seconds",
            "Time of one call of a model.",
            (("model",), _CALL_SECONDS),
            (((model,), values[first:]) for model, first in self._calls.items()),
        )
        loads = CounterMetricFamily(
            "fastnet_model_loads",
            "Model files that were loaded, by each worker, or that cannot be loaded, by outcome: success or failure.",
            labels=("model", "outcome"),
        )
        for model, first in self._loads.items():
            for place, outcome in enumerate(_OUTCOMES):
                loads.add_metric((model, outcome), values[first + place])
        yield loads
        yield _gauge("fastnet_workers", "Processes that answer requests.", values[1])
        info = GaugeMetricFamily(
            "fastnet_model_info",
            "Always 1; the labels say which file of a model answers in the process that is asked.",
            labels=("model", "sha256"),
        )
        for name, sha256 in self._hashes().items():
            info.add_metric((name, sha256 or ""), 1)
        yield info


_STATUS_PLACES: dict[Any, int] = {status: place for place, status in enumerate(_STATUSES)}


class _Numbers(Collector):
    """The metrics as prometheus-client reads them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return self._metrics.families()

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: no name is checked against those of others in this registry."""
        return iter(())


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=float(value))


def _histograms(
    name: str,
    text: str,
    form: tuple[Sequence[str], Sequence[float]],
    counted: Iterator[tuple[Sequence[str], Values]],
) -> HistogramMetricFamily:
    """Return histograms that counted something, given the names of their labels and the bounds of their buckets."""
    labels, bounds = form
    family = HistogramMetricFamily(name, text, labels=labels)
    for key, values in counted:
        counts = values[: len(bounds)].cumsum()
        if counts[-1]:
            buckets = [(_bound(bound), count) for bound, count in zip(bounds, counts.tolist(), strict=True)]
            family.add_metric(key, buckets, float(values[len(bounds)]))
    return family


def _bound(bound: float) -> str:
    return "+Inf" if bound == math.inf else repr(float(bound))
