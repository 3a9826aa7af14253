"""What is no HTTP request, or takes too long to become one, is refused; a server takes thousands of those."""

import io
import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import numpy as np
import pytest
import uvicorn

import fastnet as fn
from benchmarks import fuzz_server
from fastnet.serve import _protocol, create_app
from fastnet.serve.running import listen


@contextmanager
def serving(units: int = 3, log_level: str = "error", **limits: Any) -> Iterator[int]:
    """Serve a model in a thread; yields the port."""
    app = create_app(fn.Sequential([fn.Dense(units, input_shape=(4,))], seed=0), max_batch=20_000)
    protocol = type("Protocol", (_protocol.LimitedProtocol,), limits)
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, ws="none", log_level=log_level, log_config=None))
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
            "the head of a request may have at most 65,536 bytes",
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


def test_a_request_for_a_websocket_is_answered_and_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    upgrade = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    asked = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\n" + upgrade + b"\r\n"
    with serving(log_level="info") as port:
        assert answer_to(port, asked).endswith(b'{"status":"ok"}')
    assert {record.levelname for record in caplog.records} == {"INFO"}  # of the start, of the end, and of the request


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
LIMIT = 64 * 2**10


def head_of(size: int, lines: int = 1) -> bytes:
    """A request whose head has so many bytes, most of them in so many headers, and which ends its connection."""
    head = HEALTH + b"Connection: close\r\n" + b"A: b\r\n" * (lines - 1)
    return head + b"A: " + b"b" * (size - len(head) - 7) + b"\r\n\r\n"


@pytest.mark.parametrize("lines", [1, 1000])
@pytest.mark.parametrize("before", [b"", HEALTH + b"\r\n"], ids=["alone", "after another"])
def test_a_head_may_have_as_many_bytes_as_the_message_says(lines: int, before: bytes) -> None:
    assert len(head_of(LIMIT, lines)) == LIMIT
    with serving() as port:
        assert answer_to(port, before + head_of(LIMIT, lines)).count(b"HTTP/1.1 200 ") == 1 + bool(before)
        refused = (
            answer_to(port, before, head_of(LIMIT + 1, lines)) if before else answer_to(port, head_of(LIMIT + 1, lines))
        )
        assert refused.count(b"HTTP/1.1 400 ") == 1
        assert b"at most 65,536 bytes" in refused


def test_a_head_that_is_much_too_long_is_told_so_however_it_comes() -> None:
    with serving() as port:
        for parts in (
            [head_of(10**6)],
            [HEALTH + b"A: " + b"b" * 70_000],
            [HEALTH + b"A: " + b"b" * 10**6],
            [HEALTH, b"A: ", *[b"b" * 1000] * 70],
        ):
            assert answer_to(port, *parts).startswith(b"HTTP/1.1 400 ")


def test_headers_behind_a_body_have_the_limit_of_a_head() -> None:
    start = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n"
    with serving() as port:
        assert b"at most 65,536 bytes" in answer_to(port, start, b"A: b", *[b"b" * 50_000] * 3)


def post(body: bytes, length: int) -> bytes:
    """A request for predictions, with what has come of its body."""
    head = (
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-npy\r\nAccept: application/x-npy\r\n"
    )
    return head + b"Content-Length: %d\r\n\r\n" % length + body


def test_a_body_that_comes_a_byte_at_a_time_is_not_waited_for_though_its_request_is_refused() -> None:
    with serving(timeout=0.3) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        ends = time.monotonic() + 15
        with suppress(ConnectionError):
            while time.monotonic() < ends:
                connection.sendall(b"x")
                time.sleep(0.02)
        assert time.monotonic() < ends


@pytest.mark.skipif(not hasattr(select, "poll"), reason="needs poll, which sees a reset without reading")
def test_a_client_that_does_not_read_its_answer_is_cut_off_and_a_slow_one_is_not() -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros((10_000, 4), np.float32))
    body, size = stream.getvalue(), 10_000 * 500 * 4  # more than the system keeps for a reader
    with serving(units=500, timeout=0.3) as port:
        unread, slow = (socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(2))
        with unread, slow:
            for connection in (unread, slow):
                connection.sendall(post(body, len(body)))
            got = 0
            while got < size:
                time.sleep(0.02)
                part = slow.recv(2**19)
                assert part
                got += len(part)
            ended = select.poll()
            ended.register(unread, select.POLLERR | select.POLLHUP)
            assert ended.poll(15_000)


@pytest.mark.slow
def test_malformed_requests_leave_the_server_as_it_was() -> None:
    with fuzz_server.server() as (process, address):
        report = fuzz_server.fuzz(process, address, 300, seed=1, parts=1)
        assert report.failures == []
        assert report.answers.total() >= 200
        assert fuzz_server.answers_well(address)
        assert process.poll() is None
