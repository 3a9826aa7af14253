"""The lines of ``fastnet train`` about the data, the model and the result."""

import argparse
import sys
from pathlib import Path
from typing import Any

from fastnet.cli._data import source_name
from fastnet.cli._errors import RegressionResult
from fastnet.cli._output import describe_size, names_of_files, shortened
from fastnet.cli._parts import Parts
from fastnet.cli._report import Result
from fastnet.cli._terminal import styled
from fastnet.distributed.distribution import Distribution
from fastnet.models import Sequential
from fastnet.support.config import get_num_threads

__all__ = ["describe", "report", "training_facts"]


def describe(arguments: argparse.Namespace, parts: Parts, model: Sequential, ranks: Distribution | None) -> str:
    """Return lines about the data, the model and the ranks, printed before training."""
    data = parts.sample
    rows = [f"{len(parts.training):,} rows to train on"]
    if parts.validation is not None:
        rows.append(f"{len(parts.validation):,} held out")
    if parts.measured not in (parts.sample, parts.validation):
        rows.append(f"{len(parts.measured):,} to test with")
    dtype = "" if arguments.dtype == "float32" else f" in {arguments.dtype}"
    several = f"{arguments.ensemble} networks of " if arguments.ensemble else ""
    decay = f", weight decay {arguments.weight_decay:g}" if arguments.weight_decay else ""
    return (
        f"data:  {source_name(arguments.data)}: {', '.join(rows)}; {data.x.shape[1]} features, {_targets(parts)}\n"
        f"model: {several}{_layers(arguments, data, model)}, {arguments.activation}, {model.count_params():,} parameters"
        f"{dtype}; {arguments.optimizer}, learning rate {arguments.lr:g}{decay}"
        + (f"\nranks: {ranks.size}, which share {ranks.shards} shards of every batch" if ranks else "")
    )


def _targets(parts: Parts) -> str:
    """Return the description of the targets, and how to choose otherwise where numbers may be either."""
    data = parts.sample
    if data.is_regression:
        assert data.y is not None
        outputs = "" if data.y.ndim == 1 else f"{data.y.shape[1]} outputs, "
        return (
            f"{outputs}numbers from {data.y.min():g} to {data.y.max():g}: a regression "
            "(--task classification takes them as classes)"
        )
    classes = data.class_names or []
    are_numbers = all(name.lstrip("+-").isdigit() for name in classes)
    otherwise = "; --task regression takes them as numbers" if are_numbers else ""
    return f"{data.n_classes} classes ({shortened(classes)}{otherwise})"


def _layers(arguments: argparse.Namespace, data: Any, model: Sequential) -> str:
    outputs = (model.output_shape or (0,))[-1]
    if arguments.layers:
        return " x ".join(map(str, model.input_shape or ())) + f", {arguments.layers}, dense {outputs}"
    return "-".join(map(str, [data.x.shape[1], *arguments.hidden, outputs]))


def training_facts(
    arguments: argparse.Namespace,
    rows: int,
    seconds: float,
    history: dict[str, list[float]],
    ranks: Distribution | None,
) -> dict[str, Any]:
    """Return the facts about a training for JSON: of an ensemble, those of all networks together."""
    epochs = len(next(iter(history.values()), [])) or arguments.epochs
    return {
        "rows": rows,
        "epochs": epochs,
        "batch_size": arguments.batch_size,
        "seed": arguments.seed,
        **({"networks": arguments.ensemble} if arguments.ensemble else {}),
        "threads": get_num_threads(),
        **({"ranks": ranks.size, "shards": ranks.shards} if ranks else {}),
        "seconds": seconds,
        "samples_per_second": rows * epochs * (arguments.ensemble or 1) / seconds,
    }


def report(
    result: Result | RegressionResult,
    parts: Parts,
    training: dict[str, Any],
    model: Sequential,
    files: list[str],
    arguments: argparse.Namespace,
) -> str:
    """Return the result as text: one line if it is to be quiet."""
    figure, others = result.headline("Training" if parts.measured is parts.sample else "Held-out")
    stopped = ", which also decided when to stop" if _decided(parts, arguments) else ""
    output = sys.stderr if arguments.out == "-" else sys.stdout
    headline = f"{styled(figure, 'bold', output)} ({others}; {parts.measured_is}{stopped})"
    if arguments.quiet:
        return headline
    threads = f"{training['threads']} thread{'s' if training['threads'] > 1 else ''}"
    if "ranks" in training:
        threads = f"{training['ranks']} rank{'s' if training['ranks'] > 1 else ''} of {threads}"
    each = f" for each of {training['networks']} networks" if "networks" in training else ""
    return (
        f"{headline}\n\n{result.details()}\n\n"
        f"Training: {training['epochs']} epochs of {training['rows']:,} samples{each} in {training['seconds']:.2f} s on "
        f"{threads}, {training['samples_per_second']:,.0f} samples a second\n"
        f"{_kept(model, files, arguments)}"
    )


def _decided(parts: Parts, arguments: argparse.Namespace) -> bool:
    """Return whether the rows of the result also decided when training ends, which makes the result a little too good."""
    return bool(arguments.early_stopping) and parts.measured is parts.validation


def _kept(model: Sequential, files: list[str], arguments: argparse.Namespace) -> str:
    parameters = f"Model: {model.count_params():,} parameters"
    if not files:
        return f"{parameters}, not saved; use --out model.safetensors to save it"
    size = describe_size(Path(files[0]).stat().st_size)
    return f"{parameters}, {size}, written to {names_of_files(files, arguments.out)}"
