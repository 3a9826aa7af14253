"""Where the files of MNIST come from: a folder, the cache, a mirror with a checksum; all of it without the internet."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import importlib.util
import struct
import threading
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastnet.cli import main
from fastnet.datasets import fashion_mnist, idx, load, mnist
from fastnet.datasets.download import Collection, cache_folder

X = np.arange(24, dtype=np.uint8).reshape(6, 2, 2)
Y = np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8)


def contents() -> dict[str, bytes]:
    """A small data set with the names of MNIST's files, uncompressed."""
    parts = zip(idx.FILES, (X, Y, X[:3], Y[:3]), strict=True)
    return {name: struct.pack(f">HBB{a.ndim}I", 0, 8, a.ndim, *a.shape) + a.tobytes() for name, a in parts}


def write(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents().items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test sees this machine's data or cache, or reaches for the internet."""
    for name in ("FASTNET_DATA", "FASTNET_OFFLINE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    for module in (mnist, fashion_mnist):
        monkeypatch.setattr(module, "COLLECTION", dataclasses.replace(module.COLLECTION, mirrors=()))
    return tmp_path / "cache"


class Handler(http.server.SimpleHTTPRequestHandler):
    """A server of files that keeps a list of what was asked for."""

    requests: list[str]

    def log_message(self, *arguments: object) -> None:
        self.requests.append(self.path)


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """A mirror on this machine: its address, its folder, and what it was asked for."""
    folder = write(tmp_path / "mirror")
    requests: list[str] = []
    handler = type("OwnHandler", (Handler,), {"requests": requests})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", folder, requests
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["urllib", "pooch"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to download; pooch is skipped where it is not installed."""
    name: str = request.param
    if name == "pooch" and not importlib.util.find_spec("pooch"):
        pytest.skip("needs pooch")
    if name == "urllib":
        find_spec = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pooch" else find_spec(name))
    return name


def collection(*mirrors: str, compressed: bool = False) -> Collection:
    compress = functools.partial(gzip.compress, mtime=0) if compressed else bytes
    sums = {name: hashlib.sha256(compress(content)).hexdigest() for name, content in contents().items()}
    return Collection("small", mirrors, sums, compressed=compressed)


# ---- Folders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("subfolder", ["mnist", "."])
def test_mnist_is_found_in_the_folder_of_fastnet_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, subfolder: str
) -> None:
    write(tmp_path / "data" / subfolder)
    monkeypatch.setenv("FASTNET_DATA", str(tmp_path / "data"))
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert x_train.dtype == y_train.dtype == np.uint8
    assert np.array_equal(x_train, X)
    assert np.array_equal(y_train, Y)
    assert (x_test.shape, y_test.shape) == ((3, 2, 2), (3,))
    assert np.array_equal(mnist.train_images(), X)
    assert np.array_equal(mnist.train_labels(), Y)
    assert np.array_equal(mnist.test_images(), X[:3])
    assert np.array_equal(mnist.test_labels(), Y[:3])
    data = load("mnist")
    assert repr(data) == "<Dataset 'mnist': x (6, 4) uint8, 3 classes, 3 test samples>"


def test_digits_in_fastnet_data_are_never_taken_for_fashion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNET_DATA", str(write(tmp_path / "data")))
    with pytest.raises(ConnectionError, match="fashion_mnist"):
        fashion_mnist.load_data()
    write(tmp_path / "data" / "fashion_mnist")
    assert np.array_equal(fashion_mnist.load_data()[0][0], X)
    assert np.array_equal(fashion_mnist.test_labels(), Y[:3])
    data = load("fashion_mnist")
    assert data.classes == fashion_mnist.CLASS_NAMES
    assert data.y is not None
    assert data.y.tolist() == Y.tolist()


def test_a_folder_with_some_of_the_files_is_named_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "mnist")
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    monkeypatch.setenv("FASTNET_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no file t10k-labels-idx1-ubyte .* in the folder .*mnist"):
        mnist.load_data()


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache"
    monkeypatch.delenv("FASTNET_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "fastnet"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "fastnet"


def test_a_user_without_a_home_is_told_what_to_set(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    assert cache_folder() == own_cache
    monkeypatch.delenv("FASTNET_CACHE")
    assert mnist.COLLECTION.present() is None
    with pytest.raises(
        FileNotFoundError, match="no home folder to keep downloads in: set the environment variable FASTNET"
    ):
        load("mnist")
    assert main(["datasets"]) == 0
    assert main(["datasets", "mnist"]) == 0
    assert main(["datasets", "mnist", "--download"]) == 1


def test_real_mnist_has_the_known_checksums(mnist_dir: Path) -> None:
    for name in idx.FILES:
        path = idx.require(mnist_dir, name)
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        assert hashlib.sha256(content).hexdigest() == mnist.COLLECTION.sha256[name]


# ---- Downloads ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [False, True])
def test_files_are_downloaded_once_and_kept(
    mirror: tuple[str, Path, list[str]], transport: str, own_cache: Path, compressed: bool
) -> None:
    url, _, requests = mirror
    small = collection(url, compressed=compressed)
    for _ in range(2):
        (x, y), (x_test, _) = small.read()
        assert np.array_equal(x, X)
        assert np.array_equal(y, Y)
        assert len(x_test) == 3
    assert requests == [f"/{name}.gz" for name in idx.FILES]
    assert sorted(path.name for path in (own_cache / "small").iterdir()) == sorted(f"{name}.gz" for name in idx.FILES)


def test_one_file_is_downloaded_alone(mirror: tuple[str, Path, list[str]], transport: str) -> None:
    url, _, requests = mirror
    assert np.array_equal(collection(url).test_labels(), Y[:3])
    assert requests == ["/t10k-labels-idx1-ubyte.gz"]


def test_the_next_mirror_is_tried(mirror: tuple[str, Path, list[str]], transport: str) -> None:
    url, _, _ = mirror
    small = collection("http://127.0.0.1:9/", f"{url}none/", url)
    assert np.array_equal(small.read()[0][0], X)


def test_the_answer_of_a_mirror_that_lacks_a_file_is_closed(
    mirror: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _, _ = mirror
    answers: list[urllib.error.HTTPError] = []
    create = urllib.error.HTTPError.__init__

    def remember(self: urllib.error.HTTPError, *arguments: Any) -> None:
        create(self, *arguments)
        answers.append(self)

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # without pooch
    monkeypatch.setattr(urllib.error.HTTPError, "__init__", remember)
    with pytest.raises(ConnectionError, match="404"):
        collection(f"{url}none/").read()
    assert [answer.closed for answer in answers] == [True]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("damage", ["other data", "cut short", "no gzip"])
def test_a_wrong_file_is_not_kept(
    mirror: tuple[str, Path, list[str]], transport: str, own_cache: Path, damage: str, compressed: bool
) -> None:
    url, folder, _ = mirror
    path = folder / "train-images-idx3-ubyte.gz"
    damaged = {
        "other data": gzip.compress(b"x" * 100),
        "cut short": path.read_bytes()[:-9],
        "no gzip": b"<html>not found</html>",
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(ConnectionError, match=r"train-images-idx3-ubyte\.gz cannot be downloaded \(http://127"):
        collection(url, compressed=compressed).read()
    assert list((own_cache / "small").iterdir()) == []


def test_without_a_connection_one_line_says_where_to_put_the_files(transport: str, own_cache: Path) -> None:
    with pytest.raises(ConnectionError) as caught:
        collection("http://127.0.0.1:9/").read()
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("small: train-images-idx3-ubyte.gz cannot be downloaded (http://127.0.0.1:9/: ")
    assert str(own_cache / "small") in message
    assert "FASTNET_DATA" in message
    assert all(f"{name}.gz" in message for name in idx.FILES)


def test_files_put_into_the_cache_by_hand_are_read(own_cache: Path) -> None:
    write(own_cache / "mnist")
    assert np.array_equal(mnist.load_data()[0][0], X)


def test_offline_no_mirror_is_asked(mirror: tuple[str, Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    url, _, requests = mirror
    monkeypatch.setenv("FASTNET_OFFLINE", "1")
    with pytest.raises(ConnectionError, match="FASTNET_OFFLINE is set"):
        collection(url).read()
    assert requests == []
