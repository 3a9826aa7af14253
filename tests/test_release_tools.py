"""The tools of a release: wheels in one form, with the licenses of what they carry; two builds compared; sizes checked."""

import base64
import csv
import hashlib
import importlib
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).resolve().parent.parent / "tools"
INFO = "toy-1.0.dist-info"
NAME = "toy-1.0-cp311-cp311-manylinux_2_34_x86_64.whl"
METADATA = b"Metadata-Version: 2.4\nName: toy\nVersion: 1.0\nLicense-Expression: MIT\nLicense-File: LICENSE\nRequires-Python: >=3\n\nText.\n"
CONTENTS = {
    "toy/__init__.py": b"x = 1\n",
    "toy/_core.so": b"\x7fELF" + bytes(500),
    "toy.libs/libgomp-0123abcd.so.1.0.0": b"\x7fELF" + bytes(100),
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\n",
    f"{INFO}/licenses/LICENSE": b"MIT\n",
    f"{INFO}/RECORD": b"",
}


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Yield what imports a module of tools, a folder that is not a package."""
    monkeypatch.syspath_prepend(str(TOOLS))
    yield importlib.import_module
    for file in TOOLS.glob("*.py"):
        sys.modules.pop(file.stem, None)


def write_wheel(
    wheel: Path, contents: dict[str, bytes], *, year: int = 2020, mode: int = 0o644, folders: bool = False
) -> Path:
    """Write an archive as some program does: in some order, at some time, with some permissions."""
    with zipfile.ZipFile(wheel, "w") as archive:
        if folders:
            archive.writestr(zipfile.ZipInfo("toy/"), b"")
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, (year, 1, 2, 3, 4, 6))
            entry.external_attr = mode << 16
            archive.writestr(entry, data)
    return wheel


def contents_of(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


# ---- One form -------------------------------------------------------------------------------------------------------


def test_order_time_and_permissions_of_a_wheel_do_not_matter(tool: Callable, tmp_path: Path) -> None:
    first = write_wheel(tmp_path / "first.whl", CONTENTS)
    backwards = dict(reversed(CONTENTS.items()))
    second = write_wheel(tmp_path / "second.whl", backwards, year=2024, mode=0o600, folders=True)
    for wheel in (first, second):
        tool("finish_wheel").finish(wheel)
    assert first.read_bytes() == second.read_bytes()


def test_a_wheel_is_packed_more_closely_than_by_zlib(tool: Callable, tmp_path: Path) -> None:
    text = b"".join(b"%d * %d = %d\n" % (i, j, i * j) for i in range(60) for j in range(60))
    wheel = write_wheel(tmp_path / NAME, CONTENTS | {"toy/table.txt": text, "toy/empty.txt": b""})
    tool("finish_wheel").finish(wheel)
    found = contents_of(wheel)
    assert found["toy/table.txt"] == text
    assert found["toy/empty.txt"] == b""
    with zipfile.ZipFile(wheel) as archive:
        assert archive.getinfo("toy/table.txt").compress_size < len(zlib.compress(text, 9)) - 6


def test_a_finished_wheel_is_finished(tool: Callable, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / NAME, CONTENTS)
    tool("finish_wheel").finish(wheel)
    once = wheel.read_bytes()
    tool("finish_wheel").finish(wheel)
    assert wheel.read_bytes() == once


def test_times_come_from_source_date_epoch(tool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = write_wheel(tmp_path / NAME, CONTENTS)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    tool("finish_wheel").finish(wheel)
    with zipfile.ZipFile(wheel) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(2023, 11, 14, 22, 13, 20)}


def test_programs_stay_executable(tool: Callable, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / NAME, CONTENTS, mode=0o100700)
    tool("finish_wheel").finish(wheel)
    with zipfile.ZipFile(wheel) as archive:
        assert archive.getinfo("toy/_core.so").external_attr >> 16 == 0o100755


def test_the_record_has_every_file_with_its_hash(tool: Callable, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / NAME, CONTENTS)
    tool("finish_wheel").finish(wheel)
    contents = contents_of(wheel)
    assert list(contents)[-1] == f"{INFO}/RECORD"
    rows = {name: (digest, size) for name, digest, size in csv.reader(contents[f"{INFO}/RECORD"].decode().splitlines())}
    assert list(rows) == list(contents)
    assert rows.pop(f"{INFO}/RECORD") == ("", "")
    for name, (digest, size) in rows.items():
        expected = base64.urlsafe_b64encode(hashlib.sha256(contents[name]).digest()).decode().rstrip("=")
        assert (digest, size) == (f"sha256={expected}", str(len(contents[name])))


# ---- Licenses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("library", "texts"),
    [
        ("toy.libs/libgomp-0123abcd.so.1.0.0", {"libgomp/COPYING3", "libgomp/COPYING.RUNTIME"}),
        ("toy/.dylibs/libomp.dylib", {"libomp/LICENSE.TXT"}),
        ("toy.libs/libomp140.x86_64-0123abcd.dll", {"libomp/LICENSE.TXT"}),
        ("toy.libs/msvcp140-0123abcd.dll", set()),
        ("toy.libs/.load-order-toy-1.0", set()),
    ],
)
def test_a_wheel_gets_the_licenses_of_its_libraries(
    library: str, texts: set[str], tool: Callable, tmp_path: Path
) -> None:
    contents = {name: data for name, data in CONTENTS.items() if "libgomp" not in name} | {library: b"code"}
    wheel = write_wheel(tmp_path / NAME, contents)
    tool("finish_wheel").finish(wheel)
    found = contents_of(wheel)
    prefix = f"{INFO}/licenses/licenses/"
    assert {name.removeprefix(prefix) for name in found if name.startswith(prefix)} == texts
    header, _, description = found[f"{INFO}/METADATA"].partition(b"\n\n")
    files = [line.removeprefix("License-File: ") for line in header.decode().splitlines() if "License-File" in line]
    assert files == ["LICENSE", *sorted(f"licenses/{text}" for text in texts)]
    assert header.endswith(b"Requires-Python: >=3")
    assert description == b"Text.\n"
    for text in texts:
        assert found[prefix + text] == (TOOLS.parent / "licenses" / text).read_bytes()


def test_a_library_without_a_known_license_ends_the_build(tool: Callable, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / NAME, CONTENTS | {"toy.libs/libquadmath-0123abcd.so.0": b"code"})
    before = wheel.read_bytes()
    with pytest.raises(SystemExit, match=r"carries toy\.libs/libquadmath-0123abcd\.so\.0, whose license"):
        tool("finish_wheel").finish(wheel)
    assert wheel.read_bytes() == before


# ---- Pythons --------------------------------------------------------------------------------------------------------


def test_a_wheel_is_checked_with_the_python_of_its_tag(tool: Callable) -> None:
    interpreter, tag_of = tool("interpreters").Interpreter, tool("release_check").tag_of
    assert tag_of(interpreter((3, 12, 9), False, "python", [])) == "-cp312-cp312-"
    assert tag_of(interpreter((3, 14, 0), True, "python", [])) == "-cp314-cp314t-"


# ---- Two builds -----------------------------------------------------------------------------------------------------


def test_files_built_again_are_compared(
    tool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheels = tool("wheels")
    first, again = tmp_path / "dist", tmp_path / "again"
    for folder in (first, again):
        folder.mkdir()
        (folder / "toy-1.0.tar.gz").write_bytes(b"sources")
    monkeypatch.setattr(wheels, "DIST", first)
    wheels.compare(again)
    assert capsys.readouterr().out == f"{hashlib.sha256(b'sources').hexdigest()} toy-1.0.tar.gz identical\n"
    (first / NAME).write_bytes(b"one")
    (again / NAME).write_bytes(b"other")
    (again / "new.whl").write_bytes(b"new")
    with pytest.raises(SystemExit, match=rf"they differ: new\.whl, {NAME}; diffoscope shows where"):
        wheels.compare(again)
    assert [line.split(" ", 2)[2] for line in capsys.readouterr().out.splitlines()] == [
        "NOT IN dist",
        "DIFFERENT",
        "identical",
    ]


def test_the_time_of_a_build_is_that_of_the_commit(
    tool: Callable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wheels = tool("wheels")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert wheels.time_of_commit() == "1700000000"
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    monkeypatch.setattr(wheels, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="set SOURCE_DATE_EPOCH to the time of the release"):
        wheels.time_of_commit()
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    subprocess.run(
        ["git", "-C", tmp_path, *identity, "commit", "--quiet", "--allow-empty", "--message=x"],
        env={**os.environ, "GIT_COMMITTER_DATE": "1600000000 +0000"},
        check=True,
    )
    assert wheels.time_of_commit() == "1600000000"


@pytest.mark.skipif(sys.platform == "win32", reason="the engines are scripts of a shell")
@pytest.mark.parametrize(
    ("docker", "podman", "engine"), [(0, 0, "docker"), (1, 0, "podman"), (1, 1, None), (None, None, None)]
)
def test_a_client_without_an_engine_is_none(
    docker: int | None,
    podman: int | None,
    engine: str | None,
    tool: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, status in (("docker", docker), ("podman", podman)):
        if status is not None:
            (tmp_path / name).write_text(f"#!/bin/sh\nexit {status}\n")
            (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tool("wheels").container_engine() == engine


# ---- The check ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({}, []),
        ({"limit": 100}, ["size of the wheel"]),
        ({"installed": 100}, ["size installed"]),
        ({"name": "toy-1.0-cp311-cp311-linux_x86_64.whl"}, ["platform"]),
        ({"finished": False}, ["licenses"]),
    ],
)
def test_a_wheel_is_checked(
    change: dict[str, object], failed: list[str], tool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = tool("release_check")
    monkeypatch.setattr(check, "WHEEL_LIMIT", change.get("limit", 10**6))
    monkeypatch.setattr(check, "INSTALLED_LIMIT", change.get("installed", 10**6))
    wheel = write_wheel(tmp_path / str(change.get("name", NAME)), CONTENTS)
    if change.get("finished", True):
        tool("finish_wheel").finish(wheel)
    check.check_wheel(wheel)
    assert check.failures == failed


@pytest.mark.skipif(sys.platform == "win32", reason="wheels are tested on Linux and macOS")
def test_programs_are_found_but_not_compilers(tool: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = tool("release_check")
    programs = tmp_path / "bin"
    programs.mkdir()
    compilers = [
        "cc",
        "c++",
        "gcc-12",
        "x86_64-linux-gnu-gcc",
        "x86_64-linux-gnu-g++-12",
        "clang++-14",
        "arm-none-eabi-gcc",
    ]
    others = ["sh", "gccgo-docs", "ccache", "nginx", "qemu-arm", "clang-format"]
    for name in (*compilers, *others, "text"):
        (programs / name).write_text("")
        (programs / name).chmod(0o644 if name == "text" else 0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{tmp_path / 'missing'}")
    monkeypatch.setattr(check, "FOLDER", tmp_path / "check")
    assert sorted(file.name for file in check.programs_without_compilers().iterdir()) == sorted(others)
