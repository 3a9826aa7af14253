"""``fastnet serve`` as a process: it says where it is, answers, and ends as told."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import numpy as np
import pytest

import fastnet as fn
from command import Run, serving, start
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
    assert messages.splitlines() == ["Ctrl-C ends it.", "fastnet: interrupted"]


def test_a_port_in_use_is_one_clear_line(run: Run, served: Path) -> None:
    with closing(listen("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run("serve", served, "--port", port)
    assert (done.status, done.out) == (1, "")
    assert done.err == (
        f"fastnet: error: cannot serve at 127.0.0.1 port {port}: it is in use; "
        "give another --port, or 0 for any that is free\n"
    )


def test_a_host_that_is_not_of_this_machine_is_refused(run: Run, served: Path) -> None:
    done = run("serve", served, "--host", "192.0.2.1")
    assert done.status == 1
    assert "192.0.2.1 is no address of this machine" in done.err


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
