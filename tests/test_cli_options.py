"""Options of `fastnet train` about regularization, the learning rate and the end of training."""

from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run

LAYERS = "Dense BatchNormalization Dropout Dense BatchNormalization Dropout Dense"


def config_of(run: Run, tmp_path: Path, *options: object) -> dict[str, object]:
    """Return the configuration of the optimizer after an epoch of training with options."""
    assert run("train", "digits", "--epochs", 1, "--quiet", "--out", "m", *options).status == 0
    compiled = fn.load_model(tmp_path / "m").get_compile_config()
    assert compiled is not None
    return compiled["optimizer"]["config"]


@pytest.fixture
def overlapping(tmp_path: Path) -> Path:
    """Two classes that overlap, the second with a tenth of the rows of the first."""
    rng = np.random.default_rng(0)
    y = np.arange(330) % 11 == 0
    x = rng.normal(size=(330, 2)) + y[:, None]
    rows = "".join(f"{a},{b},{'rare' if one else 'usual'}\n" for (a, b), one in zip(x.tolist(), y, strict=True))
    (tmp_path / "data.csv").write_text(f"a,b,label\n{rows}")
    return tmp_path / "data.csv"


# ---- Layers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", [("--dropout", 0.2), ("--batch-norm",)])
def test_dropout_and_normalization_need_hidden_layers(option: tuple[object, ...], run: Run) -> None:
    done = run("train", "--hidden", "none", *option)
    assert done.status == 2
    assert f"argument {option[0]}: needs hidden layers, and --hidden is none" in done.err


def test_dropout_and_normalization_follow_each_hidden_layer(run: Run, flowers: Path, tmp_path: Path) -> None:
    options = ("--hidden", "8,4", "--dropout", 0.25, "--batch-norm")
    assert run("train", flowers, *options, "--epochs", 2, "--quiet", "--out", "m").status == 0
    model = fn.load_model(tmp_path / "m")
    assert [type(layer).__name__ for layer in model.layers[1:]] == LAYERS.split()
    assert {layer.rate for layer in model.layers if isinstance(layer, fn.layers.Dropout)} == {0.25}
    assert run("verify", "m", flowers, "--quiet").out.startswith("identical: ")


def test_they_are_recorded_as_layers(run: Run, flowers: Path) -> None:
    done = run("train", flowers, "--dropout", 0.5, "--epochs", 1)
    assert "model: 2, dense 64, dropout 0.5, dense 64, dropout 0.5, dense 3, relu" in done.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--layers", "dense 4", "--dropout", "0.1"], "--dropout: is for --hidden; with --layers, write dropout X in"),
        (["--network", "cnn", "--batch-norm"], "--batch-norm: is for --hidden; with --network cnn, write norm in"),
        (["--early-stopping", "--validation", "0"], "--early-stopping: needs held-out rows, and --validation is 0"),
        (["--early-stopping", "0"], "--early-stopping: must be an integer of at least 1; got '0'"),
        (["--weight-decay", "-1"], "--weight-decay: must be a number of at least 0; got '-1'"),
        (["--schedule", "cosin"], "--schedule: must be one of linear, cosine, constant, one-cycle; got 'cosin'"),
        (["--class-weight", "rose"], "--class-weight: must be balanced, or NAME=WEIGHT with commas between them"),
        (["--class-weight", "rose=-1"], "--class-weight: must be balanced, or NAME=WEIGHT"),
        (
            ["--class-weight", "yes=1,yes=2"],
            "--class-weight: must have one weight for each class; got several for 'yes'",
        ),
        (
            ["--early-stopping", "text.csv"],
            "--early-stopping: must be an integer of at least 1; got 'text.csv'; write DATA first, or --early-stopping 10",
        ),
        (["--class-weight", "balanced", "--task", "regression"], "--class-weight: is for classes, not for --task"),
        (["--ensemble", "1"], "--ensemble: must be an integer from 2 to 1000; got '1'"),
        (["--ensemble", "2", "--checkpoint", "c"], "--ensemble: not together with --checkpoint"),
    ],
)
def test_options_that_do_not_go_together_are_named(options: list[str], reason: str, run: Run) -> None:
    done = run("train", "digits", *options)
    assert done.status == 2
    assert f"argument {reason}" in done.err


# ---- Optimizer ------------------------------------------------------------------------------------------------------


def test_weight_decay_is_that_of_the_optimizer(run: Run, tmp_path: Path) -> None:
    assert config_of(run, tmp_path, "--weight-decay", 0.01)["weight_decay"] == 0.01
    assert config_of(run, tmp_path, "--weight-decay", 0).get("weight_decay") is None
    assert config_of(run, tmp_path, "--optimizer", "sgd")["weight_decay"] == 0.0


def test_the_usual_weight_decay_falls_with_the_rows(run: Run, flowers: Path, tmp_path: Path) -> None:
    assert config_of(run, tmp_path)["weight_decay"] == pytest.approx(300 / 1617, rel=0.05)
    assert run("train", flowers, "--epochs", 1, "--quiet", "--out", "m").status == 0
    assert fn.load_model(tmp_path / "m").get_compile_config()["optimizer"]["config"]["weight_decay"] == 0.5


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [1.0, 0.7525, 0.505, 0.2575, 0.01]),
        ("cosine", [1.0, 0.855, 0.505, 0.155, 0.01]),
        ("constant", [1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_schedules_of_epochs_end_at_a_hundredth_or_stay(schedule: str, expected: list[float]) -> None:
    from fastnet.cli._recipe import FACTORS, Decay

    model = fn.Sequential([fn.Dense(1, input_shape=(1,))])
    model.compile(fn.optimizers.SGD(2.0), "mse")
    rates = fn.callbacks.LambdaCallback(on_epoch_end=lambda *_: seen.append(model.optimizer.learning_rate))
    seen: list[float] = []
    model.fit(np.ones((4, 1)), np.ones(4), epochs=5, verbose=0, callbacks=[Decay(FACTORS[schedule]), rates])
    np.testing.assert_allclose(np.array(seen) / 2, expected, atol=5e-4)
    assert model.optimizer.learning_rate == 2.0


def test_one_cycle_rises_and_falls_over_all_steps(run: Run, tmp_path: Path) -> None:
    rate = config_of(run, tmp_path, "--schedule", "one-cycle", "--lr", 0.02, "--batch-size", 100)["learning_rate"]
    assert rate["class_name"] == "OneCycle"
    assert (rate["config"]["max_learning_rate"], rate["config"]["total_steps"]) == (0.02, 17)
    assert run("verify", "m", "digits", "--quiet").out.startswith("identical: ")


# ---- Early stopping -------------------------------------------------------------------------------------------------


def test_early_stopping_ends_training_and_takes_the_best_weights(run: Run, overlapping: Path, tmp_path: Path) -> None:
    options = ("--early-stopping", 2, "--epochs", 200, "--lr", 0.05, "--validation", 0.3)
    done = run("train", overlapping, *options, "--out", "m", "--json", "--quiet")
    losses = done.json["training"]["history"]["val_loss"]
    assert len(losses) < 200
    assert done.json["training"]["epochs"] == len(losses)
    assert np.argmin(losses) == len(losses) - 3
    model = fn.load_model(tmp_path / "m")
    assert model.receipt["runs"][-1]["ended"] == "stopped"
    assert run("verify", "m", overlapping, "--quiet").out.startswith("identical: ")


def test_its_result_says_that_the_same_rows_decided(run: Run, overlapping: Path) -> None:
    stopped = run("train", overlapping, "--early-stopping", "--epochs", 3)
    assert stopped.out.splitlines()[0].endswith("held out, which also decided when to stop)")
    assert "decided" not in run("train", overlapping, "--epochs", 3).out


# ---- Class weights --------------------------------------------------------------------------------------------------


def recall_of_rare(run: Run, data: Path, *options: object) -> float:
    matrix = run("train", data, "--validation", 0.3, "--quiet", "--json", *options).json["held_out"]
    rare = matrix["classes"].index("rare")
    row = matrix["confusion_matrix"][rare]
    return row[rare] / sum(row)


def test_balanced_weights_find_more_of_a_rare_class(run: Run, overlapping: Path) -> None:
    usual = recall_of_rare(run, overlapping)
    assert recall_of_rare(run, overlapping, "--class-weight", "balanced") > usual
    assert recall_of_rare(run, overlapping, "--class-weight", "rare=10,usual=1") > usual
    assert recall_of_rare(run, overlapping, "--class-weight", "rare=0") == 0.0


def test_an_unknown_class_is_named(run: Run, overlapping: Path) -> None:
    done = run("train", overlapping, "--class-weight", "rarr=2")
    assert done.status == 1
    assert (
        "--class-weight rarr=...: data.csv has no class 'rarr'; its classes are rare, usual; did you mean 'rare'?"
        in done.err
    )
