"""``fastnet serve`` as a process: it says where it is, answers, and ends as told."""

import functools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

import fastnet as fn
from command import Run, serving, start
from fastnet.cli._arguments import parse_arguments
from fastnet.serve.running import listen

posix_only = pytest.mark.skipif(os.name != "posix", reason="sends signals as POSIX has them")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "model.safetensors"
    fn.Sequential([fn.Dense(3, "softmax", input_shape=(4,))], seed=0).save(path)
    return path


@posix_only
def test_it_prints_its_address_answers_and_ends_at_ctrl_c(served: Path) -> None:
    row = [0.1, 0.2, 0.3, 0.4]
    with serving(served) as (process, address):
        assert address.startswith("http://127.0.0.1:")
        with httpx.Client(base_url=address) as client:
            answer = client.post("/predict", json={"instance": row}).json()
            expected = fn.load_model(served).predict(np.array([row]))[0]
            np.testing.assert_allclose(answer["predictions"][0]["probabilities"], expected, rtol=1e-6)
            process.send_signal(signal.SIGINT)  # while a connection is open
            _, messages = process.communicate(timeout=20)
    assert process.returncode == 130
    assert messages.splitlines() == ["Press Ctrl-C to stop.", "fastnet: interrupted"]


BODY = b'{"instance": [1, 2, 3, 4]}'
HEAD = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    % len(BODY)
)
OTHERS = (b"", b"GET /health HT", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")


@contextmanager
def connected(served: Path) -> Iterator[tuple["subprocess.Popen[str]", socket.socket]]:
    """A server with connections in all states, the last of which has begun a request."""
    with serving(served, "--quiet") as (process, address), ExitStack() as stack:
        at = ("127.0.0.1", int(address.rsplit(":", 1)[1]))
        for sent in (*OTHERS, HEAD + BODY[:5]):
            connection = stack.enter_context(socket.create_connection(at, timeout=20))
            connection.sendall(sent)
        time.sleep(0.2)
        yield process, connection


@posix_only
@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", None)])
def test_it_answers_what_has_begun_and_ends_without_a_traceback(name: str, status: int | None, served: Path) -> None:
    with connected(served) as (process, connection):
        process.send_signal(getattr(signal, name))
        time.sleep(0.3)
        connection.sendall(BODY[5:])
        assert connection.recv(10_000).startswith(b"HTTP/1.1 200 ")
        out, err = process.communicate(timeout=30)
    # As uvicorn and its kin, it ends by the signal itself: a shell calls that 143 and 129.
    assert process.returncode == (-getattr(signal, name) if status is None else status)
    assert (out, err) == ("", "fastnet: interrupted\n" if name == "SIGINT" else "")


@posix_only
@pytest.mark.parametrize(
    ("name", "times"), [("SIGINT", 2), pytest.param("SIGTERM", 1, marks=pytest.mark.slow)], ids=["twice", "once"]
)
def test_it_ends_without_a_traceback_where_a_request_does_not_come(name: str, times: int, served: Path) -> None:
    with connected(served) as (process, connection):
        for _ in range(times):
            process.send_signal(getattr(signal, name))
            time.sleep(0.2)
        out, err = process.communicate(timeout=30)
        assert connection.recv(10_000) == b""
    assert (out, err) == ("", "fastnet: interrupted\n" if name == "SIGINT" else "")


@posix_only
def test_under_nohup_it_goes_on(served: Path) -> None:
    ignoring = functools.partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    with serving(served, preexec_fn=ignoring) as (process, address):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert httpx.get(f"{address}/health").status_code == 200
        assert process.poll() is None


def test_it_answers_to_its_own_names_and_to_those_that_are_allowed(served: Path) -> None:
    def status(address: str, host: str) -> int:
        return httpx.get(f"{address}/model", headers={"Host": host}).status_code

    with serving(served, "--allow-host", "one.example", "--allow-host", "two.example") as (_, address):
        hosts = ["localhost", "127.0.0.1:80", "one.example", "two.example:80", "evil.example", "192.0.2.1"]
        assert [status(address, host) for host in hosts] == [200, 200, 200, 200, 421, 421]
    with serving(served, "--host", "0.0.0.0") as (_, address):
        address = address.replace("0.0.0.0", "127.0.0.1")
        assert [status(address, host) for host in ("localhost", "192.0.2.1:80", "evil.example")] == [200, 200, 421]


def test_a_name_that_is_none_is_refused(run: Run, served: Path) -> None:
    done = run("serve", served, "--port", 0, "--allow-host", "http://one.example")
    assert (done.status, done.out) == (1, "")
    assert "allow_host must contain host names, without scheme and port; got 'http://one.example'" in done.err


def test_names_may_stand_in_a_file_of_options(tmp_path: Path) -> None:
    (tmp_path / "serve.toml").write_text("[serve]\nallow-host = ['one.example', 'two.example']\nmodel = 'm'\n")
    given = parse_arguments(["serve", "--config", str(tmp_path / "serve.toml")])
    assert given.allow_host == ["one.example", "two.example"]
    (tmp_path / "serve.toml").write_text("allow_host = 'one.example'\n")
    given = parse_arguments(["serve", "m", "--config", str(tmp_path / "serve.toml"), "--allow-host", "two.example"])
    assert given.allow_host == ["one.example", "two.example"]


def test_a_port_in_use_is_one_clear_line(run: Run, served: Path) -> None:
    with closing(listen("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("serve", served, "--port", port)
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        f"fastnet: error: cannot serve at 127.0.0.1 port {port}: it is in use; "
        "use another --port, or 0 for any free port\n"
    )


def test_a_host_that_is_not_of_this_machine_is_refused(run: Run, served: Path) -> None:
    done = run("serve", served, "--host", "192.0.2.1")
    assert done.status == 1
    assert "192.0.2.1 is not an address of this machine" in done.err


@posix_only
def test_json_tells_the_address_and_quiet_says_nothing_else(served: Path) -> None:
    process = start("serve", served, "--port", 0, "--json", "--quiet")
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "}\n")
    document = json.loads("".join([*lines, "}"]))
    assert httpx.get(f"{document['address']}/health").json() == {"status": "ok"}
    process.send_signal(signal.SIGINT)
    rest, messages = process.communicate(timeout=20)
    assert (rest, messages) == ("", "fastnet: interrupted\n")


@pytest.mark.parametrize(
    ("missing", "message"),
    [("starlette.applications", "fastnet.serve needs starlette"), ("httptools", "running a server needs uvicorn")],
)
def test_a_missing_extra_is_named(served: Path, missing: str, message: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from fastnet.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "serve", str(served), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert 'pip install "fastnet-nn[serve]"' in done.stderr
