"""Send a server thousands of malformed requests, and see that it refuses them, keeps its memory and still answers.

usage: python -m benchmarks.fuzz_server [--requests 10000] [--seed 0]

Half of them are what schemathesis makes of the OpenAPI document: bodies that it rules out. Each answer is checked against the
document, too. The others are bytes: random ones, those of good requests with some changed, lost, repeated or cut off, heads
without an end, bodies that do not come. The exit status is 1 if an answer has a status from 500 on or is not as the document
says, if the server has grown by more than 5% since a fifth of the requests were sent, or if it does not answer a good request
at the end.
"""

import argparse
import asyncio
import io
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import numpy as np

import fastnet as fn

PARTS = 20  # into which the requests are divided; memory is read after each
AT_ONCE = 8  # connections
PATIENCE = 0.2  # seconds that an answer may take; a request without an end gets none
INSTANCE = [[0.5] * 3] * 3


@dataclass
class Report:
    """What came back, and the server's memory after each part of the requests, in bytes."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """The memory at the end by that after a fifth of the requests, less 1."""
        return self.memory[-1] / self.memory[len(self.memory) // 5 - 1] - 1 if self.memory else 0.0


# ---- The server -----------------------------------------------------------------------------------------------------


@contextmanager
def server() -> Iterator[tuple[Popen[str], str]]:
    """Serve a small model by the command; yields the process and its address."""
    layers = [fn.layers.Flatten(input_shape=(3, 3)), fn.Dense(4, "relu"), fn.Dense(3, "softmax")]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        fn.Sequential(layers, seed=0).save(path)
        options = ["--port", "0", "--quiet", "--max-batch", "20", "--max-body", "1"]
        command = [sys.executable, "-m", "fastnet", "serve", str(path), *options]
        with Popen(command, stdout=PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                yield process, process.stdout.readline().split()[-1]
            finally:
                process.terminate()


def memory_of(process: Popen[str]) -> int | None:
    """Return the bytes that a process has in memory; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def answers_well(address: str) -> bool:
    """Return whether a good request gets three probabilities."""
    asked = Request(f"{address}/predict", json.dumps({"instance": INSTANCE}).encode(), JSON)
    with urlopen(asked, timeout=10) as answer:
        (prediction,) = json.load(answer)["predictions"]
    return abs(sum(prediction["probabilities"]) - 1) < 1e-5


# ---- Requests that the document rules out ---------------------------------------------------------------------------


def ruled_out(address: str, count: int, seed: int, report: Report) -> None:
    """Send about so many requests that schemathesis makes, and check the answers."""
    import hypothesis
    import schemathesis
    from schemathesis.checks import CHECKS

    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [found for one in schema.get_all_operations() if (found := one.ok()).method == "post"]
    checks = CHECKS.get_all()
    for operation in operations:

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=max(1, count // len(operations)),
            database=None,
            deadline=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE))
        def send(case: schemathesis.Case) -> None:
            answer = case.call(base_url=address, timeout=10)
            report.answers[f"document: {answer.status_code}"] += 1
            try:
                case.validate_response(answer, checks=checks)
            except Exception as error:
                report.failures.append(f"{case.method} {case.path} {case.body!r:.200}: {str(error).splitlines()[0]}")

        send()


# ---- Bytes ----------------------------------------------------------------------------------------------------------

JSON, NPY = {"Content-Type": "application/json"}, {"Content-Type": "application/x-npy"}


def npy(rows: int) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros((rows, 3, 3)))
    return stream.getvalue()


def request(address: str, headers: dict[str, str], body: bytes, length: int | None = None) -> bytes:
    lines = [f"POST {address} HTTP/1.1", "Host: localhost", *(f"{name}: {text}" for name, text in headers.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(body) if length is None else length}"])
    return head.encode() + b"\r\n\r\n" + body


GOOD = [
    request("/predict", JSON, json.dumps({"instances": [INSTANCE, INSTANCE]}).encode()),
    request("/explain", JSON, json.dumps({"instance": INSTANCE}).encode()),
    request("/predict", NPY, npy(2)),
    request("/predict", {**NPY, "Accept": "application/x-npy", "Expect": "100-continue"}, npy(20)),
    request("/models/model/predict", {**JSON, "X-Request-ID": "a-b_c"}, json.dumps({"instance": INSTANCE}).encode()),
    b"GET /weights HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
    b"GET /models/model/page.js HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: 1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n",
]


def mutated(draw: random.Random, data: bytes) -> bytes:
    """Return bytes of which some are changed, lost, repeated, or cut off."""
    for _ in range(draw.randint(1, 4)):
        start = draw.randrange(len(data) or 1)
        stop = start + draw.choice([1, 1, 2, 8, 64])
        piece = data[start:stop]
        piece = draw.choice(
            [b"", piece + piece, draw.randbytes(len(piece)), bytes([draw.choice(b'[]{}",-e.0\r\n \x00')])]
        )
        data = data[:start] + piece + data[stop:] if draw.random() < 0.9 else data[:start]
    return data


def malformed(draw: random.Random) -> bytes:
    """Return one request, or what looks like one from far away."""
    good = draw.choice(GOOD)
    head, _, body = good.partition(b"\r\n\r\n")
    headers = draw.choice([JSON, NPY])
    match draw.randrange(8):
        case 0:
            return draw.randbytes(draw.randint(1, 2000))
        case 1:
            return mutated(draw, good)
        case 2:
            return request("/predict", headers, draw.randbytes(draw.randint(0, 2000)))
        case 3:
            return request(draw.choice(["/predict", "/explain"]), headers, mutated(draw, body or b"{}"))
        case 4:  # a body that does not come, or is longer than it says
            return request("/predict", headers, body, draw.choice([len(body) + 5, 10**9, 10**30, -1, len(body) // 2]))
        case 5:
            return head + b"\r\nX: " + draw.choice([b"\x00", b"y" * 200_000, b"\xff" * 50, b"\r\n" * 50])
        case 6:
            chunks = b"".join(b"%x\r\n%s\r\n" % (draw.choice([len(body), 0, 2**40]), body) for _ in range(3))
            return b"POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
        case _:
            deep = draw.choice([b"[", b'{"instance":', b'{"instances":[[']) * draw.randint(1, 50_000)
            return request("/predict", JSON, deep)


async def exchange(host: str, port: int, data: bytes) -> str:
    """Send bytes and return the status of the answer, "none" without one."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE):
            while (line := await reader.readline()).startswith(b"HTTP/1.1 100 "):  # and an empty line
                await reader.readline()
        return line.split()[1].decode() if line.startswith(b"HTTP/1.1 ") else "none"
    except (TimeoutError, ConnectionError):
        return "none"
    finally:
        writer.close()


async def send_bytes(address: str, count: int, draw: random.Random, report: Report) -> None:
    """Send malformed requests, a few at a time, each on a connection of its own."""
    place = urlsplit(address)
    assert place.hostname
    assert place.port
    for start in range(0, count, AT_ONCE):
        requests = [malformed(draw) for _ in range(min(AT_ONCE, count - start))]
        statuses = await asyncio.gather(*(exchange(place.hostname, place.port, data) for data in requests))
        for data, status in zip(requests, statuses, strict=True):
            report.answers[f"bytes: {status}"] += 1
            if status[:1] == "5":
                report.failures.append(f"{data[:200]!r}: {status}")


# ---- Together -------------------------------------------------------------------------------------------------------


def fuzz(process: Popen[str], address: str, count: int, seed: int = 0, parts: int = PARTS) -> Report:
    """Send a server so many requests."""
    report, draw = Report(), random.Random(seed)
    for part in range(parts):
        ruled_out(address, count // parts // 2, seed * parts + part, report)
        asyncio.run(send_bytes(address, count // parts // 2, draw, report))
        if (memory := memory_of(process)) is not None:
            report.memory.append(memory)
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_server", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000, help="10,000 by default")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with server() as (process, address):
        before = memory_of(process)
        report = fuzz(process, address, arguments.requests, arguments.seed)
        still = answers_well(address)
    print(
        f"{report.answers.total():,} requests:",
        ", ".join(f"{n:,} {what}" for what, n in sorted(report.answers.items())),
    )
    if before is not None:
        series = ", ".join(f"{size / 1e6:.1f}" for size in report.memory)
        print(f"memory in MB: {before / 1e6:.1f} at first, then {series}; {report.growth:+.1%} since a fifth of them")
    print(f"{len(report.failures)} failures", *report.failures[:20], sep="\n  ")
    print("the server still answers" if still else "the server does not answer")
    return int(bool(report.failures) or not still or report.growth > 0.05)


if __name__ == "__main__":
    sys.exit(main())
