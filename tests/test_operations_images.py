"""Models of images as lists of operations: computed in NumPy they give what the compiled core predicts."""

from math import prod

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn
import models_of_images as images
from fastnet.interchange import checking
from fastnet.layers import BatchNormalization, Dense, Flatten
from fastnet.operations.evaluation import compute
from fastnet.operations.making import operations_of
from fastnet.operations.steps import (
    Activating,
    Convolution,
    ImageOperation,
    Multiplication,
    Operation,
    Padding,
    Scaling,
    scaled,
    takes_scaling,
)


def assert_equal_to_the_core(model: fn.Sequential) -> None:
    operations = operations_of(model)
    for operation in operations:
        if isinstance(operation, ImageOperation):
            assert operation.size == prod(operation.output)
    x = checking.sample_inputs(model, 5)
    expected = model.predict(x.reshape(-1, *model.input_shape), verbose=0).reshape(len(x), -1)
    assert_allclose(compute(operations, x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", images.MODELS)
def test_the_operations_compute_what_the_model_predicts(name: str) -> None:
    assert_equal_to_the_core(images.build(name, "float64"))


@pytest.mark.parametrize("seed", range(60))
def test_the_operations_of_random_models_compute_what_they_predict(seed: int) -> None:
    assert_equal_to_the_core(images.random_model(seed, "float64"))


def test_what_is_not_a_number_stays_one() -> None:
    model = images.build("max_pooling", "float64")
    x = checking.sample_inputs(model, 2)
    x[0, 5] = np.nan
    assert_allclose(compute(operations_of(model), x), model.predict(x.reshape(2, 7, 6, 4)).reshape(2, -1))


def folded(operations: list[Operation]) -> list[Operation]:
    result: list[Operation] = []
    for operation in operations:
        if result and isinstance(operation, Scaling) and takes_scaling(result[-1], operation):
            result[-1] = scaled(result[-1], operation)
        else:
            result.append(operation)
    return result


@pytest.mark.parametrize(
    ("name", "left"), [("batch_normalization_folds", 0), ("batch_normalization_of_parts", 1), ("normalizations", 3)]
)
def test_convolutions_do_the_scaling_behind_them(name: str, left: int) -> None:
    model = images.build(name, "float64")
    operations = operations_of(model)
    assert any(isinstance(operation, Scaling) for operation in operations)
    fewer = folded(operations)
    assert sum(isinstance(operation, Scaling) for operation in fewer) == left
    x = checking.sample_inputs(model, 5)
    assert_allclose(compute(fewer, x), compute(operations, x), rtol=1e-11, atol=1e-11)


def test_dense_layers_at_several_positions_are_convolutions_of_the_image() -> None:
    model = fn.Sequential([fn.Input((4, 6, 3)), Dense(2, "softmax"), Flatten(), Dense(2, "softmax")])
    first, activation, product, last = operations_of(model)
    assert isinstance(first, Convolution)
    assert (first.image, first.output, first.kernel.shape) == ((4, 6, 3), (4, 6, 2), (1, 1, 3, 2))
    assert isinstance(activation, Activating)
    assert isinstance(product, Multiplication)
    assert isinstance(last, Activating)
    assert (activation.rows, last.rows) == (24, 1)


def test_scalings_of_channels_are_quantized() -> None:
    model = fn.Sequential(
        [fn.Input((4, 6, 3)), BatchNormalization(), fn.layers.PReLU(shared_axes=[1, 2]), Flatten(), Dense(2)]
    )
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(array.shape) + 0.5 for array in model.get_weights()])
    x = rng.standard_normal((50, 4, 6, 3))
    quantized = model.quantize(x)
    assert [operation.size for operation in quantized.operations] == [72, 72, 2]
    assert_allclose(quantized.predict(x), model.predict(x), atol=0.5)


def test_a_shortcut_begins_where_its_block_does() -> None:
    operations, models = images.block_with_shortcut()
    assert [operation.size for operation in operations] == [72, 30, 72, 30, 30]
    x = np.random.default_rng(0).standard_normal((7, 4, 6, 3)).astype(np.float32)
    expected = sum(model.predict(x) for model in models)
    assert_allclose(compute(operations, x.reshape(7, -1)), np.reshape(expected, (7, -1)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["random_flip", "random_affine", "random_elastic", "random_levels"])
def test_what_acts_in_training_only_has_no_operation(kind: str) -> None:
    description = {"type": kind, "height": 4, "width": 6, "channels": 3}
    assert images.operations_of_descriptions((4, 6, 3), [((), description)]) == []


def test_a_crop_at_random_cuts_out_a_fixed_part() -> None:
    crop = fn.layers.Cropping2D(((1, 2), (0, 1))).description((5, 6, 3))
    (operation,) = images.operations_of_descriptions((5, 6, 3), [((), {**crop, "type": "random_crop", "seed": 0})])
    assert isinstance(operation, Padding)
    assert (operation.before, operation.output) == ((-1, 0), (2, 5, 3))


def test_a_layer_without_an_operation_is_refused() -> None:
    with pytest.raises(NotImplementedError, match=r"layer 'layer' \(quantized_dense\) cannot be exported or quantized"):
        images.operations_of_descriptions((3,), [((), {"type": "quantized_dense"})])
