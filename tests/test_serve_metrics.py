"""Metrics count what happened, in few time series, and Prometheus reads them."""

import asyncio
import shutil
import subprocess
import tempfile
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

import fastnet as fn
from asking import ask, client
from fastnet.serve import create_app
from fastnet.serve.metrics import Metrics, Shared
from fastnet.serve.observing import Observer

Series = dict[tuple[str, ...], float]


def series(text: str) -> Series:
    """The values of the metrics by name and the values of their labels, without the buckets of histograms."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_bucket")
    }


@pytest.fixture
def app() -> Starlette:
    models = {name: fn.Sequential([fn.Dense(2, input_shape=(2,))], seed=0) for name in ("a", "b")}
    return create_app(models, max_batch=8)


def metrics_of(app: Starlette) -> Series:
    return series(ask(app, "GET", "/metrics").text)


def test_requests_are_counted_by_address_model_and_status(app: Starlette) -> None:
    for address, body, times in [
        ("/predict", b'{"instance": [1, 2]}', 3),
        ("/models/a/predict", b'{"instance": [1, 2]}', 1),
        ("/models/b/predict", b'{"instances": [[1, 2], [3, 4]]}', 2),
        ("/models/b/predict", b"{", 1),
        ("/explain", b'{"instance": [1]}', 1),
    ]:
        for _ in range(times):
            ask(app, "POST", address, content=body, headers={"Content-Type": "application/json"})
    ask(app, "GET", "/health")
    ask(app, "GET", "/nothing")
    found = metrics_of(app)
    assert {key[1:]: value for key, value in found.items() if key[0] == "fastnet_requests_total"} == {
        ("a", "/predict", "200"): 4,
        ("b", "/predict", "200"): 2,
        ("b", "/predict", "400"): 1,
        ("a", "/explain", "422"): 1,
        ("", "/health", "200"): 1,
        ("", "other", "404"): 1,
    }
    assert found["fastnet_request_duration_seconds_count", "b", "/predict"] == 3
    assert 0 < found["fastnet_request_duration_seconds_sum", "b", "/predict"] < 20
    assert found["fastnet_prediction_instances_sum", "b"] == 4
    assert found["fastnet_prediction_duration_seconds_count", "a"] == 4
    assert found["fastnet_requests_in_progress",] == 1  # the one that asks


def test_a_histogram_has_each_value_in_its_bucket() -> None:
    metrics = Metrics(["m"], dict)
    called = metrics.of_calls("m")
    for count in (1, 2, 3, 1024, 5000):
        called(count, 0.0003)
    text = metrics.exposition("")[0].decode()
    buckets = {
        sample.labels["le"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "fastnet_prediction_instances_bucket"
    }
    expected = {"1.0": 1, "2.0": 2, "4.0": 3, "8.0": 3, "512.0": 3, "1024.0": 4, "+Inf": 5}
    assert {bound: buckets[bound] for bound in expected} == expected


def test_nothing_that_a_client_sends_makes_a_time_series(app: Starlette) -> None:
    ask(app, "GET", "/nothing")
    before = ask(app, "GET", "/metrics").text.count("\n")
    ask(app, "GET", "/metrics")
    before = ask(app, "GET", "/metrics").text.count("\n")
    for number in range(50):
        ask(app, "GET", f"/{number}")
        ask(app, "GET", f"/models/{number}/page.js")
        ask(app, f"X{number}", "/nothing", headers={"Host": f"h{number}", "X-Request-ID": f"r{number}"})
    assert ask(app, "GET", "/metrics").text.count("\n") <= before + 20  # another status of "other" has a histogram
    observer = app.middleware_stack.app  # behind Starlette's own
    assert isinstance(observer, Observer)
    assert len(observer._found) < 10


def test_a_failure_is_counted_as_such() -> None:
    def broken(_: NDArray[Any]) -> NDArray[Any]:
        raise RuntimeError("secret")

    app = create_app(fn.Sequential([fn.Dense(1, input_shape=(1,))]), predict=broken)
    assert ask(app, "POST", "/predict", json={"instance": [1]}).status_code == 500
    found = metrics_of(app)
    assert found["fastnet_requests_total", "model", "/predict", "500"] == 1
    assert found["fastnet_requests_in_progress",] == 1


def test_a_request_that_is_cancelled_is_counted_and_no_longer_in_progress(app: Starlette) -> None:
    async def give_up() -> None:
        async def receive() -> Any:
            await asyncio.sleep(20)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/predict",
            "http_version": "1.1",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }
        request = asyncio.create_task(app(scope, receive, receive))
        await asyncio.sleep(0.05)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    asyncio.run(give_up())
    found = metrics_of(app)
    assert found["fastnet_requests_total", "a", "/predict", "499"] == 1
    assert found["fastnet_requests_in_progress",] == 1


def test_the_rows_of_workers_add_up_and_a_new_worker_counts_on() -> None:
    with tempfile.TemporaryFile() as file:
        file.truncate(3 * Metrics(["m"], dict).bytes_per_worker)
        first, second, supervisor = (Metrics(["m"], dict, Shared(file.fileno(), 3, row)) for row in range(3))
        for metrics in (first, first, second):
            metrics.began()
            metrics.answered(metrics.places("/predict", "m", 200), 0.002)
        for metrics, answering in ((first, 1), (second, 2)):
            metrics.ready()
            assert series(second.exposition("")[0].decode())["fastnet_workers",] == answering
        first.began()  # and it ends before the answer
        supervisor.ended(0)
        found = series(second.exposition("")[0].decode())
        assert (found["fastnet_workers",], found["fastnet_requests_in_progress",]) == (1, 0)
        again = Metrics(["m"], dict, Shared(file.fileno(), 3, 0))
        again.ready()
        again.began()
        again.answered(again.places("/predict", "m", 200), 0.002)
        for metrics in (again, second):
            found = series(metrics.exposition("")[0].decode())
            assert found["fastnet_requests_total", "m", "/predict", "200"] == 4
            assert found["fastnet_request_duration_seconds_count", "m", "/predict"] == 4
            np.testing.assert_allclose(found["fastnet_request_duration_seconds_sum", "m", "/predict"], 0.008)
            assert found["fastnet_requests_in_progress",] == 0
            assert found["fastnet_workers",] == 2


def test_the_process_is_measured_where_it_is_the_only_one(app: Starlette) -> None:
    text = ask(app, "GET", "/metrics").text
    if "process_" not in text:
        pytest.skip("needs /proc")
    assert series(text)["process_resident_memory_bytes",] > 10**7


def test_openmetrics_is_answered_on_request(app: Starlette) -> None:
    plain = ask(app, "GET", "/metrics")
    assert plain.headers["content-type"].startswith("text/plain; version=")
    answer = ask(app, "GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, which comes with Prometheus")
def test_promtool_finds_nothing_to_complain_about(app: Starlette) -> None:
    for address in ("/predict", "/models/b/predict"):
        ask(app, "POST", address, json={"instance": [1, 2]})
    text = ask(app, "GET", "/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_hundred_requests_at_once_are_all_counted(app: Starlette) -> None:
    async def ask_all() -> list[httpx.Response]:
        async with client(app) as asking:
            return await asyncio.gather(
                *(asking.post("/models/b/predict", json={"instance": [number, 1]}) for number in range(100))
            )

    assert {answer.status_code for answer in asyncio.run(ask_all())} == {200}
    found = metrics_of(app)
    assert found["fastnet_requests_total", "b", "/predict", "200"] == 100
    assert found["fastnet_prediction_instances_sum", "b"] == 100
    assert found["fastnet_prediction_instances_count", "b"] < 100  # some shared a call
