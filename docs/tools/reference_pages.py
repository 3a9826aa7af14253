"""The reference pages: a list of all public names, a page for every public module, and one for the command line."""

import contextlib
import inspect
import io
import os
import pkgutil
from types import ModuleType
from typing import Any

import public_names
from docstrings import to_markdown

from fastnet import cli

HELP_COLUMNS = "92"


def pages() -> dict[str, str]:
    """Return the text of every reference page by its file name."""
    modules = public_names.public_modules()
    homes = public_names.homes(modules)
    pages = {f"{module.__name__}.md": _module_page(module, homes) for module in modules}
    return {"public-names.md": public_names.page(), **pages, "command-line.md": _command_line()}


def contents() -> str:
    """Return a link to the list of public names, and a table of the pages of modules."""
    rows = [
        f"| [`{module.__name__}`]({module.__name__}.md) | {_first_sentence(module)} |"
        for module in public_names.public_modules()
    ]
    names = "[Public names](public-names.md) lists all of them with their signatures."
    return "\n".join(["", names, "", "| Module | Summary |", "| --- | --- |", *rows, ""])


# ---- Modules --------------------------------------------------------------------------------------------------------


def _module_page(module: ModuleType, homes: dict[int, str]) -> str:
    """Return the page of a module: what it is for, a table of its names, and each of them."""
    rows, entries = [], []
    for name, member in public_names.members(module):
        home = homes[id(member)]
        page = home.rpartition(".")[0]
        link = f"#{home}" if page == module.__name__ else f"{page}.md#{home}"
        rows.append(f"| [`{name}`]({link}) | {_first_sentence(member)} |")
        if home == f"{module.__name__}.{name}":  # another name of the same object leads to its entry
            entries.append(
                _bound_method(name, member, home) if inspect.ismethod(member) else _entry(home, member, homes)
            )
    table = ["| Name | Summary |", "| --- | --- |", *rows]
    head = f"# {module.__name__}\n\n{to_markdown(inspect.getdoc(module) or '')}"
    return "\n\n".join([head, "\n".join(table), *entries]) + "\n"


def _first_sentence(member: Any) -> str:
    text = (inspect.getdoc(member) or "").partition("\n\n")[0]
    return to_markdown(" ".join(text.split())).replace("|", "\\|")


def _bound_method(name: str, member: Any, home: str) -> str:
    """Return the entry of a function such as `optimizers.get`, a method of an object, which is a variable in the source."""
    call = public_names.bare_signature(member)
    return f"## {name} {{#{home}}}\n\n```python\n{name}{call}\n```\n\n{_first_sentence(member)}"


def _entry(home: str, member: Any, homes: dict[int, str]) -> str:
    """Return the entry that mkdocstrings fills; a class shows what it has from bases that have no page of their own."""
    if not inspect.isclass(member):
        return f"::: {home}"
    hidden = [base for base in member.__mro__[1:] if id(base) not in homes and base.__module__.startswith("fastnet.")]
    seen = {name for base in member.__mro__ if id(base) in homes for name in dir(base) if base is not member}
    seen |= vars(member).keys()
    inherited = {name for base in hidden for name, value in vars(base).items() if _is_documented(name, value)}
    names = sorted(inherited - seen)
    return f"::: {home}\n    options:\n      inherited_members: [{', '.join(names)}]"


def _is_documented(name: str, value: Any) -> bool:
    return not name.startswith("_") and (inspect.isroutine(value) or isinstance(value, property | classmethod))


# ---- Command line ---------------------------------------------------------------------------------------------------


def _command_line() -> str:
    """Return what every command says about itself."""
    commands = [entry.name for entry in pkgutil.iter_modules(cli.__path__) if not entry.name.startswith("_")]
    parts = ["# Command line", _help(), *(f"## fastnet {command}\n\n{_help(command)}" for command in commands)]
    return "\n\n".join(parts) + "\n"


def _help(*command: str) -> str:
    columns, os.environ["COLUMNS"] = os.environ.get("COLUMNS"), HELP_COLUMNS
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out:
            status = cli.main([*command, "--help"])
    finally:
        os.environ.pop("COLUMNS")
        if columns is not None:
            os.environ["COLUMNS"] = columns
    if status != 0:
        raise RuntimeError(f"fastnet {' '.join(command)} --help ended with status {status}")
    return f"```text\n{out.getvalue().strip()}\n```"
