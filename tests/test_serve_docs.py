"""The documentation of the API in a real browser: it lists what the server has, offline, and sends requests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastnet as fn
from browser import Open
from command import serving

NAMES = ["Pclass", "Fare", "<b>&quot;'"]


@pytest.fixture(scope="module")
def address(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("served")
    model = fn.Sequential([fn.Dense(2, "softmax", input_shape=(3,))], seed=0, name="<img src=x>")
    model.feature_names = NAMES
    model.save(folder / "titanic.safetensors")
    fn.Sequential([fn.Dense(1, input_shape=(40,))], seed=0).save(folder / "other.safetensors")
    with serving(folder / "titanic.safetensors", folder / "other.safetensors", "--quiet") as (_, address):
        yield address


def open_operation(page: Any, address: str, path: str) -> Any:
    page.goto(f"{address}/docs")
    operation = page.locator("details", has=page.get_by_text(path, exact=True))
    operation.locator("summary").click()
    return operation


def test_it_lists_what_the_server_and_each_model_have(open_page: Open, address: str) -> None:
    page = open_page(address)
    page.goto(f"{address}/docs")
    page.get_by_text("/models/other/predict", exact=True).wait_for()
    assert page.locator("h1").inner_text() == "fastnet: <img src=x>, sequential"
    headings = page.locator("h2").all_inner_texts()
    assert headings == ["The server", "The first model", "The model titanic", "The model other"]
    assert page.locator("details").count() == 4 + 3 * 6 - 1  # no /ready of the first model without its name
    assert page.locator("main img, main b").count() == 0  # names are text


def test_a_request_is_sent_as_it_is_shown(open_page: Open, address: str) -> None:
    operation = open_operation(open_page(address), address, "/predict")
    body = operation.locator("textarea")
    assert json.loads(body.input_value()) == {"instances": [dict.fromkeys(NAMES, 0)]}
    assert operation.locator("pre").first.inner_text().startswith(f"curl {address}/predict -H 'Content-Type: ")
    body.fill(json.dumps({"instance": dict.fromkeys(NAMES, 1)}))
    operation.get_by_role("button", name="Send").click()
    output = operation.locator("pre[aria-live]")
    output.get_by_text("predictions").wait_for()
    status, _, answer = output.inner_text().partition("\n")
    assert (status, list(json.loads(answer))) == ("200", ["predictions"])


def test_an_error_is_shown_too_and_a_get_needs_no_body(open_page: Open, address: str) -> None:
    page = open_page(address, expected="status of 422")  # which the browser writes to its console
    operation = open_operation(page, address, "/models/titanic/predict")
    operation.locator("textarea").fill('{"instance": {"Pclass": 1}}')
    operation.get_by_role("button", name="Send").click()
    operation.get_by_text("yet now missing: 'Fare'").wait_for()
    operation = open_operation(page, address, "/models/other")
    assert operation.locator("textarea").count() == 0
    operation.get_by_role("button", name="Send").click()
    operation.get_by_text('"input_shape"').first.wait_for()


def test_a_long_instance_is_cut_in_the_command_only(open_page: Open, address: str) -> None:
    operation = open_operation(open_page(address), address, "/models/other/predict")
    assert len(json.loads(operation.locator("textarea").input_value())["instances"][0]) == 40
    assert operation.locator("pre").first.inner_text().count("0,") == 12
