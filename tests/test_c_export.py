"""A model's file of C: compiled, it predicts what the model predicts."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn
from c_programs import (
    STRICT,
    STRICT_CPP,
    compile_and_run,
    compiler,
    compiler_with_sanitizers,
    cross_compiler,
    predicted,
    predictions,
    small,
)
from fastnet import _core
from fastnet.interchange import checking
from fastnet.interchange.c import file as c_file
from fastnet.interchange.c import functions as c_functions
from fastnet.interchange.c import source as c_source
from fastnet.interchange.c import text as c_text
from fastnet.interchange.c.model import to_be_written
from fastnet.layers import Layer
from fastnet.operations import evaluation
from fastnet.operations.making import operations_of
from models_of_all_layers import MODELS, build

TOLERANCES = {"float32": 1e-5, "float64": 1e-12}
EXTREMES = [0.0, 1e-30, 1e-5, 0.5, 1.0, 2.9, 3.1, 9.0, 29.0, 31.0, 87.0, 104.0, 1e4, 1e15, 1e30, np.inf]
EXTREMES = [np.nan, *EXTREMES, *np.negative(EXTREMES)]

# ---- Predictions ----------------------------------------------------------------------------------------------------


def check_all_models(command: list[str], dtype: str, folder: Path, emulator: Sequence[str] = ()) -> None:
    models = {name: build(name, dtype) for name in MODELS}
    samples = {name: checking.sample_inputs(model, 50) for name, model in models.items()}
    long = [fn.Dense(4, "tanh", input_shape=(1030,)), fn.Dense(520), fn.Dense(2)]
    models["long"] = fn.Sequential(long, seed=0, dtype=dtype)
    models["long_scaled"] = fn.Sequential(
        [fn.Rescaling(1 / 255, 0.5, input_shape=(513,)), fn.Dense(9), fn.Rescaling(3.0), fn.ReLU()], seed=0, dtype=dtype
    )
    samples |= {name: checking.sample_inputs(models[name]) for name in ("long", "long_scaled")}
    for name in _core.activation_names():
        models[f"extreme_{name}"] = fn.Sequential([fn.Input((33,)), fn.Activation(name)], dtype=dtype)
        finite = "softmax" in name
        samples[f"extreme_{name}"] = np.array([np.clip(np.nan_to_num(EXTREMES), -1e30, 1e30) if finite else EXTREMES])
    assert len(models) > 50
    outputs = predictions(models, samples, command, folder, emulator)
    for name, model in models.items():
        expected = predicted(model, samples[name].astype(dtype))
        rtol = atol = TOLERANCES[dtype]
        assert_allclose(outputs[name], expected, rtol, atol, err_msg=name)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("gcc", "float32"),
        ("gcc", "float64"),
        ("clang", "float32"),
        pytest.param("clang", "float64", marks=pytest.mark.slow),
    ],
)
def test_every_layer_and_activation_compiles_without_warnings_and_predicts_the_same(
    name: str, dtype: str, tmp_path: Path
) -> None:
    check_all_models([*compiler(name), *STRICT], dtype, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gcc", "clang"])
@pytest.mark.parametrize("options", [["-Os"], ["-O3"], ["-O2", "-ffp-contract=fast"]], ids=" ".join)
def test_every_layer_and_activation_predicts_the_same_at_every_optimization(
    name: str, options: list[str], tmp_path: Path
) -> None:
    check_all_models([*compiler(name), *STRICT, *options], "float32", tmp_path)


@pytest.mark.parametrize("name", ["g++", pytest.param("clang++", marks=pytest.mark.slow)])
def test_exports_are_cpp_too(name: str, tmp_path: Path) -> None:
    check_all_models([*compiler(name), *STRICT_CPP], "float32", tmp_path)


@pytest.mark.slow
def test_no_export_reads_or_writes_what_is_not_its_own(tmp_path: Path) -> None:
    sanitized = compiler_with_sanitizers(tmp_path)
    for dtype in TOLERANCES:
        check_all_models([*sanitized, *STRICT, "-g"], dtype, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("machine", "emulator"), [("arm-linux-gnueabihf", "qemu-arm"), ("riscv64-linux-gnu", "qemu-riscv64")]
)
def test_other_processors_predict_the_same(machine: str, emulator: str, tmp_path: Path) -> None:
    command, run = cross_compiler(machine, emulator)
    check_all_models([*command, *STRICT], "float32", tmp_path, run)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_file_alone_passes_its_own_test(name: str, tmp_path: Path) -> None:
    compiler()
    how = build(name).to_c(tmp_path / "model.c", check=True)
    assert how.startswith("compiled with")
    printed = compile_and_run([*compiler(), *STRICT, "-DSELFTEST"], (tmp_path / "model.c").read_text(), tmp_path)
    assert printed.startswith("largest difference")


def random_layers(rng: np.random.Generator, size: int, depth: int) -> list[Layer]:
    """Layers in a random order, blocks in blocks too, that give as many values as they take."""
    layers: list[Layer] = []
    for kind in rng.integers(0, 10 if depth else 6, size=rng.integers(1, 5)):
        makers = [
            lambda: [fn.ReLU()],
            lambda: [fn.Rescaling(0.5, 0.1)],
            lambda: [fn.Dense(size, "tanh")],
            lambda: [fn.Dense(int(rng.integers(1, 9)), "tanh"), fn.Dense(size)],
            lambda: [fn.LayerNormalization()],
            lambda: [fn.Dropout(0.5)],
            lambda: [fn.Residual(random_layers(rng, size, depth - 1))],
        ]
        layers += makers[min(kind, 6)]()
    return layers


def test_buffers_are_never_overwritten_before_they_are_read(tmp_path: Path) -> None:
    models: dict[str, fn.Sequential] = {}
    for seed in range(40):
        layers = random_layers(np.random.default_rng(seed), 4, depth=3)
        models[f"m{seed}"] = fn.Sequential([fn.Input((4,)), *layers], seed=seed, dtype="float64")
    assert sum(len(c_file.CFile(to_be_written(model), "m")._forward.buffers) > 2 for model in models.values()) > 9
    samples = {name: checking.sample_inputs(model) for name, model in models.items()}
    outputs = predictions(models, samples, [*compiler(), *STRICT], tmp_path)
    for name, model in models.items():
        assert_allclose(outputs[name], predicted(model, samples[name]), rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("static", [True, False])
def test_a_file_and_one_that_includes_its_declarations_are_a_program(static: bool, tmp_path: Path) -> None:
    model = small()
    model.class_names = ["red", "green", "blue"]
    model.to_c(tmp_path / "colors.c", name="colors", check=False)
    source = """
#define COLORS_DECLARATIONS_ONLY
#include "colors.c"
#include <stdio.h>
int main(void)
{
    const float input[COLORS_INPUTS] = {1.0f, -2.0f};
    float output[COLORS_OUTPUTS];
    colors_predict(input, output);
    for (int i = 0; i < COLORS_OUTPUTS; ++i)
        printf("%.9g ", (double)output[i]);
    printf("%d %s", colors_classify(input), colors_class_names[colors_classify(input)]);
    return 0;
}
"""
    options = ["-DCOLORS_BUFFERS=static"] if static else []
    printed = compile_and_run([*compiler(), *STRICT, *options, "colors.c"], source, tmp_path).split()
    expected = predicted(model, np.array([[1.0, -2.0]]))[0]
    assert_allclose(np.array(printed[:3], float), expected, atol=1e-6)
    assert printed[3:] == [str(expected.argmax()), model.class_names[expected.argmax()]]


def test_a_digit_recognizer_gives_the_same_classes_for_all_test_images(mnist_dir: Path, tmp_path: Path) -> None:
    data = fn.datasets.load(mnist_dir)
    x, y = data.x.reshape(-1, 784), data.y
    model = fn.Sequential(
        [fn.Rescaling(1 / 255, input_shape=(784,)), fn.Dense(64, "relu"), fn.Dense(10, "softmax")], seed=0
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=3, verbose=0)
    test = data.test.x.reshape(-1, 784)
    assert test.shape == (10_000, 784)
    assert model.evaluate(test, data.test.y, return_dict=True, verbose=0)["accuracy"] > 0.95
    command = [*compiler(), *STRICT, "-O2"]
    outputs = predictions({"digits": model}, {"digits": test.astype(np.float32)}, command, tmp_path)["digits"]
    expected = model.predict(test)
    assert np.abs(outputs - expected).max() <= 1e-6
    assert (outputs.argmax(axis=1) == expected.argmax(axis=1)).all()


# ---- Classes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outputs", "activation", "classes"),
    [(3, "softmax", 3), (3, "log_softmax", 3), (3, "sigmoid", 3), (1, "sigmoid", 2)],
)
def test_probabilities_are_classified(outputs: int, activation: str, classes: int, tmp_path: Path) -> None:
    model = small(outputs, activation)
    model.to_c(tmp_path / "model.c", check=False)
    x = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    source = f"""
#include "model.c"
#include <stdio.h>
int main(void)
{{
    const float x[40] = {{{c_text.number_lines(x)}}};
    for (int i = 0; i < 20; ++i)
        printf("%d ", model_classify(x + 2 * i));
    printf("%d", MODEL_CLASSES);
    return 0;
}}
"""
    printed = compile_and_run([*compiler(), *STRICT], source, tmp_path).split()
    p = predicted(model, x)
    expected = (p[:, 0] > 0.5).astype(int) if outputs == 1 else p.argmax(axis=1)
    assert [int(word) for word in printed] == [*expected, classes]
    assert len(set(printed)) > 2


def test_numbers_without_classes_are_not_classified(tmp_path: Path) -> None:
    small(1, "linear").to_c(tmp_path / "model.c", check=False)
    text = (tmp_path / "model.c").read_text()
    assert "classify" not in text
    assert "class_names" not in text


def test_scores_with_class_names_are_classified(tmp_path: Path) -> None:
    model = small(3, "linear")
    model.class_names = ["a", "b", "c"]
    model.to_c(tmp_path / "model.c", check=False)
    assert "int model_classify(const float *input);" in (tmp_path / "model.c").read_text()


# ---- Arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "1st", "a b", "a-b", "_a", "é", "a;", "a\n"])
def test_a_prefix_that_is_no_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name must be a letter, then"):
        small().to_c(tmp_path / "model.c", name=name)


def test_other_arguments_are_checked(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="name must be a string; got 3"):
        small().to_c(tmp_path / "model.c", name=3)
    with pytest.raises(ValueError, match="check must be True, False or 'auto'; got 'yes'"):
        small().to_c(tmp_path / "model.c", check="yes")
    with pytest.raises(ValueError, match=r"before to_c\(\)"):
        fn.Sequential([fn.Dense(2)]).to_c(tmp_path / "model.c")
    model = small()
    model.class_names = ["one"]
    with pytest.raises(ValueError, match="1 class names and 3 outputs"):
        model.to_c(tmp_path / "model.c")
    model.class_names = [1, 2, 3]
    with pytest.raises(TypeError, match="class_names must be strings; got 1"):
        model.to_c(tmp_path / "model.c")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        small().to_c(tmp_path / "no" / "model.c", check=False)
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = small()
    model.layers[1].set_weights([np.full((4, 3), np.inf), np.zeros(3)])
    with pytest.raises(ValueError, match="layer 'dense_1' has weights that are no finite numbers"):
        model.to_c(tmp_path / "model.c")
    with pytest.raises(ValueError, match=r"1e\+39 cannot be written as a number of float32"):
        fn.Sequential([fn.Rescaling(1e39, input_shape=(2,))]).to_c(tmp_path / "model.c")


# ---- The text -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["REAL", "NAME_", "PREFIX_", "FILE", "f", "int", "a" * 200])
def test_any_name_of_c_will_do(name: str, tmp_path: Path) -> None:
    compiler()
    small().to_c(tmp_path / "model.c", name=name, check=True)
    assert f"void {name}_predict(" in (tmp_path / "model.c").read_text()


def test_the_same_model_gives_the_same_file() -> None:
    assert c_file.CFile(to_be_written(small()), "model").text() == c_file.CFile(to_be_written(small()), "model").text()


def test_the_file_says_what_it_is_and_what_it_takes(tmp_path: Path) -> None:
    model = fn.Sequential(
        [fn.Dense(64, "relu", input_shape=(28, 28)[:1]), fn.Dense(32, "tanh"), fn.Dense(5, name="last")]
    )
    model.feature_names = [f"column {i}" for i in range(28)]
    model.to_c(tmp_path / "model.c", check=False)
    text = (tmp_path / "model.c").read_text(encoding="ascii")
    weights = 4 * (28 * 64 + 64 + 64 * 32 + 32 + 32 * 5 + 5)
    assert f"fastnet {fn.__version__}" in text
    assert f"{weights:,} bytes of constants" in text
    assert f"{4 * (64 + 32):,} bytes of buffers" in text
    assert '"dense" (Dense, relu) -> 64' in text
    assert '"last" (Dense) -> 5' in text
    assert '#define MODEL_DECLARATIONS_ONLY and #include "model.c"' in text
    assert '0 "column 0", 1 "column 1"' in text
    assert "-DSELFTEST" in text
    assert max(map(len, text.splitlines())) <= 128


def test_mathematics_is_included_only_where_it_is_used(tmp_path: Path) -> None:
    for activation, needed in [("relu", False), ("tanh", True), ("mish", True), ("linear", False)]:
        assert ("<math.h>" in c_file.CFile(to_be_written(small(2, activation)), "model").text()) == needed
    assert c_functions.needs_math("y = exp~(x);")
    assert not c_functions.needs_math("y = 0.5~ * (x);")


@pytest.mark.parametrize(
    ("make", "sizes"),
    [
        (lambda: [fn.Dense(9), fn.Dense(8), fn.Dense(7), fn.Dense(3)], [9, 8]),
        (lambda: [fn.Dense(3), fn.ReLU()], []),
        (lambda: [fn.ReLU(), fn.Dense(3)], [6]),
        (lambda: [fn.Rescaling(0.5), fn.Dense(3)], []),
        (lambda: [fn.Rescaling(0.5), fn.Residual([fn.Dense(6)])], [6]),
        (lambda: [fn.Dense(600), fn.Dense(7), fn.Dense(3)], [600, 7, 7]),
        (lambda: [fn.Dense(8), fn.Residual([fn.Dense(20), fn.Dense(8)]), fn.Dense(3)], [8, 20, 8]),
    ],
)
def test_a_buffer_is_used_again_when_nobody_reads_it_any_more(make: Callable[[], list], sizes: list[int]) -> None:
    model = fn.Sequential([fn.Input((6,)), *make()])
    assert list(c_file.CFile(to_be_written(model), "model")._forward.buffers.values()) == sizes


def test_mixed_precision_is_exported_in_full_precision(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(64, "tanh", input_shape=(50,)), fn.Dense(3)], seed=0, dtype="mixed_bfloat16")
    export = to_be_written(model)
    rounded = predicted(model, export.x)
    assert np.abs(rounded - export.expected).max() > 1e-4
    c_source.export_c(model, tmp_path / "model.c")


@pytest.mark.parametrize("name", MODELS)
def test_operations_computed_in_numpy_are_the_model(name: str) -> None:
    model = build(name, "float64")
    x = checking.sample_inputs(model)
    assert_allclose(evaluation.compute(operations_of(model), x), predicted(model, x), rtol=1e-10, atol=1e-12)
