"""Measure fastnet and its peers side by side, and write a report and two plots.

usage: python -m benchmarks [--peers numpy,torch] [--workloads gemm,momentum] [--quick]
"""

import argparse
import sys
import time
from functools import reduce
from pathlib import Path

from . import checks, fresh, machine, peers, plots, processors, report
from .data import FOLDER
from .results import Results
from .runner import ROOT, Runner
from .workloads import WORKLOADS

FRESH = ("imports", "memory", "kernels")  # measured in fresh processes, or by the compiled benchmark
NAMES = (*WORKLOADS, *FRESH)


def choice(known: tuple[str, ...]):
    """A type for argparse: names separated by commas."""

    def parse(text: str) -> list[str]:
        chosen = [name for name in text.split(",") if name]
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known are {', '.join(known)}")
        return chosen

    return parse


def parse_arguments() -> argparse.Namespace:
    others = tuple(name for name in peers.names() if name not in ("fastnet", "peak"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=choice(others), default=list(others), help=f"of {','.join(others)}")
    parser.add_argument("--workloads", type=choice(NAMES), default=list(NAMES), help=f"of {','.join(NAMES)}")
    parser.add_argument("--threads", default="1,2", help="numbers of threads, 1,2 by default")
    parser.add_argument("--quick", action="store_true", help="two rounds of small cases: a look, not a record")
    parser.add_argument("--out", type=Path, help="folder of the report; of a whole run benchmarks/, of others build/")
    parser.add_argument(
        "--report", type=Path, nargs="+", metavar="JSON", help="write the report of earlier results, the last ones last"
    )
    arguments = parser.parse_args()
    arguments.threads = sorted({int(count) for count in arguments.threads.split(",")})
    arguments.whole = arguments.peers == list(others)
    return arguments


def measure(arguments: argparse.Namespace) -> Results:
    FOLDER.mkdir(parents=True, exist_ok=True)
    machine.build_kernels()
    no_mnist = machine.prepare_mnist()
    runner = Runner(["fastnet", *arguments.peers], arguments.threads, arguments.quick)
    results = Results(machine.describe(), arguments.threads, runner.versions, runner.notes, arguments.quick)
    results.kind = processors.kind(processors.cpuinfo())
    if no_mnist:
        runner.notes.append(f"Workloads on MNIST are left out: {no_mnist}")
    for name in arguments.workloads:
        start = time.perf_counter()
        if name == "imports":
            results.records[name] = fresh.imports(runner.statements, 2 if arguments.quick else 5)
        elif name == "memory":
            results.records[name] = fresh.memory()
        elif name == "kernels":
            results.kernels = machine.kernel_figures()
        else:
            results.records[name] = runner.run(WORKLOADS[name])
        results.save(FOLDER / "results.json")
        print(f"{name}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    runner.close()
    return results


def main() -> None:
    arguments = parse_arguments()
    results = reduce(Results.joined, map(Results.load, arguments.report)) if arguments.report else measure(arguments)
    whole = arguments.whole and not results.quick and set(NAMES) <= {*results.records, "kernels"}
    out = arguments.out or (ROOT / "benchmarks" if whole else FOLDER)
    out.mkdir(parents=True, exist_ok=True)
    page = out / "RESULTS.md"
    earlier = page.read_text(encoding="utf-8") if page.exists() else ""
    page.write_text(report.write(results, earlier, plots.write(results, out)), encoding="utf-8")
    print(report.body(results, ()))
    if wrong := checks.disagreements(results):
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
