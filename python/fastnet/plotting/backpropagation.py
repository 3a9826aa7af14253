"""One backward pass of a small network as a graph of numbers: every value, and the gradient of the loss with respect to it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.inputs.samples import as_array
from fastnet.layers import Activation, Dense, Layer, ReLU
from fastnet.layers.functions import ActivationFunction
from fastnet.network.layered import Layered
from fastnet.plotting.graphs import BackpropagationGraph, Chain, Value
from fastnet.plotting.models import Differentiable
from fastnet.support.attributes import own_class
from fastnet.support.figures import printable
from fastnet.support.validation import describe

__all__ = ["BackpropagationGraph", "plot_backpropagation"]

_DIVIDING = ("categorical_crossentropy", "sparse_categorical_crossentropy")
_MOST_VALUES = 160  # of a graph, beyond which nobody reads it
Array = NDArray[np.float64]


def plot_backpropagation(model: Differentiable, x: ArrayLike, y: ArrayLike) -> BackpropagationGraph:
    """Draw one forward and one backward pass of a small network for one sample.

    Each number has a box: inputs, weights, products, sums, activations and the loss L, with its value and, below, the
    gradient dL/d(number). Weights (w), biases (b), sums (z), hidden units (h) and outputs (o) are numbered unit by unit, from
    the first layer on. Pointing at a box shows the step of the chain rule that gives its gradient.

    Parameters
    ----------
    model : Sequential
        A compiled model of `Dense` layers and activations, whose graph has at most 160 values.
    x : array_like, shape (features,) or (1, features)
        The sample.
    y : array_like, shape (), (1,), (outputs,) or (1, outputs)
        Its target, as for `fastnet.Sequential.fit`.

    Returns
    -------
    BackpropagationGraph
        A picture in SVG, which notebooks show. It has the numbers as ``values`` and ``gradients``, two dictionaries;
        ``print`` shows them as a table, and ``save("graph.svg")`` writes the picture.

    Raises
    ------
    TypeError
        The model has a layer that is neither `Dense` nor an activation.
    ValueError
        The model is not compiled, too large, or has regularizers, whose penalties are not in the graph; `x` is not one
        sample, or `y` not its target.

    See Also
    --------
    fastnet.Sequential.loss_and_gradients : The gradients of all weights for many samples.

    Notes
    -----
    Everything is computed in float64 by fastnet's own forward and backward passes, as in `fastnet.Sequential.predict`:
    values of a model of another dtype may differ in the last digits. A loss after softmax or sigmoid has the gradient of both
    together, which does not overflow. The gradient of cross-entropy with respect to probabilities is -y / p.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(1, "tanh", input_shape=(1,))])
    >>> model.set_weights([[[0.5]], [0.0]])
    >>> model.compile("sgd", "mse")
    >>> graph = fn.plotting.plot_backpropagation(model, [2.0], 1.0)
    >>> print(graph)
    name          value    gradient
    x1                2     -0.1001
    w1              0.5     -0.4005
    w1*x1             1     -0.2002
    b1                0     -0.2002
    z1                1     -0.2002
    o1           0.7616     -0.4768
    y                 1
    L           0.05684           1
    >>> round(graph.gradients["w1"], 6)
    -0.400497
    """
    if not isinstance(model, Layered):
        raise TypeError(f"model must be a Sequential; got {describe(model)}")
    if getattr(model, "loss", None) is None:
        raise ValueError("call compile(optimizer, loss) before plot_backpropagation()")
    _check_layers(model)
    sample, target = _row("x", "one sample", x), _row("y", "the target of one sample", y)
    model.activations(sample)  # builds the model, and refuses samples of another shape
    steps = _steps_of(model)
    _check_size(steps, sample.shape[1], target.size)
    return _Recorder(model, steps, sample, target).graph()


def _row(name: str, what: str, given: Any) -> NDArray[Any]:
    """Return a sample, or its target, as a row."""
    array = as_array(name, given)
    row = array if array.ndim == 2 else array.reshape(1, -1)
    if array.ndim > 2 or len(row) != 1:
        raise ValueError(f"{name} must be {what}; got shape {array.shape}: of several, give {name}[0]")
    return row


class _Step:
    """A part of a layer that the graph has numbers for: the sums of a `Dense`, or an activation."""

    def __init__(self, function: ActivationFunction | None, weights: Sequence[Array] = ()) -> None:
        self.function = function  # None for the sums
        self.weights = [np.asarray(array, np.float64) for array in weights]

    def layer(self) -> Layer:
        """Return a new layer that computes this alone."""
        if self.function is not None:
            return Activation(self.function.config)
        return Dense(self.weights[0].shape[1], use_bias=len(self.weights) > 1)

    @property
    def by_row(self) -> bool:
        """Whether each output depends on all inputs, as in softmax."""
        return self.function is not None and ACTIVATIONS[self.function.name].by_row


def _check_layers(model: Differentiable) -> None:
    """Refuse layers that are not drawn."""
    for layer in model.layers:
        if not isinstance(layer, Dense | Activation) or (isinstance(layer, ReLU) and layer.parts):
            raise TypeError(
                f"plot_backpropagation draws layers Dense and activations; {layer.name!r} is a {type(layer).__name__}"
            )
        if any(layer.regularizer(name) is not None for name in ("kernel", "bias")):
            raise ValueError(f"plot_backpropagation draws no penalties; layer {layer.name!r} has a regularizer")


def _steps_of(model: Differentiable) -> list[_Step]:
    """Return the steps of the layers."""
    steps = []
    for layer in model.layers:
        if isinstance(layer, Dense):
            steps.append(_Step(None, layer.get_weights()))
        if isinstance(layer, Dense | Activation) and layer.activation.name != "linear":
            steps.append(_Step(layer.activation))
    return steps


def _check_size(steps: Sequence[_Step], inputs: int, targets: int) -> None:
    """Refuse a network whose graph nobody could read."""
    units, values = inputs, inputs + targets + 1
    for step in steps:
        if step.function is None:
            units = step.weights[0].shape[1]
            values += 2 * step.weights[0].size + units * len(step.weights)
        else:
            values += units
    if values > _MOST_VALUES:
        raise ValueError(
            f"plot_backpropagation draws graphs of at most {_MOST_VALUES} values; that of this model has {values:,}: "
            "take fewer features and units, such as 3-4-2"
        )


class _Recorder:
    """The numbers of one forward and one backward pass, collected column by column."""

    def __init__(self, model: Differentiable, steps: list[_Step], sample: NDArray[Any], target: NDArray[Any]) -> None:
        self._kind: Any = own_class(type(model))
        self._loss: Any = model.loss
        self._steps, self._target = steps, target
        self._rows: list[Array] = [sample.astype(np.float64)]
        for step in steps:
            self._rows.append(self._network([step], self._rows[-1]).predict(self._rows[-1]))
        self._gradients = [self._gradient(number) for number in range(len(self._rows))]
        self._values: dict[str, Value] = {}
        self._columns: list[list[Chain]] = []
        self._counts = dict.fromkeys("wbzh", 0)

    def _network(self, steps: Sequence[_Step], row: Array) -> Any:
        """Return a network of some steps; of none, it is the identity."""
        network = self._kind([step.layer() for step in steps] or [Activation("linear")], dtype="float64")
        network.build((row.shape[1],))
        network.set_weights([array for step in steps for array in step.weights])
        network.compile("sgd", self._loss)
        return network

    def _gradient(self, number: int) -> Array:
        """Return the gradient of the loss with respect to a row: the backward pass of the steps after it."""
        row, is_output = self._rows[number], number == len(self._steps)
        gradient: Array = self._network(self._steps[number:], row).input_gradients(row, self._target)[0]
        if is_output and self._steps and self._steps[-1].by_row and self._loss.identifier in _DIVIDING:
            # The loss divides by the sum of the outputs, which is 1 here: the derivative of that is left out.
            gradient = gradient - (self._target.sum() if self._target.shape == row.shape else 1.0)
        return gradient

    def graph(self) -> BackpropagationGraph:
        """Return the graph."""
        names = [f"x{number}" for number in range(1, self._rows[0].shape[1] + 1)]
        self._add_row(names, 0, "input", "", [()] * len(names))
        self._columns.append([[name] for name in names])
        for number, step in enumerate(self._steps, 1):
            unit_names = self._names_of_units(number)
            if step.function is None:
                self._add_products(step.weights[0], names, number)
                self._add_sums(step, unit_names, number)
            else:
                self._add_activations(step, names, unit_names, number)
            names = unit_names
        self._add_loss(names)
        sizes = [self._rows[0].shape[1], *(step.weights[0].shape[1] for step in self._steps if step.weights)]
        return BackpropagationGraph(
            self._values, self._columns, f"Backpropagation in a {'-'.join(map(str, sizes))} network"
        )

    def _next(self, letter: str) -> str:
        self._counts[letter] += 1
        return f"{letter}{self._counts[letter]}"

    def _names_of_units(self, number: int) -> list[str]:
        """Return the names of a row: outputs, sums before an activation, or hidden units."""
        units = self._rows[number].shape[1]
        if number == len(self._steps):
            return [f"o{unit}" for unit in range(1, units + 1)]
        is_sum = not self._steps[number - 1].function and self._steps[number].function
        return [self._next("z" if is_sum else "h") for _ in range(units)]

    def _add(self, name: str, value: float, gradient: float | None, *facts: Any) -> str:
        self._values[name] = Value(value + 0.0, None if gradient is None else gradient + 0.0, *facts)  # no -0.0
        return name

    def _add_row(self, names: list[str], number: int, kind: str, operation: str, parents: Sequence[Any]) -> None:
        """Add the values of a row."""
        for name, of, value, gradient in zip(
            names, parents, self._rows[number][0], self._gradients[number], strict=True
        ):
            self._add(name, float(value), float(gradient), kind, operation, tuple(of))

    def _add_products(self, kernel: Array, inputs: list[str], number: int) -> None:
        """Add a column of weights, each above its product with an input, unit by unit."""
        column: list[Chain] = []
        for unit, by_sum in enumerate(self._gradients[number]):
            for name, value, weight in zip(inputs, self._rows[number - 1][0], kernel[:, unit], strict=True):
                weight_name = self._next("w")
                self._add(weight_name, float(weight), float(by_sum * value), "parameter", "", ())
                product = f"{weight_name}*{name}"
                self._add(
                    product,
                    float(weight * value),
                    float(by_sum),
                    "product",
                    "\N{MULTIPLICATION SIGN}",
                    (weight_name, name),
                )
                column.append([weight_name, product])
        self._columns.append(column)

    def _add_sums(self, step: _Step, names: list[str], number: int) -> None:
        """Add a column of biases, each above the sum of its unit."""
        chains = self._columns[-1]
        products = [chain[-1] for chain in chains]
        inputs = len(products) // len(names)
        biases: list[tuple[str, ...]] = [()] * len(names)
        if len(step.weights) > 1:
            biases = [
                (self._add(self._next("b"), float(value), float(gradient), "parameter", "", ()),)
                for value, gradient in zip(step.weights[1], self._gradients[number], strict=True)
            ]
        parents = [(*products[unit * inputs :][:inputs], *biases[unit]) for unit in range(len(names))]
        self._add_row(names, number, "sum", "+", parents)
        self._columns.append([[*bias, name] for bias, name in zip(biases, names, strict=True)])

    def _add_activations(self, step: _Step, inputs: list[str], names: list[str], number: int) -> None:
        """Add activations below their inputs, or in a column of their own where each depends on all inputs."""
        assert step.function is not None
        if step.by_row:
            self._add_row(names, number, "activation", step.function.name, [inputs] * len(names))
            self._columns.append([[name] for name in names])
        else:
            self._add_row(names, number, "activation", step.function.name, [(name,) for name in inputs])
            for chain, name in zip(self._columns[-1], names, strict=True):
                chain.append(name)

    def _add_loss(self, outputs: list[str]) -> None:
        """Add the targets above the loss."""
        targets = self._target.reshape(-1)
        names = ["y"] if len(targets) == 1 else [f"y{number}" for number in range(1, len(targets) + 1)]
        for name, target in zip(names, targets, strict=True):
            self._add(name, float(target), None, "target", "", ())
        row = self._rows[-1]
        value = self._network([], row).evaluate(row, self._target, verbose=0)
        is_custom = self._loss.identifier == "custom"
        loss_name = printable(self._loss.name, 40) if is_custom else self._loss.identifier
        self._add("L", float(value), 1.0, "loss", loss_name, (*outputs, *names))
        self._columns.append([[*names, "L"]])
