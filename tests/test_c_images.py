"""Models of images as files of C: compiled, they predict what the models predict."""

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn
import models_of_images as images
from c_programs import (
    STRICT,
    STRICT_CPP,
    compiler,
    compiler_with_sanitizers,
    constants_in,
    cross_compiler,
    flash_of,
    lenet,
    predictions,
)
from fastnet.interchange import checking
from fastnet.interchange.c import file as c_file
from fastnet.interchange.c import source as c_source
from fastnet.interchange.c.model import to_be_written
from fastnet.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    LayerNormalization,
    MaxPooling2D,
    PReLU,
    ReLU,
    Rescaling,
    Reshape,
    Residual,
    Softmax,
    UpSampling2D,
)

TOLERANCES = {"float32": 1e-5, "float64": 1e-12}
RANDOM = 60


def predicted(model: fn.Sequential, x: np.ndarray) -> np.ndarray:
    return model.predict(x.reshape(-1, *model.input_shape), verbose=0).reshape(len(x), -1)


# ---- Predictions ----------------------------------------------------------------------------------------------------


def check_all_models(command: list[str], dtype: str, folder: Path, emulator: Sequence[str] = ()) -> None:
    models = {name: images.build(name, dtype) for name in images.MODELS}
    models |= {f"random_{seed}": images.random_model(seed, dtype) for seed in range(RANDOM)}
    samples = {name: checking.sample_inputs(model, 5) for name, model in models.items()}
    outputs = predictions(models, samples, command, folder, emulator)
    for name, model in models.items():
        expected = predicted(model, samples[name])
        atol = TOLERANCES[dtype] * max(1.0, np.abs(expected).max())
        assert_allclose(outputs[name], expected, rtol=TOLERANCES[dtype], atol=atol, err_msg=name)


@pytest.mark.parametrize(("name", "dtype"), [("gcc", "float32"), ("gcc", "float64"), ("clang", "float32")])
def test_every_layer_and_random_networks_compile_without_warnings_and_predict_the_same(
    name: str, dtype: str, tmp_path: Path
) -> None:
    check_all_models([*compiler(name), *STRICT], dtype, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("options", [["-O3"], ["-Os"]], ids=" ".join)
def test_every_layer_predicts_the_same_at_every_optimization(options: list[str], tmp_path: Path) -> None:
    check_all_models([*compiler(), *STRICT, *options], "float32", tmp_path)


@pytest.mark.slow
def test_exports_are_cpp_too(tmp_path: Path) -> None:
    check_all_models([*compiler("g++"), *STRICT_CPP], "float32", tmp_path)


@pytest.mark.slow
def test_no_export_reads_or_writes_what_is_not_its_own(tmp_path: Path) -> None:
    check_all_models([*compiler_with_sanitizers(tmp_path), *STRICT, "-g"], "float64", tmp_path)


@pytest.mark.parametrize(
    ("machine", "emulator"), [("arm-linux-gnueabihf", "qemu-arm"), ("riscv64-linux-gnu", "qemu-riscv64")]
)
def test_other_processors_predict_the_same(machine: str, emulator: str, tmp_path: Path) -> None:
    command, run = cross_compiler(machine, emulator)
    check_all_models([*command, *STRICT], "float32", tmp_path, run)


def test_what_is_not_a_number_stays_one(tmp_path: Path) -> None:
    model = fn.Sequential([fn.layers.MaxPooling2D((2, 3), strides=1, input_shape=(5, 6, 2))], dtype="float64")
    x = checking.sample_inputs(model, 2)
    x[0, [7, 31]] = np.nan
    outputs = predictions({"pooling": model}, {"pooling": x}, compiler(), tmp_path)["pooling"]
    assert np.isnan(outputs).any()
    assert_allclose(outputs, predicted(model, x))


# ---- Convolutions and their pooling, strip by strip -----------------------------------------------------------------


STRIPS: dict[str, Callable[[], list[fn.layers.Layer]]] = {
    "relu": lambda: [Conv2D(3, 3, activation="relu"), MaxPooling2D(2)],
    "same": lambda: [Conv2D(3, (4, 2), padding="same", activation="tanh"), AveragePooling2D((2, 3))],
    "rows_to_spare": lambda: [Conv2D(3, 2), MaxPooling2D((3, 2), strides=(4, 1))],
    "rescaled": lambda: [Rescaling(1 / 3, 0.5), Conv2D(3, 3, padding="same"), ReLU(), MaxPooling2D(2)],
    "strides": lambda: [Conv2D(3, 3, strides=2, padding="same"), MaxPooling2D((1, 2))],
    "channels": lambda: [
        Conv2D(3, 3, padding="same", use_bias=False),
        BatchNormalization(),
        PReLU(shared_axes=[1, 2]),
        Softmax(),
        LayerNormalization(),
        MaxPooling2D((2, 2), padding="same"),
    ],
    "rows_as_one": lambda: [Conv2D(3, 3), Reshape((6, 18)), Softmax(), Reshape((6, 6, 3)), MaxPooling2D(2)],
    "groups": lambda: [Conv2D(4, 3, groups=2, dilation_rate=(1, 2)), ReLU(), MaxPooling2D((2, 1))],
    "depthwise": lambda: [
        DepthwiseConv2D(3),
        ReLU(),
        MaxPooling2D(2),
        Dense(3),
        Activation("elu"),
        MaxPooling2D((2, 1)),
    ],
    "residual": lambda: [
        Residual([Conv2D(2, 3, padding="same"), MaxPooling2D(2), UpSampling2D(2)]),
        Flatten(),
        Dense(2),
    ],
}
WHOLE: dict[str, Callable[[], list[fn.layers.Layer]]] = {
    "windows_overlap": lambda: [Conv2D(3, 3), MaxPooling2D(3, strides=2)],
    "windows_reach_outside": lambda: [Conv2D(3, 2, strides=(2, 1)), MaxPooling2D((3, 2), padding="same")],
    "whole_image": lambda: [Conv2D(3, 3), GlobalAveragePooling2D()],
    "needed_again": lambda: [Conv2D(3, 3), Residual([MaxPooling2D(2), UpSampling2D(2)])],
    "numbers_of_pixels": lambda: [Conv2D(3, 3, padding="same"), PReLU(), MaxPooling2D(2)],
    "another_image": lambda: [Conv2D(3, (3, 2)), Reshape((7, 6, 3)), MaxPooling2D(2)],
    "all_values_as_one": lambda: [
        Conv2D(3, 3),
        Flatten(),
        LayerNormalization(),
        Reshape((6, 6, 3)),
        MaxPooling2D(2),
    ],
}


def strip_model(layers: list[fn.layers.Layer]) -> fn.Sequential:
    model = fn.Sequential([fn.Input((8, 8, 2)), *layers, Flatten(), Dense(2)], dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(rng.normal(size=weight.shape)) + 0.1 for weight in model.get_weights()])
    return model


def test_a_pooled_convolution_needs_no_buffer_for_the_whole_image(tmp_path: Path) -> None:
    models = {name: strip_model(layers()) for name, layers in (STRIPS | WHOLE).items()}
    for name, model in models.items():
        assert ("strip" in c_file.CFile(to_be_written(model), "m")._forward.buffers) == (name in STRIPS), name
    samples = {name: checking.sample_inputs(model) for name, model in models.items()}
    outputs = predictions(models, samples, [*compiler(), *STRICT], tmp_path)
    for name, model in models.items():
        assert_allclose(outputs[name], predicted(model, samples[name]), rtol=1e-12, atol=1e-12, err_msg=name)


# ---- The text -------------------------------------------------------------------------------------------------------


def test_the_file_says_how_much_memory_it_takes(tmp_path: Path) -> None:
    lenet().to_c(tmp_path / "lenet.c", name="lenet", check=False)
    text = (tmp_path / "lenet.c").read_text(encoding="ascii")
    assert max(map(len, text.splitlines())) <= 128
    assert not re.search(r"[ \t]\n", text)
    stated = re.search(r"Memory    ([\d,]+) bytes of constants.* has ([\d,]+) bytes of buffers", text)
    assert stated is not None
    constants, buffers = (int(number.replace(",", "")) for number in stated.groups())
    compiled = [*compiler(), "-std=c99", "-Og", "-c", "lenet.c", "-o", "lenet.o"]
    subprocess.run(compiled, cwd=tmp_path, check=True)
    assert buffers == 4 * (14 * 14 * 6 + 5 * 5 * 16 + 2 * 28 * 6)
    assert constants == constants_in(tmp_path / "lenet.o")


def test_a_microcontroller_has_room_for_it(tmp_path: Path) -> None:
    lenet().to_c(tmp_path / "lenet.c", name="lenet", check=False)
    weights = 4 * lenet().count_params()
    assert weights < flash_of("lenet.c", tmp_path) < weights + 2000


@pytest.mark.parametrize("name", images.MODELS)
def test_without_a_compiler_the_numbers_of_the_file_are_computed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(c_source, "find_compiler", lambda: None)
    assert images.build(name).to_c(tmp_path / "model.c").startswith("computed by fastnet")
