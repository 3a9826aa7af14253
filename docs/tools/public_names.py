"""The public names of fastnet: modules that say what is public in them, their names, and the page that lists them."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import fastnet

INTRODUCTION = """\
# Public names

Every public module with its public names, made from the `__all__` of each module. The public methods and attributes of these classes, those
without a leading underscore, are public too; the pages of the modules have them. [Compatibility](../compatibility.md) says what is promised
for all of them."""


def public_modules() -> list[ModuleType]:
    """Return fastnet, its modules that say what is public in them, and those that its own names come from."""
    found = {"fastnet": fastnet}
    for entry in pkgutil.iter_modules(fastnet.__path__, "fastnet."):
        if not entry.name.rpartition(".")[2].startswith("_") and entry.name != "fastnet.cli":
            _collect(importlib.import_module(entry.name), found)
    documented = {name for module in found.values() if module is not fastnet for name in getattr(module, "__all__", [])}
    for name in set(fastnet.__all__) - documented:
        origin = getattr(getattr(fastnet, name), "__module__", "")
        if origin and not re.search(r"\._", origin):
            _collect(importlib.import_module(origin), found)
    return [found[name] for name in sorted(found)]


def _collect(module: ModuleType, found: dict[str, ModuleType]) -> None:
    """Add a module and the modules that it names as public, if it names anything."""
    names = getattr(module, "__all__", [])
    if names:
        found[module.__name__] = module
    for name in names:
        member = getattr(module, name)
        if inspect.ismodule(member) and member.__name__.startswith(f"{module.__name__}."):
            _collect(member, found)


def homes(modules: list[ModuleType]) -> dict[int, str]:
    """Return where each public object is documented: in the first module but fastnet itself that has it."""
    found: dict[int, str] = {}
    for module in [*modules[1:], fastnet]:
        for name, _ in members(module):
            found.setdefault(id(getattr(module, name)), f"{module.__name__}.{name}")
    return found


def members(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Return the public classes and functions of a module."""
    for name in sorted(module.__all__, key=str.lower):
        member = getattr(module, name)
        if inspect.isclass(member) or inspect.isroutine(member):
            yield name, member


def bare_signature(member: Any) -> str:
    """Return the parameters and defaults of a function or class without annotations; nothing where there are none to see."""
    try:
        signature = inspect.signature(member)
    except ValueError:  # exceptions without an __init__ of their own
        return ""
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def page() -> str:
    """Return the page that lists every public name with its signature."""
    modules = public_modules()
    places = homes(modules)
    return "\n\n".join([INTRODUCTION, *(_section(module, places) for module in modules)]) + "\n"


def _section(module: ModuleType, places: dict[int, str]) -> str:
    """Return the list of a module's names; one that is documented in another module is shown without its signature."""
    lines = [f"## [{module.__name__}]({module.__name__}.md)", ""]
    documented = dict(members(module))
    for name in sorted(module.__all__, key=str.lower):
        member = getattr(module, name)
        if name in documented:
            home = places[id(member)]
            is_elsewhere = home != f"{module.__name__}.{name}"
            link = f"[`{name}`]({home.rpartition('.')[0]}.md#{home})"
            lines.append(
                f"- {link}, which is `{home}`" if is_elsewhere else f"- {link}{_as_code(bare_signature(member))}"
            )
        else:
            lines.append(f"- [`{name}`]({member.__name__}.md), a module" if inspect.ismodule(member) else f"- `{name}`")
    return "\n".join(lines)


def _as_code(text: str) -> str:
    return f"`{text}`" if text else ""
