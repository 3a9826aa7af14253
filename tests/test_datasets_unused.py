"""Arguments that a data set has no use for are refused, never ignored."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from command import Run
from stored import X, Y, written

GIVEN = [
    ({"target": "digit"}, "CSV or Parquet"),
    ({"target": None}, "CSV or Parquet"),
    ({"separator": ";"}, "CSV"),
    ({"decimal": ","}, "CSV"),
]


@pytest.mark.parametrize(("given", "files"), [*GIVEN, ({"dtype": "float64"}, "CSV or Parquet")])
def test_open_refuses_them(given: dict[str, Any], files: str, tmp_path: Path) -> None:
    ((name, value),) = given.items()
    with pytest.raises(ValueError, match=f"{name} is for a {files} file; got {value!r} for .*x.npy"):
        fn.datasets.open(written(tmp_path), **given)


def source(kind: str, folder: Path) -> Path | str:
    """A data set that is no table."""
    if kind == "npz":
        np.savez(folder / "d.npz", x=X, y=Y)
        return folder / "d.npz"
    if kind == "npy":
        return written(folder)
    images = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4])
    for name, content in (("images-idx3", images), ("labels-idx1", bytes([0, 0, 8, 1, 0, 0, 0, 2, 0, 1]))):
        (folder / f"train-{name}-ubyte").write_bytes(content)
    return {"idx": folder / "train-images-idx3-ubyte", "folder": folder, "name": "digits"}[kind]


@pytest.mark.parametrize(("given", "files"), GIVEN)
@pytest.mark.parametrize("kind", ["npz", "npy", "idx", "folder", "name"])
def test_load_refuses_them(kind: str, given: dict[str, Any], files: str, tmp_path: Path) -> None:
    ((name, value),) = given.items()
    data = source(kind, tmp_path)
    assert len(fn.datasets.load(data)) > 1
    with pytest.raises(ValueError, match=f"{name} is for a {files} file; got {value!r} for "):
        fn.datasets.load(data, **given)


@pytest.mark.parametrize("given", [{"separator": ";"}, {"decimal": ","}])
def test_load_refuses_the_dialect_of_a_parquet_file(given: dict[str, Any], tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1.0, 2.0], "label": [0, 1]}), tmp_path / "d.parquet")
    assert fn.datasets.load(tmp_path / "d.parquet", target="label").y is not None
    with pytest.raises(ValueError, match="is for a CSV file"):
        fn.datasets.load(tmp_path / "d.parquet", **given)


@pytest.mark.parametrize("option", [("--target", "x"), ("--separator", ";"), ("--decimal", ",")])
def test_the_command_line_refuses_them(option: tuple[str, str], run: Run) -> None:
    np.savez("d.npz", x=X, y=Y)
    trained = run("train", "d.npz", "--epochs", 1, "--quiet", "--out", "m.safetensors")
    assert trained.status == 0, trained.err
    for command in (("train", "d.npz"), ("evaluate", "m.safetensors", "d.npz"), ("predict", "m.safetensors", "d.npz")):
        done = run(*command, *option)
        assert done.status == 1
        assert f"{option[0][2:]} is for a " in done.err


def test_what_a_model_remembers_of_a_table_is_no_argument_for_other_files(run: Run) -> None:
    rows = [";".join([*(str(value).replace(".", ",") for value in row), str(y)]) for row, y in zip(X, Y, strict=True)]
    Path("d.csv").write_text("\n".join(["a;b;c;d;e;f;color", *rows]))
    options = ("--separator", ";", "--decimal", ",", "--target", "color")
    trained = run("train", "d.csv", *options, "--epochs", 1, "--quiet", "--out", "m.safetensors")
    assert trained.status == 0, trained.err
    np.savez("d.npz", x=X, y=Y)
    done = run("evaluate", "m.safetensors", "d.npz", "--json")
    assert done.status == 0, done.err
    assert done.json["rows"] == len(X)
