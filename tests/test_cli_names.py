"""Names from files, with sequences for terminals in them: no command sends them on, and no file loses them."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from command import Run

CLASSES = [
    "\x1b]0;owned\x07\x1b[31mred",
    "\u202egnp.exe",
    "X\x9b31m\u2028z\x7f",
    "two\nlines\rover",
    "plain, with comma",
]
FEATURES = ["f\x1b[2J", "\u2066g\x85h", "i"]
# What may stand in output: everything but controls, and the ends of lines and tabs that the commands write themselves.
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    layers = [fn.Dense(4, "relu", input_shape=(3,), name="l\x1b[8m\u202e\n"), fn.Dense(len(CLASSES), "softmax")]
    model = fn.Sequential(layers, seed=0, name="m\x1b[8m")
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.eye(3), [0, 1, 2], verbose=0)
    model.class_names, model.feature_names = CLASSES, FEATURES
    model.save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    with (tmp_path / "data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["label", *FEATURES])
        one_line = [name for name in CLASSES if "\n" not in name]
        writer.writerows([one_line[row % len(one_line)], *rng.normal(size=3)] for row in range(60))
    return tmp_path / "data.csv"


COMMANDS: dict[str, Callable[[Path, Path], list[object]]] = {
    "info": lambda model, data: ["info", model],
    "info --json": lambda model, data: ["info", model, "--json"],
    "evaluate": lambda model, data: ["evaluate", model, data],
    "predict": lambda model, data: ["predict", model, data],
    "predict --probabilities": lambda model, data: ["predict", model, data, "--probabilities"],
    "predict --json": lambda model, data: ["predict", model, data, "--json"],
    "predict --format kaggle": lambda model, data: ["predict", model, data, "--format", "kaggle"],
    "train": lambda model, data: ["train", data, "--epochs", 1, "--hidden", 4, "--out", "n.safetensors"],
    "bench": lambda model, data: ["bench", model, "--seconds", "0.01"],
    "no file": lambda model, data: ["info", "no\x1b[31msuch\u202e"],
    "no data": lambda model, data: ["predict", model, "no\x1b[31msuch\u202e"],
    "no data set": lambda model, data: ["datasets", "\x1b[31m"],
    "no label": lambda model, data: ["evaluate", model, data, "--target", "\x1b[31m\u202e"],
    "no command": lambda model, data: ["\x1b[31m\u202e"],
    "no option": lambda model, data: ["train", "--\x1b[31m\u202e"],
    "no choice": lambda model, data: ["train", "--activation", "\x1b[31m\u202e"],
    "no key": lambda model, data: ["train", "--config", write(data.parent / "c.json", '{"\\u001b[31m\\u202e": 1}')],
}


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("case", COMMANDS)
def test_no_command_sends_control_characters_of_names(case: str, run: Run, model: Path, data: Path) -> None:
    done = run(*COMMANDS[case](model, data))
    assert done.status == (2 if case in ("no command", "no option", "no choice", "no key") else case.startswith("no "))
    assert not CONTROLS.search(done.out + done.err)
    if case.endswith("--json"):
        assert CLASSES[0] in json.dumps(json.loads(done.out), ensure_ascii=False).encode().decode("unicode_escape")


def test_a_name_of_several_lines_takes_one_row_of_a_table(run: Run, model: Path, data: Path) -> None:
    lines = run("evaluate", model, data).out.splitlines()
    assert sum(line.startswith(r"two\u000a...") for line in lines) == 1


def test_a_layer_whose_name_has_several_lines_takes_one_row_of_a_table(run: Run, model: Path) -> None:
    assert sum(r"l\u001b[8m\u202e\u000a" in line for line in run("info", model).out.splitlines()) == 1


def test_a_name_with_a_color_is_told_in_colors_of_its_own_only(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    from fastnet.cli import _terminal

    monkeypatch.setattr(_terminal, "has_colors", lambda file: True)
    assert run("info", "no\x1b[31msuch").err == (
        "fastnet: \x1b[31merror:\x1b[0m no\\u001b[31msuch: No such file or directory\n"
    )


def test_the_file_of_the_predictions_has_the_names_as_they_are(run: Run, model: Path, data: Path) -> None:
    assert run("predict", model, data, "--probabilities", "--out", "p.csv").status == 0
    with Path("p.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["class", "probability", *(f"p_{name}" for name in CLASSES)]
    assert {row[0] for row in rows} <= set(CLASSES)


def test_the_json_has_the_names_as_they_are(run: Run, model: Path, data: Path) -> None:
    assert run("predict", model, data, "--json").json["classes"] == CLASSES
    assert run("info", model, "--json").json["feature_names"] == FEATURES


def test_the_summary_and_the_table_of_a_notebook_show_names_without_control_characters(model: Path) -> None:
    loaded: Any = fn.load_model(model)
    for shown in (loaded, loaded.quantize(np.eye(3))):
        lines: list[str] = []
        shown.summary(print_fn=lines.append)
        text = "\n".join([*lines, shown._repr_html_(), repr(shown)])
        assert r"l\u001b[8m\u202e\u000a" in text
        assert not CONTROLS.search(text)


def test_the_figures_of_an_epoch_show_names_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    model = fn.Sequential([fn.Dense(1, input_shape=(2,))], seed=0)
    model.compile("sgd", "mse", metrics=[fn.metrics.MeanAbsoluteError(name="error\x1b[31m")])
    model.fit(np.ones((4, 2)), np.ones(4), verbose=2)
    assert r"error\u001b[31m" in capsys.readouterr().out
