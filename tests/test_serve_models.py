"""Several models have addresses of their own, and one can take the place of another while requests are answered."""

import asyncio
import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.applications import Starlette

import fastnet as fn
from asking import ask, client
from fastnet.serve import create_app
from fastnet.serve.model_files import ModelFile, model_files
from fastnet.serve.served import Models, ServedModel


def model_of(inputs: int, outputs: int, seed: int = 0) -> fn.Sequential:
    return fn.Sequential([fn.Dense(outputs, input_shape=(inputs,))], seed=seed)


@pytest.fixture(scope="module")
def two() -> dict[str, fn.Sequential]:
    return {"first": model_of(3, 2), "second-2.1": model_of(4, 1)}


@pytest.fixture(scope="module")
def app(two: dict[str, fn.Sequential]) -> Starlette:
    return create_app(two, max_batch=20)


# ---- Addresses ------------------------------------------------------------------------------------------------------


def test_each_model_predicts_at_its_address_and_the_first_one_without_a_name(
    app: Starlette, two: dict[str, fn.Sequential]
) -> None:
    for address, name in [("", "first"), ("/models/first", "first"), ("/models/second-2.1", "second-2.1")]:
        instances = np.ones((2, *two[name].input_shape))
        answer = ask(app, "POST", f"{address}/predict", json={"instances": instances.tolist()})
        np.testing.assert_allclose(answer.json()["predictions"], two[name].predict(instances), rtol=1e-6)
        assert answer.headers["x-model-name"] == name
        explained = ask(app, "POST", f"{address}/explain", json={"instance": instances[0].tolist()})
        assert (explained.status_code, explained.headers["x-model-name"]) == (200, name)
        facts = ask(app, "GET", f"{address}/model").json()
        assert facts["input_shape"] == list(two[name].input_shape)
        if address:
            assert ask(app, "GET", address).json() == facts
            assert ask(app, "GET", f"{address}/ready").json() == {"status": "ready"}


def test_the_models_are_listed(app: Starlette) -> None:
    models = ask(app, "GET", "/models").json()["models"]
    assert [entry["name"] for entry in models] == ["first", "second-2.1"]
    assert {entry["sha256"] for entry in models} == {None}  # they are not from files


def test_a_single_model_has_a_name_too() -> None:
    answer = ask(create_app(model_of(2, 1)), "POST", "/models/model/predict", json={"instance": [1, 2]})
    assert answer.status_code == 200


def test_each_model_has_the_page_and_what_it_loads(app: Starlette) -> None:
    page = ask(app, "GET", "/models/second-2.1/")
    assert page.content == ask(app, "GET", "/").content
    assert ask(app, "GET", "/models/second-2.1/page.js").status_code == 200


@pytest.mark.parametrize("name", ["third", "first%0d%0aX: y", "%2e%2e", "first%00", "x" * 1000])
def test_a_model_that_is_not_there_is_told_with_those_that_are(app: Starlette, name: str) -> None:
    for method, address in [("POST", "/predict"), ("GET", ""), ("GET", "/page.js")]:
        answer = ask(app, method, f"/models/{name}{address}", json={"instance": [1]})
        assert answer.status_code == 404
        assert len(answer.content) < 500 or len(name) > 500
        if name == "third":
            assert answer.json()["error"] == "there is no model 'third'; the models are first, second-2.1"


def test_the_document_describes_every_model(app: Starlette) -> None:
    document = ask(app, "GET", "/openapi.json").json()
    schemas = document["components"]["schemas"]
    assert {"/predict", "/models/first/predict", "/models/second-2.1/predict", "/ready", "/metrics"} <= {
        *document["paths"]
    }
    assert (schemas["Instance"]["maxItems"], schemas["second-2.1.Instance"]["maxItems"]) == (3, 4)
    references = {part.split('"')[0] for part in ask(app, "GET", "/openapi.json").text.split("#/components/schemas/")}
    assert references - {*schemas} == {next(part for part in references if part.startswith("{"))}


@pytest.mark.parametrize(
    ("models", "error", "message"),
    [
        ({}, ValueError, "must have at least one model"),
        ({"a/b": model_of(1, 1)}, ValueError, "must have 1 to 64 letters.* got 'a/b'"),
        ({"": model_of(1, 1)}, ValueError, "the name of a model"),
        ({"x" * 65: model_of(1, 1)}, ValueError, "1 to 64 letters"),
        ({1: model_of(1, 1)}, TypeError, "must be a string; got 1"),
        ({"a": 3}, TypeError, "must be a Sequential or a QuantizedModel; got 3"),
        (None, TypeError, "must be a Sequential or a QuantizedModel; got None"),
    ],
)
def test_what_is_no_model_or_no_name_is_refused(models: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        create_app(models)


def test_a_function_replaces_a_single_model_alone(two: dict[str, fn.Sequential]) -> None:
    with pytest.raises(ValueError, match="predict replaces a single model; got 2 models"):
        create_app(two, predict=lambda rows: rows)


# ---- Files ----------------------------------------------------------------------------------------------------------


def test_a_file_gives_its_name_unless_another_one_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a=b.safetensors").touch()
    given = ["x/digits v2.safetensors", "best=runs/1/model.safetensors", "a=b.safetensors", ".safetensors"]
    assert model_files(given) == [
        ModelFile("digits-v2", "x/digits v2.safetensors"),
        ModelFile("best", "runs/1/model.safetensors"),
        ModelFile("a-b", "a=b.safetensors"),
        ModelFile("safetensors", ".safetensors"),
    ]


def test_two_files_of_one_name_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"the models a/m\.safetensors and b/m\.safetensors have the same name, m; give"
    ):
        model_files(["a/m.safetensors", "b/m.safetensors"])


def test_a_name_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="must have 1 to 64 letters"):
        model_files(["a b=m.safetensors"])


# ---- Replacement ----------------------------------------------------------------------------------------------------


def test_another_model_answers_at_once_and_requests_to_the_one_before_are_not_lost() -> None:
    """A request that is with the model stays with it; those that come later get the new one."""
    slow, go = threading.Event(), threading.Event()
    before, after = model_of(1000, 3000), model_of(1000, 3000, seed=1)  # large enough for a thread
    replaced: list[weakref.ref[ServedModel]] = []

    async def exchange() -> list[Any]:
        app = create_app(before)
        models: Models = app.state.models
        replaced.append(weakref.ref(models.first))
        models.first.batcher._function = lambda rows: (slow.set(), go.wait(20), before(rows))[2]
        async with client(app) as asking:
            old = [asyncio.create_task(asking.post("/predict", json={"instance": [1] * 1000})) for _ in range(5)]
            while not slow.is_set():
                await asyncio.sleep(0.001)
            models.replace(await asyncio.to_thread(models.prepare, "model", after, "f" * 64))
            new = await asking.post("/predict", json={"instance": [1] * 1000})
            go.set()
            answers = [new, *await asyncio.gather(*old)]
        del old
        gc.collect()
        assert replaced[0]() is None  # and its thread ends with it
        return answers

    new, *old = asyncio.run(exchange())
    ones: NDArray[Any] = np.ones((1, 1000))
    np.testing.assert_allclose(new.json()["predictions"], after.predict(ones), rtol=1e-4)
    assert new.headers["x-model-sha256"] == "f" * 64
    for answer in old:
        np.testing.assert_allclose(answer.json()["predictions"], before.predict(ones), rtol=1e-4)
        assert "x-model-sha256" not in answer.headers


def test_the_document_and_the_list_follow_the_model() -> None:
    app = create_app(model_of(2, 1))
    assert ask(app, "GET", "/openapi.json").json()["components"]["schemas"]["Instance"]["maxItems"] == 2
    models: Models = app.state.models
    models.replace(models.prepare("model", model_of(5, 1), "0" * 64))
    assert ask(app, "GET", "/openapi.json").json()["components"]["schemas"]["Instance"]["maxItems"] == 5
    assert ask(app, "GET", "/models").json()["models"][0]["sha256"] == "0" * 64
    assert ask(app, "GET", "/model").json()["sha256"] == "0" * 64


def test_a_model_that_computes_for_too_long_is_not_ready() -> None:
    started, go = threading.Event(), threading.Event()

    def stuck(rows: NDArray[Any]) -> NDArray[Any]:
        started.set()
        go.wait(20)
        return rows

    async def look() -> list[Any]:
        async with client(create_app(model_of(1000, 3000), predict=stuck, timeout=0.05)) as asking:
            answers = [await asking.get("/ready")]
            request = asyncio.create_task(asking.post("/predict", json={"instance": [1] * 1000}))
            while not started.is_set():
                await asyncio.sleep(0.001)
            answers.append(await asking.get("/ready"))
            await request
            await asyncio.sleep(0.05)  # the call began after the request
            answers += [
                await asking.get("/ready"),
                await asking.get("/health"),
                await asking.get("/models/model/ready"),
            ]
            go.set()
            return answers

    at_first, busy, late, alive, own = asyncio.run(look())
    assert [answer.status_code for answer in (at_first, busy, late, alive, own)] == [200, 200, 503, 200, 503]
    assert late.json()["error"].startswith("model has been computing for ")
