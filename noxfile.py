#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2025.10"]
# ///
"""The tasks of the Makefile for a system without make, such as Windows: `nox`, or `nox -s lint`, `tests-3.13`, `docs`."""

from pathlib import Path

import nox

nox.needs_version = ">=2025.10"
nox.options.default_venv_backend = "uv|virtualenv"
PYTHONS = nox.project.python_versions(nox.project.load_toml())


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Build the package, install it and run the tests; arguments after -- are pytest's."""
    session.install(".", "--group", "test")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check formatting, style and types."""
    session.install(".", "--group", "test", "--group", "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports", env={"PYTHONPATH": "python"})
    session.run("codespell")
    session.run("rumdl", "check", "--quiet", ".")
    session.run("validate-pyproject", "pyproject.toml")
    session.run("repo-review", "--show", "err", ".")
    session.run("zizmor", "--offline", "--quiet", ".github")
    sources = [str(file) for folder in ("csrc", "benchmarks") for file in sorted(Path(folder).rglob("*.[ch]*"))]
    session.run("clang-format", "--dry-run", "-Werror", *sources)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation site in build/site."""
    session.install(".", "--group", "test", "--group", "docs")
    session.run("mkdocs", "build", "--quiet", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})


if __name__ == "__main__":
    nox.main()
