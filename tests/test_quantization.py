"""Models in 8-bit integers: what they compute, how near they are to the model they come from, and their files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

import fastnet as fn
import reference
import reference_activations
from fastnet.operations.making import operations_of
from fastnet.operations.quantizing import QuantizedMultiplication, fold_scalings
from fastnet.operations.steps import (
    Activating,
    Addition,
    Exchanging,
    LayerNormalizing,
    Multiplication,
    Remembering,
    Scaling,
    SlopedActivating,
)
from fastnet.quantization import QuantizedModel, quantize
from models_of_all_layers import INPUTS, MODELS, build

ACTIVATIONS = {**reference.ACTIVATIONS, **reference_activations.ACTIVATIONS}
WITH_PARAMETER = ("leaky_relu", "elu", "relu6", "thresholded_relu")
Array = NDArray[Any]


def samples(rows: int = 300, inputs: int = INPUTS, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(rows, inputs)).astype(np.float32)


def digits_model(**options: Any) -> tuple[fn.Sequential, Array, Array]:
    """Return a model that was trained on the digits, and the digits."""
    x, y = fn.datasets.digits.load_data()
    layers = [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(32, "relu"), fn.Dense(10, "softmax")]
    model = fn.Sequential(layers, seed=0, **options)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=15, verbose=0)
    return model, x, y


def in_numpy(model: QuantizedModel, x: Array) -> Array:
    """Return what a quantized model computes, step by step in float32."""
    stack: list[Array] = []
    x = x.astype(np.float32)
    for one in model.operations:
        match one:
            case QuantizedMultiplication():
                q = np.rint(x * (np.float32(1) / np.float32(one.input_scale)))
                q = np.clip(q, -one.zero_point, 255 - one.zero_point)
                x = (q.astype(np.int64) @ one.kernel).astype(np.float32) * (np.float32(one.input_scale) * one.scale)
                x = x if one.bias is None else x + one.bias
            case Scaling():
                x = (x - one.center) * one.factor + one.offset
            case Activating():
                parameter = (one.alpha,) if one.function in WITH_PARAMETER else ()
                x = ACTIVATIONS[one.function][0](x, *parameter).astype(np.float32)
            case SlopedActivating():
                x = np.where(x > 0, x, x * one.slope)
            case LayerNormalizing():
                x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + np.float32(one.epsilon))
                x = x * (1 if one.gamma is None else one.gamma) + (0 if one.beta is None else one.beta)
            case Remembering():
                stack.append(x)
            case Exchanging():
                x, stack[-1] = stack[-1], x
            case Addition():
                x = x + stack.pop()
            case _:
                raise AssertionError(one)
    return x


# ---- What is computed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_predictions_are_those_of_the_same_arithmetic_in_numpy(name: str) -> None:
    x = samples()
    model = build(name).quantize(x)
    expected = in_numpy(model, x)
    error = np.abs(model.predict(x).reshape(expected.shape) - expected).max(axis=1) / np.abs(expected).max()
    # An activation's last bit may move a value of the next layer to the next integer, in few rows.
    assert np.quantile(error, 0.97) < 2e-6
    assert error.max() < 0.02


def test_predictions_have_the_bits_of_numpy_where_all_functions_are_exact() -> None:
    layers = [fn.Dense(50, "relu", input_shape=(40,)), fn.Dense(30, "leaky_relu"), fn.Dense(7)]
    model = fn.Sequential(layers, seed=0).quantize(samples(50, 40))
    x = 2 * samples(200, 40, seed=1)  # also beyond the calibrated range
    assert_array_equal(model.predict(x), in_numpy(model, x))


# A small error of an input becomes a large one of the output: by a factor, or at a jump.
FAR_APART = {"activation_exponential", "activation_hard_shrink", "activation_thresholded_relu", "rectifiers"}


@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
@pytest.mark.parametrize("name", [name for name in MODELS if name not in FAR_APART])
def test_outputs_are_near_those_of_the_model(name: str, dtype: str) -> None:
    model, x = build(name, dtype), samples()
    expected = model.predict(x)
    quantized = model.quantize(x)
    outputs = quantized.predict(x)
    assert outputs.shape == expected.shape
    assert outputs.dtype == np.float32
    assert_array_equal(quantized(x), outputs)
    assert np.abs(outputs - expected).max() < 0.05 * np.abs(expected).max()


def test_weights_are_off_by_half_a_step_at_most() -> None:
    model = build("one_layer")
    (product,) = model.quantize(samples()).operations
    assert isinstance(product, QuantizedMultiplication)
    kernel, bias = model.get_weights()
    assert (np.abs(product.kernel).max(axis=0) == 127).all()
    assert (np.abs(product.kernel * product.scale - kernel) <= product.scale * 0.5001).all()
    assert_array_equal(product.bias, bias)


@pytest.mark.parametrize(
    ("low", "high", "input_scale", "zero_point"),
    [(-1, 3, 4 / 255, 64), (1, 5, 5 / 255, 0), (-5, -1, 5 / 255, 255), (0, 0, 1, 0)],
)
def test_the_range_of_the_inputs_has_zero_in_it(low: float, high: float, input_scale: float, zero_point: int) -> None:
    x = np.full((3, INPUTS), low, np.float32)
    x[1] = high
    (product,) = build("one_layer").quantize(x).operations
    assert isinstance(product, QuantizedMultiplication)
    assert_allclose(product.input_scale, input_scale, rtol=1e-6)
    assert product.zero_point == zero_point


@pytest.mark.parametrize("name", ["rescaling", "normalization_of_all"])
def test_images_are_multiplied_as_they_are(name: str) -> None:
    model = build(name)
    pixels = np.random.default_rng(0).integers(0, 256, size=(100, INPUTS)).astype(np.uint8)
    pixels[0, :2] = 0, 255
    quantized = model.quantize(pixels)
    (product,) = quantized.operations
    assert isinstance(product, QuantizedMultiplication)
    assert (product.input_scale, product.zero_point) == (1.0, 0)
    outputs = quantized.predict(pixels)
    assert_allclose(outputs, model.predict(pixels), atol=0.02 * np.abs(outputs).max())
    for dtype in (np.float32, np.float64, np.int64):
        assert_array_equal(quantized.predict(pixels.astype(dtype)), outputs)
        assert_array_equal(model.quantize(pixels.astype(dtype)).predict(pixels), outputs)


def test_scalings_beside_a_product_become_a_part_of_it() -> None:
    for name in ("rescaling", "rescaling_inside", "batch_normalization", "normalization_of_all"):
        model, x = build(name, "float64"), samples().astype(np.float64)
        folded = fold_scalings(operations_of(model))
        assert not any(isinstance(operation, Scaling) for operation in folded)
        y = x
        for one in folded:
            if isinstance(one, Multiplication):
                y = y @ one.kernel + one.bias
            else:
                y = np.maximum(y, 0)
        assert_allclose(y, model.predict(x), rtol=1e-12, atol=1e-12)


# ---- Odd data -------------------------------------------------------------------------------------------------------


def test_values_beyond_the_range_count_as_its_ends() -> None:
    x = samples()
    model = build("one_layer").quantize(x)
    (product,) = model.operations
    assert isinstance(product, QuantizedMultiplication)
    ends = np.array([-product.zero_point, 255 - product.zero_point], np.float32) * np.float32(product.input_scale)
    far = np.full((2, INPUTS), [[-1e30], [1e30]], np.float32)
    assert_array_equal(model.predict(far), model.predict(np.repeat(ends[:, None], INPUTS, axis=1)))


@pytest.mark.parametrize("name", ["one_layer", "normalization", "residual", "shapes", "activation_tanh"])
def test_a_row_that_is_not_finite_gives_nan_and_others_what_they_would(name: str) -> None:
    x = samples()
    model = build(name).quantize(x)
    expected = model.predict(x)
    x[7, 2], x[9, 0] = np.nan, np.inf
    outputs = model.predict(x)
    assert np.isnan(outputs[[7, 9]]).all()
    assert_array_equal(np.delete(outputs, [7, 9], 0), np.delete(expected, [7, 9], 0))


def test_kernels_of_zeros_and_constant_samples() -> None:
    model = build("one_layer")
    model.set_weights([np.zeros((INPUTS, 3)), [1.0, -2.0, 1e-3]])
    outputs = model.quantize(np.zeros((2, INPUTS))).predict(samples())
    assert_array_equal(outputs, np.broadcast_to(np.float32([1.0, -2.0, 1e-3]), outputs.shape))


@pytest.mark.parametrize("size", [1e-44, 1e-38, 1e-30, 1e30])
def test_tiny_and_huge_values(size: float) -> None:
    model = fn.Sequential([fn.Dense(3, input_shape=(INPUTS,))], seed=0)
    x = samples() * np.float32(size)
    outputs, expected = model.quantize(x).predict(x), model.predict(x)
    assert_allclose(outputs, expected, atol=0.02 * np.abs(expected).max() + 1e-36)


@pytest.mark.parametrize(("weight", "value"), [(1e35, 1e10), (np.nan, 1.0), (np.inf, 0.0)])
def test_weights_that_overflow_are_refused_with_the_name_of_the_layer(weight: float, value: float) -> None:
    model = fn.Sequential([fn.Dense(3, input_shape=(INPUTS,))], seed=0)
    model.set_weights([np.full((INPUTS, 3), weight), np.zeros(3)])
    with pytest.raises(ValueError, match="'dense' has weights"):
        model.quantize(np.full((2, INPUTS), value))


def test_values_that_overflow_on_their_way_are_refused_with_the_name_of_the_layer() -> None:
    model = fn.Sequential([fn.Dense(3, "exponential", input_shape=(INPUTS,)), fn.Dense(3, name="second")], seed=0)
    with pytest.raises(ValueError, match="'second' gets values from calibration_data that are not finite"):
        model.quantize(1e3 * samples())


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (np.ones((0, INPUTS)), ValueError, "calibration_data must have at least one row"),
        (np.ones((3, INPUTS + 1)), ValueError, "calibration_data"),
        (np.full((3, INPUTS), np.nan), ValueError, "calibration_data has a NaN or an infinity in row 0"),
        (np.full((3, INPUTS), 1e39), ValueError, "calibration_data has a number in row 0 that is too large"),
        (np.full((3, INPUTS), "a"), TypeError, "calibration_data must be an array of real numbers"),
        (None, ValueError, "calibration_data is missing"),
    ],
)
def test_calibration_data_that_are_wrong_are_refused(data: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build("one_layer").quantize(data)


def test_samples_that_only_float64_tells_apart_are_refused() -> None:
    noise = np.random.default_rng(0).normal(size=(200, 2))
    model = fn.Sequential([fn.Normalization(), fn.Dense(2)], dtype="float64")
    model.build((2,))
    with pytest.raises(ValueError, match="calibration_data has values in column 1 that are equal in float32"):
        quantize(model, noise + np.array([0, 1e9]))
    for column in (0.5, 0.1 + 0.2 * (noise[:, 0] > 0) * 2.0**-52, 1e4 + noise[:, 1]):
        quantize(model, np.column_stack([noise[:, 0], np.broadcast_to(column, 200)]))


def test_a_model_without_weights_and_too_many_inputs_are_refused() -> None:
    with pytest.raises(ValueError, match="quantize"):
        fn.Sequential([fn.Dense(3)]).quantize(samples())
    with pytest.raises(ValueError, match="65537 inputs; at most 65536"):
        fn.Sequential([fn.Dense(1, input_shape=(65_537,))]).quantize(np.zeros((1, 65_537)))


def test_sparse_samples() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    x = samples() * (samples(seed=1) > 0.5)
    model = build("residual")
    dense = model.quantize(x)
    compressed = model.quantize(sparse.csr_array(x))
    assert_array_equal(compressed.predict(sparse.csr_array(x)), dense.predict(x))


# ---- As a model -----------------------------------------------------------------------------------------------------


def test_it_evaluates_as_its_model_does() -> None:
    model, x, y = digits_model()
    model.class_names = list("0123456789")
    quantized = model.quantize(x[:100])
    loss, accuracy = model.evaluate(x, y, verbose=0)
    own_loss, own_accuracy = quantized.evaluate(x, y, verbose=0)
    assert abs(own_accuracy - accuracy) <= 0.003
    assert abs(own_loss - loss) < 0.02
    assert quantized.metrics_names == ["loss", "accuracy"]
    assert quantized.class_names == model.class_names
    outputs = quantized.predict(x)
    assert own_accuracy == pytest.approx((outputs.argmax(axis=1) == y).mean())
    assert_array_equal(quantized(np.asarray(x, np.float32)), outputs)
    assert_array_equal(quantized.predict_on_batch(x), outputs)
    assert_array_equal(quantized.predict(x, batch_size=7), outputs)
    assert quantized.predict(x[:0]).shape == (0, 10)


def test_the_model_it_comes_from_stays_as_it_is_and_goes_on() -> None:
    model, x, y = digits_model()
    before = [w.copy() for w in model.get_weights()]
    quantized = model.quantize(x)
    outputs = quantized.predict(x)
    for weight, old in zip(model.get_weights(), before, strict=True):
        assert_array_equal(weight, old)
    model.fit(x, y, epochs=1, verbose=0)
    assert_array_equal(quantized.predict(x), outputs)
    assert model.optimizer.iterations > quantized.optimizer.iterations


def test_one_that_was_not_compiled_is_compiled_like_any_other() -> None:
    quantized = build("no_bias").quantize(samples())
    with pytest.raises(ValueError, match="compile"):
        quantized.evaluate(samples(), np.zeros((300, 3)), verbose=0)
    quantized.compile(loss="mse", metrics=["mae"])
    mse, mae = quantized.evaluate(samples(), np.zeros((300, 3)), verbose=0)
    outputs = quantized.predict(samples())
    assert mse == pytest.approx((outputs**2).mean(), rel=1e-5)
    assert mae == pytest.approx(np.abs(outputs).mean(), rel=1e-5)


def test_it_does_not_learn() -> None:
    quantized = build("one_layer").quantize(samples())
    for method in (quantized.fit, quantized.train_on_batch):
        with pytest.raises(NotImplementedError, match="cannot be trained: fit the model that it was made from"):
            method(samples(), np.zeros((300, 3)))


def test_it_takes_a_quarter_of_the_memory_and_says_so() -> None:
    model = fn.Sequential([fn.Dense(256, "relu", input_shape=(784,)), fn.Dense(10)], seed=0)
    quantized = quantize(model, np.ones((1, 784)))
    floats = sum(weight.nbytes for weight in model.get_weights())
    assert quantized.size_in_bytes == 784 * 256 + 256 * 10 + 2 * 4 * (256 + 10) < 0.26 * floats
    assert quantized.count_params() == 784 * 256 + 256 * 10 + 2 * (256 + 10)
    lines: list[str] = []
    quantized.summary(print_fn=lines.append)
    assert lines[0] == 'Model: "sequential", quantized'
    assert lines[-1] == f"{quantized.size_in_bytes:,} bytes"
    assert "784" in repr(quantized)


# ---- On real data ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "layers",
    [
        lambda: [fn.Dense(64, "sigmoid")],
        lambda: [fn.Dense(256, "relu"), fn.Dense(128, "relu")],
        lambda: [fn.Dense(256, "tanh"), fn.Dense(128, "tanh")],
        lambda: [fn.Dense(128), fn.BatchNormalization(), fn.ReLU(), fn.Dense(64, "relu"), fn.BatchNormalization()],
        lambda: [fn.Dense(64), fn.Residual([fn.LayerNormalization(), fn.Dense(64, "gelu"), fn.Dense(64)])],
    ],
    ids=["784-64-10", "784-256-128-10", "tanh", "batch normalization", "residual"],
)
def test_mnist_is_read_as_well_as_in_float32(layers: Any, mnist_dir: Path, tmp_path: Path) -> None:
    (x, y), (x_test, y_test) = fn.datasets.mnist.load_data()
    x, x_test = x.reshape(-1, 784), x_test.reshape(-1, 784)
    model = fn.Sequential([fn.Rescaling(1 / 255, input_shape=(784,)), *layers(), fn.Dense(10, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=2, verbose=0)
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    assert accuracy > 0.9
    for rows in (10, 1000):
        quantized = model.quantize(x[:rows])
        _, own_accuracy = quantized.evaluate(x_test, y_test, verbose=0)
        assert abs(own_accuracy - accuracy) <= 0.003, rows
    model.save(tmp_path / "float32.safetensors")
    quantized.save(tmp_path / "int8.safetensors")
    sizes = [(tmp_path / name).stat().st_size for name in ("int8.safetensors", "float32.safetensors")]
    assert sizes[0] < 0.27 * sizes[1]


# ---- Products of few inputs ------------------------------------------------------------------------------------------


def test_products_of_few_inputs_stay_in_float32(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Input((4,)), fn.Dense(3, "relu"), fn.Dense(3, "softmax")], seed=0)
    small = model.quantize(samples(inputs=4))
    assert [type(one) for one in small.operations if hasattr(one, "kernel")] == [
        QuantizedMultiplication,
        Multiplication,
    ]
    small.save(tmp_path / "small.safetensors")
    x = samples(inputs=4, seed=1)
    assert_array_equal(fn.load_model(tmp_path / "small.safetensors").predict(x), small.predict(x))


def test_a_table_of_few_columns_predicts_what_it_predicted() -> None:
    model = fn.Sequential([fn.Input((3,)), fn.Dense(2, "softmax")], seed=0)
    model.set_weights([50 * weight for weight in model.get_weights()])  # a steep boundary, as training makes it
    x = samples(inputs=3)
    assert_allclose(model.quantize(x).predict(x), model.predict(x), atol=1e-6)


def test_float32_products_that_overflow_are_refused() -> None:
    model = fn.Sequential([fn.Dense(2, input_shape=(3,))], seed=0, dtype="float64")
    model.set_weights([np.full((3, 2), 1e300), np.zeros(2)])
    with pytest.raises(ValueError, match="layer 'dense' has numbers that are not finite in float32"):
        model.quantize(np.zeros((1, 3)))
