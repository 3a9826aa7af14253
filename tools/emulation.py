"""A Python that runs in an emulator, as `make test-arm64` and `make test-levels` need it."""

import shlex
import shutil
import sys
from pathlib import Path

# One process, and few examples of each property: everything takes 20 to 50 times as long.
PYTEST_OPTIONS = ["-n", "0", "-p", "no:cacheprovider", "--hypothesis-profile=emulated"]


def emulated_environment(folder: Path, emulator: list[str], interpreter: Path, site_packages: Path | None) -> Path:
    """Make a virtual environment whose interpreter runs in an emulator, and return that interpreter.

    It is a script. To Python it is the executable of the environment, so a program that a test starts with
    `sys.executable` runs in the emulator, too.

    Parameters
    ----------
    folder : Path
        Of the environment.
    emulator : list of str
        The program of QEMU and its options.
    interpreter : Path
        The executable that is emulated, named after its version.
    site_packages : Path or None
        Packages of another environment of the same version; None for a folder of its own.
    """
    own = folder / "lib" / interpreter.name / "site-packages"
    if site_packages is None:
        own.mkdir(parents=True, exist_ok=True)
    else:
        own.parent.mkdir(parents=True, exist_ok=True)
        own.unlink(missing_ok=True)
        own.symlink_to(site_packages)
    version = interpreter.name.removeprefix("python")
    (folder / "pyvenv.cfg").write_text(f"home = {interpreter.parent}\nversion = {version}\n", encoding="utf-8")
    python = folder / "bin" / "python"
    python.parent.mkdir(exist_ok=True)
    command = f'{shlex.join(emulator)} -0 "$0" {shlex.quote(str(interpreter))} "$@"'
    python.write_text(f"#!/bin/sh\nexec {command}\n", encoding="utf-8")
    python.chmod(0o755)
    return python


def require(programs: dict[str, str], what: str) -> None:
    """End the program unless all the others that it needs are there.

    Parameters
    ----------
    programs : dict of str to str
        The package of Debian and Ubuntu that each is in.
    what : str
        What needs them.
    """
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        packages = " ".join(dict.fromkeys(programs[name] for name in missing))
        sys.exit(f"{what} needs {', '.join(missing)}; on Debian and Ubuntu: apt-get install {packages}")
