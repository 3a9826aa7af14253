"""A model as a list of operations: computed in NumPy they give what the model predicts."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
import reference
import reference_layers
from fastnet.interchange import checking
from fastnet.operations.making import operations_of
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
from models_of_all_layers import MODELS, build
from reference_activations import PARAMETERS


def predicted(model: fn.Sequential, x: np.ndarray) -> np.ndarray:
    """Compute the operations of a model in NumPy."""
    values, stack = x.reshape(len(x), -1).astype(np.float64), []
    for operation in operations_of(model):
        match operation:
            case Multiplication():
                values = values @ operation.kernel + (0.0 if operation.bias is None else operation.bias)
            case Scaling():
                values = (values - operation.center) * operation.factor + operation.offset
            case Activating():
                parameter = PARAMETERS.get(operation.function)
                settings = {} if parameter is None else {parameter: operation.alpha}
                values = reference.ACTIVATIONS[operation.function][0](values, **settings)
            case SlopedActivating():
                values = reference_layers.prelu(values, operation.slope)
            case LayerNormalizing():
                gamma = np.ones(1) if operation.gamma is None else operation.gamma
                beta = np.zeros(1) if operation.beta is None else operation.beta
                values = reference_layers.layer_normalization(values, gamma, beta, operation.epsilon)
            case Remembering():
                stack.append(values)
            case Exchanging():
                values, stack[-1] = stack[-1], values
            case Addition():
                values = values + stack.pop()
            case _:
                raise AssertionError(operation)
        assert values.shape == (len(x), operation.size)
    assert not stack
    return values


@pytest.mark.parametrize("name", MODELS)
def test_the_operations_compute_what_the_model_predicts(name: str) -> None:
    model = build(name, "float64")
    x = checking.sample_inputs(model).reshape(-1, *model.input_shape)
    assert_allclose(predicted(model, x), model.predict(x).reshape(len(x), -1), rtol=1e-9, atol=1e-12)


def test_a_model_that_is_not_built_has_no_operations() -> None:
    with pytest.raises(ValueError, match="before operations_of"):
        operations_of(fn.Sequential([fn.Dense(2)]))


def test_a_model_that_computes_nothing_has_no_operations() -> None:
    assert operations_of(fn.Sequential([fn.Dropout(0.5, input_shape=(2,))])) == []


def test_sample_inputs_are_like_those_that_a_model_takes() -> None:
    images = fn.Sequential([fn.Rescaling(1 / 255, input_shape=(4,)), fn.Dense(1)])
    x = checking.sample_inputs(images, 1000)
    assert (x.dtype, x.shape, round(x.min()), round(x.max())) == (np.float32, (1000, 4), 0, 255)
    table = fn.Sequential([fn.Normalization(mean=[1e4, 0.0], variance=[1.0, 1e-6]), fn.Dense(1)])
    table.build((2,))
    x = checking.sample_inputs(table, 1000)
    assert_allclose(x.mean(axis=0), [1e4, 0.0], atol=0.1)
    assert_allclose(x.std(axis=0), [1.0, 1e-3], rtol=0.1)
    assert_allclose(checking.sample_inputs(table, 1000), x, rtol=0)


def test_a_model_in_bfloat16_is_checked_in_float32() -> None:
    model = fn.Sequential([fn.Dense(3, input_shape=(200,))], dtype="mixed_bfloat16", seed=0)
    exact = checking.in_full_precision(model)
    x = checking.sample_inputs(model)
    kernel, bias = model.get_weights()
    assert exact.dtype_policy == "float32"
    assert_allclose(exact.predict(x), x.astype(np.float64) @ kernel + bias, rtol=1e-5, atol=1e-5)


def test_an_export_is_of_a_copy_that_others_do_not_change() -> None:
    model = fn.Sequential([fn.Dense(3, input_shape=(2,))], seed=0)
    model.class_names = ["a", "b", "c"]
    exact, before = checking.in_full_precision(model), model.get_weights()
    model.set_weights([np.zeros((2, 3)), np.ones(3)])
    for array, expected in zip(exact.get_weights(), before, strict=True):
        assert_array_equal(array, expected)
    assert exact.class_names == model.class_names


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (np.zeros((2, 2)), "of shape"),
        (np.array([[0.0, 1.0 + 2e-5]]), "differs from the model by 2e-05; 1e-05 is accepted"),
        (np.array([[0.0, np.nan]]), "differs from the model by nan"),
        (np.array([[0.0, np.inf]]), "differs from the model by inf"),
    ],
)
def test_an_export_with_other_outputs_is_refused(outputs: Any, message: str) -> None:
    checking.check_outputs("C file", np.array([[0.0, 1.0 + 9e-6]]), np.array([[0.0, 1.0]]))
    checking.check_outputs("C file", np.array([[0.0, np.inf]]), np.array([[0.0, np.inf]]))
    with pytest.raises(RuntimeError, match=f"the C file .*{message}"):
        checking.check_outputs("C file", outputs, np.array([[0.0, 1.0]]))
