"""Is an export in C the model? Compiled and run where there is a compiler, else computed from the numbers in its text."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.interchange.c.forward import constants_of
from fastnet.interchange.c.model import ModelInC
from fastnet.interchange.checking import check_outputs
from fastnet.operations import steps
from fastnet.operations.steps import Operation

__all__ = ["CompilerTooSlowError", "check_by_compiling", "check_by_computing", "find_compiler"]

_COMPILERS = ("cc", "gcc", "clang")
_FLAGS = ("-std=c99", "-Wall", "-Werror", "-DSELFTEST")
_LIBRARIES = () if os.name == "nt" else ("-lm",)
_TIMEOUT = 300.0  # seconds; a compiler reads some 200,000 weights in one


class CompilerTooSlowError(Exception):
    """A compiler or a program did not end in time."""


def find_compiler() -> list[str] | None:
    """Return the command of a C compiler whose programs run here, or None.

    The environment variable CC comes first, then cc, gcc and clang. A compiler for another machine is none.
    """
    commands = [shlex.split(os.environ.get("CC", "")), *([name] for name in _COMPILERS)]
    for command in commands:
        if command and shutil.which(command[0]):
            try:
                if _run(command, "int main(void) { return 0; }\n", timeout=30.0)[0]:
                    return command
            except (CompilerTooSlowError, OSError):
                continue
    return None


def check_by_compiling(source: str, compiler: Sequence[str]) -> str:
    """Compile an export, run its self-test, and return what it printed.

    Raises
    ------
    RuntimeError
        It does not compile, or its outputs are not those of the model.
    CompilerTooSlowError
        The compiler or the program did not end in time.
    """
    passed, printed = _run(compiler, source, _TIMEOUT)
    if not passed:
        raise RuntimeError(f"the C export does not pass its self-test: {printed}")
    return printed


def _run(compiler: Sequence[str], source: str, timeout: float) -> tuple[bool, str]:
    """Return whether a program compiles and ends with status 0, and what the compiler or the program printed."""
    with tempfile.TemporaryDirectory(prefix="fastnet-", ignore_cleanup_errors=True) as folder:
        file, program = Path(folder, "model.c"), Path(folder, "model.exe")
        file.write_text(source, encoding="ascii")
        compiling = [*compiler, *_FLAGS, str(file), "-o", str(program), *_LIBRARIES]
        for command in (compiling, [str(program)]):
            try:
                done = subprocess.run(
                    command,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=timeout,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise CompilerTooSlowError(f"{Path(command[0]).name} took more than {timeout:g} s") from None
            printed = done.stdout.decode("utf-8", "replace").strip()
            if done.returncode != 0:
                return False, printed[:2000] or f"{command[0]} ended with status {done.returncode}"
    return True, printed


def check_by_computing(source: str, model: ModelInC, name: str) -> str:
    """Compute the operations with the constants read back from the text, and return the largest difference.

    Raises
    ------
    RuntimeError
        The outputs are not those of the model.
    """
    pattern = rf"static const \w+ {name}_(\w+)\[[\d]+\] = \{{([^}}]*)\}};"
    texts = dict(re.findall(pattern, source))

    def read_back(index: int, operation: Operation) -> Operation:
        arrays: dict[str, Any] = {
            key.rpartition("_")[0]: np.array(re.findall(r"[^\s,f]+", texts[key]), array.dtype).reshape(array.shape)
            for key, array in constants_of(index, operation).items()
        }
        if isinstance(operation, steps.TransposedConvolution):
            arrays["kernel"] = arrays["kernel"].swapaxes(2, 3)
        return replace(operation, **arrays)

    with np.errstate(all="ignore"):  # an output may be infinite
        outputs = model.compute([read_back(*item) for item in enumerate(model.operations)], model.x)
    expected = model.expected
    check_outputs("C export", outputs, expected)
    differences = np.subtract(outputs, expected, out=np.zeros_like(expected), where=outputs != expected)
    return f"largest difference {np.abs(differences).max(initial=0.0):.3g}"
