"""`--run-dir`: one folder with everything about a run."""

import csv
import json
import sys
from pathlib import Path

import pytest

import fastnet as fn
from command import Run


def test_a_run_folder_has_configuration_history_model_and_report(run: Run, flowers: Path) -> None:
    done = run("train", flowers, "--epochs", 3, "--hidden", "5", "--run-dir", "runs/1", "--json")
    folder = Path("runs/1")
    assert sorted(path.name for path in folder.iterdir()) == [
        *("config.json", "history.csv", "history.json", "model.safetensors", "report.html", "report.json")
    ]
    assert "Learning curves" in (folder / "report.html").read_text(encoding="utf-8")
    assert json.loads((folder / "report.json").read_text()) == done.json
    assert done.json["model"] == str(folder / "model.safetensors")
    history = json.loads((folder / "history.json").read_text())
    assert history == {"epoch": [1, 2, 3], **done.json["training"]["history"]}
    head, *rows = csv.reader((folder / "history.csv").read_text().splitlines())
    assert head == list(history)
    assert [[float(cell) for cell in row] for row in rows] == [list(row) for row in zip(*history.values(), strict=True)]
    assert json.loads((folder / "config.json").read_text())["train"]["batch-size"] == 16


def test_a_run_is_repeated_from_its_configuration(run: Run, flowers: Path) -> None:
    options = ["--epochs", 2, "--hidden", "none", "--optimizer", "sgd", "--momentum", 0.5, "--seed", 3, "--target", -1]
    assert run("train", flowers, *options, "--run-dir", "a", "--out", "m", "--quiet").status == 0
    assert run("train", "--config", "a/config.json", "--run-dir", "b", "--quiet").status == 0
    first, again, out = (Path(name).read_bytes() for name in ("a/model.safetensors", "b/model.safetensors", "m"))
    assert first == again == out
    assert Path("a/config.json").read_text() == Path("b/config.json").read_text()


def test_a_page_is_left_out_where_its_packages_are_missing(
    run: Run, model: Path, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = run("evaluate", model, flowers, "--run-dir", "e")
    assert done.status == 0
    assert done.err.startswith("no report.html was written: a report needs jinja2: pip install ")
    assert done.err.count("\n") == 1
    assert sorted(path.name for path in Path("e").iterdir()) == ["config.json", "report.json"]


def test_an_evaluation_has_a_folder_too(run: Run, model: Path, flowers: Path) -> None:
    done = run("evaluate", model, flowers, "--run-dir", "e", "--json", "--quiet")
    assert json.loads(Path("e/report.json").read_text()) == done.json
    again = run("evaluate", "--config", "e/config.json", "--json").json
    assert again["confusion_matrix"] == done.json["confusion_matrix"]


def test_a_folder_is_for_one_run(run: Run, flowers: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    done = run("train", flowers, "--run-dir", "full")
    assert (done.status, done.err) == (
        1,
        "fastnet: error: --run-dir full is not empty: name a folder for this run only\n",
    )
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]
    assert "--run-dir full/notes.txt is a file" in run("train", flowers, "--run-dir", "full/notes.txt").err


def test_an_interrupted_run_leaves_its_history_and_goes_on_in_its_folder(
    run: Run, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(self: fn.callbacks.History, epoch: int, logs: object = None) -> None:
        on_epoch_end(self, epoch, logs)
        if epoch == 1:
            raise KeyboardInterrupt

    options = ("train", flowers, "--epochs", 4, "--run-dir", "r", "--checkpoint", "c", "--quiet")
    on_epoch_end = fn.callbacks.History.on_epoch_end
    with monkeypatch.context() as patch:
        patch.setattr(fn.callbacks.History, "on_epoch_end", press)
        done = run(*options)
    assert done.status == 130
    assert "the best weights so far are in r" in done.err
    assert json.loads(Path("r/history.json").read_text())["epoch"] == [1, 2]
    assert run(*options, "--resume").status == 0
    assert json.loads(Path("r/history.json").read_text())["epoch"] == [1, 2, 3, 4]
