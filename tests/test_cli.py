"""The command line: what each command prints, writes and returns."""

import csv
import io
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Done, Run, start, write_flowers
from fastnet.cli import _report
from fastnet.cli._arguments import COMMANDS, make_parser, parse_arguments

# ---- evaluate -------------------------------------------------------------------------------------------------------


def test_evaluate_reports_accuracy_and_confusion_matrix(run: Run, model: Path, flowers: Path) -> None:
    done = run("evaluate", model, flowers)
    assert done.status == 0
    assert done.out.startswith("Accuracy: 100.00% (60 of 60 rows of flowers.csv)\n\nConfusion matrix ")
    assert "rows a second" in done.out
    result = run("evaluate", model, flowers, "--json").json
    assert result["accuracy"] == 1.0
    assert result["classes"] == ["lily", "rose", "tulip, red"]
    assert result["confusion_matrix"] == [[20, 0, 0], [0, 20, 0], [0, 0, 20]]


def test_labels_keep_their_meaning_where_classes_are_missing(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text("width,height,label\n1,5,rose\n9,9,lily\n1,5,lily\n")
    result = run("evaluate", model, "two.csv", "--json").json
    assert result["confusion_matrix"] == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert result["correct"] == 2


def test_evaluate_gives_the_figure_that_train_gave(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, size=(200, 5)), rng.integers(0, 3, size=200)
    np.savez(tmp_path / "data.npz", x_train=x[:100], y_train=y[:100], x_test=x[100:], y_test=y[100:])
    trained = run("train", "data.npz", "--json", "--out", "m").json["held_out"]
    evaluated = run("evaluate", "m", "data.npz", "--json").json
    assert evaluated["confusion_matrix"] == trained["confusion_matrix"]


def test_the_label_column_may_have_another_name(run: Run, tmp_path: Path) -> None:
    data = write_flowers(tmp_path / "f.csv", header="width,height,kind")
    assert run("train", data, "--target", "kind", "--quiet", "--out", "m").status == 0
    assert run("evaluate", "m", data, "--target", "kind", "--json").json["accuracy"] == 1.0
    assert run("evaluate", "m", data, "--target", -1, "--json").json["accuracy"] == 1.0


# ---- predict --------------------------------------------------------------------------------------------------------


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.mark.parametrize(
    ("header", "labels"), [("width,height,label", True), ("width,height", False), ("", False)], ids=str
)
def test_predict_takes_data_with_and_without_labels(
    header: str, labels: bool, run: Run, model: Path, tmp_path: Path
) -> None:
    data = write_flowers(tmp_path / "some.csv", rows=6, header=header, labels=labels)
    done = run("predict", model, data)
    assert done.status == 0
    head, *rows = table(done.out)
    assert head == ["class", "probability"]
    assert [row[0] for row in rows] == ["rose", "tulip, red", "lily"] * 2
    assert all(0.5 < float(row[1]) <= 1.0 for row in rows)


def test_predict_writes_a_file_on_request(run: Run, model: Path, flowers: Path, tmp_path: Path) -> None:
    printed = run("predict", model, flowers)
    done = run("predict", model, flowers, "--out", "predictions.csv")
    assert (done.status, done.out) == (0, "")
    assert done.err == "60 predictions written to predictions.csv\n"
    assert (tmp_path / "predictions.csv").read_text() == printed.out
    assert run("predict", model, flowers, "--out", "-") == printed


def test_predict_does_not_write_over_what_it_reads(run: Run, model: Path, flowers: Path) -> None:
    before = model.read_bytes(), flowers.read_bytes()
    for path in (model, flowers):
        assert "which the command reads" in run("predict", model, flowers, "--out", path).err
    assert (model.read_bytes(), flowers.read_bytes()) == before


def test_columns_in_another_order_are_put_in_the_order_of_the_model(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "swapped.csv").write_text("height,width\n5,1\n1,5\n")
    done = run("predict", model, "swapped.csv")
    assert [row[0] for row in table(done.out)] == ["class", "rose", "tulip, red"]
    assert "reordered as in the model" in done.err


def test_one_output_is_the_probability_of_the_second_class(run: Run, tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(1, "sigmoid", input_shape=(1,))])
    model.set_weights([[[1.0]], [0.0]])
    model.save(tmp_path / "m")
    (tmp_path / "data.csv").write_text("x,label\n2,1\n-2,0\n-2,1\n")
    assert table(run("predict", "m", "data.csv").out)[1:] == [["1", "0.880797"], ["0", "0.880797"], ["0", "0.880797"]]
    assert run("evaluate", "m", "data.csv", "--json").json["confusion_matrix"] == [[1, 0], [1, 1]]


def test_a_model_without_probabilities_is_refused(run: Run, tmp_path: Path, flowers: Path) -> None:
    fn.Sequential([fn.Dense(3, "log_softmax", input_shape=(2,))]).save(tmp_path / "m")
    for command in ("predict", "evaluate"):
        done = run(command, "m", flowers)
        assert done.status == 1
        assert "its last activation is log_softmax; softmax or sigmoid is needed" in done.err


# ---- info -----------------------------------------------------------------------------------------------------------


def test_info_describes_a_model(run: Run, model: Path) -> None:
    out = run("info", model).out
    assert f"{model}, " in out
    assert "format version 1" in out
    assert f"fastnet {fn.__version__}" in out
    assert f"{fn.load_model(model).count_params():,} of float32" in out
    assert "2: width, height" in out
    assert "3: lily, rose, tulip, red" in out
    assert "Adam(learning_rate=" in out
    assert "Dense(softmax)" in out


def test_info_as_json(run: Run, model: Path) -> None:
    info = run("info", model, "--json").json
    loaded = fn.load_model(model)
    assert info["config"] == loaded.get_config()
    assert info["compile"] == loaded.get_compile_config()
    assert info["parameters"] == loaded.count_params()
    assert info["class_names"] == loaded.class_names
    assert info["bytes"] == model.stat().st_size


def test_info_of_a_model_that_was_never_compiled(run: Run, tmp_path: Path) -> None:
    fn.Sequential([fn.Flatten(input_shape=(2, 2)), fn.Dense(1)]).save(tmp_path / "m")
    out = run("info", "m").out
    assert "not compiled" in out
    assert "2 x 2" in out


# ---- Usage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["train", "--epochs", "0"],
        ["train", "--epochs", "many"],
        ["train", "--batch-size", "-1"],
        ["train", "--threads", "0"],
        ["train", "--seed", "-1"],
        ["train", "--lr", "0"],
        ["train", "--lr", "nan"],
        ["train", "--validation", "1"],
        ["train", "--hidden", "64,0"],
        ["train", "--hidden", "64;64"],
        ["train", "--activation", "warp"],
        ["train", "--optimizer", "lbfgs"],
        ["train", "--momentum", "0.9"],
        ["train", "digits", "mnist"],
        ["evaluate", "model"],
        ["predict"],
        ["info"],
    ],
    ids=" ".join,
)
def test_wrong_usage_gives_status_2_and_says_how(arguments: list[str], run: Run) -> None:
    done = run(*arguments)
    assert done.status == 2
    assert done.out == ""
    command = " ".join(["fastnet", *arguments[:1]]) if arguments[:1] in ([name] for name in COMMANDS) else "fastnet"
    assert re.fullmatch(rf"{command}: error: [^\n]+ \(see {command} --help\)\n", done.err)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=str)
def test_help_with_examples_goes_to_standard_output(command: list[str], run: Run) -> None:
    done = run(*command, "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(" ".join(["usage: fastnet", *command]))
    _, _, examples = done.out.partition("\nexamples:\n")
    assert all(line.startswith("  fastnet ") and len(line) < 80 for line in examples.splitlines())
    assert len(examples.splitlines()) > 1


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_of_a_command_are_commands(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.toml").touch()
    for typed, _ in COMMANDS[name].examples:
        assert parse_arguments(shlex.split(re.split(" >>? ", typed)[0])).command == name


def test_every_command_takes_json_and_a_file_of_options() -> None:
    _, parsers = make_parser()
    for parser in parsers.values():
        assert {"--json", "--config"} <= {option for action in parser._actions for option in action.option_strings}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["trian"], "fastnet: error: the command must be one of train, {}; got 'trian'; did you mean 'train'?"),
        (["--verison"], "fastnet: error: unrecognized arguments: --verison (did you mean --version?)"),
        (
            ["train", "--epoch=3", "--xyz"],
            "fastnet train: error: unrecognized arguments: --epoch=3 (did you mean --epochs?) --xyz",
        ),
        (
            ["train", "--batch_size", "5"],
            "fastnet train: error: unrecognized arguments: --batch_size (did you mean --batch-size?)",
        ),
        (
            ["train", "--activation", "relru"],
            "fastnet train: error: argument --activation: must be one of relu, {}; got 'relru'; did you mean 'relu'?",
        ),
        (
            ["train", "--optimizer", "ADAM"],
            "fastnet train: error: argument --optimizer: must be one of adam, {}; got 'ADAM'; did you mean 'adam'?",
        ),
        (
            ["predict", "m", "d", "--format", "cvs"],
            "fastnet predict: error: argument --format: must be one of csv, {}; got 'cvs'; did you mean 'csv'?",
        ),
        (
            ["export", "m", "--to", "onxn"],
            "fastnet export: error: argument --to: must be one of onnx, {}; got 'onxn'; did you mean 'onnx'?",
        ),
        (["info", "a", "line\nbreak"], "fastnet info: error: unrecognized arguments: line break"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_mistyped_is_told_with_the_nearest(arguments: list[str], line: str, run: Run) -> None:
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert re.fullmatch(re.escape(line).replace(r"\{\}", ".+") + r" \(see fastnet[a-z ]* --help\)\n", done.err)


def test_help_does_not_wait_for_numpy() -> None:
    program = "import sys, fastnet.cli as cli; cli.main(['train', '--help']); sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_version(run: Run) -> None:
    assert run("--version") == Done(0, f"fastnet {fn.__version__}\n", "")


def test_warnings_are_one_line_each(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    from fastnet.cli import info

    monkeypatch.setattr(info, "run", lambda arguments: warnings.warn("mind\nthe gap", stacklevel=1))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run("info", "m").err == "fastnet: warning: mind the gap\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "not enough memory"),
        (FileNotFoundError(2, "No such file or directory", "a.csv"), "a.csv: No such file or directory"),
        (ImportError("needs\n  pyarrow"), "needs pyarrow"),
        (ValueError(), "ValueError"),
    ],
)
def test_errors_are_one_line(error: Exception, line: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from fastnet.cli import info

    def fail(arguments: object) -> int:
        raise error

    monkeypatch.setattr(info, "run", fail)
    assert run("info", "m") == Done(1, "", f"fastnet: error: {line}\n")


# ---- Interruptions --------------------------------------------------------------------------------------------------


def interrupted(tmp_path: Path, *arguments: object) -> tuple[int, str]:
    """Start a training without end, press Ctrl-C in its first epochs, and return the status and the last line."""
    process = start("train", "--epochs", 10**6, *arguments, cwd=tmp_path)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert out == ""
    return process.returncode, err.splitlines()[-1]


def test_ctrl_c_saves_the_model(tmp_path: Path) -> None:
    status, line = interrupted(tmp_path, "--out", "m.safetensors")
    assert status == 130
    assert line.startswith("fastnet: interrupted in epoch ")
    assert line.endswith("; the best weights so far are in m.safetensors")
    model = fn.load_model(tmp_path / "m.safetensors")
    x, y = fn.datasets.digits.load_data()
    assert (model.predict(x, verbose=0).argmax(axis=1) == y).mean() > 0.3
    assert model.optimizer.learning_rate > 0


def test_ctrl_c_without_a_file_says_that_nothing_was_kept(tmp_path: Path) -> None:
    status, line = interrupted(tmp_path)
    assert status == 130
    assert line.endswith("; no model was written")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_before_the_first_step_writes_nothing(
    run: Run, model: Path, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model.read_bytes()

    def fit(*arguments: object, **keywords: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fn.Sequential, "fit", fit)
    done = run("train", flowers, "--quiet", "--out", model)
    assert (done.status, done.err) == (130, "fastnet: interrupted in epoch 1 of 50; no model was written\n")
    assert model.read_bytes() == before


def test_a_reader_that_has_seen_enough_is_no_error(model: Path, flowers: Path) -> None:
    process = start("predict", model, flowers)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=60), err) == (0, "")


def test_the_module_runs_as_the_command() -> None:
    process = start("train", "--epochs", "x")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.startswith("fastnet train: error: argument --epochs: ")


# ---- Text -----------------------------------------------------------------------------------------------------------


def test_a_matrix_that_is_too_wide_becomes_a_list_of_confusions() -> None:
    matrix = np.diag(np.full(40, 9))
    matrix[3, 5], matrix[7, 2] = 2, 4
    text = _report.format_confusion_matrix(_report.Result(matrix, [f"class {code}" for code in range(40)]), width=100)
    assert text.splitlines() == [
        "Most frequent confusions",
        "true     predicted  rows",
        "class 7  class 2       4",
        "class 3  class 5       2",
        "",
        "The confusion matrix takes 406 columns: it is in the output of --json and in reports",
    ]


def test_a_class_without_rows_has_no_recall() -> None:
    text = _report.format_confusion_matrix(_report.Result(np.array([[2, 0], [0, 0]]), ["a", "b"]))
    assert [line.split()[-1] for line in text.splitlines()[2:]] == ["100.0%", "-"]


def test_long_class_names_are_shortened_in_the_matrix() -> None:
    text = _report.format_confusion_matrix(_report.Result(np.eye(2, dtype=np.int64), ["x" * 50, "y"]))
    assert "xxxxxxxxx..." in text
    assert "x" * 10 not in text
