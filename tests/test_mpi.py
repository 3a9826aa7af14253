"""Training under mpiexec: the same files on any number of ranks, and the end of all ranks when one ends."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from mpiexec import LONGEST, PROGRAMS, needs_mpi, run, start, wait_for

pytestmark = [pytest.mark.slow, needs_mpi, pytest.mark.skipif(os.name != "posix", reason="sends signals")]

# Of 8 shards: equal parts, unequal ones, one shard each. test_distributed_sums.py has all sizes.
SIZES = (1, 2, 5, 8)
CASES = ("dense", "convolution", "table")
KILLS = 2  # of a training, before it ends


def trained(size: int, folder: Path, cases: Sequence[str], **options: Any) -> tuple[str, str]:
    """Train models on some ranks, and return the output."""
    folder.mkdir(parents=True, exist_ok=True)
    status, out, err = run(size, PROGRAMS, "train", folder, json.dumps({"cases": cases, **options}))
    assert status == 0, err
    return out, err


def pid(folder: Path, rank: int) -> int:
    path = folder / f"pid-{rank}"
    return int(wait_for(lambda: path.exists() and path.read_text()))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 5)).round(3)
    lines = [f"{','.join(map(str, row))},{'ab'[int(row[0] > row[1])]}" for row in rows]
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text("\n".join(["p,q,r,s,t,label", *lines, ""]))
    return str(path)


# ---- The same file ---------------------------------------------------------------------------------------------------


def test_the_same_files_on_any_number_of_ranks_and_threads(tmp_path: Path, table: str) -> None:
    cases = [*CASES, "wide", "stops"]
    files = {}
    for size in SIZES:
        folder = tmp_path / str(size)
        for threads in (1, 2):
            (folder / str(threads)).mkdir(parents=True)
        out, err = trained(size, folder, cases, threads=[1, 2], table=table)
        lines = [line.split()[1] for line in out.splitlines() if line.startswith("Epoch")]
        assert lines[:9] == ["1/3", "2/3", "3/3"] * 3  # rank 0 alone prints
        assert out.count("Held-out accuracy: ") == 2
        assert err.count("epoch 1/3") == 2
        assert err.count(f"ranks: {size}, which share 8 shards") == 2
        for threads in (1, 2):
            own = folder / str(threads)
            files[size, threads] = {path.name: path.read_bytes() for path in own.glob("*.safetensors")}
            assert len(files[size, threads]) == len(cases)
            ends = {(own / f"ended-stops-{rank}").read_text() for rank in range(size)}
            assert len(ends) == 1
            assert int(ends.pop().split()[0]) < 50
    assert [key for key in files if files[key] != files[1, 1]] == []
    alone = tmp_path / "1" / "1" / "table.safetensors"
    other = run(1, "-m", "fastnet", "verify", alone, table, "--quiet", threads=2)
    assert (other[0], other[1].partition(":")[0]) == (0, "identical"), other[2]


def test_values_are_sent_in_pieces_and_the_slowest_rank_may_end_last(tmp_path: Path) -> None:
    status, out, err = run(3, PROGRAMS, "messages", tmp_path, "{}")
    assert (status, out, err) == (0, "", "")
    assert len(list(tmp_path.glob("done-*"))) == 3


# ---- The end of one rank ---------------------------------------------------------------------------------------------


def killed(case: str, folder: Path, size: int, rank: int | None, seconds: float, **options: Any) -> None:
    """Train on some ranks; kill one of them, or all and mpiexec, some time after training has begun."""
    for path in folder.glob("pid-*"):
        path.unlink()
    process = start(size, PROGRAMS, "train", folder, json.dumps({"cases": [case], **options}))
    pids = [pid(folder, one) for one in range(size)]
    time.sleep(seconds)
    began = time.monotonic()
    for one in [*pids, process.pid] if rank is None else [pids[rank]]:
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            os.kill(one, signal.SIGKILL)
    _, err = process.communicate(timeout=LONGEST)
    wait_for(lambda: not any(map(is_alive, pids)), LONGEST)
    assert time.monotonic() - began < LONGEST, err


def is_alive(number: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, table: str) -> Path:
    """The folder of models that were trained without a break."""
    folder = tmp_path_factory.mktemp("whole")
    trained(1, folder, CASES, epochs=6, table=table)
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
@pytest.mark.parametrize("case", CASES)
def test_killed_and_resumed_on_another_number_of_ranks_gives_the_same_file(
    case: str, tmp_path: Path, whole: Path, table: str
) -> None:
    rng = np.random.default_rng(CASES.index(case))
    options = {"backup": {"save_freq": 4, "delete_checkpoint": False}, "epochs": 6, "table": table}
    for kill in range(KILLS):
        size = int(rng.integers(2, 6))
        rank = None if kill % 2 else int(rng.integers(size))
        killed(case, tmp_path, size, rank, rng.uniform(0.0, 1.0), slow=0.2, **options)
    trained(int(rng.integers(1, 6)), tmp_path, [case], **options)
    name = f"{case}.safetensors"
    assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_one_rank_ends_fit_on_all_with_a_checkpoint(number: int, tmp_path: Path) -> None:
    options = {"cases": ["dense"], "backup": {"seconds": 3600.0}, "epochs": 10**6}
    process = start(3, PROGRAMS, "train", tmp_path, json.dumps(options))
    assert process.stdout is not None
    first = process.stdout.readline()
    os.kill(pid(tmp_path, 1), number)
    _, err = process.communicate(timeout=LONGEST)
    assert first.startswith("Epoch 1/")
    assert process.returncode == 0, err
    ends = {(tmp_path / f"ended-dense-{rank}").read_text() for rank in range(3)}
    assert len(ends) == 1
    assert ends.pop().endswith(" True")
    (checkpoint,) = (tmp_path / "backup").iterdir()
    assert fn.load_model(tmp_path / "dense.safetensors").built
    assert checkpoint.stat().st_size


def ended(size: int, *arguments: object) -> tuple[list[str], str]:
    """Return the lines of fastnet and the whole of stderr of a program that ends in time, and not well."""
    began = time.monotonic()
    status, _, err = run(size, PROGRAMS, *arguments)
    assert time.monotonic() - began < LONGEST
    assert status != 0
    return [line for line in err.splitlines() if line.startswith("fastnet: ")], err


def test_an_error_on_one_rank_ends_all_with_one_line(tmp_path: Path) -> None:
    options = {"cases": ["dense"], "fails": 1, "epochs": 10**6}
    lines, _ = ended(3, "train", tmp_path, json.dumps(options))
    assert lines == ["fastnet: rank 1 of 3 ended with LinAlgError: Singular matrix; the other ranks are ended, too"]


@pytest.mark.parametrize("how", ["exit", "return", "end", "raise"])
def test_a_rank_that_leaves_between_two_fits_ends_all_with_one_line(how: str, tmp_path: Path) -> None:
    lines, err = ended(2, "leave", tmp_path, json.dumps({"how": how}))
    reason = "with OverflowError: too much" if how == "raise" else "while others go on training"
    assert lines == [f"fastnet: rank 1 of 2 ended {reason}; the other ranks are ended, too"]
    assert ("no more" in err) == (how == "exit")
    assert not (tmp_path / "survived").exists()


def test_data_that_differ_end_all_with_the_same_error(tmp_path: Path) -> None:
    lines, err = ended(3, "train", tmp_path, json.dumps({"cases": ["dense"], "differs": 2}))
    assert not lines
    assert err.count("ValueError: all ranks must call fit with the same model, data and arguments: ") == 3
    assert "on ranks 0 and 1" in err


def test_an_error_of_the_command_line_is_printed_once(tmp_path: Path) -> None:
    arguments = ["train", "digits", "--distributed", "--out", tmp_path / "none" / "m.safetensors"]
    status, out, err = run(2, "-m", "fastnet", *arguments, cwd=tmp_path)
    assert (status != 0, out) == (True, "")
    assert err.count("the folder") == 1


def test_what_mpiexec_cannot_start_is_said(tmp_path: Path) -> None:
    """More ranks than shards, and ranks without mpi4py: both in one program, as starting one takes long."""
    program = """
import sys
import fastnet as fn
try:
    fn.distribute(shards=2)
except ValueError as error:
    print(error)
sys.modules['mpi4py'] = None
fn.distribute()
"""
    status, out, err = run(3, "-c", program, cwd=tmp_path)
    assert status != 0
    assert out.count("shards must be at least the number of ranks, 3; got 2\n") == 3
    assert 'pip install "fastnet-nn[mpi]"' in err
