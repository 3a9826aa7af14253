"""`fastnet predict`: its layouts."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run, write_flowers

NAMES = ["lily", "rose", "tulip, red"]


@pytest.fixture
def some(tmp_path: Path) -> Path:
    """A rose, a tulip and a lily, twice."""
    return write_flowers(tmp_path / "some.csv", rows=6, header="width,height", labels=False)


def table(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


def probabilities(model: Path, data: Path) -> np.ndarray:
    return fn.load_model(model).predict(np.loadtxt(data, delimiter=",", skiprows=1), verbose=0)


def test_the_probabilities_of_all_classes_are_columns(run: Run, model: Path, some: Path) -> None:
    head, *rows = table(run("predict", model, some, "--probabilities").out)
    assert head == ["class", "probability", *(f"p_{name}" for name in NAMES)]
    expected = probabilities(model, some)
    np.testing.assert_allclose(np.array([row[2:] for row in rows], float), expected, atol=1e-6)
    assert [row[1] for row in rows] == [f"{value:.6f}" for value in expected.max(axis=1)]


def test_a_submission_has_kaggle_s_layout(run: Run, model: Path, some: Path) -> None:
    done = run("predict", model, some, "--format", "kaggle", "--out", "submission.csv")
    assert (done.status, done.out) == (0, "")
    rows = table(Path("submission.csv").read_text())
    assert rows == [["ImageId", "Label"], *([str(number), NAMES[number % 3]] for number in range(1, 7))]


def test_json_is_one_document_with_every_row(run: Run, model: Path, some: Path) -> None:
    done = run("predict", model, some, "--json", "--probabilities")
    assert done == run("predict", model, some, "--format", "json", "--probabilities")
    assert (done.json["command"], done.json["rows"], done.json["classes"]) == ("predict", 6, NAMES)
    first = done.json["predictions"][0]
    assert (first["class"], first["probability"]) == ("rose", max(first["probabilities"]))


def test_json_beside_a_file_says_what_was_written(run: Run, model: Path, some: Path) -> None:
    done = run("predict", model, some, "--json", "--quiet", "--out", "p.csv")
    assert (done.json["rows"], done.json["file"], done.json["format"], done.err) == (6, "p.csv", "csv", "")
    assert Path("p.csv").read_text() == run("predict", model, some).out
    run("predict", model, some, "--format", "json", "--out", "p.json")
    assert json.loads(Path("p.json").read_text())["rows"] == 6


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--format", "kaggle", "--probabilities"], "argument --probabilities: does not go with --format kaggle"),
        (["--format", "kaggle", "--json"], "argument --json: needs --out FILE"),
        (["--format", "xml"], "argument --format: must be one of csv, kaggle, json; got 'xml'"),
    ],
)
def test_layouts_that_do_not_go_together_are_wrong_usage(options: list[str], reason: str, run: Run) -> None:
    done = run("predict", "m", "d", *options)
    assert done.status == 2
    assert reason in done.err
