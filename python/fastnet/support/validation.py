"""Checks of arguments. Every message names the argument, the accepted and the given values."""

import functools
import inspect
import math
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, Self, TypeVar

import numpy as np

from fastnet.support.text import did_you_mean

P = ParamSpec("P")
R = TypeVar("R")


def unsupported(what: str) -> NotImplementedError:
    """Return the error for a feature that Keras has and fastnet does not."""
    return NotImplementedError(f"fastnet: {what}; use Keras for this")


def refuse_methods(cls: type, methods: Mapping[str, str]) -> None:
    """Refuse a class with a method of Keras that nothing calls here; `methods` has the advice for each."""
    for name, advice in methods.items():
        if hasattr(cls, name):
            raise unsupported(f"{name}(), which {cls.__name__} defines, is not available: {advice}")


# ---- Names of keyword arguments -------------------------------------------------------------------------------------


class NamesItsArguments:
    """Base of classes whose constructor names the closest keyword to an unknown one."""

    def __new__(cls, *_: Any, **keywords: Any) -> Self:
        # inspect.signature would take 100 us
        code = getattr(inspect.unwrap(cls.__init__), "__code__", None) if keywords else None
        if code is not None and not code.co_flags & inspect.CO_VARKEYWORDS:
            for name in keywords.keys() - code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
                raise unexpected_keyword(cls, name)
        return super().__new__(cls)

    def __init__(self) -> None:
        """Accept no arguments; `object` would accept any next to a `__new__`."""


def names_arguments(method: Callable[P, R]) -> Callable[P, R]:
    """Wrap a method to name the closest keyword to an unknown one."""
    accepted = frozenset(inspect.signature(method).parameters)

    @functools.wraps(method)
    def checked(*arguments: P.args, **keywords: P.kwargs) -> R:
        if not accepted.issuperset(keywords):
            raise unexpected_keyword(method, min(keywords.keys() - accepted))
        return method(*arguments, **keywords)

    return checked


def unexpected_keyword(owner: Callable[..., Any], name: str, others: Iterable[str] = ()) -> TypeError:
    """Return the error for an unknown keyword; `others` are accepted in addition to the parameters."""
    own = [one.name for one in inspect.signature(owner).parameters.values() if one.kind is not one.VAR_KEYWORD]
    return TypeError(
        f"{owner.__name__}() got an unexpected keyword argument {name!r}{did_you_mean(name, [*own, *others])}"
    )


def reject_keywords(
    owner: Callable[..., Any],
    keywords: Mapping[str, Any],
    keras_defaults: Mapping[str, Any],
    others: Iterable[str] = (),
) -> None:
    """Accept arguments that fastnet lacks only with their defaults in Keras.

    Parameters
    ----------
    owner : function or class
        The function or class called.
    keywords : mapping
        The keywords of the call that are not among its parameters.
    keras_defaults : mapping
        Arguments that fastnet lacks, with their defaults in Keras.
    others : iterable of str
        Other accepted keywords.
    """
    for name, value in keywords.items():
        if name not in keras_defaults:
            raise unexpected_keyword(owner, name, [*others, *keras_defaults])
        default = keras_defaults[name]
        if value is not default and not (isinstance(value, str | int | float) and value == default):
            raise unsupported(f"{owner.__name__}() supports only {name}={default!r}; got {name}={value!r}")


# ---- Values ---------------------------------------------------------------------------------------------------------


LARGEST_INTEGER = 2**63 - 1  # of the integers in the core


def check_integer(name: str, value: Any, *, minimum: int = 1, maximum: int = LARGEST_INTEGER) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        integer = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer; got {describe(value)}") from None
    if integer < minimum:
        raise ValueError(f"{name} must be at least {minimum}; got {integer}")
    if integer > maximum:
        raise ValueError(f"{name} must be at most {maximum}; got {integer}")
    return integer


def check_number(
    name: str,
    value: Any,
    *,
    minimum: float = -math.inf,
    maximum: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Return `value` as a finite float with ``minimum <= value <= maximum`` and ``above < value < below``."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number; got {describe(value)}")
    number = float(value)
    if not (math.isfinite(number) and minimum <= number <= maximum and above < number < below):
        limits = [
            text
            for limit, text in [
                (minimum if minimum > above else -math.inf, f"at least {minimum:g}"),
                (above, f"above {above:g}"),
                (maximum, f"at most {maximum:g}"),
                (below, f"below {below:g}"),
            ]
            if math.isfinite(limit)
        ]
        raise ValueError(f"{name} must be {' and '.join(limits) or 'finite'}; got {number:g}")
    return number


_FLOAT_DTYPES = {"float16": "float32", "bfloat16": "float32", "float32": "float32", "float64": "float64"}


def check_float_dtype(name: str, value: Any) -> str | None:
    """Return the name of the floating-point type to compute in, or None: halves are computed with in float32.

    Raises
    ------
    ValueError
        It is neither None nor the name or the type of one of these.
    """
    return None if value is None else _FLOAT_DTYPES[check_dtype_name(name, value, _FLOAT_DTYPES)]


_DTYPES = (*_FLOAT_DTYPES, "int", "int32", "int64")


def check_dtype_name(name: str, value: Any, accepted: Iterable[str] = _DTYPES) -> str:
    """Return the name of a type, which may be given as a type; "" for None."""
    if value is None:
        return ""
    try:
        given = value if isinstance(value, str) else np.dtype(value).name
    except TypeError:
        given = ""
    if given not in accepted:
        raise ValueError(f"{name} must be None or one of {', '.join(map(repr, accepted))}; got {describe(value)}")
    return given


def check_bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False; got {describe(value)}")
    return value


def check_choice(name: str, value: Any, accepted: Iterable[str]) -> str:
    accepted = list(accepted)
    if value not in accepted:
        listed = ", ".join(map(repr, accepted))
        raise ValueError(f"{name} must be one of {listed}; got {value!r}{did_you_mean(value, accepted)}")
    return str(value)


MOST_DIMENSIONS = 64  # the limit of NumPy


def check_axis(axis: Any, name: str, shape: tuple[int, ...]) -> int:
    """Return the number of an axis of an array, counted from the last one if it is negative."""
    given = check_integer("axis", axis, minimum=-LARGEST_INTEGER)
    if not -len(shape) <= given < len(shape):
        raise ValueError(f"axis must be an axis of {name}, of shape {shape}; got {given}")
    return given


def check_shape(name: str, shape: Any) -> tuple[int, ...]:
    """Return the shape of one sample, without the batch dimension, as a tuple of positive integers."""
    try:
        dimensions = tuple(shape)
    except TypeError:
        raise TypeError(f"{name} must be a tuple of integers such as (784,); got {describe(shape)}") from None
    if not dimensions:
        raise ValueError(f"{name} must have at least one dimension; got ()")
    if len(dimensions) > MOST_DIMENSIONS:
        raise ValueError(f"{name} must have at most {MOST_DIMENSIONS} dimensions; got {len(dimensions)}")
    if None in dimensions:
        raise unsupported(f"{name} must be known in every dimension; got {dimensions}")
    sizes = tuple(check_integer(f"every dimension of {name}", dimension) for dimension in dimensions)
    check_integer(f"the number of values in {name}={sizes}", math.prod(sizes))
    return sizes


def describe(value: Any) -> str:
    """Return `value` for an error message: its text if that is short, and its type."""
    text = repr(value)
    kind = type(value).__name__
    return kind if value is None or len(text) > 60 or text.startswith("<") else f"{text} ({kind})"


def without_mask(name: str, values: Any) -> Any:
    """Return the data of a masked array, or of a list of these, if nothing is masked; other objects unchanged.

    Raises
    ------
    ValueError
        Something is masked: values behind a mask are not data.
    """
    masked = np.ma.MaskedArray
    if isinstance(values, list | tuple) and any(isinstance(row, masked) for row in values):
        values = np.ma.array(values)
    if not isinstance(values, masked):
        return values
    mask = np.ma.getmaskarray(values)
    if mask.any():
        where = f" in row {np.argwhere(mask)[0][0]}" if mask.ndim else ""
        raise ValueError(f"{name} has a masked value{where}: leave such rows out, or fill them with filled()")
    return values.data
