"""Check what is in dist as whoever installs it finds it: `make release-check`.

The files are checked by the tools that PyPI and reviewers use, and for their size. Each wheel whose Python is here is installed in an empty
virtual environment, which must get NumPy alone, and trains there. No compiler is on the PATH. The fast tests and the examples run on one
wheel: on that of the Python which runs this, if there is one.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from finish_wheel import licenses_of
from interpreters import Interpreter, interpreters

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "release-check"
DIST = ROOT / "dist"
BIN = Path(sys.executable).parent
# In bytes. Larger ones do not fit the promise of an install in seconds.
WHEEL_LIMIT = 3_000_000
INSTALLED_LIMIT = 8_000_000
COMPILER = re.compile(r"(.*-)?(cc|c\+\+|c89|c99|cpp|gcc|g\+\+|clang|clang\+\+|tcc)(-[\d.]+)?")
EXAMPLES = [
    ["gradient_descent.py", "--iterations", "120"],
    ["softmax_derivative.py"],
    ["step_by_step.py", "--iterations", "130"],
    ["neuron_to_98.py"],
    ["mnist_98.py", "--recipe", "fast", "--seeds", "1"],
]
failures: list[str] = []


def report(name: str, passed: bool, figures: str = "") -> None:
    """Print a line of the result."""
    print(f"{'ok    ' if passed else 'FAILED'} {name}{': ' if figures else ''}{figures}", flush=True)
    if not passed:
        failures.append(name)


def command(name: str, *words: str | Path, environment: dict[str, str] | None = None) -> str:
    """Run a command that must succeed; return its output, and show it if the command fails."""
    done = subprocess.run(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        print(done.stdout)
    report(name, done.returncode == 0, (done.stdout.strip().splitlines() or [""])[-1] if name == "tests" else "")
    return done.stdout


# ---- Files ----------------------------------------------------------------------------------------------------------


def check_files(wheels: list[Path], sdists: list[Path]) -> None:
    """Run the tools that look at the project and at its files."""
    report("one source distribution", len(sdists) == 1, ", ".join(file.name for file in sdists))
    command("validate-pyproject", BIN / "validate-pyproject", "pyproject.toml")
    command("sp-repo-review", BIN / "repo-review", "--show", "err", ".")
    command("check-sdist", BIN / "check-sdist", "--no-isolation")
    command("twine check", BIN / "twine", "check", "--strict", *wheels, *sdists)
    command("check-wheel-contents", BIN / "check-wheel-contents", *wheels)


def check_wheel(wheel: Path) -> None:
    """Check the size, the platform and the licenses of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        unpacked = sum(entry.file_size for entry in archive.infolist())
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    packed = wheel.stat().st_size
    report("size of the wheel", packed < WHEEL_LIMIT, f"{packed / 1e6:.2f} MB, less than {WHEEL_LIMIT / 1e6:.0f} MB")
    figures = f"{unpacked / 1e6:.2f} MB, less than {INSTALLED_LIMIT / 1e6:.0f} MB; {largest.file_size / 1e6:.2f} MB of them {largest.filename}"
    report("size installed", unpacked < INSTALLED_LIMIT, figures)
    platform = wheel.stem.rpartition("-")[2]
    report("platform", not platform.startswith("linux"), platform)
    missing = [name for name in licenses_of(names) if not any(other.endswith(f"/licenses/{name}") for other in names)]
    report("licenses", not missing, f"not there: {', '.join(missing)}" if missing else "")


# ---- Installed ------------------------------------------------------------------------------------------------------


def programs_without_compilers() -> Path:
    """Return a folder with links to the programs of the PATH except compilers."""
    folder = FOLDER / "programs"
    folder.mkdir(parents=True)
    for place in map(Path, os.environ["PATH"].split(os.pathsep)):
        for file in place.iterdir() if place.is_dir() and place != BIN else ():
            link = folder / file.name
            if os.access(file, os.X_OK) and not COMPILER.fullmatch(file.name) and not link.is_symlink():
                link.symlink_to(file)
    return folder


def environment_of(folder: Path, programs: Path) -> dict[str, str]:
    """Return the environment variables of commands in a virtual environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CC", "CXX", "CMAKE"))}
    return {**kept, "PATH": f"{folder / 'bin'}{os.pathsep}{programs}", "VIRTUAL_ENV": str(folder)}


def install(wheel: Path, interpreter: Interpreter, folder: Path, environment: dict[str, str]) -> None:
    """Install a wheel in a new virtual environment, and check what came with it."""
    subprocess.run([interpreter.executable, "-m", "venv", folder], check=True)
    pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip"]
    subprocess.run([*pip, "install", "--quiet", "--upgrade", "pip>=25.1"], env=environment, check=True)
    before = packages(pip, environment)
    command("pip install", *pip, "install", "--only-binary=:all:", wheel, environment=environment)
    new = packages(pip, environment) - before
    report("brings NumPy alone", new == {"fastnet-nn", "numpy"}, ", ".join(sorted(new)))
    code = "import fastnet; print(fastnet.__file__)"
    place = command("import", folder / "bin" / "python", "-c", code, environment=environment).strip()
    report("is the installed one", Path(place).is_relative_to(folder), place)


def packages(pip: list[str | Path], environment: dict[str, str]) -> set[str]:
    listed = subprocess.check_output([*pip, "list", "--format=json"], env=environment, text=True)
    return {package["name"] for package in json.loads(listed)}


def train(data: str, least: float, folder: Path, environment: dict[str, str]) -> None:
    """Train on a data set with the command line."""
    words: list[str | Path] = [folder / "bin" / "fastnet", "train", data, "--json"]
    done = subprocess.run(words, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        report(f"fastnet train {data}", False, done.stderr.strip())
        return
    accuracy = json.loads(done.stdout)["held_out"]["accuracy"]
    report(f"fastnet train {data}", accuracy >= least, f"{accuracy:.2%} of the held out, at least {least:.0%}")


def check_installed(wheel: Path, interpreter: Interpreter, programs: Path) -> tuple[Path, dict[str, str]]:
    """Install a wheel and train with it."""
    folder = FOLDER / f"python{interpreter.name}"
    environment = environment_of(folder, programs)
    compilers = [name for name in ("cc", "gcc", "clang", "c++", "g++") if shutil.which(name, path=environment["PATH"])]
    report("no compiler on the PATH", not compilers, ", ".join(compilers))
    install(wheel, interpreter, folder, environment)
    train("digits", 0.95, folder, environment)
    if has_mnist():
        train("mnist", 0.97, folder, environment)
    return folder, environment


def has_mnist() -> bool:
    return bool(os.environ.get("FASTNET_DATA")) and (Path(os.environ["FASTNET_DATA"]) / "mnist").is_dir()


def check_thoroughly(folder: Path, environment: dict[str, str], arguments: list[str]) -> None:
    """Run the examples with NumPy alone, then the fast tests."""
    python = folder / "bin" / "python"
    for name, *words in EXAMPLES if has_mnist() else ():
        command(f"examples/{name}", python, ROOT / "examples" / name, *words, environment=environment)
    pip = (python, "-m", "pip", "install", "--quiet", "--only-binary=:all:")
    command("install the test dependencies", *pip, "--group", "test", environment=environment)
    pytest: list[str | Path] = [
        python,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-n",
        "logical",
        "--maxprocesses",
        "4",
    ]
    command("tests", *pytest, "-m", "not slow", *arguments, environment=environment)


def tag_of(interpreter: Interpreter) -> str:
    """Return what the names of wheels for a Python contain, such as -cp314-cp314t-."""
    version = f"cp{interpreter.version[0]}{interpreter.version[1]}"
    return f"-{version}-{version}{'t' * interpreter.free_threaded}-"


# ---- What make calls ------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the files in dist as whoever installs them finds them.")
    parser.add_argument("arguments", nargs="*", help="of pytest, after --")
    options = parser.parse_args()
    wheels, sdists = sorted(DIST.glob("*.whl")), sorted(DIST.glob("*.tar.gz"))
    if not wheels:
        parser.error("dist has no wheel: `make wheels` comes first")
    shutil.rmtree(FOLDER, ignore_errors=True)
    check_files(wheels, sdists)
    programs = programs_without_compilers()
    here = {tag_of(one): one for one in interpreters() if "venv" not in one.wanting}
    installed = {}
    for wheel in wheels:
        print(f"\n{wheel.name}")
        check_wheel(wheel)
        interpreter = next((one for tag, one in here.items() if tag in wheel.name), None)
        if interpreter is None:
            print("not installed: this machine lacks its Python")
            continue
        installed[interpreter.name] = check_installed(wheel, interpreter, programs)
    if installed:
        this = f"{sys.version_info.major}.{sys.version_info.minor}"
        name = this if this in installed else next(reversed(installed))
        print(f"\nThoroughly, on Python {name}")
        check_thoroughly(*installed[name], options.arguments)
    else:
        report("a wheel for a Python that is here", False)
    print(f"\n{len(failures)} failed: {', '.join(failures)}" if failures else "\nall passed")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
