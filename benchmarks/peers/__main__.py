"""The process of one peer: reads a request a line and answers each with a line of JSON.

usage: python -m benchmarks.peers NAME THREADS

{"prepare": WORKLOAD, "quick": BOOL, "check": BOOL}  makes its cases ready; answers which, and what to compare
{"measure": ROUND}                                   takes one unit of every case, one after another
{"release": WORKLOAD}                                lets the arrays go
"""

import gc
import importlib
import json
import os
import sys
import traceback
from typing import Any

from ..workloads import WORKLOADS
from .base import Library
from .measuring import Prepared, prepare


def bind(threads: int) -> None:
    """Stay on as many processors as there are threads, so that no library can use more; every peer is bound alike."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


class Server:
    def __init__(self, library: Library) -> None:
        self.library = library
        self.cases: dict[str, Prepared] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if "prepare" in request:
            return self.prepare(request["prepare"], request["quick"], request["check"])
        if "measure" in request:
            return {"values": {key: case.measure(request["measure"]) for key, case in self.cases.items()}}
        self.cases = {}
        gc.collect()
        return {}

    def prepare(self, workload: str, quick: bool, check: bool) -> dict[str, Any]:
        chosen = WORKLOADS[workload].quick() if quick else WORKLOADS[workload]
        self.cases, failures = {}, {}
        for case in chosen.cases:
            if case.form not in self.library.forms:
                continue
            try:
                self.cases[case.key] = prepare(case, self.library, check)
            except NotImplementedError:
                continue
            except Exception as error:  # a peer that fails is left out of this case, and the report says why
                traceback.print_exc()
                failures[case.key] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        return {"checks": {key: case.checks for key, case in self.cases.items()}, "failures": failures}


def main() -> None:
    name, threads = sys.argv[1], int(sys.argv[2])
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is not an answer

    def reply(**answer: Any) -> None:
        replies.write(json.dumps(answer) + "\n")
        replies.flush()

    bind(threads)
    try:
        library = importlib.import_module(f"{__package__}.{name}_peer").Library(threads)
    except ImportError as error:
        reply(missing=str(error))
        return
    reply(version=library.version(), statement=library.statement, threaded=library.threaded)
    server = Server(library)
    for line in sys.stdin:
        reply(**server.answer(json.loads(line)))


if __name__ == "__main__":
    main()
