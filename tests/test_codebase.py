"""The repository holds together: one version, true stubs, documented names, sources of a readable size, live links."""

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import fastnet
from fastnet import _core

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / "python" / "fastnet"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
SOURCES = sorted(
    path
    for folder in ("csrc", "python", "tests", "benchmarks", "examples", "docs", "tools")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in {".py", ".pyi", ".h", ".cpp"}
)
PRIVATE = "support", "files", "inputs", "network", "operations", "training", "diagnostics"  # rooms without an `__all__`
MODULES = [
    module.name
    for module in [pkgutil.ModuleInfo(fastnet, "fastnet", True), *pkgutil.walk_packages(fastnet.__path__, "fastnet.")]
    if not re.search(r"\._", module.name) and module.name.split(".")[1:2] not in [[room] for room in PRIVATE]
]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# ---- Version --------------------------------------------------------------------------------------------------------


def test_the_compiled_version_is_the_one_in_pyproject() -> None:
    assert PROJECT["version"] == _core.__version__ == fastnet.__version__ == importlib.metadata.version(PROJECT["name"])


def test_the_citation_names_the_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [PROJECT["version"]]


@pytest.mark.parametrize("path", [p for p in SOURCES if PYTHON in p.parents or "csrc" in p.parts], ids=relative)
def test_no_source_repeats_the_version(path: Path) -> None:
    assert PROJECT["version"] not in path.read_text(encoding="utf-8")


# ---- Stubs of the compiled module -----------------------------------------------------------------------------------


def stub_names(body: list[ast.stmt]) -> set[str]:
    """Public functions, classes and variables that a stub declares; aliases for its annotations are none of these."""
    names = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    names |= {node.target.id for node in body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def stub_classes() -> dict[str, ast.ClassDef]:
    tree = ast.parse((PYTHON / "_core.pyi").read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def public(thing: object) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_the_stubs_name_exactly_what_the_compiled_module_has() -> None:
    tree = ast.parse((PYTHON / "_core.pyi").read_text(encoding="utf-8"))
    assert stub_names(tree.body) == public(_core)


@pytest.mark.parametrize("name", [name for name in stub_classes() if not name.startswith("_")])
def test_the_stub_of_a_class_names_exactly_its_members(name: str) -> None:
    classes = stub_classes()
    members: set[str] = set()
    pending = [name]
    while pending:
        node = classes[pending.pop()]
        members |= stub_names(node.body)
        pending += [base.id for base in map(unsubscripted, node.bases) if base.id in classes]
    assert members == public(getattr(_core, name))


def unsubscripted(base: ast.expr) -> ast.Name:
    """`Base` of both `Base` and `Base[T]`."""
    base = base.value if isinstance(base, ast.Subscript) else base
    assert isinstance(base, ast.Name)
    return base


# ---- Public names ---------------------------------------------------------------------------------------------------


def own_members(owner: ModuleType | type) -> Iterator[tuple[str, object]]:
    """Public functions, classes, methods and properties that are defined in the owner itself."""
    for name, member in vars(owner).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if name.startswith("_") or not (inspect.isfunction(function) or inspect.isclass(function)):
            continue
        if isinstance(owner, type) or function.__module__ == owner.__name__:
            yield f"{owner.__name__}.{name}", member
            if inspect.isclass(member) and not isinstance(owner, type):
                yield from own_members(member)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    # The docstring of a method that a class overrides is the base class's: inspect.getdoc finds it.
    bare = [path for path, member in own_members(module) if not member_doc(module, path, member)]
    assert bare == []


def member_doc(module: ModuleType, path: str, member: object) -> str | None:
    owner_name, _, name = path.rpartition(".")
    owner = getattr(module, owner_name, None)
    return inspect.getdoc(getattr(owner, name)) if isinstance(owner, type) else inspect.getdoc(member)


@pytest.mark.parametrize("name", MODULES)
def test_every_exported_name_exists(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert [entry for entry in exported if not hasattr(module, entry)] == []
    assert len(exported) == len(set(exported))


def test_importing_fastnet_imports_no_optional_package() -> None:
    optional = "starlette uvicorn msgspec sklearn matplotlib tqdm pyarrow pandas polars pooch onnx scipy h5py mpi4py"
    program = (
        f"import sys, fastnet; fastnet.Sequential; print(*[name for name in {optional.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_importing_fastnet_imports_no_module_that_is_slow_to_import_and_seldom_needed() -> None:
    """They take longer to import than all of fastnet; NumPy's own imports, which differ by its version, do not count."""
    slow = "base64 concurrent.futures csv dataclasses decimal hashlib hmac html ipaddress json logging pathlib random secrets signal urllib.parse"
    program = (
        "import sys, numpy; before = {*sys.modules}; import fastnet; fastnet.Sequential; "
        f"print(*sorted({{*{slow.split()}}} & {{*sys.modules}} - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_loading_a_model_imports_no_module_that_takes_longer_than_the_loading() -> None:
    slow = "difflib fastnet.interchange.keras.files fastnet.metrics hashlib logging numpy.random pathlib secrets"
    path = ROOT / "tests" / "data" / "written_by" / "0.1.0" / "command.safetensors"
    program = (
        "import sys, numpy; before = {*sys.modules}; import fastnet; "
        f"fastnet.load_model({str(path)!r}).predict(numpy.ones((1, 64))); "
        f"print(*sorted({{*{slow.split()}}} & {{*sys.modules}} - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# ---- Sources --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_source_file_is_not_too_long(path: Path) -> None:
    most = 400 if path.relative_to(ROOT).parts[0] in ("python", "csrc") else 500
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most


def test_cmake_lists_every_source() -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    for path in (ROOT / "csrc").rglob("*.cpp"):
        isa = re.fullmatch(r"kernels_(\w+)\.cpp", path.name)
        assert (f"fastnet_add_kernels({isa[1]}" if isa else relative(path)) in cmake


@pytest.mark.parametrize("path", [p for p in SOURCES if ROOT / "csrc" / "core" in p.parents], ids=relative)
def test_the_core_knows_no_python(path: Path) -> None:
    assert not re.search(r"#include.*(pybind11|Python\.h|bindings/)", path.read_text(encoding="utf-8"))


# ---- Rooms ----------------------------------------------------------------------------------------------------------


def rooms(language: str) -> list[set[str]]:
    """The rooms of each row of a table in docs/design/index.md, from the ground up."""
    page = (ROOT / "docs" / "design" / "index.md").read_text(encoding="utf-8")
    table = page.partition(f"## Rooms of {language}\n")[2].partition("\n## ")[0]
    return [set(re.findall(r"`(\w+)/?`", line.split("|")[1])) for line in table.splitlines() if line.startswith("| `")]


def test_the_rooms_of_the_package_are_documented_as_they_are_linted() -> None:
    contract = PYPROJECT["tool"]["importlinter"]["contracts"][0]
    order = [room for layer in reversed(contract["layers"]) for room in layer.split(" | ")]
    documented = rooms("python/fastnet")
    level = {room: number for number, row in enumerate(documented) for room in row}
    assert set(order) - {"__main__"} == set(level)
    assert [level[room] for room in order if room in level] == sorted(level.values())
    present = {path.stem for path in PYTHON.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert present - {"__init__", "__main__"} == set(level)


def test_a_room_of_the_core_includes_only_rooms_below_it() -> None:
    ground, *documented = rooms("csrc/core")
    level = {room: number for number, row in enumerate(documented) for room in row}
    assert ground  # files that are in no room
    assert set(level) == {path.name for path in (ROOT / "csrc" / "core").iterdir() if path.is_dir()}
    for path in (ROOT / "csrc" / "core").glob("*/*"):
        for room in re.findall(r'#include "core/(\w+)/', path.read_text(encoding="utf-8")):
            assert level[room] < level[path.parent.name], f"{relative(path)} includes {room}"


# ---- An idea in one place -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thing", "names"),
    [
        ("an activation", "softsign"),
        ("a loss", "squared_hinge|SquaredHinge"),
        ("an optimizer", "adadelta|Adadelta"),
    ],
)
def test_the_files_that_change_with_an_addition_are_those_that_are_listed(thing: str, names: str) -> None:
    table = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    ((count, files),) = re.findall(rf"^\| {thing} \| (\d+) files: (.*) \|$", table, re.MULTILINE)
    listed = {name for name in re.findall(r"`([^`]+)`", files) if (ROOT / name).is_file()}
    walked = [
        *SOURCES,
        *DOCUMENTS,
        *(ROOT / "tests" / "data").rglob("*.json"),
        *PYTHON.rglob("*.html"),
        *PYTHON.rglob("*.js"),
    ]
    apart = {Path(__file__).resolve(), ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"}
    naming = {
        relative(path) for path in {*walked} - apart if re.search(rf"\b(?:{names})\b", path.read_text(encoding="utf-8"))
    }
    assert naming == listed
    assert len(naming) == int(count)


# ---- Documents ------------------------------------------------------------------------------------------------------


def anchors(document: Path) -> set[str]:
    """The fragments that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ +(.+)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_links_between_documents_resolve(document: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = link.partition("#")
        file = document.parent / target if target else document
        if re.fullmatch(r"[\w-]+\.(?:png|svg)", target) and f'"{target}"' in document.read_text(encoding="utf-8"):
            continue  # a picture that a program on the page draws
        assert file.exists(), link
        if file.suffix == ".png":
            assert fragment in ("", "only-light", "only-dark"), link  # the pages on which the site shows it
        else:
            assert not fragment or fragment in anchors(file), link
