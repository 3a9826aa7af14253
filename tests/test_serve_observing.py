"""Every request has an id, and a line in the log if that is asked for, which nobody can forge."""

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import httpx
import pytest
from numpy.typing import NDArray
from starlette.applications import Starlette

import fastnet as fn
from asking import ask
from fastnet.serve import create_app
from fastnet.serve.logs import FORMATS, JsonFormatter, TextFormatter, configure

FORMATTERS = {"text": TextFormatter, "json": JsonFormatter}


def app_of(**options: Any) -> Starlette:
    return create_app({"m": fn.Sequential([fn.Dense(1, input_shape=(1,))], seed=0)}, **options)


@pytest.fixture(params=FORMATS)
def log(request: pytest.FixtureRequest) -> Iterator[tuple[str, StringIO]]:
    """The log in each of its formats."""
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(FORMATTERS[request.param]())
    logger = logging.getLogger("fastnet.serve")
    level, propagates = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel("INFO")
    logger.propagate = False
    yield request.param, stream
    logger.removeHandler(handler)
    logger.setLevel(level)
    logger.propagate = propagates


# ---- Request ids ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        "3f2a",
        "123e4567-e89b-12d3-a456-426614174000",
        "Root=1-67891233-abcdef012345678912345678",
        "dGhpcyBpcyBiYXNlNjQ=",
        "x" * 128,
    ],
)
def test_a_well_formed_id_is_returned(given: str) -> None:
    for address in ("/predict", "/nothing"):
        answer = ask(app_of(), "POST", address, json={"instance": [1]}, headers={"X-Request-ID": given})
        assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", [b"", b"a b", b"a\tb", b"\xff", b'a"', b"x" * 129, b"a\\u000a", b"{}"])
def test_another_id_is_replaced(given: bytes) -> None:
    answer = ask(app_of(), "GET", "/health", headers={"X-Request-ID": given})
    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


def test_of_two_ids_none_is_taken_and_new_ones_differ() -> None:
    headers = [("X-Request-ID", "a"), ("X-Request-ID", "b")]
    ids = {ask(app_of(), "GET", "/health", headers=headers).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert not ids & {"a", "b", "a, b"}


def test_every_answer_has_an_id() -> None:
    app = app_of(allow_host=[], max_body=10)
    requests = [
        ("GET", "/health", {}),
        ("GET", "/nothing", {}),
        ("DELETE", "/predict", {}),
        ("POST", "/predict", {"content": b"x" * 11}),
        ("GET", "/", {"headers": {"Host": "evil.example"}}),
    ]
    for method, address, request in requests:
        request.setdefault("headers", {"Host": "localhost"})
        assert ask(app, method, address, **request).headers.get_list("x-request-id")


# ---- The access log -------------------------------------------------------------------------------------------------


def test_a_request_has_one_line_with_what_it_was(log: tuple[str, StringIO]) -> None:
    form, stream = log
    answer = ask(
        app_of(access_log=True), "POST", "/models/m/predict", json={"instance": [1]}, headers={"X-Request-ID": "abc"}
    )
    (line,) = stream.getvalue().splitlines()
    if form == "text":
        size = len(answer.content)
        pattern = rf'\S+Z info 127\.0\.0\.1 "POST /models/m/predict" 200 {size} [0-9.]+ms m abc'
        assert re.fullmatch(pattern, line)
    else:
        entry = json.loads(line)
        assert 0 < entry.pop("ms") < 20_000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.pop("time"))
        assert entry.pop("process") > 0
        assert entry == {
            "level": "info",
            "logger": "fastnet.serve.access",
            "message": "request",
            "client": "127.0.0.1",
            "method": "POST",
            "path": "/models/m/predict",
            "status": 200,
            "bytes": len(answer.content),
            "model": "m",
            "request_id": "abc",
        }


def test_without_being_asked_nothing_is_logged(log: tuple[str, StringIO]) -> None:
    ask(app_of(), "GET", "/health")
    assert log[1].getvalue() == ""


HOSTILE = ["\n", "\r\n", "\x1b[31m", "\x00", "\x85", "\u2028", '" 200 1 0.1ms m forged\n', "%0a%0d", "\\", "\udc80"]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_client_sends_makes_no_line_of_its_own(text: str, log: tuple[str, StringIO]) -> None:
    form, stream = log
    app = app_of(access_log=True)

    async def request() -> None:
        scope = {
            "type": "http",
            "http_version": "1.1",
            "query_string": b"",
            "headers": [(b"host", b"x")],
            "method": f"GET{text}",
            "path": f"/{text}x",
            "raw_path": f"/{text}x".encode(errors="surrogateescape"),
            "client": (f"1.2.3.4{text} evil", 1),
        }

        async def nothing(message: Any = None) -> Any:
            return {"type": "http.disconnect"}

        await app(scope, nothing, nothing)

    asyncio.run(request())
    written = stream.getvalue()
    assert written.count("\n") == 1
    (line,) = written.splitlines()  # which ends lines at other characters, too
    assert line.isprintable()
    if form == "json":
        assert json.loads(line)["client"] == "-"
    else:
        assert re.search(r'info - "GET.*" 40[45] \d+ [0-9.]+ms - [0-9a-f]{16}$', line)


def test_a_long_address_is_cut(log: tuple[str, StringIO]) -> None:
    ask(app_of(access_log=True), "GET", "/" + "x" * 50_000)
    assert len(log[1].getvalue()) < 1000


def test_an_internal_error_is_logged_with_its_id_and_its_lines_cannot_pass_as_others(log: tuple[str, StringIO]) -> None:
    form, stream = log

    def broken(_: NDArray[Any]) -> NDArray[Any]:
        raise RuntimeError("first\n2026-11-30T00:00:00.000Z info forged\u2028third")

    answer = ask(app_of(predict=broken), "POST", "/predict", json={"instance": [1]}, headers={"X-Request-ID": "abc"})
    assert (answer.status_code, "forged" in answer.text) == (500, False)
    assert answer.headers["x-request-id"] == "abc"
    first, *others = stream.getvalue().splitlines()
    if form == "text":
        assert re.fullmatch(r"\S+Z error internal error request_id=abc", first)
        assert all(line.startswith("    ") for line in others)
        assert any("forged" in line for line in others)
    else:
        assert others == []
        assert json.loads(first)["request_id"] == "abc"
        assert "forged" in json.loads(first)["traceback"]


def test_an_error_after_the_answer_has_begun_closes_the_connection(log: tuple[str, StringIO]) -> None:
    app = app_of()

    async def request() -> None:
        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                raise RuntimeError("lost")

        scope = {"type": "http", "method": "GET", "path": "/health", "headers": [], "query_string": b""}
        await app(scope, receive, send)

    with pytest.raises(RuntimeError, match="lost"):
        asyncio.run(request())
    assert "internal error" in log[1].getvalue()


def test_a_level_leaves_out_what_is_below_it_but_not_the_access_log(capsys: pytest.CaptureFixture[str]) -> None:
    loggers = [
        logging.getLogger(name) for name in ("fastnet.serve", "uvicorn", "uvicorn.error", "fastnet.serve.access")
    ]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    try:
        configure("warning", "text")
        logging.getLogger("fastnet.serve").info("left out")
        logging.getLogger("fastnet.serve").warning("kept")
        logging.getLogger("uvicorn.error").info("left out")
        logging.getLogger("uvicorn.error").warning("kept")
        assert ask(app_of(access_log=True), "GET", "/health").status_code == 200
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 1)[1] for line in lines[:2]] == ["warning kept"] * 2
    assert '"GET /health" 200' in lines[2]


def test_answers_that_are_sent_many_times_do_not_collect_headers() -> None:
    app = app_of()
    answers: list[httpx.Response] = [ask(app, "GET", "/health") for _ in range(5)]
    assert {len(answer.headers.get_list("x-request-id")) for answer in answers} == {1}
