"""A server of several processes answers as one, counts as one, and loses no request."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

import fastnet as fn
from command import Run, serving, start
from fastnet.serve import workers as workers_module
from fastnet.support.interrupts import handled

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")

# The servers speak plain HTTP. Each of these calls is a client of its own, which else reads the system's certificates for 25 ms.
get, post = functools.partial(httpx.get, verify=False), functools.partial(httpx.post, verify=False)

# A server that replaces workers at once, where several are replaced one after another; the pauses have a test of their own.
WITHOUT_PAUSES = (
    "-c",
    "from fastnet.cli import main; from fastnet.serve import workers; "
    "workers._SECONDS_BETWEEN_STARTS = 0.0; raise SystemExit(main())",
)


def save(path: Path, seed: int) -> fn.Sequential:
    """Save a model whose outputs tell which one it is."""
    model = fn.Sequential([fn.Dense(2, input_shape=(2,))], seed=seed)
    model.save(path)
    return model


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    for seed, path in enumerate(paths):
        save(path, seed)
    return paths


def samples(address: str) -> list[Any]:
    text = get(f"{address}/metrics").text
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def total(address: str, name: str, **labels: str) -> float:
    """The sum of a metric over all series with these labels."""
    found = [sample for sample in samples(address) if sample.name == name and labels.items() <= sample.labels.items()]
    return sum(sample.value for sample in found)


def wait_for(what: Callable[[], bool], seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.05)


def children_of(process: "subprocess.Popen[str]") -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        pytest.skip("needs /proc")
    return [int(child) for child in children.read_text().split()]


def test_workers_answer_as_one_server_and_count_together(paths: list[Path]) -> None:
    with serving(*paths, "--workers", 2, "--quiet") as (process, address):
        for number in range(40):
            name = ("a", "b")[number % 2]
            assert post(f"{address}/models/{name}/predict", json={"instance": [1, 2]}).status_code == 200
        assert total(address, "fastnet_requests_total", route="/predict", status="200") == 40
        assert total(address, "fastnet_prediction_instances_sum", model="b") == 20
        assert total(address, "fastnet_workers") == 2
        assert total(address, "fastnet_model_loads_total", model="a", outcome="success") == 2
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == -signal.SIGTERM


def test_ctrl_c_ends_all_of_them(paths: list[Path]) -> None:
    with serving(paths[0], "--workers", 2) as (process, _):
        workers = children_of(process)
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=30)
    assert (process.returncode, messages.splitlines()) == (130, ["Press Ctrl-C to stop.", "fastnet: interrupted"])
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


def test_a_worker_that_ends_is_replaced_and_its_counts_stay(paths: list[Path]) -> None:
    with serving(paths[0], "--workers", 2, "--log-format", "json") as (process, address):
        for _ in range(10):
            post(f"{address}/predict", json={"instance": [1, 2]})
        # A request is counted after its answer was sent.
        wait_for(lambda: total(address, "fastnet_requests_total", route="/predict") == 10)
        before = children_of(process)
        os.kill(before[0], signal.SIGKILL)
        wait_for(lambda: len(now := children_of(process)) == 2 and before[0] not in now)
        for _ in range(10):
            assert post(f"{address}/predict", json={"instance": [1, 2]}).status_code == 200
        wait_for(lambda: total(address, "fastnet_requests_total", route="/predict") == 20)
        process.terminate()
        _, messages = process.communicate(timeout=30)
    entry = json.loads(messages.splitlines()[1])
    assert entry["message"] == f"worker {before[0]} ended with status -9; another one takes its place"


@pytest.mark.parametrize(
    "damage",
    [lambda path: save(path, 7), lambda path: path.write_bytes(b"junk" * 50), lambda path: path.unlink()],
    ids=["replaced", "overwritten", "deleted"],
)
def test_a_worker_that_takes_the_place_of_another_has_the_model_of_the_others(
    damage: Callable[[Path], Any], paths: list[Path]
) -> None:
    with serving(paths[0], "--workers", 2, "--quiet", program=WITHOUT_PAUSES) as (process, address):
        (before,) = hashes(address)
        damage(paths[0])
        replace_workers(process, address)
        assert hashes(address) == {before}
        new = save(paths[0], 8)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: before not in hashes(address))
        (after,) = hashes(address)
        paths[0].write_bytes(b"junk" * 50)
        process.send_signal(signal.SIGHUP)
        wait_for(
            lambda: total(address, "fastnet_model_loads_total", outcome="failure") == 1
        )  # once, not by each worker
        replace_workers(process, address)
        assert hashes(address) == {after}
        answer = post(f"{address}/predict", json={"instance": [1, 1]}).json()
        np.testing.assert_allclose(answer["predictions"], new.predict(np.ones((1, 2))), rtol=1e-6)


def hashes(address: str) -> set[str]:
    """The files that the workers answer from; each request has a connection of its own."""
    return {get(f"{address}/models").json()["models"][0]["sha256"] for _ in range(30)}


def replace_workers(process: "subprocess.Popen[str]", address: str) -> None:
    """Kill the workers one after another, and wait until others have taken their places."""
    for worker in children_of(process):
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda worker=worker: len(now := children_of(process)) == 2 and worker not in now)
        wait_for(lambda: total(address, "fastnet_workers") == 2)


def test_pauses_grow_while_workers_fail_at_once() -> None:
    pauses = [0.0]
    for answered in [0, 5, 0, 0, 0, 0, 0, 60, 0]:
        pauses.append(workers_module._pause_after(pauses[-1], answered))
    assert pauses[1:] == [1, 2, 4, 8, 16, 30, 30, 1, 2]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_workers_and_copies_end_with_the_process_that_started_them(
    end: signal.Signals, paths: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    with serving(paths[0], "--workers", 2, "--quiet", env={**os.environ, "TMPDIR": str(folder)}) as (process, _):
        workers = children_of(process)
        assert len(list(folder.iterdir())) == 1
        process.send_signal(end)
        wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
        wait_for(lambda: not list(folder.iterdir()))


def test_copies_may_be_cleaned_away(paths: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    options = {"program": WITHOUT_PAUSES, "env": {**os.environ, "TMPDIR": str(folder)}}
    with serving(*paths, "--workers", 2, "--quiet", **options) as (process, address):
        before = hashes(address)
        for way in (lambda copy: copy.unlink(), lambda copy: shutil.rmtree(copy.parent)):
            way(next(folder.glob("*/0.safetensors")))
            replace_workers(process, address)
            assert hashes(address) == before
        shutil.rmtree(next(folder.iterdir()))
        save(paths[0], 7)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: not hashes(address) & before)
        process.terminate()
        assert "cannot" not in process.communicate(timeout=30)[1]
    assert not list(folder.iterdir())


def test_the_error_of_a_worker_that_cannot_begin_is_in_the_format_of_the_log(paths: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    options = {"env": {**os.environ, "TMPDIR": str(folder)}}
    with serving(paths[0], "--workers", 2, "--log-format", "json", **options) as (process, address):
        for copy in folder.glob("*/*"):
            copy.write_bytes(b"junk")
        os.kill(children_of(process)[0], signal.SIGKILL)
        wait_for(lambda: total(address, "fastnet_workers") == 1)
        assert process.stderr is not None
        assert process.stderr.readline() == "Press Ctrl-C to stop.\n"
        entries = [json.loads(process.stderr.readline()) for _ in range(2)]  # of its end, and of the one after it
    assert entries[1]["message"].startswith("a worker cannot begin: ")
    assert {entry["level"] for entry in entries} == {"error"}


def test_workers_load_a_file_that_changes_once_it_is_there(paths: list[Path]) -> None:
    with serving(*paths, "--workers", 2, "--watch", "--log-format", "json") as (process, address):
        new = save(paths[0], 7)
        wait_for(lambda: total(address, "fastnet_model_loads_total", model="a", outcome="success") == 4)
        answer = post(f"{address}/predict", json={"instance": [1, 1]}).json()
        np.testing.assert_allclose(answer["predictions"], new.predict(np.ones((1, 2))), rtol=1e-6)
        assert total(address, "fastnet_model_loads_total", model="b", outcome="success") == 2
        process.terminate()
        _, messages = process.communicate(timeout=30)
    assert " b: " not in messages


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_loads_the_models_again(workers: int, paths: list[Path]) -> None:
    with serving(paths[0], f"b={paths[1]}", "--workers", workers, "--log-format", "json") as (process, address):
        new = save(paths[0], 7)
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: total(address, "fastnet_model_loads_total", model="a", outcome="success") == 2 * workers)
        answer = post(f"{address}/predict", json={"instance": [1, 1]}).json()
        np.testing.assert_allclose(answer["predictions"], new.predict(np.ones((1, 2))), rtol=1e-6)
        process.terminate()
        _, messages = process.communicate(timeout=30)
    entries = [json.loads(line) for line in messages.splitlines()[1:]]
    loaded = [entry["message"] for entry in entries if entry["message"].startswith(f"a: loaded {paths[0]}, sha256 ")]
    assert len(loaded) == workers


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's pseudo-terminals")
@pytest.mark.parametrize("workers", [1, 2])
def test_it_ends_with_its_terminal(workers: int, paths: list[Path]) -> None:
    import fcntl
    import termios

    ours, theirs = os.openpty()
    own_terminal = {"start_new_session": True, "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)}
    ends = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    with start("serve", paths[0], "--port", 0, "--workers", workers, **ends, **own_terminal) as process:
        os.close(theirs)
        said = b""
        while b"Press Ctrl-C" not in said:
            said += os.read(ours, 1000)
        process.send_signal(signal.SIGHUP)  # the terminal is there: models are loaded again
        while b"has not changed" not in said:
            said += os.read(ours, 1000)
        os.close(ours)
        assert process.wait(timeout=30) == -signal.SIGHUP


def test_a_file_that_changes_is_loaded_on_request(paths: list[Path]) -> None:
    with serving(paths[0], "--watch", "--quiet") as (_, address):
        new = save(paths[0], 7)
        wait_for(lambda: total(address, "fastnet_model_loads_total", outcome="success") == 2)
        answer = post(f"{address}/predict", json={"instance": [1, 1]}).json()
        np.testing.assert_allclose(answer["predictions"], new.predict(np.ones((1, 2))), rtol=1e-6)


def test_errors_of_the_start_are_one_clear_line(run: Run, paths: list[Path]) -> None:
    for workers in (1, 2):
        for option, message in [
            (["--cors", "x"], "cors must contain origins"),
            (["--root-path", "x"], "root_path must be a path"),
            ([f"a={paths[1]}"], "have the same name, a; give one as NAME=PATH"),
            (["missing.safetensors"], "missing.safetensors: No such file or directory"),
        ]:
            with handled([], lambda *_: None):
                done = run("serve", paths[0], *option, "--port", 0, "--workers", workers)
            assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
            assert message in done.err


# ---- Soak -----------------------------------------------------------------------------------------------------------


class Client(threading.Thread):
    """Asks two models in turn on one connection, and remembers the answers."""

    def __init__(self, address: str, stop: threading.Event) -> None:
        super().__init__()
        self.address = address
        self.stop = stop
        self.answers: Counter[tuple[str, int]] = Counter()
        self.seen: set[tuple[str, str, tuple[float, ...]]] = set()
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            with httpx.Client(base_url=self.address, timeout=20) as client:
                while not self.stop.is_set():
                    for name in ("a", "b"):
                        answer = client.post(f"/models/{name}/predict", json={"instance": [1, 1]})
                        self.answers[name, answer.status_code] += 1
                        (outputs,) = answer.json()["predictions"]
                        self.seen.add((name, answer.headers["x-model-sha256"], tuple(outputs)))
        except Exception as error:
            self.failure = error


@pytest.mark.slow
def test_under_load_with_reloads_nothing_is_lost_and_everything_is_counted(paths: list[Path]) -> None:
    with serving(*paths, "--workers", 2, "--watch", "--quiet") as (process, address):
        stop = threading.Event()
        clients = [Client(address, stop) for _ in range(4)]
        for client in clients:
            client.start()
        outputs = {tuple(fn.load_model(path).predict(np.ones((1, 2)))[0].tolist()) for path in paths}
        ends, seed = time.monotonic() + 6, 10
        while time.monotonic() < ends:
            for path in paths:
                seed += 1
                outputs.add(tuple(save(path, seed).predict(np.ones((1, 2)))[0].tolist()))
            process.send_signal(signal.SIGHUP)
            time.sleep(0.4)
        stop.set()
        for client in clients:
            client.join()
        assert [client.failure for client in clients] == [None] * 4
        answers = sum((client.answers for client in clients), Counter())
        assert set(answers) == {("a", 200), ("b", 200)}
        for name in ("a", "b"):
            assert total(address, "fastnet_requests_total", model=name, route="/predict") == answers[name, 200]
            assert total(address, "fastnet_prediction_instances_sum", model=name) == answers[name, 200]
            assert total(address, "fastnet_request_duration_seconds_count", model=name) == answers[name, 200]
        assert total(address, "fastnet_model_loads_total", outcome="failure") == 0
        # Every answer is that of one of the models, and those of one file are the same.
        seen = set().union(*(client.seen for client in clients))
        assert {answer for _, _, answer in seen} <= outputs
        assert len({sha256 for _, sha256, _ in seen}) == len(seen) > 4
        process.terminate()
        assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == -signal.SIGTERM
