"""Defaults of ``fastnet train`` that depend on the training data; docs/design/command-line.md has the measurements."""

import argparse
import math
from typing import Any

from fastnet.cli._arguments.layers import NETWORKS, dense_layers
from fastnet.cli._networks import HIDDEN
from fastnet.cli._parts import Parts
from fastnet.cli._scaling import dtype_for
from fastnet.datasets import Dataset

__all__ = ["resolved"]

# Chosen together with the epochs and the batch sizes.
LEARNING_RATES = {"adam": 3e-3, "rmsprop": 1e-3, "sgd": 0.1, "lion": 3e-4, "adagrad": 0.03}
OTHER_LEARNING_RATE = 3e-3  # of Adam and similar optimizers
MANY_ROWS, BATCH_SIZES = (
    10_000,
    (16, 128),
)  # below this number of rows, and from it on: small batches generalize better, large ones are faster
ROWS_TO_SHOW = 300_000
FEWEST_EPOCHS, MOST_EPOCHS = 5, 50
# Units of the dense layers for tables, below a number of rows. More units overfit few rows, and take longer.
SMALLER_NETWORKS = {1000: (64, 64), MANY_ROWS: (128, 64)}
# A Gaussian prior of the weights counts as much as a fixed number of rows, so weight decay falls with the rows. It
# does not depend on the number of steps: Adam's decay has the same equilibrium however long the training is.
DECAY_TIMES_ROWS, MOST_DECAY = 300.0, 0.5
DECAYED = ("adam", "adamw", "nadam", "adamax")  # whose decay is apart from the gradient


def resolved(arguments: argparse.Namespace, parts: Parts) -> argparse.Namespace:
    """Return the arguments with defaults filled in that depend on the training data.

    Raises
    ------
    ValueError
        Arguments are for classes, and the targets are numbers.
    """
    if arguments.class_weight and parts.are_numbers:
        raise ValueError(
            f"--class-weight is for classes; the targets of {parts.sample.name} are numbers (--task classification takes "
            "them as classes)"
        )
    rows = len(parts.training)
    layers = arguments.layers or NETWORKS.get(arguments.network)
    hidden = arguments.hidden
    if not layers and hidden is None:
        hidden = _hidden_for(parts.sample, rows)
    if not layers and (arguments.dropout or arguments.batch_norm):
        layers, hidden = dense_layers(hidden, batch_norm=arguments.batch_norm, dropout=arguments.dropout), None
    decay = min(DECAY_TIMES_ROWS / rows, MOST_DECAY) if arguments.optimizer in DECAYED else 0.0
    chosen: dict[str, Any] = {
        "dtype": dtype_for(parts.sample),
        "lr": LEARNING_RATES.get(arguments.optimizer, OTHER_LEARNING_RATE),
        "epochs": min(max(math.ceil(ROWS_TO_SHOW / rows), FEWEST_EPOCHS), MOST_EPOCHS),
        "batch_size": BATCH_SIZES[rows >= MANY_ROWS],
        "weight_decay": float(f"{decay:.2g}"),
        "task": "regression" if parts.are_numbers else "classification",
    }
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    # The layers stand for the network and what is added to it, so that they are recorded as they are in this version.
    as_layers = {"hidden": hidden, "layers": layers, "network": None, "dropout": None, "batch_norm": False}
    return argparse.Namespace(**{**vars(arguments), **chosen, **given, **as_layers})


def _hidden_for(data: Dataset, rows: int) -> tuple[int, ...]:
    if data.image_shape is not None:  # whose many columns tell little each
        return HIDDEN
    return next((units for most, units in SMALLER_NETWORKS.items() if rows < most), HIDDEN)
