"""The output of a command, and checks of the files that it will write."""

import json
import math
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastnet._core import __version__
from fastnet.files.atomic import check_writable
from fastnet.files.names import check_name, format_of
from fastnet.support.text import visible

__all__ = [
    "as_document",
    "check_output",
    "describe_seconds",
    "describe_size",
    "names_of_files",
    "note",
    "output_path",
    "print_json",
    "shortened",
]

_PACKAGES = {"ONNX": ("onnx", "onnx"), "Keras": ("h5py", "keras")}  # by format: what writes it, and the extra with it
SCHEMA = 1  # of the JSON documents; increased when an entry changes its meaning or is removed


def note(text: str, quiet: bool = False) -> None:
    """Print a message for a person to standard error."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


def as_document(command: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON document of a command."""
    return {"schema": SCHEMA, "command": command, "fastnet_version": __version__, **result}


def print_json(command: str, result: Mapping[str, Any]) -> None:
    """Print the one JSON document of a command to standard output."""
    print(json.dumps(as_document(command, result), indent=2, allow_nan=False))


def check_output(path: str, inputs: Iterable[str], option: str = "--out", formats: Sequence[str] = ()) -> None:
    """Raise the error that writing to `path` would cause, before the work instead of after it.

    Parameters
    ----------
    path : str
        The file to write.
    inputs : iterable of str
        The files that the command reads; they are not overwritten.
    option : str, default "--out"
        The option that set `path`.
    formats : sequence of str, default ()
        The formats that the command writes there, with the names of `fastnet.files.names`.

    Raises
    ------
    ValueError
        If `path` is one of `inputs`, or its name implies another format.
    ImportError
        If what writes the format that the name implies is not installed.
    OSError
        If `path` is a folder or read-only, or no file can be created in its folder.
    """
    target = check_writable(path)
    if target.exists() and any(target == Path(os.path.realpath(name)) for name in inputs):
        raise ValueError(f"{option} would replace {path}, which the command reads")
    if formats:
        check_name(path, option, *formats)
    package, extra = _PACKAGES.get(format_of(path) or "", ("", ""))
    if package and not find_spec(package):
        raise ImportError(f'{path} needs {package}: pip install "fastnet-nn[{extra}]"')
    if target.exists() and not target.is_file():
        return
    try:
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except FileNotFoundError as error:
        raise FileNotFoundError(f"cannot write {path}: the folder {Path(path).parent} does not exist") from error
    except OSError as error:
        raise type(error)(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from error


def names_of_files(files: Sequence[str], out: str | None) -> str:
    """Return the names of written files in a sentence; for "-" the last one is a temporary one, of `output_path`."""
    return " and ".join([*files[:-1], "standard output"] if out == "-" else files)


@contextmanager
def output_path(out: str | None, name: str) -> Iterator[str | None]:
    """Yield the path to write to: `out`, or for "-" that of a temporary file that then goes to standard output.

    Parameters
    ----------
    out : str or None
        The value of ``--out``.
    name : str
        The name of the temporary file, whose suffix decides about its format.

    Raises
    ------
    ValueError
        Standard output is a terminal, which cannot show the file.
    """
    if out != "-":
        yield out
        return
    if sys.stdout.isatty():
        raise ValueError("--out - writes to standard output, which is a terminal: redirect it, or name a file")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        try:
            yield str(path)
        finally:  # Ctrl-C passes here after the model of a training so far was written
            if path.exists():
                sys.stdout.flush()
                sys.stdout.buffer.write(path.read_bytes())


def describe_size(size: int) -> str:
    """Return a number of bytes in a readable unit."""
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size} bytes"


def describe_seconds(seconds: float) -> str:
    """Return a duration in readable units."""
    whole = math.ceil(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def shortened(names: list[str], most: int = 10) -> str:
    """Return names separated by commas; of many names, those in the middle are left out."""
    shown = names if len(names) <= most else [*names[: most - 2], "...", names[-1]]
    return ", ".join(map(visible, shown))
