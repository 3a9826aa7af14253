"""The files of the page on production are right: nginx runs with its own, and the others are checked as far as they can be."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import numpy as np
import pytest

import fastnet as fn
from certificates import certificate, needs_openssl, trusting
from command import serving
from fastnet.cli._arguments import parse_arguments
from fastnet.serve.running import listen

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "how-to" / "serve-in-production.md").read_text(encoding="utf-8")
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")


def programs() -> ModuleType:
    """The module of the documentation that finds the blocks of a page."""
    spec = importlib.util.spec_from_file_location("blocks_of_pages", ROOT / "docs" / "tools" / "programs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


FILES = {block.title: block.code for block in programs().blocks(PAGE) if block.title}


def model(path: Path) -> Path:
    fn.Sequential([fn.Dense(2, "softmax", input_shape=(3,))], seed=0).save(path)
    return path


def options_of_the_unit() -> list[str]:
    """What the unit passes to ``fastnet serve`` behind the models."""
    command = re.search(r"^ExecStart=\S+ serve ((?:.*\\\n)*.*)$", FILES["fastnet.service"], re.MULTILINE)
    assert command is not None
    words = shlex.split(command[1].replace("\\\n", " "))
    assert [word for word in words if word.endswith(".safetensors")] == words[:2]
    return words[2:]


# ---- nginx ----------------------------------------------------------------------------------------------------------


def free_port() -> int:
    with closing(listen("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[int]:
    """Run nginx with the file of the page on a free port."""
    cert, key = certificate(folder)
    port = free_port()
    own = FILES["nginx.conf"]
    for old, new in [
        ("127.0.0.1:8000", upstream.removeprefix("http://")),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("/etc/ssl/ml.example.org.crt", str(cert)),
        ("/etc/ssl/ml.example.org.key", str(key)),
    ]:
        assert own.count(old) == 1
        own = own.replace(old, new)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    log = f"log_format ids '$status $request_id'; access_log {folder}/access.log ids;\n"
    user = "user root;\n" if os.name == "posix" and os.geteuid() == 0 else ""
    conf = f"{user}daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;\nevents {{}}\n"
    (folder / "nginx.conf").write_text(f"{conf}http {{\n{temporary}{log}{own}}}\n")
    command = [str(NGINX), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    with subprocess.Popen(command) as process:
        try:
            yield port
        finally:
            process.terminate()


def answer_of(client: httpx.Client, method: str, address: str, **request: Any) -> httpx.Response:
    """Ask until nginx listens."""
    for _ in range(100):
        try:
            return client.request(method, address, **request)
        except httpx.ConnectError:
            time.sleep(0.05)
    return client.request(method, address, **request)


@needs_openssl
@pytest.mark.skipif(NGINX is None, reason="needs nginx")
def test_nginx_passes_requests_on_and_keeps_the_metrics_to_itself(tmp_path: Path) -> None:
    path = model(tmp_path / "digits.safetensors")
    with serving(path, *options_of_the_unit()) as (process, upstream), nginx(tmp_path, upstream) as port:
        headers = {"Host": "ml.example.org"}
        with httpx.Client(
            base_url=f"https://127.0.0.1:{port}", verify=trusting(tmp_path / "server.crt"), headers=headers
        ) as client:
            assert answer_of(client, "GET", "/ml/health").json() == {"status": "ok"}
            own = {"Origin": "https://ml.example.org"}  # a page of the server
            answer = client.post("/ml/predict", json={"instance": [1, 2, 3]}, headers=own)
            expected = fn.load_model(path).predict(np.array([[1, 2, 3]]))[0]
            np.testing.assert_allclose(answer.json()["predictions"][0]["probabilities"], expected, rtol=1e-6)
            ids = [answer.headers["x-request-id"]]
            for address in ("/ml/", "/ml/page.js", "/ml/docs", "/ml/models/digits/ready"):
                assert client.get(address).status_code == 200
            assert client.get("/ml/openapi.json").json()["servers"] == [{"url": "/ml"}]
            for address in ("/ml/metrics", "/ml/ml/metrics", "/ml//metrics", "/ml/%6detrics", "/metrics"):
                assert client.get(address).status_code == 404
            assert client.post("/ml/predict", content=b"x" * (17 * 2**20)).status_code == 413
        assert httpx.get(f"{upstream}/metrics").text.count("/predict") > 1
        process.terminate()
        _, messages = process.communicate(timeout=30)
    entries = [json.loads(line) for line in messages.splitlines()]
    assert {entry["path"] for entry in entries} >= {"/ml/predict", "/ml/docs"}
    logged = dict(line.split()[::-1] for line in (tmp_path / "access.log").read_text().splitlines())
    assert {ids[0]} <= {entry["request_id"] for entry in entries} & {*logged}


# ---- The others -----------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "fastnet.service"
    unit.write_text(FILES["fastnet.service"].replace("/opt/fastnet/bin/fastnet", sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_of_the_unit_is_one() -> None:
    given = parse_arguments(["serve", "a", "b", *options_of_the_unit()])
    assert (given.model, given.workers, given.root_path) == (["a", "b"], 2, "/ml")


def instructions() -> dict[str, str]:
    """The last instruction of each kind of the Dockerfile."""
    lines = FILES["Dockerfile.serve"].replace("\\\n", " ").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def test_the_container_runs_a_command_that_exists_as_another_user_than_root() -> None:
    found = instructions()
    command = json.loads(found["ENTRYPOINT"]) + json.loads(found["CMD"])
    assert command[0] == "fastnet"
    given = parse_arguments(command[1:])
    assert (given.host, given.port, given.log_format) == ("0.0.0.0", int(found["EXPOSE"]), "json")
    assert given.model == [found["COPY"].split()[1]]
    assert int(found["USER"]) > 0


def test_the_health_check_of_the_container_tells_a_server_from_none(tmp_path: Path) -> None:
    check = json.loads(instructions()["HEALTHCHECK"].partition("CMD ")[2])
    assert check[:2] == ["python", "-c"]

    def status(address: str) -> int:
        code = check[2].replace("http://127.0.0.1:8000", address)
        return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode

    with serving(model(tmp_path / "digits.safetensors"), "--quiet") as (_, address):
        assert status(address) == 0
    assert status(address) == 1


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool, which comes with Prometheus")
def test_prometheus_accepts_its_file(tmp_path: Path) -> None:
    (tmp_path / "prometheus.yml").write_text(FILES["prometheus.yml"])
    command = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_of_metrics_is_complete(tmp_path: Path) -> None:
    named = set(re.findall(r"^\| `(fastnet_\w+)`", PAGE, re.MULTILINE))
    with serving(model(tmp_path / "digits.safetensors"), "--quiet") as (_, address):
        httpx.post(f"{address}/predict", json={"instance": [1, 2, 3]})
        text = httpx.get(f"{address}/metrics").text
    assert named == set(re.findall(r"^# TYPE (fastnet_\w+)", text, re.MULTILINE))
