"""Where data comes from: zip archives, pipes, devices; other encodings than UTF-8; what has no end."""

import gzip
import importlib.util
import io
import os
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from fastnet.datasets import _layout, _pipes, _readers, load, tabular
from fastnet.datasets.tabular import read_csv

TABLE = b"label,a\n" + b"0,1\n1,2\n" * 30
posix = pytest.mark.skipif(os.name != "posix", reason="needs named pipes and devices")


def archive(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


# ---- Zip archives ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_archives_of_kaggle_are_read_as_they_are(tmp_path: Path, method: int, engine: str) -> None:
    path = archive(tmp_path / "train.csv.zip", {"train.csv": TABLE}, method)
    assert read_csv(path, engine=engine).x[:, 0].tolist() == [1, 2] * 30
    data = load(path)
    assert data.name == "train.csv.zip"
    assert data.feature_names == ["a"]


def test_what_systems_add_to_an_archive_does_not_count(tmp_path: Path) -> None:
    files = {"data/": b"", "__MACOSX/data/._a.csv": b"\0\5", "data/.DS_Store": b"\0\1", "data/a.csv": TABLE}
    assert len(load(archive(tmp_path / "a.zip", files))) == 60


def test_of_several_files_one_is_named_by_the_path_or_by_the_archive(tmp_path: Path) -> None:
    files = {"train.csv": TABLE, "test.csv": TABLE[:24], "sub/more.csv": TABLE[:16]}
    assert len(load(archive(tmp_path / "train.zip", files))) == 60
    assert len(load(archive(tmp_path / "train.csv.zip", files))) == 60
    path = archive(tmp_path / "titanic.zip", files)
    with pytest.raises(
        ValueError, match=r"titanic\.zip is a zip archive that holds train\.csv, test\.csv, sub/more\.csv; "
    ):
        load(path)
    assert len(load(path / "test.csv")) == 4
    assert len(load(path / "sub" / "more.csv")) == 2
    assert load(path / "test.csv").name == "test.csv"
    with pytest.raises(
        FileNotFoundError, match=r"no file none\.csv in the zip archive .*titanic\.zip; it holds train\.csv"
    ):
        load(path / "none.csv")
    (tmp_path / "a.csv").write_bytes(TABLE)
    with pytest.raises(FileNotFoundError, match=r"a\.csv is not a zip archive"):
        load(tmp_path / "a.csv" / "b.csv")


def test_images_in_an_archive_are_read(tmp_path: Path) -> None:
    content = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 5, 6, 7, 8])
    assert load(archive(tmp_path / "a.zip", {"images": content})).x.tolist() == [[5, 6], [7, 8]]


def test_arrays_of_numpy_are_no_archive_of_tables(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.zip", x=[[1, 2]], y=[0])
    (tmp_path / "a.zip.npz").replace(tmp_path / "a.zip")
    assert load(tmp_path / "a.zip").x.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: archive(path, {}), r"a\.zip is not in a known format"),
        (lambda path: archive(path, {"a/": b""}), r"a\.zip is a zip archive that holds no files$"),
        (lambda path: archive(path, {"a.csv": b""}), r"a\.zip is empty"),
        (lambda path: archive(path, {"a.csv": TABLE}, zipfile.ZIP_LZMA), r"with an unsupported compression method"),
        (
            lambda path: archive(path, {"a.zip": archive(path, {"a.csv": TABLE}).read_bytes()}),
            r"is not in a known format",
        ),
        (lambda path: archive(path, {"a.parquet": b"PAR1"}), r"a\.zip is not in a known format"),
        (lambda path: archive(path, {"a.csv": bytes(1 << 20)}), r"a\.zip is not an IDX file"),
    ],
)
def test_an_archive_without_a_table_is_refused(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(make(tmp_path / "a.zip"))


def test_encrypted_archives_are_refused(tmp_path: Path) -> None:
    content = bytearray(archive(tmp_path / "a.zip", {"a.csv": TABLE}).read_bytes())
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        content[content.index(signature) + offset] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zip is an encrypted zip archive; unpack it with its password"):
        load(tmp_path / "a.zip")


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (300, 5))
    text = io.StringIO()
    np.savetxt(text, rows, fmt="%d", delimiter=",")
    content = archive(tmp_path / "a.zip", {"a.csv": text.getvalue().encode()}).read_bytes()
    expected = load(tmp_path / "a.zip").x.tolist()
    for place in range(0, len(content), 11):
        for damaged in (content[:place], content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]):
            (tmp_path / "a.zip").write_bytes(damaged)
            with suppress(ValueError, FileNotFoundError):
                assert load(tmp_path / "a.zip").x.tolist() == expected  # a date, for example, is not what is read


# ---- Pipes ----------------------------------------------------------------------------------------------------------


def feed(path: Path, content: bytes) -> threading.Thread:
    def write() -> None:
        with suppress(BrokenPipeError), path.open("wb") as file:
            file.write(content)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


def contents(tmp_path: Path) -> dict[str, bytes]:
    """Files of every kind with the column 1, 2, 1, 2, ..."""
    x = np.array([[1], [2]] * 30, np.uint8)
    np.save(tmp_path / "a.npy", x)
    np.savez(tmp_path / "a.npz", x=x)
    kinds = {"csv": TABLE, "gz": gzip.compress(TABLE), "zip": archive(tmp_path / "z", {"a.csv": TABLE}).read_bytes()}
    kinds |= {kind: (tmp_path / f"a.{kind}").read_bytes() for kind in ("npy", "npz")}
    if importlib.util.find_spec("pyarrow"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.table({"a": x[:, 0], "label": x[:, 0]}), tmp_path / "a.parquet")
        kinds["parquet"] = (tmp_path / "a.parquet").read_bytes()
    return kinds


@posix
def test_data_of_every_kind_comes_out_of_a_pipe(tmp_path: Path) -> None:
    for kind, content in contents(tmp_path).items():
        pipe = tmp_path / f"{kind}.pipe"
        os.mkfifo(pipe)
        feed(pipe, content)
        data = load(pipe)
        assert data.x[:, 0].tolist() == [1, 2] * 30
        assert data.name == pipe.name


@posix
@pytest.mark.parametrize("name", ["/dev/stdin", "/dev/fd/0"])
def test_standard_input_is_data(name: str) -> None:
    program = f"from fastnet.datasets import load; print(load({name!r}))"
    done = subprocess.run([sys.executable, "-c", program], input=TABLE, capture_output=True, check=True)
    shown = "stdin" if name == "/dev/stdin" else "pipe"
    assert done.stdout.decode().strip() == f"<Dataset '{shown}': x (60, 1) uint8, 2 classes>"


@posix
def test_an_error_names_the_pipe_and_no_copy_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    pipe = tmp_path / "a.csv"
    os.mkfifo(pipe)
    feed(pipe, b"label,a\n1,x\n")
    with pytest.raises(
        ValueError, match="^" + str(pipe) + r", line 2, column 'a': 'x' is not a number; encode .* leaves it out$"
    ):
        load(pipe)
    assert not list((tmp_path / "temporary").iterdir())


@posix
def test_a_pipe_that_nobody_writes_to_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pipes, "LONGEST_WAIT", 0.2)
    os.mkfifo(tmp_path / "a.csv")
    with pytest.raises(ValueError, match=r"a\.csv is a pipe that no program writes to; waited for 0\.2 s"):
        load(tmp_path / "a.csv")


@posix
def test_who_has_opened_a_pipe_may_take_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pipes, "LONGEST_WAIT", 0.3)
    pipe = tmp_path / "a.csv"
    os.mkfifo(pipe)
    pause = threading.Event()

    def write() -> None:
        with pipe.open("wb", buffering=0) as file:
            pause.wait(0.6)
            file.write(TABLE[:100])
            pause.wait(0.2)
            file.write(TABLE[100:])

    threading.Thread(target=write, daemon=True).start()
    assert len(load(pipe)) == 60


@posix
def test_a_pipe_without_an_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pipes, "MOST_BYTES", 1 << 22)
    pipe = tmp_path / "a.csv"
    os.mkfifo(pipe)
    feed(pipe, b"1,2\n" * (1 << 21))
    with pytest.raises(ValueError, match=r"a\.csv is a pipe that gives more than 0 GiB; save the data to a file"):
        load(pipe)


@posix
@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null"])
def test_devices_are_refused(path: str) -> None:
    assert stat.S_ISCHR(Path(path).stat().st_mode)
    with pytest.raises(ValueError, match=f"{path} is a device or a socket; expected a file, a folder or a pipe"):
        load(path)


# ---- Text that is none ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_text_in_utf_16_is_told_to_be_that(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("label,a\n1,2\n".encode(encoding))
    with pytest.raises(
        ValueError, match=r"not in a known format; expected IDX or CSV .*; save text in UTF-16 as UTF-8"
    ):
        load(tmp_path / "a.csv")


@pytest.mark.parametrize("text", ["größe;label\n1;0\n", "a;label\n1;größe\n"])
def test_text_in_latin_1_is_told_to_be_saved_in_utf_8(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.csv is not text in UTF-8, near line [12]; save it in this encoding"):
        load(tmp_path / "a.csv")


def test_zeros_in_a_table_are_refused(tmp_path: Path) -> None:
    for content, message in (
        (b"label,a\n1,\0\0\n0,2\n", r"a\.csv is not in a known format; expected IDX or CSV"),
        (b"label,a\n" + b"1,2\n" * 2000 + b"1,\0\n", r"line 2002, column 'a': '\\x00' is not a number"),
    ):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load(tmp_path / "a.csv")


def test_cells_may_be_long(tmp_path: Path, engine: str) -> None:
    path, word = tmp_path / "a.csv", "x" * 200_000
    for text in (f"label,a\n{word},1\ny,2\n", f"label,a\ny,1\n{word},2\n", f"label,{word}\ny,1\n{word},2\n"):
        path.write_text(text)
        table = read_csv(path, engine=engine)
        assert table.labels is not None
        assert (word in table.labels) or table.feature_names == [word]


def test_a_line_without_an_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_layout, "LONGEST_LINE", 1 << 16)
    path = tmp_path / "a.csv.gz"
    for content in (b"1" * (1 << 20), b"label,a\n1,2\n1," + b"1" * (1 << 20)):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(ValueError, match=r"a\.csv\.gz, line [13]: the line has over 65,535 characters"):
            load(path)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rows_that_are_parsed_block_by_block_are_all_there(
    tmp_path: Path, engine: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabular, "BYTES_AT_ONCE", 1000)
    monkeypatch.setattr(tabular, "CELLS_AT_ONCE", 1000)
    values = np.arange(4000).reshape(-1, 4)
    values[:100] %= 100
    path = tmp_path / "a.csv"
    path.write_bytes(end.join(",".join(map(str, row)) for row in values.tolist()).encode())
    table = read_csv(path, engine=engine)
    assert table.x.tolist() == values[:, 1:].tolist()
    assert table.labels is not None
    assert [int(label) for label in table.labels] == values[:, 0].tolist()


def test_a_table_of_very_many_columns_needs_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabular, "SMALL_FILE", 0)
    monkeypatch.delattr(_readers, "read")
    columns = tabular.MOST_COLUMNS + 1
    (tmp_path / "a.csv").write_text(",".join(["1"] * columns) + "\n")
    assert load(tmp_path / "a.csv").x.shape == (1, columns - 1)
