"""What is no HTTP request, or takes too long to become one, is refused; a server takes thousands of those."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import uvicorn

import fastnet as fn
from benchmarks import fuzz_server
from fastnet.serve import _protocol, create_app
from fastnet.serve.running import listen


@contextmanager
def serving() -> Iterator[int]:
    """Serve a model in a thread; yields the port."""
    app = create_app(fn.Sequential([fn.Dense(3, "softmax", input_shape=(4,))], seed=0))
    server = uvicorn.Server(uvicorn.Config(app, http=_protocol.LimitedProtocol, ws="none", log_level="error"))
    with closing(listen("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield port
        finally:
            server.should_exit = True
            thread.join()


def answer_to(port: int, *parts: bytes) -> bytes:
    """Send bytes on a connection, and return all that comes back until it is closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(0.05)
        return b"".join(iter(lambda: connection.recv(10**6), b""))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([b"hello\r\n\r\n"], "Invalid HTTP request received."),
        (
            [b"GET /health HTTP/1.1\r\n", *[b"A: " + b"b" * 50_000] * 3],
            "the head of a request has at most 65,536 bytes",
        ),
    ],
    ids=["no HTTP", "a head without end"],
)
def test_what_is_no_request_is_refused_as_json(parts: list[bytes], message: str) -> None:
    with serving() as port:
        head, _, body = answer_to(port, *parts).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert message in json.loads(body)["error"]


@pytest.mark.parametrize("data", [b"", b"GET /health HT"], ids=["nothing", "half a line"])
def test_a_request_that_does_not_come_is_not_waited_for(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_protocol, "_SLOWEST_HEAD", 0.1)
    with serving() as port:
        assert answer_to(port, data) == b""


def test_a_connection_may_ask_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_protocol, "_SLOWEST_HEAD", 0.5)
    asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with serving() as port:
        answers = answer_to(port, asked, asked + asked, asked[:-2] + b"Connection: close\r\n\r\n")
    assert answers.count(b'{"status":"ok"}') == 4


@pytest.mark.slow
def test_malformed_requests_leave_the_server_as_it_was() -> None:
    with fuzz_server.server() as (process, address):
        report = fuzz_server.fuzz(process, address, 300, seed=1, parts=1)
        assert report.failures == []
        assert report.answers.total() >= 200
        assert fuzz_server.answers_well(address)
        assert process.poll() is None
