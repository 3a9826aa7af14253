"""Checks that an export computes what the model does, before it is written."""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastnet.operations.making import operations_of
from fastnet.operations.quantizing import Quantized
from fastnet.operations.steps import Operation, Scaling, repeated
from fastnet.support.attributes import own_class
from fastnet.training.trainer import Trainer

Model = TypeVar("Model", bound=Trainer)

__all__ = ["TOLERANCE", "check_outputs", "in_full_precision", "sample_inputs", "samples_for"]

TOLERANCE = 1e-5  # of the largest output, or of 1 where all are smaller


def in_full_precision(model: Model) -> Model:
    """Return a copy of a built model, which other threads do not change, in float32 where it rounds factors to bfloat16.

    Exports do not round: they compute in float32 or float64.
    """

    with model._structure:
        config, weights = model.get_config(), model._weights.get()
    exact = own_class(type(model)).from_config({**config, "dtype": model.dtype, "input_shape": None})
    exact._build(tuple(config["input_shape"]), draw=False)
    exact.set_weights(weights)
    exact.class_names, exact.feature_names = model.class_names, model.feature_names
    return exact


def sample_inputs(model: Trainer, rows: int = 16) -> NDArray[Any]:
    """Return samples like those that a built model may meet: see `samples_for`."""
    return samples_for(operations_of(model), int(np.prod(model.input_shape or ())), model.dtype, rows)


def samples_for(operations: Sequence[Operation], size: int, dtype: str, rows: int = 16) -> NDArray[Any]:
    """Return samples of `size` values that operations may meet, the same in each call.

    Behind a normalization at the front they have mean 0 and variance 1, behind a rescaling they are in [0, 1), and for a
    product in integers they are in its range.

    Returns
    -------
    ndarray of shape (rows, size)
    """
    generator = np.random.default_rng(0)
    first = next(iter(operations), None)
    if isinstance(first, Quantized):
        steps = generator.uniform(-first.zero_point, 255 - first.zero_point, (rows, size))
        return (first.input_scale * steps).astype(dtype)
    if not isinstance(first, Scaling):
        return generator.standard_normal((rows, size)).astype(dtype)
    uniform = first.factor.ndim == 0
    wanted = generator.random((rows, size)) if uniform else generator.standard_normal((rows, size))
    center, factor, offset = (repeated(array, size) for array in (first.center, first.factor, first.offset))
    factor = np.where(factor == 0.0, np.inf, factor.astype(np.float64))
    return ((wanted - offset) / factor + center).astype(dtype)


def check_outputs(export: str, outputs: NDArray[Any], expected: NDArray[Any], tolerance: float = TOLERANCE) -> None:
    """Refuse an export whose outputs are not those of the model.

    Raises
    ------
    RuntimeError
        An output differs by more than `tolerance`; the message names the export and the difference.
    """
    if outputs.shape != expected.shape:
        raise RuntimeError(
            f"the {export} gives outputs of shape {outputs.shape}; those of the model are {expected.shape}"
        )
    with np.errstate(invalid="ignore"):  # an infinity is equal to itself
        differences = np.where(outputs == expected, 0.0, np.abs(outputs - expected))
    difference = float(differences.max(initial=0.0))
    allowed = tolerance * max(1.0, float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0)))
    if not difference <= allowed:
        raise RuntimeError(f"the {export} differs from the model by {difference:.3g}; {allowed:.3g} is accepted")
