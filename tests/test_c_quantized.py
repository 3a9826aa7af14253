"""Quantized models as files of C: the same integers, so the same bits where no library rounds in its own way."""

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import models_of_images as images
from c_programs import (
    STRICT,
    STRICT_CPP,
    compile_and_run,
    compiler,
    compiler_with_sanitizers,
    constants_in,
    cross_compiler,
    flash_of,
    lenet,
    predictions,
)
from fastnet.interchange import checking
from fastnet.interchange.c import functions as c_functions
from fastnet.interchange.c import source as c_source
from fastnet.operations.quantizing import QuantizedMultiplication
from fastnet.quantization import QuantizedModel
from models_of_all_layers import MODELS, build

TIES = np.arange(-40, 41, dtype=np.float32).reshape(-1, 3) / 8  # multiples of half of a step


def exact_models() -> dict[str, QuantizedModel]:
    """Return models of products, ReLU, PReLU and additions, which are computed alike everywhere."""
    rng = np.random.default_rng(0)
    models: dict[str, QuantizedModel] = {}
    for seed in range(12):
        sizes = [int(size) for size in rng.integers(4, 40, 4)]
        inner = [fn.PReLU(), fn.Dense(5, "relu"), fn.Dense(sizes[1], use_bias=False)]
        layers = [fn.Dense(sizes[1], "relu"), fn.Residual(inner), fn.LeakyReLU(0.25), fn.Dense(sizes[2]), fn.Dense(3)]
        model = fn.Sequential([fn.Input((sizes[0],)), *layers], seed=seed)
        model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
        models[f"random_{seed}"] = model.quantize(rng.normal(size=(20, sizes[0])) + seed / 4)
    kernel = rng.integers(-127, 128, (3, 2)).astype(np.int8)
    ties = QuantizedMultiplication(2, "ties", kernel, np.ones(2, np.float32), None, 0.25, 9)
    models["ties"] = QuantizedModel([ties], (3,), (2,))
    return models


def exact_models_of_images() -> dict[str, QuantizedModel]:
    """Return models of images of the same kind, and of maxima."""
    Conv2D, MaxPooling2D = fn.layers.Conv2D, fn.layers.MaxPooling2D
    stacks: dict[str, list[fn.layers.Layer]] = {
        "same": [Conv2D(5, (3, 4), padding="same"), Conv2D(3, 3, strides=(2, 1), activation="relu", use_bias=False)],
        "dilation": [Conv2D(4, (2, 3), dilation_rate=(2, 3), padding="same"), Conv2D(2, 2, dilation_rate=(1, 2))],
        "strips": [Conv2D(4, 3, padding="same", activation="relu"), MaxPooling2D(2), Conv2D(6, 2), MaxPooling2D(2)],
        "rescaled": [
            fn.Rescaling(0.5, 1.0),
            Conv2D(4, 5, padding="same"),
            fn.PReLU(shared_axes=[1, 2]),
            MaxPooling2D(3),
        ],
        "residual": [fn.Residual([Conv2D(3, 3, padding="same", activation="relu"), Conv2D(3, 1)]), MaxPooling2D(2)],
    }
    models = {}
    for seed, (name, layers) in enumerate(stacks.items()):
        rng = np.random.default_rng(seed)
        model = fn.Sequential([fn.Input((9, 8, 3)), *layers, fn.Flatten(), fn.Dense(4)], seed=0)
        model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
        models[name] = model.quantize(rng.normal(size=(20, 9, 8, 3)) + seed / 4)
        assert "QuantizedConvolution" in {type(operation).__name__ for operation in models[name].operations}
    return models


def check_exact_models(command: Sequence[str], folder: Path, emulator: Sequence[str] = ()) -> None:
    models = exact_models() | exact_models_of_images()
    rng = np.random.default_rng(1)  # half of the samples are beyond the range of the calibration data
    samples = {name: 5 * rng.normal(size=(50, *model.input_shape)).astype(np.float32) for name, model in models.items()}
    samples["ties"] = TIES
    outputs = predictions(models, samples, command, folder, emulator)
    for name, model in models.items():
        assert_array_equal(outputs[name], model.predict(samples[name], verbose=0), err_msg=name)


@pytest.mark.parametrize("name", ["gcc", "clang"])
@pytest.mark.parametrize("options", [["-O0"], ["-O3"]], ids=" ".join)
def test_products_additions_and_relu_give_the_same_bits(name: str, options: list[str], tmp_path: Path) -> None:
    check_exact_models([*compiler(name), *STRICT, *options], tmp_path)


@pytest.mark.parametrize(
    ("machine", "emulator"), [("arm-linux-gnueabihf", "qemu-arm"), ("riscv64-linux-gnu", "qemu-riscv64")]
)
def test_other_processors_give_the_same_bits(machine: str, emulator: str, tmp_path: Path) -> None:
    command, run = cross_compiler(machine, emulator)
    check_exact_models([*command, *STRICT, "-O2"], tmp_path, run)


@pytest.mark.slow
def test_no_export_reads_or_writes_what_is_not_its_own(tmp_path: Path) -> None:
    check_exact_models([*compiler_with_sanitizers(tmp_path), *STRICT], tmp_path)


def test_exports_are_cpp_too(tmp_path: Path) -> None:
    check_exact_models([*compiler("g++"), *STRICT_CPP], tmp_path)


def test_every_layer_and_activation_predicts_the_same(tmp_path: Path) -> None:
    floats = {name: build(name) for name in MODELS}
    samples = {name: checking.sample_inputs(model, 30) for name, model in floats.items()}
    models = {name: model.quantize(samples[name]) for name, model in floats.items()}
    outputs = predictions(models, samples, [*compiler(), *STRICT], tmp_path)
    for name, model in models.items():
        expected = model.predict(samples[name], verbose=0).reshape(30, -1)
        far = np.abs(outputs[name] - expected) > 1e-5 * max(1.0, np.abs(expected).max())
        assert far.any(axis=1).mean() <= 0.1, name  # a number next to the middle of two integers
        assert_allclose(outputs[name], expected, rtol=0.01, atol=0.01 * np.abs(expected).max(), err_msg=name)


def test_a_value_that_is_not_finite_makes_all_outputs_no_numbers(tmp_path: Path) -> None:
    models = {"dense": exact_models()["random_0"], "images": exact_models_of_images()["same"]}
    samples = {name: np.zeros((3, int(np.prod(model.input_shape))), np.float32) for name, model in models.items()}
    for x in samples.values():
        x[0, 1], x[1, 0], x[2, 2] = np.nan, np.inf, -np.inf
    outputs = predictions(models, samples, [*compiler_with_sanitizers(tmp_path), *STRICT], tmp_path)
    assert np.isnan(outputs["dense"]).all()
    assert np.isnan(outputs["images"]).all()


def test_every_layer_of_images_predicts_the_same(tmp_path: Path) -> None:
    floats = {name: images.build(name) for name in images.MODELS}
    floats |= {f"random_{seed}": images.random_model(seed) for seed in range(20)}
    samples = {name: checking.sample_inputs(model, 10) for name, model in floats.items()}
    models = {name: model.quantize(samples[name].reshape(-1, *model.input_shape)) for name, model in floats.items()}
    outputs = predictions(models, samples, [*compiler(), *STRICT], tmp_path)
    strange = []
    for name, model in models.items():
        expected = model.predict(samples[name].reshape(-1, *model.input_shape), verbose=0).reshape(10, -1)
        far = np.abs(outputs[name] - expected) > 1e-5 * max(1.0, np.abs(expected).max())
        strange.append(far.any(axis=1).mean())
        assert_allclose(outputs[name], expected, rtol=0.03, atol=0.03 * np.abs(expected).max(), err_msg=name)
    assert np.mean(strange) < 0.1  # a number next to the middle of two integers


def test_a_digit_recognizer_gives_the_same_classes(tmp_path: Path) -> None:
    x, y = fn.datasets.digits.load_data()
    model = fn.Sequential(
        [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(48, "relu"), fn.Dense(10, "softmax")], seed=0
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=3, verbose=0)
    small = model.quantize(x[:200])
    small.class_names = [str(digit) for digit in range(10)]
    outputs = predictions({"digits": small}, {"digits": x}, [*compiler(), *STRICT], tmp_path)["digits"]
    expected = small.predict(x, verbose=0)
    assert_allclose(outputs, expected, atol=1e-6)
    assert_array_equal(outputs.argmax(axis=1), expected.argmax(axis=1))
    assert "const char *const digits_class_names[DIGITS_CLASSES]" in (tmp_path / "digits.c").read_text()


# ---- The file -------------------------------------------------------------------------------------------------------


def test_the_file_says_how_much_memory_it_takes(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(33, "relu", input_shape=(20,), name="a"), fn.Dense(6, name="b")], seed=0)
    model.quantize(np.random.default_rng(0).random((9, 20))).to_c(tmp_path / "small.c", name="small", check=False)
    text = (tmp_path / "small.c").read_text(encoding="ascii")
    constants, buffers = 20 * 33 + 33 * 6 + 8 * (33 + 6), 4 * (33 + 33)
    assert f"{constants:,} bytes of constants" in text
    assert f"has {buffers:,} bytes of buffers" in text
    assert '"a" (QuantizedMultiplication) -> 33' in text
    assert "in 8-bit integers" in text
    assert max(map(len, text.splitlines())) <= 128
    subprocess.run([*compiler(), "-std=c99", "-c", "small.c"], cwd=tmp_path, check=True)
    assert constants_in(tmp_path / "small.o") == constants


def test_an_export_is_checked_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = exact_models()["random_0"]
    assert model.to_c(tmp_path / "m.c", check=bool(compiler())).endswith("largest difference 0")
    compile_and_run([*compiler(), *STRICT, "-DSELFTEST"], (tmp_path / "m.c").read_text(), tmp_path)
    wrong = c_functions._FUNCTIONS["integer_dense"].replace("q * kernel[j]", "(q + 1) * kernel[j]")
    monkeypatch.setitem(c_functions._FUNCTIONS, "integer_dense", wrong)
    with pytest.raises(RuntimeError, match="does not pass its self-test: largest difference"):
        model.to_c(tmp_path / "other.c")
    assert not (tmp_path / "other.c").exists()


def test_without_a_compiler_the_numbers_of_the_file_are_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(c_source, "find_compiler", lambda: None)
    for name in MODELS:
        model = build(name)
        quantized = model.quantize(checking.sample_inputs(model, 30))
        how = quantized.to_c(tmp_path / "m.c")
        assert re.fullmatch("computed by fastnet .*: largest difference 0 .*", how), (name, how)


def test_a_microcontroller_has_room_for_lenet(tmp_path: Path) -> None:
    x = 255 * np.random.default_rng(0).random((5, 28, 28, 1))
    lenet().quantize(x).to_c(tmp_path / "lenet.c", check=False)
    stated = re.search(
        r"Memory    ([\d,]+) bytes of constants.* has ([\d,]+) bytes of buffers", (tmp_path / "lenet.c").read_text()
    )
    assert stated is not None
    constants, buffers = (int(number.replace(",", "")) for number in stated.groups())
    # Two pooled images, a strip of two rows, an image in integers, and the sums of the largest layer.
    assert buffers == 4 * (14 * 14 * 6 + 5 * 5 * 16 + 2 * 28 * 6) + 14 * 14 * 6 + 4 * 120 < 12_000
    assert constants < flash_of("lenet.c", tmp_path) < 70_000
    subprocess.run([*compiler(), "-std=c99", "-c", "lenet.c"], cwd=tmp_path, check=True)
    assert constants_in(tmp_path / "lenet.o") == constants
