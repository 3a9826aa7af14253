"""``fastnet export``: models for other programs, from the command line."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn
from c_programs import compiler
from command import Done, Run

RAW = np.array([[1.0, 5.0], [5.2, 0.9], [9.0, 8.7]], np.float32)


def test_an_onnx_file_takes_raw_data_and_gives_the_model_s_probabilities(run: Run, model: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    done = run("export", model, "--to", "onnx")
    assert (done.status, done.out) == (0, "")
    assert done.err.startswith(f"{model.with_suffix('.onnx')}: ")
    session = onnxruntime.InferenceSession(model.with_suffix(".onnx"))
    assert_allclose(session.run(None, {"input": RAW})[0], fn.load_model(model).predict(RAW), atol=1e-5)


def test_a_c_file_compiles_and_passes_its_own_test(run: Run, model: Path, tmp_path: Path) -> None:
    result = run("export", model, "--to", "c", "--out", "flowers.c", "--json").json
    assert (result["file"], result["bytes"]) == ("flowers.c", (tmp_path / "flowers.c").stat().st_size)
    assert "largest difference" in result["check"]
    command = [*compiler(), "-std=c99", "-Wall", "-Werror", "-DSELFTEST", "flowers.c", "-o", "selftest", "-lm"]
    subprocess.run(command, cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "selftest"], check=True, capture_output=True)


def test_a_quantized_model_is_written_in_c_and_onnx(run: Run, model: Path, tmp_path: Path) -> None:
    fn.load_model(model).quantize(RAW).save(tmp_path / "small.safetensors")
    result = run("export", "small.safetensors", "--to", "c", "--json").json
    assert (result["file"], "largest difference" in result["check"]) == ("small.c", True)
    pytest.importorskip("onnx", reason="needs onnx")
    assert "to a step of 8 bits" in run("export", "small.safetensors", "--to", "onnx").err
    for language in ("keras", "state-dict"):
        done = run("export", "small.safetensors", "--to", language)
        assert done.status == 1
        assert "small.safetensors is quantized, which only --to c and onnx write" in done.err


def test_a_state_dict_comes_back_as_the_same_model(run: Run, model: Path) -> None:
    assert run("export", model, "--to", "state-dict", "--quiet") == Done(0, "", "")
    again = fn.from_state_dict(model.with_suffix(".state.safetensors"), "relu", output_activation="softmax")
    assert_allclose(again.predict(RAW), fn.load_model(model).predict(RAW), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.safetensors", "--to", "c"], "missing.safetensors"),
        (["flowers.safetensors", "--to", "c", "--out", "flowers.safetensors"], "--out would replace"),
        (["flowers.safetensors", "--to", "c", "--out", "nowhere/m.c"], "the folder nowhere does not exist"),
        (["flowers.csv", "--to", "onnx"], "not a safetensors file"),
    ],
)
def test_what_cannot_be_exported_is_told_in_one_line(run: Run, model: Path, arguments: list[str], message: str) -> None:
    done = run("export", *arguments)
    assert done.status == 1
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_language_is_required(run: Run, model: Path) -> None:
    done = run("export", model)
    assert done.status == 2
    assert "--to" in done.err
