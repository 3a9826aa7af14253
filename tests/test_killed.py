"""Training that SIGKILL ends at random moments, while checkpoints are written too, ends as if nothing had happened."""

import multiprocessing
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from killed import RUNS, WHEN, train

# A process that has imported fastnet has a child in some milliseconds.
PROCESSES = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
PROCESSES.set_forkserver_preload(["fastnet"])
MOST_KILLS = 4  # of one run
LONGEST = 0.2  # seconds until a kill


@cache
def uninterrupted(case: str) -> str:
    return repr(RUNS[case]())


def trained_with_kills(number: int, folder: Path) -> tuple[str, int]:
    """Train in processes that are killed, until one is not; return the result and the number of kills."""
    rng = np.random.default_rng(number)
    case, when = list(RUNS)[number % len(RUNS)], number // len(RUNS) % len(WHEN)
    result, kills, longest = folder / "result", 0, LONGEST
    for _ in range(100):
        here, there = PROCESSES.Pipe()
        process = PROCESSES.Process(target=train, args=(case, when, folder, int(rng.integers(1, 4)), there))
        process.start()
        here.recv()
        if kills < MOST_KILLS:
            time.sleep(rng.uniform(0.0, longest))
            process.kill()
        process.join()
        if process.exitcode != 0:
            assert process.exitcode in (-signal.SIGKILL, 255) or sys.platform == "win32"  # 1 is for an exception
            kills += 1
        elif kills:
            return result.read_text(), kills
        else:  # it was too fast
            result.unlink()
            longest /= 2
    raise AssertionError(f"run {number} does not get on")


def assert_all_end_the_same(numbers: range, folder: Path) -> None:
    folders = [folder / str(number) for number in numbers]
    for one in folders:
        one.mkdir()
    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(trained_with_kills, numbers, folders))
    cases = list(RUNS)
    different = [
        number
        for number, (result, _) in zip(numbers, outcomes, strict=True)
        if result != uninterrupted(cases[number % len(cases)])
    ]
    assert not different
    assert all(kills for _, kills in outcomes)  # how many depends on how fast the machine is
    assert not [path for one in folders for path in one.iterdir() if path.name != "result"]


def test_three_runs_killed_again_and_again_end_with_the_same_bits(tmp_path: Path) -> None:
    assert_all_end_the_same(range(0, 3 * 10, 10), tmp_path)  # of different cases, with checkpoints at different times


@pytest.mark.slow
def test_every_run_killed_again_and_again_ends_with_the_same_bits(tmp_path: Path) -> None:
    assert_all_end_the_same(range(len(RUNS) * len(WHEN)), tmp_path)
