"""A proxy may show the server under a path, and pages of chosen origins may use it."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import fastnet as fn
from asking import ask
from fastnet.serve import create_app

ORIGIN = "https://app.example.org"


def app_of(**options: Any) -> Starlette:
    return create_app(fn.Sequential([fn.Dense(1, input_shape=(1,))], seed=0), **options)


# ---- The path of a proxy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root_path", ["/ml", "/ml/", "/a/b-c_d.e~f"])
def test_addresses_are_answered_with_the_path_and_without_it(root_path: str) -> None:
    app = app_of(root_path=root_path)
    prefix = root_path.rstrip("/")
    for address in ("/predict", f"{prefix}/predict", f"{prefix}/models/model/predict"):
        assert ask(app, "POST", address, json={"instance": [1]}).status_code == 200
    for address in ("/", f"{prefix}/", f"{prefix}/page.js", f"{prefix}/docs"):
        assert ask(app, "GET", address).status_code == 200
    for address in (f"{prefix}{prefix}/health", f"{prefix}x/health", f"/x{prefix}/health"):
        assert ask(app, "GET", address).status_code == 404
    assert ask(app, "GET", f"{prefix}/openapi.json").json()["servers"] == [{"url": prefix}]
    assert 'route="/predict",status="200"} 3.0' in ask(app, "GET", "/metrics").text


def test_the_path_itself_leads_to_the_page() -> None:
    app = app_of(root_path="/ml", allow_host=["ml.example.org"])
    for address, to in (("/ml", "/ml/"), ("/ml?a=%C3%A4&b", "/ml/?a=%C3%A4&b")):
        answer = ask(app, "GET", address, headers={"Host": "ml.example.org"})
        assert (answer.status_code, answer.headers["location"]) == (307, to)
    assert ask(app, "GET", "/ml", headers={"Host": "evil.example"}).status_code == 421


def test_it_may_be_a_part_of_another_application() -> None:
    outer = Starlette(routes=[Mount("/digits", app_of())])
    assert ask(outer, "POST", "/digits/predict", json={"instance": [1]}).status_code == 200
    assert 'route="/predict",status="200"} 1.0' in ask(outer, "GET", "/digits/metrics").text


@pytest.mark.parametrize("root_path", ["ml", "/a b", "/a?b", "/a//b", "https://x", "/\n", "/ä"])
def test_what_is_no_path_is_refused(root_path: str) -> None:
    with pytest.raises(ValueError, match="root_path must be a path such as /ml; got"):
        app_of(root_path=root_path)


def test_a_path_that_is_no_string_is_refused() -> None:
    with pytest.raises(TypeError, match="root_path must be a string; got None"):
        app_of(root_path=None)


# ---- Pages of other origins -----------------------------------------------------------------------------------------


def test_a_page_of_an_allowed_origin_may_ask_and_read() -> None:
    app = app_of(cors=ORIGIN, allow_host=["fastnet"])
    headers = {"Origin": ORIGIN}
    answer = ask(app, "POST", "/predict", json={"instance": [1]}, headers=headers)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-request-id"}
    before = ask(app, "OPTIONS", "/predict", headers={**headers, **asked})
    assert (before.status_code, before.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "POST" in before.headers["access-control-allow-methods"]


def test_an_error_can_be_read_too() -> None:
    app = app_of(cors=ORIGIN)
    answer = ask(app, "POST", "/predict", json={}, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (422, ORIGIN)


@pytest.mark.parametrize("origin", ["https://evil.example", "http://app.example.org", f"{ORIGIN}.evil.example", "null"])
def test_a_page_of_another_origin_may_not(origin: str) -> None:
    app = app_of(cors=[ORIGIN], allow_host=["fastnet"])
    answer = ask(app, "POST", "/predict", json={"instance": [1]}, headers={"Origin": origin})
    assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (403, False)
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    before = ask(app, "OPTIONS", "/predict", headers=asked)
    assert (before.status_code, "access-control-allow-origin" in before.headers) == (400, False)


def test_of_two_origins_both_must_be_allowed() -> None:
    app = app_of(cors=[ORIGIN], allow_host=["fastnet"])
    headers = [("Origin", ORIGIN), ("Origin", "https://evil.example"), ("Content-Type", "application/json")]
    assert ask(app, "POST", "/predict", content=b'{"instance": [1]}', headers=headers).status_code == 403


def test_any_origin_may_be_allowed() -> None:
    app = app_of(cors="*", allow_host=["fastnet"])
    answer = ask(app, "POST", "/predict", json={"instance": [1]}, headers={"Origin": "https://any.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


def test_without_origins_browsers_are_told_nothing() -> None:
    answer = ask(app_of(), "POST", "/predict", json={"instance": [1]}, headers={"Origin": ORIGIN})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["app.example.org", "https://a.example/", "https://a b", "ftp://a.example", ""])
def test_what_is_no_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match=r"cors must contain origins such as https://app\.example\.org, without"):
        app_of(cors=origin)


def test_an_origin_that_is_no_string_is_refused() -> None:
    with pytest.raises(TypeError, match="cors must contain origins; got 3"):
        app_of(cors=[3])
