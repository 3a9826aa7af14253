"""Quantized models of images: convolutions in integers, everything else of images in float32."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet import _core
from fastnet.models.quantized import QuantizedModel
from fastnet.operations import evaluation
from fastnet.operations.evaluation import compute
from fastnet.operations.images import compute_images
from fastnet.operations.quantizing import QuantizedConvolution, QuantizedMultiplication
from fastnet.operations.steps import Addition, Convolution, Exchanging, Pooling, Remembering
from models_of_images import MODELS, build, random_model

Array = np.ndarray[Any, Any]


def images(shape: tuple[int, ...], rows: int = 40, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(rows, *shape)).astype(np.float32)


def in_numpy(model: QuantizedModel, x: Array) -> Array:
    """Return what a quantized model computes, step by step in float32."""
    stack: list[Array] = []
    x = x.astype(np.float32).reshape(len(x), -1)
    for one in model.operations:
        if isinstance(one, Remembering):
            stack.append(x)
        elif isinstance(one, Exchanging):
            x, stack[-1] = stack[-1], x
        elif isinstance(one, Addition):
            x = x + stack.pop()
        elif isinstance(one, QuantizedMultiplication | QuantizedConvolution):
            q = np.rint(x * (np.float32(1) / np.float32(one.input_scale)))
            q = np.clip(q, -one.zero_point, 255 - one.zero_point)
            if isinstance(one, QuantizedConvolution):
                ends = one.size, one.layer, one.image, one.output, one.kernel, None
                sums = compute_images(Convolution(*ends, one.strides, one.dilation, one.before, 1), q)
            else:
                sums = q.astype(np.float64) @ one.kernel
            sums = sums.reshape(len(x), -1, len(one.scale)).astype(np.float32)
            x = sums * (np.float32(one.input_scale) * one.scale)
            x = (x if one.bias is None else x + one.bias).reshape(len(x), -1)
        else:
            x = compute([one], x)
    return x


def kinds(model: QuantizedModel) -> list[str]:
    return [type(one).__name__ for one in model.operations]


# ---- What is computed -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_layer(name: str) -> None:
    model = build(name)
    assert model.input_shape is not None
    x = images(model.input_shape)
    quantized = model.quantize(x)
    expected, outputs = in_numpy(quantized, x), quantized.predict(x)
    error = np.abs(outputs.reshape(expected.shape) - expected).max(axis=1) / np.abs(expected).max()
    # A last bit may move a value of the next layer to the next integer, in few rows.
    assert np.quantile(error, 0.9) < 5e-6
    assert error.max() < 0.05
    wanted = model.predict(x)
    assert outputs.shape == wanted.shape
    assert np.sqrt(np.mean((outputs - wanted) ** 2)) < 0.05 * np.abs(wanted).max()


@pytest.mark.parametrize("seed", range(20))
def test_random_stacks(seed: int) -> None:
    model = random_model(seed)
    assert model.input_shape is not None
    x = images(model.input_shape)
    quantized = model.quantize(x)
    expected, outputs = in_numpy(quantized, x), quantized.predict(x)
    error = np.abs(outputs.reshape(expected.shape) - expected).max(axis=1) / np.abs(expected).max()
    assert np.quantile(error, 0.5) < 5e-6
    assert error.max() < 0.1


sizes = st.integers(1, 12)


@given(
    shape=st.tuples(sizes, sizes, st.sampled_from([1, 2, 3, 4, 7, 9])),
    filters=st.sampled_from([1, 3, 7, 8, 16, 17, 33]),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.sampled_from(["valid", "same"]),
    rows=st.sampled_from([1, 2, 5]),
    threads=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_geometry(
    teams_of_any_size: None,
    shape: tuple[int, int, int],
    filters: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilation: tuple[int, int],
    padding: str,
    rows: int,
    threads: int,
    seed: int,
) -> None:
    if kernel[0] * kernel[1] * shape[2] < 4:  # which stays in float32
        return
    moves: dict[str, Any] = {"strides": strides} if max(strides) > 1 else {"dilation_rate": dilation}
    layer = fn.Conv2D(filters, kernel, padding=padding, activation="relu", **moves)
    try:
        layer.compute_output_shape(shape)
    except ValueError:
        return
    model = fn.Sequential([fn.Input(shape), layer], seed=seed)
    layer.bias = np.random.default_rng(seed).normal(size=filters)
    x = images(shape, rows, seed)
    quantized = model.quantize(x)
    fn.set_num_threads(threads)
    outputs = quantized.predict(2 * x)  # also beyond the calibrated range
    assert_array_equal(outputs.reshape(rows, -1), in_numpy(quantized, 2 * x))


def test_large_images_have_the_same_bits_on_any_number_of_threads(teams_of_any_size: None) -> None:
    shape = (61, 57, 8)
    model = fn.Sequential([fn.Conv2D(20, 5, padding="same", input_shape=shape), fn.Conv2D(33, 3, strides=2)], seed=1)
    x = images(shape, 5)
    quantized = model.quantize(x[:2])
    found = set()
    for threads in (1, 2, 3):
        fn.set_num_threads(threads)
        found.add(quantized.predict(x).tobytes())
        found.add(b"".join(quantized.predict(x[i : i + 1]).tobytes() for i in range(5)))
    assert len(found) == 1


def test_an_image_with_a_value_that_is_not_finite_gives_nan_alone() -> None:
    model = fn.Sequential([fn.Conv2D(3, 3, padding="same", input_shape=(9, 9, 2))], seed=0)
    x = images((9, 9, 2), 4)
    quantized = model.quantize(x)
    expected = quantized.predict(x)
    for strange in (np.nan, np.inf, -np.inf):
        x[2, 8, 8, 1] = strange
        outputs = quantized.predict(x)
        assert np.isnan(outputs[2]).all()
        assert_array_equal(outputs[[0, 1, 3]], expected[[0, 1, 3]])


# ---- What is quantized ----------------------------------------------------------------------------------------------


def test_convolutions_in_groups_transposed_and_of_few_inputs_stay_in_float32() -> None:
    layers = [
        fn.Input((8, 8, 4)),
        fn.Conv2D(4, 3),
        fn.Conv2D(4, 3, groups=2),
        fn.layers.DepthwiseConv2D(2),
        fn.layers.Conv2DTranspose(3, 2),
        fn.Conv2D(5, 1),
        fn.Dense(2),
    ]
    model = fn.Sequential(layers, seed=0)
    assert kinds(model.quantize(images((8, 8, 4)))) == [
        "QuantizedConvolution",
        "Convolution",
        "Convolution",
        "TransposedConvolution",
        "Convolution",  # of 3 inputs
        "QuantizedConvolution",
    ]


def test_pixels_are_multiplied_as_they_are() -> None:
    layers = [fn.Rescaling(1 / 255, input_shape=(8, 8, 1)), fn.Conv2D(3, 3, padding="same")]
    model = fn.Sequential(layers, seed=0)
    x = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1)).astype(np.uint8)
    x[0, 0, 0, 0] = 255
    quantized = model.quantize(x)
    (convolution,) = quantized.operations
    assert isinstance(convolution, QuantizedConvolution)
    assert (convolution.input_scale, convolution.zero_point) == (1.0, 0)
    outputs = quantized.predict(x)
    assert_array_equal(outputs, quantized.predict(x.astype(np.float64)))
    assert np.abs(outputs - model.predict(x)).max() < 0.02 * np.abs(outputs).max()


@pytest.mark.parametrize(("padding", "joined"), [("valid", True), ("same", False)])
def test_a_shift_in_front_of_padding_stays_where_it_is(padding: str, joined: bool) -> None:
    layers = [fn.Rescaling(1 / 127.5, -1.0, input_shape=(6, 6, 2)), fn.Conv2D(3, 3, padding=padding)]
    model = fn.Sequential(layers, seed=0)
    x = np.random.default_rng(0).uniform(0, 255, (30, 6, 6, 2))
    quantized = model.quantize(x)
    assert kinds(quantized) == ["QuantizedConvolution"] if joined else ["Scaling", "QuantizedConvolution"]
    assert np.abs(quantized.predict(x) - model.predict(x)).max() < 0.03


def test_batch_normalization_is_a_part_of_the_convolution() -> None:
    quantized = build("batch_normalization_folds").quantize(images((7, 6, 4)))
    assert "Scaling" not in kinds(quantized)


def test_windows_that_reach_far_over_a_small_image_stay_in_float32() -> None:
    """The zeros that they read would fill the memory."""
    layer = fn.Conv2D(2, 2, padding="same", dilation_rate=20_000, input_shape=(2, 2, 4))
    model = fn.Sequential([layer], seed=0)
    quantized = model.quantize(images((2, 2, 4)))
    assert kinds(quantized) == ["Convolution"]
    assert_array_equal(quantized.predict(images((2, 2, 4))), model.predict(images((2, 2, 4))))


def test_calibration_takes_few_rows_of_large_images_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("lenet")
    expected = [vars(one).get("input_scale") for one in model.quantize(images((28, 28, 1))).operations]
    monkeypatch.setattr("fastnet.operations.quantizing._VALUES", 10_000)
    taken: list[int] = []

    def trace(operations: Any, x: Array) -> Any:
        taken.append(len(x))
        return evaluation.trace(operations, x)

    monkeypatch.setattr("fastnet.operations.quantizing.trace", trace)
    assert [vars(one).get("input_scale") for one in model.quantize(images((28, 28, 1))).operations] == expected
    assert taken == [2] * 20  # of 4,704 values behind the first convolution


def test_too_many_inputs_are_refused() -> None:
    model = fn.Sequential([fn.Conv2D(1, 300, padding="same", input_shape=(2, 2, 1))], seed=0)
    with pytest.raises(ValueError, match="layer 'conv2d' has 90000 inputs; at most 65536 can be quantized"):
        model.quantize(images((2, 2, 1)))


# ---- Files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_files(name: str, tmp_path: Path) -> None:
    model = build(name)
    assert model.input_shape is not None
    x = images(model.input_shape, 5)
    quantized = model.quantize(x)
    quantized.save(tmp_path / "model.safetensors")
    loaded: Any = fn.load_model(tmp_path / "model.safetensors")
    assert_array_equal(loaded.predict(x), quantized.predict(x))
    assert [str(row) for row in loaded.rows()] == [str(row) for row in quantized.rows()]
    assert kinds(loaded) == kinds(quantized)
    loaded.save(tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "model.safetensors").read_bytes()


# ---- Descriptions of the core ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernel": np.zeros((9, 2), np.int8)}, "needs a kernel of that shape"),
        (
            {"kernel_scale": np.ones(3, np.float32), "kernel": np.zeros((18, 3), np.int8)},
            "needs a kernel of that shape",
        ),
        ({"filters": 0}, "sizes of at least 1"),
        ({"output_height": 9}, "do not fit"),
        ({"groups": 1}, "does not take 'groups'"),
        (
            {"output_height": 1, "dilation_height": 50_000, "top": 50_000, "dilation_width": 50_000, "left": 50_000},
            "may read from at most 67108864 values",
        ),
        ({"zero_point": 256}, "zero_point must be in 0..255"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    description = {
        "type": "quantized_conv2d",
        "height": 5,
        "width": 4,
        "channels": 2,
        "output_height": 3,
        "output_width": 2,
        "kernel_height": 3,
        "kernel_width": 3,
        "filters": 2,
        "kernel": np.zeros((18, 2), np.int8),
        "kernel_scale": np.ones(2, np.float32),
        "input_scale": 1.0,
        "zero_point": 0,
    }
    assert _core.Network32(40, [description]).output_size == 12
    with pytest.raises(ValueError, match=message):
        _core.Network32(40, [description | change])


# ---- MNIST ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_lenet_reads_mnist_as_well_as_in_float32(mnist_dir: Path) -> None:
    (x, y), (x_test, y_test) = fn.datasets.mnist.load_data()
    layers = [
        *(fn.Rescaling(1 / 255, input_shape=(28, 28, 1)), fn.Conv2D(6, 5, activation="relu"), fn.MaxPooling2D()),
        *(fn.Conv2D(16, 5, activation="relu"), fn.MaxPooling2D(), fn.Flatten()),
        *(fn.Dense(120, "relu"), fn.Dense(84, "relu"), fn.Dense(10, "softmax")),
    ]
    model = fn.Sequential(layers, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, x_test = x.reshape(-1, 28, 28, 1), x_test.reshape(-1, 28, 28, 1)
    model.fit(x, y, batch_size=64, epochs=2, verbose=0)
    quantized = model.quantize(x[:300])
    assert [type(one) for one in quantized.operations if isinstance(one, Pooling)] == [Pooling, Pooling]
    accuracy, expected = (one.evaluate(x_test, y_test, verbose=0)[1] for one in (quantized, model))
    assert accuracy > expected - 0.003
    assert (quantized.predict(x_test).argmax(axis=1) == model.predict(x_test).argmax(axis=1)).mean() > 0.995
