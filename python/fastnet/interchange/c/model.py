"""What a file of C is written from: a model's operations, what is said about it, and predictions for its test."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from fastnet.interchange.c.text import in_comment
from fastnet.interchange.checking import TOLERANCE, in_full_precision, sample_inputs, samples_for
from fastnet.layers.base import Layer, Shape
from fastnet.operations.evaluation import compute
from fastnet.operations.making import operations_of
from fastnet.operations.steps import Array, Operation
from fastnet.training.evaluation import Evaluator
from fastnet.training.trainer import Trainer

__all__ = ["ModelInC", "quantized_to_be_written", "shape_in_words", "to_be_written"]

SAMPLES = 16

Predict = Callable[[Sequence[Operation], Array], Array]


@dataclass(frozen=True, eq=False)
class ModelInC:
    """A model to be written.

    Attributes
    ----------
    title : str
        What it is.
    lines : list of str
        What its layers are.
    dtype : {"float32", "float64"}
        That of inputs and outputs.
    input_shape, output_shape : tuple of int
    class_names, feature_names : list of str or None
    operations : list of Operation
    compute : callable
        What operations make of samples.
    x, expected : ndarray of shape (samples, inputs) and (samples, outputs)
        Samples, and what the model predicts for them.
    tolerance : float
        How far the outputs for them may be from those, in units of the largest, or of 1 where all are smaller.
    """

    title: str
    lines: list[str]
    dtype: str
    input_shape: Shape
    output_shape: Shape
    class_names: list[str] | None
    feature_names: list[str] | None
    operations: list[Operation]
    compute: Predict
    x: Array
    expected: Array
    tolerance: float


def to_be_written(model: Trainer) -> ModelInC:
    """Return what is written of a model of floats.

    Raises
    ------
    ValueError
        The model is not built.
    """
    model._require_built("to_c")
    model = in_full_precision(model)
    assert model.input_shape is not None
    assert model.output_shape is not None
    x = sample_inputs(model, SAMPLES)
    return ModelInC(
        in_comment(model.name),
        [
            f"{in_comment(layer.name)} ({_kind(layer)}) -> {shape_in_words(layer.output_shape)}"
            for layer in model._leaves()
        ],
        model.dtype,
        model.input_shape,
        model.output_shape,
        model.class_names,
        model.feature_names,
        operations_of(model),
        compute,
        x,
        np.asarray(model.predict(x.reshape(-1, *model.input_shape), verbose=0)).reshape(SAMPLES, -1),
        TOLERANCE,
    )


# Where an activation is rounded in another way, the next integer may be another one.
_TOLERANCE_OF_INTEGERS = 0.01


def quantized_to_be_written(
    model: Evaluator, operations: list[Operation], lines: list[str], predict: Predict
) -> ModelInC:
    """Return what is written of a quantized model with these operations; `predict` makes outputs of them and samples."""
    assert model.input_shape is not None
    assert model.output_shape is not None

    def compute(operations: Sequence[Operation], x: Array) -> Array:
        return predict(operations, x).reshape(len(x), -1)

    x = samples_for(operations, prod(model.input_shape), model.dtype, SAMPLES)
    return ModelInC(
        f"{in_comment(model.name)}, in 8-bit integers",
        lines,
        model.dtype,
        model.input_shape,
        model.output_shape,
        model.class_names,
        model.feature_names,
        operations,
        compute,
        x,
        compute(operations, x),
        _TOLERANCE_OF_INTEGERS,
    )


def _kind(layer: Layer) -> str:
    """Return the class of a layer, and its activation where it has one."""
    activation = getattr(getattr(layer, "activation", None), "name", "linear")
    return type(layer).__name__ if activation == "linear" else f"{type(layer).__name__}, {activation}"


def shape_in_words(shape: tuple[int, ...] | None) -> str:
    """Return the sizes of a shape with crosses between them."""
    return " x ".join(map(str, shape or ()))
