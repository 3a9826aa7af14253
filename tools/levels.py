"""Run tests on x86-64 processors that this machine is not: `make test-levels`.

QEMU emulates a processor with SSE3 alone and one with AVX2, and stops a program at the first instruction that the
processor does not have. The interpreter and the packages are those of this Python's environment. NumPy's wheels need
SSE4.2 from version 2.4 on, so the first processor has an older NumPy.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from emulation import PYTEST_OPTIONS, emulated_environment, require

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "levels"


class Level(NamedTuple):
    """A processor to emulate."""

    isa: str  # that fastnet must choose
    cpu: str  # QEMU's name for it, without the features that QEMU lacks: it warns of each
    numpy: str | None  # a requirement instead of the environment's own NumPy


LEVELS = [
    Level("baseline", "qemu64", "numpy<2.4"),
    Level("avx2", "Haswell,-pcid,-x2apic,-tsc-deadline,-hle,-invpcid,-rtm", None),
]


def older_numpy(requirement: str) -> Path:
    """Return a folder that has another NumPy."""
    folder = FOLDER / "numpy"
    if not (folder / "numpy").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--target", folder, requirement], check=True)
    return folder


def tested(level: Level, arguments: list[str]) -> bool:
    """Tell whether fastnet chooses the right instruction set on a processor and its tests pass."""
    print(f"\n==== {level.isa}: qemu-x86_64 -cpu {level.cpu}", flush=True)
    interpreter = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags}"
    packages = Path(sys.prefix) / "lib" / interpreter.name / "site-packages"
    python = emulated_environment(FOLDER / level.isa, ["qemu-x86_64", "-cpu", level.cpu], interpreter, packages)
    environment = dict(os.environ)
    if level.numpy:
        paths = [str(older_numpy(level.numpy)), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    program = (
        "import sys, numpy, fastnet as fn; config = fn.show_config(mode='dict'); "
        "print('NumPy', numpy.__version__, 'and instruction sets', *config['available_isas']); "
        f"sys.exit(config['isa'] != {level.isa!r})"
    )
    if subprocess.run([python, "-c", program], cwd=ROOT, env=environment, check=False).returncode:
        print(f"fastnet does not run with {level.isa} on this processor", file=sys.stderr)
        return False
    command = [python, "-m", "pytest", *PYTEST_OPTIONS, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def main() -> int:
    require({"qemu-x86_64": "qemu-user"}, "make test-levels")
    passed = [tested(level, sys.argv[1:]) for level in LEVELS]
    print()
    for level, good in zip(LEVELS, passed, strict=True):
        print(f"{level.isa:<10} {level.cpu.partition(',')[0]:<8} {'passed' if good else 'FAILED'}")
    return int(not all(passed))


if __name__ == "__main__":
    sys.exit(main())
