"""The graph of a backward pass: its numbers, the chain rule at each, and the picture."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fastnet.files.atomic import atomic_write
from fastnet.plotting.boxes import Box, picture

Chain = list[str]  # values that stand below each other

_BY_ROW = ("softmax", "log_softmax")


class Value(NamedTuple):
    """A number of the graph.

    Attributes
    ----------
    value : float
    gradient : float or None
        The derivative of the loss with respect to it; None for a target.
    kind : {"input", "parameter", "product", "sum", "activation", "target", "loss"}
    operation : str
        The operation that makes it from its parents, empty for a leaf.
    parents : tuple of str
        The names of the operands.
    """

    value: float
    gradient: float | None
    kind: str
    operation: str
    parents: tuple[str, ...]


class BackpropagationGraph:
    """One backward pass, drawn by `fastnet.plotting.plot_backpropagation`: notebooks show it as a picture.

    Attributes
    ----------
    values : dict from str to float
        The number of each name in the picture, with ``*`` for products: "x1", "w1", "w1*x1", "b1", "z1", "h1", "o1", "y", "L".
    gradients : dict from str to float
        The gradient of the loss with respect to each of them; targets have none.
    svg : str
        The picture.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(1, use_bias=False, input_shape=(2,))])
    >>> model.set_weights([[[1.0], [2.0]]])
    >>> model.compile("sgd", "mse")
    >>> graph = fn.plotting.plot_backpropagation(model, [3.0, 4.0], 10.0)
    >>> graph.values["o1"], graph.gradients["o1"], graph.gradients["w2"]
    (11.0, 2.0, 8.0)
    """

    def __init__(self, numbers: Mapping[str, Value], columns: Sequence[Sequence[Chain]], title: str) -> None:
        self._numbers, self._title = dict(numbers), title
        self.values = {name: number.value for name, number in numbers.items()}
        self.gradients = {name: number.gradient for name, number in numbers.items() if number.gradient is not None}
        boxes = {name: self._box(name) for name in numbers}
        edges = [(parent, name) for name, number in numbers.items() for parent in number.parents]
        self.svg = picture(boxes, columns, edges, title, f"{title}, as a table: {'; '.join(self._sentences())}.")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the picture to a file of SVG.

        Raises
        ------
        ValueError
            The name does not end in .svg.
        """
        if Path(path).suffix.lower() != ".svg":
            raise ValueError(f"path must end in .svg, the format of the picture; got {os.fspath(path)!r}")
        with atomic_write(path) as file:
            file.write(self.svg.encode())

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<BackpropagationGraph: {self._title}, {len(self._numbers)} values>"

    def __str__(self) -> str:
        width = max(map(len, self._numbers)) + 2
        rows = [("name", "value", "gradient")]
        rows += [(name, shown(one.value), shown(one.gradient)) for name, one in self._numbers.items()]
        return "\n".join(f"{name:{width}}{value:>12}{gradient:>12}".rstrip() for name, value, gradient in rows)

    def _box(self, name: str) -> Box:
        number = self._numbers[name]
        texts = (name, number.operation, shown(number.value), shown(number.gradient))
        return Box(*texts, number.kind, f"{self._sentence(name)}. {self._rule(name)}".strip())

    def _sentences(self) -> Iterator[str]:
        return map(self._sentence, self._numbers)

    def _sentence(self, name: str) -> str:
        number = self._numbers[name]
        gradient = "" if number.gradient is None else f", gradient {shown(number.gradient)}"
        return f"{name} is {shown(number.value)}{gradient}"

    def _rule(self, name: str) -> str:
        """Return the step of the chain rule that gives the gradient of a value, in symbols and in numbers."""
        number = self._numbers[name]
        if number.gradient is None or not (users := self._users(name)):
            return ""
        symbols, figures = zip(*(self._term(name, user) for user in users), strict=True)
        sums = [" + ".join(symbols), *([" + ".join(figures)] if all(figures) else []), shown(number.gradient)]
        return " = ".join([f"dL/d{_operand(name)}", *dict.fromkeys(sums)])

    def _users(self, name: str) -> list[str]:
        return [user for user, number in self._numbers.items() if name in number.parents]

    def _term(self, name: str, user: str) -> tuple[str, str]:
        """Return what one use of a value adds to its gradient; the numbers are empty where they are not in the graph."""
        number = self._numbers[user]
        by_user = f"dL/d{_operand(user)}"
        if number.kind == "loss":
            return f"the derivative of {number.operation}", ""
        if number.operation == "+":
            return by_user, shown(number.gradient)
        if number.kind == "product":
            (factor,) = (parent for parent in number.parents if parent != name)
            return f"{factor} * {by_user}", f"{_factor(self._numbers[factor].value)} * {_factor(number.gradient)}"
        if number.operation in _BY_ROW:
            return f"d{user}/d{name} * {by_user}", ""
        return f"{number.operation}'({name}) * {by_user}", ""


def _operand(name: str) -> str:
    return f"({name})" if "*" in name else name


def _factor(number: float | None) -> str:
    return f"({shown(number)})" if number is not None and number < 0 else shown(number)


def shown(number: float | None) -> str:
    """Return a number with four significant digits, empty for None."""
    return "" if number is None else f"{number:.4g}"
