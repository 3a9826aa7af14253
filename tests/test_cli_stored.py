"""`fastnet train` on data that stay on the disk."""

from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run
from fastnet.cli import _data, _parts, evaluate, predict
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


def stored_and_in_memory(kind: str, path: Path) -> tuple[Path, Path]:
    """Samples and labels as data that stay on the disk, and the same in a file for `load`."""
    np.savez(path / "same.npz", x=X, y=np.array(["red", "green", "blue"])[Y])
    if kind == "npy":
        return folder(path / "data"), path / "same.npz"
    names = [f"f{number}" for number in range(X.shape[1])]
    turned = [3, 1, 0, 2, 5, 4] if kind == "reordered" else range(X.shape[1])
    if kind == "parquet":
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        columns = {name: X[:, number] for number, name in enumerate(names)}
        (path / "data").mkdir()
        table = pa.table({**columns, "label": np.array(["red", "green", "blue"])[Y]})
        pq.write_table(table, path / "data" / "a.parquet", row_group_size=130)
        pq.write_table(table, path / "same.parquet")
        return path / "data", path / "same.parquet"
    lines = [
        ",".join([*(repr(row[column]) for column in turned), ("red", "green", "blue")[y]])
        for row, y in zip(X.tolist(), Y, strict=True)
    ]
    text = "\n".join([",".join([*(names[column] for column in turned), "label"]), *lines])
    for name in ("large.csv", "same.csv"):
        (path / name).write_text(text)
    return path / "large.csv", path / "same.csv"


@pytest.mark.parametrize("kind", ["npy", "parquet", "csv", "reordered"])
def test_predict_and_evaluate_give_what_they_give_of_data_in_memory(
    kind: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(evaluate, "EVALUATION_BYTES", 24 * 100)
    monkeypatch.setattr(predict, "EVALUATION_BYTES", 24 * 100)
    stored, same = stored_and_in_memory(kind, tmp_path)
    _, first = stored_and_in_memory("csv", tmp_path) if kind == "reordered" else (stored, same)
    trained = run("train", first, *OPTIONS, "--out", "m.safetensors")
    assert trained.status == 0, trained.err
    stored, same = stored_and_in_memory(kind, tmp_path) if kind == "reordered" else (stored, same)
    expected = [run("predict", "m.safetensors", same, *how).out for how in HOW]
    report = run("evaluate", "m.safetensors", same, "--json").json
    monkeypatch.setattr(_data, "LARGE_FILE", 1000)
    for how, out in zip(HOW, expected, strict=True):
        done = run("predict", "m.safetensors", stored, *how)
        assert done.status == 0, done.err
        assert done.out == out.replace(str(same), str(stored))
    run("predict", "m.safetensors", stored, "--out", "p.csv")
    assert Path("p.csv").read_text() == expected[0]
    assert ("reordered as in the model" in done.err) == (kind == "reordered")
    found = run("evaluate", "m.safetensors", stored, "--json").json
    for name in ("accuracy", "correct", "rows"):
        assert found[name] == report[name]


HOW: list[tuple[str, ...]] = [
    (),
    ("--probabilities",),
    ("--format", "kaggle"),
    ("--json", "--probabilities"),
    ("--json",),
]


def test_predictions_are_written_as_they_come(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = folder(tmp_path / "data")
    assert run("train", data, *OPTIONS, "--out", "m.safetensors").status == 0
    monkeypatch.setattr(predict, "EVALUATION_BYTES", 24 * 100)
    x = X[400:].reshape(-1, 2, 3).copy()
    x[100] = np.nan
    np.save(data / "x-b.npy", x)
    done = run("predict", "m.safetensors", data)
    assert done.status == 1
    assert "data has a NaN or an infinity in row 500" in done.err
    assert 400 < len(done.out.splitlines()) <= 501
    assert "data has a NaN or an infinity in row 500" in run("evaluate", "m.safetensors", data).err
    for name, rows in (("a", 400), ("b", 600)):
        np.save(data / f"y-{name}.npy", np.linspace(0, 1, rows))  # labels are not read
    done = run("predict", "m.safetensors", data, "--out", "p.csv")
    assert "data has a NaN or an infinity in row 500" in done.err
    assert done.status == 1
    assert not Path("p.csv").exists()


def test_a_folder_that_does_not_fit_the_model_is_refused(run: Run, tmp_path: Path) -> None:
    data = folder(tmp_path / "data")
    assert run("train", data, *OPTIONS, "--out", "m.safetensors").status == 0
    for name in ("a", "b"):
        np.save(data / f"x-{name}.npy", np.load(data / f"x-{name}.npy")[:, :1])
    for command in ("predict", "evaluate"):
        assert "has 3 features in a row; the model takes 6" in run(command, "m.safetensors", data).err
    (data / "a.parquet").touch()
    for command in (("predict", "m.safetensors"), ("train",)):
        assert "has files x*.npy and *.parquet; expected one kind of data" in run(*command, data).err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    for command in (("predict", "m.safetensors"), ("evaluate", "m.safetensors"), ("train",)):
        err = run(*command, tmp_path / "other").err
        assert "it has notes.txt" in err
        assert "x*.npy or *.parquet" in err


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
