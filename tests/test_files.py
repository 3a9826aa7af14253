"""Whatever goes wrong while a file is written, the earlier one stays whole, and the error says why."""

import errno
import io
import os
import re
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

import fastnet as fn
from fastnet.cli._output import check_output
from fastnet.files import atomic as _files
from fastnet.files import safetensors as _safetensors
from fastnet.files.atomic import atomic_write

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def model_of(units: int, seed: int = 0) -> fn.Sequential:
    return fn.Sequential([fn.Dense(units, input_shape=(100,))], seed=seed)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    model_of(10).save(path)
    return path


@pytest.fixture(params=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The file is written as small ones are, or as large ones are: the arrays first, the hashes when they are known."""
    if request.param == "large":
        monkeypatch.setattr(_safetensors, "_LARGE", 0)
    return str(request.param)


@contextmanager
def stays_whole(path: Path, error: type[OSError], reason: str) -> Iterator[None]:
    """The body fails with this error, which names the file and the reason; the file and its folder are as before."""
    before, files = path.read_bytes(), sorted(path.parent.iterdir())
    with pytest.raises(error, match=f"(?i){re.escape(f'cannot write {path}')}.*{reason}"):
        yield
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == files
    fn.load_model(path)


# ---- Faults that are injected ---------------------------------------------------------------------------------------


class FaultyFile(io.FileIO):
    """A file that takes a few bytes at a time, and fails when it has `room` bytes."""

    def __init__(self, path: Path, room: int, error: int) -> None:
        super().__init__(path, "x")
        self.room, self.error = room, error

    def write(self, data: Any) -> int:
        if self.room <= 0:
            raise OSError(self.error, os.strerror(self.error))
        taken = super().write(memoryview(data).cast("B")[: min(self.room, 1000)])
        self.room -= taken
        return taken


def with_faulty_files(
    monkeypatch: pytest.MonkeyPatch, room: int, error: int = errno.ENOSPC, buffer: int = 4096
) -> None:
    def opened(path: Path, mode: str, permissions: int) -> IO[Any]:
        assert mode == "xb"
        raw = FaultyFile(path, room, error)
        return io.BufferedWriter(raw, buffer) if buffer else raw  # type: ignore[return-value]

    monkeypatch.setattr(_files, "_open", opened)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("room", [0, 1, 500, 4096, 10_000, 40_000])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errno.ENOSPC, "no space left"),
        (errno.EDQUOT, "quota exceeded"),
        (errno.EFBIG, "too large"),
        (errno.EIO, "input/output error"),
    ],
)
def test_a_write_that_fails(room: int, error: int, reason: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_faulty_files(monkeypatch, room, error)
    with stays_whole(path, OSError, reason):
        model_of(100).save(path)


@pytest.mark.usefixtures("size")
def test_short_writes_are_gone_on_with(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_faulty_files(monkeypatch, room=10**9)
    model = model_of(100)
    model.save(path)
    assert (fn.load_model(path).get_weights()[0] == model.get_weights()[0]).all()


@pytest.mark.usefixtures("size")
def test_a_short_write_that_nobody_goes_on_with(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_faulty_files(monkeypatch, room=10**9, buffer=0)
    with stays_whole(path, OSError, "not all bytes were written"):
        model_of(100).save(path)


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize(("name", "error"), [("fsync", errno.EIO), ("fsync", errno.ENOSPC)])
def test_a_flush_that_fails(name: str, error: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, name, fails)
    with stays_whole(path, OSError, os.strerror(error)):
        model_of(20).save(path)


@pytest.mark.parametrize("error", [errno.EACCES, errno.EBUSY, errno.EROFS, errno.EIO])
def test_a_rename_that_fails(error: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Path, target: Path) -> None:
        raise OSError(error, os.strerror(error), str(self), None, str(target))

    monkeypatch.setattr(Path, "replace", fails)
    with stays_whole(path, OSError, os.strerror(error)):
        model_of(20).save(path)


def test_permissions_that_cannot_be_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Path, mode: int) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), str(self))

    monkeypatch.setattr(Path, "chmod", fails)
    with stays_whole(path, PermissionError, "not permitted"):
        model_of(20).save(path)


@POSIX
@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOTSUP])
def test_a_folder_that_cannot_be_flushed(error: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flush = os.fsync

    def fails_for_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(error, os.strerror(error))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", fails_for_folders)
    model_of(20).save(path)
    assert fn.load_model(path).output_shape == (20,)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), OSError("no"), ConnectionError(110, "no")])
def test_an_error_of_somebody_else_is_passed_on(error: BaseException, tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def write() -> None:
        with atomic_write(target) as file:
            file.write(b"new")
            raise error

    with pytest.raises(type(error)) as caught:
        write()
    assert caught.value is error
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "old"


# ---- Faults of the system -------------------------------------------------------------------------------------------


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write"):
        model_of(10).save(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"cannot write .*model: the folder .*missing does not exist"):
        model_of(10).save(tmp_path / "missing" / "model")


@POSIX
def test_a_folder_that_is_read_only() -> None:
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in a folder of its owner alone
        path = Path(folder) / "model.safetensors"
        model_of(10).save(path)
        Path(folder).chmod(0o555)
        root = os.geteuid() == 0
        if root:  # who may write everywhere
            os.seteuid(65534)
        try:
            with stays_whole(path, PermissionError, "permission denied"):
                model_of(20).save(path)
        finally:
            if root:
                os.seteuid(0)
            Path(folder).chmod(0o755)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system of Linux")
def test_a_disk_that_is_full(tmp_path: Path) -> None:
    options = ["-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    try:
        subprocess.run(["mount", *options], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"may not mount a file system: {error}")
    try:
        path = tmp_path / "model.safetensors"
        model_of(10).save(path)
        with stays_whole(path, OSError, "no space left on device"):
            model_of(1000).save(path)
        model_of(20).save(path)
        assert fn.load_model(path).output_shape == (20,)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


@POSIX
def test_a_file_that_may_not_be_so_large(path: Path) -> None:
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with stays_whole(path, OSError, "file too large"):
            model_of(100).save(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("size")
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_takes_the_file_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        content = pool.submit(pipe.read_bytes)
        model_of(10).save(pipe)
    (tmp_path / "file").write_bytes(content.result())
    assert fn.load_model(tmp_path / "file").output_shape == (10,)


# ---- A process that is killed ---------------------------------------------------------------------------------------


def kill_saves(folder: Path, kills: int) -> int:
    """Return how many of the kills came while a file was written."""
    program = [sys.executable, str(Path(__file__).with_name("killed_saves.py")), str(folder), str(kills)]
    done = subprocess.run(program, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


@POSIX
def test_a_kill_at_any_moment(tmp_path: Path) -> None:
    assert kill_saves(tmp_path, 30) > 0


@POSIX
@pytest.mark.slow
def test_many_kills_at_any_moment(tmp_path: Path) -> None:
    assert kill_saves(tmp_path, 100) > 10


# ---- What is kept ---------------------------------------------------------------------------------------------------


@POSIX
def test_the_permissions_of_the_earlier_file_are_kept(path: Path) -> None:
    path.chmod(0o640)
    model_of(20).save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def permissions_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def other_user(path: Path, mode: int) -> None:
    """Give a file and its permissions to somebody else, where the process may."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(path, 54321, 54322)
    path.chmod(mode)


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o666])
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_replaces_a_file_is_its_owners_alone_until_it_is_whole(mode: int, umask: int, path: Path) -> None:
    path.chmod(mode)
    earlier = os.umask(umask)
    try:
        with atomic_write(path) as file:
            (temporary,) = path.parent.glob(".fastnet-*.tmp")
            assert permissions_of(temporary) == 0o600
            file.write(b"new")
    finally:
        os.umask(earlier)
    assert permissions_of(path) == mode


@POSIX
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_the_permissions_of_any_new_file(umask: int, mode: int, tmp_path: Path) -> None:
    earlier = os.umask(umask)
    try:
        with atomic_write(tmp_path / "new") as file:
            file.write(b"new")
            (temporary,) = tmp_path.glob(".fastnet-*.tmp")
            assert permissions_of(temporary) == mode
    finally:
        os.umask(earlier)
    assert permissions_of(tmp_path / "new") == mode


@POSIX
def test_the_owner_and_the_group_of_the_earlier_file_are_kept(path: Path) -> None:
    other_user(path, 0o640)
    model_of(20).save(path)
    assert (path.stat().st_uid, path.stat().st_gid, permissions_of(path)) == (54321, 54322, 0o640)


@POSIX
def test_another_group_gets_no_more_than_everybody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other_user(path, 0o664)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "chown", refuse)
    model_of(20).save(path)
    assert permissions_of(path) == 0o644


@pytest.mark.skipif(sys.platform != "linux", reason="sets access control lists of Linux")
@pytest.mark.parametrize("which", ["file", "folder"])
def test_the_access_control_list_of_the_earlier_file_is_kept(which: str, path: Path) -> None:
    """A list that the folder gives to new files is not for one that takes the place of a file without a list."""
    entries = [(1, 6, -1), (2, 4, 54321), (4, 0, -1), (16, 4, -1), (32, 0, -1)]  # user 54321 may read
    content = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    kind = "system.posix_acl_access" if which == "file" else "system.posix_acl_default"
    try:
        os.setxattr(path if which == "file" else path.parent, kind, content)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error}")
    path.chmod(0o640)
    model_of(20).save(path)
    assert permissions_of(path) == 0o640
    assert ("system.posix_acl_access" in os.listxattr(path)) == (which == "file")


@POSIX
@pytest.mark.parametrize("through", ["file", "link"])
def test_a_file_that_is_read_only_is_not_replaced(through: str) -> None:
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in a folder of its owner alone
        path = Path(folder) / "model.safetensors"
        model_of(10).save(path)
        link = path.with_name("link")
        link.symlink_to(path)
        path.chmod(0o444)
        root = os.geteuid() == 0
        if root:  # who may write everywhere
            Path(folder).chmod(0o777)
            os.seteuid(65534)
        try:
            written = path if through == "file" else link
            before = path.read_bytes()
            with pytest.raises(PermissionError, match=f"cannot write {written}: permission denied, .* read-only"):
                model_of(20).save(written)
            with pytest.raises(PermissionError, match="read-only"):
                check_output(str(written), [])
            assert path.read_bytes() == before
        finally:
            if root:
                os.seteuid(0)


@POSIX
def test_a_link_to_itself_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=r"cannot write .*loop: too many (levels of )?symbolic links"):
        model_of(10).save(tmp_path / "loop")
    assert (tmp_path / "loop").is_symlink()


@POSIX
def test_a_symbolic_link_goes_on_pointing_where_it_did(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    model_of(20).save(link)
    assert link.is_symlink()
    assert fn.load_model(path).output_shape == (20,)


@POSIX
def test_a_device_is_written_to_as_it_is() -> None:
    model_of(10).save("/dev/null")
    assert not Path("/dev/null").is_file()


def test_text_is_utf8_with_line_feeds(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "text", "w") as file:
        file.write("größer\n犬\n")
    assert (tmp_path / "text").read_bytes() == "größer\n犬\n".encode()


def test_another_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mode must be 'wb' or 'w'; got 'a'"), atomic_write(tmp_path / "text", "a"):
        pass
