"""``fastnet quantize``."""

from pathlib import Path

import numpy as np

import fastnet as fn
from command import Done, Run


def test_a_quantized_model_predicts_and_evaluates(run: Run, model: Path, flowers: Path) -> None:
    done = run("quantize", model, flowers)
    small = model.with_suffix(".int8.safetensors")
    assert (done.status, done.out) == (0, "")
    assert done.err.startswith(f"{small}: ")
    assert "root mean square" in done.err
    assert isinstance(fn.load_model(small), fn.quantization.QuantizedModel)
    assert "Accuracy" in run("evaluate", small, flowers).out


def test_json_and_the_number_of_rows(run: Run, model: Path, flowers: Path) -> None:
    result = run("quantize", model, flowers, "--out", "small.safetensors", "--rows", "2", "--json").json
    assert (result["file"], result["rows"]) == ("small.safetensors", 2)
    assert 0 < result["root_mean_square_difference"] < 1
    assert run("quantize", model, flowers, "--quiet") == Done(0, "", "")


def test_images_are_calibrated_with_the_training_part(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((60, 8, 8, 1), np.float32)
    np.savez("images.npz", x_train=10 * x, y_train=np.arange(60) % 3, x_test=x[:9], y_test=np.arange(9) % 3)
    model = fn.Sequential([fn.Conv2D(3, 3, input_shape=(8, 8, 1)), fn.Flatten(), fn.Dense(3, "softmax")], seed=0)
    model.save("model.safetensors")
    assert run("quantize", "model.safetensors", "images.npz").status == 0
    quantized = fn.load_model("model.int8.safetensors")
    assert isinstance(quantized, fn.quantization.QuantizedModel)
    assert vars(quantized.operations[0])["input_scale"] > 9 / 255


def test_what_is_quantized_already_is_refused(run: Run, model: Path, flowers: Path) -> None:
    run("quantize", model, flowers)
    done = run("quantize", model.with_suffix(".int8.safetensors"), flowers, "--out", "again.safetensors")
    assert done.status == 1
    assert "is quantized already" in done.err
    done = run("quantize", model, flowers, "--out", model)
    assert done.status != 0
    assert fn.load_model(model)
