"""Training from the arguments of ``fastnet train``, shared by `train` and `verify`."""

import argparse
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from fastnet import optimizers, schedules
from fastnet.callbacks import Callback, EarlyStopping
from fastnet.cli._networks import hidden_layers, input_shape, text_of
from fastnet.cli._output import shortened
from fastnet.cli._parts import Parts
from fastnet.cli._scaling import StandardizedRows, Unit, scaling, unit_of
from fastnet.datasets import Dataset, StoredDataset
from fastnet.exceptions import NonFiniteLossWarning
from fastnet.layers import Dense, Input, Layer
from fastnet.models import Sequential, ensemble
from fastnet.support.text import did_you_mean
from fastnet.training.receipt import MOST_RUNS, Receipt

__all__ = ["averaged", "fit", "in_unit_of_targets", "make_model", "means", "networks_of"]

LAST_LEARNING_RATE = 0.01  # relative to the first
# The factor of the learning rate after a fraction of the training; it falls to LAST_LEARNING_RATE where this is 0.
FACTORS: dict[str, Callable[[float], float]] = {
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
    "constant": lambda done: 1.0,  # noqa: ARG005
}


# ---- Model ----------------------------------------------------------------------------------------------------------


def networks_of(arguments: argparse.Namespace) -> list[argparse.Namespace]:
    """Return the arguments of each network of an ensemble, whose seeds count up from --seed; of a single one otherwise."""
    given = vars(arguments)
    return [argparse.Namespace(**{**given, "seed": arguments.seed + i}) for i in range(arguments.ensemble or 1)]


def make_model(arguments: argparse.Namespace, parts: Parts) -> Sequential:
    """Return the compiled model for the data: scaling, hidden layers, and softmax or, for a regression, linear outputs.

    Raises
    ------
    ValueError
        The layers do not fit the samples.
    """
    data = parts.sample
    shape = input_shape(arguments, data)
    inner: list[Layer] = [*scaling(data, arguments.dtype), *hidden_layers(arguments)]
    try:
        model = Sequential([Input(shape), *inner, _output_layer(data)], seed=arguments.seed, dtype=arguments.dtype)
    except ValueError as error:
        sizes = " x ".join(map(str, shape))
        raise ValueError(f"the layers {text_of(arguments)} do not fit samples of {sizes}: {error}") from error
    _compile(model, arguments, parts)
    model.class_names, model.feature_names = data.class_names, data.feature_names
    model._receipt.label = None if data.label is None else asdict(data.label)
    model._receipt.id = arguments.id
    if arguments.separator or arguments.decimal:
        model._receipt.dialect = {"separator": arguments.separator, "decimal": arguments.decimal}
    return model


def _output_layer(data: Dataset) -> Dense:
    if data.is_regression:
        return Dense(data.y.shape[1] if data.y is not None and data.y.ndim > 1 else 1)
    return Dense(data.n_classes, "softmax")


def _compile(model: Sequential, arguments: argparse.Namespace, parts: Parts) -> None:
    rate: Any = arguments.lr
    if arguments.schedule == "one-cycle":
        steps = arguments.epochs * math.ceil(len(parts.training) / arguments.batch_size)
        rate = schedules.OneCycle(arguments.lr, steps)
    options = {"momentum": arguments.momentum, "weight_decay": arguments.weight_decay}
    optimizer = optimizers.deserialize(
        {
            "class_name": arguments.optimizer,
            "config": {"learning_rate": rate, **{name: value for name, value in options.items() if value}},
        }
    )
    if parts.are_numbers:
        model.compile(optimizer, loss="mse")
    else:
        model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])


class Decay(Callback):
    """Lower the learning rate from epoch to epoch, so that the weights converge.

    Parameters
    ----------
    factor : callable
        The factor of the first learning rate after a fraction of the training.
    """

    state_names = ("_first",)

    def __init__(self, factor: Callable[[float], float]) -> None:
        super().__init__()
        self._factor = factor

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._first = self.model.optimizer.learning_rate

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        done = epoch / max(self.params["epochs"] - 1, 1)
        self.model.optimizer.learning_rate = self._first * (
            LAST_LEARNING_RATE + (1 - LAST_LEARNING_RATE) * self._factor(done)
        )

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self.model.optimizer.learning_rate = self._first


# ---- Training -------------------------------------------------------------------------------------------------------


def fit(model: Sequential, parts: Parts, arguments: argparse.Namespace, callbacks: Sequence[Callback]) -> None:
    """Train the model for the epochs of the arguments; Ctrl-C ends it early, as in `Sequential.fit`.

    The model learns the targets of a regression in the unit of `unit_of`.
    """
    unit = unit_of(parts.sample) if parts.are_numbers else None
    shape = (-1, *(model.input_shape or ()))
    x, y = _samples(parts.training, shape, unit)
    validation = None if parts.validation is None else _samples(parts.validation, shape, unit)
    own: list[Callback] = [] if arguments.schedule == "one-cycle" else [Decay(FACTORS[arguments.schedule])]
    if arguments.early_stopping:
        own.append(EarlyStopping(patience=arguments.early_stopping, restore_best_weights=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NonFiniteLossWarning)  # the progress callback reports it and ends training
        model.fit(
            x,
            y,
            batch_size=arguments.batch_size,
            epochs=arguments.epochs,
            verbose=0,
            validation_data=validation,
            callbacks=[*own, *callbacks],
            class_weight=_class_weight(arguments.class_weight, parts.sample),
        )


def _samples(data: Dataset | StoredDataset, shape: tuple[int, ...], unit: Unit | None) -> tuple[Any, Any]:
    """Return samples and targets for `fit`; data on the disk have both in one."""
    if isinstance(data, StoredDataset):
        if unit is not None and data.y_rows is not None:
            data = data.with_targets(StandardizedRows(data.y_rows, unit))
        return data.reshaped(shape[1:]), None
    assert data.y is not None
    return data.x.reshape(shape), data.y if unit is None else unit.of(data.y)


def averaged(models: Sequence[Sequential]) -> Sequential | None:
    """Return the model that averages trained networks, a single one as it is; None without any."""
    if len(models) < 2:
        return models[0] if models else None
    model = ensemble(models)
    receipts = [one.receipt or {} for one in models]
    runs = [run for receipt in receipts for run in receipt["runs"]]
    model._receipt = Receipt.from_dict({**receipts[0], "initial_weights": None, "runs": runs[-MOST_RUNS:]})
    return model


def means(figures: Sequence[dict[str, list[float]]]) -> dict[str, list[float]]:
    """Return the figures of every epoch, averaged over networks, for the epochs that all networks have."""
    names = figures[0] if figures else {}
    return {
        name: [sum(values) / len(figures) for values in zip(*(one[name] for one in figures), strict=False)]
        for name in names
    }


def in_unit_of_targets(model: Sequential, parts: Parts) -> None:
    """Let a trained model predict in the unit of the targets, and compile it with metrics for its later use."""
    if parts.are_numbers:
        unit_of(parts.sample).restore(model)
        model.compile(model.optimizer, loss="mse", metrics=["mae", "r2_score"])


def _class_weight(given: str | None, data: Dataset) -> dict[int, float] | None:
    """Return the weight of each class by its code.

    Raises
    ------
    ValueError
        A name is not that of a class.
    """
    if given is None:
        return None
    assert data.y is not None
    names = data.class_names or []
    if given == "balanced":
        counts = np.bincount(data.y, minlength=len(names))
        return {code: len(data) / (len(names) * count) for code, count in enumerate(counts.tolist()) if count}
    weights = dict(pair.rsplit("=", 1) for pair in given.split(","))
    if unknown := [name for name in weights if name not in names]:
        raise ValueError(
            f"--class-weight {unknown[0]}=...: {data.name} has no class {unknown[0]!r}; its classes are "
            f"{shortened(names)}{did_you_mean(unknown[0], names)}"
        )
    return {names.index(name): float(weight) for name, weight in weights.items()}
