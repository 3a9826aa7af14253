"""Training under mpiexec: the same files on any number of ranks, and the end of all ranks when one ends."""

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from mpi_programs import HERE, LONGEST, needs_mpi, run, start, wait_for

pytestmark = [pytest.mark.slow, needs_mpi, pytest.mark.skipif(os.name != "posix", reason="sends signals")]

PROGRAM = HERE / "mpi_programs.py"
SIZES = (1, 2, 3, 4, 5, 8)
TRIES = 3  # of training that is killed


def trained(case: str, size: int, folder: Path, threads: int = 1, **options: Any) -> bytes:
    """Train on some ranks, and return the model file."""
    folder.mkdir(parents=True, exist_ok=True)
    status, _, err = run(size, PROGRAM, case, folder, json.dumps(options), threads=threads)
    assert status == 0, err
    return (folder / f"{case}.safetensors").read_bytes()


def pid(folder: Path, rank: int) -> int:
    path = folder / f"pid-{rank}"
    return int(wait_for(lambda: path.exists() and path.read_text()))


# ---- The same file ---------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 5)).round(3)
    lines = [f"{','.join(map(str, row))},{'ab'[int(row[0] > row[1])]}" for row in rows]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["p,q,r,s,t,label", *lines, ""]))
    return path


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_files_on_any_number_of_ranks_and_threads(threads: int, tmp_path: Path, table: Path) -> None:
    files = {}
    for size in SIZES:
        folder = tmp_path / str(size)
        folder.mkdir()
        options = json.dumps({"table": str(table)})
        status, out, err = run(size, PROGRAM, "dense,convolution,wide,table", folder, options, threads=threads)
        assert status == 0, err
        lines = [line.split()[1] for line in out.splitlines() if line.startswith("Epoch")]
        assert lines == ["1/3", "2/3", "3/3"] * 3  # rank 0 alone prints
        assert out.count("Held-out accuracy: ") == 1
        assert err.count("epoch 1/3") == 1
        assert f"ranks: {size}, which share 8 shards" in err
        files[size] = {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}
        assert len(files[size]) == 4
    assert [size for size in SIZES if files[size] != files[1]] == []
    alone = tmp_path / "1" / "table.safetensors"
    other = run(1, "-m", "fastnet", "verify", alone, table, "--quiet", threads=3 - threads)
    assert (other[0], other[1].partition(":")[0]) == (0, "identical"), other[2]


def test_early_stopping_ends_all_ranks(tmp_path: Path) -> None:
    alone = trained("dense", 1, tmp_path / "1", stops=True, epochs=50)
    several = trained("dense", 3, tmp_path / "3", stops=True, epochs=50)
    assert alone == several
    ends = [(tmp_path / "3" / f"ended-{rank}").read_text() for rank in range(3)]
    assert len(set(ends)) == 1
    assert int(ends[0].split()[0]) < 50


# ---- The end of one rank ---------------------------------------------------------------------------------------------


def killed(folder: Path, rng: np.random.Generator, size: int, rank: int | None) -> None:
    """Train on some ranks until one of them, or all and mpiexec, are killed at a random moment."""
    for path in folder.glob("pid-*"):
        path.unlink()
    options = {"backup": {"save_freq": 4, "delete_checkpoint": False}, "epochs": 6, "slow": 0.05}
    process = start(size, PROGRAM, "dense", folder, json.dumps(options))
    pids = [pid(folder, one) for one in range(size)]
    time.sleep(rng.uniform(0.0, 0.8))
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


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_killed_and_resumed_on_another_number_of_ranks_gives_the_same_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    expected = trained("dense", 1, tmp_path / "whole", epochs=6)
    for attempt in range(TRIES):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        for _ in range(2):
            size = int(rng.integers(2, 6))
            killed(folder, rng, size, None if attempt % 2 else int(rng.integers(size)))
        file = trained("dense", int(rng.integers(1, 6)), folder, backup={"save_freq": 4}, epochs=6)
        assert file == expected, attempt


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_one_rank_ends_fit_on_all_with_a_checkpoint(number: int, tmp_path: Path) -> None:
    options = {"backup": {"seconds": 3600.0}, "epochs": 10**6}
    process = start(3, PROGRAM, "dense", tmp_path, json.dumps(options))
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("Epoch 1/"), process.communicate()[1]
    os.kill(pid(tmp_path, 1), number)
    _, err = process.communicate(timeout=LONGEST)
    assert process.returncode == 0, err
    ends = {(tmp_path / f"ended-{rank}").read_text() for rank in range(3)}
    assert len(ends) == 1
    assert ends.pop().endswith(" True")
    (checkpoint,) = (tmp_path / "backup").iterdir()
    assert fn.load_model(tmp_path / "dense.safetensors").built
    assert checkpoint.stat().st_size


def test_an_error_on_one_rank_ends_all_with_one_line(tmp_path: Path) -> None:
    began = time.monotonic()
    status, _, err = run(3, PROGRAM, "dense", tmp_path, json.dumps({"fails": 1, "epochs": 10**6}))
    assert time.monotonic() - began < LONGEST
    assert status != 0
    lines = [line for line in err.splitlines() if line.startswith("fastnet: ")]
    assert lines == ["fastnet: rank 1 of 3 ended with LinAlgError: Singular matrix; the other ranks are ended, too"]


def test_data_that_differ_end_all_with_the_same_error(tmp_path: Path) -> None:
    status, _, err = run(3, PROGRAM, "dense", tmp_path, json.dumps({"differs": 2}))
    assert status != 0
    assert err.count("ValueError: all ranks must call fit with the same model, data and arguments: ") == 3
    assert "on ranks 0 and 1" in err


def test_an_error_of_the_command_line_is_printed_once(tmp_path: Path) -> None:
    arguments = ["train", "digits", "--distributed", "--out", tmp_path / "none" / "m.safetensors"]
    status, out, err = run(2, "-m", "fastnet", *arguments, cwd=tmp_path)
    assert (status != 0, out) == (True, "")
    assert err.count("the folder") == 1


def test_more_ranks_than_shards_are_refused(tmp_path: Path) -> None:
    status, _, err = run(3, "-c", "import fastnet as fn; fn.distribute(shards=2)", cwd=tmp_path)
    assert status != 0
    assert "shards must be at least the number of ranks, 3; got 2" in err


def test_mpiexec_without_mpi4py_says_what_to_install(tmp_path: Path) -> None:
    program = "import sys; sys.modules['mpi4py'] = None; import fastnet as fn; fn.distribute()"
    status, _, err = run(2, "-c", program, cwd=tmp_path)
    assert status != 0
    assert 'pip install "fastnet-nn[mpi]"' in err
