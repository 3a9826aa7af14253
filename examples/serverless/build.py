"""Build the zip of a serverless function: NumPy, fastnet, a model and handler.py.

usage: python examples/serverless/build.py [--model MODEL] [--wheel WHEEL] [--out function.zip]
       python examples/serverless/build.py --platform manylinux_2_28_aarch64 --python-version 3.13

Without a model it trains one of the digits. Without a wheel it builds that of this checkout, which takes minutes; a name such as
fastnet-nn is downloaded. With --platform the zip is for another kind of machine, such as arm64.
"""

import argparse
import compileall
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
# What no prediction needs: tests, headers and stubs, and what NumPy has for the building of packages.
FOLDERS = {"tests", "testing", "include", "f2py", "distutils", "bin", "_examples"}
SUFFIXES = {".pxd", ".pyx", ".pyi", ".a", ".h", ".c", ".lib"}
KEPT = {"fastnet/__init__.pyi"}  # from which fastnet takes its names
EXAMPLE = """
import fastnet as fn
x, y = fn.datasets.digits.load_data()
model = fn.Sequential([fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(64, "relu"), fn.Dense(10, "softmax")], seed=0)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=20, verbose=0)
model.class_names = [str(digit) for digit in range(10)]
model.save({path!r})
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a model file; by default one of digits is trained")
    parser.add_argument("--wheel", help="the wheel of fastnet, or a name that pip knows")
    parser.add_argument("--out", type=Path, default=Path("function.zip"), help="function.zip by default")
    parser.add_argument("--platform", help="as pip names it, such as manylinux_2_28_aarch64")
    parser.add_argument("--python-version", help="such as 3.13, with --platform")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install(folder, arguments.wheel or wheel_of_checkout(folder / "wheel"), target(arguments))
        shutil.rmtree(folder / "wheel", ignore_errors=True)
        shutil.copy(HERE / "handler.py", folder)
        add_model(folder / "model.safetensors", arguments.model)
        remove_unneeded(folder)
        if not arguments.python_version:
            compile_modules(folder)
        write_zip(folder, arguments.out)
        unpacked = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.1f} MB, unpacked {unpacked / 1e6:.1f} MB")


def wheel_of_checkout(folder: Path) -> str:
    pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(CHECKOUT))
    (wheel,) = folder.glob("*.whl")
    return str(wheel)


def target(arguments: argparse.Namespace) -> list[str]:
    """Return pip's options for the machine that the function runs on, by default this one."""
    if not arguments.platform:
        return []
    version = arguments.python_version or f"{sys.version_info.major}.{sys.version_info.minor}"
    return ["--platform", arguments.platform, "--python-version", version, "--only-binary", ":all:"]


def install(folder: Path, requirement: str, options: Iterable[str] = ()) -> None:
    """Install a package and what it needs, which of fastnet is NumPy alone."""
    pip("install", "--target", str(folder), "--no-compile", *options, requirement)


def pip(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words], check=True)


def add_model(path: Path, model: Path | None) -> None:
    if model:
        shutil.copy(model, path)
    else:
        subprocess.run([sys.executable, "-c", EXAMPLE.format(path=str(path))], check=True)


def remove_unneeded(folder: Path) -> None:
    """Remove files that no prediction needs; licenses stay."""
    for path in sorted(folder.rglob("*"), reverse=True):  # what is in a folder before the folder
        inside = path.relative_to(folder)
        is_metadata = any(part.endswith(".dist-info") for part in inside.parts)
        if inside.as_posix() in KEPT or is_metadata:
            continue
        if path.is_dir() and path.name in FOLDERS:
            shutil.rmtree(path)
        elif path.is_file() and path.suffix in SUFFIXES:
            path.unlink()


def compile_modules(folder: Path) -> None:
    """Compile the modules, because a function cannot write to its folder, for whatever time the files get there."""
    compileall.compile_dir(
        folder, quiet=2, stripdir=folder, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )


def write_zip(folder: Path, out: Path) -> None:
    """Write the files of a folder in the order of their names, with one date: equal files give equal zips."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    main()
