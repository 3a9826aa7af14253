"""`fastnet bench`: the speed of a model."""

from pathlib import Path

import pytest

import fastnet as fn
from command import Run


def test_predictions_and_steps_are_measured(run: Run, model: Path, flowers: Path) -> None:
    before = model.read_bytes()
    result = run("bench", model, flowers, "--seconds", 0.02, "--json", "--quiet").json
    assert [one["rows"] for one in result["predictions"]] == [1, 32, 256, 10_000]
    for one in result["predictions"]:
        assert 0 < one["p50_seconds"] <= one["p99_seconds"]
        # Half of the calls take at least the median.
        assert 0 < one["rows_per_second"] <= 2.01 * one["rows"] / one["p50_seconds"]
    assert [one["rows"] for one in result["training"]] == [32, 256]
    assert all(
        one["rows_per_second"] == pytest.approx(one["rows"] * one["steps_per_second"]) for one in result["training"]
    )
    assert result["machine"]["isa"] == fn.show_config(mode="dict")["isa"]
    assert model.read_bytes() == before


def test_the_table_names_model_rows_and_machine(run: Run, model: Path) -> None:
    done = run("bench", model, "--seconds", 0.01)
    assert done.status == 0
    assert done.err == "measuring for 0.04 s or more\n"
    assert done.out.startswith(f"model:    {model.name}, ")
    assert "rows:     random numbers, none of them zero" in done.out
    lines = done.out.splitlines()
    assert [line.split()[0] for line in lines[lines.index("Predictions") + 2 :][:4]] == ["1", "32", "256", "10,000"]
    assert "Training" in lines


@pytest.mark.parametrize(
    ("loss", "activation"),
    [("categorical_crossentropy", "softmax"), ("mse", "linear"), ("binary_crossentropy", "sigmoid")],
)
def test_any_loss_is_trained_with(loss: str, activation: str, run: Run, tmp_path: Path) -> None:
    model = fn.Sequential([fn.Flatten(input_shape=(2, 3)), fn.Dense(3, activation)])
    model.compile("sgd", loss)
    model.save(tmp_path / "m")
    assert len(run("bench", "m", "--seconds", 0.005, "--json").json["training"]) == 2


def test_a_model_that_is_not_compiled_is_not_trained(run: Run, tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(3, "softmax", input_shape=(2,))])
    model.save(tmp_path / "m")
    assert run("bench", "m", "--seconds", 0.005, "--json").json["training"] == []
    model.quantize([[0.0, 1.0], [1.0, 0.0]]).save(tmp_path / "q")
    done = run("bench", "q", "--seconds", 0.005)
    assert "int8" in done.out
    assert "Training" not in done.out
