"""Check that every public name and signature of the last release still works: make api-check.

usage: python docs/tools/api_check.py [--against REF] [--repository FOLDER]

griffe reads the sources of both versions, so the older one need not be built. A change that breaks a caller is an error unless
CHANGELOG.md names it in backticks, as this program prints it, under "Changed" or "Removed" of a later version.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parents[2]
SOURCES = "python"


def load(repository: Path) -> griffe.Module:
    """Read the package of a checkout, with its public names marked."""
    return marked(griffe.load("fastnet", search_paths=[repository / SOURCES], resolve_aliases=True))


def load_release(repository: Path, ref: str) -> griffe.Module:
    """Read the package as it was in a commit or tag, with its public names marked."""
    return marked(griffe.load_git("fastnet", ref=ref, repo=repository, search_paths=[SOURCES], resolve_aliases=True))


def marked(package: griffe.Module) -> griffe.Module:
    """Mark what is public: rooms with an `__all__`, and the names of __init__.pyi, from which fastnet makes its own."""
    own = (
        member for member in package.members.values() if member.is_alias and member.target_path.startswith("fastnet")
    )
    package.exports = [member.name for member in own]
    for module in package.modules.values():
        _mark(module)
    for module in _public_modules(package):
        module.exports = [name for name in module.exports or () if _resolves(module, str(name))]
    return package


def _mark(module: griffe.Module) -> None:
    """Mark a module as public if it says what is public in it, and the modules in it if it names them."""
    is_public = bool(module.exports) and not module.name.startswith("_") and module.path != "fastnet.cli"
    module.public = is_public
    for inner in module.modules.values():
        if inner.is_alias:
            continue  # a module that is public where it is
        if is_public and inner.name in module.exports:
            _mark(inner)
        else:
            inner.public = False


def _resolves(module: griffe.Module, name: str) -> bool:
    """Return whether a public name is still where it is imported from: griffe would pass over one that is not."""
    try:
        return bool(module.members[name].canonical_path)
    except (KeyError, griffe.AliasResolutionError):
        return False


def breakages(old: griffe.Module, new: griffe.Module) -> list[tuple[str, str]]:
    """Return what no longer works, as ("fastnet.layers.Dense(use_bias)", "Parameter was removed")."""
    kept = _public_names(new)
    # Also a name that is no longer in `__all__`, but for griffe still a member of its module.
    removed = [(name, griffe.BreakageKind.OBJECT_REMOVED.value) for name in _public_names(old) if name not in kept]
    homes = {**_homes(old), **_homes(new)}
    changed = [(_public_path(found, homes), found.kind.value) for found in griffe.find_breaking_changes(old, new)]
    return sorted({*removed, *changed})


def _public_names(package: griffe.Module) -> set[str]:
    return {f"{module.path}.{name}" for module in _public_modules(package) for name in module.exports or ()}


def _homes(package: griffe.Module) -> dict[str, str]:
    """Return the public path of each public object by the path where it is defined."""
    return {package[name.removeprefix("fastnet.")].canonical_path: name for name in sorted(_public_names(package))}


def _public_modules(module: griffe.Module) -> Iterator[griffe.Module]:
    """Give a module and the public ones in it."""
    yield module
    for inner in module.modules.values():
        if inner.public and not inner.is_alias:
            yield from _public_modules(inner)


def _public_path(found: griffe.Breakage, homes: dict[str, str]) -> str:
    path, rest = found.obj.path, ""
    while path not in homes and "." in path:
        path, _, name = path.rpartition(".")
        rest = f".{name}{rest}"
    parameter = next(
        (value.name for value in (found.old_value, found.new_value) if isinstance(value, griffe.Parameter)), ""
    )
    place = f"{homes[path]}{rest}" if path in homes else found.obj.path
    return place.removesuffix(".__init__") + (f"({parameter})" if parameter else "")


def announced(changelog: str, ref: str) -> set[str]:
    """Return the names in backticks under "Changed" and "Removed" of the versions after a tag."""
    later = changelog.partition(f"\n## [{ref.removeprefix('v')}]")[0]
    sections = re.findall(r"^### (?:Changed|Removed)\n(.*?)(?=^##|\Z)", later, re.MULTILINE | re.DOTALL)
    return {name for section in sections for name in re.findall(r"`([^`]+)`", section)}


def last_release(repository: Path) -> str | None:
    """Return the newest tag of a version that the checkout descends from."""
    command = ["git", "-C", str(repository), "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def check(repository: Path, ref: str) -> int:
    """Print what no longer works since a release; return the exit status."""
    found = breakages(load_release(repository, ref), load(repository))
    known = announced((repository / "CHANGELOG.md").read_text(encoding="utf-8"), ref)
    broken = [(place, change) for place, change in found if place not in known]
    for place, change in broken:
        print(f"{place}: {change}", file=sys.stderr)
    if broken:
        print(f"Callers of {ref} break. Deprecate instead, or name each place in CHANGELOG.md, in backticks under "
              "Changed or Removed: docs/compatibility.md", file=sys.stderr)  # fmt: skip
        return 1
    print(f"Public names work as in {ref}" + f", but for {len(found)} changes that CHANGELOG.md names" * bool(found))
    return 0


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--against", metavar="REF", help="a commit or tag; by default the last tag of a version")
    parser.add_argument("--repository", type=Path, default=ROOT, metavar="FOLDER", help="by default that of this file")
    arguments = parser.parse_args(words)
    ref = arguments.against or last_release(arguments.repository)
    if ref is None:
        print("Public names: no version has been tagged yet, so there is nothing to compare with")
        return 0
    return check(arguments.repository, ref)


if __name__ == "__main__":
    sys.exit(main())
