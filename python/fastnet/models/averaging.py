"""One model that averages the outputs of several."""

import math
from collections.abc import Iterable, Sequence

from fastnet.layers import Input, Layer, Rescaling, Residual, deserialize, serialize
from fastnet.models.sequential import Sequential
from fastnet.support.validation import describe

__all__ = ["ensemble", "members_of"]

_Layers = Sequence[Layer]


def ensemble(models: Iterable[Sequential], name: str | None = None) -> Sequential:
    """Return a model that averages the outputs of other models: their mean, with equal weights.

    Networks that are trained alike from other seeds make different errors, part of which the mean cancels; the mean of
    class probabilities is also better calibrated than those of one network.

    The model has copies of all layers and weights, and can do what any model can: predict, be evaluated, trained
    further, saved, served and exported. It consists of `Residual` blocks, which add the outputs, and a `Rescaling`.

    Parameters
    ----------
    models : iterable of Sequential
        At least two built models with the same input shape, output shape and dtype. They are not changed.
    name : str, optional
        The name of the new model, by default "ensemble".

    Returns
    -------
    Sequential
        A model with the class names and feature names of the models, compiled with the loss and metrics of the first
        one, if that is compiled. It predicts the mean of their predictions, up to rounding.

    Raises
    ------
    TypeError
        An object is not a Sequential.
    ValueError
        There are fewer than two models, one is not built or has no layers, or they differ in the shapes of inputs or
        outputs, the dtype, class names or feature names.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> models = [fn.Sequential([fn.Dense(3, "softmax", input_shape=(2,))], seed=seed) for seed in range(4)]
    >>> mean = fn.models.ensemble(models)
    >>> x = np.ones((1, 2))
    >>> bool(np.allclose(mean.predict(x), np.mean([model.predict(x) for model in models], axis=0)))
    True
    """
    if isinstance(models, Sequential):
        raise TypeError(f"models must be several Sequential models; got {describe(models)}")
    members = list(models)
    first = _checked(members)
    assert first.input_shape is not None
    total = _sum_of([_copies(model) for model in members])
    model = Sequential(
        [Input(first.input_shape), *total, Rescaling(1 / len(members))],
        dtype=first.dtype_policy,
        name="ensemble" if name is None else name,
    )
    model.set_weights([weights for member in members for weights in member.get_weights()])
    model.class_names, model.feature_names = first.class_names, first.feature_names
    model.feature_ranges = first.feature_ranges
    if (compiled := first.get_compile_config()) is not None:
        model.compile_from_config(compiled)
    return model


def _checked(models: list[Sequential]) -> Sequential:
    """Return the first of several models, which must be alike."""
    for place, model in enumerate(models):
        if not isinstance(model, Sequential):
            raise TypeError(f"models must be Sequential models; got {describe(model)} at index {place}")
        if model.output_shape is None or not model.layers:
            raise ValueError(f"models must be built, with layers; the one at index {place}, {model.name!r}, is not")
    if len(models) < 2:
        raise ValueError(f"models must have at least two models; got {len(models)}")
    for attribute in ("input_shape", "output_shape", "dtype_policy", "class_names", "feature_names"):
        first, *others = (getattr(model, attribute) for model in models)
        for place, other in enumerate(others, 1):
            if other != first:
                raise ValueError(
                    f"models must have the same {attribute}; got {first} at index 0 and {other} at index {place}"
                )
    return models[0]


def _copies(model: Sequential) -> list[Layer]:
    return [deserialize(serialize(layer)) for layer in model._leaves()]


def _sum_of(rows: list[list[Layer]]) -> list[Layer]:
    """Return layers whose output is the sum of the outputs of rows of layers, of which the first half has the first weights.

    Halves of halves keep the depth at the logarithm of their number.
    """
    if len(rows) == 1:
        return rows[0]
    half = (len(rows) + 1) // 2
    return [Residual(_sum_of(rows[:half]), shortcut=_sum_of(rows[half:]))]


def members_of(layers: _Layers) -> list[_Layers]:
    """Return the layers of each model of an ensemble; those of a model that is not one are returned as a single row."""
    if len(layers) == 2 and isinstance(layers[0], Residual) and isinstance(scale := layers[1], Rescaling):
        members = _addends(layers[:1])
        if scale.offset == 0.0 and math.isclose(scale.scale * len(members), 1.0):
            return members
    return [layers]


def _addends(layers: _Layers) -> list[_Layers]:
    if len(layers) == 1 and isinstance(block := layers[0], Residual) and block.shortcut:
        return [*_addends(block.layers), *_addends(block.shortcut)]
    return [layers]
