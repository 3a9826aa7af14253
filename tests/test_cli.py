"""The command line: what each command prints, writes and returns."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import fastnet as fn
from fastnet import _core
from fastnet.cli import _arguments, _report, main


class Done(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    threads = fn.get_num_threads()

    def run_main(*arguments: object) -> Done:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Done(status, *capsys.readouterr())

    yield run_main
    fn.set_num_threads(threads)


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    command = [sys.executable, "-m", "fastnet", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def write_flowers(path: Path, *, rows: int = 60, header: str = "width,height,label", labels: bool = True) -> Path:
    """Write a table of three kinds of flowers that are easy to tell apart."""
    rng = np.random.default_rng(0)
    lines = [header] if header else []
    for row in range(rows):
        kind = row % 3
        values = [f"{value:.3f}" for value in rng.normal([[1, 5], [5, 1], [9, 9]][kind], 0.3)]
        lines.append(",".join([*values, *([["rose", '"tulip, red"', "lily"][kind]] if labels else [])]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    return write_flowers(tmp_path / "flowers.csv")


@pytest.fixture
def model(run: Run, flowers: Path, tmp_path: Path) -> Path:
    """A model that tells the flowers apart."""
    path = tmp_path / "flowers.safetensors"
    assert run("train", flowers, "--quiet", "--out", path).status == 0
    return path


# ---- train ----------------------------------------------------------------------------------------------------------


def test_train_learns_digits_without_any_argument(run: Run) -> None:
    done = run("train", "--json", "--quiet")
    assert done.status == 0
    assert done.json["held_out"]["accuracy"] >= 0.97
    assert done.json["training"]["seconds"] < 10


def test_train_reports_accuracy_confusion_matrix_and_speed(run: Run) -> None:
    done = run("train", "digits", "--epochs", 2)
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("Held-out accuracy: ")
    assert lines[0].endswith(" of 180 rows; 10% of digits, held out)")
    assert lines[2] == "Confusion matrix (rows: true class, columns: predicted class)"
    assert lines[3].split() == [*map(str, range(10)), "recall"]
    assert [line.split()[0] for line in lines[4:14]] == [*map(str, range(10))]
    assert len({len(line) for line in lines[3:14]}) == 1
    assert "Training: 2 epochs of 1,617 samples in " in done.out
    assert " samples a second" in done.out
    assert lines[-1].endswith("not kept; --out model.safetensors writes it")


def test_progress_and_messages_go_to_standard_error(run: Run) -> None:
    done = run("train", "digits", "--epochs", 3)
    assert "epoch" not in done.out
    assert done.err.startswith("data:  digits: 1,617 rows to train on, 180 held out; 64 features, 10 classes (0, 1,")
    assert [line.split()[1] for line in done.err.splitlines() if line.startswith("epoch")] == ["1/3", "2/3", "3/3"]
    assert "val_accuracy" in done.err


def test_a_long_training_prints_about_twenty_lines(run: Run, flowers: Path) -> None:
    lines = [line for line in run("train", flowers, "--epochs", 100).err.splitlines() if line.startswith("epoch")]
    assert len(lines) == 21
    assert lines[-1].startswith("epoch 100/100")


def test_quiet_prints_the_result_only(run: Run) -> None:
    done = run("train", "--epochs", 1, "--quiet")
    assert done.err == ""
    assert done.out.startswith("Held-out accuracy")


def test_json_is_one_document(run: Run, tmp_path: Path) -> None:
    done = run("train", "--epochs", 2, "--json", "--seed", 3, "--threads", 1, "--out", tmp_path / "m.safetensors")
    assert done.status == 0
    result = done.json
    assert result["schema"] == 1
    assert result["command"] == "train"
    assert result["fastnet_version"] == fn.__version__
    assert result["model"] == str(tmp_path / "m.safetensors")
    held_out = result["held_out"]
    matrix = np.array(held_out["confusion_matrix"])
    assert matrix.shape == (10, 10)
    assert matrix.sum() == held_out["rows"] == 180
    assert matrix.trace() == held_out["correct"] == round(held_out["accuracy"] * 180)
    training = result["training"]
    assert (training["epochs"], training["rows"], training["seed"], training["threads"]) == (2, 1617, 3, 1)
    assert {len(values) for values in training["history"].values()} == {2}


def test_the_same_arguments_give_the_same_file_on_any_number_of_threads(run: Run, tmp_path: Path) -> None:
    def train(name: str, *arguments: object) -> bytes:
        assert run("train", "--epochs", 1, "--quiet", "--out", name, *arguments).status == 0
        return (tmp_path / name).read_bytes()

    first = train("a")
    assert train("b", "--threads", 1) == first
    assert train("c", "--threads", 3) == first
    assert train("d", "--seed", 1) != first


def test_the_model_carries_scaling_and_names(run: Run, model: Path) -> None:
    loaded = fn.load_model(model)
    assert loaded.class_names == ["lily", "rose", "tulip, red"]
    assert loaded.feature_names == ["width", "height"]
    assert isinstance(loaded.layers[0], fn.Rescaling)
    assert 1 / loaded.layers[0].scale == pytest.approx(9.7, abs=0.3)
    assert loaded.get_compile_config()["optimizer"]["class_name"] == "Adam"


@pytest.mark.parametrize(("largest", "scale"), [(255, 1 / 255), (200, 1 / 255), (16, 1 / 16), (0, 1.0), (1000, 1e-3)])
def test_bytes_of_images_are_scaled_by_255_and_other_numbers_by_their_largest(
    largest: int, scale: float, run: Run, tmp_path: Path
) -> None:
    x = np.zeros((20, 3))
    x[:, 1] = largest
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(20) % 2)
    assert run("train", "data.npz", "--epochs", 1, "--quiet", "--out", "m").status == 0
    assert fn.load_model(tmp_path / "m").layers[0].scale == pytest.approx(scale)


def test_options_shape_the_network_and_its_training(run: Run, tmp_path: Path) -> None:
    options = ["--hidden", "7,5", "--activation", "tanh", "--optimizer", "sgd", "--lr", "0.5", "--momentum", "0.5"]
    assert run("train", "--epochs", 2, *options, "--batch-size", 100, "--quiet", "--out", "m").status == 0
    model = fn.load_model(tmp_path / "m")
    assert [layer.output_shape for layer in model.layers] == [(64,), (7,), (5,), (10,)]
    assert model.layers[1].get_config()["activation"] == "tanh"
    optimizer = model.get_compile_config()["optimizer"]
    assert (optimizer["class_name"], optimizer["config"]["learning_rate"], optimizer["config"]["momentum"]) == (
        "SGD",
        0.5,
        0.5,
    )


def test_a_network_may_have_no_hidden_layer(run: Run, tmp_path: Path) -> None:
    assert run("train", "--epochs", 1, "--hidden", "none", "--quiet", "--out", "m").status == 0
    assert fn.load_model(tmp_path / "m").count_params() == 65 * 10


@pytest.mark.parametrize("activation", _arguments.ACTIVATIONS)
@pytest.mark.parametrize("optimizer", _arguments.OPTIMIZERS)
def test_every_activation_and_optimizer_learns(activation: str, optimizer: str, run: Run) -> None:
    done = run("train", "--activation", activation, "--optimizer", optimizer, "--epochs", 10, "--quiet", "--json")
    assert done.json["held_out"]["accuracy"] > 0.85


def test_the_accepted_names_are_those_of_the_core() -> None:
    assert {*_arguments.ACTIVATIONS, "softmax"} == set(_core.activation_names())
    assert set(_arguments.OPTIMIZERS) == set(_core.optimizer_names())


def test_the_result_is_measured_on_the_test_set_that_the_data_bring(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = {f"x_{part}": rng.normal(size=(rows, 2)) for part, rows in (("train", 50), ("test", 30))}
    labels = {name.replace("x", "y"): (x[:, 0] > 0).astype(int) for name, x in parts.items()}
    np.savez(tmp_path / "data.npz", **parts, **labels)
    done = run("train", "data.npz", "--epochs", 1)
    assert "45 rows to train on, 5 held out, 30 to test with" in done.err
    assert "of 30 rows; the test set of data.npz)" in done.out


def test_nothing_need_be_held_out(run: Run) -> None:
    done = run("train", "--validation", 0, "--epochs", 1)
    assert "1,797 rows to train on; 64" in done.err
    assert done.out.startswith("Training accuracy: ")
    assert "held_out" not in run("train", "--validation", 0, "--epochs", 1, "--json").json


def test_classes_too_small_to_be_split_in_proportion_are_split_at_random(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.eye(20), y=[0] * 10 + [1] * 9 + [2])
    done = run("train", "data.npz", "--epochs", 1)
    assert done.status == 0
    assert "some classes have too few rows" in done.err


def test_an_existing_model_is_replaced_only_by_a_trained_one(run: Run, model: Path, flowers: Path) -> None:
    before = model.read_bytes()
    done = run("train", flowers, "--lr", 1e30, "--out", model)
    assert done.status == 1
    assert done.err.splitlines()[-1].startswith("fastnet: error: the loss is ")
    assert "(--lr)" in done.err
    assert done.out == ""
    assert model.read_bytes() == before
    assert run("train", flowers, "--seed", 9, "--quiet", "--out", model).status == 0
    assert model.read_bytes() != before


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("no/such/folder/m", "cannot write no/such/folder/m: the folder no/such/folder does not exist"),
        ("folder", "cannot write folder: it is a folder"),
        ("flowers.csv", "--out would replace flowers.csv, which the command reads"),
    ],
)
def test_training_does_not_start_when_the_model_could_not_be_written(
    out: str, reason: str, run: Run, flowers: Path, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    before = flowers.read_bytes()
    done = run("train", "flowers.csv", "--out", out)
    assert done == Done(1, "", f"fastnet: error: {reason}\n")
    assert flowers.read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_training_does_not_start_in_a_folder_that_is_not_writable(run: Run, flowers: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    done = run("train", flowers, "--out", "locked/m")
    assert done == Done(1, "", "fastnet: error: cannot write locked/m: permission denied\n")


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
    assert "order of the model" in done.err


def test_one_output_is_the_probability_of_the_second_class(run: Run, tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(1, "sigmoid", input_shape=(1,))])
    model.set_weights([[[1.0]], [0.0]])
    model.save(tmp_path / "m")
    (tmp_path / "data.csv").write_text("x,label\n2,1\n-2,0\n-2,1\n")
    assert table(run("predict", "m", "data.csv").out)[1:] == [["1", "0.880797"], ["0", "0.880797"], ["0", "0.880797"]]
    assert run("evaluate", "m", "data.csv", "--json").json["confusion_matrix"] == [[1, 0], [1, 1]]


def test_a_model_without_probabilities_is_refused(run: Run, tmp_path: Path, flowers: Path) -> None:
    fn.Sequential([fn.Dense(3, input_shape=(2,))]).save(tmp_path / "m")
    for command in ("predict", "evaluate"):
        done = run(command, "m", flowers)
        assert done.status == 1
        assert "its last activation is linear; softmax or sigmoid is needed" in done.err


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
    assert done.err.startswith("usage: fastnet")
    assert ": error: " in done.err.splitlines()[-1]


@pytest.mark.parametrize("command", [[], ["train"], ["evaluate"], ["predict"], ["info"]], ids=str)
def test_help_goes_to_standard_output(command: list[str], run: Run) -> None:
    done = run(*command, "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("usage: fastnet")


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
    assert line.endswith("; the model as of the last finished step is in m.safetensors")
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
    assert (done.status, done.err) == (130, "fastnet: interrupted in epoch 1 of 100; no model was written\n")
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
    assert err.startswith("usage: fastnet train ")


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
    ]


def test_a_class_without_rows_has_no_recall() -> None:
    text = _report.format_confusion_matrix(_report.Result(np.array([[2, 0], [0, 0]]), ["a", "b"]))
    assert [line.split()[-1] for line in text.splitlines()[2:]] == ["100.0%", "-"]


def test_long_class_names_are_shortened_in_the_matrix() -> None:
    text = _report.format_confusion_matrix(_report.Result(np.eye(2, dtype=np.int64), ["x" * 50, "y"]))
    assert "xxxxxxxxx..." in text
    assert "x" * 10 not in text
