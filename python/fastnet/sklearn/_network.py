"""The compiled network behind an estimator: a `Sequential` whose parameters are the estimator's own arrays."""

import itertools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.layers import Activation, BatchNormalization, Dense, Dropout, Layer
from fastnet.layers.functions import get_activation
from fastnet.layers.weights import Network
from fastnet.losses import Loss
from fastnet.models import Sequential
from fastnet.optimizers import Optimizer

Array = NDArray[Any]

_ALIASES = {"identity": "linear", "logistic": "sigmoid", "exp": "exponential"}  # scikit-learn's names


def activation_name(name: str) -> str:
    """Return the fastnet name of an activation, also given by scikit-learn's name."""
    return _ALIASES.get(name, name)


class CanonicalLoss(Loss):
    """A loss of scikit-learn. Its gradient with respect to the last pre-activations is prediction minus target.

    Parameters
    ----------
    core_name : str
        Its name in the core.
    nearest : str
        The closest loss of `fastnet.losses`, for model files.
    settings : tuple of float
        The per-loss settings for the core.
    takes_labels : bool
        Whether targets are labels.
    """

    identifier = "canonical"

    def __init__(
        self, core_name: str, nearest: str, settings: tuple[float, ...] = (), takes_labels: bool = False
    ) -> None:
        super().__init__("mean_with_sample_weight", core_name)
        vars(self).update(core_name=core_name, takes_labels=takes_labels)
        self.nearest = nearest
        self._settings = settings

    @property
    def identifier_or_config(self) -> str:
        return self.nearest

    @property
    def settings(self) -> tuple[float, ...]:
        return self._settings


def loss_of(loss: str, out_activation: str, dtype: np.dtype[Any]) -> CanonicalLoss:
    """Return scikit-learn's loss for the activation of the outputs.

    Its cross-entropies clip probabilities to the resolution of `dtype`.
    """
    eps = float(np.finfo(dtype).eps)
    if out_activation == "softmax":
        return CanonicalLoss("categorical_crossentropy", "sparse_categorical_crossentropy", (eps,), takes_labels=True)
    if out_activation == "logistic":
        return CanonicalLoss("binary_crossentropy", "binary_crossentropy", (eps, 1.0))
    if loss == "poisson":
        return CanonicalLoss("half_poisson_deviance", "poisson")
    return CanonicalLoss("half_squared_error", "mse")


def units_of(coefs: Sequence[Array], intercepts: Sequence[Array], inputs: int, outputs: int) -> tuple[int, ...]:
    """Return the units of the input and of all layers.

    Raises
    ------
    ValueError
        The arrays are not the kernels and biases of a network with these numbers of inputs and outputs.
    """
    if isinstance(coefs, list | tuple) and isinstance(intercepts, list | tuple):
        kernels, biases = [np.shape(array) for array in coefs], [np.shape(array) for array in intercepts]
        units = (inputs, *(shape[-1] if shape else 0 for shape in biases))
        expected = list(itertools.pairwise(units)), [(size,) for size in units[1:]]
        if len(units) > 1 and (kernels, biases) == expected and units[-1] == outputs:
            return units
        got = f"got coefs_ of shapes {kernels} and intercepts_ of shapes {biases}"
    else:
        got = f"got {type(coefs).__name__} and {type(intercepts).__name__}"
    raise ValueError(
        "coefs_ and intercepts_ must be lists of arrays of shapes (inputs, units) and (units,) for each layer, from "
        f"{inputs} inputs to {outputs} outputs; {got}"
    )


@dataclass(frozen=True)
class Architecture:
    """Architecture of a network; `units` are those of the input and of all layers."""

    units: tuple[int, ...]
    activations: tuple[str, ...]  # of the hidden layers
    out_activation: str
    dtype: str
    dropout: tuple[float, ...]
    batch_norm: bool

    def layers(self) -> list[Layer]:
        """Return new layers."""
        layers: list[Layer] = []
        for units, name, rate in zip(self.units[1:-1], self.activations, self.dropout, strict=True):
            activation = get_activation(activation_name(name))
            if self.batch_norm:
                layers += [Dense(units), BatchNormalization(), Activation(activation)]
            else:
                layers.append(Dense(units, activation=activation))
            if rate:
                layers.append(Dropout(rate))
        return [*layers, Dense(self.units[-1], activation=activation_name(self.out_activation))]


def _same(given: Any, own: Sequence[Array]) -> bool:
    """Return whether two lists or tuples contain identical array objects."""
    return isinstance(given, list | tuple) and len(given) == len(own) and all(map(operator.is_, given, own))


class LiveNetwork:
    """A network and views of its parameters.

    Parameters
    ----------
    architecture : Architecture

    Attributes
    ----------
    model : Sequential
    chosen : tuple
        The parameters of the estimator at the last comparison with the architecture.
    coefs, intercepts : list of ndarray
        The kernels and the biases themselves, not copies.
    norms : list of list of ndarray
        Gamma, beta, moving mean and moving variance of each hidden layer with batch normalization.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self.chosen: tuple[Any, ...] = ()
        self.model = Sequential(architecture.layers(), dtype=architecture.dtype)
        self.model._build((architecture.units[0],), draw=False)
        self.coefs: list[Array] = []
        self.intercepts: list[Array] = []
        self.norms: list[list[Array]] = []
        self._kernels: list[tuple[int, int]] = []
        values = self.network.values
        for layer in self.model.layers:
            slots = layer._built_weights().slots
            arrays = [values[slot.offset : slot.offset + slot.size].reshape(slot.shape) for slot in slots]
            if isinstance(layer, Dense):
                self.coefs.append(arrays[0])
                self.intercepts.append(arrays[1])
                self._kernels.append((slots[0].offset, slots[0].size))
            elif isinstance(layer, BatchNormalization):
                self.norms.append(arrays)

    @property
    def network(self) -> Network:
        """The compiled network."""
        assert self.model._network is not None
        return self.model._network

    def holds(self, coefs: Sequence[Array], intercepts: Sequence[Array], norms: Sequence[Sequence[Array]]) -> bool:
        """Return whether the arrays are those of the network."""
        return (
            _same(coefs, self.coefs)
            and _same(intercepts, self.intercepts)
            and len(norms) == len(self.norms)
            and all(map(_same, norms, self.norms))
        )

    def load(self, coefs: Sequence[Array], intercepts: Sequence[Array], norms: Sequence[Sequence[Array]]) -> None:
        """Copy the arrays into the network; if one does not fit, copy none."""
        if [np.shape(array) for norm in norms for array in norm] != [own.shape for norm in self.norms for own in norm]:
            raise ValueError(
                "batch_norms_ must have gamma, beta, moving mean and moving variance, of shape (units,), for each hidden layer"
            )
        given = [*coefs, *intercepts, *(array for norm in norms for array in norm)]
        own = [*self.coefs, *self.intercepts, *(array for norm in self.norms for array in norm)]
        # Copies first: the given arrays may be those of the network in another order.
        pairs = [(other, np.array(one, other.dtype)) for one, other in zip(given, own, strict=True) if one is not other]
        for other, one in pairs:
            other[...] = one

    def compile(self, optimizer: Optimizer, loss: CanonicalLoss) -> None:
        """Configure training."""
        self.model.compile(optimizer, loss)
        self.model._trainable_network("fit", None)

    def penalize(self, alpha: float) -> None:
        """Set L2 penalties of ``alpha / 2 * sum(w**2)`` over all kernels, divided by the samples in a batch."""
        penalties = [(offset, size, 0.0, 0.5 * alpha) for offset, size in self._kernels] if alpha else []
        self.network.set_penalties(penalties, divided=True)
