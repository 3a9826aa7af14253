"""`--config`: options from a file, below the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from command import Run
from fastnet.cli._arguments import parse_arguments


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write `run.toml` in the current folder and parse a command with it."""
    monkeypatch.chdir(tmp_path)

    def parse(text: str, *arguments: str) -> dict[str, Any]:
        Path("run.toml").write_text(text, encoding="utf-8")
        return vars(parse_arguments([*arguments, "--config", "run.toml"]))

    return parse


def test_options_of_a_file_become_what_the_command_line_would_have_given(config: Any) -> None:
    text = (
        'data = "mnist"\nhidden = [64, 32]\nlr = 0.01\nbatch_size = 8\nevery = "5m"\ncheckpoint = "kept"\nquiet = true'
    )
    given = config(text, "train")
    typed = "train mnist --hidden 64,32 --lr 0.01 --batch-size 8 --every 5m --checkpoint kept --quiet"
    assert {**given, "config": None} == vars(parse_arguments(typed.split()))


def test_the_command_line_comes_before_the_file(config: Any) -> None:
    text = "[train]\nepochs = 9\nseed = 4\nquiet = true\nhidden = 'none'\ndata = 'mnist'\n"
    given = config(text, "train", "digits", "--seed=0", "--no-quiet", "--epochs", "2")
    assert (given["data"], given["seed"], given["quiet"], given["epochs"]) == ("digits", 0, False, 2)
    assert given["hidden"] == ()


def test_the_table_of_a_command_comes_before_the_keys_for_all(config: Any) -> None:
    text = "threads = 1\nepochs = 3\n[train]\nthreads = 2\n[evaluate]\nmodel = 'm'\ndata = 'digits'\n"
    assert (config(text, "train")["threads"], config(text, "train")["epochs"]) == (2, 3)
    evaluate = config(text, "evaluate")
    assert (evaluate["threads"], evaluate["model"], evaluate["data"]) == (1, "m", "digits")
    assert config(text, "evaluate", "other", "mnist")["model"] == "other"


def test_a_required_option_may_stand_in_the_file(config: Any) -> None:
    assert config("[export]\nto = 'c'\n", "export", "m")["to"] == "c"


def test_an_option_whose_value_may_be_left_out_may_be_true_or_false(config: Any) -> None:
    assert config("early-stopping = true", "train")["early_stopping"] == 10
    assert config("early-stopping = 3", "train")["early_stopping"] == 3
    assert config("early-stopping = false", "train")["early_stopping"] is None


def test_a_file_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"train": {"hidden": [], "target": -1, "json": True}}))
    given = parse_arguments(["train", f"--config={path}"])
    assert (given.hidden, given.target, given.json) == ((), -1, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "run.toml: 'epoch' is not an option of any command; did you mean 'epochs'?"),
        (
            "[train]\nbatchsize = 3",
            "run.toml: 'batchsize' is not an option of fastnet train; did you mean 'batch-size'?",
        ),
        ("[trian]\nepochs = 3", "run.toml: 'trian' is not a command; did you mean 'train'?"),
        ("[info]\nepochs = 3", "run.toml: 'epochs' is not an option of fastnet info"),
        ("epochs = 0", "run.toml: epochs must be an integer of at least 1; got '0'"),
        ("epochs = [1.5]", "run.toml: epochs must be a string, a number or a list of these; got [1.5]"),
        ("lr = true", "run.toml: lr must be a string, a number or a list of these; got True"),
        ("quiet = 1", "run.toml: quiet must be true or false; got 1"),
        ("optimizer = 'adm'", "run.toml: optimizer must be one of adam, adamw, "),
        ("config = 'other.toml'", "run.toml: 'config' is not an option of any command"),
        ("no-quiet = true", "run.toml: 'no-quiet' is not an option of any command; did you mean 'quiet'?"),
        ("epochs = ", "run.toml: Invalid value"),
        ("epochs = " + "[" * 5000, "run.toml: it is nested too deep"),
        ("epochs = " + "{a = " * 5000, "run.toml: it is nested too deep"),
        ("a." * 5000 + "b = 1", "run.toml: it is nested too deep"),
        ("#" * 70_000, "run.toml: must have at most 65,536 bytes"),
        ("momentum = 0.5", "argument --momentum: is for --optimizer sgd or rmsprop, not for adam"),
    ],
)
def test_what_is_wrong_in_a_file_is_wrong_usage(text: str, message: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(text)
    done = run("train", "--config", "run.toml")
    assert (done.status, done.out) == (2, "")
    assert done.err.splitlines()[-1].startswith(f"fastnet train: error: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 2_001 + "]" * 2_001, "it is nested too deep"),
        ("[" * 30_000 + "]" * 30_000, "it is nested too deep"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "it is nested too deep"),
        ('{"epochs": 1, "epochs": 2}', "the name 'epochs' comes twice"),
        ('{"lr": NaN}', "NaN is not a JSON number"),
        ("[1]", "must hold an object of options; got list"),
    ],
)
def test_what_is_wrong_in_json_is_wrong_usage(text: str, message: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    done = run("train", "--config", "run.json")
    assert (done.status, done.out) == (2, "")
    assert done.err == f"fastnet train: error: run.json: {message} (see fastnet train --help)\n"


def test_a_file_that_is_not_there_is_an_error(run: Run) -> None:
    done = run("train", "--config", "run.toml")
    assert (done.status, done.err) == (1, "fastnet: error: run.toml: No such file or directory\n")


def test_config_without_a_file_is_wrong_usage(run: Run) -> None:
    assert "argument --config: expected one argument" in run("train", "--config").err
