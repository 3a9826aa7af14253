"""`fastnet train` on data that stay on the disk."""

from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run
from fastnet.cli import _data, _parts
from stored import X, Y, in_small_blocks  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_small_blocks")

OPTIONS = ("--epochs", 8, "--quiet", "--json")


def folder(path: Path) -> Path:
    """A folder of images of 2 x 3 pixels, in two files."""
    path.mkdir()
    for name, rows in (("a", slice(0, 400)), ("b", slice(400, None))):
        np.save(path / f"x-{name}.npy", X[rows].reshape(-1, 2, 3))
        np.save(path / f"y-{name}.npy", np.array(["red", "green", "blue"])[Y[rows]])
    return path


def test_a_folder_is_trained_on_and_verified(run: Run, tmp_path: Path) -> None:
    data = folder(tmp_path / "data")
    done = run("train", data, *OPTIONS, "--out", "m.safetensors")
    assert done.status == 0, done.err
    result = done.json
    assert result["held_out"]["measured_on"] == "100 rows of data, held out"
    assert result["held_out"]["rows"] == 100
    assert result["held_out"]["accuracy"] > 0.8
    assert result["training"]["rows"] == 900
    model = fn.load_model("m.safetensors")
    assert model.class_names == ["blue", "green", "red"]
    assert run("verify", "m.safetensors", data, "--quiet").out.startswith("identical")
    evaluated = run("evaluate", "m.safetensors", data, "--json")
    assert evaluated.status == 0, evaluated.err
    assert evaluated.json["rows"] == 1000
    assert evaluated.json["accuracy"] > 0.8
    np.save(data / "x-b.npy", X[400:].reshape(-1, 2, 3) + 1)
    done = run("verify", "m.safetensors", data, "--quiet")
    assert done.status == 1
    assert "the samples are not those" in done.out


def test_training_on_a_folder_resumes(run: Run, tmp_path: Path) -> None:
    data = folder(tmp_path / "data")
    plain = run("train", data, *OPTIONS, "--out", "a.safetensors")
    kept = run("train", data, *OPTIONS, "--out", "b.safetensors", "--checkpoint", "kept", "--every", "0.001s")
    assert plain.status == kept.status == 0, kept.err
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()


def test_without_validation_some_training_rows_are_measured(run: Run, tmp_path: Path) -> None:
    done = run("train", folder(tmp_path / "data"), *OPTIONS, "--validation", 0)
    assert done.status == 0, done.err
    assert "rows of the training data, because nothing was held out" in done.json["training_accuracy"]["measured_on"]


@pytest.mark.parametrize("network", [("--hidden", 8), ("--layers", "conv 4 2 same, flatten")])
def test_a_large_file_stays_on_the_disk(
    network: tuple[object, ...], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_data, "LARGE_FILE", 1000)
    np.save("x.npy", X.reshape(-1, 2, 3))
    np.save("y.npy", Y)
    done = run("train", "x.npy", *OPTIONS, *network)
    assert done.status == 0, done.err
    assert done.json["held_out"]["measured_on"] == "100 rows of x.npy, held out"
    table = "\n".join(",".join(map(str, [label, *row])) for label, row in zip(Y, X.tolist(), strict=True))
    Path("d.csv").write_text(table)
    done = run("train", "d.csv", *OPTIONS, "--out", "m.safetensors")
    assert done.json["held_out"]["measured_on"] == "100 rows of d.csv, held out"
    assert run("evaluate", "m.safetensors", "d.csv", "--json").json["rows"] == 1000
    assert len(list((tmp_path / "cache" / "tables").iterdir())) == 1


def test_rows_are_held_out_of_every_block() -> None:
    data = fn.datasets.StoredDataset(FakeRows(), blocks=[(0, 100), (100, 150), (150, 1000)])
    training, held_out = _parts._held_out(data, 100, 0)
    assert np.ptp(held_out.blocks, axis=1).tolist() == [10, 5, 85]
    assert len(training) == 900
    both = np.concatenate([np.arange(*block) for part in (training, held_out) for block in part.blocks])
    assert sorted(both) == list(range(1000))
    with pytest.raises(ValueError, match="all of which are held out"):
        _parts._held_out(data, 1000, 0)


class FakeRows:
    shape, dtype = (1000, 2), np.dtype("f4")


def test_data_that_stay_on_the_disk_are_refused_like_others(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    np.save(data / "x.npy", X)
    assert "has no labels" in run("train", data).err
    np.save(data / "y.npy", Y * 0)
    assert "has only one class" in run("train", data).err
    x = X.copy()
    x[3, 2] = np.nan
    np.save(data / "x.npy", x)
    np.save(data / "y.npy", Y)
    assert "is not a finite number" in run("train", data).err
