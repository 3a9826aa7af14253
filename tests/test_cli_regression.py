"""`fastnet train`, `evaluate`, `predict` and `verify` on targets that are numbers."""

from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run
from fastnet.cli import _data, train

REGRESSION = ("--task", "regression")


def table(rows: int = 300, *, scale: float = 1.0, offset: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return two columns, and a smooth function of them in any unit."""
    x = np.random.default_rng(seed).uniform(-1, 1, (rows, 2))
    return x, scale * (np.sin(2 * x[:, 0]) + x[:, 1] ** 2) + offset


def write(path: Path, x: np.ndarray, y: np.ndarray | None, header: str = "a,b,target") -> Path:
    rows = x if y is None else np.column_stack([x, y])
    np.savetxt(path, rows, delimiter=",", header=header, comments="", fmt="%.17g")
    return path


@pytest.fixture
def trained(run: Run, tmp_path: Path) -> Path:
    """A model of numbers around 5,000."""
    data = write(tmp_path / "data.csv", *table(scale=100, offset=5000))
    done = run("train", data, "--target", "target", "--quiet", "--out", "m.safetensors")
    assert done.status == 0, done.err
    return tmp_path / "m.safetensors"


# ---- Training -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scale", "offset"), [(1.0, 0.0), (1e-12, 0.0), (1e25, -1e24), (1.0, 1e6), (1e-3, 1e4)], ids=str
)
def test_targets_of_any_scale_are_learned_and_predicted_in_their_unit(
    scale: float, offset: float, run: Run, tmp_path: Path
) -> None:
    data = write(tmp_path / "data.csv", *table(scale=scale, offset=offset))
    done = run("train", data, "--target", "target", "--json", "--quiet", "--out", "m")
    assert done.json["held_out"]["r2"] > 0.98
    x, y = table(scale=scale, offset=offset, seed=1)
    predicted = fn.load_model("m").predict(x, verbose=0)[:, 0].astype(np.float64)
    assert np.abs(predicted - y).mean() < 0.1 * y.std()


def test_the_result_has_three_figures_and_what_the_mean_gives(run: Run, trained: Path, tmp_path: Path) -> None:
    done = run("evaluate", trained, "data.csv")
    assert done.out.startswith("R2: 0.99")
    assert " rows of data.csv)" in done.out
    assert "\nAlways predicting the mean of these rows: R2 0, root mean squared error 8" in done.out
    result = run("evaluate", trained, "data.csv", "--json").json
    data = fn.datasets.load("data.csv", target="target", encode=False)
    predicted = fn.load_model(trained).predict(data.x, verbose=0)[:, 0].astype(np.float64)
    error = predicted - data.y
    assert result["task"] == "regression"
    assert result["mae"] == pytest.approx(np.abs(error).mean())
    assert result["rmse"] == pytest.approx(np.sqrt(np.square(error).mean()))
    assert result["r2"] == pytest.approx(1 - np.square(error).sum() / np.square(data.y - data.y.mean()).sum())


def test_the_model_file_has_metrics_and_the_figures_of_the_held_out_rows(run: Run, trained: Path) -> None:
    model = fn.load_model(trained)
    assert set(model.figures["held_out"]) == {"mae", "rmse", "r2", "rows", "measured_on"}
    data = fn.datasets.load("data.csv", target="target", encode=False)
    assert model.evaluate(data.x, data.y, return_dict=True, verbose=0)["r2_score"] > 0.99
    assert "held out:      mae " in run("info", trained).out


def test_training_on_several_outputs_gives_figures_of_each(run: Run, tmp_path: Path) -> None:
    x, y = table()
    np.savez(tmp_path / "data.npz", x=x, y=np.column_stack([y, -1000 * y]))
    done = run("train", "data.npz", "--out", "m")
    assert "2 outputs, numbers from" in done.err
    lines = done.out.splitlines()
    start = lines.index(next(line for line in lines if line.split() == ["output", "R2", "MAE", "RMSE"]))
    figures = np.array([line.split() for line in lines[start + 1 : start + 3]], float)
    assert (figures[:, 1] > 0.97).all()
    assert 200 < figures[1, 2] / figures[0, 2] < 5000
    assert run("predict", "m", "data.npz").out.startswith("prediction_0,prediction_1\n")


def test_targets_on_the_disk_are_numbers_too(run: Run, tmp_path: Path) -> None:
    x, y = table(2000, scale=1e6)
    (tmp_path / "data").mkdir()
    np.save(tmp_path / "data" / "x.npy", x.astype(np.float32))
    np.save(tmp_path / "data" / "y.npy", y)
    done = run("train", "data", "--json", "--quiet", "--out", "m")
    assert done.json["held_out"]["r2"] > 0.98
    assert run("evaluate", "m", "data", "--json").json["r2"] > 0.98
    assert len(run("predict", "m", "data").out.splitlines()) == 2001


def test_a_constant_target_is_predicted(run: Run, tmp_path: Path) -> None:
    x, _ = table(50)
    data = write(tmp_path / "data.csv", x, np.full(50, 7.5))
    done = run("train", data, "--target", "target", "--json", "--quiet")
    assert done.json["held_out"]["mae"] < 0.05


def test_training_again_gives_the_same_weights(run: Run, trained: Path) -> None:
    assert run("verify", trained, "data.csv", "--quiet").out.startswith("identical: ")


def test_other_weights_are_compared_by_r2(run: Run, trained: Path) -> None:
    model = fn.load_model(trained)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias + 1e-2])
    model.save(trained)
    done = run("verify", trained, "data.csv", "--quiet", "--tolerance", 0.01)
    assert done.out.startswith("equivalent: training again gives other weights, by 0.0")
    assert "\nr2: 0.99" in done.out


def test_a_resumed_training_ends_in_the_unit_of_the_targets(
    run: Run, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    command = ("train", "data.csv", "--target", "target", "--quiet", "--checkpoint", "c", "--out", "again.safetensors")
    with monkeypatch.context() as patch:
        patch.setattr(train, "measure", interrupt)
        assert run(*command).status == 130
    assert run(*command, "--resume").status == 0
    assert Path("again.safetensors").read_bytes() == trained.read_bytes()


# ---- Which targets are numbers --------------------------------------------------------------------------------------


def test_the_output_says_what_the_targets_are_taken_for_and_how_to_choose(run: Run, tmp_path: Path) -> None:
    x, y = table(40)
    for name, values in {"numbers": y, "classes": np.arange(40) % 3}.items():
        write(tmp_path / f"{name}.csv", x, values)
    taken = run("train", "numbers.csv", "--target", "target", "--epochs", 1).err
    assert ": a regression (--task classification takes them as classes)" in taken
    assert (
        "3 classes (0, 1, 2; --task regression takes them as numbers)"
        in run("train", "classes.csv", "--target", "target", "--epochs", 1).err
    )
    given = run("train", "classes.csv", "--target", "target", "--epochs", 1, "--json", *REGRESSION).json
    assert given["held_out"]["task"] == "regression"


def test_classes_that_are_words_have_no_such_hint(run: Run, flowers: Path) -> None:
    assert "--task" not in run("train", flowers, "--epochs", 1).err


def test_numbers_with_a_fraction_are_no_classes(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path / "data.csv", *table(30))
    done = run("train", data, "--target", "target", "--task", "classification")
    assert done.status == 1
    assert "must be whole numbers or text" in done.err
    assert "--task regression" in done.err


def test_words_are_no_numbers(run: Run, flowers: Path) -> None:
    done = run("train", flowers, *REGRESSION)
    assert done.status == 1
    assert "flowers.csv: the labels must be numbers for a regression; got 'rose' in row 0" in done.err


def test_weights_of_classes_are_not_for_numbers(run: Run, tmp_path: Path) -> None:
    data = write(tmp_path / "data.csv", *table(30))
    done = run("train", data, "--target", "target", "--class-weight", "balanced")
    assert done.status == 1
    assert "--class-weight is for classes; the targets of data.csv are numbers" in done.err


def test_european_numbers_are_targets(run: Run, tmp_path: Path) -> None:
    text = write(tmp_path / "data.csv", *table(60)).read_text()
    (tmp_path / "data.csv").write_text(text.replace(",", ";").replace(".", ","))
    options = ("--separator", ";", "--decimal", ",", "--target", "target")
    assert run("train", "data.csv", "--epochs", 1, "--json", *options).json["held_out"]["task"] == "regression"


# ---- Predictions ----------------------------------------------------------------------------------------------------


def test_predictions_are_a_column_of_numbers_that_read_back_exactly(run: Run, trained: Path, tmp_path: Path) -> None:
    x, _ = table(5, seed=2)
    data = write(tmp_path / "new.csv", x, None, "a,b")
    lines = run("predict", trained, data).out.splitlines()
    assert lines[0] == "prediction"
    expected = fn.load_model(trained).predict(x.astype(np.float32), verbose=0)[:, 0]
    assert np.array(lines[1:], np.float32).tolist() == expected.tolist()
    document = run("predict", trained, data, "--json").json
    assert [row["prediction"] for row in document["predictions"]] == [float(line) for line in lines[1:]]
    assert "classes" not in document


def test_probabilities_are_for_classifiers(run: Run, trained: Path) -> None:
    done = run("predict", trained, "data.csv", "--probabilities")
    assert done.status == 1
    assert "--probabilities is for classifiers; " in done.err


def test_predictions_that_are_not_finite_are_refused(run: Run, trained: Path) -> None:
    model = fn.load_model(trained)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, bias * np.inf])
    model.save(trained)
    for command in ("predict", "evaluate"):
        done = run(command, trained, "data.csv")
        assert (done.status, done.out) == (1, "")
        assert "the model's output for row 0 is not finite" in done.err


def test_a_report_about_a_regression_has_predictions_over_true_values(run: Run, trained: Path) -> None:
    pytest.importorskip("matplotlib")
    assert run("evaluate", trained, "data.csv", "--report", "r.html", "--quiet").status == 0
    page = Path("r.html").read_text()
    assert "Predictions and true values" in page
    assert "Residuals" in page


def test_numbers_with_some_text_need_a_word(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = table(40)
    data = write(tmp_path / "data.csv", x, y)
    text = data.read_text()
    data.write_text(text.replace(text.split("\n")[3].split(",")[-1], "NA"))
    expected = "the labels are numbers but for 'NA'"
    done = run("train", data, "--target", "target", "--epochs", 1)
    assert done.status == 1
    assert expected in done.err
    assert run("train", data, "--target", "target", "--epochs", 1, "--task", "classification").status == 0
    monkeypatch.setattr(_data, "LARGE_FILE", 0)
    assert expected in run("train", data, "--target", "target", "--epochs", 1).err


def test_a_column_of_targets_that_is_not_needed_may_be_anything(run: Run, trained: Path) -> None:
    text = Path("data.csv").read_text()
    rows = text.splitlines()
    Path("new.csv").write_text("\n".join([*rows[:3], rows[3].rpartition(",")[0] + ",NA", *rows[4:]]) + "\n")
    assert run("predict", trained, "new.csv").out == run("predict", trained, "data.csv").out
