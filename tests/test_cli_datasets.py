"""`fastnet datasets`: what has a name, and where it is."""

import gzip
from pathlib import Path

import pytest

from command import Run
from fastnet import datasets
from fastnet.datasets import _load, idx
from fastnet.datasets._catalogue import CATALOGUE


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No files, and no way to fetch them."""
    monkeypatch.delenv("FASTNET_DATA", raising=False)
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FASTNET_OFFLINE", "1")


def put(folder: Path, names: tuple[str, ...] = idx.FILES) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / f"{name}.gz").write_bytes(gzip.compress(b""))
    return folder


def test_every_data_set_with_a_name_is_listed(run: Run) -> None:
    assert list(CATALOGUE) == list(_load.NAMES)
    done = run("datasets")
    assert done.status == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["name", *CATALOGUE]
    assert "not here: fastnet datasets mnist --download" in done.out
    assert [one["name"] for one in run("datasets", "--json").json["datasets"]] == list(CATALOGUE)


def test_the_sizes_of_the_digits_are_those_of_the_file(run: Run) -> None:
    facts, data = run("datasets", "digits", "--json").json, datasets.load("digits")
    assert (facts["rows"], tuple(facts["shape"]), facts["classes"]) == (len(data), data.image_shape, data.class_names)


def test_the_sizes_of_mnist_are_those_of_the_files(run: Run, mnist_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTNET_DATA", str(mnist_dir.parent))
    facts, data = run("datasets", "mnist", "--json").json, datasets.load("mnist")
    assert data.test is not None
    assert (facts["rows"], facts["test_rows"], tuple(facts["shape"])) == (len(data), len(data.test), data.image_shape)
    assert (facts["is_here"], facts["folder"]) == (True, str(mnist_dir))


def test_files_in_the_cache_are_found(run: Run, tmp_path: Path) -> None:
    assert run("datasets", "mnist", "--json").json["is_here"] is False
    folder = put(tmp_path / "cache" / "mnist")
    assert run("datasets", "mnist", "--json").json["folder"] == str(folder)
    assert run("datasets", "mnist").out.count("file:") == 4
    assert run("datasets", "mnist", "--download").err == "mnist is here\n"


def test_a_download_that_fails_says_what_to_do(run: Run) -> None:
    done = run("datasets", "fashion_mnist", "--download")
    assert done.status == 1
    assert done.err.startswith("downloading fashion_mnist, 30.9 MB, into ")
    assert "FASTNET_OFFLINE is set" in done.err


def test_a_folder_with_some_of_the_files_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "data" / "mnist", idx.FILES[:2])
    monkeypatch.setenv("FASTNET_DATA", str(tmp_path / "data"))
    done = run("datasets", "mnist", "--download", "--quiet")
    assert done.status == 1
    assert "has only some of the files of mnist" in done.err


def test_an_unknown_name_is_told_with_the_nearest(run: Run) -> None:
    done = run("datasets", "mnits")
    assert (done.status, done.err) == (
        1,
        "fastnet: error: there is no data set 'mnits' (known are digits, mnist, fashion_mnist); did you mean 'mnist'?\n",
    )
    assert run("datasets", "--download").status == 2
