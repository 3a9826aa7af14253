"""The modules of a ``torch.nn.Sequential`` with their arguments, from its code or from itself; nothing is executed."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from fastnet.interchange.torch.classes import CLASSES, class_of, without_classes
from fastnet.support.validation import describe

__all__ = ["Call", "calls_in_code", "calls_in_network", "parse"]

_DEEPEST = 20  # brackets in one another
_LONGEST = 1 << 20  # characters


@dataclass(frozen=True)
class Call:
    """One module.

    Attributes
    ----------
    name : str
        What the names of its tensors begin with: ``"2"``, or ``"0.2"`` of one inside another ``Sequential``.
    kind : str
        Its class.
    arguments : dict
        All arguments that its class takes, by name. Those of a `Residual` are lists of calls, the modules in a row.
    """

    name: str
    kind: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        return f"module {self.name!r}, {self.kind}"

    @property
    def rank(self) -> int:
        """How many axes besides the channels its samples have, by the name of its class."""
        return int(self.kind[-2])

    def sizes(self, name: str) -> tuple[int, ...]:
        """Return an argument that has one number for all axes or one for each; the stride is that of the window unless given."""
        value = self.arguments[name]
        value = self.arguments["kernel_size"] if name == "stride" and value is None else value
        values = value if isinstance(value, tuple) else (value,) * self.rank
        if len(values) != self.rank or not all(type(one) is int and one >= 0 for one in values):
            raise ValueError(f"{name} must be an integer or {self.rank} integers; got {value!r}")
        return values


# ---- Signatures -----------------------------------------------------------------------------------------------------

_NEEDED = object()
_CONVOLUTION = (
    "in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode='zeros'"
)
_TRANSPOSED = (
    "in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1"
)
_NORMALIZATION = "num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True"
_MEANS = "kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True"
_LARGEST = "kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False"
_SIGNATURES = {
    "Linear": "in_features, out_features, bias=True",
    "Conv1d": _CONVOLUTION,
    "Conv2d": _CONVOLUTION,
    "ConvTranspose1d": f"{_TRANSPOSED}, padding_mode='zeros'",
    "ConvTranspose2d": f"{_TRANSPOSED}, padding_mode='zeros'",
    "BatchNorm1d": _NORMALIZATION,
    "BatchNorm2d": _NORMALIZATION,
    "LayerNorm": "normalized_shape, eps=1e-05, elementwise_affine=True, bias=True",
    "MaxPool1d": _LARGEST,
    "MaxPool2d": _LARGEST,
    "AvgPool1d": _MEANS,
    "AvgPool2d": f"{_MEANS}, divisor_override=None",
    "AdaptiveAvgPool1d": "output_size",
    "AdaptiveAvgPool2d": "output_size",
    "AdaptiveMaxPool1d": "output_size, return_indices=False",
    "AdaptiveMaxPool2d": "output_size, return_indices=False",
    "ZeroPad1d": "padding",
    "ZeroPad2d": "padding",
    "ConstantPad1d": "padding, value",
    "ConstantPad2d": "padding, value",
    "Upsample": "size=None, scale_factor=None, mode='nearest', align_corners=None",
    "Flatten": "start_dim=1, end_dim=-1",
    "Unflatten": "dim, unflattened_size",
    "Identity": "",
    "Dropout": "p=0.5, inplace=False",
    "Dropout1d": "p=0.5, inplace=False",
    "Dropout2d": "p=0.5, inplace=False",
    "PReLU": "num_parameters=1, init=0.25",
    "ReLU": "inplace=False",
    "LeakyReLU": "negative_slope=0.01, inplace=False",
    "ReLU6": "inplace=False",
    "Threshold": "threshold, value, inplace=False",
    "ELU": "alpha=1.0, inplace=False",
    "CELU": "alpha=1.0, inplace=False",
    "SELU": "inplace=False",
    "GELU": "approximate='none'",
    "SiLU": "inplace=False",
    "Mish": "inplace=False",
    "Softplus": "beta=1.0, threshold=20.0",
    "Softsign": "",
    "Sigmoid": "",
    "Hardsigmoid": "inplace=False",
    "Hardswish": "inplace=False",
    "Tanh": "",
    "Hardtanh": "min_val=-1.0, max_val=1.0, inplace=False",
    "Hardshrink": "lambd=0.5",
    "Softshrink": "lambd=0.5",
    "Tanhshrink": "",
    "LogSigmoid": "",
    "Softmax": "dim=None",
    "LogSoftmax": "dim=None",
    "Permute": "*dims",
}


def _parameters(kind: str) -> dict[str, Any]:
    """Return the parameters of a class and their defaults."""
    parts = [part.partition("=") for part in _SIGNATURES[kind].split(", ") if part]
    return {name: _constant(text) if equals else _NEEDED for name, equals, text in parts}


def _call(name: str, kind: str, positional: list[Any], named: dict[str, Any]) -> Call:
    if kind not in _SIGNATURES:
        raise NotImplementedError(f"module {name!r} is a {kind}, which fastnet does not read")
    if kind == "Permute" and not named:
        return Call(name, kind, {"dims": tuple(positional)})
    parameters = _parameters(kind)
    unknown = named.keys() - parameters.keys() or (len(positional) > len(parameters) and {"more"})
    given = {**dict(zip(parameters, positional, strict=False)), **named}
    missing = [parameter for parameter, default in parameters.items() if default is _NEEDED and parameter not in given]
    if unknown or missing or named.keys() & set([*parameters][: len(positional)]):
        raise ValueError(f"module {name!r} must be {kind}({_SIGNATURES[kind]})")
    return Call(name, kind, {**parameters, **given})


# ---- A network ------------------------------------------------------------------------------------------------------


def calls_in_network(network: Any, prefix: str = "") -> Iterator[Call]:
    """Yield the modules of a ``torch.nn.Sequential``, those inside others in their places."""
    kind, module = type(network).__name__, type(network).__module__
    name = prefix.removesuffix(".")
    if not module.startswith("torch.nn."):
        known = class_of(network)
        if known is None:
            raise NotImplementedError(
                f"{f'module {name!r}' if name else 'the network'} is of class {module}.{kind}: only a torch.nn.Sequential of "
                "PyTorch's own modules tells what it computes, and of the classes in the code that fastnet writes"
            )
        kind = known
    if kind == "Residual":
        rows = {part: [*calls_in_network(getattr(network, part), f"{prefix}{part}.")] for part in _RESIDUAL}
        yield Call(name, kind, rows)
        return
    if kind == "Permute":
        dims = getattr(network, "dims", ())
        yield Call(name, kind, {"dims": tuple(dims) if isinstance(dims, tuple | list) else (dims,)})
        return
    if kind == "Sequential":
        for child, inner in network.named_children():
            yield from calls_in_network(inner, f"{prefix}{child}.")
        return
    named = {}
    for parameter, default in _parameters(kind).items() if kind in _SIGNATURES else ():
        value = getattr(network, parameter, default)
        value = value if parameter != "bias" else value is not None  # there it is the tensor
        named[parameter] = tuple(value) if isinstance(value, list | tuple) else value
    yield _call(name, kind, [], named)


# ---- Code -----------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"\s*(?:(-?[0-9][0-9.]*(?:e[-+]?[0-9]+)?)|([A-Za-z_][A-Za-z_0-9.]*)|'([^'\\\n]*)'|\"([^\"\\\n]*)\"|([(),=\[\]]))"
)
_RESIDUAL = ("body", "shortcut")  # its parameters
_CONSTANTS = {"True": True, "False": False, "None": None}


def calls_in_code(code: str) -> list[Call]:
    """Return the modules in the code of a ``torch.nn.Sequential``.

    Raises
    ------
    ValueError, NotImplementedError
        It is not such code; the message has the part that is not understood.

    Examples
    --------
    >>> from fastnet.interchange.torch.calls import calls_in_code
    >>> [str(call) for call in calls_in_code("nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU())")]
    ["module '0', Conv2d", "module '1', ReLU"]
    """
    if len(code) > _LONGEST:
        raise ValueError(f"code has {len(code)} characters; {_LONGEST} are read")
    expression, defined = without_classes(code)
    made = parse(re.sub(r"\)\s*\.(double|float|eval)\(\)\s*$", ")", expression))
    if not isinstance(made, _Made) or made.kind != "Sequential":
        raise ValueError(f"code must be that of a torch.nn.Sequential; got {describe(code)}")
    return [*_calls_of(made, "", defined)]


def parse(text: str) -> Any:
    """Return the value of an expression that is a constant, a tuple or a call that makes a module."""
    reader = _Parser(text)
    value = reader.value(0)
    reader.end()
    return value


@dataclass(frozen=True)
class _Made:
    """A call of a class, with the values of its arguments."""

    kind: str
    positional: list[Any]
    named: dict[str, Any]


def _calls_of(made: _Made, prefix: str, defined: Collection[str]) -> Iterator[Call]:
    """Yield the modules of a ``Sequential``, where code defines some of `CLASSES`."""
    for number, inner in enumerate(made.positional):
        if not isinstance(inner, _Made):
            raise ValueError(f"torch.nn.Sequential must have modules; got {describe(inner)}")
        yield from _calls_of_module(inner, f"{prefix}{number}", defined)
    if made.named:
        raise ValueError(f"torch.nn.Sequential takes modules; got {', '.join(made.named)}")


def _calls_of_module(made: _Made, name: str, defined: Collection[str]) -> Iterator[Call]:
    if made.kind == "Sequential":
        yield from _calls_of(made, f"{name}.", defined)
    elif made.kind in CLASSES and made.kind not in defined:
        raise NotImplementedError(
            f"module {name!r} is a {made.kind}, which the code must define in front as fastnet.interchange.state_dict.torch_code does"
        )
    elif made.kind == "Residual":
        yield _block(made, name, defined)
    else:
        yield _call(name, made.kind, made.positional, made.named)


def _block(made: _Made, name: str, defined: Collection[str]) -> Call:
    given = {**dict(zip(_RESIDUAL, made.positional, strict=False)), **made.named}
    parts = {part: given.get(part) for part in _RESIDUAL}
    wrong = len(made.positional) + len(made.named) > len(given) or given.keys() - parts.keys()
    if wrong or not isinstance(parts["body"], _Made) or not isinstance(parts["shortcut"], _Made | None):
        raise ValueError(f"module {name!r} must be Residual(body, shortcut=None) of modules")
    rows = {part: inner and [*_calls_of_module(inner, f"{name}.{part}", defined)] for part, inner in parts.items()}
    return Call(name, "Residual", {part: row or [] for part, row in rows.items()})


def _constant(text: str) -> Any:
    return _Parser(text).value(0)


class _Parser:
    """Reads an expression, from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def value(self, depth: int) -> Any:
        """Return the value that comes next."""
        if depth > _DEEPEST:
            raise ValueError(f"code has brackets nested deeper than {_DEEPEST}")
        start = self._at
        number, name, single, double, mark = self._next()
        if number is not None:
            return float(number) if re.search("[.e]", number) else int(number)
        if single is not None or double is not None:
            return single if single is not None else double
        if mark in ("(", "["):
            values, named = self._values(")" if mark == "(" else "]", depth)
            alone = mark == "(" and len(values) == 1 and not re.search(r",\s*\)$", self._text[self._at - 20 : self._at])
            if not named:
                return values[0] if alone else tuple(values)
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if name is not None and self._takes("("):
            positional, named = self._values(")", depth)
            if name == "float" and positional in (["-inf"], ["inf"]):
                return float(positional[0])
            return _Made(name.rpartition(".")[2], positional, named)
        raise self._wrong(start)

    def end(self) -> None:
        """Refuse more text."""
        if self._text[self._at :].strip():
            raise self._wrong(self._at)

    def _values(self, close: str, depth: int) -> tuple[list[Any], dict[str, Any]]:
        """Return the values up to a bracket, and those with names."""
        values: list[Any] = []
        named: dict[str, Any] = {}
        while not self._takes(close):
            keyword = re.compile(r"\s*([A-Za-z_]+)\s*=").match(self._text, self._at)
            if keyword:
                self._at = keyword.end()
                named[keyword[1]] = self.value(depth + 1)
            elif named:
                raise self._wrong(self._at)
            else:
                values.append(self.value(depth + 1))
            if not self._takes(","):
                if not self._takes(close):
                    raise self._wrong(self._at)
                break
        return values, named

    def _takes(self, mark: str) -> bool:
        """Go past a mark, if it comes next."""
        found = _TOKEN.match(self._text, self._at)
        if found is None or found[5] != mark:
            return False
        self._at = found.end()
        return True

    def _next(self) -> tuple[str | None, ...]:
        found = _TOKEN.match(self._text, self._at)
        if found is None:
            raise self._wrong(self._at)
        self._at = found.end()
        return found.groups()

    def _wrong(self, at: int) -> ValueError:
        return ValueError(f"code is not understood at {self._text[at : at + 40].strip()!r}")
