"""Shapes of samples and targets, and hints for those that are given one by one or in columns."""

from typing import Any

from fastnet.inputs.tables import is_table

Shape = tuple[int, ...]


def fits(shape: Shape, input_shape: Shape) -> bool:
    """Return whether an array of a shape has samples of `input_shape`; as in Keras, a last axis of 1 may be missing or added."""
    sample = shape[1:]
    return bool(shape) and (input_shape in (sample, (*sample, 1)) or sample == (*input_shape, 1))


def check_shape(name: str, shape: Shape, input_shape: Shape, values: Any) -> None:
    """Refuse samples whose shape is not `input_shape`."""
    if shape[1:] == input_shape or fits(shape, input_shape):
        return
    expected = ", ".join(["samples", *map(str, input_shape)])
    hint = hint_of_columns(name, values, len(shape) == 2 and shape[:1] == input_shape)
    if not hint and fits((1, *shape), input_shape):
        one = f"{name}.to_frame().T" if hasattr(values, "iloc") else f"{name}[None]"
        hint = f": one sample is {f'[{name}]' if isinstance(values, list | tuple) else one}"
    raise ValueError(f"{name} must have shape ({expected}); got {shape}{hint}")


def check_rows(shape: Shape, targets: Shape, x: Any) -> None:
    """Refuse targets, by their shape, that are not as many as the samples.

    A model that is not built yet needs this first: it would be built for samples in columns, and then refuse rows.
    """
    if targets[:1] != shape[:1]:
        hint = hint_of_columns("x", x, len(shape) == 2 and shape[1:] == targets[:1])
        if len(shape) == len(targets) == 2 and shape[1] == targets[1]:
            hint = ": if samples are columns here, give x.T and y.T"  # or as many features as classes
        raise ValueError(f"y must have as many rows as x, {shape[0]}; got shape {targets}{hint}")


def hint_of_columns(name: str, values: Any, in_columns: bool) -> str:
    """Return the hint that values with samples in columns are to be transposed, if they are such."""
    if not in_columns:
        return ""
    name = name.partition(" ")[0]  # without "of validation_data"
    turned = f"{name}.T"
    if not hasattr(values, "T"):  # a table of polars, or a list
        turned = f"{name}.transpose()" if is_table(values) else f"numpy.transpose({name})"
    return f": samples are rows: give {turned}"
