"""The core's layers of images give the same bits on any number of threads, in any batch, from data in any form."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
import image_descriptions as describe
from cases import DTYPES, LAYOUTS, THREADS
from image_cases import LAYERS, core_of
from image_descriptions import Description, Shape
from test_core_images_training import residual

SHAPES = (12, 12, 1), (7, 9, 3), (8, 6, 16), (3, 31, 17)


def layers_of(kind: str, shape: Shape, seed: int = 0) -> Iterator[Description]:
    """Yield some layers of a kind for images of a shape."""
    rng = np.random.default_rng([seed, *shape])
    for _ in range(3):
        yield LAYERS[kind](lambda *choices: choices[rng.integers(len(choices))], shape)


def lenet(shape: Shape, filters: int = 6) -> list[Description]:
    """Return two convolutions with poolings, and a classifier."""
    layers: list[Description] = []
    for times in (1, 2):
        axes = describe.windows(shape, (3, 3), padding="same")
        layers.append(describe.conv2d(shape, axes, times * filters, "relu"))
        shape = describe.output_shape(layers[-1], shape)
        layers.append(describe.pooling("max", shape, describe.windows(shape, (2, 2), (2, 2))))
        shape = describe.output_shape(layers[-1], shape)
    return [*layers, describe.dense((prod(shape),), 32, "relu"), describe.dense((32,), 10, "softmax")]


def batch_of(shape: Shape, rows: int, dtype: Any) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(rows, prod(shape))).astype(dtype)


# ---- Threads ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("teams_of_any_size")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_gives_the_same_bits_on_any_number_of_threads(kind: str, dtype: Any) -> None:
    for shape in SHAPES:
        for layer in layers_of(kind, shape):
            core = core_of([layer], prod(shape), dtype)[0]
            behind = core_of([describe.dense((3,), prod(shape)), layer], 3, dtype)[0]
            x, few = batch_of(shape, 37, dtype), batch_of((1, 1, 3), 37, dtype)
            y = batch_of((1, 1, core.output_size), 37, dtype)
            results = []
            for threads in THREADS:
                fn.set_num_threads(threads)
                loss, gradients = core.loss_and_gradients(x, y, None)
                by_input = core.differentiate(x, "weighted_outputs", y)
                later = behind.loss_and_gradients(few, y, None)[1]
                results.append([core.predict(x, 37), np.array(loss), gradients, by_input, later])
            for threads, arrays in zip(THREADS, results, strict=True):
                for one, first in zip(arrays, results[0], strict=True):
                    assert one.tobytes() == first.tobytes(), f"{layer} on {threads} threads"


@pytest.mark.usefixtures("teams_of_any_size")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("side", "batch"), [(12, 1), (12, 2), (12, 3), (12, 17), (12, 64), (12, 200), (28, 17), (28, 128)]
)
def test_training_gives_the_same_bits_on_any_number_of_threads(side: int, batch: int, dtype: Any) -> None:
    shape = side, side, 1
    x = batch_of(shape, 200, dtype)
    labels = np.random.default_rng(2).integers(0, 10, 200)
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        core = core_of(lenet(shape), prod(shape), dtype, loss="categorical_crossentropy")[0]
        steps, *means = core.train_epoch(x, labels, None, batch, None, None)
        assert steps == -(-200 // batch)
        results.append([core.get_parameters(), core.predict(x, 64), np.array(means[:2])])
    assert np.isfinite(results[0][0]).all()
    for arrays in results[1:]:
        for one, first in zip(arrays, results[0], strict=True):
            assert one.tobytes() == first.tobytes()


@pytest.mark.usefixtures("teams_of_any_size")
@pytest.mark.parametrize("batch", [3, 64, 200])
def test_batch_statistics_of_images_are_the_same_on_any_number_of_threads(batch: int) -> None:
    images = residual()
    x, labels = batch_of((1, 1, images.size), 200, np.float32), np.random.default_rng(2).integers(0, 10, 200)
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        core = core_of(images.layers, images.size, np.float32, loss="categorical_crossentropy")[0]
        core.train_epoch(x, labels, None, batch, None, None)
        results.append(core.get_parameters())
    for threads, parameters in zip(THREADS, results, strict=True):
        assert parameters.tobytes() == results[0].tobytes(), f"on {threads} threads"


def many_weights(shape: Shape) -> list[Description]:
    """Return a convolution whose gradients are summed in fewer parts than those of a small one."""
    axes = describe.windows(shape, (3, 3), padding="same")
    return [describe.conv2d(shape, axes, 512, "relu"), describe.dense((prod(shape[:2]) * 512,), 2, "softmax")]


def many_outputs(shape: Shape) -> list[Description]:
    """Return a convolution of whose outputs a batch of some ten images would take too much memory at once."""
    first = describe.conv2d(shape, describe.windows(shape, (1, 1)), 512, "tanh")
    maps = describe.output_shape(first, shape)
    return [
        first,
        describe.pooling("average", maps, describe.windows(maps, maps[:2], maps[:2])),
        describe.dense((512,), 2),
    ]


@pytest.mark.usefixtures("teams_of_any_size")
@pytest.mark.parametrize(("build", "shape", "rows"), [(many_weights, (2, 3, 512), 20), (many_outputs, (64, 64, 1), 33)])
def test_sums_of_large_layers_have_the_same_bits_and_those_of_two_halves(build: Any, shape: Shape, rows: int) -> None:
    x = batch_of(shape, rows, np.float32)
    y = np.random.default_rng(3).normal(size=(rows, 2)).astype(np.float32)
    core = core_of(build(shape), prod(shape), np.float32)[0]
    results = []
    for threads in (1, 2, 3, 16):
        fn.set_num_threads(threads)
        results.append(core.loss_and_gradients(x, y, None)[1])
        assert results[-1].tobytes() == results[0].tobytes()
    half = rows // 2
    shares = [core.loss_and_gradients(x[some], y[some], None)[1] for some in (slice(half), slice(half, None))]
    mean = (half * shares[0] + (rows - half) * shares[1]) / rows
    np.testing.assert_allclose(results[0], mean, atol=2e-5 * np.abs(mean).max())


# ---- Batches ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_sample_alone_gives_the_bits_that_it_gives_in_any_batch(kind: str, dtype: Any) -> None:
    for shape in SHAPES:
        for layer in layers_of(kind, shape, seed=1):
            core = core_of([layer], prod(shape), dtype)[0]
            x = batch_of(shape, 70, dtype)
            y = batch_of((1, 1, core.output_size), 70, dtype)
            whole, by_input = core.predict(x, 70), core.differentiate(x, "weighted_outputs", y)
            for batch in (1, 2, 3, 16, 17, 32, 33, 64):
                assert core.predict(x, batch).tobytes() == whole.tobytes(), f"{layer} in batches of {batch}"
            for row in (0, 1, 15, 16, 31, 32, 33, 69):
                one, its_y = x[row : row + 1], y[row : row + 1]
                assert core.predict(one, 1).tobytes() == whole[row : row + 1].tobytes(), f"{layer}, row {row}"
                alone = core.differentiate(one, "weighted_outputs", its_y)
                assert alone.tobytes() == by_input[row : row + 1].tobytes(), f"{layer}, row {row}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(12, 12, 1), (8, 8, 3)])
def test_a_network_gives_a_sample_the_same_bits_in_any_batch(shape: Shape, dtype: Any) -> None:
    core = core_of(lenet(shape), prod(shape), dtype)[0]
    x = batch_of(shape, 300, dtype)
    whole = core.predict(x, 300)
    for batch in (1, 2, 3, 17, 64, 256):
        assert core.predict(x, batch).tobytes() == whole.tobytes(), f"in batches of {batch}"
        assert core.predict(x[:batch], 256).tobytes() == whole[:batch].tobytes(), f"a batch of {batch}"


# ---- Data ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("first", ["conv2d", "max_pooling2d", "padding2d", "conv2d_transpose"])
def test_samples_in_any_form_give_the_same_bits(first: str, dtype: Any) -> None:
    shape = 9, 8, 3
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (23, prod(shape))).astype(np.uint8)
    for layer in layers_of(first, shape, seed=2):
        core = core_of([layer], prod(shape), dtype)[0]
        y = batch_of((1, 1, core.output_size), 23, dtype)
        expected = core.predict(x.astype(dtype), 23), core.loss_and_gradients(x.astype(dtype), y, None)[1]
        forms = [x, x.astype(np.float32), x.astype(np.float64), x.astype(np.int64)]
        forms += [layout(x.astype(dtype)) for layout in LAYOUTS.values()]
        forms += [np.asfortranarray(x), np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3]]
        for form in forms:
            assert core.predict(form, 23).tobytes() == expected[0].tobytes()
            assert core.loss_and_gradients(form, y, None)[1].tobytes() == expected[1].tobytes()


@pytest.mark.parametrize("form", ["dense", "compressed"])
def test_images_of_mostly_zeros_give_the_same_bits(form: str) -> None:
    shape = 12, 12, 1
    x = batch_of(shape, 40, np.float32)
    x[np.random.default_rng(3).random(x.shape) < 0.8] = 0.0
    core = core_of(lenet(shape), prod(shape), np.float32, loss="categorical_crossentropy")[0]
    labels = np.random.default_rng(2).integers(0, 10, 40)
    expected = core.predict(x, 40), core.loss_and_gradients(x, labels, None)[1]
    core.set_input_form(form)
    assert_array_equal(core.predict(x, 40), expected[0])
    assert_array_equal(core.loss_and_gradients(x, labels, None)[1], expected[1])
