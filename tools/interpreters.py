"""Find the Pythons that are at hand: on the PATH, and where pyenv and uv keep theirs."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

OLDEST = (3, 11)
PROBE = """
import importlib.util, json, os, sys, sysconfig
free_threaded = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
wanting = []
if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
    wanting.append("Python.h")
if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
    wanting.append("venv")
print(json.dumps([sys.implementation.name, sys.version_info[:3], free_threaded, sys._base_executable, wanting]))
"""


class Interpreter(NamedTuple):
    """A Python that was found."""

    version: tuple[int, ...]
    free_threaded: bool
    executable: str
    wanting: list[str]

    @property
    def name(self) -> str:
        """Its version as the executables have it: 3.12, 3.13t."""
        return f"{self.version[0]}.{self.version[1]}" + "t" * self.free_threaded

    @property
    def release(self) -> str:
        """The same with its third number: 3.12.10, 3.13.1t."""
        return ".".join(map(str, self.version)) + "t" * self.free_threaded


def candidates() -> list[Path]:
    """Return the files that are named like an interpreter: on the PATH, and where pyenv and uv keep theirs."""
    named = re.compile(r"python3(\.\d+)?t?")
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders += sorted((pyenv / "versions").glob("*/bin"))
    folders += sorted((Path.home() / ".local" / "share" / "uv" / "python").glob("*/bin"))
    return [file for folder in folders if folder.is_dir() for file in folder.iterdir() if named.fullmatch(file.name)]


def probed(file: Path) -> Interpreter | None:
    """Return the CPython that a file runs; none if it does not run, as pyenv's shims of versions that are off."""
    try:
        done = subprocess.run([file, "-c", PROBE], capture_output=True, text=True, timeout=60, check=True)
        implementation, version, free_threaded, executable, wanting = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if implementation != "cpython" or tuple(version) < OLDEST:
        return None
    return Interpreter(tuple(version), free_threaded, executable, wanting)


def interpreters() -> list[Interpreter]:
    """Return one interpreter of each version, the oldest first: the newest release of those that can build."""
    best: dict[str, Interpreter] = {}
    for found in filter(None, map(probed, candidates())):
        other = best.get(found.name)
        if other is None or (not found.wanting, found.version) > (not other.wanting, other.version):
            best[found.name] = found
    return sorted(best.values())
