"""Runs workloads: a process for every peer and number of threads, their units in turn, round by round.

A library's threads go on spinning for a while after its work, hence one process each and a pause before every unit. The
machine's speed drifts, hence the rounds: figures that are compared come from the same round. The order within a round
is drawn anew for each, so that nobody always follows the same neighbor.
"""

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .data import FOLDER
from .results import Record, Row
from .workloads import Workload

ROOT = FOLDER.parent.parent
PAUSE = 0.12  # seconds
THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
# Settings that would make NumPy's BLAS run other kernels than it chooses for the machine.
BLAS_OVERRIDES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def pause() -> float | None:
    """Wait for threads to come to rest; return the share of the processors that other programs kept busy meanwhile."""
    start, begin = time.perf_counter(), idle_seconds()
    time.sleep(PAUSE)
    end = idle_seconds()
    if begin is None or end is None:
        return None
    return 1 - (end - begin) / (os.cpu_count() or 1) / (time.perf_counter() - start)


def idle_seconds() -> float | None:
    """How long all processors together have had nothing to do, where the system tells (Linux)."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return None
    return (int(first[4]) + int(first[5])) / os.sysconf("SC_CLK_TCK")


class PeerError(Exception):
    """The process of a peer has ended."""


class Process:
    """A peer at work with a number of threads: a module that is told its name and their number."""

    def __init__(self, name: str, threads: int, module: str = "benchmarks.peers") -> None:
        self.name, self.threads = name, threads
        self.version = self.statement = ""
        environment = {key: value for key, value in os.environ.items() if key not in BLAS_OVERRIDES}
        environment |= dict.fromkeys(THREAD_LIMITS, str(threads))
        log = FOLDER / f"{name}-{threads}.log"
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, name, str(threads)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, env=environment,
            )  # fmt: skip

    def introduce(self) -> str | None:
        """Wait for the process and note what it says of its peer; return what is missing if it is not installed."""
        first = self._read()
        self.version, self.statement = first.get("version", ""), first.get("statement")
        self.threaded = first.get("threaded", True)
        return first.get("missing")

    def ask(self, **request: Any) -> dict[str, Any]:
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise PeerError from None
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise PeerError
        return json.loads(line)

    def end(self) -> None:
        """Let the process end by itself when its input does."""
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate()


class Runner:
    def __init__(self, peers: list[str], threads: list[int], quick: bool) -> None:
        self.threads, self.quick = threads, quick
        self.notes: list[str] = []
        started = [Process(name, count) for name in [*peers, "peak"] for count in threads]
        self.processes = [process for process in started if self._started(process)]
        self.versions = {process.name: process.version for process in self.processes}
        self.statements = {process.name: process.statement for process in self.processes if process.statement}

    def _started(self, process: Process) -> bool:
        try:
            if (missing := process.introduce()) is None:
                return process.threaded or process.threads == self.threads[0]
            reason = f"not installed ({missing})"
        except PeerError:
            reason = f"did not start: see build/benchmarks/{process.name}-{process.threads}.log"
        self._note(f"{process.name} is left out: {reason}")
        return False

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)
            print(text, file=sys.stderr, flush=True)

    def run(self, workload: Workload) -> Record:
        if self.quick:
            workload = workload.quick()
        record = Record(workload.name)
        ready = [process for process in list(self.processes) if self._prepare(process, workload, record)]
        rows = {
            (process, case): Row(process.name, process.threads, case)
            for process in ready
            for case in self._cases[process]
        }
        pauses: list[float | None] = []
        with busy_process() if workload.busy else contextlib.nullcontext():
            for number in range(workload.rounds):
                random.Random(number).shuffle(ready)
                for process in list(ready):
                    pauses.append(pause())
                    if (answer := self._ask(process, measure=number)) is None:
                        ready.remove(process)
                        continue
                    for case, values in answer["values"].items():
                        rows[process, case].values.append(values)
        for process in ready:
            self._ask(process, release=workload.name)
        known = [share for share in pauses if share is not None]
        record.disturbance = max(0.0, statistics.mean(known)) if known and not workload.busy else None
        record.rows = [row for row in rows.values() if len(row.values) == workload.rounds]
        return record

    _cases: dict[Process, list[str]]

    def _prepare(self, process: Process, workload: Workload, record: Record) -> bool:
        """Make the cases ready. What peers must agree on is computed once a peer, on the most threads."""
        if workload.peers is not None and process.name not in workload.peers:
            return False
        check = process.threads == self.threads[-1 if process.threaded else 0]
        answer = self._ask(process, prepare=workload.name, quick=self.quick, check=check)
        if answer is None:
            return False
        for case, reason in answer["failures"].items():
            self._note(f"{process.name}, {process.threads} threads, {case}: {reason}")
        if check:
            record.checks[process.name] = {case: values for case, values in answer["checks"].items() if values}
        self._cases = {**getattr(self, "_cases", {}), process: list(answer["checks"])}
        return bool(answer["checks"])

    def _ask(self, process: Process, **request: Any) -> dict[str, Any] | None:
        try:
            return process.ask(**request)
        except PeerError:
            self.processes.remove(process)
            self._note(f"{process.name}, {process.threads} threads, ended early in {request}")
            return None

    def close(self) -> None:
        for process in self.processes:
            process.end()


@contextlib.contextmanager
def busy_process() -> Iterator[None]:
    """Keep one core busy with another process."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()
